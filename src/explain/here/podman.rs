//! Looks at podman, the crun that it will run, and its configuration.

use super::{Here, is_below};
use crate::facts::Facts;
use crate::fetch::catalogue::crun_floor_for;
use crate::host::{Cmd, System};
use crate::inspect::node;
use crate::stages::{self, Pids, is_enough};
use crate::version::Version;

/// The crun that podman will run, with its version.
fn crun(facts: &Facts) -> Result<(String, Version), Here> {
    let crun = facts.tools.crun.as_ref().ok_or_else(|| Here::unknown("no crun was found"))?;
    let version = crun
        .version
        .clone()
        .ok_or_else(|| Here::unknown(format!("{} does not say its version", crun.path)))?;
    Ok((format!("podman will run {}, which is {}", crun.path, version.release()), version))
}

/// The version of the podman that runs, which need not be that of the package.
pub(crate) fn version(system: &dyn System, facts: &Facts) -> Option<Version> {
    // It prints this before it opens its storage.
    let said = system.stdout_if_ok(&Cmd::parse("podman --version").as_user(&facts.user))?;
    said.strip_prefix("podman version ")?.trim().parse().ok()
}

fn podman(system: &dyn System, facts: &Facts) -> Result<Version, Here> {
    let version = version(system, facts).or_else(|| facts.packages.version("podman"));
    version.ok_or_else(|| Here::unknown("podman is not installed"))
}

fn either(look: Result<Here, Here>) -> Here {
    look.unwrap_or_else(|unknown| unknown)
}

pub(super) fn crun_chmod(_: &dyn System, facts: &Facts) -> Here {
    either(crun(facts).map(|(said, version)| {
        let said = format!("{said}, on kernel {}", facts.kernel.release);
        Here::when(version < crun_floor_for(facts.kernel.major_minor(), None).version(), said)
    }))
}

pub(super) fn crun_oci(system: &dyn System, facts: &Facts) -> Here {
    either((|| {
        let (said, version) = crun(facts)?;
        let podman = podman(system, facts)?;
        let is_present = is_below(&version, "1.14.3") && podman.major() >= 5;
        Ok(Here::when(is_present, format!("{said}; podman is {}", podman.release())))
    })())
}

pub(crate) fn crun_1_21(_: &dyn System, facts: &Facts) -> Here {
    either(crun(facts).map(|(said, version)| {
        let is_weak = version.major() == 1 && (21..29).contains(&version.minor());
        // openat2 came with Linux 5.6.
        let is_present = is_weak && facts.kernel.major_minor() < (5, 6);
        Here::when(is_present, format!("{said}, on kernel {}", facts.kernel.release))
    }))
}

pub(crate) fn crun_1_29(_: &dyn System, facts: &Facts) -> Here {
    let is_present = |version: &Version| (version.major(), version.minor()) == (1, 29);
    either(crun(facts).map(|(said, version)| Here::when(is_present(&version), said)))
}

pub(super) fn crun_0(_: &dyn System, facts: &Facts) -> Here {
    either(crun(facts).map(|(said, version)| Here::when(version.major() == 0, said)))
}

const PLUGINS: &str = "containernetworking-plugins";

pub(super) fn cni_plugins(system: &dyn System, facts: &Facts) -> Here {
    either((|| {
        let podman = podman(system, facts)?;
        let Some(plugins) = facts.packages.version(PLUGINS) else {
            return Ok(Here::unknown(format!("{PLUGINS} is not installed as a package")));
        };
        let said = format!("podman is {}, {PLUGINS} is {}", podman.release(), plugins.release());
        // CNI's 1.0.0 came with version 1.0 of the plugins.
        Ok(Here::when(podman.major() < 4 && is_below(&plugins, "1.0"), said))
    })())
}

/// Where podman looks for its helpers (containers-common `pkg/config/config_linux.go`, `defaultHelperBinariesDir`), and
/// the path.
const HELPERS: [&str; 7] = [
    "/usr/local/libexec/podman",
    "/usr/local/lib/podman",
    "/usr/libexec/podman",
    "/usr/lib/podman",
    "/usr/local/bin",
    "/usr/bin",
    "/usr/sbin",
];

fn helper(system: &dyn System, name: &str) -> Option<String> {
    HELPERS.iter().map(|dir| format!("{dir}/{name}")).find(|path| system.exists(path))
}

/// What makes a container's network.
pub(crate) fn cni_missing(system: &dyn System, _: &Facts) -> Here {
    let dirs =
        ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin", "/usr/local/libexec/cni", "/usr/local/lib/cni"];
    let bridge = dirs.iter().map(|dir| format!("{dir}/bridge")).find(|path| system.exists(path));
    match helper(system, "netavark").or(bridge) {
        Some(path) => Here::Absent(format!("{path} is installed")),
        None => Here::Present("neither netavark nor the CNI plugin `bridge` is installed".to_owned()),
    }
}

/// The program that podman calls for a rootless container's way out.
pub(crate) fn network_program(system: &dyn System, facts: &Facts) -> &'static str {
    if podman(system, facts).is_ok_and(|v| v.major() < 5) { "slirp4netns" } else { "pasta" }
}

pub(crate) fn rootless_network(system: &dyn System, facts: &Facts) -> Here {
    let name = network_program(system, facts);
    match helper(system, name) {
        Some(path) => Here::Absent(format!("{path} is installed")),
        None => Here::Present(format!("{name} is not installed")),
    }
}

/// What podman is told, and by which file.
fn told(facts: &Facts, key: &str) -> Option<(String, String)> {
    let winner = facts.containers.winner(key)?;
    let value = winner.setting.value.trim_matches('"').to_owned();
    Some((value.clone(), format!("{winner} sets {key} to {value}")))
}

pub(super) fn log_driver(_: &dyn System, facts: &Facts) -> Here {
    match told(facts, "containers.log_driver") {
        Some((value, said)) => Here::when(value != "k8s-file", said),
        None if facts.systemd.is_running() => Here::Present(
            "no file sets containers.log_driver, so podman takes journald where there is one".to_owned(),
        ),
        None => Here::unknown("no file sets containers.log_driver"),
    }
}

/// The limit of the nodes that run; if none does, the one that podman will set.
pub(crate) fn pids_limit(system: &dyn System, facts: &Facts) -> Here {
    let limits = node::pids_limits(system, &facts.user);
    let lowest = limits.iter().min_by_key(|(_, limit)| limit.unwrap_or(u64::MAX));
    if let Some((cgroup, limit)) = lowest {
        let text = limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
        let is_low = limit.is_some_and(|limit| i64::try_from(limit).is_ok_and(|limit| !is_enough(limit)));
        return Here::when(is_low, format!("pids.max of the node in {cgroup} is {text}"));
    }
    match stages::pids_limit(&facts.containers) {
        Pids::Enough(evidence) => Here::Absent(evidence),
        Pids::TooLow(evidence) => Here::Present(evidence),
    }
}

pub(super) fn ports(system: &dyn System, facts: &Facts) -> Here {
    either(podman(system, facts).map(|v| {
        let is_present = v.major() == 6 && is_below(&v, "6.1.1");
        Here::when(is_present, format!("podman is {}", v.release()))
    }))
}

pub(crate) fn labels(system: &dyn System, facts: &Facts) -> Here {
    either((|| {
        let podman = podman(system, facts)?;
        if podman.major() < 6 {
            return Ok(Here::Absent(format!("podman is {}", podman.release())));
        }
        let Some(kind) = &facts.tools.kind else { return Ok(Here::unknown("kind was not found")) };
        // `kind v0.33.0 go1.26 linux/amd64`
        let said = system
            .stdout_if_ok(&Cmd::new(kind.as_str(), ["version"]).as_user(&facts.user))
            .unwrap_or_default();
        let number =
            said.split_ascii_whitespace().nth(1).and_then(|v| v.trim_start_matches('v').parse().ok());
        let number: Version =
            number.ok_or_else(|| Here::unknown(format!("{kind} does not say its version")))?;
        let evidence = format!("podman is {}, {kind} is {}", podman.release(), number.release());
        Ok(Here::when(is_below(&number, "0.33"), evidence))
    })())
}

pub(super) fn docker_missing(system: &dyn System, _: &Facts) -> Here {
    match ["/usr/bin/docker", "/usr/local/bin/docker"].iter().find(|p| system.exists(p)) {
        Some(path) => {
            Here::Absent(format!("{path} is there; whether it knows the image is another question"))
        }
        None => Here::Present("there is no program `docker`".to_owned()),
    }
}
