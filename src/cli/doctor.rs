//! `kind-wsl doctor`: what is wrong, what it means for kind, what to do.

use camino::Utf8PathBuf;
use clap::Args;
use serde_json::json;

use super::Global;
use super::assume;
use super::prepare::Prepared;
use super::report::Dossier;
use super::session::Session;
use crate::assume::{Assumed, Assumption};
use crate::checks::{self, Check, CheckContext, RunContext, Status, predict};
use crate::doctor::{CheckReport, SCHEMA, run_checks};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::{Recorder, System};
use crate::stage::Answers;
use crate::suggest::did_you_mean;
use crate::ui::{self, BOLD, CYAN, DIM, GREEN, RED, YELLOW, columns, json_line, out, styled, width};

/// The flags of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "-q shows only the checks that warn or fail.\n\nExit code: 4 if a check fails, otherwise 0; warnings do not count.\n\nExamples:\n  kind-wsl \
                  doctor                      all checks\n  kind-wsl doctor --only kind-wrapper  what kind will say\n  kind-wsl doctor --json              for programs\n  kind-wsl doctor --facts report.json  the machine of a `kind-wsl report`\n  \
                  kind-wsl doctor --assume wsl=3.0.1   what an update of WSL changes"
)]
pub(crate) struct Doctor {
    /// These checks alone.
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<String>,
    /// Examine the machine that a report describes
    #[arg(long, value_name = "FILE")]
    facts: Option<Utf8PathBuf>,
    /// Show what other versions change, such as wsl=3.0.1,podman=6.1,systemd=259,kernel=6.18
    #[arg(long, value_name = "PROGRAM=VERSION", value_delimiter = ',')]
    assume: Vec<Assumption>,
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
                out(&columns(&[(check.id, 16, BOLD)], check.title, width()));
            }
            return Ok(Exit::Done);
        }
        if let Some(path) = &self.facts {
            let dossier = Dossier::read(path)?;
            let replay = dossier.system();
            let facts = dossier.facts(&replay);
            let answers = Dossier::answers(&facts, global)?;
            return Ok(self.examine(&replay, &facts, &answers, &checks, global));
        }
        let Prepared { session, facts, answers } = Prepared::new(Session::new(global, None)?);
        Ok(self.examine(&session.host, &facts, &answers, &checks, global))
    }

    fn examine(
        &self,
        system: &dyn System,
        facts: &Facts,
        answers: &Answers,
        checks: &[&'static Check],
        global: &Global,
    ) -> Exit {
        // Several checks ask podman the same; it is asked once.
        let memo = Recorder::new(system);
        let mut context = CheckContext::new(&memo, facts, answers);
        if let Some(assume) = assume::given(&self.assume) {
            let assumed = Assumed::new(&memo, facts, assume);
            let after = assume::facts_after(&assumed, facts);
            let then = CheckContext::new(&assumed, &after, answers);
            let chosen = || checks.iter().copied().filter(|check| !check.is_probe());
            let [before, then] = [&context, &then].map(|context| run_checks(context, chosen(), |_| {}));
            assume::show_checks(&assumed, &before, &then, self.json);
            return Exit::Done;
        }
        if !self.only.is_empty() {
            context = context.that_may_create();
        }
        let mut reports = Vec::new();
        for (group, in_group) in &checks::GROUPS {
            let chosen: Vec<&'static Check> =
                checks.iter().copied().filter(|check| in_group.iter().any(|c| c.id == check.id)).collect();
            if self.only.is_empty() && !self.json && !global.quiet {
                out(&styled(BOLD, group));
            }
            reports.extend(run_checks(&context, chosen, |report| {
                if !self.json {
                    show(report, global.quiet);
                }
            }));
        }
        let count = |status| reports.iter().filter(|report| report.status == status).count();
        let (errors, warnings) = (count(Status::Error), count(Status::Warning));
        if self.json {
            let [shell, wrapper] = [RunContext::Shell, RunContext::Wrapper].map(|run| predict(&context, run));
            json_line(json!({
                "schema": SCHEMA, "checks": reports, "prediction": { "shell": shell, "wrapper": wrapper },
                "wrong": errors, "doubtful": warnings
            }));
        } else {
            out(&conclusion(errors, warnings, reports.len()));
        }
        if errors > 0 { Exit::Found } else { Exit::Done }
    }

    fn chosen(&self) -> Result<Vec<&'static Check>, Failure> {
        let all: Vec<&'static Check> = checks::doctor().collect();
        for id in &self.only {
            if all.iter().all(|e| e.id != id) {
                let ids = || all.iter().map(|e| e.id);
                let near = did_you_mean(id, ids())
                    .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                let hint = format!("{near}The checks are: {}", ids().collect::<Vec<_>>().join(", "));
                return Err(Failure::usage(format!("there is no check `{id}`"), hint));
            }
        }
        let wanted = |e: &&Check| self.only.is_empty() || self.only.iter().any(|id| id == e.id);
        Ok(all.into_iter().filter(wanted).collect())
    }
}

fn show(report: &CheckReport, quiet: bool) {
    let (mark, style) = match report.status {
        Status::Ok | Status::Limited => ("ok", GREEN),
        Status::Warning => ("warning", YELLOW),
        Status::Error => ("error", RED),
        Status::Skipped => ("skipped", DIM),
        Status::Unknown => ("unknown", YELLOW),
    };
    let is_bad = matches!(report.status, Status::Warning | Status::Error);
    if quiet && !is_bad {
        return;
    }
    let mut details = report.details.clone();
    if let Some(line) = report.fix.command().filter(|_| report.status == Status::Limited) {
        details = format!("{details}; to change this: `{line}`");
    }
    out(&columns(&[(mark, 8, style), (report.id, 16, BOLD)], &details, width()));
    if is_bad {
        let row = |label: &str, text: &str, style| {
            out(&columns(&[("", 8, DIM), (label, 16, DIM)], &styled(style, text), width()));
        };
        row("effect", &report.effect, DIM);
        row("fix", report.fix.text(), CYAN);
    }
}

fn conclusion(errors: usize, warnings: usize, checks: usize) -> String {
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let style = if errors == 0 { GREEN } else { RED };
    let found = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
    let text = format!("\n{} in {}.", styled(style.bold(), &found), count(checks, "check"));
    if errors == 0 {
        return text;
    }
    let hint = "Run `kind-wsl setup` to fix these if it can; `kind-wsl plan` shows what it would do.";
    format!("{text}\n{}", ui::wrap(hint, width()).join("\n"))
}
