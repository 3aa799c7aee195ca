//! `kind-wsl plan`: what setup would do.

use camino::Utf8PathBuf;
use clap::Args;
use serde_json::json;

use super::prepare;
use super::prepare::{source, with_defaults};
use super::report::Dossier;
use super::session::Session;
use super::sources::{check_downloads, downloads};
use super::trust::settle_crun;
use super::{Global, StageArgs};
use crate::error::{Exit, Failure};
use crate::facts::{Facts, SCHEMA};
use crate::fetch::Source;
use crate::plan::Plan;
use crate::ui::{self, json_line, out, render};

/// The flags of `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "By default, the plan shows the stages that change something, every file that changes, downloads and the restart. \
                  -v also shows the stages that need no change and why; -q shows only one line for each stage that changes \
                  something or is blocked.\n\n\
                  Exit codes with --exit-code: 0 nothing to do, 1 changes, 4 blocked. Without it: 0.\n\n\
                  Examples:\n  kind-wsl plan                      plan for this machine\n  kind-wsl plan -v                   \
                  also why the other stages need no change\n  kind-wsl plan -q --exit-code       for scripts\n  \
                  kind-wsl plan --facts report.json  plan for the machine of a `kind-wsl report`"
)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    choosing: StageArgs,
    /// Plan for the machine that a report describes
    #[arg(long, value_name = "FILE")]
    facts: Option<Utf8PathBuf>,
    /// Exit with 0 if there is nothing to do, 1 if there are changes, 4 if setup is blocked
    #[arg(long)]
    exit_code: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PlanCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let selection = self.choosing.selection()?;
        self.choosing.check_source()?;
        if let Some(path) = &self.facts {
            let (plan, facts) = Dossier::read(path)?.plan(global, &selection)?;
            let source = Source { mirror: self.choosing.mirror.clone(), ..Source::default() };
            return Ok(self.show(&plan.from(source), &facts, global));
        }
        let mut session = Session::new(global, self.choosing.windows_profile.as_ref())?;
        self.choosing.make_assumptions(&mut session)?;
        let facts = session.facts();
        let mut answers = self.choosing.answers(global, &session, &facts)?;
        let source = source(&self.choosing.chosen(&session.journal_state)?);
        settle_crun(&facts, &mut answers, &source, false)?;
        let answers = with_defaults(&facts, &answers);
        let plan = prepare::plan(&session, &facts, &answers, &selection)?.from(source);
        Ok(self.show(&plan, &facts, global))
    }

    /// Shows a plan, blocked or not; only a script that asks for it gets another exit code.
    fn show(&self, plan: &Plan, facts: &Facts, global: &Global) -> Exit {
        // What cannot be fetched does not hide the plan.
        let missing = check_downloads(plan, facts.arch).err();
        let is_blocked = plan.blocked().is_some() || missing.is_some();
        if self.json {
            json_line(
                json!({ "schema": SCHEMA, "plan": plan, "downloads": downloads(plan), "missing": missing.map(|f| f.causes) }),
            );
        } else {
            out(&render::detailed(plan, facts, global.detail()));
            if let Some(failure) = missing {
                ui::fail(&failure);
            }
        }
        if !self.exit_code {
            Exit::Done
        } else if is_blocked {
            Exit::Found
        } else if plan.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}
