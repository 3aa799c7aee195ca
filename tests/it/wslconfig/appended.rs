//! Undo after lines were appended to a file of WSL: none of our lines stays, not even an empty section.

use std::fs;

use kind_wsl::edit::wslconf::{Dialect, moved};

use crate::support::{Layout, Machine, answers};

const CONF: &str = "/etc/wsl.conf";
const CONFIG: &str = "/mnt/c/Users/dev/.wslconfig";

/// The two files after setup, `cat >>` and undo.
fn after_undo(path: &str, before: &str, appended: &str) -> String {
    let machine = Machine::new(Layout::Classic);
    machine.write(path, before);
    machine.finish(|host| machine.setup(host, &answers(), false));
    machine.write(path, machine.text(path) + appended);
    machine.undo_all();
    fs::read_to_string(machine.path(path)).unwrap()
}

#[test]
fn undo_leaves_what_was_appended_and_no_empty_section_above_it() {
    for (path, before, appended) in [
        (CONF, "# mine\n[user]\ndefault=dev\n", "\n[network]\nhostname=x\n"),
        (CONF, "", "[network]\nhostname=x\n"),
        (CONF, "[user]\ndefault=dev\n\n", "# a note\n[network]\nhostname=x\n"),
        (CONF, "[user]\ndefault=dev\n", "\n# two\n# lines\n\n[network]\nhostname=x\n"),
        (CONF, "[automount]\r\nenabled=true\r\n", "\r\n[network]\r\nhostname=x\r\n"),
        (CONFIG, "[wsl2]\r\nmemory=4GB\r\n", "\r\n[experimental]\r\nsparseVhd=true\r\n"),
        (CONFIG, "[wsl2]\nmemory=4GB\n", "\n# a note\n[experimental]\nsparseVhd=true\n"),
        (CONFIG, "[experimental]\nsparseVhd=true\n", "\n[network]\n"),
    ] {
        assert_eq!(after_undo(path, before, appended), format!("{before}{appended}"), "{path}");
    }
}

#[test]
fn undo_keeps_our_section_for_a_key_that_was_appended_to_it() {
    let after = after_undo(CONF, "[user]\ndefault=dev\n", "command=echo hi\n");
    assert_eq!(after, "[user]\ndefault=dev\n\n[boot]\ncommand=echo hi\n");
}

#[test]
fn undo_of_a_file_without_a_final_newline_leaves_no_empty_section() {
    for (path, dialect, before, appended) in [
        (CONF, Dialect::WslConf, "[user]\ndefault=dev", "\n[network]\nhostname=x\n"),
        (CONFIG, Dialect::WslConfig, "[wsl2]\r\nmemory=4GB", "\r\n[experimental]\r\nsparseVhd=true"),
    ] {
        let after = after_undo(path, before, appended);
        let wanted = format!("{before}{appended}");
        assert_eq!(moved(wanted.as_bytes(), after.as_bytes(), dialect, |_| false), None, "{after}");
        assert!(!after.contains("[boot]") && !after.contains("[general]"), "{after}");
    }
}
