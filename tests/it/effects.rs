//! Every single effect on the machine, and what may happen at it: the kernel refuses, somebody else writes to the same
//! file, the record of it is torn or comes back from the disk as another. Through the library, so that each can be chosen;
//! `tests/it/faults.rs` shows faults of the machine to the real program. No test here starts a process: a child that is
//! about to begin holds the locks of all others for a moment.

mod others;
mod records;
mod refused;

use crate::support::{Machine, Tree, all, answers, changes, same};

/// Sets up until all is done.
fn finish(machine: &Machine) {
    machine.finish(|host| machine.setup(host, &answers(), false));
}
