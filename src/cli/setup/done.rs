//! The output at the end of a setup.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::kind::INSTALL;
use super::super::session::Session;
use super::Setup;
use crate::engine::RunOutcome;
use crate::error::Exit;
use crate::facts::Facts;
use crate::facts::path::{PathHint, path_hint};
use crate::host::is_aborted;
use crate::journal;
use crate::ui::{self, BOLD, GREEN, YELLOW, columns, out, styled};

/// The duration from which on the time of a setup is shown.
const WORTH_SHOWING: Duration = Duration::from_secs(10);

impl Setup {
    /// Reports that nothing had to be changed.
    pub(super) fn nothing_to_do(&self, session: &Session, facts: &Facts) {
        if self.json {
            ui::json_line(json!({ "event": "end", "changed": 0 }));
        } else {
            let text = format!("Nothing to do: this machine is set up for `{}`.", facts.user.name);
            out(&styled(GREEN, &text));
            out(&next_steps(session, facts));
        }
    }

    pub(super) fn end(&self, session: &Session, ended: &RunOutcome, started: Instant) -> Exit {
        if self.json {
            ui::json_line(match ended {
                RunOutcome::Done { changed, verified } => {
                    json!({ "event": "end", "changed": changed, "verified": verified })
                }
                RunOutcome::Restart(_) | RunOutcome::Interrupted => json!({ "event": "interrupted" }),
            });
        }
        match ended {
            RunOutcome::Done { changed, verified } if !self.json => {
                self.done(session, (*changed, *verified), started);
                Exit::Done
            }
            RunOutcome::Done { .. } => Exit::Done,
            RunOutcome::Restart(_) => Exit::Restart,
            RunOutcome::Interrupted => {
                if !self.json {
                    let text = if is_aborted() {
                        "Aborted in the middle of a step."
                    } else {
                        "Stopped between two changes; nothing is half done."
                    };
                    out(&format!("\n{}", styled(YELLOW, text)));
                    out(&ui::rows(2, &[("Resume", "`kind-wsl setup`"), ("Revert", "`kind-wsl undo`")]));
                }
                Exit::Interrupted
            }
        }
    }

    /// The time since the setup began; `None` if it includes a restart by the user, who may have waited.
    fn time_taken(&self, session: &Session, started: Instant) -> Option<Duration> {
        if !session.journal_state.is_interrupted() {
            return Some(started.elapsed());
        }
        let began = self.resume.as_ref().and_then(|_| session.journal_state.setup_began())?;
        session.host.seconds_since(began).map(Duration::from_secs)
    }

    fn done(&self, session: &Session, (changed, verified): (usize, usize), started: Instant) {
        // The journal includes the changes before the restart.
        let mut journal_state = journal::read(&session.host).unwrap_or_default();
        journal_state.view_as(&session.user.name);
        let total = if session.journal_state.is_interrupted() { journal_state.made } else { changed };
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let passed = format!(", {} passed", count(verified, "check"));
        let passed = if verified > 0 { passed.as_str() } else { "" };
        let time = self.time_taken(session, started).filter(|time| *time >= WORTH_SHOWING);
        let time = time.map_or_else(String::new, |time| format!(" in {}", ui::duration(time)));
        let text = format!("Done{time}: {} applied{passed}.", count(total, "change"));
        out(&format!("\n{}", styled(GREEN.bold(), &text)));
        out("");
        let facts = session.facts();
        if journal_state.verified.is_none() {
            let name = &session.user.name;
            let undo = format!("`kind-wsl undo --user {name}`");
            if facts.is_user_away {
                out(&format!("When {name} has logged in, {name} checks the result:"));
                out(&ui::rows(2, &[("Check", "`kind-wsl doctor`"), ("Undo", &undo)]));
            } else {
                out(&ui::rows(2, &[("Finish setup", "`kind-wsl setup`"), ("Undo", "`kind-wsl undo`")]));
            }
            return;
        }
        if self.resume.is_some() && facts.wsl.is_two() {
            out(&format!("Close this window. In a new terminal of {}:", facts.wsl.distro()));
        }
        out(&next_steps(session, &facts));
        let path = path_hint(&session.host, &facts);
        let notes = [idle(&facts), path.map(|hint| hint.text().to_owned())];
        let mut notes: Vec<String> =
            notes.into_iter().flatten().map(|note| labelled("Note: ", &note)).collect();
        notes.extend(path.and_then(PathHint::command).map(|line| format!("  {line}")));
        if !notes.is_empty() {
            out(&format!("\n{}", notes.join("\n")));
        }
    }
}

/// The next commands.
fn next_steps(session: &Session, facts: &Facts) -> String {
    let create = match (&facts.tools.kind, facts.tools.wrapped) {
        (None, _) => return format!("  kind is not installed: {}", styled(BOLD, INSTALL)),
        (Some(_), true) => "`kind create cluster`",
        (Some(_), false) => "`kind-wsl kind create cluster`",
    };
    let mut steps = vec![("Create a cluster", create)];
    if facts.tools.kubectl.is_some() {
        steps.push(("Use it", "`kubectl get nodes`"));
    }
    steps.push(("Check", "`kind-wsl doctor`"));
    if journal::exists(&session.host) {
        steps.push(("Undo", "`kind-wsl undo`"));
    }
    ui::rows(2, &steps)
}

/// A note that WSL stops when idle, unless it is configured not to.
fn idle(facts: &Facts) -> Option<String> {
    (facts.wsl.is_two() && facts.windows.never_idle().is_none()).then(|| {
        let text =
            "WSL stops this distribution 15 s after the last terminal closes, and the cluster stops with it.";
        format!("{text} To keep it running: kind-wsl setup --only idle --idle")
    })
}

fn labelled(label: &str, text: &str) -> String {
    columns(&[(label, label.len(), YELLOW)], text, ui::width())
}
