//! Rootless containerd for nerdctl.

use camino::Utf8Path;

use super::rootless;
use crate::change::Change;
use crate::facts::Facts;
use crate::provider::Provider;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "nerdctl",
    title: "set up rootless containerd",
    from: "kind docs",
    why: "kind requires nerdctl 1.7 or later with containerd 1.7 or later. nerdctl's \
          containerd-rootless-setuptool.sh (nerdctl extras/rootless/) installs a rootless containerd: a \
          unit in ~/.config/systemd/user, enabled and started. It needs the systemd user manager, so it \
          runs after the restart. It does not check subordinate IDs, iptables or modules, which the \
          stages before it set up, and only warns about a missing controller. If kind-wsl installed the \
          package, the rootful containerd is stopped. Rootless Docker and rootless containerd exclude \
          each other (moby#52171). If WSL isolates distributions, containerd expects the cgroup of the \
          user at a path that does not exist (nerdctl#5172).",
    questions: &[],
    needed,
    changes,
};

const UNIT: &str = "containerd.service";

/// The rootful containerd, if kind-wsl installed it.
fn own_units(facts: &Facts) -> Vec<&'static str> {
    let by_hand = facts.engines.nerdctl.is_some() && !facts.packages.installed.contains_key("nerdctl");
    rootless::rootful_of_ours(facts, if by_hand { &[] } else { &[(UNIT, "containerd")] })
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let provider = answers.provider();
    if provider != Provider::Nerdctl {
        return Applicability::not_applicable(format!("the provider is {provider}"));
    }
    if let Some(blocked) = rootless::unfit(facts, provider)
        .or_else(|| rootless::isolated(facts, "nerdctl (nerdctl#5172)"))
        .or_else(|| rootless::confined(facts))
    {
        return blocked;
    }
    if facts.engines.rootless_docker {
        let what = format!(
            "a rootless Docker has {}/dockerd-rootless, and it and a rootless containerd exclude each other (moby#52171)",
            facts.user.runtime_dir()
        );
        return Applicability::blocked(
            what,
            "`dockerd-rootless-setuptool.sh uninstall` removes it; or use it: `--provider docker`",
        );
    }
    if facts.engines.nerdctl.is_some() && facts.engines.nerdctl_tool.is_none() {
        return Applicability::blocked(
            "this nerdctl comes without containerd-rootless-setuptool.sh",
            "copy it from a release of nerdctl-full into the directory of nerdctl",
        );
    }
    Applicability::needed(format!(
        "nerdctl's setup tool installs rootless containerd for `{}`{}",
        facts.user.name,
        rootless::left_alone(facts, &own_units(facts))
    ))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let mut changes: Vec<Change> = own_units(facts).into_iter().map(rootless::disabled).collect();
    let tool = facts
        .engines
        .nerdctl_tool
        .clone()
        .unwrap_or_else(|| "/usr/bin/containerd-rootless-setuptool.sh".into());
    changes.extend(rootless::linger(facts));
    changes.extend(rootless::service(facts, UNIT, &tool, tool.parent().unwrap_or(Utf8Path::new("/usr/bin"))));
    changes
}
