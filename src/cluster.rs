//! The clusters that kind created: their nodes, in the order in which they start, and whether they run.

pub mod autostart;
mod hands;
mod ports;
mod start;
mod stop;

pub use hands::Step;
pub use start::{Start, StartError};
pub use stop::stop;

use std::time::Duration;

use serde::Serialize;

use crate::host::{Account, System};
use crate::inspect::{Node, PublishedPort, node};
use crate::provider::Provider;

/// The port of the API server in a node (kind `pkg/cluster/internal/providers/common/constants.go`).
const API_PORT: u16 = 6443;

/// A cluster, its nodes in the order in which they start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub name: String,
    pub provider: Provider,
    pub nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    Running,
    /// Some of its nodes run.
    Partial,
    Stopped,
}

impl ClusterState {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Partial => "partial",
            Self::Stopped => "stopped",
        }
    }
}

/// The roles that kind gives its containers (kind `pkg/cluster/constants/constants.go`).
pub const CONTROL_PLANE: &str = "control-plane";
pub const LOAD_BALANCER: &str = "external-load-balancer";

impl Cluster {
    #[must_use]
    pub fn state(&self) -> ClusterState {
        match self.nodes.iter().filter(|node| node.is_running()).count() {
            0 => ClusterState::Stopped,
            n if n == self.nodes.len() => ClusterState::Running,
            _ => ClusterState::Partial,
        }
    }

    /// The address of the API server outside the nodes: that of the load balancer if there is one.
    #[must_use]
    pub fn api(&self) -> Option<&PublishedPort> {
        let of = |role: &str| {
            let ports = self.nodes.iter().filter(|node| node.role == role).flat_map(|node| &node.ports);
            ports.into_iter().find(|port| port.container_port == API_PORT)
        };
        of(LOAD_BALANCER).or_else(|| of(CONTROL_PLANE))
    }

    /// When its first node was created, in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> Option<i64> {
        self.nodes.iter().filter_map(|node| node.created).min()
    }

    /// The nodes that run Kubernetes: the load balancer does not.
    pub fn members(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role != LOAD_BALANCER)
    }

    pub fn control_planes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == CONTROL_PLANE)
    }
}

/// The load balancer, then the control planes, then the workers: each needs those before it.
fn rank(role: &str) -> u8 {
    match role {
        LOAD_BALANCER => 0,
        CONTROL_PLANE => 1,
        _ => 2,
    }
}

/// Whether kind accepts a cluster of this name (kind `pkg/cluster/internal/create/create.go`, `validNameRE`). A leading
/// dash would be an option of the programs that get it; as a file name `.` and `..` are directories.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    !name.is_empty() && name.len() <= 200 && name.chars().all(allowed) && !name.starts_with(['-', '.'])
}

/// How long a list of clusters may take: podman's first command after a boot takes longer than the checks of doctor wait.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks the provider for every cluster, and waits for its answer up to `patience`. Containers with a label that kind cannot have written are not nodes.
///
/// # Errors
/// Why the provider did not answer.
pub fn list(
    system: &dyn System,
    user: &Account,
    provider: Provider,
    patience: Duration,
) -> Result<Vec<Cluster>, String> {
    let mut clusters: Vec<Cluster> = Vec::new();
    // The nodes come sorted by the name of their cluster.
    for node in node::list(system, user, provider, patience)? {
        if !is_name(&node.cluster) || !is_container_name(&node.name) {
            continue;
        }
        match clusters.last_mut().filter(|cluster| cluster.name == node.cluster) {
            Some(cluster) => cluster.nodes.push(node),
            None => clusters.push(Cluster { name: node.cluster.clone(), provider, nodes: vec![node] }),
        }
    }
    for cluster in &mut clusters {
        // A stable sort: kind numbers the nodes of a role.
        cluster.nodes.sort_by_key(|node| rank(&node.role));
    }
    Ok(clusters)
}

/// Whether the provider accepts a container of this name (podman `libpod/define/errors.go`, `NameRegex`; moby
/// `daemon/names/names.go`).
fn is_container_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::{is_container_name, is_name};

    #[test]
    fn only_names_that_kind_accepts_are_names_of_clusters() {
        for name in ["kind", "dev-1.2", "0"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(201);
        for name in ["", "Kind", "-x", ".", "..", "a/b", "a b", "a\nb", "a;b", "a%i", "é", "a_b", &long] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_container_name("kind-control-plane") && !is_container_name("--all"));
    }
}
