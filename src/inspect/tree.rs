//! The tree of cgroups (kernel `Documentation/admin-guide/cgroup-v2.rst`, which describes every file that is read here).

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Serialize, Serializer};

use super::process::{ProcessInfo, UserMap};
use crate::host::System;

/// The processes that a cgroup may contain: `cgroup.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupType {
    /// The root of the hierarchy, which has no `cgroup.type`.
    Root,
    #[default]
    Domain,
    /// The top of a threaded subtree.
    DomainThreaded,
    /// Below a threaded one, and unusable until it is made threaded too.
    DomainInvalid,
    Threaded,
}

impl CgroupType {
    fn parse(text: &str) -> Option<Self> {
        use CgroupType::{Domain, DomainInvalid, DomainThreaded, Threaded};
        let text = text.trim_end();
        [Domain, DomainThreaded, DomainInvalid, Threaded].into_iter().find(|kind| kind.name() == text)
    }

    /// As the kernel writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Domain => "domain",
            Self::DomainThreaded => "domain threaded",
            Self::DomainInvalid => "domain invalid",
            Self::Threaded => "threaded",
        }
    }
}

impl Serialize for CgroupType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Bytes of memory, or tasks.
    pub current: u64,
    /// The limit; `None` if there is none.
    pub max: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Everything that is charged, page cache included: `memory.current`.
    pub current: u64,
    /// The limit; `None` if there is none.
    pub max: Option<u64>,
    /// The memory that the kubelet counts and `kubectl top` shows: `memory.current` without `inactive_file`, the page
    /// cache that the kernel drops first (cAdvisor `container/libcontainer/handler.go`, `setMemoryStats`).
    pub working_set: u64,
}

impl Memory {
    /// The working set against the limit.
    #[must_use]
    pub fn in_use(self) -> Usage {
        Usage { current: self.working_set, max: self.max }
    }
}

/// How often memory ran out in a cgroup or below: `memory.events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryEvents {
    /// The limit was about to be exceeded, and memory was reclaimed.
    pub max: u64,
    /// Reclaiming did not free enough.
    pub oom: u64,
    /// A process was killed.
    pub oom_kill: u64,
}

/// Processor time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    pub usage_usec: u64,
    /// The CPU time in a period; `None` if there is no limit.
    pub quota_usec: Option<u64>,
    /// 0 without the controller.
    pub period_usec: u64,
    /// Percent of one processor since the previous reading, if there was one.
    #[serde(skip)]
    pub percent: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct CgroupNode {
    #[serde(skip)]
    pub path: Utf8PathBuf,
    /// The index of the parent; its own for the first.
    #[serde(skip)]
    pub parent: usize,
    /// The index after its last descendant.
    #[serde(skip)]
    pub end: usize,
    /// How far below the first it is.
    #[serde(skip)]
    pub depth: usize,
    #[serde(rename = "type")]
    pub kind: CgroupType,
    /// The controllers that its parent enables for it, as in `cgroup.controllers`.
    pub offered: Vec<String>,
    /// The controllers that it enables for its children: `cgroup.subtree_control`.
    pub enabled: Vec<String>,
    /// `None` without the controller, and in the root of the hierarchy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// `None` without the controller, and in the root of the hierarchy.
    #[serde(rename = "pids", skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Usage>,
    pub cpu: Cpu,
    /// Whether there are processes in it or below.
    #[serde(skip)]
    pub populated: bool,
    pub frozen: bool,
    pub memory_events: MemoryEvents,
    /// The processes in `cgroup.procs`; 0 is one that is not visible in this PID namespace.
    #[serde(skip)]
    pub pids: Vec<u32>,
    /// Those of them that could be read.
    pub processes: Vec<ProcessInfo>,
}

impl CgroupNode {
    /// The name of its directory.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name().unwrap_or("/")
    }

    /// Reads what is in its directory, except `path`, `parent`, `end` and `depth`; `None` if it no longer exists. The root
    /// of the hierarchy has no `cgroup.events`, `memory.current` or `pids.current`.
    fn read(system: &dyn System, path: &Utf8Path, offered: Vec<String>, own: &[UserMap]) -> Option<Self> {
        let text = |name: &str| system.text(path.join(name).as_str());
        let number = |name: &str| text(name)?.trim_end().parse().ok();
        let enabled = words(&text("cgroup.subtree_control")?);
        let kind =
            text("cgroup.type").map_or(CgroupType::Root, |t| CgroupType::parse(&t).unwrap_or_default());
        let events = text("cgroup.events");
        let flag = |name| events.as_deref().map(|text| keyed(text, name) == Some(1));
        let has = |name: &str| offered.iter().any(|controller| controller == name);
        let usage = |current, max| Some(Usage { current: number(current)?, max: number(max) });

        let mut cgroup = Self { kind, enabled, ..Self::default() };
        cgroup.populated = flag("populated").unwrap_or(true);
        cgroup.frozen = flag("frozen").unwrap_or(false);
        if has("memory") {
            if let Some(Usage { current, max }) = usage("memory.current", "memory.max") {
                let cache =
                    text("memory.stat").and_then(|text| keyed(&text, "inactive_file")).unwrap_or_default();
                cgroup.memory = Some(Memory { current, max, working_set: current.saturating_sub(cache) });
            }
            let events = text("memory.events").unwrap_or_default();
            let count = |name| keyed(&events, name).unwrap_or_default();
            cgroup.memory_events =
                MemoryEvents { max: count("max"), oom: count("oom"), oom_kill: count("oom_kill") };
        }
        if has("pids") {
            cgroup.tasks = usage("pids.current", "pids.max");
        }
        let used = text("cpu.stat").and_then(|text| keyed(&text, "usage_usec"));
        let limit = if has("cpu") { text("cpu.max").unwrap_or_default() } else { String::new() };
        let mut limit = limit.split_ascii_whitespace().map(|word| word.parse().ok());
        cgroup.cpu.usage_usec = used.unwrap_or_default();
        cgroup.cpu.quota_usec = limit.next().flatten();
        cgroup.cpu.period_usec = limit.next().flatten().unwrap_or_default();
        if cgroup.populated {
            // A threaded cgroup refuses to list processes.
            let list = if kind == CgroupType::Threaded { "cgroup.threads" } else { "cgroup.procs" };
            cgroup.pids =
                text(list).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect();
            cgroup.processes =
                cgroup.pids.iter().filter_map(|pid| ProcessInfo::read(system, *pid, own)).collect();
        }
        Some(Self { offered, ..cgroup })
    }
}

/// A cgroup and all below it, parents first, siblings by name.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub path: Utf8PathBuf,
    pub cgroups: Vec<CgroupNode>,
}

impl Tree {
    /// Reads the tree; empty if there is no cgroup at `path`.
    #[must_use]
    pub fn read(system: &dyn System, path: &Utf8Path) -> Self {
        let mut tree = Self { path: path.to_owned(), cgroups: Vec::new() };
        if let Some(offered) = system.text(path.join("cgroup.controllers").as_str()) {
            tree.add(system, path, (0, 0), words(&offered), &UserMap::read(system, "self"));
        }
        tree
    }

    fn add(
        &mut self,
        system: &dyn System,
        path: &Utf8Path,
        (parent, depth): (usize, usize),
        offered: Vec<String>,
        own: &[UserMap],
    ) {
        // It may have been removed since its name was read.
        let Some(cgroup) = CgroupNode::read(system, path, offered, own) else { return };
        let (at, enabled) = (self.cgroups.len(), cgroup.enabled.clone());
        let names = system.list_dirs(path).unwrap_or_default();
        self.cgroups.push(CgroupNode { path: path.to_owned(), parent, depth, ..cgroup });
        for name in names {
            self.add(system, &path.join(name), (at, depth + 1), enabled.clone(), own);
        }
        self.cgroups[at].end = self.cgroups.len();
    }

    /// The children of a cgroup.
    pub fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.cgroups.get(at).map_or(at, |cgroup| cgroup.end);
        let within = move |child: usize| (child < end).then_some(child);
        std::iter::successors(within(at + 1), move |&child| within(self.cgroups[child].end))
    }

    /// A cgroup and its ancestors up to the first.
    pub fn ancestors(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(at), |&at| (at > 0).then(|| self.cgroups[at].parent))
    }

    /// The child of that name.
    #[must_use]
    pub fn child(&self, at: usize, name: &str) -> Option<usize> {
        self.children(at).find(|&child| self.cgroups[child].name() == name)
    }

    /// The number of processes in a cgroup and below.
    #[must_use]
    pub fn count(&self, at: usize) -> usize {
        self.cgroups[at..self.cgroups[at].end].iter().map(|cgroup| cgroup.pids.len()).sum()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
}

/// A value of a file of `name value` lines.
fn keyed(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test creates its files")]
mod tests;
