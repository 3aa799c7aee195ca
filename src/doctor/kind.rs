//! What kind itself will say, before it is asked: in the shell as it is, and inside the wrapper.
//!
//! kind asks its provider once and decides by the answer alone (kind `pkg/cluster/internal/create/create.go`,
//! `validateProvider`; `providers/podman/provider.go`, `info`). So the same is asked here, in the same places.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{Examination, Finding, Patient};
use crate::explain::{Here, here};
use crate::facts::cgroup::ESSENTIAL;
use crate::facts::engines::Info;
use crate::host::{Cmd, Output};
use crate::provider::{INFO, Provider, can_be_wrapped, docker_host, in_wrapper};
use crate::version::Version;

pub(super) static FIRST: &[Examination] =
    &[Examination { id: "kind", what: "kind is there, and knows this provider", look: kind }];

pub(super) static LAST: &[Examination] = &[
    Examination {
        id: "kind-shell",
        what: "kind accepts this machine, typed in this shell",
        look: |p| foretold(p, View::Shell),
    },
    Examination {
        id: "kind-wrapper",
        what: "kind accepts this machine inside `kind-wsl kind`",
        look: |p| foretold(p, View::Wrapper),
    },
];

/// From where kind asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The shell as it is.
    Shell,
    /// A scope of the user manager with everything delegated.
    Wrapper,
}

/// What kind will say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
pub enum Prediction {
    /// It goes on to make nodes.
    Accepts,
    /// "requires cgroup v2".
    RequiresV2,
    /// "requires setting systemd property Delegate=yes".
    RequiresDelegation {
        /// The controllers that it misses.
        missing: Vec<String>,
        /// The cgroup in which the first of them is missing.
        at: String,
    },
    /// "failed to get podman info": the provider fails.
    NoInfo { provider: Provider, said: String },
    /// "failed to detect any supported node provider", or the one that was chosen can not be run.
    NoProvider { provider: Provider },
    /// It does not ask the provider that was chosen.
    AnotherProvider {
        name: &'static str,
        /// Whom it should ask.
        wanted: Provider,
    },
    /// systemd does not make the wrapper's scope.
    NoWrapper { said: String },
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
            Self::NoInfo { provider, said } => {
                write!(f, "kind fails: \"failed to get {provider} info\"; {provider} says: {said}")
            }
            Self::NoProvider { provider } => write!(f, "kind fails: there is no {provider} to ask"),
            Self::AnotherProvider { name, wanted } => write!(f, "kind takes {name}, not {wanted}"),
            Self::NoWrapper { said } => write!(f, "the wrapper's scope can not be made: {said}"),
        }
    }
}

/// The version of the podman that runs.
pub(super) fn podman_version(patient: &Patient<'_>) -> Option<Version> {
    here::podman::version(patient.system, patient.facts)
}

#[must_use]
pub fn predict(patient: &Patient<'_>, view: View) -> Prediction {
    let provider = patient.answers.provider();
    if view == View::Shell
        && let Some(name) = detected(patient).filter(|name| *name != provider.name())
    {
        return Prediction::AnotherProvider { name, wanted: provider };
    }
    if !answers_as(patient, provider) {
        return Prediction::NoProvider { provider };
    }
    let info = match ask(patient, view, provider) {
        Ok(info) => info,
        // systemd-run's own words, before the provider was started.
        Err(said) if view == View::Wrapper && said.starts_with("Failed to ") => {
            return Prediction::NoWrapper { said };
        }
        Err(said) => return Prediction::NoInfo { provider, said },
    };
    match provider {
        Provider::Podman => match podman_version(patient) {
            Some(version) => judge(patient, view, &info, &version),
            None => Prediction::NoProvider { provider },
        },
        Provider::Docker | Provider::Nerdctl => judge_engine(patient, view, &Info::of(&info)),
    }
}

/// Asks what kind asks, where kind asks it: of docker by the address that the wrapper gives, in the shell by its own.
fn ask(patient: &Patient<'_>, view: View, provider: Provider) -> Result<Value, String> {
    let mut words = vec![provider.name()];
    match provider {
        Provider::Podman => words.extend(["info", "--format", "json"]),
        Provider::Docker | Provider::Nerdctl => words.extend(INFO),
    }
    // Where there is no user manager to ask, `kind-wsl kind` starts kind as it is.
    let mut cmd = match view {
        View::Wrapper if can_be_wrapped(patient.system, &patient.facts.user) => {
            in_wrapper(words.iter().copied())
        }
        View::Shell | View::Wrapper => Cmd::new(words[0], words[1..].iter().copied()),
    };
    let told = patient.system.env("DOCKER_HOST").filter(|host| !host.is_empty());
    if provider == Provider::Docker && view == View::Wrapper && told.is_none() {
        cmd = cmd.with_env("DOCKER_HOST", &docker_host(&patient.facts.user));
    }
    let cmd = cmd.as_user(&patient.facts.user).timeout(Duration::from_mins(2));
    match patient.system.run_readonly(&cmd) {
        Ok(Output { code: 0, stdout, .. }) => {
            let info: Value = serde_json::from_str(stdout.trim()).map_err(|e| format!("no JSON: {e}"))?;
            // docker ends well without its daemon, and says so in here.
            match info.pointer("/ServerErrors/0").and_then(Value::as_str) {
                Some(error) => Err(error.to_owned()),
                None => Ok(info),
            }
        }
        Ok(output) => Err(output.complaint().unwrap_or("nothing").to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// kind's own rules, on docker's or nerdctl's answer.
fn judge_engine(patient: &Patient<'_>, view: View, info: &Info) -> Prediction {
    if !info.is_rootless {
        return Prediction::Accepts;
    }
    if !info.is_v2 {
        return Prediction::RequiresV2;
    }
    let missing: Vec<String> = info.missing.iter().map(|&name| name.to_owned()).collect();
    match missing.first() {
        None => Prediction::Accepts,
        // The daemon's own cgroup counts, not the one of whoever asks; without a driver it has none.
        Some(_) if info.cgroup_driver == "none" => Prediction::RequiresDelegation {
            missing,
            at: "the daemon, which has no cgroup driver".to_owned(),
        },
        Some(first) => Prediction::RequiresDelegation { at: where_missing(patient, view, first), missing },
    }
}

/// kind's own rules, on podman's answer.
fn judge(patient: &Patient<'_>, view: View, info: &Value, version: &Version) -> Prediction {
    if info.pointer("/host/security/rootless").and_then(Value::as_bool) == Some(false) {
        // A rootful provider on v1 only gets a warning.
        return Prediction::Accepts;
    }
    if info.pointer("/host/cgroupVersion").and_then(Value::as_str) != Some("v2") {
        return Prediction::RequiresV2;
    }
    // Before 4.0 podman does not name its controllers, and kind assumes them.
    if version.major() < 4 {
        return Prediction::Accepts;
    }
    let listed = info.pointer("/host/cgroupControllers").and_then(Value::as_array);
    let has: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<String> =
        ESSENTIAL.into_iter().filter(|c| !has.contains(c)).map(ToOwned::to_owned).collect();
    match missing.first() {
        None => Prediction::Accepts,
        Some(first) => Prediction::RequiresDelegation { at: where_missing(patient, view, first), missing },
    }
}

/// The cgroup that does not have a controller: the uppermost one, since none below it can.
fn where_missing(patient: &Patient<'_>, view: View, controller: &str) -> String {
    let cgroup = &patient.facts.cgroup;
    let manager = cgroup.manager.iter();
    let lacking = cgroup.chain.iter().chain(manager).find(|l| !l.lacks(&[controller]).is_empty());
    if let Some(level) = lacking {
        return level.path.clone();
    }
    match (view, &cgroup.manager) {
        (_, None) => format!("user@{}.service, which does not run", patient.facts.user.uid),
        (View::Wrapper, Some(level)) => format!("the wrapper's scope below {}", level.path),
        (View::Shell, _) => format!("this shell's own cgroup, /sys/fs/cgroup{}", cgroup.own),
    }
}

/// Whom kind asks: its order is docker, nerdctl, podman, by who answers `-v` (kind `pkg/internal/runtime/runtime.go`).
fn detected(patient: &Patient<'_>) -> Option<&'static str> {
    match patient.system.env("KIND_EXPERIMENTAL_PROVIDER").as_deref() {
        Some("podman") => return Some("podman"),
        Some("docker") => return Some("docker"),
        Some("nerdctl" | "finch" | "nerdctl.lima") => return Some("nerdctl"),
        _ => {}
    }
    let order = [Provider::Docker, Provider::Nerdctl, Provider::Podman];
    order.into_iter().find(|p| answers_as(patient, *p)).map(Provider::name)
}

/// Whether it answers `-v` as kind expects it to.
fn answers_as(patient: &Patient<'_>, provider: Provider) -> bool {
    let (begin, flag) = match provider {
        Provider::Podman => ("podman version", "--version"),
        Provider::Docker => ("Docker version", "-v"),
        Provider::Nerdctl => ("nerdctl version", "-v"),
    };
    let cmd = Cmd::new(provider.name(), [flag]).as_user(&patient.facts.user);
    patient.system.stdout_if_ok(&cmd).is_some_and(|said| said.starts_with(begin))
}

fn foretold(patient: &Patient<'_>, view: View) -> Finding {
    let prediction = predict(patient, view);
    let text = prediction.to_string();
    match (&prediction, view) {
        (Prediction::Accepts, _) => Finding::ok(text),
        (Prediction::AnotherProvider { wanted, .. }, _) => {
            let fix = format!(
                "use `kind-wsl kind create cluster`, or run `export KIND_EXPERIMENTAL_PROVIDER={wanted}` first"
            );
            Finding::doubtful(text, &format!("a plain `kind create cluster` does not use {wanted}"), fix)
        }
        // What the shell lacks, the wrapper gives.
        (_, View::Shell) if predict(patient, View::Wrapper) == Prediction::Accepts => {
            let fix = "`kind-wsl kind create cluster`";
            Finding::doubtful(text, "a plain `kind create cluster` fails; inside the wrapper it works", fix)
        }
        (Prediction::NoProvider { provider }, _) => Finding::wrong(
            text,
            "no cluster can be made",
            format!("`kind-wsl setup --only packages,{provider}`"),
        ),
        (Prediction::RequiresV2, _) => Finding::wrong(
            text,
            "no cluster can be made",
            "`kind-wsl setup --only systemd,cgroup,cgroup-mount,restart`",
        ),
        (Prediction::RequiresDelegation { .. }, _) => Finding::wrong(
            text,
            "no cluster can be made",
            "`kind-wsl setup --only controllers,delegation,restart`",
        ),
        (Prediction::NoWrapper { .. }, _) => Finding::wrong(
            text,
            "`kind-wsl kind` can not be started",
            "the user's service manager does not answer: open a new shell, or restart the distribution",
        ),
        (Prediction::NoInfo { provider, .. }, _) => Finding::wrong(
            text,
            "no cluster can be made",
            format!("run `{provider} info` to see it; `kind-wsl explain` knows many of its messages"),
        ),
    }
}

fn kind(patient: &Patient<'_>) -> Finding {
    let Some(path) = &patient.facts.tools.kind else {
        return Finding::wrong(
            "kind is not installed",
            "no cluster can be created",
            "`kind-wsl setup --only tools --tools kind`",
        );
    };
    let said =
        patient.system.stdout_if_ok(&Cmd::new(path.as_str(), ["version"]).as_user(&patient.facts.user));
    let version = said
        .as_deref()
        .and_then(|s| s.split_ascii_whitespace().nth(1))
        .and_then(|v| v.trim_start_matches('v').parse::<Version>().ok());
    let Some(version) = version else {
        return Finding::doubtful(
            format!("{path} does not say its version"),
            "it may be no kind",
            format!("`{path} version` shows it"),
        );
    };
    if patient.answers.provider() == Provider::Podman
        && let Here::Present(evidence) = here::podman::labels(patient.system, patient.facts)
    {
        let fix = format!(
            "install kind 0.33 or later instead of {path}, or remove it and run `kind-wsl setup --only tools --tools kind`"
        );
        return Finding::wrong(evidence, "kind does not find its own nodes", fix);
    }
    Finding::ok(format!("{path} is kind {version}"))
}
