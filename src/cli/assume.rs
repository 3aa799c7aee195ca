//! `--assume`: the plan and the checks after an update, as differences from the present ones.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::StageArgs;
use crate::assume::{Assumed, Assumption};
use crate::boot::{FutureState, Reason, will_it_start};
use crate::checks::Status;
use crate::doctor::{CheckReport, SCHEMA};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::System;
use crate::plan::{Plan, Planned, Verdict};
use crate::ui::{BOLD, DIM, GREEN, RED, YELLOW, columns, json_line, out, styled, width};
use crate::version::Version;

impl StageArgs {
    /// The assumed WSL version of a system that is not running; other programs cannot be assumed there.
    pub(super) fn assumed_wsl(&self) -> Result<Option<&Version>, Failure> {
        if let Some(other) = self.assume.iter().find(|assumption| assumption.program != "wsl") {
            let hint = "use `kind-wsl plan --assume` on the running system for other programs";
            return Err(Failure::usage(
                format!("`--assume {}`: only wsl is supported here", other.program),
                hint,
            ));
        }
        Ok(self.assume.last().map(|assumption| &assumption.version))
    }
}

/// The facts after the update, with the entries of the journal.
pub(super) fn facts_after(assumed: &Assumed<'_>, now: &Facts) -> Facts {
    let mut facts = Facts::probe(assumed, now.user.clone());
    facts.installed_by_us.clone_from(&now.installed_by_us);
    facts.started_stages.clone_from(&now.started_stages);
    if !assumed.restarts() {
        facts.pending.clone_from(&now.pending);
    }
    facts
}

/// How a stage or a check differs after the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum DifferenceKind {
    /// A stage becomes required, or a check fails.
    New,
    Blocked,
    /// A stage is no longer required, or a check passes.
    NoLonger,
    /// Its changes or its reason differ.
    Changed,
}

#[derive(Debug, Serialize)]
struct Difference {
    id: &'static str,
    effect: DifferenceKind,
    before: Side,
    after: Side,
}

#[derive(Debug, Serialize)]
struct Side {
    verdict: Value,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
}

fn stage_side(stage: &Planned) -> Side {
    let changes = stage.changes.iter().map(|change| change.target().to_string()).collect();
    Side { verdict: json!(stage.verdict), why: stage.why.clone(), hint: stage.hint.clone(), changes }
}

fn stage_difference(before: &Planned, after: &Planned) -> Option<Difference> {
    use Verdict::{Blocked, Required};
    let sides = [stage_side(before), stage_side(after)];
    let effect = match (before.verdict, after.verdict) {
        (Blocked, Blocked) if before.why == after.why => return None,
        (Required, Required) if sides[0].changes == sides[1].changes => return None,
        (Required, Required) => DifferenceKind::Changed,
        (_, Blocked) => DifferenceKind::Blocked,
        (_, Required) => DifferenceKind::New,
        (Required | Blocked, _) => DifferenceKind::NoLonger,
        _ => return None,
    };
    let [before, side] = sides;
    Some(Difference { id: after.id, effect, before, after: side })
}

/// Plans for the machine after the update and shows the differences.
pub(super) fn compare(
    assumed: &Assumed<'_>,
    plan: &Plan,
    facts: &Facts,
    now: &dyn System,
    json: bool,
    planned: impl FnOnce(&Facts) -> Result<Plan, Failure>,
) -> Result<Exit, Failure> {
    let after = facts_after(assumed, facts);
    let then = planned(&after)?;
    show_plan(assumed, [plan, &then], [facts, &after], now, json);
    Ok(Exit::Done)
}

/// Shows how the plan differs after the update.
fn show_plan(assumed: &Assumed<'_>, plans: [&Plan; 2], facts: [&Facts; 2], now: &dyn System, json: bool) {
    let differences: Vec<_> =
        plans[0].stages.iter().zip(&plans[1].stages).filter_map(|(b, a)| stage_difference(b, a)).collect();
    let reasons = |system: &dyn System, facts| {
        will_it_start(&FutureState::present(system, facts)).err().unwrap_or_default()
    };
    let (before, after) = (reasons(now, facts[0]), reasons(assumed, facts[1]));
    if json {
        json_line(json!({
            "schema": SCHEMA, "assumed": assumed.versions(), "stages": differences,
            "start": { "before": before, "after": after }
        }));
        return;
    }
    heading(assumed);
    show(&differences, "stages");
    let new: Vec<&Reason> = after.iter().filter(|reason| !before.contains(reason)).collect();
    for reason in &new {
        out(&columns(
            &[("start", 12, if reason.is_blocking() { RED } else { YELLOW })],
            &reason.what,
            width(),
        ));
        out(&columns(&[("", 12, DIM)], &format!("fix: {}", reason.way_out), width()));
    }
    for reason in before.iter().filter(|reason| !after.contains(reason)) {
        out(&columns(&[("start", 12, GREEN)], &format!("no longer: {}", reason.what), width()));
    }
    let same = plans[1].stages.len() - differences.len();
    out(&format!("\n{same} of {} stages do not change.", plans[1].stages.len()));
}

/// Shows how the checks differ after the update.
pub(super) fn show_checks(assumed: &Assumed<'_>, before: &[CheckReport], after: &[CheckReport], json: bool) {
    let is_predicted =
        |report: &&CheckReport| report.status != Status::Unknown && report.blocked_by.is_none();
    let known: BTreeMap<_, _> = before.iter().map(|report| (report.id, report)).collect();
    let difference = |after: &CheckReport| {
        let before = known.get(after.id)?;
        let effect = match (before.status, after.status) {
            (b, a) if b == a && (before.passed() || before.details == after.details) => return None,
            (b, a) if b == a => DifferenceKind::Changed,
            (_, Status::Warning | Status::Error) => DifferenceKind::New,
            (Status::Warning | Status::Error, _) => DifferenceKind::NoLonger,
            _ => return None,
        };
        Some(Difference { id: after.id, effect, before: check_side(before), after: check_side(after) })
    };
    let differences: Vec<_> = after.iter().filter(is_predicted).filter_map(difference).collect();
    let unpredicted: Vec<_> = after.iter().filter(|report| !is_predicted(report)).map(|r| r.id).collect();
    if json {
        json_line(json!({
            "schema": SCHEMA, "assumed": assumed.versions(), "checks": differences, "unpredicted": unpredicted
        }));
        return;
    }
    heading(assumed);
    show(&differences, "checks");
    let same = after.len() - differences.len() - unpredicted.len();
    let text =
        format!("{same} of {} checks do not change; {} cannot be predicted.", after.len(), unpredicted.len());
    out(&format!("\n{text}"));
}

fn check_side(report: &CheckReport) -> Side {
    let is_bad = matches!(report.status, Status::Warning | Status::Error);
    let hint = is_bad.then(|| report.fix.text().to_owned());
    Side { verdict: json!(report.status), why: report.details.clone(), hint, changes: Vec::new() }
}

fn heading(assumed: &Assumed<'_>) {
    let versions: Vec<_> =
        assumed.versions().iter().map(|(program, version)| format!("{program} {version}")).collect();
    out(&styled(BOLD, &format!("With {}, compared with now", versions.join(", "))));
}

fn show(differences: &[Difference], what: &str) {
    if differences.is_empty() {
        out(&format!("no change in the {what}"));
    }
    for difference in differences {
        let (word, style) = match difference.effect {
            DifferenceKind::New if what == "checks" => ("new problem", RED),
            DifferenceKind::New => ("now needed", YELLOW),
            DifferenceKind::Blocked => ("now blocked", RED),
            DifferenceKind::NoLonger if what == "checks" => ("solved", GREEN),
            DifferenceKind::NoLonger => ("not needed", GREEN),
            DifferenceKind::Changed => ("changed", YELLOW),
        };
        out(&columns(&[(word, 12, style), (difference.id, 16, BOLD)], &difference.after.why, width()));
        let row = |label: &str, text: &str| out(&columns(&[("", 12, DIM), (label, 16, DIM)], text, width()));
        if difference.effect == DifferenceKind::Changed && difference.before.why != difference.after.why {
            row("before", &difference.before.why);
        }
        for change in
            difference.after.changes.iter().filter(|change| !difference.before.changes.contains(change))
        {
            row("+", change);
        }
        for change in
            difference.before.changes.iter().filter(|change| !difference.after.changes.contains(change))
        {
            row("-", change);
        }
        if let Some(hint) = &difference.after.hint {
            row(if what == "checks" { "fix" } else { "hint" }, hint);
        }
    }
}

/// The assumptions of a command line, if there are any.
pub(super) fn given(assume: &[Assumption]) -> Option<&[Assumption]> {
    (!assume.is_empty()).then_some(assume)
}
