//! Reading the tree: a file only where its answer does not follow from the cgroup above.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::Utf8Path;

use super::{Cgroup, Controllers, Cpu, Memory, MemoryEvents, Tree, Type, Usage};
use crate::host::DirHandle;

/// Controllers whose cgroups may hold single threads; all others need whole processes ("Threads" in cgroup-v2.rst).
const THREADED: [&str; 4] = ["cpu", "cpuset", "perf_event", "pids"];

/// Reads the tree that begins at a directory.
pub(super) fn tree(folder: &DirHandle<'_>) -> Tree {
    let tree = Tree { path: folder.path().to_owned(), ..Tree::default() };
    let mut reading = Reading { tree, buffer: Vec::new(), may_share: true };
    reading.begin(folder);
    reading.tree
}

/// What is known of a cgroup from the one above it.
struct Above {
    /// What it enables, which is what those below are offered.
    enabled: Controllers,
    /// Whether there are processes in it or below.
    populated: bool,
    /// How often memory ran out in it and below; `None` if that is not known.
    memory_events: Option<MemoryEvents>,
}

struct Reading {
    tree: Tree,
    buffer: Vec<u8>,
    /// Whether other threads may be called to help.
    may_share: bool,
}

/// From so many neighbours on a thread is worth its start.
const MANY: usize = 64;
const MOST_THREADS: usize = 4;

impl Reading {
    /// The first one, of which nothing is known beforehand.
    fn begin(&mut self, folder: &DirHandle<'_>) {
        let Some(offered) = self.controllers(folder, "cgroup.controllers") else { return };
        let above = Above { enabled: offered, populated: true, memory_events: None };
        let name = self.tree.path.to_string();
        self.descend(folder, name, (0, 0), &above);
    }

    fn descend(
        &mut self,
        folder: &DirHandle<'_>,
        name: String,
        (parent, depth): (usize, usize),
        above: &Above,
    ) {
        let folders = folder.dirs();
        let at = self.tree.cgroups.len();
        let is_leaf = folders.is_empty() && depth > 0;
        let (cgroup, memory_events) = self.one(folder, above, is_leaf);
        let own = Above { enabled: cgroup.enabled, populated: cgroup.populated, memory_events };
        self.tree.cgroups.push(Cgroup { name, parent, depth, ..cgroup });
        if let (true, Some(place)) = (self.may_share && folders.len() >= MANY, folder.host_path()) {
            self.share(folder.path(), place, &folders, (at, depth + 1), &own);
        } else {
            for name in folders {
                let below = folder.open_dir(&name);
                self.descend(&below, name, (at, depth + 1), &own);
            }
        }
        self.tree.cgroups[at].end = self.tree.cgroups.len();
    }

    /// Reads many neighbours with several threads, each of which takes the next one that nobody has: the kernel's answers
    /// are nearly all of the time.
    fn share(
        &mut self,
        path: &Utf8Path,
        place: &Path,
        folders: &[String],
        (parent, depth): (usize, usize),
        above: &Above,
    ) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let next = AtomicUsize::new(0);
        // What is enabled below is offered here, so that nobody learns a new name and all mean the same by their bits.
        let names = &self.tree.names;
        let work = || {
            let mut parts = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(name) = folders.get(at) else { return parts };
                let tree = Tree { names: names.clone(), ..Tree::default() };
                let mut reading = Reading { tree, buffer: Vec::new(), may_share: false };
                let folder = DirHandle::at_host_path(path.join(name), place.join(name));
                reading.descend(&folder, name.clone(), (0, depth), above);
                parts.push((at, reading.tree.cgroups));
            }
        };
        let mut parts: Vec<(usize, Vec<Cgroup>)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        parts.sort_unstable_by_key(|(at, _)| *at);
        for (_, part) in parts {
            let base = self.tree.cgroups.len();
            self.tree.cgroups.extend(part.into_iter().enumerate().map(|(number, cgroup)| Cgroup {
                parent: if number == 0 { parent } else { cgroup.parent + base },
                end: cgroup.end + base,
                ..cgroup
            }));
        }
    }

    /// Reads one cgroup, and asks only for what does not follow from the one above: a cgroup is offered what that one
    /// enables; nobody is in it when nobody is below that one; memory did not run out in it if it did not below that one
    /// (`memory.events` counts what is below as well); without a controller its files are not there.
    fn one(
        &mut self,
        folder: &DirHandle<'_>,
        above: &Above,
        is_leaf: bool,
    ) -> (Cgroup, Option<MemoryEvents>) {
        let offered = above.enabled;
        let enabled = self.controllers(folder, "cgroup.subtree_control").unwrap_or_default();
        let events = self.text(folder, "cgroup.events").unwrap_or_default();
        let [populated, frozen] =
            ["populated", "frozen"].map(|name| keyed(events, name).map(|value| value == 1));
        // The root of the hierarchy has no cgroup.events; it surely has processes.
        let populated = above.populated && populated.unwrap_or(true);
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
        let memory_events = match above.memory_events {
            Some(above) if above == MemoryEvents::default() => Some(above),
            _ if has_memory => self.text(folder, "memory.events").map(|text| {
                let count = |name| keyed(text, name).unwrap_or_default();
                MemoryEvents { max: count("max"), oom: count("oom"), oom_kill: count("oom_kill") }
            }),
            _ => None,
        };
        let cgroup = Cgroup {
            kind,
            offered,
            enabled,
            memory: if has_memory { self.memory(folder) } else { None },
            pids: if has_pids { self.usage(folder, "pids.current", "pids.max") } else { None },
            cpu: self.cpu(folder, has_cpu),
            populated,
            frozen: frozen.unwrap_or(false),
            memory_events: memory_events.unwrap_or_default(),
            processes,
            ..Cgroup::default()
        };
        (cgroup, memory_events)
    }

    fn text(&mut self, folder: &DirHandle<'_>, name: &str) -> Option<&str> {
        folder.text(name, &mut self.buffer)
    }

    fn number(&mut self, folder: &DirHandle<'_>, name: &str) -> Option<u64> {
        self.text(folder, name)?.trim_end().parse().ok()
    }

    fn usage(&mut self, folder: &DirHandle<'_>, current: &str, max: &str) -> Option<Usage> {
        // The root of the hierarchy has the controller and no such files.
        let current = self.number(folder, current)?;
        Some(Usage { current, max: self.number(folder, max) })
    }

    fn memory(&mut self, folder: &DirHandle<'_>) -> Option<Memory> {
        let Usage { current, max } = self.usage(folder, "memory.current", "memory.max")?;
        let stat = if current == 0 { None } else { self.text(folder, "memory.stat") };
        let cache = stat.and_then(|text| keyed(text, "inactive_file")).unwrap_or_default();
        Some(Memory { current, max, working_set: current.saturating_sub(cache) })
    }

    fn cpu(&mut self, folder: &DirHandle<'_>, has_limit: bool) -> Cpu {
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

    fn processes(&mut self, folder: &DirHandle<'_>, kind: Type) -> Vec<u32> {
        // A threaded cgroup refuses to name processes.
        let name = if kind == Type::Threaded { "cgroup.threads" } else { "cgroup.procs" };
        let text = self.text(folder, name).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn controllers(&mut self, folder: &DirHandle<'_>, name: &str) -> Option<Controllers> {
        let Self { tree, buffer, .. } = self;
        let words = folder.text(name, buffer)?.split_ascii_whitespace();
        Some(words.fold(Controllers::default(), |set, word| Controllers(set.0 | tree.learn(word))))
    }

    fn has_domain_controller(&self, set: Controllers) -> bool {
        self.tree.names(set).any(|name| !THREADED.contains(&name))
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

    use crate::host::{LiveSystem, Process};
    use crate::inspect::tree::{Memory, MemoryEvents, Tree, Type, Usage};

    /// A cgroup's files, as the kernel writes them.
    fn cgroup(root: &Utf8Path, path: &str, files: &[(&str, &str)]) {
        let dir = root.join("sys/fs/cgroup").join(path);
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            std::fs::write(dir.join(name), format!("{text}\n")).unwrap();
        }
    }

    fn read(root: &Utf8Path) -> Tree {
        let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
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
                ("memory.stat", "anon 1000\nfile 3000\ninactive_anon 0\nactive_file 96\ninactive_file 3000"),
                ("memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 0"),
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
        assert_eq!(first.memory, Some(Memory { current: 4096, max: Some(8192), working_set: 1096 }));
        assert_eq!(first.pids, Some(Usage { current: 3, max: None }));
        assert_eq!(
            (first.cpu.usage_usec, first.cpu.quota_usec, first.cpu.period_usec),
            (70, Some(50_000), 100_000)
        );
        assert_eq!(first.memory_events, MemoryEvents { max: 7, oom: 1, oom_kill: 2 });
        assert_eq!(tree.cgroups[2].memory_events, MemoryEvents::default());
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
    fn many_neighbours_read_by_several_threads_are_the_same_tree() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let own = [
            ("cgroup.controllers", "cpu pids"),
            ("cgroup.subtree_control", "pids"),
            ("cgroup.events", "populated 1"),
        ];
        cgroup(root, "m", &own);
        for number in 0..200 {
            let pids = number.to_string();
            cgroup(
                root,
                &format!("m/c{number:03}"),
                &[own[1], own[2], ("pids.current", &pids), ("pids.max", "max")],
            );
            cgroup(root, &format!("m/c{number:03}/below"), &[own[2], ("cgroup.procs", &pids)]);
        }
        let tree = read(root);
        assert_eq!((tree.cgroups.len(), tree.cgroups[0].end, tree.children(0).count()), (401, 401, 200));
        for (number, at) in tree.children(0).enumerate() {
            let (child, below) = (&tree.cgroups[at], &tree.cgroups[at + 1]);
            assert_eq!((child.parent, child.end, child.depth), (0, at + 2, 1));
            assert_eq!((below.parent, below.end, below.depth, below.name.as_str()), (at, at + 2, 2, "below"));
            assert_eq!(child.pids.map(|pids| pids.current), Some(number as u64));
            assert_eq!(tree.names(below.offered).collect::<Vec<_>>(), ["pids"]);
            assert_eq!(tree.path_of(at + 1), format!("/sys/fs/cgroup/m/c{number:03}/below"));
        }
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
