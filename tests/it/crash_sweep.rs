//! The program is killed before each of its effects. A second run must reach the same end state, and an undo, itself
//! killed once, must restore the untouched tree: bytes, mode and owner.

mod journals;
mod machines;
mod users;

use std::time::Instant;

use self::machines::Row;
use crate::support::{Layout, Machine, Tree, answers, changes, same, step};
use kind_wsl::engine::{DriftPolicy, PendingRestart, RunOutcome};
use kind_wsl::host::FaultInjector;

/// A whole setup without a crash: before, after, and the effects of each run until it was done: one before each restart
/// and one after the last.
struct Calm {
    before: Tree,
    after: Tree,
    legs: Vec<u64>,
}

fn calm(row: &Row) -> Calm {
    let machine = row.machine();
    let before = machine.snapshot();
    let mut legs = Vec::new();
    for boot in 2.. {
        let host = machine.host(FaultInjector::default());
        let ended = row.setup(&machine, &host).unwrap();
        legs.push(host.fault_injector().count());
        match ended {
            RunOutcome::Restart(PendingRestart { again: false, .. }) if boot == 2 => machine.boot(boot),
            RunOutcome::Done { verified, .. } if verified == row.checks => break,
            other => panic!("{}: {other:?}", row.name),
        }
    }
    Calm { before, after: machine.snapshot(), legs }
}

/// Sets up with a crash before effect `at` of the given leg, and leaves the machine as the crash does.
fn crash(row: &Row, machine: &Machine, leg: usize, at: u64) {
    for boot in 2..2 + u32::try_from(leg).unwrap() {
        row.setup(machine, &machine.host(FaultInjector::default())).unwrap();
        machine.boot(boot);
    }
    machine.crash(at, |host| row.setup(machine, host));
}

fn finish(row: &Row, machine: &Machine) {
    machine.finish(|host| row.setup(machine, host));
}

/// Which of `count` effects are looked at: all of them, or one of each `step` in a row, by chance.
fn looked_at(row: &Row, count: u64) -> Vec<u64> {
    let step = if row.whole { step(24, 1) } else { step(48, 12) } as u64;
    let mut chance = Chance::of(row.name);
    (0..count.div_ceil(step)).map(|n| n * step + chance.below(step)).filter(|at| *at < count).collect()
}

/// Numbers that look like chance and are the same each time: splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Chance(u64);

impl Chance {
    /// `KIND_WSL_SEED` gives others.
    fn of(name: &str) -> Self {
        let seed = std::env::var("KIND_WSL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0_u64);
        Self(name.bytes().fold(seed, |all, byte| all.wrapping_mul(31).wrapping_add(byte.into())))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn sweep(row: &Row) {
    let started = Instant::now();
    let calm = calm(row);
    let (mut crashes, mut undone) = (0, 0);
    for (leg, effects) in calm.legs.iter().enumerate() {
        for at in looked_at(row, *effects) {
            let machine = row.machine();
            crash(row, &machine, leg, at);
            finish(row, &machine);
            let left = changes(&calm.after, &machine.snapshot());
            assert_eq!(left, Vec::<String>::new(), "{} leg {leg} effect {at}: resumed", row.name);
            crashes += 1;
            undone += undo_with_crashes(&calm, row, leg, at);
        }
    }
    let (stops, of) = undo_of_all(&calm, row);
    println!(
        "sweep: {}: effects {:?}, {crashes} crashes gone on with, {undone} undos of half-done runs, \
         {stops} of {of} effects of the undo of a finished run, {:.1} s",
        row.name,
        calm.legs,
        started.elapsed().as_secs_f64()
    );
}

/// From the state that a crash left: an undo that crashes too, at a few places that differ from crash to crash, then
/// an undo that does not.
fn undo_with_crashes(calm: &Calm, row: &Row, leg: usize, at: u64) -> u64 {
    let mut runs = 0;
    let mut stop = at % 17;
    loop {
        let machine = row.machine();
        crash(row, &machine, leg, at);
        let crashed = match machine.crash_or_end(stop, |host| machine.undo(host, DriftPolicy::Stop)) {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(e)) => panic!("{} leg {leg} effect {at}: undo: {e}", row.name),
        };
        if crashed {
            machine.undo_all();
        }
        runs += 1;
        let left = row.left(&calm.before, &machine.snapshot());
        assert_eq!(left, Vec::<String>::new(), "{} leg {leg} effect {at}, undo ended at {stop}", row.name);
        assert!(
            !machine.has_journal(),
            "{} leg {leg} effect {at}, undo ended at {stop}: the journal is left",
            row.name
        );
        if !crashed {
            return runs;
        }
        stop += 17;
    }
}

/// An undo of everything, killed at its effects and resumed. Returns how many of how many.
fn undo_of_all(calm: &Calm, row: &Row) -> (usize, u64) {
    let finished = || {
        let machine = row.machine();
        finish(row, &machine);
        machine
    };
    let machine = finished();
    let host = machine.host(FaultInjector::default());
    machine.undo(&host, DriftPolicy::Stop).unwrap();
    let effects = host.fault_injector().count();
    let stops = looked_at(row, effects);
    for stop in &stops {
        let machine = finished();
        machine.crash(*stop, |host| machine.undo(host, DriftPolicy::Stop));
        machine.undo_all();
        let left = row.left(&calm.before, &machine.snapshot());
        assert_eq!(left, Vec::<String>::new(), "{}: undo ended at {stop}", row.name);
        assert!(!machine.has_journal(), "{}: undo ended at {stop}", row.name);
    }
    (stops.len(), effects)
}

macro_rules! sweeps {
    ($($test:ident: $row:ident;)*) => {$(
        #[test]
        fn $test() {
            sweep(&machines::$row);
        }
    )*};
}

sweeps! {
    a_crash_at_any_effect_on_old_wsl_is_resumed_and_undone: CLASSIC;
    a_crash_at_any_effect_below_isolated_cgroups_is_resumed_and_undone: ISOLATED_POOR;
    a_crash_at_any_effect_with_the_whole_guide_is_resumed_and_undone: GUIDE;
    a_crash_at_any_effect_with_docker_is_resumed_and_undone: DOCKER;
    a_crash_at_any_effect_with_docker_on_a_plain_host_is_resumed_and_undone: PLAIN_DOCKER;
    a_crash_on_wsl_2_6_1_is_resumed_and_undone: MODERN;
    a_crash_below_an_isolated_cgroup_that_passes_all_on_is_resumed_and_undone: ISOLATED;
    a_crash_in_a_cgroup_namespace_is_resumed_and_undone: NAMESPACED;
    a_crash_in_a_cgroup_namespace_with_docker_is_resumed_and_undone: NAMESPACED_DOCKER;
    a_crash_on_debian_11_is_resumed_and_undone: DEBIAN_11;
    a_crash_on_debian_12_is_resumed_and_undone: DEBIAN_12;
    a_crash_on_debian_13_is_resumed_and_undone: DEBIAN_13;
    a_crash_on_ubuntu_22_04_is_resumed_and_undone: UBUNTU_22_04;
    a_crash_on_ubuntu_24_04_is_resumed_and_undone: UBUNTU_24_04;
    a_crash_on_a_plain_host_is_resumed_and_undone: PLAIN;
    a_crash_where_all_is_done_already_is_resumed_and_undone: DONE_ALREADY;
    a_crash_where_the_guide_was_followed_half_way_is_resumed_and_undone: BY_HAND;
    a_crash_beside_a_kind_and_drop_ins_of_the_users_own_is_resumed_and_undone: OWN_KIND;
    a_crash_where_the_root_is_a_private_mount_is_resumed_and_undone: PRIVATE_ROOT;
}

#[test]
fn nerdctl_is_set_up_and_undone_if_the_distribution_has_it() {
    let row = &Row { provider: "nerdctl", ..machines::DOCKER };
    let machine = row.machine();
    let archive =
        machine.text("/fake/archive").replace("containerd 1.6.20~ds1-1+deb12u3", "containerd 1.7.24~ds1-6");
    machine.write("/fake/archive", archive + "nerdctl 2.0.0-1\ncontainernetworking-plugins 1.1.1\n");
    let before = machine.snapshot();
    finish(row, &machine);
    assert!(
        machine.path("/home/dev/.config/systemd/user/default.target.wants/containerd.service").is_symlink()
    );
    // The system's own, which came with the package, is off.
    assert!(!machine.path("/etc/systemd/system/multi-user.target.wants/containerd.service").is_symlink());
    let ended = row.setup(&machine, &machine.host(FaultInjector::default())).unwrap();
    assert_eq!(ended, RunOutcome::Done { changed: 0, verified: 0 });
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn a_setup_tool_that_was_killed_is_run_again_or_undone() {
    let unit = "/home/dev/.config/systemd/user/docker.service";
    let row = &machines::DOCKER;
    let calm = calm(row);
    let mut seen = 0;
    for at in 0..calm.legs[1] {
        let half = |machine: &Machine| {
            crash(row, machine, 1, at);
            let journal_state = kind_wsl::journal::read(&machine.host(FaultInjector::default())).unwrap();
            let begun = journal_state
                .in_progress()
                .any(|e| e.intent.change.target().object == "docker.service of dev");
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
        let machine = row.machine();
        if !half(&machine) {
            continue;
        }
        seen += 1;
        finish(row, &machine);
        same(&calm.after, &machine.snapshot(), &format!("effect {at}"));
        let machine = row.machine();
        half(&machine);
        machine.undo_all();
        assert_eq!(row.left(&calm.before, &machine.snapshot()), Vec::<String>::new(), "effect {at}: undone");
    }
    assert!(seen > 0, "no crash fell before the set-up tool");
}

#[test]
fn an_undo_of_a_finished_setup_may_end_at_any_effect() {
    let row = &Row { guide: true, ..machines::CLASSIC };
    let (stops, effects) = undo_of_all(&calm(row), row);
    assert!(effects > 50 && stops > 0, "{stops} of {effects} effects");
}

#[test]
fn a_second_setup_changes_nothing() {
    let machine = Machine::new(Layout::Classic);
    finish(&machines::CLASSIC, &machine);
    let before = machine.snapshot();
    let ended = machine.setup(&machine.host(FaultInjector::default()), &answers(), false).unwrap();
    assert_eq!(ended, RunOutcome::Done { changed: 0, verified: 0 });
    same(&before, &machine.snapshot(), "a second set-up");
}

#[test]
fn an_undo_that_keeps_the_packages_is_not_interrupted() {
    let machine = Machine::new(Layout::Classic);
    finish(&machines::CLASSIC, &machine);
    machine.undo_but_packages(&machine.host(FaultInjector::default())).unwrap();
    let journal_state = kind_wsl::journal::read(&machine.host(FaultInjector::default())).unwrap();
    assert!(!journal_state.is_interrupted() && journal_state.is_undone, "{journal_state:?}");
    assert!(journal_state.answers.is_empty(), "the answers are asked for again");
    assert!(journal_state.active().all(|e| e.intent.stage == "packages" || e.intent.stage == "systemd"));
}

#[test]
fn packages_installed_by_others_after_an_interruption_stay() {
    let effects = calm(&machines::CLASSIC).legs[0];
    let mut seen = 0;
    for at in 0..effects {
        let machine = Machine::new(Layout::Classic);
        crash(&machines::CLASSIC, &machine, 0, at);
        let journal_state = kind_wsl::journal::read(&machine.host(FaultInjector::default())).unwrap();
        if !journal_state.in_progress().any(|e| e.intent.stage == "packages") {
            continue;
        }
        seen += 1;
        // The power failed in the middle of the installation; then the user installed an editor.
        machine
            .write("/fake/packages", machine.text("/fake/packages") + "conmon 2.1\npodman 4.3.1\nvim 9.0\n");
        machine.undo_all();
        let left = machine.text("/fake/packages");
        assert!(
            left.contains("vim") && !left.contains("podman") && !left.contains("conmon"),
            "effect {at}: {left}"
        );
    }
    assert!(seen > 0, "no crash fell into the installation");
}
