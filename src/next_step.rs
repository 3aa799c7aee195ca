//! Advice for the user about an error.

use std::fmt;

/// Advice, and whether to run the failed command again after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    Do(String),
    /// Do this, then run the same command again.
    ThenRerun(String),
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do(advice) => f.write_str(advice),
            Self::ThenRerun(advice) => write!(f, "{advice}, then run the same command again"),
        }
    }
}
