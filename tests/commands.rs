//! Commands that show something, through the real program on a fake root: what they show at each level of detail, what
//! scripts read, and whether the commands that they recommend exist and help.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "support/cli.rs"]
mod cli;
mod support;

#[path = "commands/fixes.rs"]
mod fixes;
#[path = "commands/plan.rs"]
mod plan;
#[path = "commands/status.rs"]
mod status;
