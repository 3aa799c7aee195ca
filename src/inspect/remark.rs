//! What a state means, told where it is seen.

use super::node::Node;
use super::tree::{Cgroup, Memory, Tree, Type, Usage};
use super::view::bytes;

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
    let own = |count: fn(&Cgroup) -> u64| {
        let below: u64 = tree.children(at).map(|child| count(&tree.cgroups[child])).sum();
        count(cgroup).saturating_sub(below)
    };
    let (killed, ran_out) = (own(|c| c.memory_events.oom_kill), own(|c| c.memory_events.oom));
    if killed > 0 {
        let processes = if killed == 1 { "process was" } else { "processes were" };
        said.push(Remark::fault(format!("{killed} {processes} killed here because memory ran out")));
    } else if ran_out > 0 {
        let times = if ran_out == 1 { "once" } else { "more than once" };
        said.push(Remark::fault(format!("memory ran out here {times}; no process was killed")));
    }
    let nearly = |usage: &Usage| usage.max.is_some_and(|max| usage.current >= max / 10 * 9);
    if let Some(Usage { current, max: Some(max) }) = cgroup.memory.map(Memory::in_use).filter(nearly) {
        let reclaimed = match own(|c| c.memory_events.max) {
            0 => String::new(),
            count => format!("; the limit was reached {count} times"),
        };
        said.push(Remark::fault(format!(
            "its memory is nearly used up: {} of {} besides page cache{reclaimed}",
            bytes(current),
            bytes(max)
        )));
    }
    if cgroup.pids.as_ref().is_some_and(nearly) {
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
    use crate::inspect::tree::{Cgroup, Memory, MemoryEvents, Tree, Usage};
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
        let bad = Cgroup {
            frozen: true,
            memory_events: MemoryEvents { max: 3, oom: 1, oom_kill: 1 },
            memory: Some(memory(95, 95, Some(100))),
            pids: Some(Usage { current: 9, max: Some(10) }),
            ..Cgroup::default()
        };
        let bad = said(bad, None);
        assert_eq!(bad.lines().filter(|line| line.starts_with("! ")).count(), 4, "{bad}");
        assert!(
            bad.contains("nearly used up: 95 B of 100 B besides page cache; the limit was reached 3 times"),
            "{bad}"
        );
        let pids = Some(Usage { current: 1, max: Some(10) });
        assert_eq!(said(Cgroup { memory: Some(memory(9, 9, None)), pids, ..Cgroup::default() }, None), "");
    }

    fn memory(current: u64, working_set: u64, max: Option<u64>) -> Memory {
        Memory { current, max, working_set }
    }

    #[test]
    fn page_cache_that_the_kernel_can_drop_does_not_use_memory_up() {
        // As the kernel showed a pod that had read a file: anon 0.2 MB, inactive_file 66 MB of a limit of 67 MB.
        let cgroup = |working_set| Cgroup {
            memory: Some(memory(67_000_000, working_set, Some(67_108_864))),
            memory_events: MemoryEvents { max: 40, ..MemoryEvents::default() },
            ..Cgroup::default()
        };
        assert_eq!(said(cgroup(1_000_000), None), "");
        assert!(said(cgroup(66_000_000), None).contains("nearly used up: 63 MiB of 64 MiB"));
    }

    #[test]
    fn memory_that_ran_out_without_a_killed_process_is_a_fault() {
        let cgroup =
            Cgroup { memory_events: MemoryEvents { max: 1, oom: 1, oom_kill: 0 }, ..Cgroup::default() };
        assert_eq!(said(cgroup, None), "! memory ran out here once; no process was killed\n");
    }
}
