//! Plans on the screen: the summary, then file diffs, downloads and commands.

mod diff;

use std::fmt::Write;

use anstyle::Style;

use indicatif::HumanBytes;

use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, columns, marks, styled, width};
use crate::change::{ChangeKind, RestartScope};
use crate::facts::{Facts, Wsl};
use crate::fix::Advice;
use crate::plan::{Plan, Planned, Verdict};
use crate::stage::{Answers, Question};

pub use diff::{diff, lines};

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Required => YELLOW,
        Verdict::Satisfied | Verdict::Redundant => GREEN,
        Verdict::NotApplicable | Verdict::Skipped => DIM,
        Verdict::Blocked => RED,
    }
}

/// The parts of a plan to show after its summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanParts {
    /// Every stage with its reason, including those without changes.
    pub all: bool,
    /// The diff of every file, and the other changes.
    pub diff: bool,
    /// Every download with its size, URL and checksum.
    pub downloads: bool,
}

impl PlanParts {
    pub const ALL: Self = Self { all: true, diff: true, downloads: true };
}

/// Describes the machine in one line.
#[must_use]
pub fn machine(facts: &Facts) -> String {
    let systemd = match (&facts.systemd.version, facts.systemd.is_running()) {
        (Some(version), true) => {
            format!("systemd {}", version.major())
        }
        (None, true) => "systemd".to_owned(),
        (_, false) => format!("PID 1 is {}", facts.systemd.pid1),
    };
    let wsl = if facts.wsl == Wsl::No { "not WSL".to_owned() } else { facts.wsl.name() };
    let parts = [
        facts.distro.name.clone(),
        wsl,
        systemd,
        facts.cgroup.mounts.to_string(),
        format!("user {}", facts.user.name),
    ];
    parts.join(&format!(" {} ", marks::dot()))
}

/// One row per stage, with its verdict and the reason.
#[must_use]
pub fn table(stages: &[Planned]) -> String {
    let heading = columns(&[("stage", 15, BOLD), ("verdict", 11, BOLD)], &styled(BOLD, "why"), width());
    let rows = stages.iter().map(|stage| {
        let cells = [(stage.id, 15, Style::new()), (stage.verdict.name(), 11, style(stage.verdict))];
        columns(&cells, &stage.why, width())
    });
    std::iter::once(heading).chain(rows).collect::<Vec<_>>().join("\n")
}

/// Summarizes a plan: the actions, the stages without changes, and the blocked stage.
#[must_use]
pub fn summary(plan: &Plan, facts: &Facts) -> String {
    let mut text = format!("{}\n\n", super::wrap(&machine(facts), width()).join("\n"));
    if plan.blocked().is_none() {
        let _ = writeln!(text, "{}\n", styled(BOLD, &ending(plan, facts)));
    }
    let rows = changing(plan);
    for row in &rows {
        let _ = writeln!(text, "{row}");
    }
    let others: Vec<String> = others(plan);
    if !others.is_empty() && !rows.is_empty() {
        text.push('\n');
    }
    for row in others {
        let _ = writeln!(text, "{row}");
    }
    for note in &plan.notes {
        let _ = write!(text, "\n{}\n", columns(&[("note: ", 6, YELLOW)], note, width()));
    }
    if plan.blocked().is_some() {
        let _ = write!(text, "\n{}\n", ending(plan, facts));
    }
    text
}

/// The summary for `-q`: the actions, blocked stages and the total.
#[must_use]
pub fn brief(plan: &Plan, facts: &Facts) -> String {
    let rows = changing(plan).into_iter().chain([ending(plan, facts)]);
    rows.collect::<Vec<_>>().join("\n")
}

/// The options of a plan with their values.
#[must_use]
pub fn options(questions: &[&Question], answers: &Answers, facts: &Facts) -> String {
    let size = questions.iter().map(|q| q.flag().len()).max().unwrap_or_default() + 2;
    let row = |question: &&Question| {
        let value = answers.get(question).unwrap_or_default();
        let label = question.choices(facts).into_iter().find(|choice| choice.value == value);
        let label = label.map(|choice| choice.label).filter(|label| !label.is_empty() && label != value);
        let text = match label {
            Some(label) => format!("{value}: {label}"),
            None if value.is_empty() => "none".to_owned(),
            None => value.to_owned(),
        };
        columns(&[("  ", 2, DIM), (&question.flag(), size, DIM)], &text, width())
    };
    questions.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// One row per stage with changes, with its actions, or per blocked stage, with the reason.
fn changing(plan: &Plan) -> Vec<String> {
    let due = plan.stages.iter().filter(|s| {
        s.verdict == Verdict::Blocked || (s.verdict == Verdict::Required && !s.changes.is_empty())
    });
    let size = due.clone().map(|s| s.id.len()).max().unwrap_or_default() + 2;
    let row = |stage: &Planned| {
        let restarts = stage.changes.iter().any(|c| matches!(c.kind, ChangeKind::Restart(_)));
        let mark = match stage.verdict {
            Verdict::Blocked => (marks::failed(), 0, RED),
            _ if restarts => ("~", 0, YELLOW),
            _ => ("+", 0, GREEN),
        };
        let cells = [("  ", 2, DIM), mark, (" ", 1, DIM), (stage.id, size, BOLD)];
        columns(&cells, &action(stage, width().map(|width| width - (4 + size))), width())
    };
    due.map(row).collect()
}

/// The actions of a stage in at most two lines, or the reason why it is blocked.
fn action(stage: &Planned, width: Option<usize>) -> String {
    let title = stage.title;
    if stage.verdict == Verdict::Blocked {
        return format!("{title} {} {}", marks::dash(), stage.why);
    }
    if stage.actions.is_empty() {
        return title.to_owned();
    }
    let actions: Vec<String> = stage.actions.iter().map(|text| super::short_paths(text)).collect();
    // A line break can waste the length of a word.
    let room = width.map(|width| (2 * width - width / 4).saturating_sub(title.len() + 2));
    format!("{title}: {}", super::list(&actions, room))
}

/// The stages without changes, counted and named.
fn others(plan: &Plan) -> Vec<String> {
    let groups = [
        ("already done", &[Verdict::Satisfied][..]),
        ("not needed", &[Verdict::Redundant]),
        ("skipped", &[Verdict::NotApplicable, Verdict::Skipped]),
    ];
    let row = |(name, verdicts): (&str, &[Verdict])| {
        let ids: Vec<_> =
            plan.stages.iter().filter(|s| verdicts.contains(&s.verdict)).map(|s| s.id).collect();
        let label = format!("  {} {name}", ids.len());
        (!ids.is_empty()).then(|| columns(&[(&label, 20, DIM)], &ids.join(", "), width()))
    };
    groups.into_iter().filter_map(row).collect()
}

/// The details of a plan: stages, file diffs, other changes, downloads.
#[must_use]
pub fn details(plan: &Plan, facts: &Facts, parts: PlanParts) -> String {
    let mut text = String::new();
    if parts.all {
        let _ = writeln!(text, "\nLinux {}\n\n{}", facts.kernel.release, table(&plan.stages));
    }
    if parts.diff {
        for file in &plan.files {
            let _ = write!(text, "\n{}", diff(file));
        }
        let others: Vec<String> =
            plan.stages.iter().flat_map(|s| &s.besides).map(ToString::to_string).collect();
        if !others.is_empty() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "other changes"));
        }
        for line in others {
            let _ = writeln!(text, "{}", columns(&[("  ", 2, DIM)], &line, width()));
        }
        let triggers: std::collections::BTreeSet<_> =
            plan.changes().filter_map(|c| c.trigger.as_ref()).collect();
        if !triggers.is_empty() {
            let words: Vec<_> = triggers.iter().map(|trigger| trigger.words()).collect();
            let line = format!("then {}", words.join(", "));
            let _ = writeln!(text, "{}", columns(&[("  ", 2, DIM)], &line, width()));
        }
    }
    if parts.downloads {
        if plan.downloads().next().is_some() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "downloads"));
        }
        for artifact in plan.downloads() {
            let size = artifact.size.map(|bytes| format!(" ({})", HumanBytes(bytes))).unwrap_or_default();
            let _ = writeln!(text, "  {}{size}", artifact.name);
            let _ = writeln!(text, "    {} {}", styled(DIM, "from  "), plan.source.location(artifact));
            let _ = writeln!(text, "    {} {}", styled(DIM, "sha256"), artifact.sha256);
        }
    }
    text
}

/// The last line of a plan: the number of changes and the restart, or the reason why it is blocked.
#[must_use]
pub fn ending(plan: &Plan, facts: &Facts) -> String {
    if let Some(blocked) = plan.blocked() {
        let text = super::text::labelled(
            RED.bold(),
            "blocked:",
            &format!("stage `{}`: {}", blocked.id, blocked.why),
            width(),
        );
        let hint = Advice::from(blocked.hint.as_deref().unwrap_or_default());
        return format!("{text}\n{}", super::text::labelled(CYAN, "hint:", hint.text(), width()));
    }
    if plan.is_empty() {
        return "nothing to do".to_owned();
    }
    let count = plan.changes().filter(|c| !matches!(c.kind, ChangeKind::Restart(_))).count();
    let plural = if count == 1 { "" } else { "s" };
    let restart = match plan.restart {
        None if plan.left_to_you.is_some() => "and a restart that you must do yourself".to_owned(),
        None => "no restart".to_owned(),
        Some(RestartScope::Machine) => "one restart of the machine".to_owned(),
        Some(RestartScope::Distro) => {
            format!("one restart of this distribution (`wsl --terminate {}`)", facts.wsl.distro())
        }
        Some(RestartScope::Vm) => {
            "one restart of WSL with all its distributions (`wsl --shutdown`)".to_owned()
        }
    };
    format!("{count} change{plural}, {restart}")
}
