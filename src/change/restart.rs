//! A restart of the machine: the only change that ends the program that makes it.

use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, RestartScope, State, Target};
use crate::cgroup;
use crate::host::System;

/// Restarts the distribution or the virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    pub scope: RestartScope,
    /// The changes that take effect only after it.
    pub why: Vec<String>,
    /// The checks that must pass afterwards.
    #[serde(rename = "until")]
    pub verify: Vec<PostRestartCheck>,
}

/// A check that the restart applied the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostRestartCheck {
    /// PID 1 is systemd.
    Systemd,
    /// Only cgroup v2 is mounted at `/sys/fs/cgroup`.
    CgroupV2,
    /// The cgroup of the systemd user manager offers these controllers.
    Controllers { uid: u32, names: Vec<String> },
    /// The kernel was started with these parameters.
    #[serde(rename = "kernel_words")]
    KernelParams(Vec<String>),
}

impl PostRestartCheck {
    /// Describes the state that was found, if the check fails.
    #[must_use]
    pub fn failure(&self, system: &dyn System) -> Option<String> {
        self.check(system).err()
    }

    /// Describes the observed state, as `Ok` if the check passes. The checks of `doctor` use it too.
    pub fn check(&self, system: &dyn System) -> Result<String, String> {
        let (holds, seen) = match self {
            Self::Systemd => {
                let name = system.text("/proc/1/comm").unwrap_or_default();
                (name.trim() == "systemd", format!("PID 1 is `{}`", name.trim()))
            }
            Self::CgroupV2 => {
                let mounts = cgroup::Mounts::probe(system);
                (mounts.is_pure_v2(), format!("/sys/fs/cgroup is {mounts}"))
            }
            Self::Controllers { uid, names } => {
                let Some(manager) = cgroup::user_manager(system, *uid) else {
                    return Err(format!("user@{uid}.service is not running"));
                };
                let missing = manager.lacks(&names.iter().map(String::as_str).collect::<Vec<_>>());
                if missing.is_empty() {
                    (true, format!("{} has {}", manager.path, manager.controllers.join(", ")))
                } else {
                    (false, format!("{} lacks {}", manager.path, missing.join(", ")))
                }
            }
            Self::KernelParams(words) => {
                let line = system.text("/proc/cmdline").unwrap_or_default();
                let missing: Vec<_> =
                    words.iter().filter(|w| !crate::edit::cmdline::has(&line, w)).cloned().collect();
                (missing.is_empty(), format!("the kernel was started without `{}`", missing.join(" ")))
            }
        };
        if holds { Ok(seen) } else { Err(seen) }
    }
}

impl Primitive for Restart {
    fn target(&self) -> Target {
        let object = match self.scope {
            RestartScope::Distro => "this distribution",
            RestartScope::Vm => "WSL as a whole",
            RestartScope::Machine => "the machine",
        };
        Target { verb: "restart".to_owned(), object: object.to_owned(), detail: self.why.join(", ") }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        Ok(State::Restart { failed_checks: self.verify.iter().filter_map(|c| c.failure(system)).collect() })
    }

    fn desired(&self, _world: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::Restart { failed_checks: Vec::new() }, bytes: None })
    }

    /// Does nothing: the engine records the pending restart and ends the program; the next run verifies it.
    fn set(
        &self,
        _context: &mut Context<'_>,
        _to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        Ok(())
    }
}
