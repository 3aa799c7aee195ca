//! Consent: to which plan it belongs, when it is asked for again, and what an undo asks.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::cli::{Case, JOURNAL, Seen, agreed, with_checksum};
use crate::support::{Layout, same};

/// A setup that was agreed to and killed in its middle.
fn interrupted() -> Case {
    let case = Case::new(Layout::Modern);
    case.signal_at("kill-after", "install --no-remove --no-install-recommends podman");
    assert_eq!(case.run(&format!("setup {}", agreed())).code, 137);
    case
}

/// The error of a plan that differs from the one that was agreed to.
fn differs(because: &str) -> String {
    format!(
        "error: the plan differs from the confirmed one; no terminal to confirm the new one\n{because}hint: confirm the new plan with `--yes`; `kind-wsl plan` shows it\n"
    )
}

/// Types keys at the questions of a command, on a terminal.
fn typed(case: &Case, args: &str, keys: &str) -> Seen {
    let inner = case.command(args);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let words: Vec<_> = words.map(|w| format!("'{}'", w.to_str().unwrap())).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 80; exec {}", words.join(" ")), "/dev/null"]);
    script.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    case.end(child)
}

/// The journal with other words in it, and right checksums.
fn rewritten(case: &Case, change: impl Fn(&str) -> String) -> String {
    let open = |line: &str| change(&(line.rsplit_once(",\"sum\":\"").unwrap().0.to_owned() + "}"));
    case.machine.text(JOURNAL).lines().map(|line| with_checksum(&open(line))).collect()
}

#[test]
fn a_resumed_setup_with_other_answers_needs_a_new_consent() {
    let case = interrupted();
    for (flags, because) in [
        ("--delegate yes", "  because: `--delegate yes` instead of `--delegate guide`\n"),
        ("--provider docker", "  because: `--provider docker` instead of `--provider podman`\n"),
        ("--skip crun", "  because: `--skip=crun` instead of all stages\n"),
        ("--mirror https://other.test", "  because: another source of downloads\n"),
    ] {
        case.refuses(&format!("setup {flags}"), 2, &differs(because));
    }
    case.run("setup --no-restart").expect(3, "");
}

#[test]
fn a_changed_answer_is_not_taken_along_while_a_restart_is_due() {
    let case = Case::new(Layout::Modern);
    case.run(&format!("setup {} --no-restart", agreed())).expect(3, "");
    let because = "  because: `--delegate yes` instead of `--delegate guide`\n";
    case.refuses("setup --delegate yes", 2, &differs(because));
    case.machine.boot(2);
    case.refuses("setup --delegate yes", 2, &differs(because));
    case.run("setup").expect(0, "");
    assert!(!case.machine.text("/etc/systemd/system/user@.service.d/zz-kind-wsl.conf").contains("yes"));
}

#[test]
fn a_new_consent_by_flag_lets_a_setup_resume_with_other_answers() {
    let case = interrupted();
    case.run("setup --delegate yes --yes --no-restart").expect(3, "");
    assert!(
        case.machine.text("/etc/systemd/system/user@.service.d/zz-kind-wsl.conf").contains("Delegate=yes")
    );
    case.machine.boot(2);
    case.run("setup").expect(0, "");
}

#[test]
fn the_rest_of_a_confirmed_plan_needs_no_new_consent() {
    let case = interrupted();
    let shown = rewritten(&case, |line| line.replace(",\"yes\":true", ""));
    assert_ne!(shown, case.machine.text(JOURNAL));
    let case = case.file(JOURNAL, shown);
    case.run("setup --no-restart").expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "");
}

#[test]
fn a_change_that_was_not_in_the_plan_needs_a_new_consent() {
    let case = interrupted();
    let shown = rewritten(&case, |line| line.replace(",\"yes\":true", ""));
    let case = case.file(JOURNAL, shown);
    // Another package now fits another kernel: the machine changed, not the answers.
    case.machine.write("/proc/sys/kernel/keys/maxkeys", "200\n");
    let case = case.file("/etc/subgid", "other:100000:65536\nthird:165536:65536\n");
    let seen = case.run("setup");
    assert_eq!(seen.code, 2, "{seen:?}");
    assert!(seen.stderr.contains("because: new: edit /etc/subuid: dev:231072:65536"), "{seen:?}");
}

#[test]
fn a_setup_whose_plan_was_not_recorded_needs_a_new_consent() {
    let case = interrupted();
    let old = rewritten(&case, |line| match line.find(",\"agreed\":{") {
        Some(at) => format!("{}}}", &line[..at]),
        None => line.to_owned(),
    });
    let case = case.file(JOURNAL, old);
    case.refuses("setup", 2, &differs("  because: the plan of the interrupted setup was not recorded\n"));
    case.run("setup --yes --no-restart").expect(3, "");
}

#[test]
fn root_refuses_another_plan_than_the_one_that_was_agreed_to() {
    let case = Case::new(Layout::Modern);
    let flags = agreed().replace("--yes ", "");
    case.refuses(
        &format!("setup --agreed=0123456789abcdef {flags} --idle no"),
        2,
        "
        error: the plan differs from the confirmed one: the machine or the command line changed
        hint: run `kind-wsl setup` again
        ",
    );
}

#[test]
fn root_resumes_what_the_journal_was_agreed_to_although_the_two_runs_saw_different_things() {
    let case = interrupted();
    case.run("setup --agreed=0123456789abcdef --no-restart").expect(3, "");
    // Other choices are another plan, for root as well.
    let case = interrupted();
    case.refuses(
        "setup --agreed=0123456789abcdef --delegate yes",
        2,
        "
        error: the plan differs from the confirmed one: the machine or the command line changed
        hint: run `kind-wsl setup` again
        ",
    );
}

#[test]
fn enter_does_not_confirm_an_undo_and_its_preview_lists_the_effects() {
    let case = Case::new(Layout::Modern);
    let before = case.machine.snapshot();
    case.run("setup --yes --only limits,systemd").expect(0, "");
    let done = case.machine.snapshot();
    let seen = typed(&case, "undo", "\r");
    assert_eq!(seen.code, 130, "{seen:?}");
    let shown = anstream::adapter::strip_str(&seen.stdout).to_string();
    for line in [
        "This will revert 4 changes:",
        "delete   /etc/sysctl.d/99-kind-wsl.conf",
        "restore  /etc/wsl.conf",
        "reset    fs.inotify.max_user_watches 524288 -> 8192,",
        "keep     2 packages (`--packages` removes them): libpam-systemd, systemd-sysv",
        "Proceed? [y/N]",
        "Nothing was changed.",
    ] {
        assert!(shown.contains(line), "no `{line}` in {shown}");
    }
    for word in ["write ", "install", "Shall", "taken"] {
        assert!(!shown.contains(word), "`{word}` in {shown}");
    }
    same(&done, &case.machine.snapshot(), "not agreed to");
    let seen = typed(&case, "undo --packages", "y");
    assert_eq!(seen.code, 0, "{seen:?}");
    same(&before, &case.machine.snapshot(), "agreed to");
}

#[test]
fn an_undo_warns_of_a_cluster_that_will_not_start_afterwards() {
    let case = Case::new(Layout::Modern)
        .dir("/home/dev/.local/share/containers/storage")
        .file("/fake/nodes", "kind-control-plane\nkind-worker\n");
    case.run("setup --yes --only systemd,idle --idle yes").expect(0, "");
    let warns = |args: &str| {
        let seen = typed(&case, args, "\r");
        assert_eq!(seen.code, 130, "{seen:?}");
        seen.stdout.contains("cluster `kind` exists and will not start afterwards")
    };
    assert!(warns("undo") && warns("undo systemd") && !warns("undo idle"));
}

#[test]
fn an_undo_in_json_needs_its_flag_as_well() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    let error = "error: no terminal to confirm the undo\nhint: confirm it with `--yes`\n";
    case.refuses("undo --json", 2, error);
}

#[test]
fn an_undo_after_a_failed_edit_reports_only_what_was_changed() {
    // Something that is not a file stands where the new file is written first.
    let case = Case::new(Layout::Modern).dir("/etc/sysctl.d/.99-kind-wsl.conf.kind-wsl/x");
    let seen = case.run("setup --yes --only limits");
    assert_eq!(seen.code, 1, "{seen:?}");
    assert!(case.machine.has_journal(), "{seen:?}");
    case.run("undo --yes").expect(0, "").says("Nothing to revert.");
    assert!(!case.machine.has_journal());
}

#[test]
fn packages_that_were_never_installed_are_not_reported_as_kept_or_removed() {
    for flags in ["", " --packages"] {
        let case = Case::new(Layout::Modern).file("/fake/archive", "crun 1.8.1-1\n");
        let seen = case.run(&format!("setup --only packages {}", agreed()));
        assert_eq!(seen.code, 1, "{seen:?}");
        let undone = case.run(&format!("undo --yes{flags}")).expect(0, "").says("Nothing to revert.");
        assert!(!undone.stdout.contains("packages stay"), "{undone:?}");
        assert!(!case.machine.has_journal());
    }
}

#[test]
fn a_stage_that_only_names_can_be_undone_by_name() {
    let case = Case::new(Layout::Modern);
    case.run(&format!("setup {} --no-restart", agreed())).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "").says("kind is not installed: kind-wsl setup --only tools --tools kind");
    let seen = case.run("plan --only tools").expect(0, "");
    assert!(seen.stdout.contains("kubectl"), "{seen:?}");
    case.refuses(
        "setup --only tools",
        2,
        "
        error: no terminal to prompt on; missing answers: `--tools` (Install kind and kubectl in ~/.local?), `--kind-wrapper` (Run plain `kind` through kind-wsl?)
        hint: set these flags, or use the recommended answers with `--yes`
        ",
    );
}

#[test]
fn an_earlier_answer_that_this_version_does_not_know_is_ignored() {
    let case = interrupted();
    let text = rewritten(&case, |line| {
        line.replace("\"answers\":{", "\"answers\":{\"gone\":\"x\",\"provider\":\"lxc\",")
            .replace(",\"provider\":\"podman\"", "")
    });
    let case = case.file(JOURNAL, text);
    case.run("setup --no-restart -v").expect(
        3,
        "
        note: ignoring an earlier answer that this version does not support: gone = x
        note: ignoring an earlier answer that this version does not support: provider = lxc
        ",
    );
}
