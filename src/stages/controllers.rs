//! Enables every controller for systemd, also below WSL's per-distribution cgroups.

use crate::cgroup::{ESSENTIAL, WANTED};
use crate::change::{Change, RestartRequirement, Trigger, Unit, WriteFile};
use crate::facts::Facts;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "controllers",
    title: "enable all controllers for systemd",
    from: "kind-wsl",
    why: "The pre-releases 2.9.8 to 2.9.12 of WSL keep systemd below /wsl-user/distro-N/systemd and may enable only cpu \
          and memory for it. kind then asks for `Delegate=yes`, which cannot help: a systemd user manager delegates only \
          what it has (podman#29749, WSL#41492). root can enable the missing controllers in every ancestor cgroup. \
          systemd must re-execute to pick them up, and the systemd user manager starts after that. From 2.9.13 on WSL \
          gives each distribution a cgroup namespace, and systemd runs directly below its root. Controllers that \
          this root lacks cannot be enabled inside the distribution, only in Windows. The unit was verified in a virtual \
          machine that emulates the pre-releases.",
    questions: &[],
    needed,
    changes,
};

/// The unit: before the first user session, at each start.
const UNIT: &str = "kind-wsl-controllers.service";

/// How to leave the layout of the pre-releases 2.9.8 to 2.9.12.
pub(crate) const NOT_BELOW_WSL_USER: &str = "in Windows: run `wsl --update`, or add `isolateDistroCgroup=false` below [wsl2] in .wslconfig, then run \
     `wsl --shutdown`";

/// How to get the controllers that the topmost cgroup lacks. Nothing inside the distribution can enable them.
pub(crate) fn from_outside(facts: &Facts) -> &'static str {
    match (facts.wsl.is_two(), facts.cgroup.is_namespaced) {
        (true, true) => {
            "in Windows: run `wsl --update`, then `wsl --shutdown`; if that is not enough, add \
             `isolateDistroCgroup=false` below [wsl2] in .wslconfig and run `wsl --shutdown` again"
        }
        (true, false) => "in Windows: run `wsl --update`, then `wsl --shutdown`",
        (false, true) => "the host of this container must delegate these controllers to it",
        (false, false) => {
            "use a kernel with these controllers, without `cgroup_disable=` on its command line"
        }
    }
}

/// The topmost cgroup and the controllers that nothing inside the distribution can enable.
pub(crate) fn unavailable(facts: &Facts) -> Option<String> {
    let names = facts.cgroup.unavailable();
    let root = match (facts.wsl.is_two(), facts.cgroup.is_namespaced) {
        (true, true) => "WSL gives this distribution a cgroup",
        (false, true) => "the root of this cgroup namespace is a cgroup",
        (_, false) => "the root of the cgroup hierarchy is",
    };
    (!names.is_empty()).then(|| format!("{root} without {}", names.join(", ")))
}

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    if let Some(what) = unavailable(facts) {
        let is_essential = |name: &String| ESSENTIAL.contains(&name.as_str());
        let is_certain = facts.systemd.is_running() || !facts.cgroup.is_namespaced;
        if !is_certain {
            return Applicability::redundant(format!(
                "{what}; the controllers of systemd are visible only after it has started"
            ));
        }
        if facts.cgroup.unavailable().iter().any(is_essential) {
            return Applicability::blocked(what, from_outside(facts));
        }
        if facts.cgroup.withheld().is_empty() {
            return Applicability::redundant(format!("{what}, which kind does not require"));
        }
    }
    let withheld = facts.cgroup.withheld();
    if facts.systemd.is_running() && !withheld.is_empty() {
        let at = facts.cgroup.chain.last().map_or("/sys/fs/cgroup", |l| l.path.as_str());
        return Applicability::needed(format!(
            "{at} lacks {}: an ancestor cgroup does not enable them",
            withheld.join(", ")
        ));
    }
    // The controllers of systemd are visible only after it has started; the unit enables only the missing ones.
    if !facts.systemd.is_running() && facts.cgroup.is_isolated() {
        let at = &facts.cgroup.own;
        return Applicability::needed(format!(
            "WSL keeps this distribution in {at}; the controllers of systemd are visible only after it has started"
        ));
    }
    if facts.cgroup.is_isolated() {
        return Applicability::satisfied(format!("{} gets {}", facts.cgroup.systemd_root, WANTED.join(", ")));
    }
    Applicability::redundant(if facts.cgroup.is_namespaced {
        "this distribution has a cgroup namespace, and its root has every controller"
    } else {
        "systemd runs directly below the root cgroup"
    })
}

fn changes(_: &Facts, _: &Answers) -> Vec<Change> {
    let unit = include_str!("../../assets/files/kind-wsl-controllers.service");
    let file = WriteFile::config(&format!("/etc/systemd/system/{UNIT}"), unit.to_owned());
    vec![
        Change::from(file).with_trigger(Trigger::DaemonReload),
        Change::from(Unit::new(UNIT)).with_restart(RestartRequirement::distro(None)),
    ]
}
