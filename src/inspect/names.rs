//! The tree by names: nodes, services, pods and containers, without the slices between them.

use super::notes;
use super::process::short_ids;
use super::view::{Options, Row, RowKind, TreeView, usage};

impl TreeView<'_> {
    /// A row for each node, and for each service, pod and container in it.
    #[must_use]
    pub fn named_rows(&self, options: &Options) -> Vec<Row> {
        let mut rows = Vec::new();
        for node in self.nodes {
            let Some(at) = node.at else { continue };
            let mut above: Vec<usize> = self.tree.ancestors(at).filter(|above| *above != at).collect();
            above.sort_unstable();
            for above in above {
                self.faults(above, 0, &mut rows);
            }
            self.named(at, &node.name, 0, options, &mut rows);
        }
        rows
    }

    fn named(&self, at: usize, name: &str, depth: usize, options: &Options, rows: &mut Vec<Row>) {
        let cgroup = &self.tree.cgroups[at];
        let [memory, cpu, tasks] = usage(cgroup);
        // Each cgroup of a node has systemd's default limit of tasks: a fault is reported if one is nearly reached.
        let tasks = tasks.split('/').next().unwrap_or_default().to_owned();
        let processes = if options.processes { String::new() } else { super::view::summary(cgroup) };
        rows.push(Row {
            kind: RowKind::Cgroup(at),
            stem: "  ".repeat(depth),
            processes: if processes == name { String::new() } else { processes },
            name: name.to_owned(),
            label: String::new(),
            usage: [memory, cpu, tasks],
        });
        self.faults(at, depth + 1, rows);
        let stem = "  ".repeat(depth + 1);
        if options.processes {
            let process = |process| Row {
                kind: RowKind::Process,
                stem: stem.clone(),
                name: self.process(process),
                ..Row::default()
            };
            rows.extend(cgroup.processes.iter().map(process));
        }
        if options.folded.contains(&cgroup.path) || options.depth.is_some_and(|most| depth >= most) {
            let below: Vec<usize> = self.tree.children(at).collect();
            if !below.is_empty() {
                let name = self.count(&below);
                rows.push(Row { kind: RowKind::Hidden, stem, name, ..Row::default() });
            }
            return;
        }
        self.below(at, depth + 1, options, rows);
    }

    /// Adds what has a name; what has none is replaced by what is below it.
    fn below(&self, at: usize, depth: usize, options: &Options, rows: &mut Vec<Row>) {
        for child in self.children(at, options).0 {
            if self.tree.count(child) == 0 || self.is_sandbox(child) {
                continue;
            }
            if let Some(name) = self.name(child) {
                self.named(child, &name, depth, options, rows);
            } else {
                self.faults(child, depth, rows);
                self.below(child, depth, options, rows);
            }
        }
    }

    /// Whether it is the container that only holds a pod's namespaces: crictl gives it the ID of the pod.
    fn is_sandbox(&self, at: usize) -> bool {
        let cgroup = &self.tree.cgroups[at];
        cgroup.end == at + 1
            && self.pods.of_cgroup(cgroup.name()).is_some_and(|name| name.starts_with("pod "))
    }

    fn faults(&self, at: usize, depth: usize, rows: &mut Vec<Row>) {
        let faults = notes::of(self.tree, at, self.nodes).into_iter().filter(|note| note.is_fault);
        let stem = "  ".repeat(depth);
        rows.extend(faults.map(|note| Row {
            kind: RowKind::Fault,
            stem: stem.clone(),
            name: note.text,
            ..Row::default()
        }));
    }

    /// The name of a service, pod or container; `None` of a slice that only holds others.
    fn name(&self, at: usize) -> Option<String> {
        let cgroup = &self.tree.cgroups[at];
        let name = cgroup.name();
        if let Some(known) = self.pods.of_cgroup(name) {
            let known = known.strip_prefix("pod ").unwrap_or(known);
            let container = known.strip_prefix("container ").and_then(|rest| rest.split(" of ").next());
            return Some(container.unwrap_or(known).to_owned());
        }
        let stem = name.trim_end_matches(".service").trim_end_matches(".scope").trim_end_matches(".slice");
        // kubelet names the cgroup of all pods so with either driver.
        if matches!(stem, "kubelet-kubepods" | "kubepods") {
            return Some("pods".to_owned());
        }
        let is_pod =
            stem.rsplit('-').next().is_some_and(|last| last.starts_with("pod")) || stem.starts_with("pod");
        let holds_others = cgroup.pids.is_empty() && cgroup.end > at + 1;
        (is_pod || !holds_others).then(|| short_ids(&stem.replace("\\x2d", "-")).into_owned())
    }
}
