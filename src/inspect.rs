//! Where the processes of a cluster's nodes are, what is delegated to them, and who they are outside.
//!
//! The [`Tree`] is read from `/sys/fs/cgroup` and `/proc` without root. Names come from elsewhere: nodes from the provider
//! ([`node`]), pods from crictl in a node ([`pods`]). A provider that does not answer costs the names, not the tree.

pub mod json;
mod listing;
mod names;
pub mod node;
mod notes;
pub mod pods;
pub mod process;
pub mod tree;
pub mod view;

use camino::Utf8Path;

use crate::cgroup::{Mounts, ROOT, systemd_root, user_manager};
use crate::host::{Account, System};

pub use node::{Condition, Node, PublishedPort, Requirement};
pub use pods::Pods;
pub use process::{ProcessInfo, UserMap};
pub use tree::{CgroupNode, Tree};

/// The cgroup tree, and the nodes in it.
#[derive(Debug)]
pub struct Inspection {
    pub mounts: Mounts,
    /// The nodes, or why the provider did not list them.
    pub nodes: Result<Vec<Node>, String>,
    /// `None` if cgroup v2 is not mounted at `/sys/fs/cgroup`.
    pub tree: Option<Tree>,
    /// Whether the tree begins at the systemd user manager.
    pub at_manager: bool,
}

impl Inspection {
    /// Reads the tree and finds the nodes in it ([`node::list`]): from the systemd user manager down if every running node
    /// is below it, otherwise from systemd's own cgroup down.
    #[must_use]
    pub fn new(system: &dyn System, user: &Account, mut nodes: Result<Vec<Node>, String>) -> Self {
        let mounts = Mounts::probe(system);
        if !mounts.is_pure_v2() {
            return Self { mounts, nodes, tree: None, at_manager: false };
        }
        let manager = user_manager(system, user.uid).map(|level| level.path);
        let mut at_manager = manager.is_some();
        let base = || format!("{ROOT}{}", systemd_root(system));
        let mut tree = Tree::read(system, Utf8Path::new(&manager.unwrap_or_else(base)));
        let known = nodes.as_mut().map_or(&mut [][..], |nodes| &mut nodes[..]);
        node::locate(known, &tree);
        if at_manager && known.iter().any(|node| node.is_running() && node.cgroup.is_none()) {
            (tree, at_manager) = (Tree::read(system, Utf8Path::new(&base())), false);
            node::locate(known, &tree);
        }
        for node in known {
            node.examine(system, &tree);
        }
        Self { mounts, nodes, tree: Some(tree), at_manager }
    }

    /// The nodes; empty if the provider did not answer.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        self.nodes.as_deref().unwrap_or_default()
    }
}
