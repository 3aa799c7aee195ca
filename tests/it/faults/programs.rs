//! Programs of the machine that hang, fail, or stop half-way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::{calm, finished, recovers, same};
use crate::support::Layout;
use crate::support::cli::{Case, agreed};

const APT: &str = "apt-get -y -q -o APT::Status-Fd=30 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=600";
const NAMES: &str =
    "podman crun uidmap slirp4netns fuse-overlayfs dbus-user-session iptables netavark aardvark-dns";

#[test]
fn a_systemctl_that_hangs_is_ended_after_half_a_minute_and_named() {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    case.signal_at("hang-at", "systemctl daemon-reload");
    let started = Instant::now();
    case.run(&format!("setup {}", agreed())).expect(
        1,
        "
        error: a follow-up command failed
          because: `systemctl daemon-reload` did not end within 30 s
        hint: run `systemctl daemon-reload` yourself to see why it does not end (`systemctl list-jobs` shows pending jobs), then run the same command again
        0 of 14 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    assert!(started.elapsed() >= Duration::from_secs(30), "{:?}", started.elapsed());
    recovers(&case, &calm);
}

#[test]
fn a_systemctl_that_fails_is_quoted() {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    case.signal_at("fail-at", "systemctl daemon-reload");
    case.run(&format!("setup {}", agreed())).expect(
        1,
        "
        error: a follow-up command failed
          because: `systemctl daemon-reload` ended with exit code 1: Failed to connect to bus: Connection timed out
        0 of 14 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    recovers(&case, &calm);
}

#[test]
fn a_systemctl_that_fails_in_an_undo_is_quoted_and_the_undo_continues() {
    let (before, _) = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    finished(&case);
    case.signal_at("fail-at", "systemctl daemon-reload");
    case.run("undo --yes --packages").expect(
        1,
        "
        error: a follow-up command failed
          because: `systemctl daemon-reload` ended with exit code 1: Failed to connect to bus: Connection timed out
        10 of 14 changes were reverted. Resume: kind-wsl undo
        ",
    );
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
    assert!(!case.machine.has_journal());
}

#[test]
fn a_unit_of_unknown_state_does_not_count_as_disabled() {
    let (before, _) = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    finished(&case);
    let link = "/etc/systemd/system/multi-user.target.wants/kind-wsl-controllers.service";
    case.signal_at("fail-at", "systemctl is-enabled kind-wsl-controllers.service");
    case.run("undo --yes --packages").expect(
        1,
        "
        error: stage `controllers` failed: enable kind-wsl-controllers.service
          because: `systemctl is-enabled kind-wsl-controllers.service` ended with exit code 1: Failed to connect to bus: Connection timed out
        12 of 14 changes were reverted. Resume: kind-wsl undo
        ",
    );
    assert!(case.machine.path(link).is_symlink(), "it is still to be undone");
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
    assert!(!case.machine.has_journal());
}

/// An undo takes out what was not there before: from a list that did not come that would be everything.
#[test]
fn packages_that_cannot_be_listed_stop_a_setup_before_any_change() {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    let broken = "#!/bin/sh\necho \"dpkg-query: error: parsing file '/var/lib/dpkg/status' near line 7\" >&2; exit 2\n";
    let real = case.machine.text("/usr/bin/dpkg-query");
    let case = case.file("/usr/bin/dpkg-query", broken);
    case.refuses(
        "setup --yes --only packages",
        1,
        "
        error: stage `packages` cannot be planned
          because: `dpkg-query -W '-f=${db:Status-Status} ${Package} ${Version}\\n'` ended with exit code 2: dpkg-query: error: parsing file '/var/lib/dpkg/status' near line 7
        ",
    );
    let case = case.file("/usr/bin/dpkg-query", real);
    recovers(&case, &calm);
}

#[test]
fn packages_that_cannot_be_listed_stop_an_undo_before_a_removal() {
    let (before, _) = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    finished(&case);
    let had = case.machine.text("/fake/packages");
    let real = case.machine.text("/usr/bin/dpkg-query");
    let case = case.file("/usr/bin/dpkg-query", "#!/bin/sh\nexit 2\n");
    let seen = case.run("undo --yes --packages");
    assert_eq!(seen.code, 1, "{}", seen.stderr);
    assert!(
        seen.stderr.starts_with("error: stage `packages` failed: install packages: podman"),
        "{}",
        seen.stderr
    );
    assert_eq!(case.machine.text("/fake/packages"), had);
    let case = case.file("/usr/bin/dpkg-query", real);
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn an_apt_that_fails_half_way_is_quoted_and_the_setup_resumes_and_is_undone() {
    let calm = calm(Layout::Isolated);
    let half_done = || {
        let case = Case::new(Layout::Isolated).file("/fake/apt-fails", "podman crun");
        let said = format!(
            "error: stage `packages` failed: install packages: {NAMES}\n  \
               because: `{APT} install --no-remove --no-install-recommends {NAMES}` ended with exit code 100: dpkg: error processing archive uidmap_4.13.deb (--unpack): cannot copy extracted data: unexpected end of file\n\
             \x20          E: Sub-process /usr/bin/dpkg returned an error code (1)\n\
             hint: `sudo apt-get update` and `sudo apt-get check` show the problem with the packages\n7 of 14 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo\n"
        );
        case.run(&format!("setup {}", agreed())).expect(1, &said);
        let has = case.machine.text("/fake/packages");
        assert!(has.contains("podman ") && !has.contains("uidmap "), "{has}");
        std::fs::remove_file(case.machine.path("/fake/apt-fails")).unwrap();
        case
    };
    let case = half_done();
    // A mirror that comes back has the version of its archive, not of the half that was unpacked.
    let version = |line: &str| match line.split_once(' ') {
        Some(("podman", _)) => "podman 4.3.1+ds1-8\n".to_owned(),
        Some(("crun", _)) => "crun 1.8.1-1\n".to_owned(),
        _ => format!("{line}\n"),
    };
    let has: String = case.machine.text("/fake/packages").lines().map(version).collect();
    let case = case.file("/fake/packages", has);
    recovers(&case, &calm);
    let case = half_done();
    case.run("undo --yes --packages").expect(0, "");
    let before: super::Tree = calm.0;
    same(&before, &case.machine.snapshot(), "the half was undone");
}

/// An interpreter that is a directory: the kernel refuses to start it (EACCES), as it does on a file system without exec.
#[test]
fn a_crun_that_fails_is_an_error_and_not_an_old_crun() {
    let case = Case::new(Layout::Isolated).file("/usr/bin/crun", "#!/tmp\n");
    fs::set_permissions(case.machine.path("/usr/bin/crun"), fs::Permissions::from_mode(0o755)).unwrap();
    for command in ["plan", "setup --yes"] {
        case.refuses(
            command,
            1,
            "
            error: cannot run `/usr/bin/crun --version`
              because: Permission denied
            ",
        );
    }
    // An unprivileged user cannot enter a tree: its plan is made from the files alone.
    fs::copy("/bin/true", case.machine.path("/usr/bin/crun")).unwrap();
    let case = case.typed_by_somebody();
    assert_eq!(case.run("plan").code, 0);
    // A crun for another architecture is replaced.
    let case = case.file("/usr/bin/crun", "\x7fELF of another machine");
    assert_eq!(case.run("plan").code, 0);
}

#[test]
fn a_crun_that_fails_after_a_stage_stops_the_run() {
    let case = Case::new(Layout::Isolated);
    let apt = case.machine.path("/usr/bin/apt-get");
    let fake = fs::read_to_string(&apt).unwrap().trim_start_matches("#!").trim().to_owned();
    let crun = "\"$KIND_WSL_ROOT/usr/bin/crun\"";
    let spoil = format!("rm -f {crun}; echo '#!/tmp' > {crun}; chmod 755 {crun}");
    let script = format!(
        "#!/bin/sh\n{fake} \"$0\" \"$@\" || exit\ncase \" $* \" in *' -s '*) ;; *' install '*) {spoil};; esac\n"
    );
    fs::write(&apt, script).unwrap();
    let said = "error: cannot run `/usr/bin/crun --version`\n  because: Permission denied\n4 of 4 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo\n";
    case.run("setup --yes --only packages,limits").expect(1, said);
    fs::remove_file(case.machine.path("/usr/bin/crun")).unwrap();
    case.run("setup --yes --only packages,limits").expect(0, "");
}
