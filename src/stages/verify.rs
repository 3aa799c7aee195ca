//! The checks of podman and systemd after a setup.

use super::rootless;
use crate::facts::Facts;
use crate::provider::Provider;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "verify",
    title: "run the checks",
    from: "upstream guide",
    why: "kind decides by `podman info` (kind pkg/cluster/internal/providers/podman/provider.go), or by \
          `docker info` and `nerdctl info` (providers/docker/provider.go). Without a cgroup driver those \
          report all limits as missing (moby#42151). So the checks read the same output in the same \
          environment: inside the wrapper `systemd-run --user --scope -p Delegate=yes`. They run again \
          only after a change.",
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
    if facts.is_user_away {
        let name = &facts.user.name;
        return Applicability::not_applicable(format!(
            "{name} has not logged in: `kind-wsl doctor` by {name} runs them"
        ));
    }
    if let Some(when) = &facts.verified {
        return Applicability::satisfied(format!("verified at {when}; nothing has changed since"));
    }
    Applicability::needed("the result is verified at the end")
}
