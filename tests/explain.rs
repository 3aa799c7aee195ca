//! Pasted errors: every row of assets/symptoms.toml is found by its messages, in whatever form they come, and what is
//! no symptom is not taken for one.

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

#[path = "explain/agree.rs"]
mod agree;
#[path = "explain/forms.rs"]
mod forms;
#[path = "explain/here.rs"]
mod here;
#[path = "explain/program.rs"]
mod program;
#[path = "explain/text.rs"]
mod text;
