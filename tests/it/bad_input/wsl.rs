//! A WSL that cannot do it, and files that WSL does not read as one thinks.

use std::fs;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

fn with_wsl(layout: Layout, version: &str) -> Case {
    Case::new(layout).file("/fake/wsl-version", format!("{version}\n"))
}

#[test]
fn under_wsl_1_it_is_refused_with_the_command_that_makes_it_wsl_2() {
    Case::new(Layout::Modern).file("/proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `systemd` cannot be set up: this distribution runs under WSL 1, which has no Linux kernel and so no containers
        hint: in Windows: `wsl --set-version Debian 2`, then run the same command again
        ",
    );
}

#[test]
fn a_plan_under_wsl_1_shows_what_blocks_it_and_does_not_fail() {
    Case::new(Layout::Modern)
        .file("/proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n")
        .refuses("plan", 0, "")
        .says(
            "
            blocked: stage `systemd`: this distribution runs under WSL 1, which has no Linux kernel and so no containers
            hint: in Windows: `wsl --set-version Debian 2`, then run the same command again
            ",
        );
}

#[test]
fn systemd_is_not_possible_with_another_init() {
    Case::new(Layout::Plain).file("/proc/1/comm", "docker-init\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `systemd` cannot be set up: PID 1 is `docker-init`, and rootless nodes need a systemd user manager
        hint: start this machine with systemd; kind cannot run in a container without it
        ",
    );
}

#[test]
fn a_wsl_before_systemd_is_refused_with_the_command_that_updates_it() {
    with_wsl(Layout::Classic, "0.66.2.0").refuses(
        "setup --yes",
        1,
        "
        error: stage `systemd` cannot be set up: WSL 0.66.2.0 cannot start systemd; need 0.67.6 or later
        hint: in Windows: `wsl --update`, then run the same command again
        ",
    );
}

#[test]
fn a_wsl_that_would_not_start_any_more_without_v1_is_refused() {
    with_wsl(Layout::Classic, "0.70.4.0").refuses(
        "setup --yes",
        1,
        "
        error: stage `cgroup` cannot be set up: WSL 0.70.4.0 does not start with cgroup_no_v1=all on its kernel command line
        hint: in Windows: `wsl --update`, then run the same command again
        ",
    );
}

#[test]
fn a_line_at_which_wsl_stops_reading_is_refused_if_it_must_not_be_repaired() {
    Case::new(Layout::Modern)
        .file("/etc/wsl.conf", "# mine\n; not a comment\n[boot]\nsystemd=true\n")
        .refuses(
            "setup --yes --repair-wsl-conf no",
            1,
            "
            error: stage `systemd` cannot be set up: WSL does not read /etc/wsl.conf to its end: line 2: a line must begin with a letter, `[` or `#`
            hint: correct that line by hand, or let `--repair-wsl-conf yes` do it
            ",
        );
}

#[test]
fn a_line_at_which_wsl_stops_reading_is_repaired_in_the_plan() {
    Case::new(Layout::Modern)
        .file("/etc/wsl.conf", "# mine\n; not a comment\n[network]\nhostname=box\n")
        .refuses("plan --diff --only systemd --repair-wsl-conf yes", 0, "")
        .says(
            "
            /etc/wsl.conf
              # <6 bytes>
            - <15 bytes>
            + # <15 bytes>
              [network]
              # <12 bytes>
            +\x20
            + [boot]
            + # kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"
            + systemd=true
            ",
        );
}

#[test]
fn without_a_terminal_the_question_about_a_repair_names_its_flag() {
    Case::new(Layout::Modern).file("/etc/wsl.conf", "; not a comment\n[boot]\nsystemd=true\n").refuses(
        "setup --only systemd",
        2,
        "
        error: no terminal to prompt on; missing answers: `--repair-wsl-conf` (Comment out the lines at which WSL stops reading?)
        hint: set these flags, or use the recommended answers with `--yes`
        ",
    );
}

/// As Notepad saves it, when it is told to.
fn utf16(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

#[test]
fn a_utf_16_wsl_conf_is_named_as_what_it_is() {
    Case::new(Layout::Modern).file("/etc/wsl.conf", utf16("[boot]\r\nsystemd=true\r\n")).refuses(
        "setup --yes --repair-wsl-conf no",
        1,
        "
        error: stage `systemd` cannot be set up: WSL does not read /etc/wsl.conf to its end: line 1: a byte order mark or UTF-16 text, where plain UTF-8 is needed
        hint: correct that line by hand, or let `--repair-wsl-conf yes` do it
        ",
    );
}

#[test]
fn a_utf_16_wsl_conf_is_converted_to_utf_8_if_the_user_agreed() {
    let case = Case::new(Layout::Modern).file("/etc/wsl.conf", utf16("[network]\r\nhostname=box\r\n"));
    case.run(&format!("setup --only systemd {}", agreed())).expect(0, "");
    assert_eq!(
        case.machine.text("/etc/wsl.conf"),
        "[network]\r\nhostname=box\r\n\r\n[boot]\r\n# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"\r\nsystemd=true\r\n"
    );
}

#[test]
fn a_byte_order_mark_in_wsl_conf_is_named_as_what_it_is() {
    Case::new(Layout::Modern).file("/etc/wsl.conf", "\u{feff}[boot]\nsystemd=true\n").refuses(
        "setup --yes --repair-wsl-conf no",
        1,
        "
        error: stage `systemd` cannot be set up: WSL does not read /etc/wsl.conf to its end: line 1: a byte order mark or UTF-16 text, where plain UTF-8 is needed
        hint: correct that line by hand, or let `--repair-wsl-conf yes` do it
        ",
    );
}

#[test]
fn a_utf_16_wslconfig_is_edited_and_stays_utf_16() {
    let case =
        Case::new(Layout::Classic).file("/mnt/c/Users/dev/.wslconfig", utf16("[wsl2]\r\nmemory=4GB\r\n"));
    case.run(&format!("setup {}", agreed())).expect(3, "");
    let bytes = fs::read(case.machine.path("/mnt/c/Users/dev/.wslconfig")).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(&utf16(
            "[wsl2]\r\nmemory=4GB\r\n# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"\r\n\
             kernelCommandLine=cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1\r\n"
        ))
    );
}

#[test]
fn an_unknown_windows_profile_is_reported_with_the_flag() {
    Case::new(Layout::Classic).dir("/mnt/c/Users/other").refuses(
        "setup --yes",
        1,
        "
        error: stage `cgroup` cannot be set up: cannot determine the Windows profile that contains .wslconfig
        hint: specify it with `--windows-profile /mnt/c/Users/NAME`, the directory that %USERPROFILE% is in Windows
        ",
    );
}

#[test]
fn a_missing_windows_profile_is_a_usage_error() {
    Case::new(Layout::Classic).refuses(
        "setup --yes --windows-profile /mnt/c/Users/dave",
        2,
        "
        error: the Windows profile `/mnt/c/Users/dave` is not a directory
        hint: `--windows-profile` takes the Windows directory %USERPROFILE%, such as /mnt/c/Users/NAME
        ",
    );
}

#[test]
fn a_missing_windows_profile_is_named_by_its_windows_and_linux_path() {
    Case::new(Layout::Classic).refuses(
        r"setup --yes --windows-profile D:\dave",
        2,
        r"
        error: the Windows profile `D:\dave` (here `/mnt/d/dave`) is not a directory
        hint: `--windows-profile` takes the Windows directory %USERPROFILE%, such as /mnt/c/Users/NAME
        ",
    );
}

#[test]
fn a_missing_windows_profile_in_the_environment_is_a_usage_error() {
    Case::new(Layout::Classic).env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dave").refuses(
        "plan",
        2,
        "
            error: the Windows profile `/mnt/c/Users/dave` is not a directory
            hint: `--windows-profile` takes the Windows directory %USERPROFILE%, such as /mnt/c/Users/NAME
            ",
    );
}

#[test]
fn a_windows_profile_may_be_written_as_windows_writes_it() {
    Case::new(Layout::Classic)
        .dir("/mnt/c/Users/other")
        .refuses(r"plan --diff --only cgroup --windows-profile C:\Users\dev", 0, "")
        .says("/mnt/c/Users/dev/.wslconfig (CRLF line ends)\n");
}

#[test]
fn a_wsl_conf_that_keeps_fstab_from_being_mounted_is_refused() {
    Case::new(Layout::Classic).file("/etc/wsl.conf", "[automount]\nmountFsTab=false\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `cgroup-mount` cannot be set up: mountFsTab=false in /etc/wsl.conf line 2 prevents WSL from mounting the file systems of /etc/fstab
        hint: `--mount-fstab yes` sets it to true; WSL then mounts every line of /etc/fstab at each start
        ",
    );
}

#[test]
fn fstab_that_would_stop_being_mounted_after_a_repair_is_refused_before_the_first_change() {
    let case =
        with_wsl(Layout::Classic, "2.2.4.0").file("/etc/wsl.conf", "; note\n[automount]\nmountFsTab=false\n");
    case.refuses(
        "setup --yes",
        1,
        "
        error: stage `cgroup-mount` cannot be set up: mountFsTab=false in /etc/wsl.conf line 3 prevents WSL from mounting the file systems of /etc/fstab
        hint: `--mount-fstab yes` sets it to true; WSL then mounts every line of /etc/fstab at each start
        ",
    );
    case.run(&format!("setup --mount-fstab yes {}", agreed())).expect(3, "");
    assert_eq!(
        case.machine.text("/etc/wsl.conf"),
        "# note\n[automount]\nmountFsTab=true\n\n[boot]\n# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"\nsystemd=true\n"
    );
}

#[test]
fn a_wslconfig_that_windows_cannot_open_is_named_with_its_type() {
    let bytes: Vec<u8> = utf16("[wsl2]\r\n").chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    Case::new(Layout::Classic).file("/mnt/c/Users/dev/.wslconfig", bytes).refuses(
        "setup --yes",
        1,
        "
        error: stage `cgroup` cannot be planned
          because: cannot edit `/mnt/c/Users/dev/.wslconfig`
          because: line 1: WSL stops reading here (UTF-16 big endian text, where UTF-8 is needed), so `wsl2.kernelcommandline` would have no effect below it; repair this line first
        hint: save /mnt/c/Users/dev/.wslconfig as UTF-8 (in Notepad: Save as, Encoding), then run the same command again
        ",
    );
}
