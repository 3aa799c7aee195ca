//! What the machine is: one snapshot, from files and a few commands that change nothing.
//!
//! Each parser is pure and takes text. Nothing is concluded from a version number where the thing itself can be
//! seen; where both are known the thing itself counts.

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

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::change::{RestartRequirement, RestartScope};
use crate::fetch::catalogue::Arch;
use crate::host::{ASSUMED_WSL, Account, BootInstance, System};
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

/// Everything that a stage may decide from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The person whose cluster this will be.
    pub user: Account,
    /// The machine's architecture; `None` for one that no release is built for.
    pub arch: Option<Arch>,
    /// WSL or not, and which.
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
    /// Packages, installed and on offer.
    pub packages: Packages,
    /// The user's subordinate IDs.
    pub subids: Subids,
    pub containers: Containers,
    #[serde(default)]
    pub engines: Engines,
    #[serde(default)]
    pub apparmor: AppArmor,
    /// Packages that a set-up of ours brought and that stand in the journal.
    #[serde(default, rename = "brought")]
    pub installed_by_us: BTreeSet<String>,
    /// Stages that an interrupted setup began: it resumes them, however satisfied they look after their first change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub begun: BTreeSet<String>,
    /// kind, kubectl, crun and ourselves.
    pub tools: Tools,
    /// The present start of the machine.
    #[serde(rename = "witness")]
    pub boot_instance: BootInstance,
    /// Changes that count only after a restart that has not taken place.
    pub pending: Vec<Pending>,
    /// When the result was last verified, with no change since.
    pub verified: Option<String>,
}

/// A change that waits for a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What has to be started again, and what is seen then.
    pub due: RestartRequirement,
    /// The change, in words.
    pub why: String,
}

impl Facts {
    /// Looks at the machine for this user.
    ///
    /// Creates nothing: podman in particular is not asked before it is configured, because its first command
    /// settles the storage driver for good (`libpod/bolt_state` records it).
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
            begun: BTreeSet::new(),
            tools: Tools::probe(system, &user, &containers, podman),
            boot_instance: BootInstance::probe(system),
            pending: Vec::new(),
            verified: None,
            wsl,
            wsl_conf,
            kernel,
            packages,
            containers,
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

    /// Replaces what only a running system shows, and what is the building machine's in a chroot, by what the system has
    /// when this WSL first starts it.
    fn assume(&mut self, version: &Version) {
        "init".clone_into(&mut self.systemd.pid1);
        // Every kernel of WSL 2 mounts overlayfs for a user; what 6.6 requires is right for older and newer ones.
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

    /// The podman that runs or will be installed.
    #[must_use]
    pub fn podman(&self) -> Option<&Version> {
        self.containers.podman.as_ref()
    }

    /// Whether the facts are those of a system that runs, not of a tree.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.boot_instance != BootInstance::default()
    }

    /// The restart that is due: the largest of what waits.
    #[must_use]
    pub fn restart_due(&self) -> Option<RestartScope> {
        self.pending.iter().map(|p| p.due.scope).max()
    }

    /// What waits for the restart, each file once however many changes it has.
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
