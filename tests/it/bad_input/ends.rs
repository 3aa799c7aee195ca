//! Runs that do not come to their end: restarts, downloads, locks and signals.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;

use kind_wsl::host::digest;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::cli::{Case, agreed};
use crate::support::{CRUN, Layout, same};

#[test]
fn a_restart_that_did_not_happen_is_asked_for_again() {
    let case = Case::new(Layout::Classic);
    let setup = format!("setup {}", agreed());
    case.run(&setup)
        .expect(3, "")
        .says("WSL must restart to apply: systemd, cgroup, cgroup-mount, delegation\n");
    let before = case.machine.snapshot();
    case.run(&setup).expect(3, "").says(
        "
        WSL was not restarted yet. It must restart to apply: systemd, cgroup, cgroup-mount, delegation
          Stops:          Debian (this terminal closes)
        Automatic restart is not available: Windows programs cannot be started from this shell: interop is off (`[interop] enabled=false` in /etc/wsl.conf), or it was not opened by wsl.exe.
        Run this in PowerShell; setup then finishes by itself:
          wsl.exe --shutdown
          wsl.exe -d Debian --cd ~ --exec [BIN] setup
        ",
    );
    same(&before, &case.machine.snapshot(), "refused");
}

#[test]
fn a_restart_that_did_not_apply_the_change_is_reported_with_the_observed_state() {
    let case = Case::new(Layout::Classic);
    let setup = format!("setup {}", agreed());
    case.run(&setup).expect(3, "");
    // Started again, but by a WSL that takes no notice of any of it.
    let config = case.machine.text("/mnt/c/Users/dev/.wslconfig");
    let case = case.file("/mnt/c/Users/dev/.wslconfig", "");
    case.machine.boot(2);
    let case = case.file("/mnt/c/Users/dev/.wslconfig", config);
    case.run(&setup).expect(
        1,
        "
        error: the restart did not apply the change: the kernel was started without `cgroup_no_v1=all`; /sys/fs/cgroup is a tmpfs with cgroup v1 (cpu); user@1000.service is not running
        hint: WSL did start a new kernel. A policy of your organization (AllowKernelCommandLineUserSetting) may block kernelCommandLine; WSL prints that at its start. Or .wslconfig is in the profile of another Windows account: `kind-wsl.exe profile` in Windows prints the right one for `--windows-profile`
        16 of 16 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
}

#[test]
fn a_mirror_without_https_is_refused_before_anything_is_changed() {
    let mirror = "--mirror http://user:secret@mirror.test/x";
    Case::new(Layout::Isolated).refuses(
        &format!("setup --yes {mirror}"),
        2,
        "
        error: `--mirror`: `http://mirror.test/...` cannot be downloaded from: only https is accepted
        hint: give a mirror as `https://host/path`; docs/how-to/downloads.md shows its layout
        ",
    );
}

#[test]
fn a_missing_offline_directory_is_refused_before_any_change() {
    Case::new(Layout::Isolated).refuses(
        "setup --yes --offline [ROOT]/nowhere",
        2,
        "
        error: `--offline`: cannot use `[ROOT]/nowhere`: No such file or directory
        hint: `--offline` takes a directory with the files of `kind-wsl crun fetch --all --to DIR`
        ",
    );
    Case::new(Layout::Isolated).refuses(
        "plan --offline [ROOT]/etc/fstab",
        2,
        "
        error: `--offline`: `[ROOT]/etc/fstab` is not a directory
        hint: `--offline` takes a directory with the files of `kind-wsl crun fetch --all --to DIR`
        ",
    );
}

#[test]
fn an_offline_directory_that_lacks_a_file_is_refused_before_anything_is_changed() {
    let case = Case::new(Layout::Isolated).dir("/empty");
    let setup = format!("setup --only limits,crun {}", agreed());
    case.refuses(
        &setup.replace("[ROOT]/offline", "[ROOT]/empty"),
        1,
        "
        error: the offline directory `[ROOT]/empty` cannot provide 1 of 1 files
          because: `crun-1.30.1-linux-amd64` (crun 1.30.1) is missing
        hint: put the files there under these names
        ",
    );
    case.run(&setup).expect(0, "").says(
        "
        Done: 5 changes applied.

          Finish setup  kind-wsl setup
          Undo          kind-wsl undo
        ",
    );
    assert!(case.machine.path("/home/dev/.local/bin/crun").exists());
}

#[test]
fn an_offline_file_with_another_sha256_is_refused_before_anything_is_changed() {
    let case = Case::new(Layout::Isolated).file("/offline/crun-1.30.1-linux-amd64", "<html>log in</html>");
    let wanted = digest(&CRUN);
    case.refuses(
        &format!("setup --only crun {}", agreed()),
        1,
        &format!(
            "
        error: the offline directory `[ROOT]/offline` cannot provide 1 of 1 files
          because: `[ROOT]/offline/crun-1.30.1-linux-amd64` is not crun 1.30.1: its sha256 is 9a6242c8973c15c1f75d9c64c2289f216419e41e8f75e1c7d543ff256612ce7d instead of {wanted}; it looks like an HTML page
        hint: put the files there under these names
        "
        ),
    );
    assert!(!case.machine.path("/home/dev/.local/bin/crun").exists());
}

#[test]
fn an_apt_that_fails_is_quoted_and_the_next_run_resumes() {
    let case = Case::new(Layout::Isolated);
    let archive = case.machine.text("/fake/archive");
    let case = case.file("/fake/archive", archive.replace("uidmap 4.13\n", ""));
    case.run("setup --yes --only packages").expect(
        1,
        "
        error: stage `packages` failed: install packages: podman crun uidmap slirp4netns fuse-overlayfs dbus-user-session iptables netavark aardvark-dns
          because: `apt-get -y -q -o APT::Status-Fd=30 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=600 install --no-remove --no-install-recommends podman crun uidmap slirp4netns fuse-overlayfs dbus-user-session iptables netavark aardvark-dns` ended with exit code 100: E: Unable to locate package uidmap
        hint: `sudo apt-get update` and `sudo apt-get check` show the problem with the packages
        0 of 1 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    let case = case.file("/fake/archive", archive);
    case.run("setup --yes --only packages").expect(0, "");
}

const LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// The lock that apt and dpkg take, as they take it.
struct DpkgLock(File);

impl DpkgLock {
    fn new(case: &Case) -> Self {
        let lock = Self(OpenOptions::new().read(true).write(true).open(case.machine.path(LOCK)).unwrap());
        lock.set(libc::F_WRLCK);
        lock
    }

    fn set(&self, kind: i32) {
        let l_type = i16::try_from(kind).unwrap();
        let whole = libc::flock { l_type, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
        fcntl(&self.0, FcntlArg::F_SETLK(&whole)).unwrap();
    }
}

/// Reads what it prints until it says that it waits: that line, and what follows it.
fn until_it_waits(stdout: ChildStdout) -> (String, impl Iterator<Item = String>) {
    let mut lines = BufReader::new(stdout).lines().map(Result::unwrap);
    let waits = lines.find(|line| line.contains("waiting")).expect("it says that it waits");
    (waits, lines)
}

#[test]
fn a_package_manager_at_work_is_waited_for_and_named() {
    let case = Case::new(Layout::Isolated).file(LOCK, "");
    let lock = DpkgLock::new(&case);
    let mut child = case.start("setup --yes --only packages");
    let (waits, rest) = until_it_waits(child.stdout.take().unwrap());
    let (name, id) = (fs::read_to_string("/proc/self/comm").unwrap(), std::process::id());
    assert_eq!(waits, format!("  waiting for `{}` (process {id}), which holds {LOCK}", name.trim()));
    // Asking what would come (`-s`) needs no lock.
    assert!(!case.machine.text("/fake/commands").contains("apt-get -y"), "it did not wait");
    lock.set(libc::F_UNLCK);
    let rest: Vec<String> = rest.collect();
    assert!(
        rest.iter().any(|line| line.starts_with("[1/1] packages      done    installed podman, crun,")),
        "{rest:?}"
    );
    case.end(child).expect(0, "");
}

#[test]
fn waiting_for_a_package_manager_ends_with_a_polite_signal() {
    // Whoever runs the tests in the background has SIGINT ignored, and the program keeps that.
    let case = Case::new(Layout::Isolated).file(LOCK, "").started_by(&["env", "--default-signal=INT"]);
    let before = case.machine.snapshot();
    let lock = DpkgLock::new(&case);
    let mut child = case.start("setup --yes --only packages");
    let (_, rest) = until_it_waits(child.stdout.take().unwrap());
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let rest: Vec<String> = rest.collect();
    assert!(rest.iter().any(|line| line == "Stopped between two changes; nothing is half done."), "{rest:?}");
    let said = "Finishing this step, then stopping. Press Ctrl-C again to abort it.\n";
    case.end(child).expect(130, said);
    same(&before, &case.machine.snapshot(), "stopped");
    lock.set(libc::F_UNLCK);
    case.run("setup --yes --only packages").expect(0, "");
}

#[test]
fn sigterm_ends_the_run_between_two_changes_and_the_next_run_resumes() {
    let calm = finished(Case::new(Layout::Classic));
    let case = Case::new(Layout::Classic);
    case.signal_at("term-at", "apt-get -y");
    let said = "Finishing this step, then stopping.\n";
    case.run(&format!("setup {}", agreed())).expect(130, said).says(
        "
        [1/12]  systemd       stopped installed systemd-sysv

        Stopped between two changes; nothing is half done.
          Resume  kind-wsl setup
          Revert  kind-wsl undo
        ",
    );
    let case = finished(case);
    same(&calm.machine.snapshot(), &case.machine.snapshot(), "gone on with");
}

/// Sets up to the end, with the restarts that are asked for, at most two.
fn finished(case: Case) -> Case {
    for boot in 10.. {
        let seen = case.run(&format!("setup {}", agreed()));
        if seen.code == 0 {
            return case;
        }
        seen.expect(3, "");
        assert!(boot < 12, "it asks for restart after restart");
        case.machine.boot(boot);
    }
    unreachable!()
}

/// Sets up until the hook kills it.
fn killed(layout: Layout, hook: &str, command: &str) -> Case {
    let case = Case::new(layout);
    case.signal_at(hook, command);
    let setup = format!("setup {}", agreed());
    let mut seen = case.run(&setup);
    if seen.code == 3 {
        case.machine.boot(2);
        seen = case.run(&setup);
    }
    assert_eq!((seen.code, seen.stderr.as_str()), (137, ""), "{hook} `{command}`");
    case
}

/// Kills a setup at some commands, sets up to the end, and takes all of it back.
fn survives(layout: Layout, hooks: &[(&str, &str)]) {
    let untouched = Case::new(layout).machine.snapshot();
    let calm = finished(Case::new(layout)).machine.snapshot();
    for (hook, command) in hooks {
        let at = format!("{hook} `{command}`");
        let case = finished(killed(layout, hook, command));
        same(&calm, &case.machine.snapshot(), &format!("{at}: not as a calm run"));
        case.run("undo --yes --packages").expect(0, "");
        same(&untouched, &case.machine.snapshot(), &format!("{at}: not undone"));
        assert!(!case.machine.has_journal(), "{at}");
    }
}

#[test]
fn a_run_on_old_wsl_that_is_killed_at_a_command_resumes_and_is_undone() {
    survives(
        Layout::Classic,
        &[
            ("kill-before", "apt-get -y"),
            ("kill-after", "install --no-remove --no-install-recommends systemd-sysv"),
            ("kill-before", "sysctl -q -w"),
            ("kill-after", "sysctl -q -w"),
            ("kill-before", "install --no-remove --no-install-recommends podman"),
            ("kill-after", "install --no-remove --no-install-recommends podman"),
            ("kill-before", "systemctl is-active"),
            ("kill-after", "podman info"),
        ],
    );
}

#[test]
fn a_run_below_isolated_cgroups_that_is_killed_at_a_command_resumes_and_is_undone() {
    survives(
        Layout::Isolated,
        &[
            ("kill-before", "systemctl daemon-reload"),
            ("kill-after", "systemctl daemon-reload"),
            ("kill-before", "systemctl --quiet enable"),
            ("kill-after", "systemctl --quiet enable"),
            ("kill-before", "systemctl restart systemd-modules-load.service"),
        ],
    );
}

#[test]
fn a_run_that_is_killed_and_not_resumed_is_undone() {
    let untouched = Case::new(Layout::Classic).machine.snapshot();
    for command in [
        "install --no-remove --no-install-recommends systemd-sysv",
        "install --no-remove --no-install-recommends podman",
    ] {
        let case = killed(Layout::Classic, "kill-after", command);
        case.run("undo --yes --packages").expect(0, "");
        same(&untouched, &case.machine.snapshot(), command);
        assert!(!case.machine.has_journal(), "{command}");
    }
}

#[test]
fn an_undo_that_is_killed_at_a_command_resumes() {
    let untouched = Case::new(Layout::Isolated).machine.snapshot();
    for (hook, command) in [
        ("kill-before", "-y -q"),
        ("kill-after", "purge"),
        ("kill-before", "sysctl -q -w"),
        ("kill-after", "systemctl --quiet disable"),
        ("kill-after", "systemctl daemon-reload"),
    ] {
        let case = finished(Case::new(Layout::Isolated));
        case.signal_at(hook, command);
        let seen = case.run("undo --yes --packages");
        assert_eq!((seen.code, seen.stderr.as_str()), (137, ""), "{hook} `{command}`");
        case.run("undo --yes --packages").expect(0, "");
        same(&untouched, &case.machine.snapshot(), &format!("{hook} `{command}`"));
        assert!(!case.machine.has_journal(), "{hook} `{command}`");
    }
}
