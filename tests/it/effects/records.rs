//! The journal, torn at every byte and with every byte flipped.

use std::fs;

use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::host::{FaultInjector, LiveSystem};
use kind_wsl::journal::{self, JournalError, JournalState};

use super::{Tree, all, every, finish, same, sampled, step};
use crate::support::{Layout, Machine, answers};

/// Where it is.
const JOURNAL: &str = "/var/lib/kind-wsl/journal.jsonl";

fn read(machine: &Machine) -> Result<JournalState, JournalError> {
    journal::read(&machine.host(FaultInjector::default()))
}

fn bytes(machine: &Machine) -> Vec<u8> {
    fs::read(machine.path(JOURNAL)).unwrap()
}

/// A machine whose setup was ended in its middle, with a journal that has a record of most kinds.
fn interrupted() -> Machine {
    let machine = Machine::new(Layout::Classic);
    machine.crash(60, |host| machine.setup(host, &answers(), false));
    // Without the torn half that the crash left.
    let mut whole = bytes(&machine);
    whole.truncate(whole.iter().rposition(|b| *b == b'\n').unwrap() + 1);
    machine.write(JOURNAL, whole);
    machine
}

#[test]
fn a_journal_torn_at_any_byte_has_the_state_of_its_whole_lines() {
    let machine = interrupted();
    let whole = bytes(&machine);
    let mut known = JournalState::default();
    let step = step(25, 5);
    for end in 0..=whole.len() {
        if end % step != 0 && whole.get(end.saturating_sub(1)) != Some(&b'\n') {
            continue;
        }
        machine.write(JOURNAL, &whole[..end]);
        let said = read(&machine).unwrap_or_else(|e| panic!("torn after {end} bytes: {e}"));
        if end > 0 && whole[end - 1] == b'\n' {
            known = said.clone();
        }
        assert_eq!(said, known, "torn after {end} bytes");
    }
    println!("journal: torn at {} of {} bytes", whole.len() / step, whole.len());
}

/// A run that is cut off while it writes a record, at any byte of it, resumes and undone.
#[test]
fn a_run_killed_anywhere_in_a_record_resumes_and_is_undone() {
    let layout = Layout::Isolated;
    let (before, after, effects) = {
        let machine = Machine::new(layout);
        let before = machine.snapshot();
        let host = machine.host(FaultInjector::default());
        machine.setup(&host, &answers(), false).unwrap();
        machine.boot(2);
        finish(&machine);
        (before, machine.snapshot(), host.fault_injector().count())
    };
    let mut cuts = 0;
    for at in sampled(effects) {
        let torn = |seed: usize| {
            let machine = Machine::new(layout);
            machine.crash(at, |host| machine.setup(host, &answers(), false));
            let text = fs::read(machine.path(JOURNAL)).unwrap_or_default();
            let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
            let tail = text.len() - whole;
            // The fuse tears it in the middle: any byte before that is as good.
            (tail > 0).then(|| {
                machine.write(JOURNAL, &text[..=whole + seed % tail]);
                machine
            })
        };
        let seed = usize::try_from(at).unwrap() * 7919;
        let Some(machine) = torn(seed) else { continue };
        cuts += 1;
        machine.boot(2);
        finish(&machine);
        same(&after, &machine.snapshot(), &format!("effect {at}"));
        let machine = torn(seed + 31).unwrap();
        machine.undo_all();
        same(&before, &machine.snapshot(), &format!("effect {at}: undone"));
        assert!(!machine.has_journal(), "effect {at}");
    }
    assert!(cuts > 40 / every(), "only {cuts} records were torn");
}

/// The tree and the journal.
fn everything(machine: &Machine) -> (Tree, Vec<u8>) {
    (machine.snapshot(), bytes(machine))
}

fn refused(machine: &Machine, run: impl Fn(&LiveSystem) -> Result<(), EngineError>, line: usize, at: &str) {
    match run(&machine.host(FaultInjector::default())) {
        Err(EngineError::Journal(JournalError::Damaged { line: said, .. })) => assert_eq!(said, line, "{at}"),
        other => panic!("{at}: {other:?}"),
    }
}

#[test]
fn a_journal_with_any_byte_flipped_is_refused_and_nothing_is_lost() {
    let machine = interrupted();
    let (tree, whole) = everything(&machine);
    let step = step(49, 7);
    let mut damaged = 0;
    for at in (0..whole.len()).step_by(step) {
        for flip in [0x01, 0x20, 0x80, whole[at] ^ b'\n'] {
            if flip == 0 {
                continue;
            }
            let mut bad = whole.clone();
            bad[at] ^= flip;
            machine.write(JOURNAL, &bad);
            // Where the flip makes a line's end of a byte, its first half is the line that is damaged.
            let line = whole[..at].split(|b| *b == b'\n').count();
            let name = format!("byte {at} of line {line} flipped by {flip:#x}");
            match read(&machine) {
                Ok(_) => panic!("{name}: it was not noticed"),
                Err(JournalError::Damaged { line: said, .. }) => {
                    assert_eq!(said, line, "{name}");
                    damaged += 1;
                    let set_up = |host: &LiveSystem| machine.setup(host, &answers(), false).map(drop);
                    let undo = |host: &LiveSystem| machine.undo(host, DriftPolicy::Stop).map(drop);
                    if damaged % 50 == 0 || all() {
                        refused(&machine, set_up, line, &name);
                        refused(&machine, undo, line, &name);
                        assert!(everything(&machine) == (tree.clone(), bad), "{name}: something was changed");
                    }
                }
                Err(other) => panic!("{name}: {other}"),
            }
        }
    }
    println!("journal: {damaged} flips refused");
    assert!(damaged > 500, "only {damaged} flips were tried");
}
