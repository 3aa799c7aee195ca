//! The checks by subject, as `doctor` shows them.

use super::{Check, cgroup, engine, images, kernel, kind, network, node, podman, registry, session, wsl};

/// A group of checks: a line of `doctor`.
#[derive(Debug)]
pub struct Group {
    /// Its name in JSON.
    pub id: &'static str,
    pub title: &'static str,
    lists: &'static [&'static [&'static Check]],
    /// The checks whose details describe it if all checks pass.
    summary: &'static [&'static Check],
}

impl Group {
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.lists.iter().flat_map(|checks| *checks).copied()
    }

    /// Whether the details of this check describe the group.
    #[must_use]
    pub fn is_summary(&self, id: &str) -> bool {
        self.summary.iter().any(|check| check.id == id)
    }
}

/// The checks of `doctor` by subject, in the order in which a failure causes the next.
pub static GROUPS: [Group; 8] = [
    group("wsl", "WSL", const { &[wsl::CHECKS] }, const { &[&wsl::WSL] }),
    group(
        "kernel",
        "Kernel and cgroups",
        const { &[cgroup::CHECKS, kernel::CHECKS] },
        const { &[&cgroup::SYSTEMD, &cgroup::V2] },
    ),
    group("session", "User session", const { &[session::CHECKS] }, const { &[&session::MANAGER] }),
    group(
        "engine",
        "Container engine",
        const { &[podman::CHECKS, engine::CHECKS] },
        const { &[&podman::PODMAN, &podman::ALL_OF_CRUN, &engine::DOCKER, &engine::NERDCTL] },
    ),
    group("network", "Network", const { &[network::CHECKS] }, const { &[&network::IPTABLES_AND_MODULES] }),
    group(
        "images",
        "Images",
        const { &[images::CHECKS, registry::CHECKS] },
        const { &[&images::PROXY, &registry::REGISTRY] },
    ),
    CLUSTERS,
    group("kind", "kind", const { &[kind::CHECKS] }, const { &[&kind::KIND] }),
];

/// The clusters that exist.
pub const CLUSTERS: Group =
    group("clusters", "Clusters", const { &[node::CHECKS] }, const { &[&node::CLUSTERS] });

const fn group(
    id: &'static str,
    title: &'static str,
    lists: &'static [&'static [&'static Check]],
    summary: &'static [&'static Check],
) -> Group {
    Group { id, title, lists, summary }
}
