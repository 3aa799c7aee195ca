//! What is wrong with a machine, as far as kind without root is concerned: every check is data, each is looked at
//! whatever the others found, and the last two say what kind itself would say, before kind is run.
//!
//! The order is that in which a failure would hide the next one. Where a check of the stage `verify` says the same, it
//! is that check that is asked.

mod engine;
mod kind;
mod machine;
mod node;
mod podman;
mod session;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use crate::explain::Here;
use crate::facts::Facts;
use crate::fix::Fix;
use crate::host::System;
use crate::stage::Answers;

pub use kind::{Prediction, View, predict};

/// The version of this form of findings.
pub const SCHEMA: u32 = 1;

pub struct Patient<'p> {
    pub system: &'p dyn System,
    /// What is known of it.
    pub facts: &'p Facts,
    /// What was answered at the set-up.
    pub answers: &'p Answers,
}

impl std::fmt::Debug for Patient<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patient").field("user", &self.facts.user.name).finish_non_exhaustive()
    }
}

/// One thing to look at.
#[derive(Debug)]
pub struct Examination {
    /// Its name: `--only`, and the JSON.
    pub id: &'static str,
    pub what: &'static str,
    pub look: fn(&Patient<'_>) -> Finding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, or may, but not well.
    Doubtful,
    /// kind will fail, or the cluster will.
    Wrong,
    /// It is about another kind of machine, or about something that is not used.
    #[serde(rename = "not-here")]
    NotApplicable,
    /// It could not be seen.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    pub evidence: String,
    /// What that means for kind; empty where all is well.
    pub consequence: String,
    #[serde(flatten)]
    pub fix: Fix,
}

impl Finding {
    fn new(verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self { verdict, evidence: evidence.into(), consequence: String::new(), fix: Fix::from("") }
    }

    fn ok(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, evidence)
    }

    fn not_applicable(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable, evidence)
    }

    fn unknown(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, evidence)
    }

    /// The finding on a fact that `explain` judges too: what it means is added only if the cause is present.
    fn of(here: Here, present: impl FnOnce(String) -> Self) -> Self {
        match here {
            Here::Present(evidence) => present(evidence),
            Here::Absent(evidence) => Self::ok(evidence),
            Here::Unknown(why) => Self::unknown(why),
        }
    }

    fn wrong(evidence: impl Into<String>, consequence: &str, fix: impl Into<Fix>) -> Self {
        let (consequence, fix) = (consequence.to_owned(), fix.into());
        Self { consequence, fix, ..Self::new(Verdict::Wrong, evidence) }
    }

    fn doubtful(evidence: impl Into<String>, consequence: &str, fix: impl Into<Fix>) -> Self {
        Self { verdict: Verdict::Doubtful, ..Self::wrong(evidence, consequence, fix) }
    }
}

/// A check and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub id: &'static str,
    pub what: &'static str,
    #[serde(flatten)]
    pub finding: Finding,
}

/// Every check, in the order in which a failure would hide the next.
#[must_use]
pub fn examinations() -> Vec<&'static Examination> {
    let parts = [
        machine::FIRST,
        session::CHECKS,
        podman::CHECKS,
        engine::CHECKS,
        machine::LAST,
        kind::FIRST,
        node::CHECKS,
        kind::LAST,
    ];
    parts.into_iter().flatten().collect()
}

/// Looks at everything, one after the other. A check that crashes is one that could not be seen.
pub fn examine(
    patient: &Patient<'_>,
    checks: &[&'static Examination],
    mut told: impl FnMut(&Diagnosis),
) -> Vec<Diagnosis> {
    let look = |check: &&'static Examination| {
        let found = catch_unwind(AssertUnwindSafe(|| (check.look)(patient)));
        let crashed = |_| {
            Finding::unknown(
                "this check crashed, which is a fault of kind-wsl: `kind-wsl report` writes down what it needs to be mended",
            )
        };
        let mut finding = found.unwrap_or_else(crashed);
        finding.fix = finding.fix.fitted(patient.system, patient.facts, patient.answers);
        let diagnosis = Diagnosis { id: check.id, what: check.what, finding };
        told(&diagnosis);
        diagnosis
    };
    checks.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::{Examination, Finding, Patient, Verdict, examinations, examine};
    use crate::facts::Facts;
    use crate::host::{Account, Recording, Replay};
    use crate::stage::Answers;

    static BAD: Examination = Examination { id: "bad", what: "it crashes", look: |_| panic!("on purpose") };
    static GOOD: Examination = Examination { id: "good", what: "it holds", look: |_| Finding::ok("seen") };

    fn nobody() -> Account {
        Account { name: "dev".into(), uid: 1000, gid: 1000, home: "/home/dev".into(), shell: String::new() }
    }

    #[test]
    fn a_check_that_crashes_does_not_stop_the_others() {
        let system = Replay(Recording::default());
        let facts = Facts::probe(&system, nobody());
        let patient = Patient { system: &system, facts: &facts, answers: &Answers::default() };
        let seen = examine(&patient, &[&BAD, &GOOD], |_| {});
        assert_eq!(
            seen.iter().map(|d| d.finding.verdict).collect::<Vec<_>>(),
            [Verdict::Unknown, Verdict::Ok]
        );
    }

    #[test]
    fn every_check_says_something_of_a_machine_of_which_nothing_is_known() {
        let system = Replay(Recording::default());
        let facts = Facts::probe(&system, nobody());
        let patient = Patient { system: &system, facts: &facts, answers: &Answers::default() };
        for seen in examine(&patient, &examinations(), |_| {}) {
            let Finding { verdict, evidence, consequence, fix } = &seen.finding;
            assert!(!evidence.is_empty() && !evidence.contains("crashed"), "{seen:?}");
            let is_bad = matches!(verdict, Verdict::Wrong | Verdict::Doubtful);
            assert_eq!(is_bad, !consequence.is_empty() && !fix.text().is_empty(), "{seen:?}");
        }
    }

    #[test]
    fn checks_have_names_of_their_own() {
        let ids: std::collections::BTreeSet<_> = examinations().iter().map(|e| e.id).collect();
        assert_eq!(ids.len(), examinations().len());
    }
}
