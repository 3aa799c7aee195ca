//! The checks as `doctor` and `verify` report them: each with the fix that has something to do on this machine.

use serde::Serialize;

use crate::checks::cgroup::delegate;
use crate::checks::{Check, CheckContext, Status};
use crate::fix::{Advice, Fix};
use crate::plan::{Plan, StageSelection, Verdict};
use crate::stage::Stage;
use crate::stages::controllers;

/// The version of this form of reports.
pub const SCHEMA: u32 = 1;

/// A check and what it found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    pub id: &'static str,
    #[serde(rename = "what")]
    pub title: &'static str,
    #[serde(rename = "verdict")]
    pub status: Status,
    #[serde(rename = "evidence")]
    pub details: String,
    /// The consequence for kind; empty unless the check failed.
    #[serde(rename = "consequence")]
    pub effect: String,
    #[serde(flatten)]
    pub fix: Advice,
    /// Whether it is skipped because another check failed.
    #[serde(skip)]
    pub is_blocked: bool,
}

impl CheckReport {
    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.is_error() && !self.is_warning()
    }

    /// Whether kind or a cluster fails because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.status == Status::Error || self.is_blocked
    }

    /// Whether the check did not pass although kind works, or may work.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(self.status, Status::Warning | Status::Unknown)
    }

    #[must_use]
    pub fn of(context: &CheckContext<'_>, check: &'static Check) -> Self {
        let outcome = context.outcome(check);
        Self {
            id: check.id,
            title: check.title,
            status: outcome.status,
            fix: advice(context, outcome.fix),
            details: outcome.details,
            effect: outcome.effect,
            is_blocked: outcome.is_blocked,
        }
    }
}

/// Runs the checks in order; `report` receives each result at once.
pub fn run_checks(
    context: &CheckContext<'_>,
    checks: impl IntoIterator<Item = &'static Check>,
    mut report: impl FnMut(&CheckReport),
) -> Vec<CheckReport> {
    let run = |check| {
        let found = CheckReport::of(context, check);
        report(&found);
        found
    };
    checks.into_iter().map(run).collect()
}

/// Returns the fix for this machine. Of the stages that a setup would run, it has those with something to do; without
/// any, setup would end with "nothing to do".
#[must_use]
pub fn advice(context: &CheckContext<'_>, fixes: Vec<Fix>) -> Advice {
    let had_fixes = !fixes.is_empty();
    let fit = |fix| match fix {
        // A setup cannot enable controllers that this system lacks.
        Fix::Stages(stages) if stages.iter().any(|stage| stage.id == controllers::STAGE.id) => {
            match delegate(context.facts) {
                Fix::Stages(_) => Some(Fix::Stages(due(context, stages))),
                outside => Some(outside),
            }
        }
        Fix::Stages(stages) => Some(Fix::Stages(due(context, stages))),
        other => Some(other),
    };
    let is_of_use = |fix: &Fix| !matches!(fix, Fix::Stages(stages) if stages.is_empty());
    let left: Vec<_> = fixes.into_iter().filter_map(fit).filter(is_of_use).collect();
    if had_fixes && left.is_empty() { Advice::from(NOT_BY_SETUP) } else { Advice::from(&left[..]) }
}

/// Keeps the stages with something to do. Setup itself reports stages that cannot be planned.
fn due(context: &CheckContext<'_>, stages: Vec<&'static Stage>) -> Vec<&'static Stage> {
    let only = stages.iter().map(|stage| stage.id.to_owned()).collect();
    let selection = StageSelection { only, ..StageSelection::default() };
    let Ok(plan) = Plan::make(context.system, context.facts, context.answers, &selection) else {
        return stages;
    };
    let is_due = |verdict| matches!(verdict, Verdict::Required | Verdict::Blocked);
    let is_due = |stage: &&Stage| plan.stages.iter().any(|s| s.id == stage.id && is_due(s.verdict));
    stages.into_iter().filter(|stage| is_due(stage)).collect()
}

/// Shown if a check fails although every stage that could help is done.
const NOT_BY_SETUP: &str =
    "Setup has already done what it can here. `kind-wsl report` collects the details for a bug report.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CheckReport, run_checks};
    use crate::checks::{Check, CheckContext, Status, doctor, session, verify};
    use crate::facts::Facts;
    use crate::host::{Account, Recording, Replay};
    use crate::provider::Provider;
    use crate::stage::Answers;

    /// Every check, its parts and what it needs among them.
    fn reachable() -> Vec<&'static Check> {
        let mut found: Vec<&'static Check> = doctor().collect();
        let mut next = 0;
        while let Some(check) = found.get(next) {
            let below: Vec<&'static Check> = check.parts().iter().chain(check.needs).copied().collect();
            for check in below {
                if !found.iter().any(|other| std::ptr::eq(*other, check)) {
                    found.push(check);
                }
            }
            next += 1;
        }
        found
    }

    #[test]
    fn every_check_has_its_own_id() {
        let ids: BTreeSet<_> = reachable().iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), reachable().len());
    }

    #[test]
    fn no_check_needs_itself() {
        fn walk(check: &'static Check, above: &mut Vec<&'static str>) {
            assert!(!above.contains(&check.id), "{above:?} and then {} again", check.id);
            above.push(check.id);
            check.parts().iter().chain(check.needs).for_each(|below| walk(below, above));
            above.pop();
        }
        doctor().for_each(|check| walk(check, &mut Vec::new()));
    }

    #[test]
    fn every_check_that_verify_and_explain_use_is_reached_by_doctor() {
        let ids: BTreeSet<_> = reachable().iter().map(|check| check.id).collect();
        let verified = Provider::ALL.into_iter().flat_map(verify);
        let explained = (1..400).map(crate::explain::Id).flat_map(crate::explain::causes::checks).copied();
        for check in verified.chain(explained) {
            assert!(ids.contains(check.id), "{}", check.id);
        }
    }

    #[test]
    fn explain_runs_nothing_that_can_create_something() {
        for check in (1..400).map(crate::explain::Id).flat_map(crate::explain::causes::checks) {
            assert!(!check.is_probe(), "{}", check.id);
        }
    }

    fn account() -> Account {
        Account {
            name: "dev".into(),
            uid: 1000,
            gid: 1000,
            home: "/home/dev".into(),
            shell: String::new(),
            config_home: None,
        }
    }

    #[test]
    fn a_check_does_not_pass_if_one_that_it_needs_fails() {
        let init = [("/proc/1/comm".into(), Some(b"init\n".to_vec().into()))];
        let recording = Recording { files: init.into(), ..Recording::default() };
        let (system, answers) = (Replay::new(recording), Answers::default());
        let facts = Facts::probe(&system, account());
        let context = CheckContext::new(&system, &facts, &answers);
        let report = CheckReport::of(&context, &session::CONTROLLERS);
        assert_eq!((report.status, report.passed(), report.is_error()), (Status::Skipped, false, true));
    }

    #[test]
    fn every_check_reports_something_about_a_machine_of_which_nothing_is_known() {
        let system = Replay::new(Recording::default());
        let facts = Facts::probe(&system, account());
        let answers = Answers::default();
        let context = CheckContext::new(&system, &facts, &answers);
        for report in run_checks(&context, reachable(), |_| {}) {
            assert!(!report.details.is_empty() && !report.details.contains("crashed"), "{report:?}");
            let is_failure = matches!(report.status, Status::Warning | Status::Error);
            assert_eq!(is_failure, !report.effect.is_empty() && !report.fix.text().is_empty(), "{report:?}");
        }
    }
}
