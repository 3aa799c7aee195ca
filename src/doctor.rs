//! The checks as `doctor` and `verify` report them: each with the fix that has something to do on this machine.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::checks::cgroup::delegate;
use crate::checks::kind::{IN_SHELL, IN_WRAPPER};
use crate::checks::{CLUSTERS, Check, CheckContext, Group, Status};
use crate::fix::{Advice, Fix, setup_line};
use crate::plan::{Plan, StageSelection, Verdict};
use crate::stage::Stage;
use crate::stages::{STAGES, controllers};

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
    /// The check that failed, if this one is skipped because of it.
    pub blocked_by: Option<&'static str>,
    /// The stages and flags of the setup that fixes it, if a setup is enough.
    #[serde(skip)]
    setup: Option<(Vec<&'static Stage>, &'static str)>,
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
        self.status == Status::Error || self.blocked_by.is_some()
    }

    /// Whether the check did not pass although kind works, or may work.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(self.status, Status::Warning | Status::Unknown)
    }

    #[must_use]
    pub fn of(context: &CheckContext<'_>, check: &'static Check) -> Self {
        let outcome = context.outcome(check);
        let fixes = useful(context, outcome.fix);
        Self {
            id: check.id,
            title: check.title,
            status: outcome.status,
            setup: match &fixes[..] {
                [Fix::Stages(stages, flags)] => Some((stages.clone(), flags)),
                _ => None,
            },
            fix: Advice::from(&fixes[..]),
            details: outcome.details,
            effect: outcome.effect,
            blocked_by: outcome.blocked_by,
        }
    }
}

/// The reports of all checks, by group.
#[derive(Debug, Default)]
pub struct Diagnosis {
    pub groups: Vec<(&'static Group, Vec<CheckReport>)>,
}

/// How `kind create cluster` would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreationForecast {
    Fails,
    /// Only `kind-wsl kind create cluster` succeeds, or only it uses the chosen provider.
    SucceedsWrapped,
    Succeeds,
    /// No check failed, but the answer of the provider is unknown.
    Unknown,
}

impl Diagnosis {
    pub fn reports(&self) -> impl Iterator<Item = &CheckReport> {
        self.groups.iter().flat_map(|(_, reports)| reports)
    }

    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.reports().filter(|report| report.status == status).count()
    }

    /// Predicts from the errors and from the answer of the provider. An error in an existing cluster does not prevent
    /// another cluster.
    #[must_use]
    pub fn forecast(&self) -> CreationForecast {
        let mut others = self.groups.iter().filter(|(group, _)| group.id != CLUSTERS.id);
        if others.any(|(_, reports)| reports.iter().any(|report| report.status == Status::Error)) {
            return CreationForecast::Fails;
        }
        let is_ok = |check: &Check| self.reports().any(|r| r.id == check.id && r.status == Status::Ok);
        match (is_ok(&IN_SHELL), is_ok(&IN_WRAPPER)) {
            (true, _) => CreationForecast::Succeeds,
            (false, true) => CreationForecast::SucceedsWrapped,
            (false, false) => CreationForecast::Unknown,
        }
    }

    /// Returns the setup that fixes every check that setup alone can fix, and their number.
    #[must_use]
    pub fn fix_all(&self) -> Option<(String, usize)> {
        let failed = self.reports().filter(|r| matches!(r.status, Status::Warning | Status::Error));
        let setups: Vec<_> = failed.filter_map(|report| report.setup.as_ref()).collect();
        let is_due =
            |stage: &&Stage| setups.iter().any(|(stages, _)| stages.iter().any(|s| s.id == stage.id));
        let stages: Vec<&Stage> = STAGES.iter().copied().filter(is_due).collect();
        let flags: BTreeSet<&str> = setups.iter().map(|(_, flags)| *flags).collect();
        let flags = flags.into_iter().filter(|flags| !flags.is_empty()).collect::<Vec<_>>().join(" ");
        (!stages.is_empty()).then(|| (setup_line(&stages, &flags), setups.len()))
    }
}

/// Runs checks in their order.
pub fn run_checks(
    context: &CheckContext<'_>,
    checks: impl IntoIterator<Item = &'static Check>,
) -> Vec<CheckReport> {
    checks.into_iter().map(|check| CheckReport::of(context, check)).collect()
}

/// Returns the advice for this machine.
#[must_use]
pub fn advice(context: &CheckContext<'_>, fixes: Vec<Fix>) -> Advice {
    Advice::from(&useful(context, fixes)[..])
}

/// Keeps the stages with something to do. Without any, setup would end with "nothing to do".
fn useful(context: &CheckContext<'_>, fixes: Vec<Fix>) -> Vec<Fix> {
    let had_fixes = !fixes.is_empty();
    let fit = |fix| match fix {
        // A setup cannot enable controllers that this system lacks.
        Fix::Stages(stages, flags) if stages.iter().any(|stage| stage.id == controllers::STAGE.id) => {
            match delegate(context.facts) {
                Fix::Stages(..) => Some(Fix::Stages(due(context, stages), flags)),
                outside => Some(outside),
            }
        }
        // With other answers than now.
        Fix::Stages(stages, flags) if !flags.is_empty() => Some(Fix::Stages(stages, flags)),
        Fix::Stages(stages, flags) => Some(Fix::Stages(due(context, stages), flags)),
        other => Some(other),
    };
    let is_of_use = |fix: &Fix| !matches!(fix, Fix::Stages(stages, _) if stages.is_empty());
    let left: Vec<_> = fixes.into_iter().filter_map(fit).filter(is_of_use).collect();
    if had_fixes && left.is_empty() { vec![NOT_BY_SETUP.into()] } else { left }
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
        for report in run_checks(&context, reachable()) {
            assert!(!report.details.is_empty() && !report.details.contains("crashed"), "{report:?}");
            let is_failure = matches!(report.status, Status::Warning | Status::Error);
            assert_eq!(is_failure, !report.effect.is_empty() && !report.fix.text().is_empty(), "{report:?}");
        }
    }
}
