//! Which lines of the tree are shown, and what stands in them.

use std::collections::{BTreeMap, HashSet};

use camino::Utf8PathBuf;

use super::node::Node;
use super::pods::Pods;
use super::process::{Process, Reader, short_ids};
use super::remark;
use super::tree::{Cgroup, Controllers, Cpu, Memory, Tree, Usage};
use crate::host::Account;

/// How it is shown.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Every cgroup, not only those on the way to a node and below it.
    pub all: bool,
    /// How far below a node; below where the tree begins where there is no node.
    pub depth: Option<usize>,
    /// A line for each process.
    pub processes: bool,
    /// Cgroups that are closed: nothing below them is shown.
    pub folded: HashSet<Utf8PathBuf>,
    /// What comes first among neighbours.
    pub sort: Sort,
}

/// What comes first among neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// The most memory.
    Memory,
    /// The most processor time.
    Cpu,
    /// The most tasks.
    Tasks,
}

impl Sort {
    /// The next one, round and round.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::Memory,
            Self::Memory => Self::Cpu,
            Self::Cpu => Self::Tasks,
            Self::Tasks => Self::Name,
        }
    }

    /// Its name.
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

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A cgroup, by its index.
    Cgroup(usize),
    /// What it is given, what is to be known of it.
    Note,
    /// What is wrong with it.
    Fault,
    /// A process in it.
    Process,
    /// What is not shown.
    More,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub kind: Kind,
    /// The branches before it.
    pub stem: String,
    /// Its name, or the whole text of what is no cgroup.
    pub name: String,
    /// What the name stands for.
    pub label: String,
    /// Memory, processor, tasks.
    pub usage: [String; 3],
    /// The processes in it.
    pub processes: String,
}

/// What is looked at.
#[derive(Debug)]
pub struct Scene<'s> {
    /// The tree.
    pub tree: &'s Tree,
    /// The nodes whose way is shown.
    pub nodes: &'s [Node],
    /// The names of pods.
    pub pods: &'s Pods,
    /// The people of this machine.
    pub accounts: &'s [Account],
    /// Percent of one processor since the last look, by index; empty where there was none.
    pub percent: &'s [Option<f64>],
}

/// How deep the tree is shown where no node shows the way.
const DEPTH_WITHOUT_NODES: usize = 2;

impl Scene<'_> {
    /// The lines.
    pub fn lines(&self, reader: &mut Reader<'_>, options: &Options) -> Vec<Line> {
        let mut lines = Vec::new();
        if !self.tree.cgroups.is_empty() {
            self.walk(0, ("", ""), reader, options, &mut lines);
        }
        lines
    }

    /// One cgroup and what is below it; `first` before its own line, `rest` before all others.
    fn walk(
        &self,
        at: usize,
        (first, rest): (&str, &str),
        reader: &mut Reader<'_>,
        options: &Options,
        lines: &mut Vec<Line>,
    ) {
        let (shown, hidden) = self.children(at, options);
        let processes: Vec<Process> =
            self.tree.cgroups[at].processes.iter().filter_map(|pid| reader.read(*pid)).collect();
        lines.push(self.cgroup(at, first, &processes, options));
        let has_below = !shown.is_empty() || !hidden.is_empty();
        let beside = format!("{rest}{}", if has_below { "│  " } else { "   " });
        let mut say = |kind, name| {
            let (label, processes) = (String::new(), String::new());
            lines.push(Line {
                kind,
                stem: beside.clone(),
                name,
                label,
                usage: Default::default(),
                processes,
            });
        };
        if let Some(text) = self.delegation(at) {
            say(Kind::Note, text);
        }
        for remark in remark::of(self.tree, at, self.nodes) {
            say(if remark.is_fault { Kind::Fault } else { Kind::Note }, remark.text);
        }
        if options.processes {
            for process in &processes {
                say(Kind::Process, self.process(process));
            }
        }
        for (number, &child) in shown.iter().enumerate() {
            let is_last = number + 1 == shown.len() && hidden.is_empty();
            let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let stems = (format!("{rest}{branch}"), format!("{rest}{trunk}"));
            self.walk(child, (&stems.0, &stems.1), reader, options, lines);
        }
        if !hidden.is_empty() {
            lines.push(self.more(&hidden, format!("{rest}└─ ")));
        }
    }

    /// The children that are shown, in their order, and the others.
    fn children(&self, at: usize, options: &Options) -> (Vec<usize>, Vec<usize>) {
        let children: Vec<usize> = self.tree.children(at).collect();
        let is_folded = !options.folded.is_empty() && options.folded.contains(&self.tree.path_of(at));
        if is_folded || self.is_at_bottom(at, options) {
            return (Vec::new(), children);
        }
        let roots: Vec<usize> = self.nodes.iter().filter_map(|node| node.at).collect();
        let on_the_way = |child: &usize| {
            let below = *child..self.tree.cgroups[*child].end;
            let is_in_node = |root: &usize| (*root..self.tree.cgroups[*root].end).contains(child);
            roots.is_empty()
                || options.all
                || roots.iter().any(|root| below.contains(root) || is_in_node(root))
        };
        let (mut shown, hidden): (Vec<usize>, Vec<usize>) = children.into_iter().partition(on_the_way);
        let cgroup = |at: &usize| &self.tree.cgroups[*at];
        let amount = |usage: Option<Usage>| usage.map_or(0, |usage| usage.current);
        match options.sort {
            Sort::Name => {}
            Sort::Memory => shown.sort_by_key(|at| std::cmp::Reverse(amount(in_use(cgroup(at))))),
            Sort::Tasks => shown.sort_by_key(|at| std::cmp::Reverse(amount(cgroup(at).pids))),
            Sort::Cpu => shown.sort_by(|a, b| self.busy(*b).total_cmp(&self.busy(*a))),
        }
        (shown, hidden)
    }

    /// Percent since the last look, or all time where there was none.
    fn busy(&self, at: usize) -> f64 {
        let percent = self.percent.get(at).copied().flatten();
        #[allow(clippy::cast_precision_loss, reason = "an order, not a figure")]
        percent.unwrap_or_else(|| self.tree.cgroups[at].cpu.usage_usec as f64)
    }

    fn is_at_bottom(&self, at: usize, options: &Options) -> bool {
        let root =
            self.tree.ancestors(at).find(|above| self.nodes.iter().any(|node| node.at == Some(*above)));
        let depth = self.tree.cgroups[at].depth;
        let has_nodes = self.nodes.iter().any(|node| node.at.is_some());
        let (begin, limit) = match root {
            Some(root) => (self.tree.cgroups[root].depth, options.depth),
            // The way to a node is always shown.
            None if has_nodes && !options.all => return false,
            None if has_nodes || options.all => (0, options.depth),
            None => (0, options.depth.or(Some(DEPTH_WITHOUT_NODES))),
        };
        limit.is_some_and(|limit| depth - begin >= limit)
    }

    fn cgroup(&self, at: usize, stem: &str, processes: &[Process], options: &Options) -> Line {
        let cgroup = &self.tree.cgroups[at];
        let processes = if options.processes {
            String::new()
        } else {
            summary(processes, cgroup.processes.iter().filter(|pid| **pid == 0).count())
        };
        // The first one's name is its whole path, which the heading says.
        let name = cgroup.name.rsplit('/').next().unwrap_or_default();
        // In a unit's name systemd writes a hyphen so.
        let name = name.replace("\\x2d", "-");
        let (stem, name) = (stem.to_owned(), short_ids(&name).into_owned());
        Line { kind: Kind::Cgroup(at), stem, name, label: self.label(at), usage: self.usage(at), processes }
    }

    /// What a cgroup is: a node, a pod, a container.
    #[must_use]
    pub fn label(&self, at: usize) -> String {
        let cgroup = &self.tree.cgroups[at];
        let mut label = match self.nodes.iter().find(|node| node.at == Some(at)) {
            Some(node) => format!("{}: {} of {}", node.name, node.role, node.cluster),
            None => self.pods.of_cgroup(&cgroup.name).unwrap_or_default().to_owned(),
        };
        if cgroup.kind != super::tree::Type::Domain && cgroup.kind != super::tree::Type::Root {
            label = format!("{}{}{label}", cgroup.kind.name(), if label.is_empty() { "" } else { ", " });
        }
        label
    }

    fn usage(&self, at: usize) -> [String; 3] {
        let cgroup = &self.tree.cgroups[at];
        let limited = |usage: Option<Usage>, show: fn(u64) -> String| {
            usage.map_or_else(String::new, |usage| match usage.max {
                Some(max) => format!("{}/{}", show(usage.current), show(max)),
                None => show(usage.current),
            })
        };
        let cpu = match self.percent.get(at).copied().flatten() {
            Some(percent) => format!("{percent:.1}%"),
            None => seconds(cgroup.cpu.usage_usec),
        };
        [
            limited(in_use(cgroup), bytes),
            format!("{cpu}{}", quota(cgroup.cpu)),
            limited(cgroup.pids, |n| n.to_string()),
        ]
    }

    /// What a cgroup is given and passes on, where that changes.
    fn delegation(&self, at: usize) -> Option<String> {
        let (tree, cgroup) = (self.tree, &self.tree.cgroups[at]);
        let names = |set: Controllers| {
            let names: Vec<&str> = tree.names(set).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(" ") }
        };
        let has_below = cgroup.end > at + 1;
        let is_node = self.nodes.iter().any(|node| node.at == Some(at));
        let passes_all = cgroup.enabled == cgroup.offered || !has_below;
        match (at == 0 || is_node, passes_all) {
            (true, true) if has_below => {
                Some(format!("controllers: {}, all passed on", names(cgroup.offered)))
            }
            (true, true) => Some(format!("controllers: {}", names(cgroup.offered))),
            (true, false) => {
                Some(format!("controllers: {}; passed on: {}", names(cgroup.offered), names(cgroup.enabled)))
            }
            (false, false) => Some(format!("passed on: {}", names(cgroup.enabled))),
            (false, true) => None,
        }
    }

    /// A process with its two users, as the guide shows them for nginx.
    fn process(&self, process: &Process) -> String {
        let who = |uid: u32| {
            let account = self.accounts.iter().find(|account| account.uid == uid);
            account.map_or_else(|| uid.to_string(), |account| account.name.clone())
        };
        let mut numbers = process.pid.to_string();
        if let Some(inside) = process.pid_inside {
            numbers = format!("{numbers} ({inside} inside)");
        }
        let mut user = who(process.uid);
        if let Some(inside) = process.uid_inside {
            let inside = if inside == 0 { "root".to_owned() } else { inside.to_string() };
            user = format!("{user} ({inside} inside)");
        }
        let pod = self.pods.of_command(&process.command).map_or_else(String::new, |pod| format!("  [{pod}]"));
        format!("{numbers}  {user}  {}{pod}", process.line(None))
    }

    fn more(&self, hidden: &[usize], stem: String) -> Line {
        let cgroups: usize = hidden.iter().map(|at| self.tree.cgroups[*at].end - at).sum();
        let processes: usize = hidden.iter().map(|at| self.tree.count(*at)).sum();
        let plural = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let name = format!(
            "{} more with {}",
            plural(cgroups, "cgroup", "cgroups"),
            plural(processes, "process", "processes")
        );
        let (label, processes) = (String::new(), String::new());
        Line { kind: Kind::More, stem, name, label, usage: Default::default(), processes }
    }
}

fn in_use(cgroup: &Cgroup) -> Option<Usage> {
    cgroup.memory.map(Memory::in_use)
}

/// Processes by name, and how many of each; `unseen` are in a pid namespace that is not below ours.
fn summary(processes: &[Process], unseen: usize) -> String {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for process in processes {
        let name = process.short();
        let count = names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            order.push(name);
        }
    }
    let text = |name: &String| match names[name] {
        1 => name.clone(),
        n => format!("{name} ×{n}"),
    };
    let mut all: Vec<String> = order.iter().map(text).collect();
    if unseen > 0 {
        all.push(format!("{unseen} that can not be seen from here"));
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

/// Microseconds as a person says them.
fn seconds(micros: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let seconds = micros as f64 / 1e6;
    match micros / 1_000_000 {
        0..60 => format!("{seconds:.1} s"),
        whole @ 60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        whole => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
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
