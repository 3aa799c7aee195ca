//! The plan in other engines' words: laws that hold for every format, what quotes, and the script at work on a
//! pretended machine beside the set-up itself. The real engines read and run it in `tests/fleet/run`.

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

#[path = "export/editors.rs"]
mod editors;
#[path = "export/laws.rs"]
mod laws;
#[path = "export/quoting.rs"]
mod quoting;
#[path = "export/script.rs"]
mod script;
