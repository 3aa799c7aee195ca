//! Consent to a plan: asked once, passed to the run as root, and valid for the remaining changes of an interrupted setup.

use super::super::prepare;
use super::super::prepare::{args as args_of, open_questions, with_defaults};
use super::super::session::Session;
use super::super::sources::check_downloads;
use super::Setup;
use crate::change::RestartScope;
use crate::error::Failure;
use crate::facts::Facts;
use crate::journal::{Agreement, RunOptions};
use crate::plan::{Plan, StageSelection};
use crate::stage::Answers;
use crate::stages::restart::RESTART_ALL;
use crate::ui::render::{self, PlanParts};
use crate::ui::{self, BOLD, Consent, YELLOW, columns, out, styled};

/// A plan and the choices that it is based on.
pub(super) struct Proposal<'p> {
    pub(super) session: &'p Session,
    pub(super) facts: &'p Facts,
    pub(super) answers: &'p Answers,
    pub(super) chosen: &'p RunOptions,
    pub(super) plan: &'p Plan,
}

impl Proposal<'_> {
    /// The agreement to this plan.
    pub(super) fn agreement(&self, yes: bool) -> Agreement {
        let mut answers = with_defaults(self.facts, self.answers).0;
        answers.remove(RESTART_ALL.id);
        let chosen = RunOptions { agreed: None, ..self.chosen.without_secrets() };
        let choices = (&self.session.user.name, answers, chosen);
        let changes = self.plan.stages.iter().flat_map(|stage| &stage.wanted);
        Agreement::new(changes, self.plan.restart, &choices, yes)
    }

    /// The agreement of the run that is resumed, or the differences from the confirmed plan.
    pub(super) fn earlier(&self) -> Result<Agreement, Vec<String>> {
        let journal_state = &self.session.journal_state;
        let Some(agreed) = &journal_state.chosen.agreed else {
            return Err(vec!["the plan of the interrupted setup was not recorded".to_owned()]);
        };
        let mut differences = self.choices();
        if !agreed.yes {
            let new = agreed.uncovered(self.plan.changes());
            differences.extend(new.iter().map(|target| format!("new: {target}")));
            if self.plan.restart > agreed.restart {
                differences.push(format!("new: restart {}", scope(self.plan.restart)));
            }
        }
        if differences.is_empty() { Ok(agreed.clone()) } else { Err(differences) }
    }

    /// The choices that differ from those of the run that is resumed.
    fn choices(&self) -> Vec<String> {
        let journal_state = &self.session.journal_state;
        let (now, then) = (self.chosen.without_secrets(), &journal_state.chosen);
        let mut differences = Vec::new();
        if (&now.selection, &now.windows_profile) != (&then.selection, &then.windows_profile) {
            let flags = |chosen: &RunOptions| {
                let flags = args_of(&RunOptions { mirror: None, offline: None, ..chosen.clone() }).join(" ");
                if flags.is_empty() { "all stages".to_owned() } else { format!("`{flags}`") }
            };
            differences.push(format!("{} instead of {}", flags(&now), flags(then)));
        }
        if (&now.mirror, &now.offline) != (&then.mirror, &then.offline) {
            differences.push("another source of downloads".to_owned());
        }
        for (id, was) in journal_state.answers.iter().filter(|(id, _)| *id != RESTART_ALL.id) {
            let flag = id.replace('_', "-");
            if let Some(is) = self.answers.0.get(id).filter(|is| *is != was) {
                differences.push(format!("`--{flag} {is}` instead of `--{flag} {was}`"));
            }
        }
        differences
    }
}

fn scope(scope: Option<RestartScope>) -> &'static str {
    match scope {
        Some(RestartScope::Vm) => "WSL with all its distributions",
        Some(RestartScope::Distro) => "this distribution",
        Some(RestartScope::Machine) | None => "the machine",
    }
}

impl Setup {
    /// The existing agreement: of an interrupted run, or of the run that became root. `None` if consent is needed.
    ///
    /// # Errors
    /// If the plan differs from the agreement and there is no terminal to ask on.
    pub(super) fn standing(&self, proposal: &Proposal<'_>) -> Result<Option<Agreement>, Failure> {
        let resumes = proposal.session.journal_state.is_interrupted();
        let can_ask = ui::is_interactive() && !self.json;
        if let Some(digest) = &self.agreed {
            let mine = proposal.agreement(self.yes);
            if mine.digest == *digest {
                // The agreement to the larger plan stays in force.
                return Ok(Some(proposal.earlier().ok().filter(|_| resumes).unwrap_or(mine)));
            }
            // In the middle of a setup root may read more than the user, so the plans can differ. The agreement in the
            // journal still covers them.
            if let Some(agreed) = proposal.earlier().ok().filter(|_| resumes) {
                return Ok(Some(agreed));
            }
            if self.yes {
                return Ok(None);
            }
            let text = "the plan differs from the confirmed one: the machine or the command line changed";
            if !can_ask {
                return Err(Failure::usage(text, "run `kind-wsl setup` again"));
            }
            changed("The plan changed since you confirmed it.");
            return Ok(None);
        }
        if !resumes {
            return Ok(None);
        }
        let differences = match proposal.earlier() {
            Ok(agreed) => return Ok(Some(agreed)),
            Err(_) if self.yes => return Ok(None),
            Err(differences) => differences,
        };
        if !can_ask {
            let text = "the plan differs from the confirmed one; no terminal to confirm the new one";
            let hint = "confirm the new plan with `--yes`; `kind-wsl plan` shows it";
            return Err(Failure { causes: differences, ..Failure::usage(text, hint) });
        }
        changed(&format!("The plan differs from the one that you confirmed: {}.", differences.join("; ")));
        Ok(None)
    }

    /// Whether questions can be asked.
    pub(super) fn can_ask(&self) -> bool {
        !self.yes && !self.json && ui::is_interactive()
    }

    /// Requires an answer to each question without a safe default if no question can be asked.
    ///
    /// # Errors
    /// Lists the missing flags.
    pub(super) fn require_answers(
        &self,
        facts: &Facts,
        answers: &Answers,
        selection: &StageSelection,
    ) -> Result<(), Failure> {
        if self.yes || self.can_ask() {
            return Ok(());
        }
        let open = open_questions(facts, answers, selection).into_iter().filter(|q| q.is_always_asked(facts));
        let open: Vec<_> = open.map(|q| format!("`--{}` ({})", q.flag(), q.prompt)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let text = format!("no terminal to prompt on; missing answers: {}", open.join(", "));
        Err(Failure::usage(text, "set these flags, or use the recommended answers with `--yes`"))
    }

    /// Asks the questions without a safe default, because the plan is blocked without their answers.
    pub(super) fn decide(
        facts: &Facts,
        answers: &mut Answers,
        selection: &StageSelection,
    ) -> Result<(), Failure> {
        // One by one: an answer can make another question unnecessary.
        while let Some(question) =
            open_questions(facts, answers, selection).into_iter().find(|q| q.is_always_asked(facts))
        {
            let answer = ui::ask(question, facts, &(question.default)(facts))?;
            answers.set(question.id, question.accept(&answer, facts)?);
        }
        Ok(())
    }

    /// Shows the plan and asks for consent.
    pub(super) fn is_agreed(
        &self,
        session: &Session,
        facts: &Facts,
        answers: &mut Answers,
        selection: &StageSelection,
        plan: &mut Plan,
    ) -> Result<bool, Failure> {
        if self.yes {
            if !self.json {
                out(&render::summary(plan, facts));
                out("\nYou can revert everything at any time with: kind-wsl undo\n");
            }
            return Ok(true);
        }
        if !self.can_ask() {
            return Err(Failure::usage(
                "no terminal to confirm the plan",
                "confirm it with `--yes`; `kind-wsl plan` shows it",
            ));
        }
        let show = |plan: &Plan, answers: &Answers| {
            out(&render::summary(plan, facts));
            let questions = open_questions(facts, &Answers::default(), selection);
            if !questions.is_empty() {
                let options = render::options(&questions, &with_defaults(facts, answers), facts);
                out(&format!("\n{}\n{options}", styled(BOLD, "Options")));
            }
            out("\nYou can revert everything at any time with: kind-wsl undo\n");
        };
        show(plan, answers);
        loop {
            match ui::consent()? {
                Consent::Proceed => return Ok(true),
                Consent::Cancel => return Ok(false),
                Consent::ShowDiffs => {
                    let parts = PlanParts { all: false, ..PlanParts::ALL };
                    out(&format!("{}\n", render::details(plan, facts, parts)));
                }
                Consent::Customize => {
                    let known = with_defaults(facts, answers);
                    let mut mine = Answers::default();
                    // One by one: another provider makes the questions about podman unnecessary.
                    while let Some(question) = open_questions(facts, &mine, selection).into_iter().next() {
                        let answer = ui::ask(question, facts, known.get(question).unwrap_or_default())?;
                        let answer = question.accept(&answer, facts)?;
                        mine.set(question.id, answer.clone());
                        answers.set(question.id, answer);
                    }
                    *plan = prepare::plan(session, facts, answers, selection)?.from(plan.source.clone());
                    super::refuse_blocked(plan)?;
                    check_downloads(plan, facts.arch)?;
                    show(plan, answers);
                }
            }
        }
    }
}

fn changed(text: &str) {
    out(&columns(&[("! ", 2, YELLOW)], text, ui::width()));
}
