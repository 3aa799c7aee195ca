//! `kind-wsl setup`: plans, asks for consent, and applies.

mod consent;
mod done;

use std::time::Instant;

use clap::Args;

use super::plan::PlanCommand;
use super::prepare;
use super::prepare::{args as args_of, source, with_defaults};
use super::restart::{Bystanders, Restarting};
use super::session::{Session, switches};
use super::sources::check_downloads;
use super::trust::settle_crun;
use super::{Global, StageArgs};
use crate::change::{Change, ChangeKind};
use crate::engine::{EngineError, RunOutcome, Steps};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::facts::user::refuse_root;
use crate::fetch::Fetcher;
use crate::journal::{self, RunOptions};
use crate::plan::Plan;
use crate::stage::Answers;
use crate::ui::{self, DIM, out, styled};
use crate::windows;
use consent::Proposal;

/// The flags of `setup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kind-wsl setup              show the plan, ask, set up\n  \
                  kind-wsl setup --yes        use the recommended answers")]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Setup {
    #[command(flatten)]
    choosing: StageArgs,
    /// Use the recommended answers; do not prompt
    #[arg(short, long)]
    yes: bool,
    /// Exit with code 3 instead of restarting WSL
    #[arg(long)]
    no_restart: bool,
    /// Resume after this restart
    #[arg(long, value_name = "ID", hide = true)]
    resume: Option<String>,
    /// Show the plan; change nothing
    #[arg(long, conflicts_with_all = ["resume", "agreed"])]
    dry_run: bool,
    /// Print events as JSON lines
    #[arg(long)]
    json: bool,
    /// The digest of the plan that was confirmed before the run became root
    #[arg(long, value_name = "DIGEST", require_equals = true, hide = true)]
    agreed: Option<String>,
}

impl Setup {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        if self.dry_run {
            return PlanCommand::of(&self.choosing, self.json).run(global);
        }
        self.choosing.selection()?;
        self.choosing.check_source()?;
        let mut session = Session::new(global, self.choosing.windows_profile.as_ref())?;
        self.choosing.make_assumptions(&mut session)?;
        refuse_root(&session.host, &session.user)?;
        session.journal_state.refuse_unfinished()?;
        self.take_note_of_the_restart(&session)?;
        let facts = session.facts();
        let mut answers = self.choosing.answers(global, &session, &facts)?;
        let chosen = self.choosing.chosen(&session.journal_state)?;
        let chosen = RunOptions { config_home: session.user.config_home.clone(), ..chosen };
        let selection = &chosen.selection;
        let resumes = session.journal_state.is_interrupted();
        if self.agreed.is_none() {
            self.require_answers(&facts, &answers, selection)?;
            settle_crun(&facts, &mut answers, &source(&chosen), !self.yes)?;
        }
        let mut plan = prepare::plan(&session, &facts, &answers, selection)?.from(source(&chosen));
        if self.agreed.is_none() && plan.blocked().is_some() && self.can_ask() {
            Self::decide(&facts, &mut answers, selection)?;
            plan = prepare::plan(&session, &facts, &answers, selection)?.from(source(&chosen));
        }
        // While a restart is pending, the engine decides: it checks whether the restart took place.
        if session.journal_state.waiting.is_none() {
            refuse_blocked(&plan)?;
            check_downloads(&plan, facts.arch)?;
        }
        if plan.is_empty() && !resumes && facts.verified.is_some() {
            self.nothing_to_do(&session, &facts);
            return Ok(Exit::Done);
        }
        let proposal =
            Proposal { session: &session, facts: &facts, answers: &answers, chosen: &chosen, plan: &plan };
        let mut agreed = self.standing(&proposal)?;
        if agreed.is_none() {
            if !self.is_agreed(&session, &facts, &mut answers, selection, &mut plan)? {
                return Ok(Exit::Interrupted);
            }
            // Asked now, so that setup does not stop in the middle for it.
            if let Some(scope) = plan.restart.filter(|_| !self.no_restart) {
                Bystanders::of(&session, &facts, scope).agreed(&mut answers, !self.yes)?;
            }
        }
        let answers = with_defaults(&facts, &answers);
        let proposal =
            Proposal { session: &session, facts: &facts, answers: &answers, chosen: &chosen, plan: &plan };
        let now = proposal.agreement(self.yes);
        if session.host.is_live() && !session.host.is_root() {
            let args = self.args(global, &session, &answers, &chosen, &now.digest);
            return Err(session.become_root(global, args, Some(&chosen)));
        }
        let agreed = Some(agreed.take().unwrap_or(now));
        let chosen = RunOptions { agreed, ..chosen };
        self.work(global, &session, &facts, &answers, &chosen, &plan)
    }

    /// The arguments of this run for root, with the consent and all answers.
    fn args(
        &self,
        global: &Global,
        session: &Session,
        answers: &Answers,
        chosen: &RunOptions,
        agreed: &str,
    ) -> Vec<String> {
        let (agreed, user) = (format!("--agreed={agreed}"), format!("--user={}", session.user.name));
        let mut args = vec!["setup".to_owned(), agreed, user];
        args.extend(args_of(chosen));
        args.extend(answers.0.iter().map(|(id, answer)| format!("--{}={answer}", id.replace('_', "-"))));
        args.extend(self.resume.iter().map(|id| format!("--resume={id}")));
        let own = [("--yes", self.yes), ("--json", self.json), ("--no-restart", self.no_restart)];
        args.extend(switches(global, &own));
        args
    }

    fn work(
        &self,
        global: &Global,
        session: &Session,
        facts: &Facts,
        answers: &Answers,
        chosen: &RunOptions,
        plan: &Plan,
    ) -> Result<Exit, Failure> {
        let started = Instant::now();
        let stop = Session::stop();
        let fetcher = Fetcher::new(&session.host, source(chosen), plan.downloads().cloned().collect());
        let reporter = ui::reporter(self.json, global.verbose, global.quiet);
        let ended = session
            .with_engine(fetcher, reporter, &stop, Steps::of(plan), |engine| engine.setup(answers, chosen))
            .map_err(|error| failure(error, session, plan))?;
        let RunOutcome::Restart(awaited) = &ended else {
            return Ok(self.end(session, &ended, started));
        };
        let restarting = Restarting {
            session,
            facts,
            answers,
            awaited,
            by_hand: self.no_restart || self.resume.is_some(),
            may_ask: !self.yes,
            json: self.json,
        };
        restarting.act(&stop)
    }

    /// Refuses a run that was started after another restart, and shows the outcome of the restart.
    fn take_note_of_the_restart(&self, session: &Session) -> Result<(), Failure> {
        let Some(id) = &self.resume else { return Ok(()) };
        let Some(waiting) = &session.journal_state.waiting else { return Ok(()) };
        if waiting.id != *id {
            let text = format!(
                "this run belongs to restart `{id}`, but setup is waiting for restart `{}`",
                waiting.id
            );
            return Err(Failure::new(text, Some("close this window and run `kind-wsl setup`".to_owned())));
        }
        let outcome = windows::read_result(&session.host, &session.journal_state.places, id);
        if let Some(outcome) = outcome.filter(|_| !self.json) {
            out(&styled(DIM, &format!("The restart: {}.", windows::describe(&outcome))));
        }
        Ok(())
    }
}

/// Adds the number of applied changes to a failure: they stay.
fn failure(error: EngineError, session: &Session, plan: &Plan) -> Failure {
    if matches!(error, EngineError::Journal(_)) {
        return error.into();
    }
    let state = journal::read(&session.host).unwrap_or_default();
    let made = if state.finished.is_some() { 0 } else { state.made };
    let earlier = if session.journal_state.is_interrupted() { session.journal_state.made } else { 0 };
    let is_counted = |change: &&Change| !change.ephemeral && !matches!(change.kind, ChangeKind::Restart(_));
    let all = (earlier + plan.changes().filter(is_counted).count()).max(made);
    let count = format!("{made} of {all} changes {} applied.", if made == 1 { "was" } else { "were" });
    let after = format!("{count} Resume: kind-wsl setup   Revert: kind-wsl undo");
    Failure { after: Some(after), ..error.into() }
}

fn refuse_blocked(plan: &Plan) -> Result<(), Failure> {
    let Some(stage) = plan.blocked() else { return Ok(()) };
    let text = format!("stage `{}` cannot be set up: {}", stage.id, stage.why);
    Err(Failure::new(text, stage.hint.clone()))
}
