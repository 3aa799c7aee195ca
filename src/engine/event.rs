//! The events that the engine reports while it works.

use serde::Serialize;

use super::Reversal;
use crate::change::{Progress, Target};
use crate::doctor::CheckReport;
use crate::host::Cmd;
use crate::plan::Verdict;
use crate::stage::Stage;

#[derive(Clone, Debug)]
pub enum Event<'e> {
    /// A stage that has work to do begins.
    Stage {
        /// Counted from 1.
        number: usize,
        count: usize,
        id: &'static str,
        title: &'static str,
        /// The reason why it is due.
        why: &'e str,
    },
    /// The stage that began last ends.
    StageEnd(StageEnd),
    /// A stage has nothing to do.
    Passed {
        stage: &'static Stage,
        verdict: Verdict,
        why: &'e str,
    },
    Change {
        target: &'e Target,
    },
    /// The progress of the change.
    Progress(&'e Progress),
    Changed {
        target: &'e Target,
    },
    /// A change is undone.
    Undone {
        target: &'e Target,
        reversal: &'e Reversal,
    },
    /// A change is left as it is.
    Kept {
        target: &'e Target,
        reversal: &'e Reversal,
        why: &'e str,
    },
    /// A command that runs after changes.
    Trigger {
        command: &'e Cmd,
    },
    /// A check of the result.
    Check(&'e CheckReport),
    /// A run resumes after an interruption or a restart.
    Resumed(&'e str),
    /// kind-wsl waits for the machine.
    Waiting(&'e str),
    /// Information that is not an error.
    Warn(&'e str),
}

/// How a stage that had work to do ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageEnd {
    Done,
    Failed,
    /// By Ctrl-C.
    Stopped,
}

/// Receives the events of the engine.
pub trait Reporter {
    fn event(&mut self, event: &Event<'_>);
}
