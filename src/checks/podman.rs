//! podman: its version, its configuration, its crun, and its report in kind's environment.

use serde_json::Value;

use super::cgroup::{SYSTEMD, delegate, to_v2};
use super::kind::{RunContext, ask};
use super::network::BRIDGE;
use super::{Check, CheckContext, Cost, Outcome, Run, Scope, all, check};
use crate::cgroup::ESSENTIAL;
use crate::compat::{COMPAT, crun_floor};
use crate::edit::table::decode;
use crate::fix::{Fix, setup, setup_line, setup_with};
use crate::host::Cmd;
use crate::inspect::node;
use crate::provider::Provider;
use crate::stage::Stage;
use crate::stages::{self, Pids, crun, is_enough, packages, podman, verify};
use crate::version::Version;

pub(super) static CHECKS: &[&Check] = &[
    &PODMAN,
    &CONF,
    &ALL_OF_CRUN,
    &CONTROLLERS,
    &ALL_OF_LOGS,
    &CGROUP_MANAGER,
    &STORAGE,
    &STORAGE_PLACE,
    &DATABASE,
    &PIDS,
];

const ONLY: &[Scope] = &[Scope::Provider(&[Provider::Podman])];

const fn of_podman(id: &'static str, title: &'static str, run: Run) -> Check {
    check(id, title, run).scope(ONLY)
}

/// A check of podman's own report. It runs as kind runs it, so it needs the systemd user manager.
const fn reported(id: &'static str, title: &'static str, run: Run) -> Check {
    of_podman(id, title, run).needs(const { &[&PODMAN, &SYSTEMD] }).cost(Cost::Probe)
}

pub(crate) static PODMAN: Check = of_podman("podman", "podman is installed and new enough", |c| {
    let Some(version) = version(c) else {
        if c.facts.tools.podman.is_some() || c.system.exists("/usr/bin/podman") {
            return Outcome::unknown("podman does not report its version");
        }
        return Outcome::error(
            "podman is not installed",
            "kind finds no provider",
            setup([&packages::STAGE]),
        );
    };
    let fix = "a newer release of the distribution has a newer podman";
    let minimum = &COMPAT.podman.minimum;
    let effect = format!("rootless kind needs {} or later", minimum.since());
    Outcome::require(minimum.is_true_of(&version), format!("podman {version}"), effect, fix)
});

/// The version of the running podman, which can differ from that of the package.
pub(super) fn version(c: &CheckContext<'_>) -> Option<Version> {
    // podman prints this before it opens its storage.
    let stdout = c.system.stdout_if_ok(&Cmd::parse("podman --version").as_user(&c.facts.user));
    let reported =
        stdout.as_deref().and_then(|stdout| stdout.strip_prefix("podman version ")?.trim().parse().ok());
    reported.or_else(|| c.facts.packages.version("podman"))
}

/// Checks the version of the running podman.
pub(super) fn with_version(c: &CheckContext<'_>, judge: impl FnOnce(&Version) -> Outcome) -> Outcome {
    let unknown = || Outcome::unknown("podman is not installed, or does not report its version");
    version(c).map_or_else(unknown, |version| judge(&version))
}

pub(super) static CONF: Check =
    of_podman("podman-conf", "podman reads the configuration that kind-wsl writes", |c| {
        if let Some(file) = &c.facts.containers.overridden_by {
            let effect = "podman reads that file after every other containers.conf";
            let fix = "remove it from your shell's start-up files, then open a new shell";
            return Outcome::error(format!("{file} is in the environment"), effect, fix);
        }
        let podman = version(c);
        let mut refused = c.facts.containers.refused.iter();
        if let Some(refused) = refused.find(|refused| refused.applies_to(podman.as_ref())) {
            let effect = "podman ends with an error, and so does kind";
            return Outcome::error(refused.to_string(), effect, refused.hint());
        }
        let Some(file) = c.facts.containers.read().into_iter().find(|f| !f.ignored.is_empty()) else {
            return Outcome::ok("every key is in a table");
        };
        let details = format!("{} of {} are outside any table", file.ignored.join(", "), file.path);
        let fix = format!("put them below [containers] or [engine] in {}", file.path);
        Outcome::warning(details, "podman ignores them silently", fix)
    });

/// Checks `podman info`, run as kind runs it.
fn with_info(c: &CheckContext<'_>, judge: impl FnOnce(&Value) -> Outcome) -> Outcome {
    match ask(c, RunContext::Wrapper, Provider::Podman) {
        Ok(info) => judge(&info),
        Err(message) => {
            // Without the program of its networks podman reports nothing.
            if let Some(outcome) = c.blocked_by(&BRIDGE) {
                return outcome;
            }
            let user = &c.facts.user.name;
            let fix = format!(
                "run `podman info` as {user} to see the error; `kind-wsl explain` explains many messages"
            );
            let effect = "kind fails: \"failed to get podman info\"";
            Outcome::error(format!("podman info failed: {message}"), effect, fix)
        }
    }
}

fn text<'v>(info: &'v Value, pointer: &str) -> &'v str {
    info.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The fix for a setting: change the file that sets it, or run the stage that sets it.
fn set_by(c: &CheckContext<'_>, key: &str, stage: &'static Stage) -> Fix {
    let Some(winner) = c.facts.containers.winner(key) else { return setup([stage]) };
    format!("change {key} in {winner}, which is read last and sets it to {}", winner.setting.value).into()
}

pub(super) static CONTROLLERS: Check =
    reported("podman-cgroup", "podman gets cpu, memory and pids inside the wrapper", |c| {
        with_info(c, |info| {
            let version = text(info, "/host/cgroupVersion");
            if version != "v2" {
                let effect = "kind refuses: it needs cgroup v2";
                return Outcome::error(format!("podman reports cgroup {version}"), effect, to_v2());
            }
            let Some(names) = info.pointer("/host/cgroupControllers").and_then(Value::as_array) else {
                // Before 4.0, podman does not list them, and kind assumes them.
                return Outcome::ok("cgroup v2; this podman does not list its controllers");
            };
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            let missing: Vec<&str> = ESSENTIAL.into_iter().filter(|name| !names.contains(name)).collect();
            if missing.is_empty() {
                return Outcome::ok(format!("cgroup v2 with {}", names.join(", ")));
            }
            let details = format!("inside the wrapper podman lacks {}", missing.join(", "));
            Outcome::error(details, "kind refuses and blames \"Delegate=yes\"", delegate(c.facts))
        })
    });

static ALL_OF_LOGS: Check =
    all("logs", "podman logs and events go to files", const { &[&LOGS, &LOG_DRIVER] })
        .scope(ONLY)
        .needs(const { &[&PODMAN] });

pub(super) static LOGS: Check = reported("logs-reported", "podman logs and events go to files", |c| {
    with_info(c, |info| {
        let (events, driver) = (text(info, "/host/eventLogger"), text(info, "/host/logDriver"));
        // podman reports its log driver from 4.0 on.
        let are_files = events == "file" && (driver == "k8s-file" || driver.is_empty());
        let effect =
            "kind waits in vain for a line of the node's log: \"could not find a log line that matches\"";
        let details = format!("log driver `{driver}`, events logger `{events}`");
        Outcome::require(are_files, details, effect, set_by(c, "containers.log_driver", &podman::STAGE))
    })
});

// Checks the files; `logs` checks podman's report.
pub(crate) static LOG_DRIVER: Check =
    of_podman("log-driver", "a file sets podman's log driver to k8s-file", |c| {
        let key = "containers.log_driver";
        let (is_right, details) = match c.facts.containers.winner(key) {
            Some(winner) => {
                let value = winner.setting.value.trim_matches('"');
                (value == "k8s-file", format!("{winner} sets {key} to {value}"))
            }
            None if c.facts.systemd.is_running() => {
                (false, format!("no file sets {key}, so podman uses journald if it can"))
            }
            None => return Outcome::unknown(format!("no file sets {key}")),
        };
        let effect = "podman can show the node's log too late or not at all";
        Outcome::prefer(is_right, details, effect, setup([&podman::STAGE]))
    });

pub(super) static CGROUP_MANAGER: Check =
    reported("cgroup-manager", "podman uses the chosen cgroup manager", |c| {
        with_info(c, |info| {
            let (manager, wanted) = (text(info, "/host/cgroupManager"), podman::manager(c.facts, c.answers));
            if manager == wanted {
                return Outcome::ok(format!("cgroup manager {manager}"));
            }
            let effect = "resource limits may not be enforced";
            let details = format!("cgroup manager `{manager}`, not `{wanted}`");
            Outcome::error(details, effect, set_by(c, "engine.cgroup_manager", &podman::STAGE))
        })
    });

pub(crate) static ALL_OF_CRUN: Check = all(
    "crun",
    "podman runs a crun that works on this machine",
    const { &[&CRUN, &CRUN_KERNEL, &CRUN_PODMAN, &CRUN_0, &CRUN_OPENAT2, &CRUN_1_29] },
)
.scope(ONLY)
.needs(const { &[&PODMAN] });

const NO_NODE: &str =
    "a node fails at its start: \"unknown version specified\", or \"chmod run/shm: Operation not supported\"";

pub(crate) static CRUN: Check = reported("crun-reported", "podman runs a crun that is new enough", |c| {
    with_info(c, |info| {
        let path = text(info, "/host/ociRuntime/path");
        let found = text(info, "/host/ociRuntime/version").lines().next().unwrap_or_default();
        let number: Option<Version> = found.rsplit(' ').next().and_then(|v| v.parse().ok());
        let floor = stages::crun_floor_here(c.facts);
        if found.starts_with("crun ") && number.is_some_and(|number| number >= floor) {
            return Outcome::ok(format!("{path} is {found}"));
        }
        let details = format!("podman runs {path}, which is `{found}`; crun {floor} or later is needed");
        Outcome::error(details, NO_NODE, set_by(c, "engine.runtimes.crun", &crun::STAGE))
    })
});

/// Checks the crun that podman will run, according to the files.
fn with_crun(
    c: &CheckContext<'_>,
    effect: &str,
    fix: Fix,
    judge: impl FnOnce(&Version) -> (bool, String),
) -> Outcome {
    let Some(crun) = &c.facts.tools.crun else { return Outcome::unknown("no crun was found") };
    let Some(version) = &crun.version else {
        return Outcome::unknown(format!("{} does not report its version", crun.path));
    };
    let (is_right, more) = judge(version);
    let details = format!("podman will run {}, which is {}{more}", crun.path, version.release());
    Outcome::require(is_right, details, effect, fix)
}

pub(crate) static CRUN_KERNEL: Check = of_podman("crun-kernel", "crun is new enough for this kernel", |c| {
    let kernel = &c.facts.kernel;
    let floor = &crun_floor(kernel.version().as_ref(), None).version;
    with_crun(c, NO_NODE, setup([&crun::STAGE]), |crun| {
        (crun >= floor, format!(", on kernel {}", kernel.release))
    })
});

pub(crate) static CRUN_PODMAN: Check = of_podman("crun-podman", "crun is new enough for this podman", |c| {
    with_version(c, |podman| {
        let floor = &crun_floor(None, Some(podman)).version;
        with_crun(c, NO_NODE, setup([&crun::STAGE]), |crun| {
            (crun >= floor, format!("; podman is {}", podman.release()))
        })
    })
});

pub(crate) static CRUN_0: Check = of_podman("crun-0", "crun is not older than 1.0", |c| {
    let effect = "containers fail: \"operation not permitted\"";
    with_crun(c, effect, setup([&crun::STAGE]), |crun| {
        (!COMPAT.crun.before_1_0.is_true_of(crun), String::new())
    })
});

/// A release with known faults. It works for most users, so the status is a warning.
fn without_fault(c: &CheckContext<'_>, is_faulty: impl FnOnce(&Version) -> bool) -> Outcome {
    let fix = setup_with([&crun::STAGE], "--crun-version recommended");
    let effect = "containers or terminals can fail: this release has known faults";
    let kernel = &c.facts.kernel.release;
    with_crun(c, effect, fix, |crun| (!is_faulty(crun), format!(", on kernel {kernel}"))).warned()
}

pub(crate) static CRUN_OPENAT2: Check = of_podman("crun-openat2", "crun works without openat2", |c| {
    let has_openat2 = COMPAT.kernel.openat2.is_known_of(c.facts.kernel.version().as_ref());
    without_fault(c, |version| !has_openat2 && COMPAT.crun.needs_openat2.is_true_of(version))
});

pub(crate) static CRUN_1_29: Check = of_podman("crun-1.29", "crun is not 1.29", |c| {
    without_fault(c, |version| COMPAT.crun.faulty.is_true_of(version))
});

pub(crate) static STORAGE: Check = reported("storage", "podman stores layers with overlay", |c| {
    with_info(c, |info| {
        let driver = text(info, "/store/graphDriverName");
        if driver != "vfs" {
            return Outcome::ok(format!("storage driver {driver}"));
        }
        let details = "the storage driver is vfs: kind works, but podman copies every layer";
        Outcome::warning(details, "creating a node takes longer and needs more disk space", to_overlay(c))
    })
});

/// Changes from vfs to overlay without deleting anything.
fn to_overlay(c: &CheckContext<'_>) -> String {
    let set_by = c.facts.containers.storage_conf.set_by("vfs");
    let first = set_by.map_or_else(String::new, |file| format!("remove `driver = \"vfs\"` from {file}, "));
    let place = "~/.local/share/containers/storage";
    format!(
        "no action is required. To change to overlay, {first}stop every container, run `mv {place} {place}.vfs` (podman no longer \
         sees the images, containers and volumes in it) and then `{}`",
        setup_line(&[&podman::STAGE, &verify::STAGE], "")
    )
}

static DATABASE: Check = reported("database", "podman 6 can read podman's database", |c| {
    with_info(c, |info| {
        let backend = text(info, "/host/databaseBackend");
        let is_left = version(c).is_some_and(|podman| COMPAT.podman.leaves_boltdb.is_true_of(&podman));
        let effect = "an update to podman 6 can lose every container, and kind's nodes with them";
        let fix = "update podman to 5.8.1 or a later 5.8, then run `podman system migrate --migrate-db`";
        let backend = if backend.is_empty() { "not reported" } else { backend };
        let details = format!("the database backend is {backend}");
        Outcome::prefer(backend != "boltdb" || !is_left, details, effect, fix)
    })
});

/// File systems that podman's storage does not support (kind's rootless page, "Restrictions"; podman's
/// documentation).
const UNFIT: [&str; 5] = ["nfs", "nfs4", "9p", "drvfs", "cifs"];

static STORAGE_PLACE: Check = of_podman(
    "storage-place",
    "podman's storage is on a file system that works",
    |c| {
        let home = c.facts.user.home.as_path();
        let table = c.system.text("/proc/mounts").unwrap_or_default();
        // The deepest mount above the home directory; of several, the last one.
        let mounts = table.lines().filter_map(|l| {
            let mut fields = l.split_ascii_whitespace().skip(1);
            Some((decode(fields.next()?), fields.next()?))
        });
        let above = mounts.filter(|(point, _)| home.starts_with(point)).max_by_key(|(point, _)| point.len());
        let Some((point, kind)) = above else {
            return Outcome::unknown("/proc/mounts does not show what is mounted at the home");
        };
        let fix = "move the home to the distribution's own disk, or set `graphroot` below [storage] in ~/.config/containers/storage.conf";
        let details = format!("{home} is on {kind}, mounted at {point}");
        Outcome::require(
            !UNFIT.contains(&kind),
            details,
            "podman cannot create a node's file system there",
            fix,
        )
    },
);

// The limit of the running nodes; without a running node, the limit that podman will set.
pub(crate) static PIDS: Check = of_podman("pids", "a node may have many processes", |c| {
    let by_files = stages::pids_limit(&c.facts.containers);
    let fix = match by_files {
        Pids::TooLow(_) => setup([&podman::STAGE]),
        Pids::Enough(_) => {
            "new clusters get the configured limit; a node keeps the limit that it was created with".into()
        }
    };
    let limits = node::pids_limits(c.system, &c.facts.user);
    let lowest = limits.iter().min_by_key(|(_, limit)| limit.unwrap_or(u64::MAX));
    let (is_right, details) = match (lowest, by_files) {
        (Some((cgroup, limit)), _) => {
            let text = limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
            let is_high = limit.is_none_or(|limit| i64::try_from(limit).map_or(true, is_enough));
            (is_high, format!("pids.max of the node in {cgroup} is {text}"))
        }
        (None, Pids::Enough(details)) => (true, details),
        (None, Pids::TooLow(details)) => (false, details),
    };
    let effect = "a node is one container: pods fail with \"Resource temporarily unavailable\"";
    Outcome::prefer(is_right, details, effect, fix)
})
.needs(const { &[&PODMAN] });
