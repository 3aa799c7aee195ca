//! `kind-wsl plan`: previews setup.

use camino::Utf8PathBuf;
use clap::Args;
use serde_json::json;

use super::assume;
use super::prepare;
use super::prepare::{source, with_defaults};
use super::report::Dossier;
use super::session::Session;
use super::sources::{check_downloads, downloads};
use super::trust::settle_crun;
use super::{Global, StageArgs};
use crate::assume::Assumed;
use crate::error::{Exit, Failure};
use crate::facts::{Facts, SCHEMA};
use crate::fetch::Source;
use crate::host::System;
use crate::plan::Plan;
use crate::ui::render::{self, PlanParts};
use crate::ui::{self, Detail, json_line, out};

/// The flags of `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl plan                      plan for this machine\n  kind-wsl plan --diff               \
                  show the diff of every file\n  kind-wsl plan -q --exit-code       for scripts\n  \
                  kind-wsl plan --facts report.json  plan for the machine of a `kind-wsl report`\n  \
                  kind-wsl plan --assume wsl=3.0.1   show what an update of WSL changes"
)]
#[allow(clippy::struct_excessive_bools, reason = "one per flag")]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    choosing: StageArgs,
    /// Plan for the machine of a report
    #[arg(long, value_name = "FILE")]
    facts: Option<Utf8PathBuf>,
    /// Show every stage with its reason
    #[arg(long)]
    all: bool,
    /// Show the diff of every file
    #[arg(long)]
    diff: bool,
    /// Show every download with its sha256
    #[arg(long)]
    downloads: bool,
    /// Exit with 1 on changes and 4 if blocked
    #[arg(long)]
    exit_code: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PlanCommand {
    /// The plan of a setup with these flags.
    pub(super) fn of(choosing: &StageArgs, json: bool) -> Self {
        let choosing = choosing.clone();
        Self { choosing, facts: None, all: false, diff: false, downloads: false, exit_code: false, json }
    }

    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let selection = self.choosing.selection()?;
        self.choosing.check_source()?;
        let assume = assume::given(&self.choosing.assume);
        if let Some(path) = &self.facts {
            let dossier = Dossier::read(path)?;
            let replay = dossier.system();
            let facts = dossier.facts(&replay);
            let plan = Dossier::plan(&replay, &facts, global, &selection)?;
            if let Some(assume) = assume {
                let assumed = Assumed::new(&replay, &facts, assume);
                let planned = |after: &Facts| Dossier::plan(&assumed, after, global, &selection);
                return assume::compare(&assumed, &plan, &facts, &replay, self.json, planned);
            }
            let source = Source { mirror: self.choosing.mirror.clone(), ..Source::default() };
            return Ok(self.show(&plan.from(source), &facts, global));
        }
        let mut session = Session::new(global, self.choosing.windows_profile.as_ref())?;
        // A tree outside of WSL is planned for the assumed WSL.
        let assumes_wsl = self.choosing.assume.iter().any(|assumption| assumption.program == "wsl");
        let is_image = assumes_wsl && !session.host.exists("/run/WSL");
        if is_image {
            self.choosing.make_assumptions(&mut session)?;
        }
        let facts = session.facts();
        let source = source(&self.choosing.chosen(&session.journal_state)?);
        let answers = |facts: &Facts| {
            let mut answers = self.choosing.answers(global, &session, facts)?;
            settle_crun(facts, &mut answers, &source, false)?;
            Ok::<_, Failure>(with_defaults(facts, &answers))
        };
        let plan = prepare::plan(&session, &facts, &answers(&facts)?, &selection)?;
        if let Some(assume) = assume.filter(|_| !is_image) {
            let assumed = Assumed::new(&session.host, &facts, assume);
            let planned = |after: &Facts| Ok(Plan::make(&assumed, after, &answers(after)?, &selection)?);
            return assume::compare(&assumed, &plan, &facts, &session.host, self.json, planned);
        }
        let plan = plan.from(source);
        Ok(self.show(&plan, &facts, global))
    }

    /// Shows a plan. The exit code is 0 also for a blocked plan, unless `--exit-code` is set.
    fn show(&self, plan: &Plan, facts: &Facts, global: &Global) -> Exit {
        // The plan is shown even if downloads are missing.
        let missing = check_downloads(plan, facts.arch).err();
        let is_blocked = plan.blocked().is_some() || missing.is_some();
        if self.json {
            json_line(
                json!({ "schema": SCHEMA, "plan": plan, "downloads": downloads(plan), "missing": missing.map(|f| f.causes) }),
            );
        } else {
            self.print(plan, facts, global.detail());
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

    fn print(&self, plan: &Plan, facts: &Facts, detail: Detail) {
        if detail == Detail::Brief {
            out(&render::brief(plan, facts));
            return;
        }
        let parts = PlanParts { all: self.all, diff: self.diff, downloads: self.downloads };
        let parts = if detail == Detail::Full { PlanParts::ALL } else { parts };
        out(&format!("{}{}", render::summary(plan, facts), render::details(plan, facts, parts)));
        if plan.blocked().is_some() || plan.is_empty() {
            return;
        }
        let mut rows = vec![("Apply", "`kind-wsl setup`")];
        if !(parts.diff && parts.all) {
            rows.push(("Details", "kind-wsl plan --diff (also: --downloads, --all)"));
        }
        out(&format!("\nNothing was changed.\n{}", ui::rows(2, &rows)));
    }
}
