//! `kind-wsl inspect`, the real program, on a tree of files like the one that the kernel shows for a cluster.
//! `tests/vm/nodes.py` checks it against the kernel's own tree.

mod names;
mod watch;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cluster::{ALL, ID, MANAGER, Machine, node};

/// The cgroup at a path of names below the tree's first.
fn find<'v>(tree: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(tree, |at, name| {
        let children = at["children"].as_array().expect("children");
        children.iter().find(|child| child["name"] == *name).expect(name)
    })
}

/// The words of the first line in which a text stands, so that columns may move.
fn words<'t>(screen: &'t str, part: &str) -> Vec<&'t str> {
    let line = screen.lines().find(|line| line.contains(part));
    line.unwrap_or_default().split_whitespace().collect()
}

#[test]
fn the_tree_of_a_cluster_fits_one_screen() {
    let seen = Machine::with_cluster().inspect(&["--cgroups"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{}", seen.stdout);
    let screen = &seen.stdout;
    assert!(
        screen.lines().count() <= 34 && screen.lines().all(|line| line.chars().count() <= 150),
        "{screen}"
    );
    let heading =
        format!("Cluster kind · podman (rootless) · user dev · cgroup v2\nCgroups below {MANAGER}\n\nNODE ");
    assert!(screen.starts_with(&heading), "{screen}");
    assert_eq!(
        words(screen, "a4cfc6bc8a38…")[3..],
        ["kind-control-plane:", "control-plane", "of", "kind", "8.0", "MiB", "1.5s", "2/18000"]
    );
    assert_eq!(words(screen, "init.scope").last(), Some(&"init"));
    assert!(
        words(screen, "containerd.service").ends_with(&["containerd,", "containerd-shim-runc-v2"]),
        "{screen}"
    );
    assert!(screen.contains("│  │  │  no processes (expected: they are in child cgroups)"), "{screen}");
    assert!(
        words(screen, "pod6f1c_22.slice").ends_with(&["pod", "default/web", "8.0", "MiB", "1.5s", "2/18000"]),
        "{screen}"
    );
    assert!(
        screen.contains("└─ 1 cgroup more with 1 process"),
        "what is not a node's is not shown: {screen}"
    );
    assert!(
        screen.contains("\nuid 0 in the node = dev (1000); uids 1-65536 in the node = 100000-165535\n"),
        "{screen}"
    );
    assert!(screen.contains("  ok (5/5)\n"), "{screen}");
}

#[test]
fn without_a_flag_nodes_services_pods_and_containers_are_shown_by_name() {
    let seen = Machine::with_cluster().inspect(&[]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{}", seen.stdout);
    let rows = seen.stdout.lines().skip_while(|line| !line.starts_with("NAME"));
    let names: Vec<&str> = rows
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split("  8.0 MiB").next())
        .map(str::trim_end)
        .collect();
    assert_eq!(
        names,
        [
            "kind-control-plane",
            "  init",
            "  pods",
            "    default/web",
            "      nginx",
            "  kubelet",
            "  containerd"
        ]
    );
    assert!(!seen.stdout.contains(".slice") && !seen.stdout.contains("/sys/fs/cgroup"), "{}", seen.stdout);
    assert_eq!(words(&seen.stdout, "      nginx"), ["nginx", "8.0", "MiB", "1.5s", "2", "nginx", "×2"]);
}

#[test]
fn a_process_is_shown_with_its_two_users_and_its_pod() {
    let screen = Machine::with_cluster().inspect(&["--processes"]).stdout;
    assert!(
        screen.contains("80001 (1 inside)  dev (root inside)  nginx: master process nginx -g daemon off;"),
        "{screen}"
    );
    assert!(screen.contains("80002 (29 inside)  100100 (101 inside)  nginx: worker process"), "{screen}");
    assert!(screen.contains("containerd-shim-runc-v2 -namespace k8s.io -id 4796ab87414f… -address /run/containerd/containerd.sock  [pod default/web]"), "{screen}");
}

#[test]
fn json_has_the_whole_tree() {
    let machine = Machine::with_cluster();
    let seen = machine.json(&[]);
    assert_eq!((&seen["v"], &seen["schema"], &seen["provider"]), (&1.into(), &1.into(), &"podman".into()));
    assert_eq!(seen["nodes"][0]["pid"], 70678);
    assert_eq!(seen["nodes"][0]["cgroup"], node());
    assert_eq!(
        seen["users"][1],
        serde_json::json!({ "node": "kind-control-plane", "inside": 1, "outside": 100_000, "count": 65536 })
    );
    let tree = &seen["tree"];
    assert_eq!((&tree["path"], &tree["name"]), (&MANAGER.into(), &"user@1000.service".into()));
    let root = find(tree, &["app.slice", ID]);
    assert_eq!(root["offered"], serde_json::json!(["cpuset", "cpu", "io", "memory", "pids"]));
    assert_eq!((&root["type"], &root["processes"]), (&"domain".into(), &serde_json::json!([])));
    assert_eq!(
        root["memory"],
        serde_json::json!({ "current": 8_388_608, "max": null, "working_set": 8_388_608 })
    );
    assert_eq!(root["pids"], serde_json::json!({ "current": 2, "max": 18_000 }));
    let pod = find(
        root,
        &[
            "kubelet.slice",
            "kubelet-kubepods.slice",
            "kubelet-kubepods-pod6f1c_22.slice",
            "cri-containerd-bbbb.scope",
        ],
    );
    let nginx = &pod["processes"][1];
    assert_eq!(
        (&nginx["uid"], &nginx["uid_inside"], &nginx["pid_inside"]),
        (&100_100.into(), &101.into(), &29.into())
    );
    assert_eq!(pod["label"], "container nginx of default/web");
    // What is hidden on the screen is there for programs.
    assert_eq!(find(tree, &["init.scope"])["processes"][0]["name"], "systemd");
    let shallow = machine.json(&["--depth", "1"]);
    assert_eq!(find(&shallow["tree"], &["app.slice"]).get("children"), None);
}

#[test]
fn all_and_depth_set_how_much_is_shown() {
    let machine = Machine::with_cluster();
    let all = machine.inspect(&["--all"]).stdout;
    assert!(all.contains("dbus.service") && !all.contains(" more with "), "{all}");
    let shallow = machine.inspect(&["--cgroups", "--depth", "1"]).stdout;
    assert!(shallow.contains("kubelet.slice") && !shallow.contains("kubelet.service"), "{shallow}");
    assert!(shallow.contains("└─ 4 cgroups more with 3 processes"), "{shallow}");
}

#[test]
fn svg_writes_the_tree_to_a_file() {
    let machine = Machine::with_cluster();
    let file = machine.root.join("tree.svg");
    let seen = machine.inspect(&["--cgroups", "--svg", file.as_str()]);
    let picture = fs::read_to_string(&file).expect("the picture");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(
        picture.starts_with("<svg ") && picture.contains("kubelet.service") && !picture.contains('\u{1b}'),
        "{picture}"
    );
    let refused = machine.inspect(&["--svg", "/nowhere/tree.svg"]);
    assert_eq!(
        (refused.code, refused.stderr.lines().next()),
        (1, Some("error: cannot write `/nowhere/tree.svg`: No such file or directory"))
    );
}

#[test]
fn a_missing_requirement_of_a_node_is_shown_at_its_cgroup_with_exit_code_4() {
    let machine = Machine::with_cluster();
    machine.file(&format!("{MANAGER}/app.slice/cgroup.subtree_control"), "memory pids\n");
    machine.file(&format!("{}/cgroup.procs", node()), "70678\n");
    machine.file(
        "/proc/70678/limits",
        "Max open files            1024                 4096              files     \n",
    );
    fs::remove_file(machine.root.join("proc/70678/root/dev/fuse")).expect("it was there");
    let seen = machine.inspect(&[]);
    assert_eq!(seen.code, 4, "{}", seen.stdout);
    for part in [
        "the node's entrypoint ends with \"controller needs to be delegated\": memory, pids; cpu missing: ",
        "user@1000.service/app.slice does not enable cpu for child cgroups",
        "kubelet does not start: its script needs the node's own cgroup to be empty: 1 process in the node's own cgroup",
        "error    open-files    the hard limit is 4096",
        "error    fuse          /dev/fuse does not exist in the node",
    ] {
        assert!(seen.stdout.contains(part), "{part}: {}", seen.stdout);
    }
}

#[test]
fn a_stopped_node_has_no_cgroup_and_a_paused_one_is_frozen() {
    let machine = Machine::with_cluster();
    machine.podman("exited");
    let seen = machine.inspect(&[]);
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(
        words(&seen.stdout, "exited").join(" ").ends_with("control-plane exited no processes and no cgroup"),
        "{}",
        seen.stdout
    );
    machine.podman("paused");
    machine.file(&format!("{}/cgroup.events", node()), "populated 1\nfrozen 1\n");
    let seen = machine.inspect(&[]);
    assert!(
        seen.stdout.contains(" paused ")
            && seen.stdout.contains("frozen: nothing in it runs until it is thawed"),
        "{}",
        seen.stdout
    );
}

#[test]
fn without_a_cluster_the_delegation_is_shown() {
    let seen = Machine::new().inspect(&[]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""));
    assert!(
        seen.stdout.contains("podman has no cluster; create one with `kind-wsl kind create cluster`"),
        "{}",
        seen.stdout
    );
    assert!(
        seen.stdout.contains("│  controllers: cpuset cpu io memory pids (all enabled for children)")
            && seen.stdout.contains("dbus-daemon"),
        "{}",
        seen.stdout
    );
}

#[test]
fn an_unknown_cluster_is_an_error_that_lists_the_clusters() {
    let seen = Machine::with_cluster().inspect(&["knd"]);
    assert_eq!(seen.code, 2);
    assert_eq!(
        seen.stderr,
        "error: unknown cluster `knd`\nhint: did you mean `kind`? clusters of podman: kind\n"
    );
    let seen = Machine::new().inspect(&["kind"]);
    assert_eq!(
        seen.stderr,
        "error: unknown cluster `kind`\nhint: podman has no cluster; create one with `kind-wsl kind create cluster`\n"
    );
    let machine = Machine::with_cluster();
    for chosen in ["kind", "kind-control-plane"] {
        assert_eq!(machine.inspect(&[chosen]).code, 0, "{chosen}");
    }
}

#[test]
fn on_cgroup_v1_it_names_what_is_mounted_and_exits_with_4() {
    let machine = Machine::new();
    machine.file(
        "/proc/mounts",
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
    );
    let seen = machine.inspect(&[]);
    assert_eq!(seen.code, 4);
    assert_eq!(
        seen.stdout,
        "/sys/fs/cgroup is a tmpfs with cgroup v1 (memory); inspect needs cgroup v2 there\nrun `kind-wsl plan` to show how to enable it\n"
    );
    assert_eq!(machine.json(&[])["cgroup"], "a tmpfs with cgroup v1 (memory)");
}

#[test]
fn without_an_answer_of_the_provider_the_tree_is_shown_without_names() {
    let machine = Machine::with_cluster();
    machine.program("podman", "sleep 100");
    let begun = Instant::now();
    let seen = machine.inspect(&[]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(seen.code, 4);
    assert!(
        seen.stdout.contains("podman did not answer within 10 s: the names and states of nodes are missing"),
        "{}",
        seen.stdout
    );
    assert!(seen.stdout.contains("app.slice"), "{}", seen.stdout);
    machine.program("podman", "echo 'Error: no such thing' >&2; exit 125");
    let seen = machine.inspect(&[]).stdout;
    assert!(seen.contains("podman ps ended with exit code 125: Error: no such thing: the names"), "{seen}");
}

#[test]
fn page_cache_is_not_memory_in_use() {
    let machine = Machine::with_cluster();
    let path = format!("{}/kubelet.slice/kubelet.service", node());
    for (name, text) in [
        ("memory.current", "67108864\n"),
        ("memory.max", "70000000\n"),
        ("memory.stat", "anon 204800\nfile 66904064\ninactive_file 66060288\n"),
    ] {
        machine.file(&format!("{path}/{name}"), text);
    }
    let file = machine.root.join("tree.svg");
    let seen = machine.inspect(&["--cgroups", "--svg", file.as_str()]);
    let picture = fs::read_to_string(&file).expect("the picture");
    assert!(
        !seen.stdout.contains("nearly used up") && !picture.contains("nearly used up"),
        "{}",
        seen.stdout
    );
    assert_eq!(words(&seen.stdout, "kubelet.service")[5..8], ["1.0", "MiB/67", "MiB"], "{}", seen.stdout);
    let tree = &machine.json(&[])["tree"];
    let kubelet = find(tree, &["app.slice", ID, "kubelet.slice", "kubelet.service"]);
    assert_eq!(kubelet["memory"]["working_set"], 1_048_576);
    assert_eq!(kubelet.get("remark"), None);
}

#[test]
fn a_node_outside_the_systemd_user_manager_is_found_from_the_root_of_systemd() {
    let machine = Machine::new();
    machine.podman("running");
    machine.cgroup("/sys/fs/cgroup", "domain", ALL, &[]);
    machine.file("/sys/fs/cgroup/cgroup.controllers", ALL);
    let scope = format!("/sys/fs/cgroup/system.slice/docker-{ID}.scope");
    machine.cgroup("/sys/fs/cgroup/system.slice", "domain", ALL, &[]);
    machine.cgroup(&scope, "domain", ALL, &[]);
    machine.cgroup(&format!("{scope}/init.scope"), "domain", "", &[]);
    let seen = machine.inspect(&[]);
    let said = "The systemd user manager of dev is not running, or a node is outside it.\n";
    assert!(seen.stdout.contains(said), "{}", seen.stdout);
    let seen = machine.inspect(&["--cgroups"]);
    assert!(seen.stdout.contains("docker-a4cfc6bc8a38….scope  kind-control-plane"), "{}", seen.stdout);
    assert!(!seen.stdout.contains("user@1000.service"), "the rest is folded: {}", seen.stdout);
}

#[test]
fn processes_that_end_meanwhile_are_skipped() {
    let machine = Machine::with_cluster();
    fs::remove_dir_all(machine.root.join("proc/74284")).expect("it was there");
    let seen = machine.inspect(&["--processes"]);
    assert_eq!(seen.code, 0);
    assert!(!seen.stdout.contains("containerd-shim") && seen.stdout.contains("70837"), "{}", seen.stdout);
}
