//! A journal that another user can change, and one that holds a command.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use crate::support::Layout;
use crate::support::cli::{Case, JOURNAL, is_root, with_checksum};

const DIR: &str = "/var/lib/kind-wsl";
const COMMANDS: [&str; 5] = ["setup --yes --only limits", "undo --yes", "plan", "status", "report"];

fn set_up() -> Case {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    case
}

/// Every command refuses it by naming the place and what is wrong with it.
fn refused(case: &Case, path: &str, why: &str) {
    for command in COMMANDS {
        let seen = case.run(command);
        let error = format!("error: cannot trust `{path}`: {why}\n");
        assert!(seen.code == 1 && seen.stderr.starts_with(&error), "{command}: {seen:?}");
    }
}

#[test]
fn a_journal_of_another_user_is_never_followed() {
    if !is_root() {
        return;
    }
    for path in [JOURNAL, DIR, "/var/lib", "/var"] {
        let case = set_up();
        lchown(case.machine.path(path), Some(1000), None).unwrap();
        refused(&case, path, "it belongs to user ID 1000, not to root");
        lchown(case.machine.path(path), Some(0), None).unwrap();
        case.run("undo --yes").expect(0, "");
    }
}

#[test]
fn a_journal_that_others_can_write_is_never_followed() {
    for path in [JOURNAL, DIR, "/var/lib"] {
        for mode in [0o777, 0o772] {
            let case = set_up();
            let real = case.machine.path(path);
            let before = fs::metadata(&real).unwrap().permissions();
            fs::set_permissions(&real, fs::Permissions::from_mode(mode)).unwrap();
            refused(&case, path, &format!("other users can write to it (mode {mode:o})"));
            fs::set_permissions(&real, before).unwrap();
            case.run("undo --yes").expect(0, "");
        }
    }
}

#[test]
fn a_journal_that_the_group_of_others_can_write_is_never_followed() {
    if !is_root() {
        return;
    }
    for path in [JOURNAL, DIR] {
        let case = set_up();
        lchown(case.machine.path(path), None, Some(1000)).unwrap();
        fs::set_permissions(case.machine.path(path), fs::Permissions::from_mode(0o775)).unwrap();
        refused(&case, path, "other users can write to it (mode 775)");
    }
}

#[test]
fn a_journal_behind_a_link_is_never_followed() {
    for path in [JOURNAL, DIR] {
        let case = set_up();
        let real = case.machine.path(path);
        let aside = case.machine.path("/home/dev/aside");
        fs::rename(&real, &aside).unwrap();
        symlink("/home/dev/aside", &real).unwrap();
        refused(&case, path, "it is a symbolic link to `/home/dev/aside`");
    }
}

/// Each line of the journal with other words in it, and a right checksum.
fn forged(case: &Case, was: &str, is: &str) -> String {
    let text = case.machine.text(JOURNAL);
    assert!(text.contains(was), "{text}");
    let forge =
        |line: &str| with_checksum(&(line.rsplit_once(",\"sum\":\"").unwrap().0.replace(was, is) + "}"));
    text.lines().map(forge).collect()
}

#[test]
fn an_undo_runs_no_command_that_the_journal_names() {
    for (was, is) in [
        (
            r#"{"program":"sysctl","args":["-q","-w","fs.inotify.max_user_instances={}"]"#,
            r#"{"program":"sh","args":["-c","id > /forged"]"#,
        ),
        ("fs.inotify.max_user_instances", "kernel.core_pattern"),
        (r#""seconds":30}"#, r#""env":{"LD_PRELOAD":"/tmp/x.so"},"seconds":30}"#),
    ] {
        let case = set_up();
        let text = forged(&case, was, is);
        let case = case.file(JOURNAL, text);
        for command in ["undo --yes", "setup --yes", "status"] {
            let seen = case.run(command);
            assert_eq!(seen.code, 1, "{command}: {seen:?}");
            assert!(seen.stderr.contains("is not a command of kind-wsl"), "{command}: {seen:?}");
        }
    }
}

#[test]
fn an_undo_writes_back_only_numbers_to_the_kernel() {
    let case = set_up();
    let text = forged(
        &case,
        r#""before":{"is":"text","value":"128"}"#,
        r#""before":{"is":"text","value":"128;id"}"#,
    );
    let case = case.file(JOURNAL, text);
    let seen = case.run("undo --yes");
    assert_eq!(seen.code, 1, "{seen:?}");
    assert!(seen.stderr.contains("the journal holds a state that does not fit"), "{seen:?}");
    assert!(!case.machine.text("/fake/commands").contains("128;id"));
}
