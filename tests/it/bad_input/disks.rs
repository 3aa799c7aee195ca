//! Disks that are full or may not be written.

use std::io;
use std::process::Command;

use kind_wsl::error::Failure;
use kind_wsl::host::HostError;
use nix::libc;

use crate::support::cli::{Case, agreed, is_root};
use crate::support::{Layout, same};

/// The words that run a script in a mount namespace of its own and then `kind-wsl` in it; none where we may not.
fn in_own_mounts(script: &str) -> Option<Vec<String>> {
    // Without root a user namespace gives the right to mount, if the system allows that.
    let options: &[&str] = if is_root() { &["-m"] } else { &["-r", "-m"] };
    let words: Vec<String> =
        ["unshare"].iter().chain(options).chain(&["--", "sh", "-ec"]).map(|w| (*w).to_owned()).collect();
    let may = Command::new(&words[0]).args(&words[1..]).arg("mount -t tmpfs none /mnt").output();
    if !may.is_ok_and(|output| output.status.success()) {
        println!("skipped: no mount namespace can be made here; the words are compared below");
        return None;
    }
    Some(words.into_iter().chain([format!("{script}\nexec \"$@\""), "sh".to_owned()]).collect())
}

fn mounted(case: Case, script: &str) -> Option<Case> {
    let words = in_own_mounts(script)?;
    Some(case.started_by(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

const READ_ONLY: &str = "mount --bind [ROOT]/etc [ROOT]/etc; mount -o remount,bind,ro [ROOT]/etc";
/// A file system of one page, with a file in it that fills it.
const FULL: &str = "mount -t tmpfs -o size=4k,mode=755 none $D; head -c 4096 /dev/zero > $D/other";

#[test]
fn a_read_only_file_system_is_named() {
    let Some(case) = mounted(Case::new(Layout::Isolated), READ_ONLY) else { return };
    let before = case.machine.snapshot();
    case.run("setup --yes --only subids").expect(
        1,
        "
        error: stage `subids` failed: edit /etc/subuid: dev:165536:65536
          because: Read-only file system
        hint: the file system is mounted read-only (`findmnt -T /etc` shows it). WSL does so after disk errors: run `wsl --shutdown` in Windows. If it stays read-only, check the disk with e2fsck
        0 of 2 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    same(&before, &case.machine.snapshot(), "refused");
}

#[test]
fn a_disk_that_is_full_for_the_journal_is_named_before_anything_is_changed() {
    let case = Case::new(Layout::Modern).dir("/var/lib/kind-wsl");
    let script = FULL.replace("$D", "[ROOT]/var/lib/kind-wsl");
    let Some(case) = mounted(case, &script) else { return };
    case.refuses(
        "setup --yes --only systemd",
        1,
        "
        error: cannot append to `/var/lib/kind-wsl/journal.jsonl`
          because: No space left on device
        hint: free some space (`df -h /var/lib/kind-wsl` shows how much there is), then run the same command again
        ",
    );
}

#[test]
fn a_full_disk_is_named_and_the_next_run_resumes() {
    let case = Case::new(Layout::Modern).dir("/etc/sysctl.d");
    let script = FULL.replace("$D", "[ROOT]/etc/sysctl.d");
    let Some(case) = mounted(case, &script) else { return };
    case.run("setup --yes --only limits").expect(
        1,
        "
        error: stage `limits` failed: write /etc/sysctl.d/99-kind-wsl.conf
          because: No space left on device
        hint: free some space (`df -h /etc/sysctl.d` shows how much there is), then run the same command again
        0 of 3 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    let case = case.started_by(&[]);
    case.run("setup --yes --only limits").expect(0, "");
    assert!(
        case.machine
            .text("/etc/sysctl.d/99-kind-wsl.conf")
            .contains("fs.inotify.max_user_watches = 524288\n")
    );
}

#[test]
fn a_disk_that_is_full_for_a_download_is_named() {
    let case = Case::new(Layout::Isolated).dir("/home/dev/.local/bin");
    let script = FULL.replace("$D", "[ROOT]/home/dev/.local/bin") + "; chmod 1777 [ROOT]/home/dev/.local/bin";
    let Some(case) = mounted(case, &script) else { return };
    case.run(&format!("setup --only crun {}", agreed())).expect(
        1,
        "
        error: stage `crun` failed: download /home/dev/.local/bin/crun: crun 1.30.1, sha256 3eb65e4effbb...
          because: No space left on device
        hint: free some space (`df -h /home/dev/.local/bin` shows how much there is), then run the same command again
        0 of 2 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
}

/// The message for this error of the kernel, for machines on which the tests above cannot run.
fn words(errno: i32) -> (Vec<String>, Option<String>) {
    let source = io::Error::from_raw_os_error(errno);
    let failure = Failure::from(HostError::File { action: "write", path: "/etc/wsl.conf".into(), source });
    (std::iter::once(failure.text).chain(failure.causes).collect(), failure.hint)
}

#[test]
fn a_refusal_of_the_kernel_comes_with_a_fix() {
    let full = "free some space (`df -h /etc` shows how much there is), then run the same command again";
    for (errno, because, hint) in [
        (
            libc::EROFS,
            "Read-only file system (os error 30)",
            "the file system is mounted read-only (`findmnt -T /etc` shows it). WSL does so after disk errors: \
             run `wsl --shutdown` in Windows. If it stays read-only, check the disk with e2fsck",
        ),
        (libc::ENOSPC, "No space left on device (os error 28)", full),
        (libc::EDQUOT, "Disk quota exceeded (os error 122)", full),
        (
            libc::EPERM,
            "Operation not permitted (os error 1)",
            "`/etc/wsl.conf` may be immutable: `lsattr /etc/wsl.conf` then shows an `i`, \
             and `sudo chattr -i /etc/wsl.conf` removes it",
        ),
        (libc::EACCES, "Permission denied (os error 13)", "`ls -ld /etc/wsl.conf` shows its owner and mode"),
        (
            libc::ENOTDIR,
            "Not a directory (os error 20)",
            "a directory is required: move the file away (`mv /etc/wsl.conf /etc/wsl.conf.old`), \
             then run the same command again",
        ),
    ] {
        let (text, said) = words(errno);
        assert_eq!(text, ["cannot write `/etc/wsl.conf`", because]);
        assert_eq!(said.as_deref(), Some(hint));
    }
}
