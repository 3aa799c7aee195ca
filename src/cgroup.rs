//! The cgroup hierarchy: mounts, and the controllers available in each cgroup.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::edit::cmdline::is_controller;
use crate::host::{Cmd, System};

/// Where the hierarchy is mounted.
pub const ROOT: &str = "/sys/fs/cgroup";

/// The controllers that kind requires (kind `pkg/cluster/internal/create/create.go`, `validateProvider`), as does its
/// node's entrypoint (kind `images/base/files/usr/local/bin/entrypoint`).
pub const ESSENTIAL: [&str; 3] = ["cpu", "memory", "pids"];

/// The controllers delegated by default.
pub const WANTED: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// The hierarchy as seen by systemd and its user managers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    pub mounts: Mounts,
    /// The root of systemd's tree, below `/sys/fs/cgroup`; empty for the root itself.
    pub systemd_root: String,
    /// The cgroup of kind-wsl: that of a session of `wsl.exe`.
    pub own: String,
    /// The cgroups from the root down to systemd's, the root first.
    pub chain: Vec<Level>,
    /// The cgroup of the systemd user manager, if it is running.
    pub manager: Option<Level>,
    /// Whether `/sys/fs/cgroup` is a cgroup with limits, as in a cgroup namespace, and not the root of the kernel's
    /// hierarchy, which has neither `cgroup.type` nor `memory.current` (kernel `admin-guide/cgroup-v2.rst`).
    #[serde(default)]
    pub is_namespaced: bool,
}

/// One cgroup and its controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    pub path: String,
    /// `cgroup.controllers`: the controllers that the parent enables for it.
    pub controllers: Vec<String>,
    /// `cgroup.subtree_control`: the controllers that it enables for its children.
    pub enabled: Vec<String>,
}

/// The mounts at and below `/sys/fs/cgroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounts {
    /// The file system type at `/sys/fs/cgroup` itself, of the last mount.
    pub root: Option<String>,
    /// Controllers bound to a v1 hierarchy.
    pub v1: Vec<String>,
    /// Whether v2 is mounted below the root (`unified`), as on a hybrid.
    pub unified: bool,
}

impl Mounts {
    /// Reads the mount table.
    #[must_use]
    pub fn probe(system: &dyn System) -> Self {
        Self::parse(&system.text("/proc/mounts").unwrap_or_default())
    }

    /// Parses `/proc/mounts` (fstab(5) columns).
    #[must_use]
    pub fn parse(table: &str) -> Self {
        let mut mounts = Self::default();
        for line in table.lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, point, kind, options, ..] = fields[..] else { continue };
            if point == ROOT {
                mounts.root = Some(kind.to_owned());
            } else if kind == "cgroup2" && point.starts_with(ROOT) {
                mounts.unified = true;
            }
            if kind == "cgroup" {
                mounts.v1.extend(options.split(',').filter(|o| is_controller(o)).map(ToOwned::to_owned));
            }
        }
        // A later mount hides the earlier ones at or below the same point.
        if mounts.root.as_deref() == Some("cgroup2") {
            mounts.unified = false;
        }
        mounts
    }

    /// Whether v2 is at the root and no controller is bound to v1. A v1 hierarchy without controllers
    /// (`name=systemd`) does not matter.
    #[must_use]
    pub fn is_pure_v2(&self) -> bool {
        self.root.as_deref() == Some("cgroup2") && self.v1.is_empty()
    }

    /// Whether v1 interferes: controllers are bound to it, or its tmpfs is at the root.
    #[must_use]
    pub fn has_v1(&self) -> bool {
        !self.v1.is_empty() || self.root.as_deref() == Some("tmpfs")
    }
}

impl fmt::Display for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.root.as_deref() {
            Some("cgroup2") if self.v1.is_empty() => f.write_str("cgroup v2"),
            Some("cgroup2") => write!(f, "cgroup v2, but v1 has {}", self.v1.join(", ")),
            Some(other) if self.v1.is_empty() => {
                write!(
                    f,
                    "a {other}{}",
                    if self.unified { " with cgroup v2 below it in unified" } else { "" }
                )
            }
            Some(other) if self.v1.len() > 4 => {
                write!(f, "a {other} with cgroup v1 ({} controllers)", self.v1.len())
            }
            Some(other) => write!(f, "a {other} with cgroup v1 ({})", self.v1.join(", ")),
            None => f.write_str("not mounted"),
        }
    }
}

impl Level {
    fn probe(system: &dyn System, path: &str) -> Option<Self> {
        let words = |file: &str| {
            let text = system.text(&format!("{path}/{file}"))?;
            Some(text.split_ascii_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
        };
        Some(Self {
            path: path.to_owned(),
            controllers: words("cgroup.controllers")?,
            enabled: words("cgroup.subtree_control").unwrap_or_default(),
        })
    }

    /// Returns the controllers of `wanted` that the parent does not enable.
    #[must_use]
    pub fn lacks(&self, wanted: &[&str]) -> Vec<String> {
        wanted.iter().filter(|w| !self.controllers.iter().any(|c| c == *w)).map(|&w| w.to_owned()).collect()
    }
}

impl Cgroup {
    #[must_use]
    pub fn probe(system: &dyn System, uid: u32) -> Self {
        let mounts = Mounts::probe(system);
        let systemd_root = systemd_root(system);
        let own =
            system.text("/proc/self/cgroup").as_deref().and_then(v2_path).unwrap_or_default().to_owned();
        let mut chain = Vec::new();
        let mut path = ROOT.to_owned();
        for name in std::iter::once("").chain(systemd_root.split('/').filter(|n| !n.is_empty())) {
            if !name.is_empty() {
                path = format!("{path}/{name}");
            }
            chain.extend(Level::probe(system, &path));
        }
        let is_namespaced =
            ["cgroup.type", "memory.current"].iter().any(|file| system.exists(&format!("{ROOT}/{file}")));
        Self { mounts, chain, manager: user_manager(system, uid), systemd_root, own, is_namespaced }
    }

    /// Controllers that the topmost cgroup lacks, so that no visible cgroup can have them. Empty if a v1 hierarchy
    /// has controllers.
    #[must_use]
    pub fn unavailable(&self) -> Vec<String> {
        let root = self.chain.first().filter(|_| self.mounts.v1.is_empty());
        root.map_or_else(Vec::new, |root| root.lacks(&WANTED))
    }

    /// Controllers that the kernel offers at the root but that do not reach systemd, because an ancestor cgroup does
    /// not enable them.
    #[must_use]
    pub fn withheld(&self) -> Vec<String> {
        let (Some(first), Some(last)) = (self.chain.first(), self.chain.last()) else { return Vec::new() };
        let offered = |w: &&str| first.controllers.iter().any(|c| c == w);
        let offered: Vec<&str> = WANTED.into_iter().filter(offered).collect();
        last.lacks(&offered)
    }

    /// Whether WSL keeps the distribution in a separate cgroup without a cgroup namespace, as the pre-releases 2.9.8
    /// to 2.9.12 do (`[wsl2] isolateDistroCgroup`; WSL `src/linux/init/main.cpp`, commit 3701271dd). Detected by the
    /// cgroups of processes, never by the version: systemd is in that cgroup, and before systemd the sessions are,
    /// while WSL's init stays in the root.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        [&self.systemd_root, &self.own].iter().any(|path| path.starts_with("/wsl-user/"))
    }
}

/// The cgroup at the root of systemd's tree: PID 1's own without `init.scope`, where systemd puts itself, or
/// `non-systemd`, where WSL 2.9.13 and later keep every process of a distribution without systemd.
pub fn systemd_root(system: &dyn System) -> String {
    let own = system.text("/proc/1/cgroup").unwrap_or_default();
    let path = v2_path(&own).unwrap_or_default();
    let path = path.trim_end_matches('/');
    ["/init.scope", "/non-systemd"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path).to_owned()
}

/// The v2 line of `/proc/PID/cgroup` (cgroups(7)).
fn v2_path(text: &str) -> Option<&str> {
    text.lines().find_map(|l| l.strip_prefix("0::"))
}

/// Returns the cgroup of the systemd user manager, if it is running.
///
/// The path starts at systemd's own root, because with WSL's isolation `/sys/fs/cgroup/user.slice` does not exist. If
/// the unit was moved to another slice, systemd is queried.
#[must_use]
pub fn user_manager(system: &dyn System, uid: u32) -> Option<Level> {
    let unit = format!("user@{uid}.service");
    let usual = format!("{ROOT}{}/user.slice/user-{uid}.slice/{unit}", systemd_root(system));
    Level::probe(system, &usual).or_else(|| {
        if !system.exists("/run/systemd/system") {
            return None;
        }
        let path =
            system.stdout_if_ok(&Cmd::new("systemctl", ["show", "--value", "-p", "ControlGroup", &unit]))?;
        (!path.is_empty()).then(|| Level::probe(system, &format!("{ROOT}{path}"))).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::Mounts;

    #[test]
    fn classic_wsl_is_a_tmpfs_with_v1_controllers() {
        let seen = Mounts::parse(
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n\
             cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
        );
        assert!(seen.has_v1() && !seen.is_pure_v2());
        assert_eq!(seen.to_string(), "a tmpfs with cgroup v1 (cpu, memory)");
    }

    #[test]
    fn a_named_v1_hierarchy_without_controllers_is_harmless() {
        let seen = Mounts::parse(
            "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n",
        );
        assert!(seen.is_pure_v2());
    }

    #[test]
    fn v2_mounted_over_the_tmpfs_counts_but_bound_controllers_are_named() {
        let seen = Mounts::parse(
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
             cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
        );
        assert!(!seen.is_pure_v2());
        assert_eq!(seen.to_string(), "cgroup v2, but v1 has memory");
    }
}
