use super::{Drift, Unreachable};
use crate::change::ChangeError;
use crate::doctor::CheckReport;
use crate::host::HostError;
use crate::journal::JournalError;
use crate::next_step::NextStep;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("stage `{stage}` failed: {target}")]
    Change { stage: String, target: String, source: Box<ChangeError> },
    /// A change reported success but is not in effect.
    #[error("stage `{stage}`: {target} was applied but is not in effect: {seen}")]
    NotApplied {
        stage: String,
        target: String,
        /// The state that was found instead.
        seen: String,
    },
    /// A trigger failed.
    #[error("a follow-up command failed")]
    Trigger(#[source] HostError),
    /// A query that the setup depends on failed.
    #[error(transparent)]
    Unanswered(HostError),
    /// A stage cannot be set up.
    #[error("stage `{stage}` cannot be set up: {what}")]
    Blocked { stage: &'static str, what: String, hint: String },
    /// The restart did not change the state.
    #[error("the restart did not apply the change: {}", .failed_checks.join("; "))]
    RestartIneffective {
        /// Descriptions of the checks that failed.
        failed_checks: Vec<String>,
        hint: String,
    },
    /// Checks of podman or systemd failed.
    #[error("{} of the checks failed", .failed.len())]
    ChecksFailed { failed: Vec<CheckReport> },
    /// Another program changed a file, and no drift policy was given.
    #[error("{} was changed by another program", .0.target)]
    Drift(Box<Drift>),
    /// A file that an undo has to revert is not where it was.
    #[error("{0}")]
    Unreachable(Box<Unreachable>),
}

impl EngineError {
    /// Returns the next step for the user, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<NextStep> {
        Some(match self {
            Self::Journal(e) => return e.hint(),
            Self::Change { source, .. } => return source.hint(),
            Self::Trigger(e) | Self::Unanswered(e) => return e.hint(),
            Self::NotApplied { .. } => NextStep::Do("another program reverts it: `kind-wsl status` shows the change; then find the program that writes it".to_owned()),
            Self::Blocked { hint, .. } | Self::RestartIneffective { hint, .. } => NextStep::Do(hint.clone()),
            Self::ChecksFailed { failed } => {
                // The first failure can be the effect of something that has no fix of its own.
                let mut fixes = failed.iter().map(|report| report.fix.to_string());
                return fixes.find(|fix| !fix.is_empty()).map(NextStep::Do);
            }
            Self::Unreachable(gone) => NextStep::Do(gone.hint()),
            Self::Drift(_) => NextStep::Do("use `--drift keep` to keep the current file, or `--drift restore` to restore the original".to_owned()),
        })
    }

    /// Whether its cause begins with the file that it names itself.
    #[must_use]
    pub fn names_its_file_twice(&self) -> bool {
        let Self::Change { target, source, .. } = self else { return false };
        match &**source {
            ChangeError::Host(HostError::File { path, .. }) | ChangeError::Edit { path, .. } => {
                target.contains(path.as_str())
            }
            _ => false,
        }
    }

    /// Whether Ctrl-C ended a wait.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Change { source, .. } if matches!(**source, ChangeError::Stopped(_)))
    }

    /// Whether another program wrote between the read and the write.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Change { source, .. } => source.is_conflict(),
            Self::Journal(JournalError::Host(e)) => e.is_conflict(),
            _ => false,
        }
    }

    /// Whether a file that kind-wsl did not write is at the path of a new one.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Change { source, .. } if matches!(**source, ChangeError::Foreign { .. }))
    }
}
