//! `kind-wsl status`: whether this machine is set up, and the next step.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::prepare::with_defaults;
use super::session::Session;
use super::{Global, StageArgs};
use crate::change::{ChangeKind, RestartScope};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::BootInstance;
use crate::journal::{JournalEntry, JournalState, Phase};
use crate::plan::{Plan, StageSelection};
use crate::ui::{self, BOLD, DIM, Detail, columns, json_line, one_line, out, render, rows, styled};
use crate::windows;
use kind_wsl_windows::waiting::Waiting;

/// The flags of `status`.
#[derive(Debug, Args)]
#[command(after_help = "-v also shows every stage and every change. -q shows only the answer.\n\n\
                  Examples:\n  kind-wsl status\n  kind-wsl status --json    the values of `state` are in docs/reference/json.md")]
pub(crate) struct StatusCommand {
    /// Print the confirmed pending restart as `key=value` lines, for kind-wsl.exe
    #[arg(long, hide = true)]
    waiting: bool,
    /// Print the number of the first change of the last setup as `since=N`, for kind-wsl.exe
    #[arg(long, hide = true, conflicts_with = "waiting")]
    last: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whether the machine is set up; the spelling in JSON is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum SetupState {
    /// kind-wsl has changed nothing, and the machine needs changes.
    NotSetUp,
    /// kind-wsl has changed nothing, and the machine needs no changes.
    AlreadySatisfied,
    /// A setup did not end.
    Interrupted,
    /// A setup waits for a restart that has not happened.
    WaitingForRestart,
    /// The restart happened, and the setup has not resumed.
    Restarted,
    /// A setup ended, and its changes are in place.
    SetUp,
    /// A setup ended, and another program changed something since.
    Drifted,
    /// Everything was undone except the packages.
    PackagesLeft,
}

impl SetupState {
    fn of(journal_state: &JournalState, boot_instance: &BootInstance, plan_is_empty: bool) -> Self {
        match &journal_state.waiting {
            Some(waiting) if !waiting.took_place(boot_instance) => return Self::WaitingForRestart,
            Some(_) => return Self::Restarted,
            None if journal_state.is_interrupted() => return Self::Interrupted,
            None if journal_state.is_undone && has_packages(journal_state) => return Self::PackagesLeft,
            None => {}
        }
        let is_finished = journal_state.finished.is_some() && !journal_state.is_undone;
        match (is_finished, plan_is_empty) {
            (true, true) => Self::SetUp,
            (true, false) => Self::Drifted,
            (false, true) => Self::AlreadySatisfied,
            (false, false) => Self::NotSetUp,
        }
    }

    /// The answer, in one sentence.
    fn summary(self, journal_state: &JournalState) -> String {
        let at = |time: &Option<String>| {
            let time = time.as_deref().unwrap_or_default();
            time.trim_end_matches('Z').replace('T', " ") + " UTC"
        };
        match self {
            Self::NotSetUp => "Not set up".to_owned(),
            Self::AlreadySatisfied => {
                "Ready: this machine meets every requirement without kind-wsl".to_owned()
            }
            Self::Interrupted => {
                format!("Setup is unfinished (started {})", at(&journal_state.began))
            }
            Self::WaitingForRestart => {
                format!("Setup is waiting for a restart (started {})", at(&journal_state.began))
            }
            Self::Restarted => "The restart is done; setup can resume".to_owned(),
            Self::SetUp => format!("Ready: set up at {}", at(&journal_state.finished)),
            Self::Drifted => {
                format!("Set up at {}, but something has changed since", at(&journal_state.finished))
            }
            Self::PackagesLeft => "Undone, except for the packages".to_owned(),
        }
    }

    /// The next command.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::NotSetUp | Self::Interrupted | Self::Restarted | Self::WaitingForRestart => {
                Some("kind-wsl setup")
            }
            Self::Drifted => Some("kind-wsl plan"),
            Self::PackagesLeft => Some("kind-wsl undo --packages"),
            Self::SetUp | Self::AlreadySatisfied => None,
        }
    }

    /// The next steps, as rows of `ui::rows`.
    fn next(self, journal_state: &JournalState, facts: &Facts) -> Vec<(&'static str, String)> {
        let command = |label, line: &str| (label, format!("`{line}`"));
        match self {
            Self::NotSetUp => vec![command("Next", "kind-wsl setup"), command("Preview", "kind-wsl plan")],
            Self::Interrupted | Self::Restarted => {
                vec![command("Resume", "kind-wsl setup"), command("Revert", "kind-wsl undo")]
            }
            Self::WaitingForRestart => {
                let restart = match journal_state.waiting.as_ref().map(|waiting| waiting.scope) {
                    Some(RestartScope::Distro) => {
                        format!("in PowerShell: wsl --terminate {}", facts.wsl.distro())
                    }
                    Some(RestartScope::Vm) => "in PowerShell: wsl --shutdown".to_owned(),
                    Some(RestartScope::Machine) | None => "restart this machine".to_owned(),
                };
                vec![("Next", restart), command("Then", "kind-wsl setup")]
            }
            Self::Drifted => {
                vec![command("Show changes", "kind-wsl plan"), command("Apply", "kind-wsl setup")]
            }
            Self::PackagesLeft => {
                vec![command("Remove them", "kind-wsl undo --packages"), command("Set up", "kind-wsl setup")]
            }
            Self::SetUp | Self::AlreadySatisfied => {
                vec![command("Check", "kind-wsl doctor")]
            }
        }
    }
}

impl StatusCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.last {
            let since = Session::local(global, None)?.journal_state.last_setup(false);
            if let Some(since) = since {
                out(&format!("since={since}"));
            }
            return Ok(Exit::Done);
        }
        if self.waiting {
            print_waiting(&Session::local(global, None)?);
            return Ok(Exit::Done);
        }
        let session = Session::new(global, None)?;
        let facts = session.facts();
        let answers = StageArgs::default().answers(global, &session, &facts)?;
        let answers = with_defaults(&facts, &answers);
        let plan = Plan::make(&session.host, &facts, &answers, &StageSelection::default())?;
        let journal_state = &session.journal_state;
        let boot_instance = BootInstance::probe(&session.host);
        let state = SetupState::of(journal_state, &boot_instance, plan.is_empty());
        let mut summary = state.summary(journal_state);
        let handed = journal_state.waiting.as_ref().filter(|w| w.handed);
        if let Some(outcome) =
            handed.and_then(|w| windows::read_result(&session.host, &journal_state.places, &w.id))
        {
            summary = format!("{summary}; {}", windows::describe(&outcome));
        }
        if self.json {
            let made: Vec<_> = journal_state.active().filter(|e| journal_state.is_own(e)).map(|e| json!({
                "stage": e.intent.stage, "target": e.intent.change.target(), "open": e.phase == Phase::Open
            })).collect();
            json_line(json!({
                "state": state, "summary": summary, "advice": state.advice(),
                "began": journal_state.began, "finished": journal_state.finished, "stages": plan.stages, "made": made
            }));
            return Ok(Exit::Done);
        }
        let others = if session.host.is_root() { others(journal_state, &boot_instance) } else { Vec::new() };
        let own =
            if others.is_empty() { String::new() } else { format!("{}: ", one_line(&session.user.name)) };
        let lines = ui::wrap(&format!("{own}{summary}"), ui::width());
        out(&lines.iter().map(|line| styled(BOLD, line)).collect::<Vec<_>>().join("\n"));
        for (user, summary) in others {
            out(&format!("{}: {summary}", one_line(&user)));
        }
        let detail = global.detail();
        if detail == Detail::Brief {
            return Ok(Exit::Done);
        }
        let mut next = state.next(journal_state, &facts);
        let count = journal_state.active().filter(|e| journal_state.is_own(e)).count();
        if count > 0 && detail == Detail::Normal {
            let plural = if count == 1 { "" } else { "s" };
            next.push(("Applied", format!("{count} change{plural} (list: kind-wsl status -v)")));
        }
        out(&rows(2, &next));
        if detail == Detail::Full {
            out(&format!("\n{}", render::table(&plan.stages)));
            show_changes(journal_state);
        }
        Ok(Exit::Done)
    }
}

fn has_packages(journal_state: &JournalState) -> bool {
    let is_package = |e: &JournalEntry| matches!(e.intent.change.kind, ChangeKind::Package(_));
    journal_state.active().any(|e| is_package(e) && journal_state.is_own(e))
}

/// The other users, each with the summary from the journal.
fn others(journal_state: &JournalState, boot_instance: &BootInstance) -> Vec<(String, String)> {
    let users = journal_state.users().into_iter().filter(|user| journal_state.user.as_deref() != Some(user));
    let summary = |user: &str| {
        let mut view = journal_state.clone();
        view.view_as(user);
        (user.to_owned(), SetupState::of(&view, boot_instance, true).summary(&view))
    };
    users.map(summary).collect()
}

/// Prints the changes that are not undone.
fn show_changes(journal_state: &JournalState) {
    let mut changes = journal_state.active().filter(|e| journal_state.is_own(e)).peekable();
    if changes.peek().is_some() {
        out(&format!("\n{}", styled(BOLD, "Applied changes")));
    }
    for entry in changes {
        let open = if entry.phase == Phase::Open { " (interrupted)" } else { "" };
        let text = format!("{}{open}", entry.intent.change.target());
        out(&columns(&[("  ", 2, DIM), (&entry.intent.stage, 15, DIM)], &text, ui::width()));
    }
}

/// Prints what kind-wsl.exe needs for the restart.
fn print_waiting(session: &Session) {
    let Some(waiting) = session.journal_state.waiting.as_ref().filter(|w| w.handed) else { return };
    let (scope, user) = (waiting.scope.of_wsl(), session.user.name.clone());
    let waiting = Waiting { id: waiting.id.clone(), scope, user, program: session.program() };
    out(waiting.render().trim_end());
}
