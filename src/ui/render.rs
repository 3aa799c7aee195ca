//! A plan as a person reads it: a table, then what it would write, fetch and run.

mod diff;

use std::fmt::Write;

use anstyle::Style;

use super::{BOLD, CYAN, DIM, Detail, GREEN, RED, YELLOW, columns, styled, width};
use crate::change::{ChangeKind, RestartScope};
use crate::facts::{Facts, Wsl};
use crate::fix::Advice;
use crate::plan::{Plan, Planned, Verdict};

pub use diff::{diff, lines};

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Required => YELLOW,
        Verdict::Satisfied | Verdict::Redundant => GREEN,
        Verdict::NotApplicable | Verdict::Skipped => DIM,
        Verdict::Blocked => RED,
    }
}

/// One line about the machine.
#[must_use]
pub fn machine(facts: &Facts) -> String {
    let pid1 = if facts.systemd.is_running() {
        "systemd".to_owned()
    } else {
        format!("PID 1 `{}`", facts.systemd.pid1)
    };
    let wsl = if facts.wsl == Wsl::No { "not WSL".to_owned() } else { facts.wsl.name() };
    format!(
        "{}, {wsl}, kernel {}, {pid1}, {}, for `{}`",
        facts.distro.name, facts.kernel.release, facts.cgroup.mounts, facts.user.name
    )
}

/// A line for each stage; without `-v` only for those that change something or are blocked.
#[must_use]
pub fn table(stages: &[Planned], detail: Detail) -> String {
    let is_due = |stage: &&Planned| matches!(stage.verdict, Verdict::Required | Verdict::Blocked);
    let row = |stage: &Planned| {
        let cells = [(stage.id, 15, Style::new()), (stage.verdict.name(), 11, style(stage.verdict))];
        columns(&cells, &stage.why, width())
    };
    let shown: Vec<_> = stages.iter().filter(|s| detail == Detail::Full || is_due(s)).map(row).collect();
    let mut text = shown.join("\n");
    if detail != Detail::Brief && !shown.is_empty() {
        let heading = columns(&[("stage", 15, BOLD), ("verdict", 11, BOLD)], &styled(BOLD, "why"), width());
        text = format!("{heading}\n{text}");
    }
    let others = stages.len() - shown.len();
    if detail == Detail::Normal && others > 0 {
        let plural = if others == 1 { " needs" } else { "s need" };
        let note = format!("{others} other stage{plural} no change; `kind-wsl plan -v` lists every stage.");
        let _ = write!(text, "\n{}", styled(DIM, &note));
    }
    text.trim_start_matches('\n').to_owned()
}

/// The plan as setup shows it.
#[must_use]
pub fn plan(plan: &Plan, facts: &Facts) -> String {
    detailed(plan, facts, Detail::Normal)
}

/// The plan: with `-q` what is needed or blocked, and how it ends; otherwise with every file, download and command.
#[must_use]
pub fn detailed(plan: &Plan, facts: &Facts, detail: Detail) -> String {
    let table = table(&plan.stages, detail);
    if detail == Detail::Brief {
        return format!("{table}\n{}", ending(plan, facts)).trim_start_matches('\n').to_owned();
    }
    let mut text = format!("{}\n\n{table}\n", super::wrap(&machine(facts), width()).join("\n"));
    for file in &plan.files {
        let _ = write!(text, "\n{}", diff(file));
    }
    let others: Vec<String> = plan.stages.iter().flat_map(|s| &s.besides).map(ToString::to_string).collect();
    if !others.is_empty() {
        let _ = write!(text, "\n{}\n", styled(BOLD, "other changes"));
        for line in others {
            let _ = writeln!(text, "{}", columns(&[("  ", 2, DIM)], &line, width()));
        }
    }
    let follows: std::collections::BTreeSet<_> = plan.changes().filter_map(|c| c.trigger.as_ref()).collect();
    if !follows.is_empty() {
        let words: Vec<_> = follows.iter().map(|f| f.words()).collect();
        let _ =
            writeln!(text, "{}", columns(&[("  ", 2, DIM)], &format!("then {}", words.join(", ")), width()));
    }
    for artifact in plan.downloads() {
        let from = columns(&[("  from ", 7, DIM)], &plan.source.location(artifact), None);
        let _ = writeln!(text, "{from}\n  {} {}", styled(DIM, "sha256"), artifact.sha256);
    }
    for note in &plan.notes {
        let _ = write!(text, "\n{}\n", columns(&[("note: ", 6, YELLOW)], note, width()));
    }
    let _ = write!(text, "\n{}", ending(plan, facts));
    text
}

fn ending(plan: &Plan, facts: &Facts) -> String {
    if let Some(blocked) = plan.blocked() {
        let hint = Advice::from(blocked.hint.as_deref().unwrap_or_default());
        return format!(
            "{} stage `{}`: {}\n{} {hint}",
            styled(RED.bold(), "blocked:"),
            blocked.id,
            blocked.why,
            styled(CYAN, "hint:"),
            hint = hint.text()
        );
    }
    let count = plan.changes().filter(|c| !matches!(c.kind, ChangeKind::Restart(_))).count();
    let plural = if count == 1 { "" } else { "s" };
    let restart = match plan.restart {
        None if plan.left_to_you.is_some() => "and the restart that they need is left to you".to_owned(),
        None => "no restart".to_owned(),
        Some(RestartScope::Machine) => "one restart of the machine".to_owned(),
        Some(RestartScope::Distro) => {
            format!("one restart of this distribution (`wsl --terminate {}`)", facts.wsl.distro())
        }
        Some(RestartScope::Vm) => {
            "one restart of WSL with all its distributions (`wsl --shutdown`)".to_owned()
        }
    };
    if plan.is_empty() { "nothing to do".to_owned() } else { format!("{count} change{plural}, {restart}") }
}
