//! Real disks: a small tmpfs that is full at each write in turn, one that may not be written, files that may not be
//! changed, and what the kernel says at each system call, by strace.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{calm, finished, recovers, same, step};
use crate::support::Layout;
use crate::support::cli::{Case, Seen, agreed, is_root};

/// A mount namespace that lives as long as this: a shell in it that waits for a line.
struct Mounts {
    shell: Child,
    stdin: ChildStdin,
}

impl Mounts {
    /// With what the script mounts; none where we may not.
    fn new(script: &str) -> Option<Self> {
        if !is_root() {
            println!(
                "skipped: a mount namespace needs root; the refusals of every effect are made by the fuse as well"
            );
            return None;
        }
        let script = format!("{script}\necho ready\nread line");
        let mut shell = Command::new("unshare")
            .args(["-m", "--", "sh", "-ec", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut said = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "the script failed: {script}");
        let stdin = shell.stdin.take().unwrap();
        Some(Self { shell, stdin })
    }

    fn words(&self) -> Vec<String> {
        ["nsenter", "-t", &self.shell.id().to_string(), "-m", "--"].map(ToOwned::to_owned).to_vec()
    }

    /// Runs a command line of a shell in it.
    fn sh(&self, script: &str) -> String {
        let words = self.words();
        let output = Command::new(&words[0]).args(&words[1..]).args(["sh", "-ec", script]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {text}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ = self.stdin.write_all(b"\n");
        let _ = self.shell.wait();
    }
}

/// What is below the root, as the namespace sees it: every path with its kind, mode, owner and bytes.
fn tree(mounts: &Mounts, case: &Case) -> String {
    let root = &case.machine.root;
    mounts.sh(&format!(
        "cd {root}; for d in etc home mnt sbin usr var proc/sys/fs fake; do \
           [ -e $d ] && find $d -not -path 'fake/commands' -not -path 'var/lib/kind-wsl*' -printf '%p %y %m %U:%G %l\\n' -type f -not -path 'proc/*' -exec sha256sum {{}} +; done | sort"
    ))
}

fn run(mounts: &Mounts, case: Case, args: &str) -> (Seen, Case) {
    let words = mounts.words();
    let case = case.started_by(&words.iter().map(String::as_str).collect::<Vec<_>>());
    (case.run(args), case)
}

/// Sets up to the end within the namespace; the machine that boots is the one that is mounted.
fn finish_in(mounts: &Mounts, mut case: Case) -> Case {
    for boot in 10..13 {
        let (seen, back) = run(mounts, case, &format!("setup {}", agreed()));
        case = back;
        if seen.code == 0 {
            return case;
        }
        assert_eq!(seen.code, 3, "{}", seen.stderr);
        boot_in(mounts, &case, boot);
    }
    panic!("it asks for restart after restart");
}

/// Below an isolated cgroup a start of the machine shows as these files.
fn boot_in(mounts: &Mounts, case: &Case, boot: u32) {
    let outside = Case::new(Layout::Isolated);
    let unit = "/etc/systemd/system/multi-user.target.wants/kind-wsl-controllers.service";
    let delegate = "/etc/systemd/system/user@.service.d/zz-kind-wsl.conf";
    outside.machine.write(delegate, "[Service]\nDelegate=cpu cpuset io memory pids\n");
    let outside = outside.link(unit, "x");
    outside.machine.boot(boot);
    mounts.sh(&format!("cp -a {0}/proc {0}/sys {1}/", outside.machine.root, case.machine.root));
}

#[test]
fn a_directory_with_a_disk_mounted_on_it_stays_and_the_undo_succeeds() {
    let case = Case::new(Layout::Isolated);
    let dir = case.machine.root.join("var/lib/kind-wsl");
    let Some(mounts) = Mounts::new(&format!("mkdir -p {dir}; mount -t tmpfs -o mode=0755 tmpfs {dir}"))
    else {
        return;
    };
    let before = tree(&mounts, &case);
    let case = finish_in(&mounts, case);
    let (seen, case) = run(&mounts, case, "undo --yes --packages");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert_eq!(diff(&before, &tree(&mounts, &case)), Vec::<String>::new());
    assert_eq!(mounts.sh(&format!("ls -A {dir}")), "");
}

#[test]
fn a_disk_that_becomes_full_at_any_write_is_reported_and_the_setup_resumes() {
    let pages = step(4, 4);
    let (mut full, mut kib) = (0, 0);
    let mut messages = std::collections::BTreeSet::new();
    let (before, after) = {
        let case = Case::new(Layout::Isolated);
        let Some(mounts) = Mounts::new(&SMALL.replace("[ROOT]", case.machine.root.as_str())) else {
            return;
        };
        let before = tree(&mounts, &case);
        let case = finish_in(&mounts, case);
        (before, tree(&mounts, &case))
    };
    loop {
        let case = Case::new(Layout::Isolated);
        let root = case.machine.root.clone();
        // As many KiB are free as this round gives.
        let mounts = Mounts::new(&format!(
            "{}\n\
             used=$(df -k --output=used {root} | tail -1); mount -o remount,size=$((used + {kib}))k {root}",
            SMALL.replace("[ROOT]", root.as_str())
        ))
        .unwrap();
        let (seen, case) = run(&mounts, case, &format!("setup {}", agreed()));
        let enough = seen.code != 1;
        if !enough {
            full += 1;
            assert!(seen.stderr.contains("No space left on device"), "{kib} KiB: {}", seen.stderr);
            assert!(seen.stderr.contains("free some space"), "{kib} KiB: {}", seen.stderr);
            messages.insert(seen.stderr.lines().next().unwrap_or_default().to_owned());
        }
        mounts.sh(&format!("mount -o remount,size=64m {root}"));
        if enough {
            boot_in(&mounts, &case, 9);
        }
        let case = finish_in(&mounts, case);
        assert_eq!(diff(&after, &tree(&mounts, &case)), Vec::<String>::new(), "{kib} KiB: gone on with");
        let (seen, case) = run(&mounts, case, "undo --yes --packages");
        assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{kib} KiB");
        assert_eq!(diff(&before, &tree(&mounts, &case)), Vec::<String>::new(), "{kib} KiB: undone");
        if enough {
            break;
        }
        kib += 4 * pages;
    }
    println!("disk: full at {full} sizes, enough with {kib} KiB free; {} different objects", messages.len());
    assert!(full > 2, "it was full at {full} sizes only");
}

/// The machine in a tmpfs of its own; what the pretended programs and kernel write for themselves is in another.
const SMALL: &str = "mount -t tmpfs -o size=64m none /mnt; cp -a [ROOT]/. /mnt; mount --move /mnt [ROOT]
    for d in fake proc; do mount -t tmpfs none /mnt; cp -a [ROOT]/$d/. /mnt; mount --move /mnt [ROOT]/$d; done";

fn diff(a: &str, b: &str) -> Vec<String> {
    let (a, b): (std::collections::BTreeSet<_>, std::collections::BTreeSet<_>) =
        (a.lines().collect(), b.lines().collect());
    a.symmetric_difference(&b).map(|line| (*line).to_owned()).collect()
}

/// The tree is whole again outside of the namespace, where nothing was mounted.
fn refused_in(script: &str, args: &str, stderr: &str) {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    let Some(mounts) = Mounts::new(&script.replace("[ROOT]", case.machine.root.as_str())) else { return };
    let (seen, case) = run(&mounts, case, args);
    seen.expect(1, stderr);
    recovers(&case.started_by(&[]), &calm);
}

#[test]
fn a_home_that_may_not_be_written_is_named() {
    refused_in(
        "mount --bind [ROOT]/home [ROOT]/home; mount -o remount,bind,ro [ROOT]/home",
        &format!("setup {}", agreed()),
        "
        error: stage `podman` failed: write /home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf
          because: Read-only file system
        hint: the file system is mounted read-only (`findmnt -T /home/dev` shows it). WSL does so after disk errors: run `wsl --shutdown` in Windows. If it stays read-only, check the disk with e2fsck
        10 of 14 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
}

#[test]
fn a_var_that_may_not_be_written_is_named_before_anything_is_changed() {
    refused_in(
        "mount --bind [ROOT]/var [ROOT]/var; mount -o remount,bind,ro [ROOT]/var",
        &format!("setup {}", agreed()),
        "
        error: cannot create the directory `/var/lib/kind-wsl`
          because: Read-only file system
        hint: the file system is mounted read-only (`findmnt -T /var/lib` shows it). WSL does so after disk errors: run `wsl --shutdown` in Windows. If it stays read-only, check the disk with e2fsck
        ",
    );
}

#[test]
fn an_undo_on_a_read_only_file_system_is_reported_and_resumes() {
    let (before, _) = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    finished(&case);
    let script = format!("mount --bind {0}/etc {0}/etc; mount -o remount,bind,ro {0}/etc", case.machine.root);
    let Some(mounts) = Mounts::new(&script) else { return };
    let (seen, case) = run(&mounts, case, "undo --yes --packages");
    seen.expect(
        1,
        "
        error: stage `subids` failed: edit /etc/subgid: dev:165536:65536
          because: Read-only file system
        hint: the file system is mounted read-only (`findmnt -T /etc` shows it). WSL does so after disk errors: run `wsl --shutdown` in Windows. If it stays read-only, check the disk with e2fsck
        4 of 14 changes were reverted. Resume: kind-wsl undo
        ",
    );
    let case = case.started_by(&[]);
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn a_read_only_machine_is_refused_before_any_change() {
    let case = Case::new(Layout::Isolated).typed_by_somebody();
    if !is_root() {
        println!("skipped: without root everything here is ours");
        return;
    }
    case.refuses(
        &format!("setup --only limits {}", agreed()),
        1,
        "
        error: cannot create the directory `/var/lib/kind-wsl`
          because: Permission denied
        hint: `ls -ld /var/lib/kind-wsl` shows its owner and mode
        ",
    );
}

#[test]
fn an_immutable_file_is_named_and_the_next_run_resumes() {
    let calm = calm(Layout::Isolated);
    let case = Case::new(Layout::Isolated);
    let path = case.machine.path("/etc/subuid");
    let done = Command::new("chattr").args(["+i", path.as_str()]).output();
    if !done.is_ok_and(|output| output.status.success()) {
        println!("skipped: `chattr +i` needs root and a file system that knows it");
        return;
    }
    let seen = case.run(&format!("setup {}", agreed()));
    Command::new("chattr").args(["-i", path.as_str()]).status().unwrap();
    seen.expect(
        1,
        "
        error: stage `subids` failed: edit /etc/subuid: dev:165536:65536
          because: Operation not permitted
        hint: `/etc/subuid` may be immutable: `lsattr /etc/subuid` then shows an `i`, and `sudo chattr -i /etc/subuid` removes it
        8 of 14 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo
        ",
    );
    recovers(&case, &calm);
}

/// The real program's own system calls are refused, one after the other, by strace: what the fuse plays, the kernel says.
#[test]
fn refused_system_calls_of_the_real_program_are_reported_and_the_setup_resumes() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|o| o.status.success()) {
        println!("skipped: there is no strace");
        return;
    }
    let calm = calm(Layout::Isolated);
    let names = [
        ("ENOSPC", "No space left on device"),
        ("EDQUOT", "Disk quota exceeded"),
        ("EIO", "Input/output error"),
        ("EROFS", "Read-only file system"),
        ("EACCES", "Permission denied"),
    ];
    let calls = ["rename", "fsync", "fdatasync", "mkdir"];
    let step = step(27, 9);
    let (mut refused, mut done) = (0, 0);
    for call in calls {
        let mut when = 1;
        loop {
            let (errno, said) = names[when / step % names.len()];
            let case = Case::new(Layout::Isolated);
            let inject = format!("inject={call}:error={errno}:when={when}");
            // Only the program itself is traced: its programs are not ours.
            let words = ["strace", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject, "--"];
            let case = case.started_by(&words);
            let seen = case.run(&format!("setup {}", agreed()));
            let case = case.started_by(&[]);
            if seen.code == 3 {
                // There are fewer calls than that, or what was refused was only tidying up.
                case.machine.boot(9);
                done += 1;
            } else {
                refused += 1;
                assert_eq!(seen.code, 1, "{call} {when} {errno}: {}", seen.stderr);
                assert!(
                    seen.stderr.contains(said) && seen.stderr.contains("\nhint: "),
                    "{call} {when}: {}",
                    seen.stderr
                );
            }
            recovers(&case, &calm);
            if seen.code == 3 {
                break;
            }
            when += step;
        }
    }
    println!("strace: {refused} refused system calls told and gone on with, {done} runs that met none");
    assert!(refused > 4, "only {refused} system calls were refused");
}
