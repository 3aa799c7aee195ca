//! The restart itself, the same for both programs: stop, wait until the distribution is gone, open the user's session.

use crate::names;
use crate::request::{RestartRequest, Scope};
use crate::result::StopResult;
use crate::text;
use crate::timeouts::Timeouts;
use std::time::Duration;

/// The result of one call of wsl.exe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It exited. Failures of wsl.exe itself have exit code -1 and their text on standard output (WslClient.cpp:686-687).
    Ended {
        code: i32,
        /// Its standard output, decoded.
        out: String,
        /// Its standard error, decoded.
        err: String,
    },
    /// It did not exit in time and was killed.
    Hung,
    /// It could not be started.
    NotStarted(String),
}

impl Answer {
    /// Standard output, if the exit code is 0.
    #[must_use]
    pub fn good(&self) -> Option<&str> {
        match self {
            Answer::Ended { code: 0, out, .. } => Some(out),
            _ => None,
        }
    }

    /// A short description for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Answer::Ended { code, out, err } => {
                let output = text::one_line(&format!("{out} {err}"));
                let colon = if output.is_empty() { "" } else { ": " };
                format!("exit code {code}{colon}{output}")
            }
            Answer::Hung => "no answer in time".into(),
            Answer::NotStarted(why) => format!("not started: {why}"),
        }
    }
}

/// wsl.exe, and the time.
pub trait Wsl {
    /// Runs wsl.exe with these arguments, an empty standard input and a timeout.
    fn call(&mut self, args: &[&str], timeout: Duration) -> Answer;
    /// The time since a fixed moment.
    fn now(&self) -> Duration;
    fn pause(&mut self, time: Duration);
    /// A line for the log.
    fn note(&mut self, line: &str);
}

/// The running distributions. If none runs, the output with `--quiet` is empty and the exit code 0; without it, a localized
/// message and -1 (WslClient.cpp:777-786).
pub fn running(wsl: &mut dyn Wsl, timeouts: &Timeouts) -> Result<Vec<String>, String> {
    list(wsl, &["--list", "--running", "--quiet"], timeouts)
}

/// The distributions that are installed.
pub fn installed(wsl: &mut dyn Wsl, timeouts: &Timeouts) -> Result<Vec<String>, String> {
    list(wsl, &["--list", "--quiet"], timeouts)
}

fn list(wsl: &mut dyn Wsl, args: &[&str], timeouts: &Timeouts) -> Result<Vec<String>, String> {
    let answer = wsl.call(args, timeouts.list);
    answer.good().map(text::names).ok_or_else(|| answer.describe())
}

/// How a stop went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport {
    pub result: StopResult,
    /// How long it took.
    pub took: Duration,
    /// One line, if there is something to add.
    pub detail: Option<String>,
}

enum Gone {
    Yes,
    No,
    Unknown(String),
}

/// Stops what the request names and waits until its distribution is no longer listed as running; tries twice.
pub fn stop(wsl: &mut dyn Wsl, request: &RestartRequest, timeouts: &Timeouts) -> StopReport {
    let begin = wsl.now();
    let line = request.scope.stop_command(&request.distribution);
    let mut found = (StopResult::StillRunning, None);
    for patience in [timeouts.gone, timeouts.gone_again] {
        let answer = wsl.call(&request.scope.stop(&request.distribution), timeouts.stop);
        found = match answer {
            Answer::Ended { code: 0, .. } => match wait_until_gone(wsl, request, patience, timeouts) {
                Gone::Yes => (StopResult::Stopped, None),
                Gone::Unknown(why) => {
                    let detail = format!(
                        "{line} succeeded, but wsl.exe --list failed, so {} may be running ({why})",
                        request.distribution
                    );
                    (StopResult::Stopped, Some(detail))
                }
                Gone::No => (
                    StopResult::StillRunning,
                    Some(format!("{line} succeeded, but {} is still running, or running again", request.distribution)),
                ),
            },
            // The distribution is down although wsl.exe failed. That is not known for the virtual machine, which no list shows.
            ref bad if request.scope == Scope::Distro && is_gone(wsl, request, timeouts) => (
                StopResult::Stopped,
                Some(format!("{line}: {}; {} stopped anyway", bad.describe(), request.distribution)),
            ),
            Answer::Hung => {
                (StopResult::Hung, Some(format!("{line} did not end within {} s", timeouts.stop.as_secs())))
            }
            ref bad => (StopResult::Failed, Some(format!("{line}: {}", bad.describe()))),
        };
        if found.0 != StopResult::StillRunning {
            break;
        }
    }
    StopReport { result: found.0, took: wsl.now().saturating_sub(begin), detail: found.1 }
}

fn is_gone(wsl: &mut dyn Wsl, request: &RestartRequest, timeouts: &Timeouts) -> bool {
    running(wsl, timeouts).map_or(false, |names| names::installed(&request.distribution, &names).is_none())
}

fn wait_until_gone(wsl: &mut dyn Wsl, request: &RestartRequest, patience: Duration, timeouts: &Timeouts) -> Gone {
    const FAILURES: u32 = 3;
    let begin = wsl.now();
    let mut failures = 0;
    loop {
        match running(wsl, timeouts) {
            Ok(names) if names::installed(&request.distribution, &names).is_none() => return Gone::Yes,
            Ok(_) => failures = 0,
            Err(why) => {
                failures += 1;
                if failures == FAILURES {
                    return Gone::Unknown(why);
                }
            }
        }
        if wsl.now().saturating_sub(begin) >= patience {
            return Gone::No;
        }
        wsl.pause(timeouts.pause);
    }
}

/// Opens the user's session, which starts the distribution. A failure is only logged: the setup waits for the session and
/// reports more about it.
pub fn open_session(wsl: &mut dyn Wsl, request: &RestartRequest, timeouts: &Timeouts) {
    let answer = wsl.call(&request.session(), timeouts.session);
    if answer.good().is_none() {
        wsl.note(&format!("{}'s session could not be opened: {}", request.user, answer.describe()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers by the first words of a call; pauses and calls advance the clock.
    struct FakeWsl {
        answers: Vec<(&'static str, Answer)>,
        calls: Vec<String>,
        clock: Duration,
        notes: Vec<String>,
    }

    impl Wsl for FakeWsl {
        fn call(&mut self, args: &[&str], timeout: Duration) -> Answer {
            let line = args.join(" ");
            self.calls.push(line.clone());
            let at = self.answers.iter().position(|(head, _)| line.starts_with(head));
            let answer = match at {
                // the last answer of a kind is repeated
                Some(i) if self.answers[i + 1..].iter().any(|(h, _)| *h == self.answers[i].0) => {
                    self.answers.remove(i).1
                }
                Some(i) => self.answers[i].1.clone(),
                None => panic!("no answer for {line}"),
            };
            self.clock += if answer == Answer::Hung { timeout } else { Duration::from_millis(30) };
            answer
        }
        fn now(&self) -> Duration {
            self.clock
        }
        fn pause(&mut self, time: Duration) {
            self.clock += time;
        }
        fn note(&mut self, line: &str) {
            self.notes.push(line.into());
        }
    }

    fn ended(code: i32, out: &str) -> Answer {
        Answer::Ended { code, out: out.into(), err: String::new() }
    }

    fn run(scope: Scope, answers: Vec<(&'static str, Answer)>) -> (StopReport, Vec<String>) {
        let request = RestartRequest {
            id: "a".into(),
            distribution: "Debian".into(),
            scope,
            user: "dev".into(),
            program: "/x".into(),
            patience: None,
        };
        let mut wsl = FakeWsl { answers, calls: vec![], clock: Duration::ZERO, notes: vec![] };
        (stop(&mut wsl, &request, &Timeouts::NORMAL), wsl.calls)
    }

    #[test]
    fn the_stop_waits_until_the_distribution_is_gone() {
        let list = vec![
            ("--terminate", ended(0, "fertig")),
            ("--list", ended(0, "DEBIAN\n")),
            ("--list", ended(0, "Other\n")),
        ];
        let (stop, calls) = run(Scope::Distro, list);
        assert_eq!((stop.result, stop.detail), (StopResult::Stopped, None));
        assert_eq!(stop.took.as_millis(), 590);
        assert_eq!(calls, ["--terminate Debian", "--list --running --quiet", "--list --running --quiet"]);
    }

    #[test]
    fn a_distribution_that_keeps_running_gets_two_stops_and_the_setup_resumes() {
        let (stop, calls) = run(Scope::Vm, vec![("--shutdown", ended(0, "")), ("--list", ended(0, "Debian\n"))]);
        assert_eq!(stop.result, StopResult::StillRunning);
        assert!(stop.result.can_resume() && stop.detail.unwrap_or_default().contains("running again"));
        assert_eq!(calls.iter().filter(|c| *c == "--shutdown").count(), 2);
        assert!((75..77).contains(&stop.took.as_secs()), "{:?}", stop.took);
    }

    #[test]
    fn nothing_resumes_after_a_hang() {
        let (stop, calls) = run(Scope::Vm, vec![("--shutdown", Answer::Hung)]);
        assert_eq!((stop.result, stop.result.can_resume(), calls.len()), (StopResult::Hung, false, 1));
        assert_eq!(stop.detail.as_deref(), Some("wsl.exe --shutdown did not end within 90 s"));
    }

    #[test]
    fn a_distribution_that_is_down_counts_as_stopped_even_if_wsl_exe_failed() {
        for bad in [Answer::Hung, ended(-1, "Fehler")] {
            let (stop, _) = run(Scope::Distro, vec![("--terminate", bad.clone()), ("--list", ended(0, ""))]);
            assert_eq!(stop.result, StopResult::Stopped, "{bad:?}");
            let (stop, _) = run(Scope::Distro, vec![("--terminate", bad.clone()), ("--list", ended(0, "Debian"))]);
            assert!(!stop.result.can_resume(), "{bad:?}");
        }
        let (stop, _) = run(Scope::Vm, vec![("--shutdown", Answer::NotStarted("no file".into()))]);
        assert_eq!(stop.result, StopResult::Failed);
        assert_eq!(stop.detail.as_deref(), Some("wsl.exe --shutdown: not started: no file"));
    }

    #[test]
    fn a_list_that_fails_does_not_delay_the_stop() {
        let (stop, calls) =
            run(Scope::Vm, vec![("--shutdown", ended(0, "")), ("--list", ended(-1, "Schwerer Fehler"))]);
        assert_eq!((stop.result, calls.len()), (StopResult::Stopped, 4));
        assert!(stop.detail.unwrap_or_default().contains("exit code -1: Schwerer Fehler"));
    }
}
