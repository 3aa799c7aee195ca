//! `kind-wsl report`: this machine in one file, for a bug report and for `plan --facts`.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Global;
use super::issue::{self, Project};
use super::prepare::{Prepared, with_defaults};
use super::session::Session;
use crate::checks::{self, CheckContext};
use crate::doctor::run_checks;
use crate::engine::with_journal;
use crate::error::{Exit, Failure};
use crate::facts::{Facts, SCHEMA};
use crate::host::{Account, LiveSystem, Process, Recorder, Recording, Replay, System};
use crate::journal::{self, JournalEntry, Phase};
use crate::plan::{Plan, StageSelection};
use crate::redact::{self, Names};
use crate::stage::Answers;
use crate::ui::{json_text, out};

/// The most bytes that a report has: every file in it is bounded.
const MAX_BYTES: u64 = 64 << 20;

/// The flags of `report`.
#[derive(Debug, Args)]
#[command(
    after_help = "The report contains only the settings that kind-wsl reads, and the length of\nother files. User names and the \
                  host name are replaced. It is one JSON file: read\nit before you send it. With --for, it is Markdown; fill in its comments."
)]
pub(crate) struct Report {
    /// Output file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    /// Fill in the bug form of this project
    #[arg(long = "for", value_name = "PROJECT")]
    project: Option<Project>,
}

/// The part of a report that `plan --facts` needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dossier {
    pub(crate) schema: u32,
    pub(crate) user: Account,
    pub(crate) recording: Recording,
}

impl Report {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::new(global, None)?;
        if let Some(project) = self.project {
            let machine = Prepared::new(session);
            return self.hand_over(&machine.session.host, &issue::text(project, &machine));
        }
        let recorder = Recorder::new(&session.host);
        let mut journal_state = journal::read(&recorder)?;
        journal_state.view_as(&session.user.name);
        let mut facts = Facts::probe(&recorder, session.user.clone());
        with_journal(&mut facts, &journal_state);
        // Record everything that a plan reads, so that it can be made on another machine.
        let answers = with_defaults(&facts, &Answers(journal_state.answers.clone()));
        let all = StageSelection { guide: true, ..StageSelection::default() };
        let _ = Plan::make(&recorder, &facts, &answers, &all);
        let _ = Plan::make(&recorder, &facts, &answers, &StageSelection::default());
        // And everything that the checks without side effects read.
        let context = CheckContext::new(&recorder, &facts, &answers);
        run_checks(&context, checks::doctor().filter(|check| !check.is_probe()));
        // The facts and the plan of the report are computed from the redacted recording.
        let names = Names::probe(&session.host, &facts);
        let mut recording = recorder.into_recording();
        redact::allow_listed(&mut recording, &session.user.name);
        let recording: Recording = serde_json::from_value(names.value(json!(recording)))
            .map_err(|e| Failure::new(e.to_string(), None))?;
        let user = names.account(&session.user);
        let replay = Replay::new(recording);
        let mut facts = Facts::probe(&replay, user.clone());
        with_journal(&mut facts, &journal_state);
        // These texts contain the names of other users.
        facts.set_up_for.clear();
        let plan = Plan::make(&replay, &facts, &answers, &StageSelection::default());
        let is_shown = |e: &&JournalEntry| journal_state.is_made_for(e) || e.intent.change.is_machine_wide();
        let made: Vec<Value> = journal_state.active().filter(is_shown).map(|e| json!({
            "stage": e.intent.stage, "target": e.intent.change.target(), "before": json!(e.intent.before)["is"],
            "open": e.phase == Phase::Open
        })).collect();
        let report = json!({
            "schema": SCHEMA,
            "tool": concat!("kind-wsl ", env!("CARGO_PKG_VERSION")),
            "at": session.host.now(),
            "user": user,
            "facts": facts,
            "plan": plan.map_or_else(|e| json!({ "error": e.to_string() }), |p| json!(p.stages)),
            "made": made,
            "recording": replay.recording(),
        });
        let text = serde_json::to_string_pretty(&names.value(report)).unwrap_or_default();
        self.hand_over(&session.host, &json_text(&text))
    }

    fn hand_over(&self, host: &LiveSystem, text: &str) -> Result<Exit, Failure> {
        match &self.output {
            Some(path) => write(host, path, text)?,
            None => out(text),
        }
        Ok(Exit::Done)
    }
}

fn write(host: &LiveSystem, path: &Utf8Path, text: &str) -> Result<(), Failure> {
    host.write_host_path(path, text.as_bytes(), 0o600)
        .map_err(|e| Failure::new(format!("cannot write the report to `{path}`: {e}"), None))?;
    out(&format!("Report written to {path}. Read it before you share it."));
    Ok(())
}

impl Dossier {
    /// The machine that it describes.
    pub(crate) fn system(&self) -> Replay {
        Replay::new(self.recording.clone())
    }

    pub(crate) fn facts(&self, system: &dyn System) -> Facts {
        Facts::probe(system, self.user.clone())
    }

    /// The answers that were given here, and defaults for the rest.
    pub(crate) fn answers(facts: &Facts, global: &Global) -> Result<Answers, Failure> {
        let mut answers = Answers::default();
        for given in &global.given {
            given.accept(&mut answers, facts)?;
        }
        Ok(with_defaults(facts, &answers))
    }

    pub(crate) fn plan(
        system: &dyn System,
        facts: &Facts,
        global: &Global,
        selection: &StageSelection,
    ) -> Result<Plan, Failure> {
        Ok(Plan::make(system, facts, &Self::answers(facts, global)?, selection)?)
    }

    /// Reads a report. Refuses another schema.
    pub(crate) fn read(path: &Utf8Path) -> Result<Self, Failure> {
        let host = LiveSystem::new("/".into(), Box::new(Process::new("/".into())), []);
        let wrong =
            |what: String| Failure::usage(what, "`--facts` takes a file that `kind-wsl report` wrote");
        let text =
            host.read_user_arg(path, MAX_BYTES).map_err(|e| wrong(format!("cannot read `{path}`: {e}")))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|e| wrong(format!("`{path}` is not a report: {e}")))?;
        let schema = value.get("schema").and_then(Value::as_u64);
        if schema != Some(u64::from(SCHEMA)) {
            let found = schema.map_or_else(|| "none".to_owned(), |s| s.to_string());
            return Err(wrong(format!("`{path}` has schema {found}; this program reads schema {SCHEMA}")));
        }
        serde_json::from_value(value).map_err(|e| wrong(format!("`{path}` is not a report: {e}")))
    }
}
