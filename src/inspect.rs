//! Where the processes of a cluster's nodes live, what is delegated to them, and who they are outside.
//!
//! [`Tree`] is read from `/sys/fs/cgroup` and `/proc` in one pass, without root and without asking anybody; what ends
//! while it is read is simply not in it. Names come from those who give them: the provider for nodes ([`node`]), crictl
//! in a node for pods ([`pods`]). A provider that does not answer costs the names, not the tree.

pub mod json;
pub mod node;
pub mod pods;
pub mod process;
mod remark;
pub mod tree;
pub mod view;

use camino::Utf8Path;

use crate::facts::cgroup::{Mounts, ROOT, systemd_root, user_manager};
use crate::host::{Account, System};

pub use node::{Condition, Node};
pub use pods::Pods;
pub use process::{Process, Reader, UserMap};
pub use remark::{Remark, consequence, of as remark};
pub use tree::{Cgroup, Tree};

/// What there is to see.
#[derive(Debug)]
pub struct Inspection {
    /// What is mounted.
    pub mounts: Mounts,
    /// The nodes, or why the provider does not say.
    pub nodes: Result<Vec<Node>, String>,
    /// The tree; `None` where cgroup v2 is not mounted at `/sys/fs/cgroup`.
    pub tree: Option<Tree>,
    /// Whether the tree begins at the user's service manager.
    pub at_manager: bool,
}

impl Inspection {
    /// Reads the tree, and meanwhile has the provider asked ([`node::list`]), or whoever knows the nodes: from the user
    /// manager down where every node that runs is below it, otherwise from where systemd's begins.
    #[must_use]
    pub fn probe(
        system: &dyn System,
        user: &Account,
        ask: impl FnOnce() -> Result<Vec<Node>, String>,
    ) -> Self {
        let mounts = Mounts::probe(system);
        if !mounts.is_pure_v2() {
            return Self { mounts, nodes: ask(), tree: None, at_manager: false };
        }
        let manager = user_manager(system, user.uid).map(|level| level.path);
        let mut at_manager = manager.is_some();
        let base = || format!("{ROOT}{}", systemd_root(system));
        let (mut tree, mut nodes) =
            Tree::read_while(system, Utf8Path::new(&manager.unwrap_or_else(base)), ask);
        let known = nodes.as_mut().map_or(&mut [][..], |nodes| &mut nodes[..]);
        node::place(known, &tree);
        let strays = |nodes: &[Node]| nodes.iter().any(|node| node.is_running() && node.cgroup.is_none());
        if at_manager && strays(known) {
            let whole = Tree::read(system, Utf8Path::new(&base()));
            node::place(known, &whole);
            (tree, at_manager) = (whole, false);
        }
        for node in known {
            node.examine(system, &tree);
        }
        Self { mounts, nodes, tree: Some(tree), at_manager }
    }

    /// The nodes that the provider named; none where it did not answer.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        self.nodes.as_deref().unwrap_or_default()
    }
}
