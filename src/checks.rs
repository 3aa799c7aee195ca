//! The checks of a machine, each declared once: a condition, the effect if it does not hold, and the fix.
//!
//! `doctor` runs all of them, the stage `verify` those of `VERIFY`, and `explain` those that confirm or rule out the
//! cause of a symptom. The checks after a restart use the same code ([`crate::change::PostRestartCheck`]).

pub(crate) mod cgroup;
mod clusters;
mod container;
pub(crate) mod docker_desktop;
pub(crate) mod engine;
mod groups;
pub(crate) mod images;
pub(crate) mod kernel;
pub(crate) mod kind;
pub(crate) mod namespace;
pub(crate) mod network;
pub(crate) mod node;
mod outcome;
pub(crate) mod podman;
mod registry;
pub(crate) mod session;
pub(crate) mod wsl;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::facts::Facts;
use crate::host::System;
use crate::provider::Provider;
use crate::stage::Answers;

pub(crate) use engine::DOCKER_COMMAND;
pub use groups::{CLUSTERS, GROUPS, Group};
pub(crate) use kind::PODMAN_LABELS;
pub use kind::{Prediction, RunContext, predict};
pub use outcome::{Outcome, Status};
pub(crate) use registry::NODE_IMAGES;

/// A condition that kind, or a cluster, needs.
#[derive(Debug)]
pub struct Check {
    /// The name in `--only` and in JSON.
    pub id: &'static str,
    pub title: &'static str,
    /// The machines that the check is for; all of these must apply.
    pub scope: &'static [Scope],
    /// The checks that must pass first: if one of them fails, this check is skipped.
    pub needs: &'static [&'static Check],
    pub cost: Cost,
    pub judge: Judge,
}

/// The machines that a check is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// WSL 2.
    Wsl,
    /// One of these providers.
    Provider(&'static [Provider]),
    /// A regular user; root cannot run rootless containers.
    User,
}

/// The side effects of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// It reads files and runs programs without side effects.
    Read,
    /// It can create something: the first `podman info` creates the storage and selects its driver.
    Probe,
    /// It queries a server, and runs only on request.
    OnRequest,
}

pub type Run = fn(&CheckContext<'_>) -> Outcome;

#[derive(Debug)]
pub enum Judge {
    One(Run),
    /// It fails if one of these checks fails.
    All(&'static [&'static Check]),
}

/// A check with its own function.
const fn check(id: &'static str, title: &'static str, run: Run) -> Check {
    Check { id, title, scope: &[], needs: &[], cost: Cost::Read, judge: Judge::One(run) }
}

/// A check that combines others.
const fn all(id: &'static str, title: &'static str, parts: &'static [&'static Check]) -> Check {
    Check { id, title, scope: &[], needs: &[], cost: Cost::Read, judge: Judge::All(parts) }
}

impl Check {
    const fn scope(self, scope: &'static [Scope]) -> Self {
        Self { scope, ..self }
    }

    const fn needs(self, needs: &'static [&'static Self]) -> Self {
        Self { needs, ..self }
    }

    const fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The combined checks, if any.
    #[must_use]
    pub fn parts(&self) -> &'static [&'static Self] {
        match self.judge {
            Judge::One(_) => &[],
            Judge::All(parts) => parts,
        }
    }

    /// Whether the check, a part of it or a check that it needs can create something or queries a server.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.cost != Cost::Read || self.parts().iter().chain(self.needs).any(|check| check.is_probe())
    }

    /// Why the check does not apply to this machine.
    #[must_use]
    pub fn excluded(&self, facts: &Facts, provider: Option<Provider>) -> Option<(Scope, String)> {
        self.scope.iter().find_map(|scope| {
            let why = match scope {
                Scope::Wsl if !facts.wsl.is_two() => format!("this machine is {}", facts.wsl.name()),
                Scope::Provider(list) => match provider {
                    Some(provider) if !list.contains(&provider) => format!("the provider is {provider}"),
                    _ => return None,
                },
                Scope::User if facts.user.uid == 0 => {
                    "root cannot run rootless containers; specify the user: `--user NAME`".to_owned()
                }
                Scope::Wsl | Scope::User => return None,
            };
            Some((*scope, why))
        })
    }
}

/// The machine that is checked, and the outcomes so far.
pub struct CheckContext<'c> {
    pub system: &'c dyn System,
    pub facts: &'c Facts,
    /// The answers of the setup.
    pub answers: &'c Answers,
    provider: Option<Provider>,
    /// Whether a check may create something although podman has never run.
    may_create: bool,
    /// The registry that may be queried, as in the name of an image.
    registry: Option<String>,
    outcomes: RefCell<Vec<(&'static Check, Outcome)>>,
}

impl std::fmt::Debug for CheckContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckContext").field("user", &self.facts.user.name).finish_non_exhaustive()
    }
}

impl<'c> CheckContext<'c> {
    /// A context for the chosen provider.
    #[must_use]
    pub fn new(system: &'c dyn System, facts: &'c Facts, answers: &'c Answers) -> Self {
        Self {
            system,
            facts,
            answers,
            provider: Some(answers.provider()),
            may_create: false,
            registry: None,
            outcomes: RefCell::default(),
        }
    }

    /// Includes the checks of every provider: a pasted message can come from any of them.
    #[must_use]
    pub fn of_any_provider(self) -> Self {
        Self { provider: None, ..self }
    }

    /// Allows checks to create podman's storage: after a setup, or if the user requests one of them.
    #[must_use]
    pub fn that_may_create(self) -> Self {
        Self { may_create: true, ..self }
    }

    /// Allows checks to query this registry.
    #[must_use]
    pub fn that_may_ask(self, registry: String) -> Self {
        Self { registry: Some(registry), ..self }
    }

    /// Whether a path exists, as a sentence.
    fn exists(&self, path: &str) -> Result<String, String> {
        let exists = self.system.exists(path);
        if exists { Ok(format!("{path} exists")) } else { Err(format!("{path} does not exist")) }
    }

    /// A number below `/proc/sys`.
    fn setting(&self, name: &str) -> Option<u64> {
        self.system.text(&format!("/proc/sys/{}", name.replace('.', "/")))?.trim().parse().ok()
    }

    /// Runs a check, at most once.
    #[must_use]
    pub fn outcome(&self, check: &'static Check) -> Outcome {
        let known =
            self.outcomes.borrow().iter().find(|(c, _)| std::ptr::eq(*c, check)).map(|(_, o)| o.clone());
        known.unwrap_or_else(|| {
            let outcome = self.run(check);
            self.outcomes.borrow_mut().push((check, outcome.clone()));
            outcome
        })
    }

    fn run(&self, check: &'static Check) -> Outcome {
        if let Some((_, why)) = check.excluded(self.facts, self.provider) {
            return Outcome::skipped(why);
        }
        // The results are meaningless in a distribution of Docker Desktop.
        let first = &docker_desktop::DISTRIBUTION;
        if !std::ptr::eq(check, first)
            && let Some(outcome) = self.blocked_by(first)
        {
            return outcome;
        }
        if let Some(outcome) = check.needs.iter().find_map(|need| self.blocked_by(need)) {
            return outcome;
        }
        match check.judge {
            Judge::One(run) => self.answered(|| catch_unwind(AssertUnwindSafe(|| run(self))).unwrap_or_else(|_| {
                Outcome::unknown("this check crashed, which is a fault of kind-wsl; `kind-wsl report` collects the details for a bug report")
            })),
            Judge::All(parts) => self.worst(parts),
        }
    }

    /// The outcome of a check if one that it needs was skipped or failed.
    fn blocked_by(&self, need: &'static Check) -> Option<Outcome> {
        let outcome = self.outcome(need);
        match outcome.status {
            // Reports the first cause, not its consequences.
            Status::Skipped => Some(outcome),
            Status::Error => {
                let why = format!("needs `{}`: {}", need.id, outcome.details);
                Some(Outcome { blocked_by: Some(need.id), ..Outcome::skipped(why) })
            }
            Status::Ok | Status::Limited | Status::Warning | Status::Unknown => None,
        }
    }

    /// Runs a check. The outcome is unknown if it needs data that the report does not contain, or that only an update
    /// will show.
    fn answered(&self, run: impl FnOnce() -> Outcome) -> Outcome {
        self.system.take_unanswered();
        let outcome = run();
        if self.system.take_unanswered() {
            return Outcome::unknown("only the running machine can show this");
        }
        outcome
    }

    /// The outcome of the first of the worst parts.
    fn worst(&self, parts: &[&'static Check]) -> Outcome {
        let outcomes = parts.iter().map(|part| self.outcome(part));
        let rank = |outcome: &Outcome| match outcome.status {
            Status::Error => 4,
            Status::Warning => 3,
            Status::Unknown => 2,
            Status::Ok | Status::Limited => 1,
            Status::Skipped => 0,
        };
        outcomes
            .min_by_key(|outcome| Reverse(rank(outcome)))
            .unwrap_or_else(|| Outcome::skipped("it has no parts"))
    }
}

/// Every check of `doctor` in its order.
pub fn doctor() -> impl Iterator<Item = &'static Check> {
    GROUPS.iter().flat_map(Group::checks)
}

/// The checks after a setup.
static VERIFY: &[&Check] = &[
    &cgroup::SYSTEMD,
    &cgroup::V2,
    &session::CONTROLLERS,
    &podman::CONTROLLERS,
    &podman::LOGS,
    &podman::CGROUP_MANAGER,
    &podman::CRUN,
    &podman::STORAGE,
    &container::CONTAINER,
    &engine::DOCKER,
    &engine::NERDCTL,
    &node::CONDITIONS,
];

/// The checks after a setup for this provider.
pub fn verify(provider: Provider) -> impl Iterator<Item = &'static Check> {
    let is_for = move |scope: &Scope| !matches!(scope, Scope::Provider(list) if !list.contains(&provider));
    VERIFY.iter().copied().filter(move |check| check.scope.iter().all(is_for))
}

#[cfg(test)]
mod tests {
    use super::{Check, CheckContext, Outcome, Status, all, check};
    use crate::facts::Facts;
    use crate::host::{Account, Recording, Replay};
    use crate::stage::Answers;

    static CRASHES: Check = check("crashes", "it crashes", |_| panic!("on purpose"));
    static FAILS: Check = check("fails", "it fails", |_| Outcome::error("no", "no", "no"));
    static NEEDS: Check = check("needs", "it holds", |_| Outcome::ok("yes")).needs(const { &[&FAILS] });
    static ABOVE: Check = check("above", "it holds", |_| Outcome::ok("yes")).needs(const { &[&NEEDS] });
    static AFTER: Check = check("after", "it holds", |_| Outcome::ok("yes")).needs(const { &[&CRASHES] });
    static BOTH: Check = all("both", "both hold", const { &[&AFTER, &FAILS] });

    /// The outcome of a check on an unknown machine.
    fn found(check: &'static Check) -> Outcome {
        let system = Replay::new(Recording::default());
        let user = Account {
            name: "dev".into(),
            uid: 1000,
            gid: 1000,
            home: "/home/dev".into(),
            shell: String::new(),
            config_home: None,
        };
        let facts = Facts::probe(&system, user);
        CheckContext::new(&system, &facts, &Answers::default()).outcome(check)
    }

    #[test]
    fn a_check_that_crashes_does_not_stop_the_others() {
        assert_eq!(found(&CRASHES).status, Status::Unknown);
        assert_eq!(found(&AFTER).status, Status::Ok);
    }

    #[test]
    fn a_check_is_skipped_if_one_that_it_needs_fails_and_names_that_one() {
        for check in [&NEEDS, &ABOVE] {
            let outcome = found(check);
            assert_eq!((outcome.status, outcome.details.as_str()), (Status::Skipped, "needs `fails`: no"));
            assert_eq!(outcome.blocked_by, Some("fails"));
        }
    }

    #[test]
    fn a_check_of_parts_fails_with_its_worst_part() {
        let outcome = found(&BOTH);
        assert_eq!((outcome.status, outcome.details.as_str()), (Status::Error, "no"));
    }
}
