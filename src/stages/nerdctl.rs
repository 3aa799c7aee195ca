//! A containerd of the user's own, for nerdctl.

use camino::Utf8Path;

use super::rootless;
use crate::change::Change;
use crate::facts::Facts;
use crate::provider::Provider;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "nerdctl",
    title: "set up rootless containerd",
    from: "page",
    why: "kind's page asks for nerdctl 1.7 or later with containerd 1.7 or later. nerdctl's own \
          containerd-rootless-setuptool.sh (nerdctl extras/rootless/) makes a containerd of the user's own: a unit in \
          ~/.config/systemd/user, enabled and started. It needs the user manager, so it runs after the restart. It does \
          not look for sub-ids, iptables or modules, which the stages before it see to, and only warns where a controller \
          is missing. The system's own containerd is stopped where it came with us. A rootless Docker and this exclude each \
          other (moby#52171), and on a WSL that isolates distributions it looks for the user's cgroup in a place that is \
          not there (nerdctl#5172).",
    questions: &[],
    needed,
    changes,
};

const UNIT: &str = "containerd.service";

/// The system's own containerd, where it came with us.
fn ours(facts: &Facts) -> Vec<&'static str> {
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
            "`dockerd-rootless-setuptool.sh uninstall` takes it away, or keep it: `--provider docker`",
        );
    }
    if facts.engines.nerdctl.is_some() && facts.engines.nerdctl_tool.is_none() {
        return Applicability::blocked(
            "this nerdctl comes without containerd-rootless-setuptool.sh",
            "take it from a release of nerdctl-full, into the directory of nerdctl",
        );
    }
    Applicability::needed(format!(
        "nerdctl's own set-up tool makes a containerd of `{}`'s own{}",
        facts.user.name,
        rootless::left_alone(facts, &ours(facts))
    ))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let mut changes: Vec<Change> = ours(facts).into_iter().map(rootless::disabled).collect();
    let tool = facts
        .engines
        .nerdctl_tool
        .clone()
        .unwrap_or_else(|| "/usr/bin/containerd-rootless-setuptool.sh".into());
    changes.extend(rootless::linger(facts));
    changes.extend(rootless::service(facts, UNIT, &tool, tool.parent().unwrap_or(Utf8Path::new("/usr/bin"))));
    changes
}
