//! The kernel refuses, at every single effect, in every way that a disk knows.

use kind_wsl::engine::{DriftPolicy, EngineError, RunOutcome};
use kind_wsl::error::Failure;
use kind_wsl::host::FaultInjector;
use nix::libc;

use super::{Tree, all, finish, same, sampled};
use crate::support::{Layout, Machine, answers};

const ERRNOS: [i32; 5] = [libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EROFS, libc::EACCES];

/// The refusals of an effect: every number, once and lasting, or one of these ten in turn.
fn refusals(at: u64) -> Vec<(i32, bool)> {
    let every: Vec<_> = ERRNOS.iter().flat_map(|errno| [(*errno, true), (*errno, false)]).collect();
    if all() { every } else { vec![every[usize::try_from(at).unwrap() % every.len()]] }
}

/// Says which object, why, and what to do.
fn is_told(error: EngineError, errno: i32, at: &str) {
    let failure = Failure::from(error);
    let whole = format!("{}\n{}", failure.text, failure.causes.join("\n"));
    let why = std::io::Error::from_raw_os_error(errno).to_string();
    assert!(whole.contains(&why), "{at}: it does not say why:\n{whole}");
    assert!(whole.contains('/') || whole.contains("cannot run `"), "{at}: it does not say of what:\n{whole}");
    // A program that could not be started has no hint of its own; the command line adds how to resume.
    assert!(failure.hint.is_some() || whole.contains("cannot run `"), "{at}: no advice:\n{whole}");
}

/// No incomplete file is left if it could be removed.
fn is_tidy(machine: &Machine, lasting: bool, at: &str) {
    let begun = |path: &&String| path.ends_with(".kind-wsl") && !path.starts_with("var/lib");
    let left: Vec<_> = machine.snapshot().into_keys().filter(|p| begun(&p)).collect();
    assert!(lasting || left.is_empty(), "{at}: {left:?}");
}

struct Calm {
    before: Tree,
    after: Tree,
    legs: [u64; 2],
    undo: u64,
}

fn calm(layout: Layout) -> Calm {
    let machine = Machine::new(layout);
    let before = machine.snapshot();
    let first = machine.host(FaultInjector::default());
    assert!(matches!(machine.setup(&first, &answers(), false).unwrap(), RunOutcome::Restart(_)));
    machine.boot(2);
    let second = machine.host(FaultInjector::default());
    assert!(matches!(machine.setup(&second, &answers(), false).unwrap(), RunOutcome::Done { .. }));
    let after = machine.snapshot();
    let third = machine.host(FaultInjector::default());
    machine.undo(&third, DriftPolicy::Stop).unwrap();
    same(&before, &machine.snapshot(), "a calm undo");
    let count = |host: &kind_wsl::host::LiveSystem| host.fault_injector().count();
    Calm { before, after, legs: [count(&first), count(&second)], undo: count(&third) }
}

fn refused_set_ups(layout: Layout) {
    let calm = calm(layout);
    let mut cases = 0;
    for (leg, effects) in calm.legs.into_iter().enumerate() {
        for at in sampled(effects) {
            for (errno, lasting) in refusals(at) {
                let name = format!("{layout:?} leg {leg} effect {at} errno {errno} lasting {lasting}");
                let refused = || {
                    let machine = Machine::new(layout);
                    if leg == 1 {
                        machine.setup(&machine.host(FaultInjector::default()), &answers(), false).unwrap();
                        machine.boot(2);
                    }
                    let host = machine.host(FaultInjector::refusing(at, errno, lasting));
                    match machine.setup(&host, &answers(), false) {
                        Err(error) => is_told(error, errno, &name),
                        // What only tidies up may fail.
                        Ok(RunOutcome::Restart(_)) => machine.boot(2),
                        Ok(_) => {}
                    }
                    is_tidy(&machine, lasting, &name);
                    machine
                };
                let machine = refused();
                finish(&machine);
                same(&calm.after, &machine.snapshot(), &name);
                machine.undo_all();
                same(&calm.before, &machine.snapshot(), &name);
                let machine = refused();
                machine.undo_all();
                same(&calm.before, &machine.snapshot(), &format!("{name}: undone at once"));
                assert!(!machine.has_journal(), "{name}");
                cases += 1;
            }
        }
    }
    println!("refused: {layout:?}: {cases} refused set-ups over effects {:?}", calm.legs);
}

fn refused_undos(layout: Layout) {
    let calm = calm(layout);
    let mut cases = 0;
    for at in sampled(calm.undo) {
        for (errno, lasting) in refusals(at) {
            let name = format!("{layout:?} undo, effect {at} errno {errno} lasting {lasting}");
            let machine = Machine::new(layout);
            finish(&machine);
            match machine.undo(&machine.host(FaultInjector::refusing(at, errno, lasting)), DriftPolicy::Stop)
            {
                Err(error) => is_told(error, errno, &name),
                Ok(_) => assert!(at > 0, "{name}: nothing was refused"),
            }
            is_tidy(&machine, lasting, &name);
            machine.undo_all();
            same(&calm.before, &machine.snapshot(), &name);
            assert!(!machine.has_journal(), "{name}");
            cases += 1;
        }
    }
    println!("refused: {layout:?}: {cases} refused undos over {} effects", calm.undo);
}

#[test]
fn any_refusal_of_the_kernel_at_any_effect_is_reported_and_the_setup_resumes() {
    refused_set_ups(Layout::Classic);
}

#[test]
fn any_refusal_below_isolated_cgroups_is_reported_and_the_setup_resumes() {
    if all() {
        refused_set_ups(Layout::Isolated);
    }
    refused_undos(Layout::Isolated);
}

#[test]
fn any_refusal_during_an_undo_is_reported_and_the_undo_resumes() {
    refused_undos(Layout::Classic);
}
