//! Every single effect on the machine, and what may happen at it: the kernel refuses, somebody else writes to the same
//! file, the record of it is torn or comes back from the disk as another. Through the library, so that each can be chosen;
//! `tests/faults.rs` shows faults of the machine to the real program. No test here starts a process: a child that is
//! about to begin holds the locks of all others for a moment.

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

#[path = "faults/others.rs"]
mod others;
#[path = "faults/records.rs"]
mod records;
#[path = "faults/refused.rs"]
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use kind_wsl::engine::{DriftPolicy, Ended};
use kind_wsl::host::Fuse;
use support::{Machine, all, answers};

type Tree = BTreeMap<String, String>;

/// Sets up until all is done, as if somebody restarts the machine when it is asked for.
fn finish(machine: &Machine) {
    for boot in 10..13 {
        match machine.setup(&machine.host(Fuse::default()), &answers(), false).unwrap() {
            Ended::Done { .. } => return,
            Ended::Restart(_) => machine.boot(boot),
            Ended::Interrupted => panic!("nobody interrupted it"),
        }
    }
    panic!("it asks for restart after restart");
}

fn undo(machine: &Machine) {
    machine.undo(&machine.host(Fuse::default()), DriftPolicy::Stop).unwrap();
}

/// What differs between two snapshots.
fn changes(before: &Tree, after: &Tree) -> Vec<String> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    differing.map(|path| format!("{path}: {:?} / {:?}", before.get(path), after.get(path))).collect()
}

#[track_caller]
fn same(wanted: &Tree, seen: &Tree, when: &str) {
    assert_eq!(changes(wanted, seen), Vec::<String>::new(), "{when}");
}
