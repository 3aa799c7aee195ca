//! `kind-wsl status`: where a set-up stands.

use clap::Args;
use serde_json::json;

use super::session::{Session, with_defaults};
use super::{Choosing, Global};
use crate::change::Scope;
use crate::error::{Exit, Failure};
use crate::host::Witness;
use crate::journal::{Ledger, Phase};
use crate::plan::{Plan, Selection};
use crate::ui::{BOLD, json_line, out, render, styled};
use crate::windows::Outcome;

/// The flags of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print the restart that was agreed to and is waited for, one `key=value` a line, and nothing where there is none:
    /// for kind-wsl.exe.
    #[arg(long, hide = true)]
    waiting: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.waiting {
            tell_waiting(&Session::local(global, None)?);
            return Ok(Exit::Done);
        }
        let session = Session::new(global, None)?;
        let facts = session.facts();
        let answers = Choosing::default().answers(global, &session, &facts)?;
        let answers = with_defaults(&facts, &answers);
        let plan = Plan::make(&session.host, &facts, &answers, &Selection::default())?;
        let (mut state, advice) = state(&session.ledger, &Witness::of(&session.host), &plan);
        let handed = session.ledger.waiting.as_ref().filter(|w| w.handed);
        let outcome = handed.and_then(|w| Outcome::of(&session.host, &session.ledger.places, &w.id));
        if let Some(outcome) = outcome {
            state = format!("{state}; {}", outcome.name());
        }
        if self.json {
            let made: Vec<_> = session.ledger.standing().map(|e| json!({
                "stage": e.intent.stage, "target": e.intent.change.target(), "open": e.phase == Phase::Open
            })).collect();
            json_line(json!({ "state": state, "advice": advice, "stages": plan.stages, "made": made }));
            return Ok(Exit::Done);
        }
        out(&format!("{}\n", render::table(&plan.stages)));
        let made: Vec<_> = session.ledger.standing().collect();
        if !made.is_empty() {
            out(&styled(BOLD, "made by kind-wsl"));
            for entry in made {
                let open = if entry.phase == Phase::Open { " (interrupted)" } else { "" };
                out(&format!("  {}: {}{open}", entry.intent.stage, entry.intent.change.target()));
            }
            out("");
        }
        out(&state);
        if let Some(advice) = advice {
            out(&advice);
        }
        Ok(Exit::Done)
    }
}

/// What kind-wsl.exe has to know to do the restart.
fn tell_waiting(session: &Session) {
    let Some(waiting) = session.ledger.waiting.as_ref().filter(|w| w.handed) else { return };
    let scope = match waiting.scope {
        Scope::Distro => "distro",
        Scope::Vm => "vm",
        Scope::Machine => "machine",
    };
    let (user, program) = (&session.user.name, session.program());
    out(&format!("id={}\nscope={scope}\nuser={user}\nprogram={program}", waiting.id));
}

/// Where it stands, and how to go on.
fn state(ledger: &Ledger, witness: &Witness, plan: &Plan) -> (String, Option<String>) {
    let go_on = Some("`kind-wsl setup` goes on".to_owned());
    match &ledger.waiting {
        Some(waiting) if waiting.witness == *witness => {
            return (
                "a set-up waits for a restart".to_owned(),
                Some("`kind-wsl setup` shows the lines to type".to_owned()),
            );
        }
        Some(_) => return ("a set-up waits to go on after its restart".to_owned(), go_on),
        None => {}
    }
    if ledger.is_interrupted() {
        return (
            format!("a set-up of {} was interrupted", ledger.began.as_deref().unwrap_or_default()),
            go_on,
        );
    }
    if ledger.taken_back {
        let advice = "`kind-wsl undo --packages` takes them out".to_owned();
        return ("taken back, but for the packages".to_owned(), Some(advice));
    }
    match (&ledger.finished, plan.is_empty()) {
        (Some(at), true) => (format!("set up, finished at {at}"), None),
        (Some(at), false) => (
            format!("set up, finished at {at}, but something changed since"),
            Some("`kind-wsl plan` shows what".to_owned()),
        ),
        (None, true) => ("everything is as it should be, without us".to_owned(), None),
        (None, false) => (
            "not set up".to_owned(),
            Some("`kind-wsl setup` does it, `kind-wsl plan` shows it first".to_owned()),
        ),
    }
}
