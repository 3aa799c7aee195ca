//! The failure shown to the user, and the exit codes for scripts.

use std::error::Error;

use crate::engine::EngineError;
use crate::facts::UserError;
use crate::fetch::FetchError;
use crate::host::HostError;
use crate::journal::JournalError;
use crate::plan::PlanError;
use crate::stage::AnswerError;
use crate::stages::UnknownStage;

/// Exit codes: documented and stable. Never 67 or 87, which wsl.exe turns into -1 (WSL
/// `src/windows/common/WslClient.cpp:686`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Restart = 3,
    Found = 4,
    Interrupted = 130,
}

impl Exit {
    /// Every code, in the order of the help.
    pub const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::Usage, Self::Restart, Self::Found, Self::Interrupted];

    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Success, or nothing to do",
            Self::Failed => "Something failed",
            Self::Usage => "The command line is wrong, or a question has no answer",
            Self::Restart => "A restart is required",
            Self::Found => "A check failed, or another program changed a file since",
            Self::Interrupted => "Interrupted with Ctrl-C",
        }
    }
}

/// A failure: what failed on which object, why, what to do.
#[derive(Debug)]
pub struct Failure {
    pub text: String,
    /// Why, from the outside in.
    pub causes: Vec<String>,
    pub hint: Option<String>,
    /// The state after a failure in the middle of a run, and the next steps.
    pub after: Option<String>,
    pub exit: Exit,
}

impl Failure {
    /// A failure of the command line.
    #[must_use]
    pub fn usage(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            causes: Vec::new(),
            hint: Some(hint.into()),
            after: None,
            exit: Exit::Usage,
        }
    }

    /// A failure without a deeper cause.
    #[must_use]
    pub fn new(text: impl Into<String>, hint: Option<String>) -> Self {
        Self { text: text.into(), causes: Vec::new(), hint, after: None, exit: Exit::Failed }
    }

    fn of(error: &dyn Error, hint: Option<String>, exit: Exit) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { text: error.to_string(), causes, hint, after: None, exit }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::of(&error, error.hint(), Exit::Failed)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::of(&error, error.hint().map(|step| step.to_string()), Exit::Failed)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::of(&error, error.hint().map(|step| step.to_string()), Exit::Failed)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::of(&error, error.hint(), Exit::Failed)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let exit = match error {
            EngineError::Drift(_) | EngineError::ChecksFailed { .. } => Exit::Found,
            _ => Exit::Failed,
        };
        let mut failure = Self::of(&error, error.hint().map(|step| step.to_string()), exit);
        // If the first cause names the same file again, the kernel's message is enough.
        if failure.causes.len() > 1 && error.names_its_file_twice() {
            failure.causes.remove(0);
        }
        failure
    }
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        Self::of(&error, Some(error.hint()), Exit::Usage)
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        Self::of(&error, Some(error.hint()), Exit::Usage)
    }
}

impl From<UnknownStage> for Failure {
    fn from(error: UnknownStage) -> Self {
        Self::of(&error, Some(error.hint()), Exit::Usage)
    }
}
