//! The tree of cgroups (kernel `Documentation/admin-guide/cgroup-v2.rst`, which names every file that is read here).

use camino::{Utf8Path, Utf8PathBuf};

use crate::host::{Folder, World};

/// Some controllers: a set over the names that its [`Tree`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controllers(u64);

/// Controllers whose cgroups may hold single threads; all others need whole processes ("Threads" in cgroup-v2.rst).
const THREADED: [&str; 4] = ["cpu", "cpuset", "perf_event", "pids"];

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

/// How much of something is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Now: bytes of memory, or tasks.
    pub current: u64,
    /// The limit; `None` where there is none.
    pub max: Option<u64>,
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
    /// Memory in bytes, where the controller is here.
    pub memory: Option<Usage>,
    /// Tasks, where the controller is here.
    pub pids: Option<Usage>,
    /// Processor time.
    pub cpu: Cpu,
    /// Whether there are processes in it or below.
    pub populated: bool,
    /// Whether its processes are frozen.
    pub frozen: bool,
    /// Processes in it or below that were killed because memory ran out.
    pub oom_kills: u64,
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
    pub fn read(world: &dyn World, path: &Utf8Path) -> Self {
        let tree = Self { path: path.to_owned(), ..Self::default() };
        let mut reading = Reading { tree, buffer: Vec::new() };
        reading.begin(&Folder::new(world, path));
        reading.tree
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

/// What is known of a cgroup from the one above it.
struct Above {
    /// What it enables, which is what those below are offered.
    enabled: Controllers,
    /// Whether there are processes in it or below.
    populated: bool,
    /// Processes killed in it and below; `None` where that is not known.
    oom_kills: Option<u64>,
}

struct Reading {
    tree: Tree,
    buffer: Vec<u8>,
}

impl Reading {
    /// The first one, of which nothing is known beforehand.
    fn begin(&mut self, folder: &Folder<'_>) {
        let Some(offered) = self.controllers(folder, "cgroup.controllers") else { return };
        let above = Above { enabled: offered, populated: true, oom_kills: None };
        let name = self.tree.path.to_string();
        self.descend(folder, name, (0, 0), &above);
    }

    fn descend(&mut self, folder: &Folder<'_>, name: String, (parent, depth): (usize, usize), above: &Above) {
        let folders = folder.folders();
        let at = self.tree.cgroups.len();
        let is_leaf = folders.is_empty() && depth > 0;
        let (cgroup, oom_kills) = self.one(folder, above, is_leaf);
        let own = Above { enabled: cgroup.enabled, populated: cgroup.populated, oom_kills };
        self.tree.cgroups.push(Cgroup { name, parent, depth, ..cgroup });
        for name in folders {
            let below = folder.enter(&name);
            self.descend(&below, name, (at, depth + 1), &own);
        }
        self.tree.cgroups[at].end = self.tree.cgroups.len();
    }

    /// Reads one cgroup, and asks only for what does not follow from the one above: a cgroup is offered what that one
    /// enables; nobody is in it when nobody is below that one; nobody was killed in it when nobody was below that one
    /// (`memory.events` counts what is below as well); without a controller its files are not there.
    fn one(&mut self, folder: &Folder<'_>, above: &Above, is_leaf: bool) -> (Cgroup, Option<u64>) {
        let offered = above.enabled;
        let enabled = self.controllers(folder, "cgroup.subtree_control").unwrap_or_default();
        let events = self.text(folder, "cgroup.events").map(str::to_owned);
        let says = |name| events.as_deref().and_then(|text| keyed(text, name)).map(|value| value == 1);
        // The root of the hierarchy has no cgroup.events; it surely has processes.
        let populated = above.populated && says("populated").unwrap_or(true);
        let enables_nothing = enabled == Controllers::default();
        let kind = if is_leaf && enables_nothing && self.has_domain_controller(offered) {
            // It can be neither threaded, below one that enables these, nor the top of threads: that takes threaded
            // cgroups below it, or processes in it and pids or cpu enabled for a below that need not be there yet.
            Type::Domain
        } else {
            self.text(folder, "cgroup.type").map_or(Type::Root, |text| Type::parse(text).unwrap_or_default())
        };
        let processes = if populated { self.processes(folder, kind) } else { Vec::new() };
        let has = |name| self.tree.bit(name).is_some_and(|bit| offered.0 & bit != 0);
        let (has_memory, has_pids, has_cpu) = (has("memory"), has("pids"), has("cpu"));
        let oom_kills = match above.oom_kills {
            Some(0) => Some(0),
            _ if has_memory => self.text(folder, "memory.events").and_then(|text| keyed(text, "oom_kill")),
            _ => None,
        };
        let cgroup = Cgroup {
            kind,
            offered,
            enabled,
            memory: if has_memory { self.usage(folder, "memory.current", "memory.max") } else { None },
            pids: if has_pids { self.usage(folder, "pids.current", "pids.max") } else { None },
            cpu: self.cpu(folder, has_cpu),
            populated,
            frozen: says("frozen").unwrap_or(false),
            oom_kills: oom_kills.unwrap_or(0),
            processes,
            ..Cgroup::default()
        };
        (cgroup, oom_kills)
    }

    fn text(&mut self, folder: &Folder<'_>, name: &str) -> Option<&str> {
        folder.text(name, &mut self.buffer)
    }

    fn number(&mut self, folder: &Folder<'_>, name: &str) -> Option<u64> {
        self.text(folder, name)?.trim_end().parse().ok()
    }

    fn usage(&mut self, folder: &Folder<'_>, current: &str, max: &str) -> Option<Usage> {
        // The root of the hierarchy has the controller and no such files.
        let current = self.number(folder, current)?;
        Some(Usage { current, max: self.number(folder, max) })
    }

    fn cpu(&mut self, folder: &Folder<'_>, has_limit: bool) -> Cpu {
        let usage_usec = self.text(folder, "cpu.stat").and_then(|text| keyed(text, "usage_usec"));
        let limit = if has_limit { self.text(folder, "cpu.max") } else { None };
        let mut limit = limit.unwrap_or_default().split_ascii_whitespace().map(str::parse);
        let quota_usec = limit.next().and_then(Result::ok);
        let period_usec = limit.next().and_then(Result::ok);
        Cpu {
            usage_usec: usage_usec.unwrap_or_default(),
            quota_usec,
            period_usec: period_usec.unwrap_or_default(),
        }
    }

    fn processes(&mut self, folder: &Folder<'_>, kind: Type) -> Vec<u32> {
        // A threaded cgroup refuses to name processes.
        let name = if kind == Type::Threaded { "cgroup.threads" } else { "cgroup.procs" };
        let text = self.text(folder, name).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn controllers(&mut self, folder: &Folder<'_>, name: &str) -> Option<Controllers> {
        let Self { tree, buffer } = self;
        let words = folder.text(name, buffer)?.split_ascii_whitespace();
        Some(words.fold(Controllers::default(), |set, word| Controllers(set.0 | tree.learn(word))))
    }

    fn has_domain_controller(&self, set: Controllers) -> bool {
        self.tree.names(set).any(|name| !THREADED.contains(&name))
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

/// A value of a file of `name value` lines.
fn keyed(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test makes its files")]
mod tests {
    use camino::Utf8Path;

    use super::{Tree, Type, Usage};
    use crate::host::{Host, Process};

    /// A cgroup's files, as the kernel writes them.
    fn cgroup(root: &Utf8Path, path: &str, files: &[(&str, &str)]) {
        let dir = root.join("sys/fs/cgroup").join(path);
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            std::fs::write(dir.join(name), format!("{text}\n")).unwrap();
        }
    }

    fn read(root: &Utf8Path) -> Tree {
        let host = Host::new(root, Box::new(Process::new(root)), []);
        Tree::read(&host, Utf8Path::new("/sys/fs/cgroup/m"))
    }

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        cgroup(
            root,
            "m",
            &[
                ("cgroup.controllers", "cpu memory pids novel"),
                ("cgroup.subtree_control", "cpu memory"),
                ("cgroup.type", "domain"),
                ("cgroup.events", "populated 1\nfrozen 0"),
                ("cgroup.procs", ""),
                ("memory.current", "4096"),
                ("memory.max", "8192"),
                ("memory.events", "low 0\nhigh 0\nmax 0\noom 1\noom_kill 2\noom_group_kill 0"),
                ("pids.current", "3"),
                ("pids.max", "max"),
                ("cpu.stat", "usage_usec 70\nuser_usec 1"),
                ("cpu.max", "50000 100000"),
            ],
        );
        cgroup(
            root,
            "m/b",
            &[
                ("cgroup.subtree_control", ""),
                ("cgroup.type", "domain threaded"),
                ("cgroup.events", "populated 1\nfrozen 1"),
                ("cgroup.procs", "7\n0"),
                ("memory.current", "1"),
                ("memory.max", "max"),
                ("memory.events", "oom_kill 0"),
            ],
        );
        cgroup(
            root,
            "m/b/t",
            &[
                ("cgroup.type", "threaded"),
                ("cgroup.events", "populated 1\nfrozen 1"),
                ("cgroup.threads", "8\n9"),
            ],
        );
        cgroup(
            root,
            "m/a",
            &[
                ("cgroup.type", "a lie"),
                ("cgroup.events", "populated 0\nfrozen 0"),
                ("cgroup.procs", "1"),
                ("pids.current", "5"),
            ],
        );
        let tree = read(root);
        (dir, tree)
    }

    #[test]
    fn every_cgroup_comes_before_those_below_it_and_neighbours_by_name() {
        let (_dir, tree) = tree();
        let seen: Vec<_> = tree.cgroups.iter().map(|c| (c.name.as_str(), c.depth, c.parent, c.end)).collect();
        assert_eq!(seen, [("/sys/fs/cgroup/m", 0, 0, 4), ("a", 1, 0, 2), ("b", 1, 0, 4), ("t", 2, 2, 4)]);
        assert_eq!(tree.children(0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(tree.children(3).count(), 0);
        assert_eq!(tree.ancestors(3).collect::<Vec<_>>(), [3, 2, 0]);
        assert_eq!((tree.path_of(3).as_str(), tree.child(0, "b")), ("/sys/fs/cgroup/m/b/t", Some(2)));
        assert_eq!((tree.count(0), tree.count(1)), (4, 0));
    }

    #[test]
    fn limits_and_controllers_are_read_as_the_kernel_writes_them() {
        let (_dir, tree) = tree();
        let first = &tree.cgroups[0];
        assert_eq!(tree.names(first.offered).collect::<Vec<_>>(), ["cpu", "memory", "pids", "novel"]);
        assert_eq!(tree.names(tree.cgroups[2].offered).collect::<Vec<_>>(), ["cpu", "memory"]);
        assert_eq!(tree.lacks(tree.cgroups[2].offered, &["cpu", "pids"]), ["pids"]);
        assert_eq!(first.memory, Some(Usage { current: 4096, max: Some(8192) }));
        assert_eq!(first.pids, Some(Usage { current: 3, max: None }));
        assert_eq!(
            (first.cpu.usage_usec, first.cpu.quota_usec, first.cpu.period_usec),
            (70, Some(50_000), 100_000)
        );
        assert_eq!((first.oom_kills, tree.cgroups[2].oom_kills), (2, 0));
    }

    #[test]
    fn what_follows_from_the_cgroup_above_is_not_asked_again() {
        let (_dir, tree) = tree();
        let (a, b, t) = (&tree.cgroups[1], &tree.cgroups[2], &tree.cgroups[3]);
        // No pids controller reaches it, nobody is in it, and below memory nothing is threaded.
        assert_eq!((a.pids, a.processes.len(), a.kind), (None, 0, Type::Domain));
        assert_eq!((b.kind, b.frozen, &b.processes), (Type::DomainThreaded, true, &vec![7, 0]));
        assert_eq!((t.kind, &t.processes), (Type::Threaded, &vec![8, 9]));
    }

    #[test]
    fn a_leaf_may_enable_controllers_and_so_be_the_top_of_threads() {
        // As the kernel (6.1) answers after `echo +pids > leaf/cgroup.subtree_control` with a process in it.
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let above = [("cgroup.controllers", "memory pids"), ("cgroup.subtree_control", "memory pids")];
        cgroup(root, "m", &above);
        cgroup(
            root,
            "m/leaf",
            &[
                ("cgroup.subtree_control", "pids"),
                ("cgroup.type", "domain threaded"),
                ("cgroup.events", "populated 1\nfrozen 0"),
                ("cgroup.procs", "7"),
            ],
        );
        let tree = read(root);
        let leaf = &tree.cgroups[1];
        assert_eq!(tree.names(leaf.enabled).collect::<Vec<_>>(), ["pids"]);
        assert_eq!((leaf.kind, &leaf.processes), (Type::DomainThreaded, &vec![7]));
    }

    #[test]
    fn a_tree_that_is_not_there_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(Utf8Path::from_path(dir.path()).unwrap()).cgroups.is_empty());
    }
}
