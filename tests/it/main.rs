//! Every test of kind-wsl in one program: a module for each subject.

#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::result_large_err,
    clippy::unwrap_used,
    dead_code,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

// Modules of src that the fuzz targets include by their path look for this here.
use kind_wsl::version;

mod assume;
mod attacks;
mod autostart;
mod bad_input;
mod boot;
mod catalogue;
mod cluster;
mod commands;
mod completions;
mod corpus;
mod crash_sweep;
mod doctor;
mod documents;
mod downloads;
mod edit_laws;
mod effects;
mod explain;
mod export;
mod faults;
mod fetch;
mod fuzz;
mod inspect;
mod kept;
mod kubeconfig;
mod logon;
mod machines;
mod migration;
mod platforms;
mod restart;
mod safe_mode;
mod screens;
mod signature;
#[path = "../stages/mod.rs"]
mod stages;
mod structure;
mod style;
mod support;
mod taste;
mod users;
mod verdicts;
mod wsl_config_verdicts;
mod wslconfig;
