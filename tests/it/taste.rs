//! Edits and diffs as the owner of the file would have made them.

mod fstab;
mod notes;

use crate::support::cli::{Case, agreed};

/// The comment above a line of ours.
const NOTE: &str = "# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"";

/// The machine after a setup.
#[track_caller]
fn set_up(case: Case, flags: &str) -> Case {
    let seen = case.run(&format!("setup --no-restart {flags} {}", agreed()));
    assert!([0, 3].contains(&seen.code), "{}\n{}", seen.stdout, seen.stderr);
    case
}

/// The bytes of a file after an undo.
#[track_caller]
fn undone(case: &Case, path: &str) -> Vec<u8> {
    let seen = case.run("undo --yes");
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{}", seen.stdout);
    std::fs::read(case.machine.path(path)).unwrap_or_default()
}
