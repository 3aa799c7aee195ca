//! What the engine tells while it works.

use crate::change::{Target, Tick};
use crate::host::Cmd;
use crate::plan::Verdict;
use crate::stage::Fault;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event<'e> {
    /// A stage begins, or is passed by.
    Stage {
        /// Which of them, from 1.
        number: usize,
        /// Of how many.
        count: usize,
        /// Its name.
        id: &'static str,
        /// What it makes true.
        title: &'static str,
        /// The verdict.
        verdict: Verdict,
        /// The evidence.
        why: &'e str,
    },
    /// A change begins.
    Change {
        /// Which.
        target: &'e Target,
    },
    /// A sign of life of it.
    Tick(&'e Tick),
    /// It is made.
    Changed {
        /// Which.
        target: &'e Target,
    },
    /// A change is taken back.
    Undone {
        /// Which.
        target: &'e Target,
    },
    /// A change is left as it is.
    Kept {
        /// Which.
        target: &'e Target,
        /// Why.
        why: &'e str,
    },
    /// A command that follows changes.
    Follow {
        /// Which.
        command: &'e Cmd,
    },
    /// Something was looked at.
    Check {
        /// What must hold.
        what: &'static str,
        /// What was seen.
        seen: &'e Result<String, Fault>,
    },
    /// A run goes on that was interrupted, or after a restart.
    Resumed(&'e str),
    /// We wait for something of the machine's.
    Waiting(&'e str),
    /// Something to know that is no failure.
    Warn(&'e str),
}

/// Whom the engine tells.
pub trait Face {
    /// Takes notice.
    fn event(&mut self, event: &Event<'_>);
}
