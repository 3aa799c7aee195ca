//! What a check finds.

use serde::Serialize;

use crate::fix::Fix;

/// The result of a check. In JSON it keeps the names that it always had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    #[serde(rename = "ok")]
    Ok,
    /// It holds for kind; something that few need does not work.
    #[serde(rename = "ok")]
    Limited,
    /// kind works, or may, but not well.
    #[serde(rename = "doubtful")]
    Warning,
    /// kind will fail, or the cluster will.
    #[serde(rename = "wrong")]
    Error,
    /// The check is for other machines, or something that it needs failed.
    #[serde(rename = "not-here")]
    Skipped,
    /// It cannot be seen.
    #[serde(rename = "unknown")]
    Unknown,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: Status,
    pub details: String,
    /// What that means for kind; empty unless the check failed.
    pub effect: String,
    /// What to do, in this order.
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

    /// An error with what was seen instead, unless the condition holds.
    pub(super) fn of(seen: Result<String, String>, effect: impl Into<String>, fix: impl Into<Fix>) -> Self {
        let holds = seen.is_ok();
        let (Ok(details) | Err(details)) = seen;
        Self::require(holds, details, effect, fix)
    }

    /// The same, as a warning if it is an error.
    pub(super) fn warned(self) -> Self {
        let status = if self.status == Status::Error { Status::Warning } else { self.status };
        Self { status, ..self }
    }

    /// With one more thing to do, unless there is nothing to do.
    pub(super) fn then(mut self, fix: impl Into<Fix>) -> Self {
        if self.status != Status::Ok {
            self.fix.push(fix.into());
        }
        self
    }
}
