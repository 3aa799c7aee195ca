//! The result of a check.

use serde::Serialize;

use crate::fix::Fix;

/// The status of a check. JSON keeps its original names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    #[serde(rename = "ok")]
    Ok,
    /// kind works; a feature that few users need does not.
    #[serde(rename = "ok")]
    Limited,
    /// kind works, or may work, but not well.
    #[serde(rename = "doubtful")]
    Warning,
    /// kind or the cluster will fail.
    #[serde(rename = "wrong")]
    Error,
    /// The check is for other machines, or something that it needs failed.
    #[serde(rename = "not-here")]
    Skipped,
    /// It cannot be determined.
    #[serde(rename = "unknown")]
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: Status,
    pub details: String,
    /// The consequence for kind; empty unless the check failed.
    pub effect: String,
    /// The fixes, in order.
    pub fix: Vec<Fix>,
    /// The check that failed, if this one is skipped because of it.
    pub blocked_by: Option<&'static str>,
}

impl Outcome {
    pub(super) fn new(status: Status, details: impl Into<String>) -> Self {
        Self { status, details: details.into(), effect: String::new(), fix: Vec::new(), blocked_by: None }
    }

    pub(super) fn ok(details: impl Into<String>) -> Self {
        Self::new(Status::Ok, details)
    }

    pub(super) fn limited(details: impl Into<String>) -> Self {
        Self::new(Status::Limited, details)
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::new(Status::Skipped, why)
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::new(Status::Unknown, why)
    }

    pub(super) fn warning(
        details: impl Into<String>,
        effect: impl Into<String>,
        fix: impl Into<Fix>,
    ) -> Self {
        Self { effect: effect.into(), fix: vec![fix.into()], ..Self::new(Status::Warning, details) }
    }

    pub(super) fn error(details: impl Into<String>, effect: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self { status: Status::Error, ..Self::warning(details, effect, fix) }
    }

    /// An error unless the condition holds.
    pub(super) fn require(
        holds: bool,
        details: impl Into<String>,
        effect: impl Into<String>,
        fix: impl Into<Fix>,
    ) -> Self {
        if holds { Self::ok(details) } else { Self::error(details, effect, fix) }
    }

    /// A warning unless the condition holds.
    pub(super) fn prefer(
        holds: bool,
        details: impl Into<String>,
        effect: impl Into<String>,
        fix: impl Into<Fix>,
    ) -> Self {
        Self::require(holds, details, effect, fix).warned()
    }

    /// An error with the observed state, unless the condition holds.
    pub(super) fn of(seen: Result<String, String>, effect: impl Into<String>, fix: impl Into<Fix>) -> Self {
        let holds = seen.is_ok();
        let (Ok(details) | Err(details)) = seen;
        Self::require(holds, details, effect, fix)
    }

    /// Turns an error into a warning.
    pub(super) fn warned(self) -> Self {
        let status = if self.status == Status::Error { Status::Warning } else { self.status };
        Self { status, ..self }
    }

    /// Adds a fix, unless the check passed.
    pub(super) fn then(mut self, fix: impl Into<Fix>) -> Self {
        if self.status != Status::Ok {
            self.fix.push(fix.into());
        }
        self
    }
}
