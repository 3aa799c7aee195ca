//! Predicts whether kind accepts the machine: in the present shell, and inside the wrapper.
//!
//! kind queries its provider once and decides only by the answer (kind `pkg/cluster/internal/create/create.go`,
//! `validateProvider`; `providers/podman/provider.go`, `info`). This check runs the same query in the same
//! environment.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::cgroup::{delegate, to_v2};
use super::engine::stage_of;
use super::podman::{PODMAN, version as podman_version, with_version};
use super::{Check, CheckContext, Cost, Outcome, Scope, all, check};
use crate::cgroup::ESSENTIAL;
use crate::compat::COMPAT;
use crate::facts::engines::Info;
use crate::fix::{Advice, Fix, command, setup, setup_with};
use crate::host::{Account, Cmd, Output, System};
use crate::provider::{INFO, Provider, delegated, with_docker_host};
use crate::stages::{packages, tools};
use crate::version::Version;

pub(super) static CHECKS: &[&Check] = &[&KIND, &IN_SHELL, &IN_WRAPPER];

/// The environment of kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunContext {
    /// The present shell.
    Shell,
    /// A delegated scope of the systemd user manager, with every controller.
    Wrapper,
}

/// The result of kind's validation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
pub enum Prediction {
    /// It creates nodes.
    Accepts,
    /// "requires cgroup v2".
    RequiresV2,
    /// "requires setting systemd property Delegate=yes".
    RequiresDelegation {
        /// The missing controllers.
        missing: Vec<String>,
        /// The cgroup that lacks the first of them.
        at: String,
    },
    /// "failed to get podman info": the provider fails.
    NoInfo { provider: Provider, message: String },
    /// "failed to detect any supported node provider", or the chosen provider is not installed.
    NoProvider { provider: Provider },
    /// It selects another provider than the chosen one.
    AnotherProvider { name: &'static str, wanted: Provider },
    /// systemd cannot create the scope of the wrapper.
    NoWrapper { message: String },
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepts => f.write_str("kind accepts it"),
            Self::RequiresV2 => {
                f.write_str("kind refuses: \"running kind with rootless provider requires cgroup v2\"")
            }
            Self::RequiresDelegation { missing, at } => write!(
                f,
                "kind refuses: \"running kind with rootless provider requires setting systemd property \"Delegate=yes\"\"; {} missing in {at}",
                missing.join(", ")
            ),
            Self::NoInfo { provider, message } => {
                write!(f, "kind fails: \"failed to get {provider} info\"; {provider} reports: {message}")
            }
            Self::NoProvider { provider } => write!(f, "{provider} is not installed, so kind cannot run"),
            Self::AnotherProvider { name, wanted } => write!(f, "kind uses {name}, not {wanted}"),
            Self::NoWrapper { message } => write!(f, "the scope of the wrapper cannot be created: {message}"),
        }
    }
}

#[must_use]
pub fn predict(c: &CheckContext<'_>, run: RunContext) -> Prediction {
    let provider = c.answers.provider();
    if run == RunContext::Shell
        && let Some(name) = detected(c).filter(|name| *name != provider.name())
    {
        return Prediction::AnotherProvider { name, wanted: provider };
    }
    if !answers_as(c, provider) {
        return Prediction::NoProvider { provider };
    }
    let info = match ask(c, run, provider) {
        Ok(info) => info,
        // systemd-run's own message, before the provider was started.
        Err(message) if run == RunContext::Wrapper && message.starts_with("Failed to ") => {
            return Prediction::NoWrapper { message };
        }
        Err(message) => return Prediction::NoInfo { provider, message },
    };
    match provider {
        Provider::Podman => match podman_version(c) {
            Some(version) => judge(c, run, &info, &version),
            None => Prediction::NoProvider { provider },
        },
        Provider::Docker | Provider::Nerdctl => judge_engine(c, run, &Info::of(&info)),
    }
}

/// Runs kind's query in kind's environment: for docker at the wrapper's address, or in the shell at its own.
pub(crate) fn ask(c: &CheckContext<'_>, run: RunContext, provider: Provider) -> Result<Value, String> {
    let mut words = vec![provider.name()];
    match provider {
        Provider::Podman => words.extend(["info", "--format", "json"]),
        Provider::Docker | Provider::Nerdctl => words.extend(INFO),
    }
    let (system, user) = (c.system, &c.facts.user);
    let cmd = match run {
        RunContext::Wrapper => with_docker_host(delegated(system, user, &words), system, user, provider),
        RunContext::Shell => Cmd::new(words[0], words[1..].iter().copied()),
    };
    let cmd = cmd.as_user(&c.facts.user).timeout(Duration::from_mins(2));
    match c.system.run_readonly(&cmd) {
        Ok(Output { code: 0, stdout, .. }) => {
            let info: Value = serde_json::from_str(stdout.trim()).map_err(|e| format!("no JSON: {e}"))?;
            // docker exits with 0 even without its daemon, and reports the error in the output.
            match info.pointer("/ServerErrors/0").and_then(Value::as_str) {
                Some(error) => Err(error.to_owned()),
                None => Ok(info),
            }
        }
        Ok(output) => Err(output.complaint().unwrap_or("nothing").to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Applies kind's rules to the output of docker or nerdctl.
fn judge_engine(c: &CheckContext<'_>, run: RunContext, info: &Info) -> Prediction {
    if !info.is_rootless {
        return Prediction::Accepts;
    }
    if !info.is_v2 {
        return Prediction::RequiresV2;
    }
    let missing: Vec<String> = info.missing.iter().map(|&name| name.to_owned()).collect();
    match missing.first() {
        None => Prediction::Accepts,
        // The cgroup of the daemon matters, not that of its client. Without a driver the daemon has none.
        Some(_) if info.cgroup_driver == "none" => Prediction::RequiresDelegation {
            missing,
            at: "the daemon, which has no cgroup driver".to_owned(),
        },
        Some(first) => Prediction::RequiresDelegation { at: where_missing(c, run, first), missing },
    }
}

/// Applies kind's rules to the output of podman.
fn judge(c: &CheckContext<'_>, run: RunContext, info: &Value, version: &Version) -> Prediction {
    if info.pointer("/host/security/rootless").and_then(Value::as_bool) == Some(false) {
        // A rootful provider on v1 only gets a warning.
        return Prediction::Accepts;
    }
    if info.pointer("/host/cgroupVersion").and_then(Value::as_str) != Some("v2") {
        return Prediction::RequiresV2;
    }
    // kind assumes controllers that podman does not list.
    if !COMPAT.podman.names_controllers.is_true_of(version) {
        return Prediction::Accepts;
    }
    let listed = info.pointer("/host/cgroupControllers").and_then(Value::as_array);
    let has: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<String> =
        ESSENTIAL.into_iter().filter(|name| !has.contains(name)).map(ToOwned::to_owned).collect();
    match missing.first() {
        None => Prediction::Accepts,
        Some(first) => Prediction::RequiresDelegation { at: where_missing(c, run, first), missing },
    }
}

/// The topmost cgroup without a controller: no cgroup below it can have the controller.
fn where_missing(c: &CheckContext<'_>, run: RunContext, controller: &str) -> String {
    let cgroup = &c.facts.cgroup;
    let manager = cgroup.manager.iter();
    let lacking = cgroup.chain.iter().chain(manager).find(|l| !l.lacks(&[controller]).is_empty());
    if let Some(level) = lacking {
        return level.path.clone();
    }
    match (run, &cgroup.manager) {
        (_, None) => format!("user@{}.service, which is not running", c.facts.user.uid),
        (RunContext::Wrapper, Some(level)) => format!("the wrapper's scope below {}", level.path),
        (RunContext::Shell, _) => format!("this shell's own cgroup, /sys/fs/cgroup{}", cgroup.own),
    }
}

/// The provider that kind selects: the first of docker, nerdctl and podman that answers `-v` (kind
/// `pkg/internal/runtime/runtime.go`).
fn detected(c: &CheckContext<'_>) -> Option<&'static str> {
    match c.system.env("KIND_EXPERIMENTAL_PROVIDER").as_deref() {
        Some("podman") => return Some("podman"),
        Some("docker") => return Some("docker"),
        Some("nerdctl" | "finch" | "nerdctl.lima") => return Some("nerdctl"),
        _ => {}
    }
    let order = [Provider::Docker, Provider::Nerdctl, Provider::Podman];
    order.into_iter().find(|p| answers_as(c, *p)).map(Provider::name)
}

/// Whether its output for `-v` is the one that kind expects.
fn answers_as(c: &CheckContext<'_>, provider: Provider) -> bool {
    let (begin, flag) = match provider {
        Provider::Podman => ("podman version", "--version"),
        Provider::Docker => ("Docker version", "-v"),
        Provider::Nerdctl => ("nerdctl version", "-v"),
    };
    let cmd = Cmd::new(provider.name(), [flag]).as_user(&c.facts.user);
    c.system.stdout_if_ok(&cmd).is_some_and(|stdout| stdout.starts_with(begin))
}

pub(crate) static IN_SHELL: Check =
    check("kind-shell", "kind accepts this machine, typed in this shell", |c| {
        predicted(c, RunContext::Shell)
    })
    .cost(Cost::Probe);

pub(crate) static IN_WRAPPER: Check =
    check("kind-wrapper", "kind accepts this machine inside `kind-wsl kind`", |c| {
        predicted(c, RunContext::Wrapper)
    })
    .cost(Cost::Probe);

fn predicted(c: &CheckContext<'_>, run: RunContext) -> Outcome {
    let prediction = predict(c, run);
    let text = prediction.to_string();
    let (effect, fix) = match &prediction {
        Prediction::Accepts => return Outcome::ok(text),
        Prediction::AnotherProvider { wanted, .. } => {
            let effect = format!("plain `kind create cluster` does not use {wanted}");
            let fix = format!(
                "use `kind-wsl kind create cluster`, or run `export KIND_EXPERIMENTAL_PROVIDER={wanted}` first"
            );
            return Outcome::warning(text, effect, fix);
        }
        // The wrapper provides what the shell lacks.
        _ if run == RunContext::Shell && predict(c, RunContext::Wrapper) == Prediction::Accepts => {
            let effect = "plain `kind create cluster` fails; inside the wrapper it works";
            return Outcome::warning(text, effect, command("kind-wsl kind create cluster"));
        }
        Prediction::NoWrapper { .. } => (
            "`kind-wsl kind` cannot be started",
            "open a new shell, or restart the distribution: the systemd user manager does not answer".into(),
        ),
        Prediction::NoProvider { provider } => {
            ("no cluster can be created", setup([&packages::STAGE, stage_of(*provider)]))
        }
        Prediction::RequiresV2 => ("no cluster can be created", to_v2()),
        Prediction::RequiresDelegation { .. } => ("no cluster can be created", delegate(c.facts)),
        Prediction::NoInfo { provider, .. } => (
            "no cluster can be created",
            format!("run `{provider} info` to see the error; `kind-wsl explain` explains many messages")
                .into(),
        ),
    };
    Outcome::error(text, effect, fix)
}

pub(super) static KIND: Check =
    all("kind", "kind is installed and works with this provider", const { &[&KIND_VERSION, &PODMAN_LABELS] });

pub(crate) static KIND_VERSION: Check = check("kind-version", "kind is installed", |c| {
    let Some(path) = &c.facts.tools.kind else {
        return Outcome::error("kind is not installed", "no cluster can be created", install());
    };
    let Some(version) = kind_version(c.system, &c.facts.user, path.as_str()) else {
        let details = format!("{path} does not report its version");
        return Outcome::warning(details, "it may not be kind", format!("check `{path} version`"));
    };
    Outcome::ok(format!("{path} is kind {version}"))
});

/// `kind v0.33.0 go1.26 linux/amd64`
pub(crate) fn kind_version(system: &dyn System, user: &Account, path: &str) -> Option<Version> {
    let stdout = system.stdout_if_ok(&Cmd::new(path, ["version"]).as_user(user))?;
    stdout.split_ascii_whitespace().nth(1)?.trim_start_matches('v').parse().ok()
}

/// The setup that installs kind.
fn install() -> Fix {
    setup_with([&tools::STAGE], "--tools kind")
}

pub(crate) static PODMAN_LABELS: Check = check("podman-labels", "kind finds its nodes in podman", |c| {
    with_version(c, |podman| {
        if !COMPAT.podman.labels_as_list.is_true_of(podman) {
            return Outcome::ok(format!("podman is {}", podman.release()));
        }
        let Some(path) = &c.facts.tools.kind else { return Outcome::unknown("kind was not found") };
        let Some(kind) = kind_version(c.system, &c.facts.user, path.as_str()) else {
            return Outcome::unknown(format!("{path} does not report its version"));
        };
        let details = format!("podman is {}, {path} is {}", podman.release(), kind.release());
        let install = Advice::from(&[install()][..]);
        let reads = &COMPAT.kind.podman_6;
        let since = reads.since();
        let fix = format!("install kind {since} or later instead of {path}, or remove it and run {install}");
        Outcome::require(reads.is_true_of(&kind), details, "kind does not find its own nodes", fix)
    })
})
.scope(&[Scope::Provider(&[Provider::Podman])])
.needs(const { &[&PODMAN] });
