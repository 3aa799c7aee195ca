//! `kind-wsl explain`: what a stage is for, or what a message means.

use camino::Utf8Path;
use clap::Args;
use serde_json::json;

use super::prepare::Prepared;
use super::session::Session;
use super::{Global, explain_text};
use crate::error::{Exit, Failure};
use crate::explain::input::Input;
use crate::facts::Facts;
use crate::plan::{Plan, StageSelection};
use crate::stage::{AnswerKind, Choice, Stage};
use crate::stages::{self, STAGES};
use crate::ui::{self, BOLD, DIM, Detail, columns, json_line, out, render, styled};

/// The flags of `explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "For a stage, -v also shows the possible answers; -q shows only its status on this machine. For a message, -v \
                  shows every symptom in full; -q shows only what it is and the fix.\n\n\
                  Exit codes: 0 explained, 1 unknown message (with --json 0 and an empty list), 2 unknown stage.\n\n\
                  Examples:\n  kind-wsl explain                                    the stages\n  kind-wsl explain cgroup                             \
                  what a stage is for\n  kind-wsl explain 'crun: unknown version specified'  what a message means\n  \
                  kind-wsl explain build.log                          a file\n  kind-wsl kind create cluster 2>&1 | kind-wsl explain -"
)]
pub(crate) struct Explain {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A stage, an error message (in quotes), a file, or `-` for standard input; without it, list the stages
    #[arg(value_name = "STAGE|TEXT|FILE|-")]
    words: Vec<String>,
}

impl Explain {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let input = match self.words.as_slice() {
            [] => return Ok(self.stages(STAGES, global.detail())),
            [word] if word == "-" => explain_text::from_input()?,
            [word] => {
                if let Some(stage) = STAGES.iter().find(|s| s.id == word) {
                    return if self.json {
                        Ok(self.stages(&[stage], Detail::Full))
                    } else {
                        explain(stage, global)
                    };
                }
                match explain_text::from_file(word)? {
                    Some(input) => input,
                    None => self.one_word(word)?,
                }
            }
            words => Input { text: words.join(" "), left_out: 0 },
        };
        if self.json {
            explain_text::as_json(&input, global)
        } else {
            explain_text::for_people(&input, global)
        }
    }

    /// What is neither a stage nor a file: a message, unless it looks like the name of either.
    fn one_word(&self, word: &str) -> Result<Input, Failure> {
        let input = Input { text: word.to_owned(), left_out: 0 };
        let is_name = !word.trim().is_empty() && !word.contains(char::is_whitespace);
        if !is_name || self.json || !explain_text::matches(word)?.is_empty() {
            return Ok(input);
        }
        let is_log = matches!(Utf8Path::new(word).extension(), Some("log" | "txt" | "out"));
        if word.contains('/') || is_log {
            let hint = "`-` reads standard input: `… 2>&1 | kind-wsl explain -`";
            return Err(Failure::usage(format!("there is no file `{word}`"), hint));
        }
        stages::by_id(word)?;
        Ok(input)
    }

    fn stages(&self, stages: &[&Stage], detail: Detail) -> Exit {
        if self.json {
            let stages =
                stages.iter().map(|s| json!({ "id": s.id, "title": s.title, "from": s.from, "why": s.why }));
            json_line(json!({ "stages": stages.collect::<Vec<_>>() }));
            return Exit::Done;
        }
        for stage in stages {
            match detail {
                Detail::Brief => out(stage.id),
                _ => out(&columns(&[(stage.id, 15, BOLD), (stage.from, 18, DIM)], stage.title, ui::width())),
            }
            if detail == Detail::Full {
                out(&columns(&[("", 2, DIM)], stage.why, ui::width()));
            }
        }
        Exit::Done
    }
}

fn explain(stage: &Stage, global: &Global) -> Result<Exit, Failure> {
    let detail = global.detail();
    let prepared = Session::new(global, None).map(Prepared::new);
    if detail == Detail::Brief {
        return prepared.and_then(|prepared| here(&prepared, stage, detail)).map(|()| Exit::Done);
    }
    out(&format!(
        "{}: {} {}\n",
        styled(BOLD, stage.id),
        stage.title,
        styled(DIM, &format!("(from: {})", stage.from))
    ));
    out(&ui::wrap(stage.why, ui::width()).join("\n"));
    // Without a user, this machine cannot be planned; the stage is explained anyway.
    let facts = prepared.as_ref().ok().map(|prepared| &prepared.facts);
    questions(stage, facts.filter(|_| detail == Detail::Full));
    if let Ok(prepared) = prepared {
        out("");
        here(&prepared, stage, detail)?;
    }
    Ok(Exit::Done)
}

/// The questions of a stage; with facts also their possible answers and the default on that machine.
fn questions(stage: &Stage, facts: Option<&Facts>) {
    if stage.questions.is_empty() {
        return;
    }
    out(&format!("\n{}", styled(BOLD, "it asks")));
    for question in stage.questions {
        let values = match question.form {
            AnswerKind::YesNo => " yes|no",
            AnswerKind::Choice(_) | AnswerKind::Open(..) => " VALUE",
        };
        let flag = format!("  --{}{values}", question.flag());
        out(&columns(
            &[(&flag, 28, BOLD)],
            &format!("{} (or {})", question.help, question.variable()),
            ui::width(),
        ));
        let Some(facts) = facts else { continue };
        let choices = match question.form {
            AnswerKind::YesNo => vec![Choice::new("yes", ""), Choice::new("no", "")],
            AnswerKind::Choice(choices) | AnswerKind::Open(choices, _) => choices(facts),
        };
        let default = (question.default)(facts);
        for Choice { value, label } in choices {
            let mark = if value == default { "default" } else { "" };
            let text =
                [label.as_str(), mark].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("; ");
            out(&columns(&[("", 4, DIM), (&value, 24, DIM)], &text, ui::width()));
        }
    }
}

fn here(prepared: &Prepared, stage: &Stage, detail: Detail) -> Result<(), Failure> {
    let Prepared { session, facts, answers } = prepared;
    let selection = StageSelection { only: vec![stage.id.to_owned()], ..StageSelection::default() };
    let plan = Plan::make(&session.host, facts, answers, &selection)?;
    let Some(planned) = plan.stages.iter().find(|s| s.id == stage.id) else { return Ok(()) };
    let line = format!("{}: {}", planned.verdict.name(), planned.why);
    if detail == Detail::Brief {
        out(&line);
        return Ok(());
    }
    out(&format!(
        "{}\n{}",
        styled(BOLD, "on this machine"),
        ui::wrap(&format!("  {line}"), ui::width()).join("\n  ")
    ));
    if let Some(hint) = &planned.hint {
        out(&ui::wrap(&format!("  {hint}"), ui::width()).join("\n  "));
    }
    for file in &plan.files {
        out(&render::diff(file));
    }
    for target in &planned.besides {
        out(&format!("  {target}"));
    }
    Ok(())
}
