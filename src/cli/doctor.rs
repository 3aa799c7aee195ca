//! `kind-wsl doctor`: what is wrong, what it means for kind, what to do.

use clap::Args;
use serde_json::json;

use super::Global;
use super::session::{Session, with_defaults};
use crate::doctor::{Diagnosis, Examination, Patient, SCHEMA, Verdict, View, examinations, examine, predict};
use crate::error::{Exit, Failure};
use crate::host::Recorder;
use crate::near::closest;
use crate::stage::Answers;
use crate::ui::{self, BOLD, CYAN, DIM, GREEN, RED, YELLOW, columns, json_line, out, styled, width};

/// The flags of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "-q shows only the checks that warn or fail.\n\nExit code: 4 if a check fails, otherwise 0; warnings do not count.\n\nExamples:\n  kind-wsl \
                  doctor                      all checks\n  kind-wsl doctor --only kind-wrapper  what kind will say\n  kind-wsl doctor --json              for programs"
)]
pub(crate) struct Doctor {
    /// These checks alone.
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<String>,
    /// List the checks.
    #[arg(long)]
    list: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let checks = self.chosen()?;
        if self.list {
            for check in checks {
                out(&columns(&[(check.id, 16, BOLD)], check.what, width()));
            }
            return Ok(Exit::Done);
        }
        let session = Session::new(global, None)?;
        let facts = session.facts();
        let answers = with_defaults(&facts, &Answers(session.journal_state.answers.clone()));
        // Several checks ask podman the same; it is asked once.
        let memo = Recorder::new(&session.host);
        let patient = Patient { system: &memo, facts: &facts, answers: &answers };
        let found = examine(&patient, &checks, |seen| {
            if !self.json {
                show(seen, global.quiet);
            }
        });
        let count = |verdict| found.iter().filter(|d| d.finding.verdict == verdict).count();
        let (wrong, doubtful) = (count(Verdict::Wrong), count(Verdict::Doubtful));
        if self.json {
            let predictions = [View::Shell, View::Wrapper].map(|view| predict(&patient, view));
            let [shell, wrapper] = &predictions;
            json_line(json!({
                "schema": SCHEMA, "checks": found, "prediction": { "shell": shell, "wrapper": wrapper },
                "wrong": wrong, "doubtful": doubtful
            }));
        } else {
            out(&conclusion(wrong, doubtful));
        }
        Ok(if wrong > 0 { Exit::Found } else { Exit::Done })
    }

    fn chosen(&self) -> Result<Vec<&'static Examination>, Failure> {
        let all = examinations();
        for id in &self.only {
            if all.iter().all(|e| e.id != id) {
                let ids = || all.iter().map(|e| e.id);
                let near =
                    closest(id, ids()).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                let hint = format!("{near}The checks are: {}", ids().collect::<Vec<_>>().join(", "));
                return Err(Failure::usage(format!("there is no check `{id}`"), hint));
            }
        }
        let wanted = |e: &&Examination| self.only.is_empty() || self.only.iter().any(|id| id == e.id);
        Ok(all.into_iter().filter(wanted).collect())
    }
}

fn show(seen: &Diagnosis, quiet: bool) {
    let finding = &seen.finding;
    let (mark, style) = match finding.verdict {
        Verdict::Ok => ("ok", GREEN),
        Verdict::Doubtful => ("doubtful", YELLOW),
        Verdict::Wrong => ("wrong", RED),
        Verdict::NotApplicable => ("not here", DIM),
        Verdict::Unknown => ("unknown", YELLOW),
    };
    let is_bad = matches!(finding.verdict, Verdict::Wrong | Verdict::Doubtful);
    if quiet && !is_bad {
        return;
    }
    out(&columns(&[(mark, 10, style), (seen.id, 16, BOLD)], &finding.evidence, width()));
    if is_bad {
        let row = |label: &str, text: &str, style| {
            out(&columns(&[("", 10, DIM), (label, 16, DIM)], &styled(style, text), width()));
        };
        row("then", &finding.consequence, DIM);
        row("do", finding.fix.text(), CYAN);
    }
}

fn conclusion(wrong: usize, doubtful: usize) -> String {
    let plural = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let doubts = if doubtful == 0 {
        String::new()
    } else {
        format!(" {} doubtful.", plural(doubtful, "thing is", "things are"))
    };
    if wrong == 0 {
        return format!("\n{}{doubts}", styled(GREEN.bold(), "Nothing is wrong."));
    }
    let text = format!("{} wrong.", plural(wrong, "thing is", "things are"));
    let hint = ui::wrap(
        "Run `kind-wsl setup` to fix these if it can; `kind-wsl plan` shows what it would do.",
        width(),
    )
    .join("\n");
    format!("\n{}{doubts}\n{hint}", styled(RED.bold(), &text))
}
