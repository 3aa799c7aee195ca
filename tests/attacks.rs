//! Attacks, through the real program: what a user, a program of theirs, a mirror or a lying Windows puts in our way
//! while root works. docs/dev/attacks.md names the test of every attack.
//!
//! What root may be led to is only seen as root: without it, those tests say so and end.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

#[path = "fetch/child.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "shared with another test program"
)]
mod child;
#[path = "support/cli.rs"]
mod cli;
#[path = "support/signer.rs"]
mod signer;
mod support;

#[path = "attacks/accounts.rs"]
mod accounts;
#[path = "attacks/caller.rs"]
mod caller;
#[path = "attacks/environment.rs"]
mod environment;
#[path = "attacks/jail.rs"]
mod jail;
#[path = "attacks/journal.rs"]
mod journal;
#[path = "attacks/modes.rs"]
mod modes;
#[path = "attacks/paths.rs"]
mod paths;
#[path = "attacks/races.rs"]
mod races;
#[path = "attacks/roots.rs"]
mod roots;
#[path = "attacks/secrets.rs"]
mod secrets;
#[path = "attacks/seen.rs"]
mod seen;
#[path = "attacks/servers.rs"]
mod servers;
#[path = "attacks/shells.rs"]
mod shells;
#[path = "attacks/values.rs"]
mod values;
#[path = "attacks/windows.rs"]
mod windows;
#[path = "attacks/wrapper.rs"]
mod wrapper;
