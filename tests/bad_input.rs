//! Bad input, through the real program: what it says, to the letter, how it ends, and that nothing was changed.
//!
//! Each case of BEHAVIOUR.md §7 is a test here. The machine is a directory; apt, dpkg, systemctl and podman are
//! programs of its own (`tests/support/fake.rs`).

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

#[path = "support/cli.rs"]
mod cli;
mod support;

#[path = "bad_input/answers.rs"]
mod answers;
#[path = "bad_input/consent.rs"]
mod consent;
#[path = "bad_input/disks.rs"]
mod disks;
#[path = "bad_input/ends.rs"]
mod ends;
#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/finish.rs"]
mod finish;
#[path = "bad_input/journals.rs"]
mod journals;
#[path = "bad_input/people.rs"]
mod people;
#[path = "bad_input/podman.rs"]
mod podman;
#[path = "bad_input/words.rs"]
mod words;
#[path = "bad_input/wsl.rs"]
mod wsl;
