//! The tree of cgroups (kernel `Documentation/admin-guide/cgroup-v2.rst`, which names every file that is read here).

mod read;

use camino::{Utf8Path, Utf8PathBuf};

use crate::host::{DirHandle, System};

/// Some controllers: a set over the names that its [`Tree`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controllers(u64);

/// What processes a cgroup may hold: `cgroup.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// The root of the hierarchy, which has no type.
    Root,
    /// An ordinary one.
    #[default]
    Domain,
    /// The top of a threaded subtree.
    DomainThreaded,
    /// Below a threaded one, and without use until it is made threaded too.
    DomainInvalid,
    /// Holds threads.
    Threaded,
}

impl Type {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.trim_end() {
            "domain" => Self::Domain,
            "domain threaded" => Self::DomainThreaded,
            "domain invalid" => Self::DomainInvalid,
            "threaded" => Self::Threaded,
            _ => return None,
        })
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

/// How much of something is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Now: bytes of memory, or tasks.
    pub current: u64,
    /// The limit; `None` where there is none.
    pub max: Option<u64>,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// Everything that is charged, page cache included: `memory.current`.
    pub current: u64,
    /// The limit; `None` if there is none.
    pub max: Option<u64>,
    /// What the kubelet counts and `kubectl top` shows: `memory.current` without `inactive_file`, the page cache that
    /// the kernel drops first (cAdvisor `container/libcontainer/handler.go`, `setMemoryStats`).
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryEvents {
    /// The limit was about to be exceeded, and memory was reclaimed.
    pub max: u64,
    /// Reclaiming did not free enough.
    pub oom: u64,
    /// A process was killed.
    pub oom_kill: u64,
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cpu {
    /// Used so far, in microseconds.
    pub usage_usec: u64,
    /// What it may use in a period, in microseconds; `None` where there is no limit.
    pub quota_usec: Option<u64>,
    /// The period, in microseconds; 0 where the controller is not here.
    pub period_usec: u64,
}

/// One cgroup.
#[derive(Clone, Debug, Default)]
pub struct Cgroup {
    /// Its directory's name; of the first, its whole path.
    pub name: String,
    /// The index of the one above; its own for the first.
    pub parent: usize,
    /// The index after the last one below it.
    pub end: usize,
    /// How far below the first it is.
    pub depth: usize,
    /// What it may hold.
    pub kind: Type,
    /// `cgroup.controllers`: what the one above lets it have.
    pub offered: Controllers,
    /// `cgroup.subtree_control`: what it lets those below have.
    pub enabled: Controllers,
    /// Memory, if the controller is enabled for it.
    pub memory: Option<Memory>,
    /// Tasks, where the controller is here.
    pub pids: Option<Usage>,
    /// Processor time.
    pub cpu: Cpu,
    /// Whether there are processes in it or below.
    pub populated: bool,
    /// Whether its processes are frozen.
    pub frozen: bool,
    /// How often memory ran out in it or below.
    pub memory_events: MemoryEvents,
    /// The processes in it; 0 stands for one that our pid namespace can not see.
    pub processes: Vec<u32>,
}

/// A cgroup and all below it, each before those below it, neighbours by name.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Where it begins.
    pub path: Utf8PathBuf,
    /// All of them.
    pub cgroups: Vec<Cgroup>,
    pub(super) names: Vec<String>,
}

impl Tree {
    /// Reads it. One that is not there gives an empty tree.
    #[must_use]
    pub fn read(system: &dyn System, path: &Utf8Path) -> Self {
        read::tree(&DirHandle::new(system, path))
    }

    /// Reads it on another thread while something else is done on this one, such as waiting for a program's answer.
    pub fn read_while<T>(system: &dyn System, path: &Utf8Path, other: impl FnOnce() -> T) -> (Self, T) {
        let Some(place) = system.host_path(path) else { return (Self::read(system, path), other()) };
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| read::tree(&DirHandle::at_host_path(path.to_owned(), place)));
            let other = other();
            (reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), other)
        })
    }

    /// The names of some controllers, as the kernel orders them.
    pub fn names(&self, set: Controllers) -> impl Iterator<Item = &str> {
        self.names.iter().enumerate().filter(move |(bit, _)| set.0 >> bit & 1 == 1).map(|(_, n)| n.as_str())
    }

    /// Which of `wanted` are not in a set.
    #[must_use]
    pub fn lacks(&self, set: Controllers, wanted: &[&str]) -> Vec<String> {
        let is_there = |name: &str| self.names(set).any(|n| n == name);
        wanted.iter().filter(|name| !is_there(name)).map(|&name| name.to_owned()).collect()
    }

    /// The path of a cgroup below `/sys/fs/cgroup`, whole.
    #[must_use]
    pub fn path_of(&self, at: usize) -> Utf8PathBuf {
        if at == 0 {
            return self.path.clone();
        }
        self.path_of(self.cgroups[at].parent).join(&self.cgroups[at].name)
    }

    /// The cgroups right below one.
    pub fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.cgroups.get(at).map_or(at, |cgroup| cgroup.end);
        let first = (at + 1 < end).then_some(at + 1);
        std::iter::successors(first, move |&child| {
            Some(self.cgroups[child].end).filter(|&next| next < end && next > child)
        })
    }

    /// A cgroup and those above it up to the first.
    pub fn ancestors(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(at), |&at| (at > 0).then(|| self.cgroups[at].parent))
    }

    /// The child of that name.
    #[must_use]
    pub fn child(&self, at: usize, name: &str) -> Option<usize> {
        self.children(at).find(|&child| self.cgroups[child].name == name)
    }

    /// The number of processes in a cgroup and below.
    #[must_use]
    pub fn count(&self, at: usize) -> usize {
        self.cgroups[at..self.cgroups[at].end].iter().map(|cgroup| cgroup.processes.len()).sum()
    }
}

impl Tree {
    fn bit(&self, name: &str) -> Option<u64> {
        let at = self.names.iter().position(|known| known == name)?;
        Some(1 << at)
    }

    /// The bit of a controller that may be new; kernels have a dozen of them.
    fn learn(&mut self, name: &str) -> u64 {
        self.bit(name).unwrap_or_else(|| {
            if self.names.len() == 64 {
                return 0;
            }
            self.names.push(name.to_owned());
            1 << (self.names.len() - 1)
        })
    }
}
