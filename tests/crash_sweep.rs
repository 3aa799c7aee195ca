//! The program is ended before every effect that it has on the machine, and each time a second run comes to the same
//! end, and an undo, itself ended somewhere, comes back to the untouched tree: byte, mode and owner.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use kind_wsl::engine::{Awaited, DriftPolicy, Ended};
use kind_wsl::host::Fuse;
use kind_wsl::stage::Answers;
use support::{Layout, Machine, answers};

type Tree = BTreeMap<String, String>;

/// A whole set-up without a crash: before, after, and the effects of the run before the restart and of the one after.
struct Calm {
    before: Tree,
    after: Tree,
    effects: [u64; 2],
}

/// How it is set up.
#[derive(Clone, Copy, Debug)]
struct How {
    guide: bool,
    provider: &'static str,
    /// How many checks hold in the end.
    checks: usize,
}

const PODMAN: How = How { guide: false, provider: "podman", checks: 9 };
const GUIDE: How = How { guide: true, ..PODMAN };
const DOCKER: How = How { guide: false, provider: "docker", checks: 5 };

impl How {
    fn answers(self) -> Answers {
        let mut answers = answers();
        answers.give("provider", self.provider);
        answers
    }

    /// What stays after an undo, without what the provider's own tool leaves behind (docs/providers.md).
    fn left(self, before: &Tree, after: &Tree) -> Vec<String> {
        let mut left = differences(before, after);
        if self.provider == "docker" {
            left.retain(|line| !line.starts_with("home/dev/.docker"));
        }
        left
    }
}

fn calm(layout: Layout, how: How) -> Calm {
    let machine = Machine::new(layout);
    let before = machine.snapshot();
    let first = machine.host(Fuse::default());
    let ended = machine.setup(&first, &how.answers(), how.guide).unwrap();
    assert!(matches!(ended, Ended::Restart(Awaited { again: false, .. })), "{ended:?}");
    machine.boot(2);
    let second = machine.host(Fuse::default());
    let ended = machine.setup(&second, &how.answers(), how.guide).unwrap();
    assert!(matches!(ended, Ended::Done { verified, .. } if verified == how.checks), "{ended:?}");
    Calm { before, after: machine.snapshot(), effects: [first.fuse().burnt(), second.fuse().burnt()] }
}

/// Sets up with a crash before effect `at` of the given leg, and leaves the machine as the crash does.
fn crash(machine: &Machine, leg: usize, at: u64, how: How) {
    if leg == 1 {
        machine.setup(&machine.host(Fuse::default()), &how.answers(), how.guide).unwrap();
        machine.boot(2);
    }
    let error = machine.setup(&machine.host(Fuse::after(at)), &how.answers(), how.guide).unwrap_err();
    assert!(error.is_crash(), "leg {leg}, effect {at}: {error}");
}

/// Runs set-up until it is done, with the restarts that it asks for, at most one for what it left to do.
fn finish(machine: &Machine, how: How) {
    for boot in 3..6 {
        match machine.setup(&machine.host(Fuse::default()), &how.answers(), how.guide).unwrap() {
            Ended::Done { .. } => return,
            Ended::Restart(_) => machine.boot(boot),
            Ended::Interrupted => panic!("nobody interrupted it"),
        }
    }
    panic!("it asks for restart after restart");
}

fn differences(a: &Tree, b: &Tree) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    keys.into_iter()
        .filter(|k| a.get(*k) != b.get(*k))
        .map(|k| format!("{k}: {:?} / {:?}", a.get(k), b.get(k)))
        .collect()
}

fn sweep(layout: Layout, how: How) {
    let started = Instant::now();
    let calm = calm(layout, how);
    let legs = [(0, calm.effects[0]), (1, calm.effects[1])];
    let mut undone = 0;
    for (leg, effects) in legs {
        for at in 0..effects {
            let machine = Machine::new(layout);
            crash(&machine, leg, at, how);
            finish(&machine, how);
            assert_eq!(
                differences(&calm.after, &machine.snapshot()),
                Vec::<String>::new(),
                "{layout:?} leg {leg} effect {at}: resumed"
            );
            undone += undo_with_crashes(&calm, layout, leg, at, how);
        }
    }
    println!(
        "{layout:?}{}: {} effects before the restart, {} after, {undone} undo runs, {:.1} s",
        if how.guide {
            " with --guide"
        } else if how.provider == "docker" {
            " with docker"
        } else {
            ""
        },
        legs[0].1,
        legs[1].1,
        started.elapsed().as_secs_f64()
    );
}

/// From the state that a crash left: an undo that crashes too, at a few places that differ from crash to crash, then
/// an undo that does not.
fn undo_with_crashes(calm: &Calm, layout: Layout, leg: usize, at: u64, how: How) -> u64 {
    let mut runs = 0;
    let mut stop = at % 17;
    loop {
        let machine = Machine::new(layout);
        crash(&machine, leg, at, how);
        let host = machine.host(Fuse::after(stop));
        let crashed = match machine.undo(&host, DriftPolicy::Stop) {
            Ok(_) => false,
            Err(e) if e.is_crash() => true,
            Err(e) => panic!("{layout:?} leg {leg} effect {at}: undo: {e}"),
        };
        if crashed {
            machine.undo(&machine.host(Fuse::default()), DriftPolicy::Stop).unwrap();
        }
        runs += 1;
        let left = how.left(&calm.before, &machine.snapshot());
        assert_eq!(left, Vec::<String>::new(), "{layout:?} leg {leg} effect {at}, undo ended at {stop}");
        assert!(
            !machine.has_journal(),
            "{layout:?} leg {leg} effect {at}, undo ended at {stop}: the journal is left"
        );
        if !crashed {
            return runs;
        }
        stop += 17;
    }
}

#[test]
fn a_crash_at_any_effect_on_old_wsl_is_resumed_and_undone() {
    sweep(Layout::Classic, PODMAN);
}

#[test]
fn a_crash_at_any_effect_below_isolated_cgroups_is_resumed_and_undone() {
    sweep(Layout::Isolated, PODMAN);
}

#[test]
fn a_crash_at_any_effect_with_the_whole_guide_is_resumed_and_undone() {
    sweep(Layout::Modern, GUIDE);
}

#[test]
fn a_crash_at_any_effect_with_docker_is_resumed_and_undone() {
    sweep(Layout::Modern, DOCKER);
}

#[test]
fn a_crash_at_any_effect_with_docker_on_a_plain_host_is_resumed_and_undone() {
    sweep(Layout::Plain, DOCKER);
}

#[test]
fn nerdctl_is_set_up_and_undone_where_a_distribution_has_it() {
    let how = How { provider: "nerdctl", ..DOCKER };
    let machine = Machine::new(Layout::Modern);
    let archive =
        machine.text("/fake/archive").replace("containerd 1.6.20~ds1-1+deb12u3", "containerd 1.7.24~ds1-6");
    machine.write("/fake/archive", archive + "nerdctl 2.0.0-1\ncontainernetworking-plugins 1.1.1\n");
    let before = machine.snapshot();
    finish(&machine, how);
    assert!(
        machine.path("/home/dev/.config/systemd/user/default.target.wants/containerd.service").is_symlink()
    );
    // The system's own, which came with the package, is off.
    assert!(!machine.path("/etc/systemd/system/multi-user.target.wants/containerd.service").is_symlink());
    let ended = machine.setup(&machine.host(Fuse::default()), &how.answers(), false).unwrap();
    assert_eq!(ended, Ended::Done { changed: 0, verified: 0 });
    machine.undo(&machine.host(Fuse::default()), DriftPolicy::Stop).unwrap();
    assert_eq!(differences(&before, &machine.snapshot()), Vec::<String>::new());
}

#[test]
fn a_set_up_tool_that_was_killed_half_way_is_run_again_or_undone() {
    let unit = "/home/dev/.config/systemd/user/docker.service";
    let calm = calm(Layout::Modern, DOCKER);
    let mut seen = 0;
    for at in 0..calm.effects[1] {
        let half = |machine: &Machine| {
            crash(machine, 1, at, DOCKER);
            let ledger = kind_wsl::journal::read(&machine.host(Fuse::default())).unwrap();
            let begun = ledger.open().any(|e| e.intent.change.target().object == "docker.service of dev");
            // Killed after it wrote the unit and before it enabled it.
            if begun
                && machine.path("/home/dev/.config/systemd/user").exists()
                && !machine.path(unit).exists()
            {
                machine.write(unit, "[Service]\nDelegate=yes\n");
                return true;
            }
            false
        };
        let machine = Machine::new(Layout::Modern);
        if !half(&machine) {
            continue;
        }
        seen += 1;
        finish(&machine, DOCKER);
        assert_eq!(differences(&calm.after, &machine.snapshot()), Vec::<String>::new(), "effect {at}");
        let machine = Machine::new(Layout::Modern);
        half(&machine);
        machine.undo(&machine.host(Fuse::default()), DriftPolicy::Stop).unwrap();
        assert_eq!(
            DOCKER.left(&calm.before, &machine.snapshot()),
            Vec::<String>::new(),
            "effect {at}: undone"
        );
    }
    assert!(seen > 0, "no crash fell before the set-up tool");
}

#[test]
fn an_undo_of_a_finished_set_up_may_end_at_any_effect() {
    let calm = calm(Layout::Classic, GUIDE);
    let mut stop = 0;
    loop {
        let machine = Machine::new(Layout::Classic);
        finish(&machine, GUIDE);
        let result = machine.undo(&machine.host(Fuse::after(stop)), DriftPolicy::Stop);
        let crashed = result.is_err_and(|e| e.is_crash());
        machine.undo(&machine.host(Fuse::default()), DriftPolicy::Stop).unwrap();
        assert_eq!(
            differences(&calm.before, &machine.snapshot()),
            Vec::<String>::new(),
            "undo ended at {stop}"
        );
        assert!(!machine.has_journal());
        if !crashed {
            assert!(stop > 50, "the undo had only {stop} effects");
            return;
        }
        stop += 1;
    }
}

#[test]
fn a_second_set_up_changes_nothing() {
    let machine = Machine::new(Layout::Classic);
    finish(&machine, PODMAN);
    let before = machine.snapshot();
    let ended = machine.setup(&machine.host(Fuse::default()), &answers(), false).unwrap();
    assert_eq!(ended, Ended::Done { changed: 0, verified: 0 });
    assert_eq!(differences(&before, &machine.snapshot()), Vec::<String>::new());
}

#[test]
fn after_an_undo_that_leaves_the_packages_nothing_counts_as_interrupted() {
    let machine = Machine::new(Layout::Classic);
    finish(&machine, PODMAN);
    machine.undo_but_packages(&machine.host(Fuse::default())).unwrap();
    let ledger = kind_wsl::journal::read(&machine.host(Fuse::default())).unwrap();
    assert!(!ledger.is_interrupted() && ledger.taken_back, "{ledger:?}");
    assert!(ledger.answers.is_empty(), "the answers are asked for again");
    assert!(ledger.standing().all(|e| e.intent.stage == "packages" || e.intent.stage == "systemd"));
}

#[test]
fn what_others_install_after_an_interrupted_installation_is_theirs() {
    let effects = calm(Layout::Classic, PODMAN).effects[0];
    let mut seen = 0;
    for at in 0..effects {
        let machine = Machine::new(Layout::Classic);
        crash(&machine, 0, at, PODMAN);
        let ledger = kind_wsl::journal::read(&machine.host(Fuse::default())).unwrap();
        if !ledger.open().any(|e| e.intent.stage == "packages") {
            continue;
        }
        seen += 1;
        // Half of it was installed when the power went, and then somebody installed an editor.
        machine
            .write("/fake/packages", machine.text("/fake/packages") + "conmon 2.1\npodman 4.3.1\nvim 9.0\n");
        machine.undo(&machine.host(Fuse::default()), DriftPolicy::Stop).unwrap();
        let left = machine.text("/fake/packages");
        assert!(
            left.contains("vim") && !left.contains("podman") && !left.contains("conmon"),
            "effect {at}: {left}"
        );
    }
    assert!(seen > 0, "no crash fell into the installation");
}
