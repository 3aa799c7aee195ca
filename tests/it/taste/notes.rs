//! The comment that says whose a line is.

use super::{NOTE, set_up, undone};
use crate::support::Layout;
use crate::support::cli::Case;

const CONF: &str = "/etc/wsl.conf";
const WSLCONFIG: &str = "/mnt/c/Users/dev/.wslconfig";
const CONTAINERS: &str = "/home/dev/.config/containers/containers.conf";

/// A machine with this file, whose podman has no drop-ins if the file is its own.
fn case_with(path: &str, before: &str) -> Case {
    let case = Case::new(Layout::Classic).file(path, before);
    if path == CONTAINERS { case.podman_3() } else { case }
}

#[track_caller]
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_new_line_in_a_file_of_the_user_has_a_comment_that_names_kind_wsl() {
    for (path, before, after) in [
        (
            CONF,
            "[automount]\nenabled=true\n",
            format!("[automount]\nenabled=true\n\n[boot]\n{NOTE}\nsystemd=true\n"),
        ),
        (
            CONF,
            "[boot]\n  command = true\n",
            format!("[boot]\n  command = true\n  {NOTE}\n  systemd = true\n"),
        ),
        (CONF, "[boot]\ncommand=true", format!("[boot]\ncommand=true\n{NOTE}\nsystemd=true")),
        (CONTAINERS, "[engine]\nruntime = \"/usr/bin/crun\"\n\n[containers]\nenv = []\n", String::new()),
        (CONTAINERS, "[containers]\n# How logs are kept.\n#log_driver = \"\"\n\nenv=[]", String::new()),
    ] {
        let case = set_up(case_with(path, before), "");
        let left = case.machine.text(path);
        if after.is_empty() {
            assert!(left.contains(&format!("{NOTE}\nlog_driver")), "{left}");
        } else {
            assert_eq!(left, after);
        }
        let again = set_up(case, "");
        assert_eq!(again.machine.text(path), left, "a repeated setup adds nothing");
        assert_eq!(text(undone(&again, path)), before);
    }
}

#[test]
fn two_adjacent_lines_share_a_comment() {
    let before = "# by Windows\r\n[wsl2]\r\nmemory=4GB\r\n\r\n[experimental]\r\nsparseVhd=true\r\n";
    let case = set_up(Case::new(Layout::Classic).file(WSLCONFIG, before), "--idle yes");
    let left = case.machine.text(WSLCONFIG);
    let ours =
        "kernelCommandLine=cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1\r\nvmIdleTimeout=-1\r\n";
    assert!(left.contains(&format!("memory=4GB\r\n{NOTE}\r\n{ours}\r\n[experimental]")), "{left}");
    assert!(left.ends_with(&format!("[general]\r\n{NOTE}\r\ninstanceIdleTimeout=-1\r\n")), "{left}");
    assert_eq!(text(undone(&case, WSLCONFIG)), before);

    let case = set_up(Case::new(Layout::Classic).file(WSLCONFIG, before), "--idle yes");
    let case = case.file(WSLCONFIG, left.replace("memory=4GB", "memory=8GB") + "# last\r\n");
    assert_eq!(
        text(undone(&case, WSLCONFIG)),
        before.replace("memory=4GB", "memory=8GB") + "\r\n[general]\r\n# last\r\n"
    );
}

#[test]
fn utf16_gets_the_comment_in_utf16() {
    let utf16 = |text: &str| -> Vec<u8> {
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    let before = "[wsl2]\r\nmemory=4GB\r\nprocessors=4\r\n";
    let case = set_up(Case::new(Layout::Classic).file(WSLCONFIG, utf16(before)), "");
    let words = "kernelCommandLine=cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1";
    let after = format!("{before}{NOTE}\r\n{words}\r\n");
    let path = case.machine.path(WSLCONFIG);
    assert_eq!(std::fs::read(&path).unwrap(), utf16(&after));
    std::fs::write(&path, utf16(&format!("# mine\r\n{after}"))).unwrap();
    assert_eq!(undone(&case, WSLCONFIG), utf16(&format!("# mine\r\n{before}")));
}

#[test]
fn a_changed_value_of_the_owner_and_a_file_of_our_own_have_no_comment() {
    for (path, before) in [
        (CONF, "[boot]\nsystemd=false\ncommand=true\n"),
        (CONF, ""),
        (WSLCONFIG, ""),
        (WSLCONFIG, "[wsl2]\nkernelCommandLine=quiet\nmemory=4GB\n"),
        (WSLCONFIG, "# mine\n"),
        (CONTAINERS, ""),
        (CONTAINERS, "[containers]\n"),
    ] {
        let case = set_up(case_with(path, before), "--idle no");
        let left = case.machine.text(path);
        assert!(left != before && !left.contains(NOTE), "{left}");
        assert_eq!(text(undone(&case, path)), before);
    }
    let case = set_up(Case::new(Layout::Classic).file("/etc/subuid", "# ours\nsomebody:300000:65536\n"), "");
    assert_eq!(case.machine.text("/etc/subuid"), "# ours\nsomebody:300000:65536\ndev:165536:65536\n");
}

#[test]
fn an_undo_works_without_the_comment_and_removes_one_without_its_line() {
    for (path, before, ours) in [
        (CONF, "[boot]\ncommand=true\n\n[user]\ndefault=dev\n", "systemd=true\n"),
        (CONF, "[user]\ndefault=dev\n", "systemd=true\n"),
        (
            CONTAINERS,
            "[containers]\nenv = []\nimage_copy_tmp_dir = \"/tmp\"\n",
            "log_driver = \"k8s-file\"\n",
        ),
    ] {
        for gone in [format!("{NOTE}\n"), ours.to_owned()] {
            let case = set_up(case_with(path, before), "");
            let left = case.machine.text(path);
            assert!(left.contains(&gone), "{left}");
            let case = case.file(path, format!("# mine\n{}", left.replacen(&gone, "", 1)));
            let seen = case.run("undo --yes --drift restore");
            assert_eq!(seen.code, 0, "{}", seen.stderr);
            assert_eq!(case.machine.text(path), format!("# mine\n{before}"), "{gone}");
        }
    }
}
