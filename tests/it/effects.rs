//! Every single effect on the machine, and what may happen at it: the kernel refuses, another program writes to the same
//! file, the record of it is torn or comes back from the disk as another. Through the library, so that each can be chosen;
//! `tests/it/faults.rs` shows faults of the machine to the real program. No test here starts a process.

mod others;
mod records;
mod refused;

use crate::support::{Machine, Tree, all, answers, changes, same, step};

/// The effects that are tried: a sample, or all of them in CI.
fn sampled(effects: u64) -> impl Iterator<Item = u64> {
    (0..effects).step_by(every())
}

fn every() -> usize {
    step(7, 1)
}

/// Sets up until all is done.
fn finish(machine: &Machine) {
    machine.finish(|host| machine.setup(host, &answers(), false));
}
