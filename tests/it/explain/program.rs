//! `kind-wsl explain` itself, on a fake machine.

use std::io::Write;
use std::process::Stdio;

use crate::explain::forms::ORDINARY;
use crate::support::Layout;
use crate::support::cli::{Case, Seen};

/// What it prints when a text is piped in.
fn piped(case: &Case, args: &str, input: &[u8]) -> Seen {
    let mut child = case.command(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let seen = case.end(child);
    // It may stop reading where it has seen enough.
    let _ = writer.join().unwrap();
    seen
}

const V2: &str = "ERROR: failed to create cluster: running kind with rootless provider requires cgroup v2";

#[test]
fn a_piped_message_is_explained_to_the_letter() {
    let seen = piped(&Case::new(Layout::Classic), "explain -", V2.as_bytes());
    assert_eq!(seen.stdout, "\
KW002: kind requires cgroup v2

This machine: AFFECTED. /sys/fs/cgroup is a tmpfs with cgroup v1 (cpu)

Fix      kind-wsl setup --only cgroup,cgroup-mount,restart
         By hand: add `kernelCommandLine = cgroup_no_v1=all` under `[wsl2]` of .wslconfig in the Windows profile, then run `wsl --shutdown` in Windows.
Why      cgroup v1 is mounted, alone or beside v2. WSL before 2.5.7 mounts it by default, later versions if /etc/wsl.conf sets `cgroups=v1` under `[automount]`. Rootless containers can only be limited with cgroup v2.
Verify   `stat -fc %T /sys/fs/cgroup` prints `tmpfs` for v1 and `cgroup2fs` for v2; `grep cgroup /proc/mounts` lists the mounts
More     https://github.com/kubernetes-sigs/kind/issues/3433
");
    seen.expect(0, "");
}

#[test]
fn a_fix_is_not_the_answer_on_a_machine_without_the_cause() {
    piped(&Case::new(Layout::Plain), "explain -", V2.as_bytes()).expect(0, "").says(
        "
        This machine: not affected. /sys/fs/cgroup is cgroup v2
    ",
    );
    let case = Case::new(Layout::Plain);
    let text = piped(&case, "explain -", V2.as_bytes()).expect(0, "").stdout;
    let answer = "Fix      This machine does not have the cause. On a machine that has it: run `kind-wsl setup --only cgroup,";
    assert!(text.contains(answer), "{text}");
    let symptom = &json(piped(&case, "explain --json -", V2.as_bytes()))["symptoms"][0];
    assert_eq!((&symptom["present"], &symptom["command"]), (&false.into(), &serde_json::Value::Null));
    assert!(
        symptom["fix"].as_str().unwrap().starts_with("This machine does not have the cause."),
        "{symptom}"
    );
}

#[test]
fn in_a_log_the_line_is_shown_and_others_are_named() {
    let log = format!("{ORDINARY}WARN[0000] \"/\" is not a shared mount, this could\n{V2}\n{ORDINARY}");
    let (line, lines) = (ORDINARY.lines().count() + 2, log.lines().count());
    let seen = piped(&Case::new(Layout::Plain), "explain -", log.as_bytes()).expect(0, "");
    let seen = seen.says(&format!(
        "
        KW002: kind requires cgroup v2  (line {line} of {lines})
    "
    ));
    seen.says(
        "
        Also found
          KW033  \"/\" is not a shared mount
    ",
    );
}

#[test]
fn a_message_may_be_typed_with_and_without_quotes() {
    let case = Case::new(Layout::Plain);
    case.run("explain crun: unknown version specified: OCI runtime error").expect(0, "").says(
        "
        KW028: crun is too old for this podman
    ",
    );
    let mut command = case.command("explain");
    let child = command.arg("crun: unknown version specified").spawn().unwrap();
    case.end(child).expect(0, "").says(
        "
        KW028: crun is too old for this podman
    ",
    );
    case.run("explain --color always x509: certificate has expired or is not yet valid")
        .expect(0, "")
        .says("\u{1b}[1mKW055: certificates are not valid yet: the clock is behind\u{1b}[0m\n");
}

#[test]
fn a_file_is_read_and_a_missing_one_is_not_taken_for_a_message() {
    let case = Case::new(Layout::Plain).file("/build.log", ORDINARY.to_owned() + V2);
    case.run("explain [ROOT]/build.log").expect(0, "").says(
        "
        KW002: kind requires cgroup v2  (line 131 of 131)
    ",
    );
    case.refuses(
        "explain [ROOT]/other.log",
        2,
        "
        error: the file `[ROOT]/other.log` does not exist
        hint: `-` reads standard input: `... 2>&1 | kind-wsl explain -`
        ",
    );
    case.refuses(
        "explain [ROOT]/etc",
        1,
        "
        error: cannot read `[ROOT]/etc`: Is a directory
        hint: pipe the output of a command: `... 2>&1 | kind-wsl explain -`
        ",
    );
}

#[test]
fn an_unknown_message_is_reported_as_unknown() {
    Case::new(Layout::Plain).refuses(
        "explain the dog ate my cluster",
        1,
        "
        error: no known cause matches this message
        hint: check this machine with `kind-wsl doctor`; `kind-wsl report` collects data for a bug report
        ",
    );
    piped(&Case::new(Layout::Plain), "explain -", b" \n").expect(
        1,
        "
        error: nothing to explain: the text is empty
        hint: pipe the output of a command: `... 2>&1 | kind-wsl explain -`
        ",
    );
}

fn json(seen: Seen) -> serde_json::Value {
    let seen = seen.expect(0, "");
    assert_eq!(seen.stdout.lines().count(), 1, "{}", seen.stdout);
    serde_json::from_str(&seen.stdout).unwrap()
}

#[test]
fn programs_get_every_symptom_best_first() {
    let case = Case::new(Layout::Classic);
    let value =
        json(piped(&case, "explain --json -", format!("\"/\" is not a shared mount\n{V2}").as_bytes()));
    assert_eq!(value["v"], 1);
    let rows: Vec<_> =
        value["symptoms"].as_array().unwrap().iter().map(|s| s["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, [2, 33]);
    let best = &value["symptoms"][0];
    assert_eq!((&best["present"], &best["seen"]), (&true.into(), &V2.into()));
    for key in ["title", "cause", "check", "fix", "thread", "evidence"] {
        assert!(best[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert_eq!(value["symptoms"][1]["present"], serde_json::Value::Null);
}

#[test]
fn programs_get_an_empty_list_for_what_is_unknown() {
    let case = Case::new(Layout::Plain);
    for input in [ORDINARY.as_bytes(), b"", b"\xff\xfe\0", b"systemd"] {
        assert_eq!(json(piped(&case, "explain --json -", input))["symptoms"], serde_json::json!([]));
    }
    assert_eq!(json(case.run("explain --json nonsense"))["symptoms"], serde_json::json!([]));
}

#[test]
fn programs_get_the_stages_as_well() {
    let case = Case::new(Layout::Plain);
    assert_eq!(json(case.run("explain --json cgroup"))["stages"][0]["id"], "cgroup");
    assert_eq!(
        json(case.run("explain --json"))["stages"].as_array().unwrap().len(),
        kind_wsl::stages::STAGES.len()
    );
}

#[test]
fn explain_needs_neither_a_regular_user_nor_a_supported_machine() {
    let case = Case::new(Layout::Classic);
    let message = "explain Failed to connect to bus: No medium found";
    Case::new(Layout::Plain).run(&format!("--user root {message}")).expect(0, "").says(
        "
        This machine: unknown. root cannot run rootless containers; specify the user: `--user NAME`
    ",
    );
    case.run(&format!("--user nobody-of-that-name {message}")).expect(0, "").says(
        "
        This machine: unknown. no regular user to check; select one with `--user NAME`
    ",
    );
}

#[test]
fn a_very_long_log_is_read_at_both_ends() {
    let mut log = "ordinary words in a line of some length\n".repeat((24 << 20) / 40);
    log.push_str(V2);
    let seen = piped(&Case::new(Layout::Plain), "explain -", log.as_bytes());
    let seen = seen.expect(0, "note: the input is long: skipped 8 MiB in the middle\n");
    seen.says(
        "
        KW002: kind requires cgroup v2
    ",
    );
}

#[test]
fn an_id_and_several_topics_are_explained() {
    let case = Case::new(Layout::Plain);
    for id in ["KW027", "kw27"] {
        case.run(&format!("explain {id}")).expect(0, "").says("KW027: crun before 1.9.1 on a newer kernel\n");
    }
    let seen = case.run("explain limits idle KW200").expect(0, "");
    for part in [
        "limits: ",
        "\n\nidle: ",
        "\n\nKW200: netavark",
        "\nFailed   netavark",
        "\nOptions  --privileged-ports",
    ] {
        assert!(seen.stdout.contains(part), "{part} in {}", seen.stdout);
    }
    let symptom = &json(case.run("explain --json KW200"))["symptoms"][0];
    assert_eq!(
        (&symptom["id"], &symptom["kind"], &symptom["component"]),
        (&"KW200".into(), &"family".into(), &"netavark".into())
    );
    case.refuses(
        "explain KW199",
        2,
        "
        error: unknown error ID `KW199`
        hint: docs/reference/known-errors.md lists every ID
        ",
    );
}

#[test]
fn a_pipe_needs_no_dash_and_without_one_the_topics_are_listed() {
    let case = Case::new(Layout::Plain);
    piped(&case, "explain", V2.as_bytes()).expect(0, "").says("KW002: kind requires cgroup v2\n");
    for seen in [piped(&case, "explain", b""), case.run("explain")] {
        let seen = seen.expect(0, "");
        assert!(seen.stdout.contains("kind-wsl explain KW001"), "{}", seen.stdout);
    }
}

#[test]
fn a_family_names_the_component_and_runs_its_checks() {
    let case = Case::new(Layout::Modern);
    let message = b"Error: netavark: create bridge: Netlink error: File exists (os error 17)";
    let symptom = &json(piped(&case, "explain --json -", message))["symptoms"][0];
    assert_eq!((&symptom["id"], &symptom["status"]), (&"KW200".into(), &"affected".into()), "{symptom}");
    let checks = symptom["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["verdict"] == "wrong"), "{symptom}");
    assert!(!symptom["command"].is_null() || !symptom["fix"].as_str().unwrap().is_empty());
}

#[test]
fn a_symptom_that_the_machine_confirms_comes_before_one_that_it_rules_out() {
    let text = format!("{V2}\nfailed to create fsnotify watcher: too many open files");
    let found = json(piped(&Case::new(Layout::Modern), "explain --json -", text.as_bytes()));
    let seen =
        |index: usize| (found["symptoms"][index]["id"].clone(), found["symptoms"][index]["status"].clone());
    assert_eq!(seen(0), ("KW050".into(), "affected".into()));
    assert_eq!(seen(1), ("KW002".into(), "not-affected".into()));
}
