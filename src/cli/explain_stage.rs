//! The output of `kind-wsl explain` for a stage.

use serde_json::{Value, json};

use super::Global;
use super::prepare::Prepared;
use super::session::Session;
use crate::error::Failure;
use crate::facts::Facts;
use crate::plan::{Plan, Planned, StageSelection};
use crate::stage::{AnswerKind, Choice, Stage};
use crate::ui::{self, BOLD, DIM, Detail, columns, out, render, styled};

/// Returns the stages as JSON.
pub(super) fn as_json(stages: &[&Stage]) -> Value {
    stages.iter().map(|s| json!({ "id": s.id, "title": s.title, "from": s.from, "why": s.why })).collect()
}

/// Prints a row with a label.
pub(super) fn row(label: &str, text: &str) {
    out(&ui::rows(0, &[(styled(BOLD, &format!("{label:7}")), text)]));
}

/// Prints a stage.
pub(super) fn show(stage: &Stage, global: &Global) -> Result<(), Failure> {
    let detail = global.detail();
    // Without a regular user no plan is possible; the stage is explained anyway.
    let prepared = Session::new(global, None).map(Prepared::new);
    if detail == Detail::Brief {
        let plan = plan(&prepared?, stage)?;
        if let Some(planned) = plan.stages.iter().find(|s| s.id == stage.id) {
            out(&status(planned));
        }
        return Ok(());
    }
    out(&format!("{}: {}", styled(BOLD, stage.id), stage.title));
    let plan = prepared.as_ref().ok().map(|prepared| plan(prepared, stage)).transpose()?;
    if let Some(planned) = plan.as_ref().and_then(|plan| plan.stages.iter().find(|s| s.id == stage.id)) {
        row("Status", &status(planned));
        if let Some(hint) = &planned.hint {
            row("", hint);
        }
    }
    row("Why", stage.why);
    if let Some(plan) = &plan {
        changes(plan, stage, detail);
    }
    let facts = prepared.as_ref().ok().map(|prepared| &prepared.facts);
    questions(stage, facts, detail);
    row("Source", source(stage));
    Ok(())
}

fn plan(prepared: &Prepared, stage: &Stage) -> Result<Plan, Failure> {
    let Prepared { session, facts, answers } = prepared;
    let selection = StageSelection { only: vec![stage.id.to_owned()], ..StageSelection::default() };
    Ok(Plan::make(&session.host, facts, answers, &selection)?)
}

fn status(planned: &Planned) -> String {
    format!("{}: {}", planned.verdict.name(), planned.why)
}

/// The source of a stage: a URL or a file.
fn source(stage: &Stage) -> &'static str {
    const KIND: &str = "https://kind.sigs.k8s.io/docs/user/rootless/";
    const ARTICLE: &str = "docs/explanation/deep-dive.md";
    match stage.from {
        "kind docs" | "upstream guide, kind docs" => KIND,
        "upstream guide" => ARTICLE,
        other => other,
    }
}

/// Prints the planned changes of the stage; with `-v` as diffs.
fn changes(plan: &Plan, stage: &Stage, detail: Detail) {
    let planned = plan.stages.iter().filter(|s| s.id == stage.id);
    let files = plan.files.iter().map(|file| file.path.to_string());
    let besides = planned.flat_map(|s| &s.besides).map(ToString::to_string);
    for (number, target) in files.chain(besides).enumerate() {
        row(if number == 0 { "Changes" } else { "" }, &target);
    }
    if plan.files.is_empty() {
        return;
    }
    if detail == Detail::Full {
        for file in &plan.files {
            out(&render::diff(file));
        }
    } else {
        row("", &format!("(show: kind-wsl plan --only {} --diff)", stage.id));
    }
}

/// Prints the options of a stage with their defaults on this machine; with `-v` also the variables and the values.
fn questions(stage: &Stage, facts: Option<&Facts>, detail: Detail) {
    for (number, question) in stage.questions.iter().enumerate() {
        let values = match question.form {
            AnswerKind::YesNo => " yes|no",
            AnswerKind::Choice(_) | AnswerKind::Open(..) => " VALUE",
        };
        let flag = format!("--{}{values}", question.flag());
        let default = facts.map(|facts| (question.default)(facts)).filter(|default| !default.is_empty());
        let shown = default.as_ref().map_or_else(String::new, |default| format!(" (default: {default})"));
        row(if number == 0 { "Options" } else { "" }, &format!("{}{shown}", styled(BOLD, &flag)));
        out(&columns(&[("", 13, DIM)], question.help, ui::width()));
        let (Some(facts), Detail::Full) = (facts, detail) else { continue };
        out(&columns(&[("", 13, DIM), ("variable", 24, DIM)], &question.variable(), ui::width()));
        for Choice { value, label } in question.choices(facts) {
            out(&columns(&[("", 13, DIM), (&value, 24, DIM)], &label, ui::width()));
        }
    }
}
