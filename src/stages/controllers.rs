//! Every controller reaches systemd, also below WSL's per-distribution cgroups.

use crate::cgroup::WANTED;
use crate::change::{Change, Put, RestartRequirement, Trigger, Unit};
use crate::facts::Facts;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "controllers",
    title: "all controllers reach systemd",
    from: "beyond the guide",
    why: "A WSL that isolates distributions (from 2.9.5 on) keeps systemd's tree at /wsl-user/distro-N/systemd and may \
          pass only cpu and memory on to it. kind then asks for `Delegate=yes`, which can not help: a manager delegates \
          only what it has (podman#29749, WSL#41492). root in the distribution may enable the rest on every cgroup \
          above systemd's; systemd has to be executed again to notice, and the user manager started after that. Found \
          and verified in a virtual machine that plays this WSL; not yet seen on a real one.",
    questions: &[],
    needed,
    changes,
};

/// The unit: before the first user session, at each start.
const UNIT: &str = "kind-wsl-controllers.service";

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    let withheld = facts.cgroup.withheld();
    if facts.systemd.is_running() && !withheld.is_empty() {
        let at = facts.cgroup.chain.last().map_or("/sys/fs/cgroup", |l| l.path.as_str());
        return Applicability::needed(format!(
            "{at} lacks {}: a cgroup above it does not pass them on",
            withheld.join(", ")
        ));
    }
    // Before systemd runs, what WSL will pass on to it can not be seen; the unit enables only what is missing.
    if !facts.systemd.is_running() && facts.cgroup.is_isolated() {
        let at = &facts.cgroup.own;
        return Applicability::needed(format!(
            "WSL keeps this distribution in {at}, and what it will pass on to systemd can not be seen yet"
        ));
    }
    if facts.cgroup.is_isolated() {
        return Applicability::satisfied(format!("{} gets {}", facts.cgroup.systemd_root, WANTED.join(", ")));
    }
    Applicability::redundant("no cgroup stands between the root and systemd")
}

fn changes(_: &Facts, _: &Answers) -> Vec<Change> {
    let unit = include_str!("../../assets/files/kind-wsl-controllers.service");
    let mut put = Put::config(&format!("/etc/systemd/system/{UNIT}"), unit.to_owned());
    put.follow = Some(Trigger::DaemonReload);
    vec![
        Change::Put(put),
        Change::Unit(Unit { name: UNIT.to_owned(), restart: RestartRequirement::distro(None) }),
    ]
}
