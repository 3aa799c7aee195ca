//! The distribution, its init system and its packages.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change::Manager;
use crate::compat::carried;
use crate::facts::tools::Podman;
use crate::host::{Cmd, System};
use crate::version::Version;

/// From `/etc/os-release` (os-release(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distro {
    /// `ID`, for example `debian`.
    pub id: String,
    /// `ID_LIKE`, split.
    pub like: Vec<String>,
    /// `VERSION_ID`.
    pub version: Option<Version>,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Distro {
    /// Reads `/etc/os-release`.
    #[must_use]
    pub fn probe(system: &dyn System) -> Self {
        Self::parse(&system.text("/etc/os-release").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
            // An empty name counts as no name.
            Some(line.trim().trim_matches(['"', '\''])).filter(|v| !v.is_empty()).map(ToOwned::to_owned)
        };
        Self {
            id: value("ID").unwrap_or_else(|| "linux".to_owned()),
            like: value("ID_LIKE").unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect(),
            version: value("VERSION_ID").and_then(|v| v.parse().ok()),
            name: value("PRETTY_NAME").unwrap_or_else(|| "an unknown distribution".to_owned()),
        }
    }

    /// Whether it is Debian or a derivative.
    #[must_use]
    pub fn is_debian(&self) -> bool {
        self.id == "debian" || self.like.iter().any(|l| l == "debian")
    }
}

/// PID 1 and systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Systemd {
    /// The name of PID 1.
    pub pid1: String,
    /// The target of `/sbin/init`; `None` if it does not exist, and WSL then ignores `systemd=true` (WSL
    /// `src/linux/init/WslDistributionConfig.cpp:90`).
    pub init: Option<String>,
    /// The version of its package.
    pub version: Option<Version>,
    /// A `user-0.slice` that kind-wsl did not write, and whether it can be enabled.
    #[serde(default)]
    pub root_slice: Option<bool>,
}

impl Systemd {
    /// Reads the machine. The version of systemd is that of its package, if it has one.
    #[must_use]
    pub fn probe(system: &dyn System, packages: &Packages) -> Self {
        let init = system.resolve("/sbin/init".into()).ok();
        let init = init.filter(|p| system.stat(p).ok().flatten().is_some()).map(Into::into);
        let version = packages.version("systemd").or_else(|| {
            let stdout = system.stdout_if_ok(&Cmd::parse("systemctl --version"))?;
            stdout.split_ascii_whitespace().nth(1)?.parse().ok()
        });
        let slice =
            system.text("/etc/systemd/system/user-0.slice").filter(|t| !t.contains("Written by kind-wsl"));
        Self {
            pid1: system.text("/proc/1/comm").unwrap_or_default().trim().to_owned(),
            init,
            version,
            root_slice: slice.map(|text| text.contains("[Install]")),
        }
    }

    /// Whether systemd is PID 1.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.pid1 == "systemd"
    }

    /// Whether WSL can start systemd.
    #[must_use]
    pub fn is_init(&self) -> bool {
        self.init.as_deref().is_some_and(|p| p.ends_with("/systemd"))
    }
}

/// The relevant packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// The package manager; `None` if it is not supported.
    pub manager: Option<Manager>,
    /// The installed packages and their versions.
    pub installed: BTreeMap<String, String>,
    /// The versions that the package manager would install, if something is missing.
    pub candidates: BTreeMap<String, String>,
}

/// The queried packages.
const ASKED: [&str; 29] = [
    "podman",
    "crun",
    "uidmap",
    "slirp4netns",
    "passt",
    "fuse-overlayfs",
    "dbus-user-session",
    "iptables",
    "netavark",
    "aardvark-dns",
    "containernetworking-plugins",
    "systemd",
    "systemd-sysv",
    "libc6",
    "shadow-utils",
    "iptables-nft",
    "nftables",
    "shadow",
    "docker.io",
    "docker-cli",
    "docker-ce",
    "docker-ce-rootless-extras",
    "docker",
    "docker-rootless-extras",
    "rootlesskit",
    "nerdctl",
    "containerd",
    "containerd.io",
    "cni-plugins",
];

impl Packages {
    /// Queries the package manager.
    #[must_use]
    pub fn probe(system: &dyn System) -> Self {
        let has = |program: &str| {
            ["/usr/bin", "/bin", "/usr/sbin"].iter().any(|d| system.exists(&format!("{d}/{program}")))
        };
        let manager = [
            ("apt-get", Manager::Apt),
            ("dnf", Manager::Dnf),
            ("zypper", Manager::Zypper),
            ("pacman", Manager::Pacman),
        ];
        let Some(manager) = manager.into_iter().find(|(program, _)| has(program)).map(|(_, m)| m) else {
            return Self::default();
        };
        // The change itself does not start if packages cannot be listed.
        let mut installed = manager.installed(system).unwrap_or_default();
        installed.retain(|name, _| ASKED.contains(&name.as_str()));
        let engines = ["podman", "docker.io", "docker-ce", "nerdctl"];
        let complete = engines.iter().any(|e| installed.contains_key(*e)) && installed.contains_key("uidmap");
        let candidates =
            if complete || manager != Manager::Apt { BTreeMap::new() } else { apt_candidates(system) };
        Self { manager: Some(manager), installed, candidates }
    }

    /// The installed version of a package.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<Version> {
        self.installed.get(name)?.parse().ok()
    }

    /// The version after the packages are installed: the installed one, otherwise the candidate.
    #[must_use]
    pub fn coming(&self, name: &str) -> Option<Version> {
        self.installed.get(name).or_else(|| self.candidates.get(name))?.parse().ok()
    }

    /// The present podman: one from outside of the packages, otherwise the one that is or will be installed.
    #[must_use]
    pub(super) fn podman(&self, outside: Option<&Podman>, distro: &Distro) -> Option<Version> {
        match outside {
            Some(podman) => podman.version.clone(),
            None => self
                .coming("podman")
                .or_else(|| carried(&distro.id, distro.version.as_ref(), "podman")?.version.clone()),
        }
    }
}

fn apt_candidates(system: &dyn System) -> BTreeMap<String, String> {
    parse_policy(&system.stdout_if_ok(&apt_policy()).unwrap_or_default())
}

/// Without a cache in /var/cache/apt, which only root can write, apt reads all package lists: 30 s on a slow machine.
fn apt_policy() -> Cmd {
    Cmd::new("apt-cache", std::iter::once("policy").chain(ASKED)).timeout(Duration::from_mins(5))
}

/// The candidates of `apt-cache policy`. The package lists of a fresh image are empty, so nothing is known before
/// `apt-get update`.
fn parse_policy(text: &str) -> BTreeMap<String, String> {
    let mut candidates = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|h| !h.starts_with(' ')) {
            heading.clone_into(&mut name);
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ").filter(|v| *v != "(none)") {
            candidates.insert(name.clone(), version.to_owned());
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::{Distro, apt_policy, parse_policy};

    #[test]
    fn quotes_of_os_release_are_taken_off() {
        let distro = Distro::parse("PRETTY_NAME=\"Ubuntu 24.04 LTS\"\nID=ubuntu\nID_LIKE=debian\n");
        assert_eq!(
            (distro.id.as_str(), distro.name.as_str(), distro.is_debian()),
            ("ubuntu", "Ubuntu 24.04 LTS", true)
        );
    }

    #[test]
    fn apt_has_five_minutes_to_read_its_lists() {
        assert_eq!(apt_policy().seconds, 300);
    }

    #[test]
    fn a_package_without_a_candidate_is_not_on_offer() {
        let text = "podman:\n  Installed: (none)\n  Candidate: 4.3.1+ds1-8\n  Version table:\npasst:\n  Installed: (none)\n  Candidate: (none)\n";
        let seen = parse_policy(text);
        assert_eq!(seen.get("podman").map(String::as_str), Some("4.3.1+ds1-8"));
        assert!(!seen.contains_key("passt"));
    }
}
