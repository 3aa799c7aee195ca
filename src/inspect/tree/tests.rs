use camino::Utf8Path;

use crate::host::{LiveSystem, Process};
use crate::inspect::tree::{CgroupType, Memory, MemoryEvents, Tree, Usage};

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
            ("cgroup.subtree_control", ""),
            ("cgroup.type", "threaded"),
            ("cgroup.events", "populated 1\nfrozen 1"),
            ("cgroup.threads", "8\n9"),
        ],
    );
    cgroup(
        root,
        "m/a",
        &[
            ("cgroup.subtree_control", ""),
            ("cgroup.type", "a type of a later kernel"),
            ("cgroup.events", "populated 0\nfrozen 0"),
            ("cgroup.procs", "1"),
            ("pids.current", "5"),
        ],
    );
    let tree = read(root);
    (dir, tree)
}

#[test]
fn parents_come_before_their_children_and_siblings_by_name() {
    let (_dir, tree) = tree();
    let seen: Vec<_> = tree.cgroups.iter().map(|c| (c.name(), c.depth, c.parent, c.end)).collect();
    assert_eq!(seen, [("m", 0, 0, 4), ("a", 1, 0, 2), ("b", 1, 0, 4), ("t", 2, 2, 4)]);
    assert_eq!(tree.children(0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(tree.children(3).count(), 0);
    assert_eq!(tree.ancestors(3).collect::<Vec<_>>(), [3, 2, 0]);
    assert_eq!((tree.cgroups[3].path.as_str(), tree.child(0, "b")), ("/sys/fs/cgroup/m/b/t", Some(2)));
    assert_eq!((tree.count(0), tree.count(1)), (4, 0));
}

#[test]
fn limits_and_controllers_are_read_as_the_kernel_writes_them() {
    let (_dir, tree) = tree();
    let first = &tree.cgroups[0];
    assert_eq!(first.offered, ["cpu", "memory", "pids", "novel"]);
    assert_eq!((&first.enabled, &tree.cgroups[2].offered), (&tree.cgroups[1].offered, &first.enabled));
    assert_eq!(first.enabled, ["cpu", "memory"]);
    assert_eq!(first.memory, Some(Memory { current: 4096, max: Some(8192), working_set: 1096 }));
    assert_eq!(first.tasks, Some(Usage { current: 3, max: None }));
    assert_eq!(
        (first.cpu.usage_usec, first.cpu.quota_usec, first.cpu.period_usec),
        (70, Some(50_000), 100_000)
    );
    assert_eq!(first.memory_events, MemoryEvents { max: 7, oom: 1, oom_kill: 2 });
    assert_eq!(tree.cgroups[2].memory_events, MemoryEvents::default());
}

#[test]
fn the_files_of_a_controller_count_only_if_it_is_enabled() {
    let (_dir, tree) = tree();
    let (a, b, t) = (&tree.cgroups[1], &tree.cgroups[2], &tree.cgroups[3]);
    assert_eq!((a.tasks, a.pids.len(), a.kind), (None, 0, CgroupType::Domain));
    assert_eq!((b.kind, b.frozen, &b.pids), (CgroupType::DomainThreaded, true, &vec![7, 0]));
    assert_eq!((t.kind, &t.pids), (CgroupType::Threaded, &vec![8, 9]));
}

#[test]
fn a_leaf_that_enables_controllers_can_be_the_top_of_a_threaded_subtree() {
    // As the kernel (6.1) answers after `echo +pids > leaf/cgroup.subtree_control` with a process in it.
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    cgroup(root, "m", &[("cgroup.controllers", "memory pids"), ("cgroup.subtree_control", "memory pids")]);
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
    assert_eq!(tree.cgroups[0].kind, CgroupType::Root);
    let leaf = &tree.cgroups[1];
    assert_eq!((&leaf.enabled[..], leaf.kind), (&["pids".to_owned()][..], CgroupType::DomainThreaded));
    assert_eq!(leaf.pids, [7]);
}

#[test]
fn a_missing_tree_is_empty_and_a_cgroup_that_was_removed_meanwhile_or_is_a_link_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    assert!(read(root).cgroups.is_empty());
    cgroup(root, "m", &[("cgroup.controllers", "pids"), ("cgroup.subtree_control", "pids")]);
    // Of a cgroup that is removed while the tree is read, only the name remains.
    cgroup(root, "m/gone", &[]);
    std::os::unix::fs::symlink("..", root.join("sys/fs/cgroup/m/loop")).unwrap();
    assert_eq!(read(root).cgroups.len(), 1);
}
