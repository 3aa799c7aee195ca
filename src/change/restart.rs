//! The machine, started again: the one change that ends the program that makes it.

use serde::{Deserialize, Serialize};

use super::{Aim, ChangeError, Context, Primitive, Scope, State, Target};
use crate::facts::cgroup;
use crate::host::World;

/// Starts the distribution, or the virtual machine, again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// How much.
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
    Controllers {
        /// Numeric user.
        uid: u32,
        /// Their names.
        names: Vec<String>,
    },
    /// The kernel was given these words.
    KernelWords(Vec<String>),
}

impl Expect {
    /// What is seen instead, where it does not hold.
    #[must_use]
    pub fn unmet(&self, world: &dyn World) -> Option<String> {
        match self {
            Self::Systemd => {
                let name = world.text("/proc/1/comm").unwrap_or_default();
                (name.trim() != "systemd").then(|| format!("PID 1 is `{}`, not systemd", name.trim()))
            }
            Self::CgroupV2 => {
                let seen = cgroup::Mounts::of(world);
                (!seen.is_pure_v2()).then(|| format!("/sys/fs/cgroup is {seen}"))
            }
            Self::Controllers { uid, names } => {
                let manager = cgroup::user_manager(world, *uid);
                let Some(manager) = manager else {
                    return Some(format!("user@{uid}.service has no cgroup: it is not running"));
                };
                let missing: Vec<_> =
                    names.iter().filter(|n| !manager.controllers.contains(n)).cloned().collect();
                (!missing.is_empty())
                    .then(|| format!("{} lacks the controllers {}", manager.path, missing.join(", ")))
            }
            Self::KernelWords(words) => {
                let line = world.text("/proc/cmdline").unwrap_or_default();
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

    fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        Ok(State::Restarted { unmet: self.until.iter().filter_map(|e| e.unmet(world)).collect() })
    }

    fn aim(&self, _world: &dyn World) -> Result<Aim, ChangeError> {
        Ok(Aim { state: State::Restarted { unmet: Vec::new() }, bytes: None })
    }

    /// Nothing: the engine writes that it waits and ends the program; the next run looks.
    fn set(&self, _context: &mut Context<'_>, _to: &State, _left: Option<&State>) -> Result<(), ChangeError> {
        Ok(())
    }
}
