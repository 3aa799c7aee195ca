//! Something else where a file shall be.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::Utf8PathBuf;

use crate::support::Layout;
use crate::support::cli::Case;

const SYSCTL: &str = "/etc/sysctl.d/99-kind-wsl.conf";

#[test]
fn a_wsl_conf_that_is_a_directory_is_refused() {
    Case::new(Layout::Modern).dir("/etc/wsl.conf").refuses(
        "setup --yes --only systemd",
        1,
        "
        error: stage `systemd` cannot be planned
          because: `/etc/wsl.conf` is a directory, not a regular file
        hint: move it away (`mv /etc/wsl.conf /etc/wsl.conf.old`), then run the same command again
        ",
    );
}

#[test]
fn a_link_at_the_path_of_our_file_is_refused_and_not_followed() {
    Case::new(Layout::Modern).file("/etc/mine.conf", "a=1\n").link(SYSCTL, "/etc/mine.conf").refuses(
        "setup --yes --only limits",
        1,
        "
        error: stage `limits` cannot be planned
          because: `/etc/sysctl.d/99-kind-wsl.conf` is a symbolic link to `/etc/mine.conf`, not a regular file
        hint: move it away (`mv /etc/sysctl.d/99-kind-wsl.conf /etc/sysctl.d/99-kind-wsl.conf.old`), then run the same command again
        ",
    );
}

#[test]
fn a_loop_of_links_is_refused() {
    Case::new(Layout::Modern)
        .link("/etc/wsl.conf", "wsl.conf.b")
        .link("/etc/wsl.conf.b", "wsl.conf")
        .refuses(
            "setup --yes --only systemd",
            1,
            "
            error: stage `systemd` cannot be planned
              because: `/etc/wsl.conf` is a loop of symbolic links
            hint: `namei -l /etc/wsl.conf` shows the links; remove one of them
            ",
        );
}

#[test]
fn a_directory_that_is_a_file_is_refused() {
    Case::new(Layout::Modern).file("/etc/sysctl.d", "").refuses(
        "setup --yes --only limits",
        1,
        "
        error: stage `limits` cannot be planned
          because: cannot use `/etc/sysctl.d`
          because: Not a directory
        hint: a directory is required: move the file away (`mv /etc/sysctl.d /etc/sysctl.d.old`), then run the same command again
        ",
    );
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let case = Case::new(Layout::Modern).typed_by_somebody();
    std::fs::set_permissions(case.machine.path("/etc/wsl.conf"), Permissions::from_mode(0o000)).unwrap();
    let seen = case.run("plan --only systemd").expect(
        1,
        "
        error: stage `systemd` cannot be planned
          because: cannot read `/etc/wsl.conf`
          because: Permission denied
        hint: `ls -ld /etc/wsl.conf` shows its owner and mode
        ",
    );
    assert_eq!(seen.stdout, "");
}

/// Takes the immutable flag off again, so that the directory can be removed.
struct Immutable(Utf8PathBuf);

impl Immutable {
    fn new(path: Utf8PathBuf) -> Option<Self> {
        let done = Command::new("chattr").args(["+i", path.as_str()]).output();
        done.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        let _ = Command::new("chattr").args(["-i", self.0.as_str()]).status();
    }
}

#[test]
fn a_file_that_is_immutable_is_named_with_the_command_that_frees_it() {
    let case = Case::new(Layout::Modern);
    let Some(_held) = Immutable::new(case.machine.path("/etc/wsl.conf")) else {
        println!(
            "skipped: `chattr +i` needs root and a file system that knows it; see tests/it/bad_input/disks.rs"
        );
        return;
    };
    case.run("setup --yes --only systemd").expect(
        1,
        "
        error: stage `systemd` failed: edit /etc/wsl.conf: [boot] systemd = true
          because: Operation not permitted
        hint: `/etc/wsl.conf` may be immutable: `lsattr /etc/wsl.conf` then shows an `i`, and `sudo chattr -i /etc/wsl.conf` removes it
        1 of 2 changes was applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    assert_eq!(case.machine.text("/etc/wsl.conf"), "# by the distribution\n[automount]\nenabled=true\n");
}

#[test]
fn a_distribution_without_a_package_manager_that_we_speak_is_refused() {
    let case = Case::new(Layout::Isolated);
    std::fs::remove_file(case.machine.path("/usr/bin/apt-get")).unwrap();
    case.refuses(
        "setup --yes",
        1,
        "
        error: stage `packages` cannot be set up: Debian GNU/Linux 12 (bookworm) has neither apt, dnf, zypper nor pacman
        hint: install podman 4 or later with its own package manager, then run `kind-wsl setup --skip packages`
        ",
    );
}
