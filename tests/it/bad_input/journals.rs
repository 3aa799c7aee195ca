//! Journals that are held, damaged, newer or another's, and an undo that finds what others did.

use std::fs::{self, File};

use crate::support::cli::{Case, JOURNAL};
use crate::support::{Layout, same};

const BEGIN: &str =
    r#"{"record":"begin","version":1,"tool":"kind-wsl 0.1.0","at":"2026-01-01T00:00:00Z","user":"dev"}"#;

#[test]
fn a_second_run_at_the_same_time_is_refused() {
    let case = Case::new(Layout::Modern).journal(&[BEGIN]);
    let lock = File::create(case.machine.path("/var/lib/kind-wsl/lock")).unwrap();
    lock.lock().unwrap();
    for command in ["setup --yes --only limits", "undo --yes"] {
        let (name, id) = (fs::read_to_string("/proc/self/comm").unwrap(), std::process::id());
        let said = format!(
            "error: another kind-wsl is at work for `dev`: process {id} (`{}`) holds the lock in `/var/lib/kind-wsl`\n\
             hint: wait until it has ended; `ps -fp {id}` shows it\n",
            name.trim()
        );
        case.run(command).without_start().expect(1, &said);
    }
}

#[test]
fn a_journal_of_a_newer_version_is_refused_with_the_program_that_wrote_it() {
    let newer = r#"{"record":"begin","version":3,"tool":"kind-wsl 3.1.0","era":"later"}"#;
    let case = Case::new(Layout::Modern).journal(&[newer]);
    for command in ["setup --yes", "plan", "status", "undo --yes", "report"] {
        case.refuses(
            command,
            1,
            "
            error: `/var/lib/kind-wsl/journal.jsonl` has version 3, written by kind-wsl 3.1.0; this program reads up to version 2
            hint: use kind-wsl 3.1.0 or later
            ",
        );
    }
}

#[test]
fn a_damaged_line_of_the_journal_is_named() {
    let case = Case::new(Layout::Modern).journal(&[BEGIN, "rubbish", r#"{"record":"restarted"}"#]);
    for command in ["setup --yes", "undo --yes"] {
        case.refuses(
            command,
            1,
            "
            error: line 2 of `/var/lib/kind-wsl/journal.jsonl` is damaged: expected value at column 1
            hint: keep a copy of /var/lib/kind-wsl and report the problem: it lists every change in plain text
            ",
        );
    }
}

#[test]
fn a_torn_last_line_of_the_journal_is_not_an_error() {
    let case = Case::new(Layout::Modern).journal(&[BEGIN]);
    let begin = case.machine.text(JOURNAL);
    let case = case.file(JOURNAL, begin + "{\"record\":\"inte");
    case.run("setup --yes --only limits").expect(0, "");
    case.run("undo --yes").expect(0, "").says("\n3 changes were reverted.\n");
    assert!(!case.machine.has_journal());
}

#[test]
fn a_change_to_the_machine_that_another_users_run_left_half_done_is_refused_with_both_ways_on() {
    let case = Case::new(Layout::Modern);
    case.machine.add_anna();
    case.signal_at("kill-after", "sysctl -q -w");
    assert_ne!(case.run("setup --yes --only limits").code, 0);
    for command in ["setup --user anna --yes --only limits", "undo --user anna --yes"] {
        let seen = case.run(command);
        let error = "error: the run for `dev` was interrupted while it changed the machine: stage `limits`, ";
        let hint = "hint: resume it with `kind-wsl setup --user dev`, or revert it with `kind-wsl undo --user dev`\n";
        assert!(seen.code == 1 && seen.stderr.starts_with(error) && seen.stderr.ends_with(hint), "{seen:?}");
    }
    case.run("setup --yes --only limits").expect(0, "");
    case.run("setup --user anna --yes --only limits").expect(0, "");
}

#[test]
fn a_journal_that_is_a_directory_is_refused() {
    Case::new(Layout::Modern).dir(JOURNAL).refuses(
        "setup --yes --only limits",
        1,
        "
        error: cannot read `/var/lib/kind-wsl/journal.jsonl`
          because: Is a directory
        hint: a file is required: move the directory away (`mv /var/lib/kind-wsl/journal.jsonl /var/lib/kind-wsl/journal.jsonl.old`), then run the same command again
        ",
    );
}

#[test]
fn an_undo_without_a_setup_reports_that() {
    Case::new(Layout::Modern)
        .refuses("undo --yes", 0, "")
        .says("Nothing to undo: kind-wsl has changed nothing on this machine.\n");
}

/// A machine whose sysctl file was ours and is another program's now.
fn drifted() -> Case {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    case.file("/etc/sysctl.d/99-kind-wsl.conf", "# mine now\n")
}

#[test]
fn an_undo_shows_the_changes_of_others_in_our_file_and_stops() {
    drifted()
        .run("undo --yes")
        .expect(
            4,
            "
        error: `/etc/sysctl.d/99-kind-wsl.conf` was changed by another program
        hint: use `--drift keep` to keep the current file, or `--drift restore` to restore the original
        ",
        )
        .says(
            "
        - # Written by kind-wsl (`kind-wsl explain limits`).
        - fs.inotify.max_user_watches = 524288
        - fs.inotify.max_user_instances = 512
        + # <10 bytes>
        ",
        );
}

#[test]
fn an_undo_shows_which_entry_others_changed_and_stops() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only systemd").expect(0, "");
    let ours = case.machine.text("/etc/wsl.conf");
    let case = case.file("/etc/wsl.conf", ours.replace("systemd=true", "systemd=false"));
    case.refuses(
        "undo --yes",
        4,
        "
        error: `/etc/wsl.conf` ([boot] systemd = true) was changed by another program
        hint: use `--drift keep` to keep the current file, or `--drift restore` to restore the original
        ",
    )
    .says(
        "
        - true
        + false
        ",
    );
}

#[test]
fn drift_keep_keeps_the_changes_of_others() {
    let case = drifted();
    case.run("undo --yes --drift keep").expect(0, "").says(
        "
          reset fs.inotify.max_user_watches: 524288 -> 8192
          kept /etc/sysctl.d/99-kind-wsl.conf (another program changed it)

        2 changes were reverted.
        ",
    );
    assert_eq!(case.machine.text("/etc/sysctl.d/99-kind-wsl.conf"), "# mine now\n");
    assert!(!case.machine.has_journal());
}

#[test]
fn drift_restore_restores_the_original() {
    let case = Case::new(Layout::Modern);
    let before = case.machine.snapshot();
    case.run("setup --yes --only limits").expect(0, "");
    let case = case.file("/etc/sysctl.d/99-kind-wsl.conf", "# mine now\n");
    case.run("undo --yes --drift restore").expect(0, "").says("\n3 changes were reverted.\n");
    same(&before, &case.machine.snapshot(), "restored");
    assert!(!case.machine.has_journal());
}

#[test]
fn an_undo_takes_its_part_out_of_a_file_that_others_wrote_to_as_well() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only systemd").expect(0, "");
    let ours = case.machine.text("/etc/wsl.conf");
    let case = case.file("/etc/wsl.conf", ours + "[network]\nhostname=box\n");
    case.run("undo --yes").expect(0, "");
    assert_eq!(
        case.machine.text("/etc/wsl.conf"),
        "# by the distribution\n[automount]\nenabled=true\n\n[network]\nhostname=box\n"
    );
}

#[test]
fn an_undo_whose_saved_copy_is_gone_reports_it_and_can_keep_the_file() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only systemd").expect(0, "");
    let saved = case.machine.path("/var/lib/kind-wsl/saved");
    for file in saved.read_dir_utf8().unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    case.refuses(
        "undo --yes",
        1,
        "
        error: stage `systemd` failed: edit /etc/wsl.conf: [boot] systemd = true
          because: the saved copy of `/etc/wsl.conf` (sha256 313a2f1e5ca69acf40d5cad69675ddd5cd6595fa75764936b64c7d656d2c07f9) is missing or damaged
        hint: keep the file as it is with `kind-wsl undo --drift keep`
        ",
    );
    case.run("undo --yes --drift keep")
        .expect(0, "")
        .says("kept /etc/wsl.conf (another program changed it)\n");
    assert_eq!(
        case.machine.text("/etc/wsl.conf"),
        "# by the distribution\n[automount]\nenabled=true\n\n[boot]\n# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"\nsystemd=true\n"
    );
}
