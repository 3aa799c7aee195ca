//! A snapshot of the machine, from files and a few commands that change nothing.
//!
//! Each parser is pure and takes text. Nothing is concluded from a version number if the fact itself can be observed;
//! if both are known, the observation decides.

pub mod apparmor;
pub mod containers;
pub mod distro;
pub mod engines;
pub mod kernel;
pub mod path;
pub mod subids;
pub mod tools;
pub mod user;
pub mod wsl;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::change::{RestartRequirement, RestartScope};
use crate::fetch::catalogue::Arch;
use crate::host::{ASSUMED_WSL, Account, BootInstance, Recording, Replay, System};
use crate::version::Version;

pub use crate::cgroup::Cgroup;
pub use apparmor::AppArmor;
pub use containers::Containers;
pub use distro::{Distro, Packages, Systemd};
pub use engines::Engines;
pub use kernel::Kernel;
pub use subids::Subids;
pub use tools::Tools;
pub use user::UserError;
pub use wsl::{Windows, Wsl, WslConf};

/// The version of this form of facts and reports.
pub const SCHEMA: u32 = 1;

/// The inputs of every decision of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The user to set up for.
    pub user: Account,
    /// Whether the user has no session, and kind-wsl was started by someone else.
    #[serde(skip)]
    pub is_user_away: bool,
    /// The architecture; `None` if no release is built for it.
    pub arch: Option<Arch>,
    pub wsl: Wsl,
    /// `/etc/wsl.conf`, as WSL reads it.
    pub wsl_conf: WslConf,
    /// The Windows side: the user's profile and `.wslconfig`.
    pub windows: Windows,
    pub distro: Distro,
    /// The kernel, its modules and settings.
    pub kernel: Kernel,
    /// systemd and PID 1.
    pub systemd: Systemd,
    pub cgroup: Cgroup,
    /// Packages, installed and available.
    pub packages: Packages,
    /// The user's subordinate IDs.
    pub subids: Subids,
    pub containers: Containers,
    #[serde(default)]
    pub engines: Engines,
    #[serde(default)]
    pub apparmor: AppArmor,
    /// Packages that an earlier setup installed, according to the journal.
    #[serde(default, rename = "brought")]
    pub installed_by_us: BTreeSet<String>,
    /// Stages that an interrupted setup started. It resumes them, even if they look satisfied after their first
    /// change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub started_stages: BTreeSet<String>,
    /// kind, kubectl, crun and kind-wsl.
    pub tools: Tools,
    /// The stages that changed the machine for other users, with for whom and when.
    #[serde(skip)]
    pub set_up_for: BTreeMap<String, String>,
    /// The present boot of the machine.
    #[serde(rename = "witness")]
    pub boot_instance: BootInstance,
    /// Changes whose restart has not taken place.
    pub pending: Vec<Pending>,
    /// The time of the last verification, unless something changed since.
    pub verified: Option<String>,
}

/// A change that requires a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The required restart, and the check after it.
    pub due: RestartRequirement,
    /// A description of the change.
    pub why: String,
}

impl Facts {
    /// A machine of which nothing is known: what a question offers if it does not depend on the machine.
    #[must_use]
    pub fn unknown() -> Self {
        let (name, home, shell) = (String::new(), "/".into(), String::new());
        let user = Account { name, uid: 1000, gid: 1000, home, shell, config_home: None };
        Self::probe(&Replay::new(Recording::default()), user)
    }

    /// Reads the machine for this user.
    ///
    /// Creates nothing. In particular, podman is not run before it is configured, because its first command
    /// permanently selects the storage driver (`libpod/bolt_state` records it).
    #[must_use]
    pub fn probe(system: &dyn System, user: Account) -> Self {
        let assumed = system.env(ASSUMED_WSL).and_then(|version| version.parse::<Version>().ok());
        let wsl = match &assumed {
            Some(version) => Wsl::Two { version: Some(version.clone()), distro: None },
            None => Wsl::probe(system, &user),
        };
        let wsl_conf = WslConf::probe(system, &wsl);
        let kernel = Kernel::probe(system);
        let packages = Packages::probe(system);
        let distro = Distro::probe(system);
        let podman = tools::podman(system, &user);
        let running = packages.podman(podman.as_ref(), &distro);
        let containers = Containers::probe(system, &user, running);
        let mut facts = Self {
            arch: kernel.machine.parse().ok(),
            windows: Windows::probe(system, &wsl, &user),
            distro,
            systemd: Systemd::probe(system, &packages),
            cgroup: Cgroup::probe(system, user.uid),
            subids: Subids::probe(system, &user),
            engines: Engines::probe(system, &user),
            apparmor: AppArmor::probe(system),
            installed_by_us: BTreeSet::new(),
            started_stages: BTreeSet::new(),
            set_up_for: BTreeMap::new(),
            tools: Tools::probe(system, &user, &containers, podman),
            boot_instance: BootInstance::probe(system),
            pending: Vec::new(),
            verified: None,
            wsl,
            wsl_conf,
            kernel,
            packages,
            containers,
            is_user_away: !user::is_caller(system, &user) && !system.exists(&user.runtime_dir()),
            user,
        };
        if let Some(version) = assumed {
            facts.assume(&version);
        }
        facts
    }

    /// Whether this is Docker Desktop's own distribution, by its name in Windows or in os-release.
    #[must_use]
    pub fn is_docker_desktops(&self) -> bool {
        wsl::is_docker_desktops(self.wsl.distro()) || self.distro.name.contains("Docker Desktop")
    }

    /// Replaces facts that only a running system has, or that in a chroot belong to the building machine, by those of
    /// the system when this WSL first starts it.
    fn assume(&mut self, version: &Version) {
        "init".clone_into(&mut self.systemd.pid1);
        // Every kernel of WSL 2 mounts overlayfs for a user; the values for 6.6 are right for older and newer ones.
        let machine = std::mem::take(&mut self.kernel.machine);
        self.kernel = Kernel { release: "6.6".to_owned(), machine, ..Kernel::default() };
        let mounts = if Wsl::mounts_v1(version) {
            cgroup::Mounts {
                root: Some("tmpfs".to_owned()),
                v1: cgroup::ESSENTIAL.map(str::to_owned).into(),
                unified: true,
            }
        } else {
            cgroup::Mounts { root: Some("cgroup2".to_owned()), ..cgroup::Mounts::default() }
        };
        self.cgroup = Cgroup { mounts, ..Cgroup::default() };
    }

    /// The podman that is installed or will be installed.
    #[must_use]
    pub fn podman(&self) -> Option<&Version> {
        self.containers.podman.as_ref()
    }

    /// Whether the facts are those of a running system, not of a tree.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.boot_instance != BootInstance::default()
    }

    /// The required restart: the largest of the pending changes.
    #[must_use]
    pub fn restart_due(&self) -> Option<RestartScope> {
        self.pending.iter().map(|p| p.due.scope).max()
    }

    /// The pending changes, each file once however many changes it has.
    #[must_use]
    pub fn restart_reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for Pending { why, .. } in &self.pending {
            if !reasons.contains(why) {
                reasons.push(why.clone());
            }
        }
        reasons
    }
}
