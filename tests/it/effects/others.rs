//! Others, at work on the same files at the same moment.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use kind_wsl::engine::{DriftPolicy, EngineError, RunOutcome};
use kind_wsl::host::FaultInjector;

use super::{changes, finish};
use crate::support::{Layout, Machine, answers};

/// The edit of another program: a comment in every grammar that we edit.
const EDIT: &str = "# by hand\n";

/// A fuse that edits the file of effect `at` before it happens. Reports which file.
fn editing(machine: &Machine, at: u64) -> (FaultInjector, Rc<RefCell<Option<String>>>) {
    let (root, edited) = (machine.root.clone(), Rc::new(RefCell::new(None)));
    let told = Rc::clone(&edited);
    let fault_injector = FaultInjector::meanwhile(at, move |what| {
        let file = ["write ", "replace ", "remove "].iter().find_map(|verb| what.strip_prefix(verb));
        let Some(file) = file.filter(|f| {
            f.starts_with('/') && !f.starts_with("/var/lib/kind-wsl") && !f.contains(".kind-wsl")
        }) else {
            return;
        };
        let path = root.join(file.trim_start_matches('/'));
        if path.is_symlink() || path.is_dir() {
            return;
        }
        let mut text = fs::read(&path).unwrap_or_default();
        if text.last().is_some_and(|b| *b != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(EDIT.as_bytes());
        fs::write(&path, text).unwrap();
        *told.borrow_mut() = Some(file.to_owned());
    });
    (fault_injector, edited)
}

fn has_edit(machine: &Machine, file: &str) -> bool {
    fs::read(machine.path(file)).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(EDIT.trim()))
}

/// What of ours is in effect in a file that others own.
const OURS: [&str; 8] = [
    "\nsystemd=true",
    "cgroup_no_v1=all",
    "\ncgroup2 /sys/fs/cgroup",
    "\ndev:",
    "k8s-file",
    "\"overlay\"",
    "instanceIdleTimeout",
    "vmIdleTimeout",
];

fn takes_edits_in(layout: Layout, guide: bool) -> Vec<String> {
    let mut files = Vec::new();
    let effects = {
        let machine = Machine::new(layout);
        let host = machine.host(FaultInjector::default());
        machine.setup(&host, &answers(), guide).unwrap();
        host.fault_injector().count()
    };
    for at in 0..effects {
        let machine = Machine::new(layout);
        let before = machine.snapshot();
        let (fault_injector, edited) = editing(&machine, at);
        let ended = machine.setup(&machine.host(fault_injector), &answers(), guide);
        let Some(file) = edited.borrow().clone() else { continue };
        let is_new = !before.contains_key(file.trim_start_matches('/'));
        // A program of ours takes the place of theirs, which is saved; in all others both are there.
        if !is_new {
            assert!(has_edit(&machine, &file), "effect {at}: the edit of {file} is gone");
        }
        match ended {
            // A whole text of ours does not take the place of theirs.
            Err(e) if e.is_foreign() => assert!(has_edit(&machine, &file), "effect {at}: {file} is replaced"),
            Err(e) => panic!("effect {at}, {file}: {e}"),
            Ok(_) => {
                machine.boot(2);
                while let RunOutcome::Restart(_) =
                    machine.setup(&machine.host(FaultInjector::default()), &answers(), guide).unwrap()
                {
                    machine.boot(3);
                }
            }
        }
        machine.undo_all();
        assert!(has_edit(&machine, &file), "effect {at}: the edit of {file} is gone after the undo");
        let left = changes(&before, &machine.snapshot());
        let above = |line: &String| {
            // The directories above a file that now belongs to another program.
            line.split(':').next().is_some_and(|path| file.trim_start_matches('/').starts_with(path))
        };
        let others: Vec<_> = left.iter().filter(|line| !above(line)).collect();
        assert!(others.is_empty(), "effect {at}, {file}: {others:?}");
        let text = fs::read_to_string(machine.path(&file)).unwrap();
        assert!(
            !OURS.iter().any(|ours| text.contains(ours)),
            "effect {at}: of ours is left in {file}:\n{text}"
        );
        files.push(file);
    }
    files.sort();
    files.dedup();
    files
}

#[test]
fn an_edit_by_another_program_during_a_write_survives_it_and_the_undo() {
    let files = takes_edits_in(Layout::Classic, true);
    println!("edited while we write: {}", files.join(", "));
    for file in [
        "/etc/wsl.conf",
        "/mnt/c/Users/dev/.wslconfig",
        "/etc/fstab",
        "/etc/subuid",
        "/etc/subgid",
        "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf",
        "/home/dev/.config/containers/storage.conf",
        "/etc/systemd/system/user-0.slice",
        "/etc/systemd/system/user@.service.d/zz-kind-wsl.conf",
        "/etc/sysctl.d/99-kind-wsl.conf",
    ] {
        assert!(files.iter().any(|f| f == file), "{file} was never edited");
    }
}

#[test]
fn an_edit_by_another_program_during_undo_survives_it() {
    let finished = || {
        let machine = Machine::new(Layout::Classic);
        finish(&machine);
        machine
    };
    let effects = {
        let machine = finished();
        let host = machine.host(FaultInjector::default());
        machine.undo(&host, DriftPolicy::Stop).unwrap();
        host.fault_injector().count()
    };
    let mut files = Vec::new();
    for at in 0..effects {
        let machine = finished();
        let (fault_injector, edited) = editing(&machine, at);
        let ended = machine.undo(&machine.host(fault_injector), DriftPolicy::Stop);
        let Some(file) = edited.borrow().clone() else { continue };
        // A file of ours that was edited now belongs to the user, and that is shown.
        if let Err(error) = ended {
            assert!(matches!(error, EngineError::Drift(_)), "effect {at}, {file}: {error}");
            assert!(has_edit(&machine, &file), "effect {at}: the edit of {file} is gone");
            machine.undo(&machine.host(FaultInjector::default()), DriftPolicy::Keep).unwrap();
        } else {
            let text = fs::read_to_string(machine.path(&file)).unwrap();
            assert!(
                !OURS.iter().any(|ours| text.contains(ours)),
                "effect {at}: of ours is left in {file}:\n{text}"
            );
        }
        assert!(has_edit(&machine, &file), "effect {at}: the edit of {file} is gone");
        assert!(!machine.has_journal(), "effect {at}");
        files.push(file);
    }
    files.dedup();
    assert!(files.len() > 8, "only {files:?} were edited");
}

#[test]
fn an_edit_between_two_runs_survives_the_second_and_the_undo() {
    // Killed after the intent was written, before the file: then another program edits the file, and the setup resumes.
    let effects = {
        let machine = Machine::new(Layout::Classic);
        let host = machine.host(FaultInjector::default());
        machine.setup(&host, &answers(), false).unwrap();
        host.fault_injector().count()
    };
    let mut seen = 0;
    for at in 0..effects {
        let machine = Machine::new(Layout::Classic);
        machine.crash(at, |host| machine.setup(host, &answers(), false));
        for file in ["/etc/wsl.conf", "/mnt/c/Users/dev/.wslconfig", "/etc/fstab"] {
            machine.write(file, machine.text(file).trim_end().to_owned() + "\n" + EDIT);
        }
        let journal_state = kind_wsl::journal::read(&machine.host(FaultInjector::default())).unwrap();
        seen += usize::from(
            journal_state.in_progress().any(|e| e.intent.change.target().object == "/etc/wsl.conf"),
        );
        finish(&machine);
        machine.undo_all();
        for file in ["/etc/wsl.conf", "/mnt/c/Users/dev/.wslconfig", "/etc/fstab"] {
            assert!(has_edit(&machine, file), "effect {at}: the edit of {file} is gone");
            let text = machine.text(file);
            assert!(
                !OURS.iter().any(|ours| text.contains(ours)),
                "effect {at}: of ours is left in {file}:\n{text}"
            );
        }
    }
    assert!(seen > 0, "no crash fell between an intent on wsl.conf and its write");
}

#[test]
fn a_file_of_another_program_that_replaced_an_obsolete_one_stays() {
    let path = "/home/dev/.local/bin/kind";
    let wanting = |wrapper| {
        let mut answers = answers();
        answers.set("kind_wrapper", wrapper);
        answers
    };
    let effects = {
        let machine = Machine::new(Layout::Isolated);
        let host = machine.host(FaultInjector::default());
        machine.setup(&host, &wanting("yes"), false).unwrap();
        host.fault_injector().count()
    };
    let mut seen = 0;
    for at in 0..effects {
        let machine = Machine::new(Layout::Isolated);
        machine.crash(at, |host| machine.setup(host, &wanting("yes"), false));
        let journal_state = kind_wsl::journal::read(&machine.host(FaultInjector::default())).unwrap();
        if machine.path(path).exists()
            || !journal_state.in_progress().any(|e| e.intent.change.target().object == path)
        {
            continue;
        }
        seen += 1;
        machine.write(path, "mine\n");
        let mut ended = None;
        for boot in 2..5 {
            ended =
                Some(machine.setup(&machine.host(FaultInjector::default()), &wanting("no"), false).unwrap());
            machine.boot(boot);
        }
        assert!(matches!(ended, Some(RunOutcome::Done { .. })), "{ended:?}");
        assert_eq!(machine.text(path), "mine\n", "effect {at}");
        machine.undo_all();
        assert_eq!(machine.text(path), "mine\n", "effect {at}: gone after the undo");
    }
    assert!(seen > 0, "no crash fell before the write of {path}");
}
