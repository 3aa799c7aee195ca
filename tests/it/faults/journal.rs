//! The journal as every command tells of it: damaged, of an older and a newer program, of a clock that went back.

use super::{calm, recovers};
use crate::support::Layout;
use crate::support::cli::{Case, JOURNAL, agreed, with_checksum};

#[test]
fn a_flipped_byte_in_the_journal_is_reported_by_every_command_with_a_fix() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    let text = case.machine.text(JOURNAL);
    // One digit of a path in an intent, and the file would be another one.
    let case = case
        .file(JOURNAL, text.replacen("/etc/sysctl.d/99-kind-wsl.conf", "/etc/sysctl.d/98-kind-wsl.conf", 1));
    let line = text.lines().position(|l| l.contains("99-kind-wsl.conf")).unwrap() + 1;
    let said = format!(
        "error: line {line} of `/var/lib/kind-wsl/journal.jsonl` is damaged: its checksum is wrong\n\
         hint: keep a copy of /var/lib/kind-wsl and report the problem: it lists every change in plain text\n"
    );
    for command in ["status", "plan", "setup --yes --only limits", "undo --yes", "report"] {
        case.refuses(command, 1, &said);
    }
    let case = case.file(JOURNAL, text);
    case.run("undo --yes").expect(0, "");
    assert!(!case.machine.has_journal());
}

#[test]
fn a_journal_line_without_a_checksum_is_refused_by_every_command() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    let text = case.machine.text(JOURNAL);
    let line = text.lines().count();
    let open = unsealed(text.lines().last().unwrap());
    let said = format!(
        "error: line {line} of `/var/lib/kind-wsl/journal.jsonl` is damaged: it has no checksum\n\
         hint: keep a copy of /var/lib/kind-wsl and report the problem: it lists every change in plain text\n"
    );
    let all_but_last: String = text.split_inclusive('\n').take(line - 1).collect();
    let case = case.file(JOURNAL, all_but_last + &open);
    for command in ["status", "plan", "setup --yes --only limits", "undo --yes"] {
        case.refuses(command, 1, &said);
    }
}

/// The records without their checksums.
fn unsealed(text: &str) -> String {
    let open = |line: &str| line.rsplit_once(",\"sum\":\"").unwrap().0.to_owned() + "}\n";
    text.lines().map(open).collect()
}

#[test]
fn a_clock_that_went_back_changes_nothing_but_the_date_that_is_shown() {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    case.signal_at("kill-after", "=600 install --no-remove --no-install-recommends podman");
    assert_eq!(case.run(&format!("setup {}", agreed())).code, 137);
    // The clock was decades ahead when it was written.
    let year = case.machine.text(JOURNAL).split("\"at\":\"").nth(1).unwrap()[..4].to_owned();
    let text = unsealed(&case.machine.text(JOURNAL)).replace(&format!("\"at\":\"{year}"), "\"at\":\"2099");
    let case = case.file(JOURNAL, text.lines().map(with_checksum).collect::<String>());
    let seen = case.run("status").expect(0, "");
    assert!(seen.stdout.contains("Setup is unfinished (started 2099-"), "{}", seen.stdout);
    recovers(&case, &calm);
}

#[test]
fn a_journal_of_a_newer_version_is_left_for_the_newer_program() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    let text = case.machine.text(JOURNAL);
    let newer = r#"{"record":"begin","version":3,"tool":"kind-wsl 3.1.0","era":"later"}"#;
    let case = case.file(JOURNAL, format!("{newer}\n{text}"));
    let said = "error: `/var/lib/kind-wsl/journal.jsonl` has version 3, written by kind-wsl 3.1.0; this program reads up to version 2\n\
                hint: use kind-wsl 3.1.0 or later\n";
    for command in ["setup --yes", "plan", "status", "undo --yes"] {
        case.refuses(command, 1, said);
    }
    let case = case.file(JOURNAL, text);
    case.run("undo --yes").expect(0, "");
    assert!(!case.machine.has_journal());
}
