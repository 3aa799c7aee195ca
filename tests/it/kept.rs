//! What belongs to the user or the administrator is never lost: their own kind, their drop-ins, their packages.

mod files;
mod packages;

use crate::support::{Machine, answers};
use kind_wsl::host::FaultInjector;

/// Sets up until all is done.
fn finish(machine: &Machine) {
    machine.finish(|host| machine.setup(host, &answers(), false));
}

/// The commands that were run so far.
fn commands(machine: &Machine) -> String {
    machine.text("/fake/commands")
}

/// A host that never crashes.
fn calm(machine: &Machine) -> kind_wsl::host::LiveSystem {
    machine.host(FaultInjector::default())
}

/// Gives everything in the home to its user.
fn give_home(machine: &Machine) {
    fn give(path: &camino::Utf8Path) {
        std::os::unix::fs::lchown(path, Some(1000), Some(1000)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            path.read_dir_utf8().unwrap().for_each(|entry| give(entry.unwrap().path()));
        }
    }
    if crate::support::cli::is_root() {
        give(&machine.path("/home/dev"));
    }
}
