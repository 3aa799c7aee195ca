//! What podman and systemd say of the result.

use serde_json::Value;

use super::rootless;
use crate::facts::Facts;
use crate::facts::cgroup::{ESSENTIAL, Mounts, user_manager};
use crate::facts::engines::Info;
use crate::host::System;
use crate::inspect::{Inspection, consequence, node};
use crate::provider::{INFO, Provider, docker_host, in_wrapper};
use crate::stage::{Answers, Applicability, Check, Fault, Stage};

pub(super) static STAGE: Stage = Stage {
    id: "verify",
    title: "the provider confirms it",
    from: "guide",
    why: "What counts is what podman says of itself where kind asks it: inside the wrapper `systemd-run --user --scope \
          -p Delegate=yes`. kind decides by the same `podman info` (kind pkg/cluster/internal/providers/podman/ \
          provider.go), or `docker info` and `nerdctl info` (providers/docker/provider.go), where all limits count as missing \
          without a cgroup driver (moby#42151). Looked at again only when something was changed.",
    questions: &[],
    needed,
    changes: |_, _| Vec::new(),
    checks: &[
        Check { id: "systemd", what: "systemd is PID 1", provider: None, look: systemd },
        Check { id: "cgroup", what: "cgroup v2 alone is mounted", provider: None, look: cgroup },
        Check { id: "manager", what: "the user manager has the controllers", provider: None, look: manager },
        Check {
            id: "controllers",
            what: "podman gets cpu, memory and pids inside the wrapper",
            provider: Some(Provider::Podman),
            look: controllers,
        },
        Check {
            id: "logs",
            what: "podman logs and events go to files",
            provider: Some(Provider::Podman),
            look: logs,
        },
        Check {
            id: "cgroup-manager",
            what: "podman uses the chosen cgroup manager",
            provider: Some(Provider::Podman),
            look: cgroup_manager,
        },
        Check {
            id: "crun",
            what: "podman runs a crun that suits",
            provider: Some(Provider::Podman),
            look: crun,
        },
        Check {
            id: "storage",
            what: "podman stores layers with overlay",
            provider: Some(Provider::Podman),
            look: storage,
        },
        Check {
            id: "docker",
            what: "docker, asked as kind asks it, limits cpu, memory and pids without root",
            provider: Some(Provider::Docker),
            look: |w, f, _| engine(w, f, Provider::Docker),
        },
        Check {
            id: "nerdctl",
            what: "nerdctl, asked as kind asks it, limits cpu, memory and pids without root",
            provider: Some(Provider::Nerdctl),
            look: |w, f, _| engine(w, f, Provider::Nerdctl),
        },
        Check {
            id: "node",
            what: "nodes that run have what kind's entrypoint asks for",
            provider: None,
            look: nodes,
        },
    ],
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
    let checks = STAGE.checks.iter().filter(|check| check.counts(answers)).count();
    Applicability::needed(format!("will run {checks} checks at the end"))
}

fn systemd(system: &dyn System, _: &Facts, _: &Answers) -> Result<String, Fault> {
    let name = system.text("/proc/1/comm").unwrap_or_default();
    match name.trim() {
        "systemd" => Ok("PID 1 is systemd".to_owned()),
        other => Err(Fault::new(format!("PID 1 is `{other}`"), "`kind-wsl setup --only systemd`")),
    }
}

fn cgroup(system: &dyn System, _: &Facts, _: &Answers) -> Result<String, Fault> {
    let seen = Mounts::probe(system);
    if seen.is_pure_v2() {
        Ok(seen.to_string())
    } else {
        Err(Fault::new(format!("/sys/fs/cgroup is {seen}"), "`kind-wsl explain cgroup`"))
    }
}

fn manager(system: &dyn System, facts: &Facts, _: &Answers) -> Result<String, Fault> {
    let uid = facts.user.uid;
    let Some(level) = user_manager(system, uid) else {
        let hint = format!(
            "`systemctl status user@{uid}.service` says why; another distribution that runs with systemd is the usual cause (WSL#13188)"
        );
        return Err(Fault::new(format!("user@{uid}.service does not run"), hint));
    };
    let missing = level.lacks(&ESSENTIAL);
    if missing.is_empty() {
        return Ok(format!("{} has {}", level.path, level.controllers.join(", ")));
    }
    Err(Fault::new(
        format!("{} lacks {}", level.path, missing.join(", ")),
        "`kind-wsl setup --only controllers,delegation,restart`",
    ))
}

/// Asks podman as kind will.
pub(crate) fn podman_info(system: &dyn System, facts: &Facts) -> Result<Value, Fault> {
    let cmd = in_wrapper(["podman", "info", "--format", "json"])
        .as_user(&facts.user)
        .timeout(std::time::Duration::from_mins(2));
    let broken = |seen: String| Fault::new(seen, format!("run `{cmd}` as {} to see it", facts.user.name));
    let output = system.run_readonly(&cmd).map_err(|e| broken(e.to_string()))?;
    if output.code != 0 {
        return Err(broken(format!(
            "podman info ended with exit code {}: {}",
            output.code,
            output.stderr.trim()
        )));
    }
    serde_json::from_str(&output.stdout).map_err(|e| broken(format!("podman info printed no JSON: {e}")))
}

fn engine(system: &dyn System, facts: &Facts, provider: Provider) -> Result<String, Fault> {
    let mut cmd = in_wrapper([provider.name()].into_iter().chain(INFO))
        .as_user(&facts.user)
        .timeout(std::time::Duration::from_mins(2));
    if provider == Provider::Docker {
        cmd = cmd.with_env("DOCKER_HOST", &docker_host(&facts.user));
    }
    let unit = if provider == Provider::Docker { "docker.service" } else { "containerd.service" };
    let why = format!(
        "`journalctl --user -u {unit}` says why, as {}; `kind-wsl setup --only {provider}` sets it up",
        facts.user.name
    );
    let broken = |seen: String| Fault::new(seen, why.clone());
    let output = system.run_readonly(&cmd).map_err(|e| broken(e.to_string()))?;
    let info: Value = serde_json::from_str(output.stdout.trim())
        .map_err(|_| broken(format!("{provider} info said: {}", output.stderr.trim())))?;
    // docker info ends well and tells of a daemon that does not answer in its text.
    if let Some(error) = info.pointer("/ServerErrors/0").and_then(Value::as_str) {
        return Err(broken(error.to_owned()));
    }
    let info = Info::of(&info);
    if !info.is_rootless {
        return Err(broken(format!("{provider} runs as root")));
    }
    if !info.is_v2 {
        return Err(Fault::new(format!("{provider} is not on cgroup v2"), "`kind-wsl explain cgroup`"));
    }
    if info.missing.is_empty() {
        return Ok(format!(
            "rootless, cgroup v2, cgroup driver {}, storage driver {}",
            info.cgroup_driver, info.storage
        ));
    }
    let seen = format!(
        "{provider} does not limit {} (cgroup driver {})",
        info.missing.join(", "),
        info.cgroup_driver
    );
    Err(Fault::new(seen, format!("`kind-wsl setup --only controllers,delegation,restart,{provider}`")))
}

fn nodes(system: &dyn System, facts: &Facts, answers: &Answers) -> Result<String, Fault> {
    // What hinders the provider itself is the other checks' business.
    let seen = Inspection::new(system, &facts.user, node::list(system, &facts.user, answers.provider()));
    let nodes = seen.nodes().iter().filter(|node| node.at.is_some());
    let mut names = Vec::new();
    for node in nodes {
        if let Some(fault) = node.faults().find(|fault| fault.is_fatal()) {
            let seen = format!("{}: {}, because {}", node.name, consequence(fault.id), fault.evidence);
            return Err(Fault::new(
                seen,
                "`kind-wsl inspect` shows it; a node that is made again gets what is delegated now",
            ));
        }
        names.push(node.name.as_str());
    }
    Ok(if names.is_empty() { "no node runs".to_owned() } else { names.join(", ") })
}

fn text<'v>(info: &'v Value, pointer: &str) -> &'v str {
    info.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn controllers(system: &dyn System, facts: &Facts, _: &Answers) -> Result<String, Fault> {
    let info = podman_info(system, facts)?;
    let version = text(&info, "/host/cgroupVersion");
    if version != "v2" {
        return Err(Fault::new(format!("podman sees cgroup {version}"), "`kind-wsl explain cgroup`"));
    }
    let Some(names) = info.pointer("/host/cgroupControllers").and_then(Value::as_array) else {
        // Before 4.0 podman does not say; kind then assumes them.
        return Ok("cgroup v2; this podman does not name its controllers".to_owned());
    };
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let missing: Vec<&str> = ESSENTIAL.into_iter().filter(|c| !names.contains(c)).collect();
    if missing.is_empty() {
        return Ok(format!("cgroup v2 with {}", names.join(", ")));
    }
    Err(Fault::new(
        format!("inside the wrapper podman lacks {}", missing.join(", ")),
        "`kind-wsl setup --only controllers,delegation,restart`",
    ))
}

fn logs(system: &dyn System, facts: &Facts, _: &Answers) -> Result<String, Fault> {
    let info = podman_info(system, facts)?;
    let events = text(&info, "/host/eventLogger");
    // podman names its log driver from 4.0 on.
    let driver = text(&info, "/host/logDriver");
    if events == "file" && (driver == "k8s-file" || driver.is_empty()) {
        return Ok("log driver k8s-file, events logger file".to_owned());
    }
    Err(wins(facts, "containers.log_driver", &format!("log driver `{driver}`, events logger `{events}`")))
}

/// The one setting of containers.conf that is another stage's than `podman`'s.
const RUNTIME: &str = "engine.runtimes.crun";

/// A setting that is not ours: which file says so.
fn wins(facts: &Facts, key: &str, seen: &str) -> Fault {
    let stage = if key == RUNTIME { "crun" } else { "podman" };
    let hint = match facts.containers.winner(key) {
        Some(winner) => format!("{winner} sets {key} to {}, and is read last", winner.setting.value),
        None => format!("`kind-wsl setup --only {stage}`"),
    };
    Fault::new(seen, hint)
}

fn cgroup_manager(system: &dyn System, facts: &Facts, answers: &Answers) -> Result<String, Fault> {
    let info = podman_info(system, facts)?;
    let seen = text(&info, "/host/cgroupManager");
    let wanted = super::podman::manager(facts, answers);
    if seen == wanted {
        return Ok(format!("cgroup manager {seen}"));
    }
    Err(wins(facts, "engine.cgroup_manager", &format!("cgroup manager `{seen}`, not `{wanted}`")))
}

fn crun(system: &dyn System, facts: &Facts, _: &Answers) -> Result<String, Fault> {
    let info = podman_info(system, facts)?;
    let path = text(&info, "/host/ociRuntime/path");
    let said = text(&info, "/host/ociRuntime/version");
    let version = said.lines().next().unwrap_or_default();
    let number = version.rsplit(' ').next().and_then(|v| v.parse().ok());
    let floor = super::crun::floor(facts);
    if version.starts_with("crun ") && number.is_some_and(|v: crate::version::Version| v >= floor) {
        return Ok(format!("{path} is {version}"));
    }
    Err(wins(
        facts,
        RUNTIME,
        &format!("podman runs {path}, which is `{version}`; crun {floor} or later is needed"),
    ))
}

fn storage(system: &dyn System, facts: &Facts, _: &Answers) -> Result<String, Fault> {
    let info = podman_info(system, facts)?;
    let driver = text(&info, "/store/graphDriverName");
    if driver != "vfs" {
        return Ok(format!("storage driver {driver}"));
    }
    let seen = "the storage driver is vfs: kind works, but podman copies every layer";
    Err(Fault::warning(seen, to_overlay(facts)))
}

/// How to change from vfs to overlay without deleting anything.
fn to_overlay(facts: &Facts) -> String {
    let first = match &facts.containers.storage {
        Some((file, driver)) if driver == "vfs" => format!("remove `driver = \"vfs\"` from {file}, "),
        _ => String::new(),
    };
    let place = "~/.local/share/containers/storage";
    format!(
        "nothing has to be done; to change to overlay, {first}stop every container, run `mv {place} {place}.vfs` (podman no longer \
         sees the images, containers and volumes in it) and then `kind-wsl setup --only podman,verify`"
    )
}
