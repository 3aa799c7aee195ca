//! `ID.result`: how a restart went, for the Linux side and the log. Replaced atomically at every change of state.

use crate::request::{RestartRequest, Scope};
use crate::text::{one_line, value_of};
use std::fmt::Write;

/// How stopping WSL went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopResult {
    Stopped,
    /// wsl.exe succeeded, but the distribution is still listed as running, or again.
    StillRunning,
    /// wsl.exe did not exit in time.
    Hung,
    Failed,
}

impl StopResult {
    fn parse(name: &str) -> Option<StopResult> {
        use StopResult::{Failed, Hung, StillRunning, Stopped};
        [Stopped, StillRunning, Hung, Failed].into_iter().find(|result| result.name() == name)
    }

    /// The spelling in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StopResult::Stopped => "stopped",
            StopResult::StillRunning => "still-running",
            StopResult::Hung => "hung",
            StopResult::Failed => "failed",
        }
    }

    /// Whether the setup can resume. Also after `StillRunning`: another program may have started WSL again immediately, and
    /// the Linux side verifies the restart.
    #[must_use]
    pub fn can_resume(self) -> bool {
        matches!(self, StopResult::Stopped | StopResult::StillRunning)
    }
}

/// How far the restart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The Linux side is not ready yet.
    Waiting,
    Abandoned,
    Stopping,
    /// The stop is over.
    Stop(StopResult),
    Resuming,
    /// The setup ended with this exit code.
    Ended(i32),
}

impl State {
    /// The spelling in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Abandoned => "abandoned",
            State::Stopping => "stopping",
            State::Stop(result) => result.name(),
            State::Resuming => "resuming",
            State::Ended(_) => "ended",
        }
    }
}

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartResult {
    pub id: String,
    /// `None` if the file does not have it.
    pub scope: Option<Scope>,
    /// `None` if this version does not know it.
    pub state: Option<State>,
    /// One line for the user.
    pub detail: Option<String>,
    /// How the stop went, once it is over.
    pub stop: Option<StopResult>,
    /// How long it took.
    pub stopped_ms: Option<u64>,
}

impl RestartResult {
    /// Waiting for the Linux side.
    #[must_use]
    pub fn new(request: &RestartRequest) -> RestartResult {
        let (id, scope, state) = (request.id.clone(), Some(request.scope), Some(State::Waiting));
        RestartResult { id, scope, state, detail: None, stop: None, stopped_ms: None }
    }

    /// Sets the state and the line for the user.
    pub fn enter(&mut self, state: State, detail: Option<&str>) {
        self.state = Some(state);
        self.detail = detail.map(one_line).filter(|d| !d.is_empty());
    }

    /// Sets how the stop went and how long it took. Both stay in the file in later states.
    pub fn stopped(&mut self, stop: StopResult, milliseconds: u64, detail: Option<&str>) {
        self.stop = Some(stop);
        self.stopped_ms = Some(milliseconds);
        self.enter(State::Stop(stop), detail);
    }

    /// Whether the state is final: WSL will not be stopped.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self.state,
            Some(State::Abandoned | State::Ended(_) | State::Stop(StopResult::Hung | StopResult::Failed))
        )
    }

    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("version=1\nid={}\n", self.id);
        let mut line = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = writeln!(text, "{key}={value}");
            }
        };
        line("scope", self.scope.map(Scope::name));
        line("state", self.state.map(State::name));
        line("detail", self.detail.as_deref());
        line("stopped_ms", self.stopped_ms.map(|ms| ms.to_string()).as_deref());
        line("stop", self.stop.map(StopResult::name));
        if let Some(State::Ended(code)) = self.state {
            line("exit", Some(&code.to_string()));
        }
        text
    }

    /// Parses the file; `None` without an ID.
    #[must_use]
    pub fn parse(text: &str) -> Option<RestartResult> {
        let value = |key: &str| value_of(text, key);
        let state = match value("state").unwrap_or_default() {
            "waiting" => Some(State::Waiting),
            "abandoned" => Some(State::Abandoned),
            "stopping" => Some(State::Stopping),
            "resuming" => Some(State::Resuming),
            "ended" => Some(State::Ended(value("exit").and_then(|code| code.parse().ok()).unwrap_or_default())),
            name => StopResult::parse(name).map(State::Stop),
        };
        let stop = match state {
            Some(State::Stop(stop)) => Some(stop),
            _ => None,
        };
        Some(RestartResult {
            id: value("id")?.to_string(),
            scope: value("scope").and_then(Scope::parse),
            state,
            detail: value("detail").map(one_line).filter(|d| !d.is_empty()),
            stop: value("stop").map_or(stop, StopResult::parse),
            stopped_ms: value("stopped_ms").and_then(|ms| ms.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_parsed_as_it_was_rendered() {
        let request = RestartRequest {
            id: "a-1".into(),
            distribution: "Debian".into(),
            scope: Scope::Vm,
            user: "dev".into(),
            program: "/x".into(),
            patience: None,
        };
        let mut result = RestartResult::new(&request);
        let check = |result: &RestartResult, file: &str| {
            assert_eq!(result.render(), file);
            assert_eq!(RestartResult::parse(file).as_ref(), Some(result));
            assert_eq!(RestartResult::parse(&file.replace('\n', "\r\n")).as_ref(), Some(result));
        };
        check(&result, "version=1\nid=a-1\nscope=vm\nstate=waiting\n");
        result.enter(State::Stopping, None);
        result.stopped(StopResult::StillRunning, 1234, Some("two\r\nlines"));
        check(
            &result,
            "version=1\nid=a-1\nscope=vm\nstate=still-running\ndetail=two lines\nstopped_ms=1234\nstop=still-running\n",
        );
        result.enter(State::Resuming, Some(""));
        check(&result, "version=1\nid=a-1\nscope=vm\nstate=resuming\nstopped_ms=1234\nstop=still-running\n");
        assert!(!result.is_final());
        result.enter(State::Ended(-1), None);
        check(&result, "version=1\nid=a-1\nscope=vm\nstate=ended\nstopped_ms=1234\nstop=still-running\nexit=-1\n");
        assert!(result.is_final());
    }

    #[test]
    fn a_file_of_another_version_is_parsed_as_far_as_it_is_known() {
        let result = RestartResult::parse("id=a-1\nstate=pondering\nstop=melted\nnew=1\ngarbage\n").unwrap();
        assert_eq!((result.state, result.stop, result.is_final()), (None, None, false));
        let result = RestartResult::parse("id=a-1\nstate=hung\n").unwrap();
        assert_eq!((result.stop, result.stopped_ms, result.is_final()), (Some(StopResult::Hung), None, true));
        assert_eq!(RestartResult::parse("state=hung\n"), None);
    }
}
