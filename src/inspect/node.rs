//! The nodes of kind's clusters: the provider lists them, the tree shows where they are, and each is checked for what
//! kind's entrypoint requires.

use camino::Utf8Path;
use serde::Serialize;

use super::process::{UserMap, short_ids};
use super::tree::{CgroupType, Tree};
use crate::cgroup::{ESSENTIAL, user_manager};
use crate::facts::kernel::OPEN_FILES;
use crate::host::{Account, System};

pub use super::listing::{CLUSTER, TIMEOUT, list};

/// A container that is a node of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    pub name: String,
    pub cluster: String,
    /// `control-plane`, `worker`, `external-load-balancer`.
    pub role: String,
    /// The container's ID, 64 hexadecimal digits.
    pub id: String,
    /// `running`, `exited`, `paused` …, as the provider writes it.
    pub state: String,
    /// Its first process, by its PID outside.
    pub pid: Option<u32>,
    /// The cgroup that is its root.
    pub cgroup: Option<String>,
    /// The index of its cgroup in the tree.
    #[serde(skip)]
    pub at: Option<usize>,
    #[serde(skip)]
    pub users: Vec<UserMap>,
    /// When the container was created, in seconds since 1970.
    #[serde(skip)]
    pub created: Option<i64>,
    /// The published ports. docker and nerdctl list those of a running container only.
    #[serde(skip)]
    pub ports: Vec<PublishedPort>,
    /// Its requirements; empty if it is not running.
    pub conditions: Vec<Condition>,
}

/// A port of the host that leads into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedPort {
    pub host_ip: String,
    pub host_port: u16,
    pub container_port: u16,
}

/// The requirements of kind's entrypoint and the kubelet in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    Controllers,
    RootEmpty,
    OpenFiles,
    Fuse,
    Modules,
}

impl Requirement {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Controllers => "controllers",
            Self::RootEmpty => "root-empty",
            Self::OpenFiles => "open-files",
            Self::Fuse => "fuse",
            Self::Modules => "modules",
        }
    }

    /// The effect if it is not met.
    #[must_use]
    pub fn effect(self) -> &'static str {
        match self {
            Self::Controllers => "the node's entrypoint ends with \"controller needs to be delegated\"",
            Self::RootEmpty => "kubelet does not start: its script needs the node's own cgroup to be empty",
            Self::OpenFiles => "the node warns of RLIMIT_NOFILE, and pods run out of files",
            Self::Fuse => "fuse-overlayfs cannot be used in the node",
            Self::Modules => "the node cannot load kernel modules",
        }
    }

    /// Whether the node's Kubernetes does not start without it; kind only warns of the others.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::Controllers | Self::RootEmpty)
    }
}

/// Whether a node meets a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    #[serde(rename = "id")]
    pub requirement: Requirement,
    /// `None` if that cannot be examined.
    pub holds: Option<bool>,
    pub evidence: String,
}

impl Condition {
    fn new(requirement: Requirement, holds: impl Into<Option<bool>>, evidence: impl Into<String>) -> Self {
        Self { requirement, holds: holds.into(), evidence: evidence.into() }
    }
}

impl Node {
    /// Whether it has processes; a paused node has.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state.starts_with("running") || self.state.starts_with("paused") || self.state.starts_with("Up")
    }

    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state.to_ascii_lowercase().contains("paused")
    }

    /// Whether it ran and ended. nerdctl prints `Exited (0) 2 minutes ago`.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.state.to_ascii_lowercase().starts_with("exited")
    }

    /// The conditions that do not hold.
    pub fn faults(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| condition.holds == Some(false))
    }

    /// Finds its first process and its user namespace, and checks its conditions.
    pub(super) fn examine(&mut self, system: &dyn System, tree: &Tree) {
        let Some(at) = self.at else { return };
        let init = &tree.cgroups[tree.child(at, "init.scope").unwrap_or(at)];
        let first = init.processes.iter().find(|process| process.pid_inside.unwrap_or(process.pid) == 1);
        self.pid = first.map(|process| process.pid);
        self.conditions = vec![controllers(tree, at), empty(tree, at)];
        let Some(pid) = self.pid else { return };
        self.users = UserMap::read(system, &pid.to_string());
        self.conditions.extend([
            open_files(system, pid),
            exists(system, pid, Requirement::Fuse, "/dev/fuse"),
            exists(system, pid, Requirement::Modules, "/lib/modules"),
        ]);
    }
}

fn controllers(tree: &Tree, at: usize) -> Condition {
    let cgroup = &tree.cgroups[at];
    let has_controller = |at: usize, name: &str| tree.cgroups[at].offered.iter().any(|has| has == name);
    let missing: Vec<&str> = ESSENTIAL.into_iter().filter(|name| !has_controller(at, name)).collect();
    let has = if cgroup.offered.is_empty() { "no controller".to_owned() } else { cgroup.offered.join(", ") };
    let Some(first) = missing.first() else { return Condition::new(Requirement::Controllers, true, has) };
    // The nearest ancestor that has the controller does not enable it.
    let at = match tree.ancestors(at).skip(1).find(|above| has_controller(*above, first)) {
        Some(above) => format!("{} does not enable {first} for child cgroups", tree.cgroups[above].path),
        None => format!("{} does not have {first} itself", tree.path),
    };
    Condition::new(Requirement::Controllers, false, format!("{has}; {} missing: {at}", missing.join(", ")))
}

/// kind's kubelet writes `cgroup.subtree_control` of the node's root, which the kernel refuses while processes are in it
/// (kind `images/base/files/kind/bin/create-kubelet-cgroup-v2.sh`).
fn empty(tree: &Tree, at: usize) -> Condition {
    let cgroup = &tree.cgroups[at];
    let held = match cgroup.pids.len() {
        0 => {
            return Condition::new(
                Requirement::RootEmpty,
                true,
                "no process in the node's own cgroup: they are in child cgroups",
            );
        }
        1 => "1 process".to_owned(),
        n => format!("{n} processes"),
    };
    let kind = if cgroup.kind == CgroupType::Domain {
        String::new()
    } else {
        format!(", which is {}", cgroup.kind.name())
    };
    Condition::new(Requirement::RootEmpty, false, format!("{held} in the node's own cgroup{kind}"))
}

fn open_files(system: &dyn System, pid: u32) -> Condition {
    let limits = system.text(&format!("/proc/{pid}/limits")).unwrap_or_default();
    // Soft, then hard.
    let hard =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_ascii_whitespace().nth(1));
    match hard {
        Some("unlimited") => Condition::new(Requirement::OpenFiles, true, "no limit"),
        Some(hard) => {
            let enough = hard.parse::<u64>().is_ok_and(|n| n >= OPEN_FILES);
            Condition::new(Requirement::OpenFiles, enough, format!("the hard limit is {hard}"))
        }
        None => Condition::new(Requirement::OpenFiles, None, "its limits cannot be read"),
    }
}

/// Whether a path exists in the node, whose first process is `pid`.
fn exists(system: &dyn System, pid: u32, requirement: Requirement, path: &str) -> Condition {
    let found = system.exists_in_process(pid, path);
    let evidence = match found {
        Some(true) => format!("{path} exists in the node"),
        Some(false) => format!("{path} does not exist in the node"),
        None => format!("{path} in the node cannot be examined"),
    };
    Condition::new(requirement, found, evidence)
}

/// Finds the cgroup of each node in a tree: the one that is named after the container.
pub(super) fn locate(nodes: &mut [Node], tree: &Tree) {
    for node in nodes.iter_mut().filter(|node| !node.id.is_empty() && node.is_running()) {
        // podman's monitor has a cgroup of its own that is named after the container as well.
        let is_its = |name: &str| name.contains(&node.id) && !name.contains("conmon");
        let mut found = tree.cgroups.iter().position(|cgroup| is_its(cgroup.name()));
        // With the systemd manager crun puts what is in the scope into `container` (crun `src/libcrun/cgroup-systemd.c`).
        if let Some(below) = found.and_then(|at| tree.child(at, "container")) {
            found = Some(below);
        }
        node.at = found;
        node.cgroup = found.map(|at| tree.cgroups[at].path.to_string());
    }
}

/// The limits on the processes of the nodes that run, by the cgroup of each; `None` means no limit. The provider is not
/// asked: a node is a container in whose cgroup kind makes one for the kubelet (kind
/// `images/base/files/kind/bin/create-kubelet-cgroup-v2.sh`).
pub(crate) fn pids_limits(system: &dyn System, user: &Account) -> Vec<(String, Option<u64>)> {
    let Some(manager) = user_manager(system, user.uid) else { return Vec::new() };
    let tree = Tree::read(system, Utf8Path::new(&manager.path));
    let is_kubelet = |at: usize| ["kubelet", "kubelet.slice"].contains(&tree.cgroups[at].name());
    // With the systemd manager the limit is the scope's, above `container`.
    let of_container =
        |at: &usize| is_container(tree.cgroups[*at].name()) || tree.cgroups[*at].name() == "container";
    let mut limits = Vec::new();
    for kubelet in (1..tree.cgroups.len()).filter(|at| is_kubelet(*at)) {
        let cgroups: Vec<usize> = tree.ancestors(kubelet).skip(1).take_while(of_container).collect();
        let Some(last) = cgroups.last().filter(|at| is_container(tree.cgroups[**at].name())) else {
            continue;
        };
        let limit = cgroups.iter().filter_map(|at| tree.cgroups[*at].tasks?.max).min();
        limits.push((short_ids(tree.cgroups[*last].name()).into_owned(), limit));
    }
    limits.dedup_by(|a, b| a.0 == b.0);
    limits
}

/// Whether a cgroup is named after a container: its name has an ID of 64 hexadecimal digits.
fn is_container(name: &str) -> bool {
    name.split(|c: char| !c.is_ascii_hexdigit()).any(|part| part.len() == 64)
}
