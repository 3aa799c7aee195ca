//! Undo in WSL's safe mode, as `kind-wsl.exe rescue` runs it: no systemd, no Windows drive, no interop, no mounts of fstab.
//! And undo of the last setup alone.

use std::fs;

use kind_wsl::engine::{DriftPolicy, UndoOptions};
use kind_wsl::host::FaultInjector;
use kind_wsl::journal::{self, RunOptions};
use kind_wsl::plan::StageSelection;

use crate::support::cli::{Case, JOURNAL, agreed, with_checksum};
use crate::support::{Layout, Machine, Tree, answers, changes, everything, same, step};

const WSLCONFIG: &str = "/mnt/c/Users/dev/.wslconfig";

/// Starts the distribution in safe mode.
fn enter(machine: &Machine) {
    machine.write("/fake/safe-mode", "");
    machine.write("/proc/sys/kernel/random/boot_id", "boot-safe\n");
    machine.write("/proc/1/stat", format!("1 (init) S 0 1 99 0 0 {}", "0 ".repeat(17)));
    machine.write("/proc/1/comm", "init\n");
    let _ = fs::remove_dir_all(machine.path("/run/systemd"));
    fs::rename(machine.path("/mnt/c"), machine.path("/away")).unwrap();
    fs::create_dir(machine.path("/mnt/c")).unwrap();
    // The kernel's default, which is neither ours nor what the user's sysctl.d had made of it.
    machine.write("/proc/sys/fs/inotify/max_user_instances", "256\n");
}

/// Starts it as usual.
fn leave(machine: &Machine) {
    fs::remove_file(machine.path("/fake/safe-mode")).unwrap();
    fs::remove_dir(machine.path("/mnt/c")).unwrap();
    fs::rename(machine.path("/away"), machine.path("/mnt/c")).unwrap();
    machine.write("/proc/sys/fs/inotify/max_user_instances", "128\n");
    machine.write("/proc/sys/fs/inotify/max_user_watches", "8192\n");
    machine.boot(100);
}

fn in_safe_mode() -> UndoOptions {
    UndoOptions { packages: false, safe_mode: true, ..everything(DriftPolicy::Stop) }
}

fn set_up(layout: Layout, provider: &str) -> (Machine, Tree) {
    let machine = Machine::new(layout);
    let before = machine.snapshot();
    let mut answers = answers();
    answers.set("provider", provider);
    machine.finish(|host| machine.engine(host, |engine| engine.setup(&answers, &RunOptions::default())));
    (machine, before)
}

/// What differs, without what Docker's own tool leaves behind (docs/how-to/providers.md).
fn differs(before: &Tree, machine: &Machine) -> Vec<String> {
    let mut left = changes(before, &machine.snapshot());
    left.retain(|line| !line.starts_with("home/dev/.docker"));
    left
}

#[test]
fn an_undo_in_safe_mode_and_one_afterwards_restore_every_byte() {
    for (layout, provider) in [(Layout::Classic, "podman"), (Layout::Plain, "docker")] {
        let (machine, before) = set_up(layout, provider);
        if layout == Layout::Plain {
            fs::create_dir_all(machine.path("/mnt/c")).unwrap();
        }
        enter(&machine);
        let undone = machine.undo_with(&machine.host(FaultInjector::default()), &in_safe_mode()).unwrap();
        assert!(!undone.left.is_empty() && !undone.interrupted, "{provider}: {undone:?}");
        assert_eq!(before.get("etc/wsl.conf"), machine.snapshot().get("etc/wsl.conf"), "{provider}");
        assert_eq!(before.get("etc/fstab"), machine.snapshot().get("etc/fstab"), "{provider}");
        leave(&machine);
        if layout == Layout::Plain {
            fs::remove_dir_all(machine.path("/mnt")).unwrap();
        }
        machine.undo_all();
        assert_eq!(differs(&before, &machine), Vec::<String>::new(), "{provider}");
        assert!(!machine.has_journal(), "{provider}: the journal is left");
    }
}

#[test]
fn a_crash_of_an_undo_in_safe_mode_is_resumed_in_safe_mode_or_outside() {
    let begin = || {
        let (machine, before) = set_up(Layout::Classic, "podman");
        enter(&machine);
        (machine, before)
    };
    let (machine, _) = begin();
    let host = machine.host(FaultInjector::default());
    machine.undo_with(&host, &in_safe_mode()).unwrap();
    let effects = host.fault_injector().count();
    for at in (0..effects).step_by(step(7, 1)) {
        let (machine, before) = begin();
        machine.crash(at, |host| machine.undo_with(host, &in_safe_mode()));
        if at % 2 == 0 {
            machine.undo_with(&machine.host(FaultInjector::default()), &in_safe_mode()).unwrap();
        }
        leave(&machine);
        machine.undo_all();
        assert_eq!(differs(&before, &machine), Vec::<String>::new(), "effect {at}");
        assert!(!machine.has_journal(), "effect {at}");
    }
}

#[test]
fn the_program_names_what_it_left_and_exits_with_3() {
    let case = Case::new(Layout::Classic).dir("/mnt/c/Users/dev/AppData/Local");
    let before = case.machine.snapshot();
    let setup = format!("setup {} --no-restart", agreed());
    case.run(&setup).expect(3, "");
    case.machine.boot(2);
    case.run("setup --no-restart").expect(0, "");
    enter(&case.machine);
    let seen = case.run("undo --yes --safe-mode").expect(3, "");
    assert!(seen.stdout.contains("Postponed: edit /mnt/c/Users/dev/.wslconfig"), "{}", seen.stdout);
    assert!(seen.stdout.contains("once the distribution starts: kind-wsl undo\n"), "{}", seen.stdout);
    assert!(!seen.stdout.contains("In Windows:"), "{}", seen.stdout);
    // Without the flag, a drive that is not mounted is an error, as before.
    assert_eq!(case.run("undo --yes").code, 1);
    leave(&case.machine);
    case.run("undo --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn the_first_line_of_the_journal_has_the_program_that_a_rescue_starts() {
    let case = Case::new(Layout::Classic);
    case.run("setup --yes --only idle --idle yes").expect(0, "");
    let journal = case.shown(&case.machine.text(JOURNAL));
    assert!(journal.lines().next().unwrap().contains("\"program\":\"[BIN]\""), "{journal}");
}

#[test]
fn a_journal_that_names_no_program_is_read() {
    let begin = r#"{"record":"begin","version":1,"tool":"t","at":"now","user":"dev"}"#;
    let case = Case::new(Layout::Classic).file(JOURNAL, with_checksum(begin));
    let state = journal::read(&case.machine.host(FaultInjector::default())).unwrap();
    assert_eq!((state.user.as_deref(), state.last_setup(true)), (Some("dev"), None));
}

/// A machine that was set up, and then set up again with one more stage; the tree in between.
fn twice() -> (Machine, Tree, Tree) {
    let machine = Machine::new(Layout::Classic);
    let before = machine.snapshot();
    let only = |stage: &str| {
        let selection = StageSelection { only: vec![stage.to_owned()], ..StageSelection::default() };
        let chosen = RunOptions { selection, ..RunOptions::default() };
        let host = machine.host(FaultInjector::default());
        machine.engine(&host, |engine| engine.setup(&answers(), &chosen)).unwrap();
    };
    only("limits");
    let between = machine.snapshot();
    only("idle");
    (machine, before, between)
}

fn undo_last(machine: &Machine, host: &kind_wsl::host::LiveSystem) -> usize {
    let since = journal::read(host).unwrap().last_setup(false);
    machine.undo_with(host, &UndoOptions { since, ..everything(DriftPolicy::Stop) }).unwrap().changes
}

#[test]
fn undo_last_reverts_one_setup_after_the_other() {
    let (machine, before, between) = twice();
    let host = || machine.host(FaultInjector::default());
    assert_eq!(undo_last(&machine, &host()), 2);
    same(&between, &machine.snapshot(), "the last setup is undone");
    undo_last(&machine, &host());
    same(&before, &machine.snapshot(), "the first one too");
    assert!(!machine.has_journal());
}

#[test]
fn an_interrupted_undo_of_the_last_setup_never_reverts_the_one_before_it() {
    let (machine, ..) = twice();
    let host = machine.host(FaultInjector::default());
    undo_last(&machine, &host);
    // Once the end of the undo is in the journal, the next one is another undo.
    for at in 0..host.fault_injector().count() {
        let (machine, _, between) = twice();
        machine.crash(at, |host| undo_last(&machine, host));
        undo_last(&machine, &machine.host(FaultInjector::default()));
        same(&between, &machine.snapshot(), &format!("effect {at}"));
    }
}

#[test]
fn undo_last_is_a_flag_and_a_pinned_one_stays_at_its_setup() {
    let case = Case::new(Layout::Classic);
    case.run("setup --yes --only limits").expect(0, "");
    let between = case.machine.snapshot();
    case.run("setup --yes --only idle --idle yes").expect(0, "");
    let pinned = case.run("status --last").expect(0, "").stdout.trim().to_owned();
    assert!(pinned.starts_with("since="), "{pinned}");
    case.run("undo --yes --last").expect(0, "").says("2 changes were reverted.");
    same(&between, &case.machine.snapshot(), "the last setup is undone");
    case.run(&format!("undo --yes --{pinned}")).expect(0, "").says("Nothing to revert.");
    same(&between, &case.machine.snapshot(), "a second time");
    assert!(case.machine.path(WSLCONFIG).exists());
}
