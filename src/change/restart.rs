//! The machine, started again: the one change that ends the program that makes it.

use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, Scope, State, Target};
use crate::facts::cgroup;
use crate::host::System;

/// Starts the distribution, or the virtual machine, again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    pub scope: Scope,
    /// Why: the changes that count only then.
    pub why: Vec<String>,
    /// What must be seen afterwards.
    pub until: Vec<Expect>,
}

/// An effect by which one sees that a restart helped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// PID 1 is systemd.
    Systemd,
    /// cgroup v2 alone is mounted at `/sys/fs/cgroup`.
    CgroupV2,
    /// The user manager's cgroup offers these controllers.
    Controllers { uid: u32, names: Vec<String> },
    /// The kernel was given these words.
    #[serde(rename = "kernel_words")]
    KernelParams(Vec<String>),
}

impl Expect {
    /// What is seen instead, where it does not hold.
    #[must_use]
    pub fn unmet(&self, system: &dyn System) -> Option<String> {
        match self {
            Self::Systemd => {
                let name = system.text("/proc/1/comm").unwrap_or_default();
                (name.trim() != "systemd").then(|| format!("PID 1 is `{}`, not systemd", name.trim()))
            }
            Self::CgroupV2 => {
                let seen = cgroup::Mounts::probe(system);
                (!seen.is_pure_v2()).then(|| format!("/sys/fs/cgroup is {seen}"))
            }
            Self::Controllers { uid, names } => {
                let manager = cgroup::user_manager(system, *uid);
                let Some(manager) = manager else {
                    return Some(format!("user@{uid}.service has no cgroup: it is not running"));
                };
                let missing: Vec<_> =
                    names.iter().filter(|n| !manager.controllers.contains(n)).cloned().collect();
                (!missing.is_empty())
                    .then(|| format!("{} lacks the controllers {}", manager.path, missing.join(", ")))
            }
            Self::KernelParams(words) => {
                let line = system.text("/proc/cmdline").unwrap_or_default();
                let missing: Vec<_> =
                    words.iter().filter(|w| !crate::edit::cmdline::has(&line, w)).cloned().collect();
                (!missing.is_empty())
                    .then(|| format!("the kernel was started without `{}`", missing.join(" ")))
            }
        }
    }
}

impl Primitive for Restart {
    fn target(&self) -> Target {
        let object = match self.scope {
            Scope::Distro => "this distribution",
            Scope::Vm => "WSL as a whole",
            Scope::Machine => "the machine",
        };
        Target { verb: "restart".to_owned(), object: object.to_owned(), detail: self.why.join(", ") }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        Ok(State::Restarted { unmet: self.until.iter().filter_map(|e| e.unmet(system)).collect() })
    }

    fn desired(&self, _world: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::Restarted { unmet: Vec::new() }, bytes: None })
    }

    /// Nothing: the engine writes that it waits and ends the program; the next run looks.
    fn set(
        &self,
        _context: &mut Context<'_>,
        _to: &State,
        _applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        Ok(())
    }
}
