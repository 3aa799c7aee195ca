//! ID.result: what the Linux side, or a person, reads about a restart. Rewritten as a whole at every change of state.

use crate::cli::Order;
use crate::restart::Outcome;
use crate::text::one_line;
use std::fmt::Write;

/// How far the restart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// For the Linux side to be ready.
    Waiting,
    Abandoned,
    Stopping,
    /// This came of it.
    Stop(Outcome),
    /// The set-up goes on.
    Resuming,
    /// The set-up came to its end, with this exit code.
    Ended(i32),
}

impl State {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Abandoned => "abandoned",
            State::Stopping => "stopping",
            State::Stop(outcome) => outcome.word(),
            State::Resuming => "resuming",
            State::Ended(_) => "ended",
        }
    }
}

/// The content of the file.
#[derive(Debug, Clone)]
pub struct Report {
    id: String,
    scope: &'static str,
    state: State,
    detail: Option<String>,
    stop: Option<(Outcome, u64)>,
}

impl Report {
    /// At the beginning: waiting.
    #[must_use]
    pub fn new(order: &Order) -> Report {
        Report { id: order.id.clone(), scope: order.scope.word(), state: State::Waiting, detail: None, stop: None }
    }

    /// A new state, with one line for people or none.
    pub fn enter(&mut self, state: State, detail: Option<&str>) {
        self.state = state;
        self.detail = detail.map(one_line).filter(|d| !d.is_empty());
    }

    /// What came of the stop, and how long it took. Stays readable in the states behind it.
    pub fn stopped(&mut self, outcome: Outcome, milliseconds: u64, detail: Option<&str>) {
        self.stop = Some((outcome, milliseconds));
        self.enter(State::Stop(outcome), detail);
    }

    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("version=1\nid={}\nscope={}\nstate={}\n", self.id, self.scope, self.state.word());
        if let Some(detail) = &self.detail {
            let _ = writeln!(text, "detail={detail}");
        }
        if let Some((outcome, milliseconds)) = self.stop {
            let _ = write!(text, "stopped_ms={milliseconds}\nstop={}\n", outcome.word());
        }
        if let State::Ended(code) = self.state {
            let _ = writeln!(text, "exit={code}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Scope;

    #[test]
    fn from_the_beginning_to_the_end() {
        let order = Order {
            id: "a-1".into(),
            distribution: "Debian".into(),
            scope: Scope::Vm,
            user: "dev".into(),
            program: "/x".into(),
            patience: None,
        };
        let mut report = Report::new(&order);
        assert_eq!(report.render(), "version=1\nid=a-1\nscope=vm\nstate=waiting\n");
        report.enter(State::Stopping, None);
        report.stopped(Outcome::StillRunning, 1234, Some("two\r\nlines"));
        let stopped =
            "version=1\nid=a-1\nscope=vm\nstate=still-running\ndetail=two lines\nstopped_ms=1234\nstop=still-running\n";
        assert_eq!(report.render(), stopped);
        report.enter(State::Resuming, Some(""));
        assert_eq!(
            report.render(),
            "version=1\nid=a-1\nscope=vm\nstate=resuming\nstopped_ms=1234\nstop=still-running\n"
        );
        report.enter(State::Ended(-1), None);
        assert!(report.render().ends_with("state=ended\nstopped_ms=1234\nstop=still-running\nexit=-1\n"));
    }
}
