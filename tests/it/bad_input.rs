//! Bad input, through the real program: what it says, to the letter, how it ends, and that nothing was changed.
//!
//! Each case of BEHAVIOUR.md §7 is a test here. The machine is a directory; apt, dpkg, systemctl and podman are
//! programs of its own (`tests/it/support/fake.rs`).

mod answers;
mod consent;
mod disks;
mod ends;
mod files;
mod finish;
mod journals;
mod people;
mod podman;
mod refused;
mod words;
mod wsl;
