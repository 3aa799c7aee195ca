//! Notes on a cgroup.

use super::node::Node;
use super::tree::{CgroupNode, CgroupType, Memory, Tree, Usage};
use super::view::bytes;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CgroupNote {
    pub(super) is_fault: bool,
    pub(super) text: String,
}

impl CgroupNote {
    fn info(text: impl Into<String>) -> Self {
        Self { is_fault: false, text: text.into() }
    }

    fn fault(text: impl Into<String>) -> Self {
        Self { is_fault: true, text: text.into() }
    }
}

/// The notes on a cgroup.
pub(super) fn of(tree: &Tree, at: usize, nodes: &[Node]) -> Vec<CgroupNote> {
    let cgroup = &tree.cgroups[at];
    let mut notes = Vec::new();
    if let Some(node) = nodes.iter().find(|node| node.at == Some(at)) {
        notes.extend(of_node(cgroup, node));
    }
    match cgroup.kind {
        CgroupType::DomainInvalid => notes.push(CgroupNote::fault(
            "domain invalid: unusable below a threaded cgroup until `threaded` is written to its cgroup.type",
        )),
        CgroupType::DomainThreaded => notes.push(CgroupNote::info(
            "domain threaded: the top of a threaded subtree, charged for everything below",
        )),
        CgroupType::Root | CgroupType::Domain | CgroupType::Threaded => {}
    }
    let is_frozen_above = at > 0 && tree.cgroups[cgroup.parent].frozen;
    if cgroup.frozen && !is_frozen_above {
        notes.push(CgroupNote::fault(
            "frozen: nothing in it runs until it is thawed (podman unpause, docker unpause)",
        ));
    }
    let own = |count: fn(&CgroupNode) -> u64| {
        let below: u64 = tree.children(at).map(|child| count(&tree.cgroups[child])).sum();
        count(cgroup).saturating_sub(below)
    };
    let (killed, ran_out) = (own(|c| c.memory_events.oom_kill), own(|c| c.memory_events.oom));
    if killed > 0 {
        let processes = if killed == 1 { "process was" } else { "processes were" };
        notes.push(CgroupNote::fault(format!("{killed} {processes} killed here because memory ran out")));
    } else if ran_out > 0 {
        let times = if ran_out == 1 { "once" } else { "more than once" };
        notes.push(CgroupNote::fault(format!("memory ran out here {times}; no process was killed")));
    }
    let nearly = |usage: &Usage| usage.max.is_some_and(|max| usage.current >= max / 10 * 9);
    if let Some(Usage { current, max: Some(max) }) = cgroup.memory.map(Memory::in_use).filter(nearly) {
        let reclaimed = match own(|c| c.memory_events.max) {
            0 => String::new(),
            count => format!("; the limit was reached {count} times"),
        };
        notes.push(CgroupNote::fault(format!(
            "its memory is nearly used up: {} of {} without page cache{reclaimed}",
            bytes(current),
            bytes(max)
        )));
    }
    if cgroup.tasks.as_ref().is_some_and(nearly) {
        notes.push(CgroupNote::fault(
            "its tasks are nearly used up: fork will fail with \"Resource temporarily unavailable\"",
        ));
    }
    notes
}

fn of_node(cgroup: &CgroupNode, node: &Node) -> Vec<CgroupNote> {
    let mut notes = Vec::new();
    if cgroup.pids.is_empty() && cgroup.populated && cgroup.kind == CgroupType::Domain {
        notes.push(CgroupNote::info("no processes (expected: they are in child cgroups)"));
    }
    for fault in node.faults() {
        notes.push(CgroupNote::fault(format!("{}: {}", fault.requirement.effect(), fault.evidence)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::inspect::tree::{CgroupNode, Memory, MemoryEvents, Tree, Usage};
    use crate::inspect::{Condition, Node, Requirement};

    /// The notes, one per line, each fault with `! ` before it.
    fn notes(cgroup: CgroupNode, node: Option<Node>) -> String {
        let tree = Tree { cgroups: vec![CgroupNode { end: 1, ..cgroup }], ..Tree::default() };
        let nodes: Vec<Node> = node.into_iter().collect();
        of(&tree, 0, &nodes)
            .into_iter()
            .fold(String::new(), |all, note| all + if note.is_fault { "! " } else { "" } + &note.text + "\n")
    }

    #[test]
    fn an_empty_cgroup_of_a_node_is_explained_and_one_with_processes_is_a_fault() {
        let node = Node { at: Some(0), ..Node::default() };
        let calm = notes(CgroupNode { populated: true, ..CgroupNode::default() }, Some(node.clone()));
        assert!(calm.starts_with("no processes (expected: "), "{calm}");
        let condition = Condition {
            requirement: Requirement::RootEmpty,
            holds: Some(false),
            evidence: "2 processes in it".into(),
        };
        let full = CgroupNode { populated: true, pids: vec![1, 2], ..CgroupNode::default() };
        let full = notes(full, Some(Node { conditions: vec![condition], ..node }));
        assert_eq!(
            full,
            "! kubelet does not start: its script needs the node's own cgroup to be empty: 2 processes in it\n"
        );
    }

    #[test]
    fn killed_frozen_and_full_cgroups_are_faults_and_a_normal_one_has_no_note() {
        let bad = CgroupNode {
            frozen: true,
            memory_events: MemoryEvents { max: 3, oom: 1, oom_kill: 1 },
            memory: Some(memory(95, 95, Some(100))),
            tasks: Some(Usage { current: 9, max: Some(10) }),
            ..CgroupNode::default()
        };
        let bad = notes(bad, None);
        assert_eq!(bad.lines().filter(|line| line.starts_with("! ")).count(), 4, "{bad}");
        assert!(
            bad.contains("nearly used up: 95 B of 100 B without page cache; the limit was reached 3 times"),
            "{bad}"
        );
        let tasks = Some(Usage { current: 1, max: Some(10) });
        assert_eq!(
            notes(CgroupNode { memory: Some(memory(9, 9, None)), tasks, ..CgroupNode::default() }, None),
            ""
        );
    }

    fn memory(current: u64, working_set: u64, max: Option<u64>) -> Memory {
        Memory { current, max, working_set }
    }

    #[test]
    fn page_cache_that_the_kernel_can_drop_is_not_memory_in_use() {
        // As the kernel showed a pod that had read a file: anon 0.2 MB, inactive_file 66 MB of a limit of 67 MB.
        let cgroup = |working_set| CgroupNode {
            memory: Some(memory(67_000_000, working_set, Some(67_108_864))),
            memory_events: MemoryEvents { max: 40, ..MemoryEvents::default() },
            ..CgroupNode::default()
        };
        assert_eq!(notes(cgroup(1_000_000), None), "");
        assert!(notes(cgroup(66_000_000), None).contains("nearly used up: 63 MiB of 64 MiB"));
    }

    #[test]
    fn memory_that_ran_out_without_a_killed_process_is_a_fault() {
        let cgroup = CgroupNode {
            memory_events: MemoryEvents { max: 1, oom: 1, oom_kill: 0 },
            ..CgroupNode::default()
        };
        assert_eq!(notes(cgroup, None), "! memory ran out here once; no process was killed\n");
    }
}
