//! Which rows of the tree are shown, and their contents.

use std::cmp::Reverse;
use std::collections::HashSet;

use camino::Utf8PathBuf;

use super::node::Node;
use super::notes;
use super::pods::Pods;
use super::process::{ProcessInfo, short_ids};
use super::tree::{CgroupNode, CgroupType, Cpu, Memory, Tree, Usage};
use crate::host::Account;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The cgroups with their paths and controllers instead of names only.
    pub cgroups: bool,
    /// Every cgroup, not only the nodes' with their ancestors and descendants.
    pub all: bool,
    /// How many levels below a node, or below the first cgroup if there is no node.
    pub depth: Option<usize>,
    /// A row for each process.
    pub processes: bool,
    /// Cgroups whose children are hidden.
    pub folded: HashSet<Utf8PathBuf>,
    pub sort: Sort,
}

/// The order of siblings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Name,
    Memory,
    Cpu,
    Tasks,
}

impl Sort {
    /// The next one, in a circle.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::Memory,
            Self::Memory => Self::Cpu,
            Self::Cpu => Self::Tasks,
            Self::Tasks => Self::Name,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Tasks => "tasks",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowKind {
    /// A cgroup, by its index.
    Cgroup(usize),
    #[default]
    Info,
    Fault,
    Process,
    /// How much is not shown.
    Hidden,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub kind: RowKind,
    /// The branches before it.
    pub stem: String,
    /// The name of a cgroup, or the whole text of another row.
    pub name: String,
    /// The type of the cgroup.
    pub label: String,
    pub usage: [String; 3],
    pub processes: String,
}

/// The tree with the names of what is in it.
#[derive(Clone, Copy, Debug)]
pub struct TreeView<'s> {
    pub tree: &'s Tree,
    pub nodes: &'s [Node],
    pub pods: &'s Pods,
    pub accounts: &'s [Account],
}

/// How many levels are shown if there is no node.
const DEPTH_WITHOUT_NODES: usize = 2;

impl TreeView<'_> {
    #[must_use]
    pub fn rows(&self, options: &Options) -> Vec<Row> {
        if !options.cgroups && !options.all && self.nodes.iter().any(|node| node.at.is_some()) {
            return self.named_rows(options);
        }
        let mut rows = Vec::new();
        if !self.tree.cgroups.is_empty() {
            self.add(0, ("", ""), options, &mut rows);
        }
        rows
    }

    /// Adds a cgroup and what is below it; `first` is the stem of its own row, `rest` begins those of all others.
    fn add(&self, at: usize, (first, rest): (&str, &str), options: &Options, rows: &mut Vec<Row>) {
        let (shown, hidden) = self.children(at, options);
        rows.push(self.cgroup(at, first, options));
        let has_below = !shown.is_empty() || !hidden.is_empty();
        let stem = format!("{rest}{}", if has_below { "│  " } else { "   " });
        let mut text = |kind, name| rows.push(Row { kind, stem: stem.clone(), name, ..Row::default() });
        if let Some(delegation) = self.delegation(at) {
            text(RowKind::Info, delegation);
        }
        for note in notes::of(self.tree, at, self.nodes) {
            text(if note.is_fault { RowKind::Fault } else { RowKind::Info }, note.text);
        }
        if options.processes {
            for process in &self.tree.cgroups[at].processes {
                text(RowKind::Process, self.process(process));
            }
        }
        for (number, &child) in shown.iter().enumerate() {
            let is_last = number + 1 == shown.len() && hidden.is_empty();
            let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.add(child, (&format!("{rest}{branch}"), &format!("{rest}{trunk}")), options, rows);
        }
        if !hidden.is_empty() {
            let (stem, name) = (format!("{rest}└─ "), self.count(&hidden));
            rows.push(Row { kind: RowKind::Hidden, stem, name, ..Row::default() });
        }
    }

    fn node(&self, at: usize) -> Option<&Node> {
        self.nodes.iter().find(|node| node.at == Some(at))
    }

    /// The children that are shown, in their order, and the others.
    pub(super) fn children(&self, at: usize, options: &Options) -> (Vec<usize>, Vec<usize>) {
        let children: Vec<usize> = self.tree.children(at).collect();
        if options.folded.contains(&self.tree.cgroups[at].path) || self.is_at_bottom(at, options) {
            return (Vec::new(), children);
        }
        let roots: Vec<usize> = self.nodes.iter().filter_map(|node| node.at).collect();
        let subtree = |at: usize| at..self.tree.cgroups[at].end;
        let is_related = |child: &usize| {
            let is_related = |root: &usize| subtree(*child).contains(root) || subtree(*root).contains(child);
            roots.is_empty() || options.all || roots.iter().any(is_related)
        };
        let (mut shown, hidden): (Vec<usize>, Vec<usize>) = children.into_iter().partition(is_related);
        let cgroup = |at: &usize| &self.tree.cgroups[*at];
        let amount = |usage: Option<Usage>| usage.map_or(0, |usage| usage.current);
        // Percent, or all time in the first reading.
        #[allow(clippy::cast_precision_loss, reason = "for the order only")]
        let busy = |at: &usize| cgroup(at).cpu.percent.unwrap_or(cgroup(at).cpu.usage_usec as f64);
        match options.sort {
            Sort::Name => {}
            Sort::Memory => shown.sort_by_key(|at| Reverse(amount(cgroup(at).memory.map(Memory::in_use)))),
            Sort::Tasks => shown.sort_by_key(|at| Reverse(amount(cgroup(at).tasks))),
            Sort::Cpu => shown.sort_by(|a, b| busy(b).total_cmp(&busy(a))),
        }
        (shown, hidden)
    }

    fn is_at_bottom(&self, at: usize, options: &Options) -> bool {
        let depth = |at: usize| self.tree.cgroups[at].depth;
        let has_nodes = self.nodes.iter().any(|node| node.at.is_some());
        let root = self.tree.ancestors(at).find(|above| self.node(*above).is_some());
        let (begin, limit) = match root {
            Some(root) => (depth(root), options.depth),
            // The ancestors of a node are always shown.
            None if has_nodes && !options.all => return false,
            None if has_nodes || options.all => (0, options.depth),
            None => (0, options.depth.or(Some(DEPTH_WITHOUT_NODES))),
        };
        limit.is_some_and(|limit| depth(at) - begin >= limit)
    }

    fn cgroup(&self, at: usize, stem: &str, options: &Options) -> Row {
        let cgroup = &self.tree.cgroups[at];
        let processes = if options.processes { String::new() } else { summary(cgroup) };
        // systemd escapes a hyphen in the name of a unit like this.
        let name = short_ids(&cgroup.name().replace("\\x2d", "-")).into_owned();
        let (stem, label, usage) = (stem.to_owned(), self.label(at), usage(cgroup));
        Row { kind: RowKind::Cgroup(at), stem, name, label, usage, processes }
    }

    /// The type of a cgroup: a node, a pod, a container.
    #[must_use]
    pub(super) fn label(&self, at: usize) -> String {
        let cgroup = &self.tree.cgroups[at];
        let mut label = match self.node(at) {
            Some(node) => format!("{}: {} of {}", node.name, node.role, node.cluster),
            None => self.pods.of_cgroup(cgroup.name()).unwrap_or_default().to_owned(),
        };
        if !matches!(cgroup.kind, CgroupType::Domain | CgroupType::Root) {
            label = format!("{}{}{label}", cgroup.kind.name(), if label.is_empty() { "" } else { ", " });
        }
        label
    }

    /// The controllers of a cgroup: of the first and of nodes, and if it does not enable all of them.
    fn delegation(&self, at: usize) -> Option<String> {
        let cgroup = &self.tree.cgroups[at];
        let names = |set: &[String]| if set.is_empty() { "none".to_owned() } else { set.join(" ") };
        let has_children = cgroup.end > at + 1;
        let enables_all = cgroup.enabled == cgroup.offered || !has_children;
        let (offered, enabled) = (names(&cgroup.offered), names(&cgroup.enabled));
        match (at == 0 || self.node(at).is_some(), enables_all) {
            (true, true) if has_children => {
                Some(format!("controllers: {offered} (all enabled for children)"))
            }
            (true, true) => Some(format!("controllers: {offered}")),
            (true, false) => Some(format!("controllers: {offered}; enabled for children: {enabled}")),
            (false, false) => Some(format!("enabled for children: {enabled}")),
            (false, true) => None,
        }
    }

    /// A process with its users outside and inside.
    pub(super) fn process(&self, process: &ProcessInfo) -> String {
        let account = self.accounts.iter().find(|account| account.uid == process.uid);
        let user = account.map_or_else(|| process.uid.to_string(), |account| account.name.clone());
        let inside = |id: String| format!(" ({id} inside)");
        let pid_inside = process.pid_inside.map_or_else(String::new, |pid| inside(pid.to_string()));
        let uid_inside = match process.uid_inside {
            Some(0) => inside("root".to_owned()),
            uid => uid.map_or_else(String::new, |uid| inside(uid.to_string())),
        };
        let pod = self.pods.of_command(&process.command).map_or_else(String::new, |pod| format!("  [{pod}]"));
        format!("{}{pid_inside}  {user}{uid_inside}  {}{pod}", process.pid, process.line())
    }

    /// How much is in cgroups that are not shown.
    pub(super) fn count(&self, hidden: &[usize]) -> String {
        let cgroups: usize = hidden.iter().map(|at| self.tree.cgroups[*at].end - at).sum();
        let processes: usize = hidden.iter().map(|at| self.tree.count(*at)).sum();
        let plural = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let (cgroups, processes) =
            (plural(cgroups, "cgroup", "cgroups"), plural(processes, "process", "processes"));
        format!("{cgroups} more with {processes}")
    }
}

/// Memory, processor and tasks, each with its limit.
pub(super) fn usage(cgroup: &CgroupNode) -> [String; 3] {
    let limited = |usage: Option<Usage>, show: fn(u64) -> String| match usage {
        Some(Usage { current, max: Some(max) }) => format!("{}/{}", show(current), show(max)),
        usage => usage.map_or_else(String::new, |usage| show(usage.current)),
    };
    let cpu = match cgroup.cpu.percent {
        Some(percent) => format!("{percent:.1}%"),
        None => seconds(cgroup.cpu.usage_usec),
    };
    [
        limited(cgroup.memory.map(Memory::in_use), bytes),
        cpu + &quota(cgroup.cpu),
        limited(cgroup.tasks, |n| n.to_string()),
    ]
}

/// The processes by name, and how many have each.
pub(super) fn summary(cgroup: &CgroupNode) -> String {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for name in cgroup.processes.iter().map(ProcessInfo::short_name) {
        match groups.iter_mut().find(|group| group.0 == name) {
            Some(group) => group.1 += 1,
            None => groups.push((name, 1)),
        }
    }
    let text = |(name, count): (String, usize)| if count == 1 { name } else { format!("{name} ×{count}") };
    let mut all: Vec<String> = groups.into_iter().map(text).collect();
    let invisible = cgroup.pids.iter().filter(|pid| **pid == 0).count();
    if invisible > 0 {
        all.push(format!("{invisible} in another PID namespace"));
    }
    all.join(", ")
}

/// Bytes in the unit that leaves at most four digits.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut rest = count as f64;
    let mut unit = 0;
    while rest >= 1000.0 && unit + 1 < UNITS.len() {
        rest /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && rest < 10.0);
    format!("{rest:.digits$} {}", UNITS[unit])
}

/// Microseconds in hours, minutes and seconds.
fn seconds(micros: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let seconds = micros as f64 / 1e6;
    match micros / 1_000_000 {
        0..60 => format!("{seconds:.1}s"),
        whole @ 60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        whole => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

fn quota(cpu: Cpu) -> String {
    match cpu.quota_usec {
        Some(quota) if cpu.period_usec > 0 => {
            #[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
            let share = quota as f64 / cpu.period_usec as f64;
            format!("/{share:.2}")
        }
        _ => String::new(),
    }
}
