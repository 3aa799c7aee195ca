//! What podman and systemd say of the result.

use super::rootless;
use crate::facts::Facts;
use crate::provider::Provider;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "verify",
    title: "run the checks",
    from: "guide",
    why: "What counts is what podman says of itself where kind asks it: inside the wrapper `systemd-run --user --scope \
          -p Delegate=yes`. kind decides by the same `podman info` (kind pkg/cluster/internal/providers/podman/ \
          provider.go), or `docker info` and `nerdctl info` (providers/docker/provider.go), where all limits count as missing \
          without a cgroup driver (moby#42151). Looked at again only when something was changed.",
    questions: &[],
    needed,
    changes: |_, _| Vec::new(),
};

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let provider = answers.provider();
    let has_packages = |provider| {
        let names = facts.packages.manager.map(|manager| rootless::packages(facts, provider, manager));
        names.is_some_and(|names| names.iter().all(|name| facts.packages.installed.contains_key(*name)))
    };
    let is_installed = match provider {
        Provider::Podman => facts.tools.podman.is_some() || facts.packages.installed.contains_key("podman"),
        Provider::Docker => facts.engines.docker.is_some() || has_packages(provider),
        Provider::Nerdctl => facts.engines.nerdctl.is_some() || has_packages(provider),
    };
    if !is_installed {
        return Applicability::not_applicable(format!("{provider} is not installed"));
    }
    if !facts.is_running() {
        return Applicability::not_applicable("this system is not running");
    }
    if let Some(when) = &facts.verified {
        return Applicability::satisfied(format!("verified at {when}; nothing has changed since"));
    }
    Applicability::needed("the result is verified at the end")
}
