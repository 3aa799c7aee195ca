//! Docker and nerdctl, if one of them is the provider. They exclude each other (moby#52171).

use super::cgroup::{SYSTEMD, delegate, to_v2};
use super::docker_desktop::STUB;
use super::kind::{RunContext, ask};
use super::{Check, CheckContext, Outcome, Scope, check};
use crate::compat::COMPAT;
use crate::facts::engines::Info;
use crate::fix::{command, setup};
use crate::provider::Provider;
use crate::stage::Stage;
use crate::stages::{docker, nerdctl, packages, podman};

pub(super) static CHECKS: &[&Check] = &[&DOCKER, &NERDCTL, &STUB, &DOCKER_COMMAND];

/// The setup stage of the provider.
pub(super) fn stage_of(provider: Provider) -> &'static Stage {
    match provider {
        Provider::Podman => &podman::STAGE,
        Provider::Docker => &docker::STAGE,
        Provider::Nerdctl => &nerdctl::STAGE,
    }
}

pub(crate) static DOCKER: Check =
    check("docker", "rootless Docker runs and supports resource limits", |c| engine(c, Provider::Docker))
        .scope(&[Scope::Provider(&[Provider::Docker])])
        .needs(const { &[&SYSTEMD] });

pub(crate) static NERDCTL: Check =
    check("nerdctl", "rootless containerd runs and supports resource limits", |c| {
        engine(c, Provider::Nerdctl)
    })
    .scope(&[Scope::Provider(&[Provider::Nerdctl])])
    .needs(const { &[&SYSTEMD] });

pub(crate) static DOCKER_COMMAND: Check =
    check("docker-command", "`kind load docker-image` finds docker", |c| {
        match ["/usr/bin/docker", "/usr/local/bin/docker"].iter().find(|path| c.system.exists(path)) {
            Some(path) => Outcome::ok(format!("{path} is installed (its images were not checked)")),
            None => Outcome::limited("docker is not installed"),
        }
    });

fn engine(c: &CheckContext<'_>, provider: Provider) -> Outcome {
    let stage = stage_of(provider);
    let engines = &c.facts.engines;
    let (version, floor, other) = match provider {
        Provider::Docker => (&engines.docker, COMPAT.minimum.docker.since(), engines.rootless_containerd),
        _ => (&engines.nerdctl, COMPAT.minimum.nerdctl.since(), engines.rootless_docker),
    };
    let Some(version) = version else {
        let fix = setup([&packages::STAGE, stage]);
        return Outcome::error(format!("{provider} is not installed"), "kind finds no provider", fix);
    };
    if version < floor {
        return Outcome::error(
            format!("{provider} {version}"),
            format!("rootless kind needs {floor} or later"),
            "a newer release of the distribution has a newer one; or use `kind-wsl setup --provider podman`",
        );
    }
    if other {
        let (other, tool) = match provider {
            Provider::Docker => ("containerd", "containerd-rootless-setuptool.sh"),
            _ => ("Docker", "dockerd-rootless-setuptool.sh"),
        };
        return Outcome::error(
            format!("a rootless {other} is set up as well"),
            "a rootless Docker and a rootless containerd exclude each other (moby#52171)",
            command(format!("{tool} uninstall")),
        );
    }
    let refuses = "kind refuses, or finds no provider";
    let unit = if provider == Provider::Docker { "docker.service" } else { "containerd.service" };
    let broken = |details: String| {
        let why = format!("run `journalctl --user -u {unit}` as {} to see why", c.facts.user.name);
        Outcome::error(details, refuses, setup([stage])).then(why)
    };
    let info = match ask(c, RunContext::Wrapper, provider) {
        Ok(info) => Info::of(&info),
        Err(message) => return broken(message),
    };
    if !info.is_rootless {
        return broken(format!("{provider} runs as root"));
    }
    if !info.is_v2 {
        return Outcome::error(format!("{provider} is not on cgroup v2"), refuses, to_v2());
    }
    if info.missing.is_empty() {
        let (driver, storage) = (&info.cgroup_driver, &info.storage);
        return Outcome::ok(format!(
            "{provider} {}: rootless, cgroup v2, cgroup driver {driver}, storage driver {storage}",
            version.release()
        ));
    }
    let (missing, driver) = (info.missing.join(", "), info.cgroup_driver);
    let details = format!("{provider} does not limit {missing} (cgroup driver {driver})");
    Outcome::error(details, refuses, delegate(c.facts)).then(setup([stage]))
}
