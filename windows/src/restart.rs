//! The restart itself, the same for both programs: stop, wait until the distribution is gone, open the user's session.

use crate::bounds::Bounds;
use crate::cli::{Order, Scope};
use crate::names;
use crate::text;
use std::time::Duration;

/// What came of one call of wsl.exe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It ended by itself. Failures of wsl.exe itself are -1, and their text is on standard output (WslClient.cpp:686-687).
    Ended {
        code: i32,
        /// Its standard output, decoded.
        out: String,
        /// Its standard error, decoded.
        err: String,
    },
    /// It did not end in time and was ended.
    Hung,
    /// It could not be started.
    NotStarted(String),
}

impl Answer {
    /// Standard output, when it ended well.
    #[must_use]
    pub fn good(&self) -> Option<&str> {
        match self {
            Answer::Ended { code: 0, out, .. } => Some(out),
            _ => None,
        }
    }

    /// What it was, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Answer::Ended { code, out, err } => {
                let said = text::one_line(&format!("{out} {err}"));
                let colon = if said.is_empty() { "" } else { ": " };
                format!("exit code {code}{colon}{said}")
            }
            Answer::Hung => "no answer in time".into(),
            Answer::NotStarted(why) => format!("not started: {why}"),
        }
    }
}

/// wsl.exe, and the time.
pub trait Wsl {
    /// Runs wsl.exe with these arguments, nothing on its standard input, no longer than so long.
    fn call(&mut self, args: &[&str], bound: Duration) -> Answer;
    /// Time since some beginning.
    fn now(&self) -> Duration;
    fn pause(&mut self, time: Duration);
    /// A line for the log.
    fn note(&mut self, line: &str);
}

/// The distributions that run. `--quiet` is empty and 0 when none does; without it that would be a localized message
/// and -1 (WslClient.cpp:777-786).
pub fn running(wsl: &mut dyn Wsl, bounds: &Bounds) -> Result<Vec<String>, String> {
    list(wsl, &["--list", "--running", "--quiet"], bounds)
}

/// The distributions that are installed.
pub fn installed(wsl: &mut dyn Wsl, bounds: &Bounds) -> Result<Vec<String>, String> {
    list(wsl, &["--list", "--quiet"], bounds)
}

fn list(wsl: &mut dyn Wsl, args: &[&str], bounds: &Bounds) -> Result<Vec<String>, String> {
    let answer = wsl.call(args, bounds.list);
    answer.good().map(text::names).ok_or_else(|| answer.describe())
}

/// What came of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Stopped,
    /// wsl.exe says that all went well, but the distribution is listed as running, again or still.
    StillRunning,
    /// wsl.exe did not come back.
    Hung,
    Failed,
}

impl Outcome {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Stopped => "stopped",
            Outcome::StillRunning => "still-running",
            Outcome::Hung => "hung",
            Outcome::Failed => "failed",
        }
    }

    /// Whether the set-up can go on. After `StillRunning` too: somebody else may have started WSL again at once, and the
    /// Linux side proves the restart by itself.
    #[must_use]
    pub fn goes_on(self) -> bool {
        matches!(self, Outcome::Stopped | Outcome::StillRunning)
    }
}

/// What came of a stop, for people too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// One line, where there is something to say.
    pub detail: Option<String>,
}

enum Gone {
    Yes,
    No,
    Unknown(String),
}

/// Stops what the order names and waits until its distribution is no longer listed as running; tries twice.
pub fn stop(wsl: &mut dyn Wsl, order: &Order, bounds: &Bounds) -> Stop {
    let begin = wsl.now();
    let line = format!("wsl.exe {}", order.scope.stop(&order.distribution).join(" "));
    let mut found = (Outcome::StillRunning, None);
    for patience in [bounds.gone, bounds.gone_again] {
        let answer = wsl.call(&order.scope.stop(&order.distribution), bounds.stop);
        found = match answer {
            Answer::Ended { code: 0, .. } => match wait_until_gone(wsl, order, patience, bounds) {
                Gone::Yes => (Outcome::Stopped, None),
                Gone::Unknown(why) => {
                    let detail = format!(
                        "{line} succeeded, but wsl.exe --list did not tell whether {} is down ({why})",
                        order.distribution
                    );
                    (Outcome::Stopped, Some(detail))
                }
                Gone::No => (
                    Outcome::StillRunning,
                    Some(format!("{line} succeeded, but {} is running, still or again", order.distribution)),
                ),
            },
            // One that is down without wsl.exe saying so is down. The machine is another matter: nothing lists it.
            ref bad if order.scope == Scope::Distro && is_gone(wsl, order, bounds) => (
                Outcome::Stopped,
                Some(format!("{line}: {}; {} is down all the same", bad.describe(), order.distribution)),
            ),
            Answer::Hung => (Outcome::Hung, Some(format!("{line} did not come back in {} s", bounds.stop.as_secs()))),
            ref bad => (Outcome::Failed, Some(format!("{line}: {}", bad.describe()))),
        };
        if found.0 != Outcome::StillRunning {
            break;
        }
    }
    Stop { outcome: found.0, took: wsl.now().saturating_sub(begin), detail: found.1 }
}

fn is_gone(wsl: &mut dyn Wsl, order: &Order, bounds: &Bounds) -> bool {
    running(wsl, bounds).map_or(false, |names| names::installed(&order.distribution, &names).is_none())
}

fn wait_until_gone(wsl: &mut dyn Wsl, order: &Order, patience: Duration, bounds: &Bounds) -> Gone {
    const FAILURES: u32 = 3;
    let begin = wsl.now();
    let mut failures = 0;
    loop {
        match running(wsl, bounds) {
            Ok(names) if names::installed(&order.distribution, &names).is_none() => return Gone::Yes,
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
        wsl.pause(bounds.pause);
    }
}

/// Opens the user's session, which starts the distribution. Its failure is for the log: the set-up waits for the session
/// itself, and says more about it.
pub fn open_session(wsl: &mut dyn Wsl, order: &Order, bounds: &Bounds) {
    let answer = wsl.call(&order.session(), bounds.session);
    if answer.good().is_none() {
        wsl.note(&format!("{}'s session could not be opened beforehand: {}", order.user, answer.describe()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers by the first words of a call; each pause and each call takes its time.
    struct Played {
        answers: Vec<(&'static str, Answer)>,
        calls: Vec<String>,
        clock: Duration,
        notes: Vec<String>,
    }

    impl Wsl for Played {
        fn call(&mut self, args: &[&str], bound: Duration) -> Answer {
            let line = args.join(" ");
            self.calls.push(line.clone());
            let at = self.answers.iter().position(|(head, _)| line.starts_with(head));
            let answer = match at {
                // the last answer of a kind is given for ever
                Some(i) if self.answers[i + 1..].iter().any(|(h, _)| *h == self.answers[i].0) => {
                    self.answers.remove(i).1
                }
                Some(i) => self.answers[i].1.clone(),
                None => panic!("nothing is said about {line}"),
            };
            self.clock += if answer == Answer::Hung { bound } else { Duration::from_millis(30) };
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

    fn play(scope: Scope, answers: Vec<(&'static str, Answer)>) -> (Stop, Vec<String>) {
        let order = Order {
            id: "a".into(),
            distribution: "Debian".into(),
            scope,
            user: "dev".into(),
            program: "/x".into(),
            patience: None,
        };
        let mut wsl = Played { answers, calls: vec![], clock: Duration::ZERO, notes: vec![] };
        (stop(&mut wsl, &order, &Bounds::NORMAL), wsl.calls)
    }

    #[test]
    fn waits_until_it_is_gone() {
        let list = vec![
            ("--terminate", ended(0, "fertig")),
            ("--list", ended(0, "DEBIAN\n")),
            ("--list", ended(0, "Other\n")),
        ];
        let (stop, calls) = play(Scope::Distro, list);
        assert_eq!((stop.outcome, stop.detail), (Outcome::Stopped, None));
        assert_eq!(stop.took.as_millis(), 590);
        assert_eq!(calls, ["--terminate Debian", "--list --running --quiet", "--list --running --quiet"]);
    }

    #[test]
    fn tries_twice_and_goes_on_when_it_stays() {
        let (stop, calls) = play(Scope::Vm, vec![("--shutdown", ended(0, "")), ("--list", ended(0, "Debian\n"))]);
        assert_eq!(stop.outcome, Outcome::StillRunning);
        assert!(stop.outcome.goes_on() && stop.detail.unwrap_or_default().contains("still or again"));
        assert_eq!(calls.iter().filter(|c| *c == "--shutdown").count(), 2);
        assert!((75..77).contains(&stop.took.as_secs()), "{:?}", stop.took);
    }

    #[test]
    fn a_hang_is_not_gone_on_from() {
        let (stop, calls) = play(Scope::Vm, vec![("--shutdown", Answer::Hung)]);
        assert_eq!((stop.outcome, stop.outcome.goes_on(), calls.len()), (Outcome::Hung, false, 1));
        assert_eq!(stop.detail.as_deref(), Some("wsl.exe --shutdown did not come back in 90 s"));
    }

    #[test]
    fn one_that_is_down_is_down_whatever_wsl_said() {
        for bad in [Answer::Hung, ended(-1, "Fehler")] {
            let (stop, _) = play(Scope::Distro, vec![("--terminate", bad.clone()), ("--list", ended(0, ""))]);
            assert_eq!(stop.outcome, Outcome::Stopped, "{bad:?}");
            let (stop, _) = play(Scope::Distro, vec![("--terminate", bad.clone()), ("--list", ended(0, "Debian"))]);
            assert!(!stop.outcome.goes_on(), "{bad:?}");
        }
        let (stop, _) = play(Scope::Vm, vec![("--shutdown", Answer::NotStarted("no file".into()))]);
        assert_eq!(stop.outcome, Outcome::Failed);
        assert_eq!(stop.detail.as_deref(), Some("wsl.exe --shutdown: not started: no file"));
    }

    #[test]
    fn a_list_that_fails_does_not_hold_it_up() {
        let (stop, calls) =
            play(Scope::Vm, vec![("--shutdown", ended(0, "")), ("--list", ended(-1, "Schwerer Fehler"))]);
        assert_eq!((stop.outcome, calls.len()), (Outcome::Stopped, 4));
        assert!(stop.detail.unwrap_or_default().contains("exit code -1: Schwerer Fehler"));
    }
}
