//! Docker and nerdctl, where one of them is the provider: is it there, new enough, and does its daemon answer as kind
//! wants it to. They exclude each other (moby#52171).

use super::{Examination, Finding, Patient};
use crate::provider::Provider;
use crate::stage::Fault;
use crate::stages;
use crate::version::Version;

pub(super) static CHECKS: &[Examination] = &[
    Examination {
        id: "docker",
        what: "docker's own daemon of the user answers, and limits what kind limits",
        look: |p| engine(p, Provider::Docker),
    },
    Examination {
        id: "nerdctl",
        what: "the user's own containerd answers, and limits what kind limits",
        look: |p| engine(p, Provider::Nerdctl),
    },
];

fn engine(patient: &Patient<'_>, provider: Provider) -> Finding {
    let chosen = patient.answers.provider();
    if chosen != provider {
        return Finding::not_applicable(format!("the provider is {chosen}"));
    }
    let engines = &patient.facts.engines;
    let set_up = format!("`kind-wsl setup --only packages,{provider}`");
    let (version, floor, other) = match provider {
        Provider::Docker => (&engines.docker, Version::from([20, 10]), engines.rootless_containerd),
        _ => (&engines.nerdctl, Version::from([1, 7]), engines.rootless_docker),
    };
    let Some(version) = version else {
        return Finding::wrong(format!("{provider} is not installed"), "kind finds no provider", set_up);
    };
    if *version < floor {
        let consequence = format!("rootless kind needs {floor} or later");
        let fix =
            "a newer release of the distribution has a newer one; or `kind-wsl setup --provider podman`";
        return Finding::wrong(format!("{provider} {version}"), &consequence, fix);
    }
    if other {
        let consequence = "a rootless Docker and a rootless containerd exclude each other (moby#52171)";
        let (theirs, tool) = match provider {
            Provider::Docker => ("containerd", "containerd-rootless-setuptool.sh"),
            _ => ("Docker", "dockerd-rootless-setuptool.sh"),
        };
        return Finding::wrong(
            format!("a rootless {theirs} is there as well"),
            consequence,
            format!("`{tool} uninstall`"),
        );
    }
    if !patient.facts.systemd.is_running() {
        return Finding::not_applicable(format!(
            "without systemd {provider} can not be asked as kind will ask it"
        ));
    }
    let check = stages::STAGES.iter().flat_map(|s| s.checks).find(|c| c.id == provider.name());
    let Some(check) = check else { return Finding::unknown(format!("there is no check `{provider}`")) };
    match (check.look)(patient.system, patient.facts, patient.answers) {
        Ok(seen) => Finding::ok(format!("{provider} {}: {seen}", version.release())),
        Err(Fault { seen, hint, .. }) => Finding::wrong(seen, "kind refuses, or finds no provider", hint),
    }
}
