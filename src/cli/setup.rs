//! `kind-wsl setup`: the one command.

use clap::Args;
use serde_json::json;

use super::restart::{Bystanders, Restarting};
use super::session::{Session, args as args_of, open_questions, source, switches, with_defaults};
use super::sources::check_downloads;
use super::trust::settle_crun;
use super::{Choosing, Global};
use crate::engine::{Ended, Engine, EngineError};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::facts::user::refuse_root;
use crate::fetch::Fetcher;
use crate::host::is_aborted;
use crate::journal::Chosen;
use crate::plan::{Plan, Selection};
use crate::provider::Provider;
use crate::stage::Answers;
use crate::ui::{self, BOLD, Consent, DIM, GREEN, YELLOW, columns, out, render, styled};
use crate::windows::Outcome;

/// The flags of `setup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl setup                       ask, show the plan, do it\n  kind-wsl setup --yes                 take the recommended \
                  answers\n  kind-wsl setup --only systemd,cgroup these stages alone"
)]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Setup {
    #[command(flatten)]
    choosing: Choosing,
    /// Ask nothing: take the recommended answers, and go ahead.
    #[arg(short, long)]
    yes: bool,
    /// End with exit code 3 where a restart is needed, without starting it.
    #[arg(long)]
    no_restart: bool,
    /// Go on after this restart, for whoever did it.
    #[arg(long, value_name = "ID", hide = true)]
    resume: Option<String>,
    /// Print events as JSON lines.
    #[arg(long)]
    json: bool,
    /// The plan was shown and agreed to by the run that became root.
    #[arg(long, hide = true)]
    agreed: bool,
}

impl Setup {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        self.choosing.selection()?;
        self.choosing.check_source()?;
        let session = Session::new(global, self.choosing.windows_profile.as_ref())?;
        refuse_root(&session.host, &session.user)?;
        session.refuse_other_user()?;
        self.take_note_of_the_restart(&session)?;
        let facts = session.facts();
        let mut answers = self.choosing.answers(global, &session, &facts)?;
        let chosen = self.choosing.chosen(&session.ledger)?;
        let selection = &chosen.selection;
        // A run that goes on was agreed to when it began, as far as it was chosen then.
        let resumes = session.ledger.is_interrupted();
        let agreed = self.agreed || (resumes && chosen.selection == session.ledger.chosen.selection);
        if !self.agreed {
            self.decide(&facts, &mut answers, selection)?;
            settle_crun(&facts, &mut answers, &source(&chosen), !self.yes)?;
        }
        let mut plan = session.plan(&facts, &answers, selection)?.from(source(&chosen));
        // What waits for a restart is looked at by the run itself: it knows whether that took place.
        if session.ledger.waiting.is_none() {
            refuse_blocked(&plan)?;
            check_downloads(&plan, facts.arch)?;
        }
        if plan.is_empty() && !resumes && facts.verified.is_some() {
            self.nothing_to_do(&facts);
            return Ok(Exit::Done);
        }
        if !agreed {
            if !self.is_agreed(&session, &facts, &mut answers, selection, &mut plan)? {
                return Ok(Exit::Interrupted);
            }
            // Whoever is asked now is not asked in the middle.
            if let Some(scope) = plan.restart.filter(|_| !self.no_restart) {
                Bystanders::of(&session, &facts, scope).agreed(&mut answers, !self.yes)?;
            }
        }
        let answers = with_defaults(&facts, &answers);
        if session.host.is_live() && !session.host.is_root() {
            let args = self.args(global, &session, &answers, &chosen);
            return Err(session.become_root(global, args, Some(&chosen)));
        }
        self.work(global, &session, &facts, &answers, &chosen, &plan)
    }

    /// Puts the questions that only a person can decide.
    fn decide(&self, facts: &Facts, answers: &mut Answers, selection: &Selection) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        // One by one: an answer can make another question needless.
        while let Some(question) =
            open_questions(facts, answers, selection).into_iter().find(|q| q.is_for_everybody(facts))
        {
            if !ui::is_interactive() {
                let open = open_questions(facts, answers, selection)
                    .into_iter()
                    .filter(|q| q.is_for_everybody(facts));
                let open: Vec<_> = open.map(|q| format!("`--{}` ({})", q.flag(), q.prompt)).collect();
                let text = format!("nobody is there to answer {}", open.join(", "));
                let hint = "answer with these flags, or take the recommended answers with `--yes`";
                return Err(Failure::usage(text, hint));
            }
            let answer = ui::ask(question, facts, &(question.default)(facts))?;
            answers.give(question.id, question.accept(&answer, facts)?);
        }
        Ok(())
    }

    /// Shows the plan and asks for consent.
    fn is_agreed(
        &self,
        session: &Session,
        facts: &Facts,
        answers: &mut Answers,
        selection: &Selection,
        plan: &mut Plan,
    ) -> Result<bool, Failure> {
        if !self.json {
            out(&render::plan(plan, facts));
            out("");
        }
        if self.yes {
            return Ok(true);
        }
        if !ui::is_interactive() {
            return Err(Failure::usage(
                "nobody is there to agree to the plan",
                "agree with `--yes`; `kind-wsl plan` shows it",
            ));
        }
        loop {
            match ui::consent(true)? {
                Consent::Go => return Ok(true),
                Consent::Stop => return Ok(false),
                Consent::Change => {
                    let known = with_defaults(facts, answers);
                    let mut mine = Answers::default();
                    // One by one: another provider makes podman's questions needless.
                    while let Some(question) = open_questions(facts, &mine, selection).into_iter().next() {
                        let answer = ui::ask(question, facts, known.get(question.id).unwrap_or_default())?;
                        let answer = question.accept(&answer, facts)?;
                        mine.give(question.id, answer.clone());
                        answers.give(question.id, answer);
                    }
                    *plan = session.plan(facts, answers, selection)?.from(plan.source.clone());
                    refuse_blocked(plan)?;
                    check_downloads(plan, facts.arch)?;
                    out(&render::plan(plan, facts));
                    out("");
                }
            }
        }
    }

    /// The same run, for root: agreed to and fully answered.
    fn args(&self, global: &Global, session: &Session, answers: &Answers, chosen: &Chosen) -> Vec<String> {
        let mut args =
            vec!["setup".to_owned(), "--agreed".to_owned(), format!("--user={}", session.user.name)];
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
        chosen: &Chosen,
        plan: &Plan,
    ) -> Result<Exit, Failure> {
        let stop = Session::stop();
        let mut fetcher = Fetcher::new(&session.host, source(chosen), plan.downloads().cloned().collect());
        let ended = {
            let mut face = ui::face(self.json, global.verbose, global.quiet);
            let mut engine = Engine {
                host: &session.host,
                fetcher: &mut fetcher,
                user: &session.user,
                face: &mut *face,
                stop: &stop,
            };
            engine.setup(answers, chosen).map_err(goes_on)?
        };
        let Ended::Restart(awaited) = &ended else {
            return Ok(self.end(session, &ended, answers.provider()));
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

    /// A run that was started after a restart belongs to that one; what is known of it is said.
    fn take_note_of_the_restart(&self, session: &Session) -> Result<(), Failure> {
        let Some(id) = &self.resume else { return Ok(()) };
        let Some(waiting) = &session.ledger.waiting else { return Ok(()) };
        if waiting.id != *id {
            let text = format!(
                "this run was started after restart `{id}`, and the set-up waits for another one, `{}`",
                waiting.id
            );
            return Err(Failure::new(text, Some("close this window and run `kind-wsl setup`".to_owned())));
        }
        let outcome = Outcome::of(&session.host, &session.ledger.places, id);
        if let Some(outcome) = outcome.filter(|_| !self.json) {
            out(&styled(DIM, &format!("The restart: {}.", outcome.name())));
        }
        Ok(())
    }

    fn nothing_to_do(&self, facts: &Facts) {
        if self.json {
            ui::json_line(json!({ "event": "end", "changed": 0 }));
        } else {
            let text = format!("Nothing to do: everything is as it should be for `{}`.", facts.user.name);
            out(&styled(GREEN, &text));
            out(&next("kind-wsl kind create cluster", "makes a cluster"));
        }
    }

    fn end(&self, session: &Session, ended: &Ended, provider: Provider) -> Exit {
        if self.json {
            ui::json_line(match ended {
                Ended::Done { changed, verified } => {
                    json!({ "event": "end", "changed": changed, "verified": verified })
                }
                Ended::Restart(_) | Ended::Interrupted => json!({ "event": "interrupted" }),
            });
        }
        match ended {
            Ended::Done { changed, verified } if !self.json => {
                let plural = if *changed == 1 { "" } else { "s" };
                // With `--only` and `--skip` it may end where no cluster can be made yet.
                if *verified > 0 || (*changed == 0 && session.ledger.verified.is_some()) {
                    let text =
                        format!("Ready: `{}` can create clusters in rootless {provider}.", session.user.name);
                    out(&format!("\n{}", styled(GREEN.bold(), &text)));
                    out(&format!("  this run made {changed} change{plural}; {verified} checks hold"));
                    out(&next("kind-wsl kind create cluster", "makes a cluster"));
                } else {
                    let text = format!("Done, as far as it was asked for: {changed} change{plural}.");
                    out(&format!("\n{}", styled(GREEN.bold(), &text)));
                    out(&next("kind-wsl setup", "does the rest, and the restart where one is needed"));
                }
                out(&next("kind-wsl undo", "takes everything back"));
                Exit::Done
            }
            Ended::Done { .. } => Exit::Done,
            Ended::Restart(_) => Exit::Restart,
            Ended::Interrupted => {
                if !self.json {
                    let text = if is_aborted() {
                        "Aborted in the middle of a step."
                    } else {
                        "Stopped between two changes; nothing is half done."
                    };
                    out(&format!("\n{}", styled(YELLOW, text)));
                    out(&next("kind-wsl setup", "goes on"));
                }
                Exit::Interrupted
            }
        }
    }
}

/// A failure half-way: what was done stays done.
fn goes_on(error: EngineError) -> Failure {
    let stays =
        matches!(error, EngineError::Change { .. } | EngineError::Follow(_) | EngineError::DidNotTake { .. });
    let mut failure = Failure::from(error);
    if stays {
        let then = "`kind-wsl setup` goes on from here";
        failure.hint = Some(match failure.hint {
            None => format!("{then}, once the cause is mended"),
            Some(hint) if hint.ends_with("run the same command again") => hint,
            Some(hint) => format!("{hint}; then {then}"),
        });
    }
    failure
}

fn refuse_blocked(plan: &Plan) -> Result<(), Failure> {
    let Some(stage) = plan.blocked() else { return Ok(()) };
    let text = format!("stage `{}` can not be set up: {}", stage.id, stage.why);
    Err(Failure::new(text, stage.hint.clone()))
}

fn next(command: &str, what: &str) -> String {
    columns(&[("  ", 2, DIM), (command, 31, BOLD)], what, ui::width())
}
