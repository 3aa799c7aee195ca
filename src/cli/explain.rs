//! `kind-wsl explain STAGE`: what a stage is for.

use clap::Args;

use super::Global;
use super::session::{Session, with_defaults};
use crate::error::{Exit, Failure};
use crate::plan::{Plan, Selection};
use crate::stage::{Answers, Form, Stage};
use crate::stages::{self, STAGES};
use crate::ui::{self, BOLD, DIM, columns, out, render, styled};

/// The flags of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The stage; without one, all of them in a line each.
    #[arg(value_name = "STAGE")]
    stage: Option<String>,
}

impl Explain {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let Some(id) = &self.stage else {
            for stage in STAGES {
                out(&columns(&[(stage.id, 15, BOLD), (stage.from, 18, DIM)], stage.title, ui::width()));
            }
            return Ok(Exit::Done);
        };
        let stage = stages::by_id(id)?;
        let paragraph = |text: &str| out(&ui::wrap(text, ui::width()).join("\n"));
        out(&format!(
            "{}: {} {}\n",
            styled(BOLD, stage.id),
            stage.title,
            styled(DIM, &format!("(from: {})", stage.from))
        ));
        paragraph(stage.why);
        questions(stage);
        // Without a user there is no plan for this machine; the stage is explained all the same.
        if let Ok(session) = Session::new(global, None) {
            out("");
            here(&session, stage)?;
        }
        Ok(Exit::Done)
    }
}

fn questions(stage: &Stage) {
    if stage.questions.is_empty() {
        return;
    }
    out(&format!("\n{}", styled(BOLD, "it asks")));
    for question in stage.questions {
        let values = match question.form {
            Form::YesNo => " yes|no",
            Form::Choice(_) | Form::Open(..) => " VALUE",
        };
        let flag = format!("  --{}{values}", question.flag());
        out(&columns(
            &[(&flag, 28, BOLD)],
            &format!("{} (or {})", question.help, question.variable()),
            ui::width(),
        ));
    }
}

fn here(session: &Session, stage: &Stage) -> Result<(), Failure> {
    let facts = session.facts();
    let answers = with_defaults(&facts, &Answers(session.ledger.answers.clone()));
    let selection = Selection { only: vec![stage.id.to_owned()], ..Selection::default() };
    let plan = Plan::make(&session.host, &facts, &answers, &selection)?;
    let Some(planned) = plan.stages.iter().find(|s| s.id == stage.id) else { return Ok(()) };
    let line = format!("{}: {}", planned.verdict.name(), planned.why);
    out(&format!(
        "{}\n{}",
        styled(BOLD, "on this machine"),
        ui::wrap(&format!("  {line}"), ui::width()).join("\n  ")
    ));
    for file in &plan.files {
        out(&render::diff(file));
    }
    for target in &planned.besides {
        out(&format!("  {target}"));
    }
    Ok(())
}
