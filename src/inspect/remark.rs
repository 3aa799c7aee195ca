//! What a state means, told where it is seen.

use super::node::Node;
use super::tree::{Cgroup, Tree, Type, Usage};

/// A word on a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whether something is wrong.
    pub is_fault: bool,
    /// What there is to know.
    pub text: String,
}

impl Remark {
    fn note(text: impl Into<String>) -> Self {
        Self { is_fault: false, text: text.into() }
    }

    fn fault(text: impl Into<String>) -> Self {
        Self { is_fault: true, text: text.into() }
    }
}

/// What is to be said of a cgroup.
#[must_use]
pub fn of(tree: &Tree, at: usize, nodes: &[Node]) -> Vec<Remark> {
    let cgroup = &tree.cgroups[at];
    let mut said = Vec::new();
    if let Some(node) = nodes.iter().find(|node| node.at == Some(at)) {
        said.extend(of_node(cgroup, node));
    }
    match cgroup.kind {
        Type::DomainInvalid => said.push(Remark::fault(
            "domain invalid: it is below a threaded cgroup and can hold nothing until `threaded` is written to its cgroup.type",
        )),
        Type::DomainThreaded => said.push(Remark::note(
            "domain threaded: the top of a threaded subtree, to which all that is used below is charged",
        )),
        Type::Root | Type::Domain | Type::Threaded => {}
    }
    let is_frozen_above = at > 0 && tree.cgroups[cgroup.parent].frozen;
    if cgroup.frozen && !is_frozen_above {
        said.push(Remark::fault(
            "frozen: nothing in it runs until it is thawed (podman unpause, docker unpause)",
        ));
    }
    let below: u64 = tree.children(at).map(|child| tree.cgroups[child].oom_kills).sum();
    let own = cgroup.oom_kills.saturating_sub(below);
    if own > 0 {
        let processes = if own == 1 { "process was" } else { "processes were" };
        said.push(Remark::fault(format!("{own} {processes} killed here because memory ran out")));
    }
    let nearly = |usage: Option<Usage>| usage.filter(|u| u.max.is_some_and(|max| u.current >= max / 10 * 9));
    if nearly(cgroup.memory).is_some() {
        said.push(Remark::fault("its memory is nearly used up: what comes next is reclaimed, then killed"));
    }
    if nearly(cgroup.pids).is_some() {
        said.push(Remark::fault(
            "its tasks are nearly used up: fork will fail with \"Resource temporarily unavailable\"",
        ));
    }
    said
}

fn of_node(cgroup: &Cgroup, node: &Node) -> Vec<Remark> {
    let mut said = Vec::new();
    if cgroup.processes.is_empty() && cgroup.populated && cgroup.kind == Type::Domain {
        said.push(Remark::note(
            "no processes here: a domain cgroup whose children hold them, so that it can pass controllers on to them",
        ));
    }
    for fault in node.faults() {
        said.push(Remark::fault(format!("{}: {}", consequence(fault.id), fault.evidence)));
    }
    said
}

/// What comes of it where a condition does not hold.
#[must_use]
pub fn consequence(id: &str) -> &'static str {
    match id {
        "controllers" => "the node's entrypoint ends with \"controller needs to be delegated\"",
        "root-empty" => "kubelet does not start: its script needs the node's own cgroup to be empty",
        "open-files" => "the node warns of RLIMIT_NOFILE, and pods run out of files",
        "fuse" => "fuse-overlayfs can not be used in the node",
        "modules" => "the node can not load kernel modules",
        _ => "kind needs this",
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::inspect::tree::{Cgroup, Tree, Usage};
    use crate::inspect::{Condition, Node};

    /// What is said, each in a line, a fault with `! ` before it.
    fn said(cgroup: Cgroup, node: Option<Node>) -> String {
        let tree = Tree { cgroups: vec![Cgroup { end: 1, ..cgroup }], ..Tree::default() };
        let nodes: Vec<Node> = node.into_iter().collect();
        of(&tree, 0, &nodes).into_iter().fold(String::new(), |all, remark| {
            all + if remark.is_fault { "! " } else { "" } + &remark.text + "\n"
        })
    }

    #[test]
    fn a_nodes_empty_root_is_explained_and_a_full_one_is_a_fault() {
        let node = Node { at: Some(0), ..Node::default() };
        let calm = said(Cgroup { populated: true, ..Cgroup::default() }, Some(node.clone()));
        assert!(calm.starts_with("no processes here: a domain cgroup whose children hold them"), "{calm}");
        let condition =
            Condition { id: "root-empty", holds: Some(false), evidence: "2 processes in it".into() };
        let full = Cgroup { populated: true, processes: vec![1, 2], ..Cgroup::default() };
        let full = said(full, Some(Node { conditions: vec![condition], ..node }));
        assert_eq!(
            full,
            "! kubelet does not start: its script needs the node's own cgroup to be empty: 2 processes in it\n"
        );
    }

    #[test]
    fn killed_frozen_and_full_cgroups_are_faults_and_a_calm_one_says_nothing() {
        let usage = |current, max| Some(Usage { current, max });
        let bad = Cgroup {
            frozen: true,
            oom_kills: 1,
            memory: usage(95, Some(100)),
            pids: usage(9, Some(10)),
            ..Cgroup::default()
        };
        let bad = said(bad, None);
        assert_eq!(bad.lines().filter(|line| line.starts_with("! ")).count(), 4, "{bad}");
        assert_eq!(
            said(Cgroup { memory: usage(9, None), pids: usage(1, Some(10)), ..Cgroup::default() }, None),
            ""
        );
    }
}
