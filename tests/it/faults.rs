//! Faults of the machine: what a person sees, what state is left, and that the same command, when the fault is gone, comes
//! to the same end as a calm run, which an undo takes back to the untouched tree. docs/dev/faults.md is the table.

mod disks;
mod journal;
mod moments;
mod programs;
mod root;
mod two_runs;

use crate::support::{Layout, Tree, same, step};

/// Sets up until all is done, restarting the machine whenever it is asked for.
fn finished(case: &crate::support::cli::Case) {
    for boot in 10..13 {
        let seen = case.run(&format!("setup {}", crate::support::cli::agreed()));
        if seen.code == 0 {
            return;
        }
        seen.expect(3, "");
        case.machine.boot(boot);
    }
    panic!("it asks for restart after restart");
}

/// What the machine is before and after a calm run of the real program.
fn calm(layout: Layout) -> (Tree, Tree) {
    let case = crate::support::cli::Case::new(layout);
    let before = case.machine.snapshot();
    finished(&case);
    (before, case.machine.snapshot())
}

/// The fault is gone: the same command comes to the calm end, and an undo to the untouched tree.
#[track_caller]
fn recovers(case: &crate::support::cli::Case, (before, after): &(Tree, Tree)) {
    finished(case);
    same(after, &case.machine.snapshot(), "gone on with");
    case.run("undo --yes --packages").expect(0, "");
    same(before, &case.machine.snapshot(), "undone");
    assert!(!case.machine.has_journal());
}
