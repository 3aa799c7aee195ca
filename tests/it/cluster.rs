//! `kind-wsl cluster`, the real program, with a podman that answers as podman 4.3 and 5.4 do.

use std::fs;

use serde_json::{Value, json};

use crate::support::cluster::Machine;

/// A node as `podman ps --format json` lists it.
fn listed(name: &str, cluster: &str, role: &str, state: &str, port: Option<u16>) -> Value {
    let ports: Vec<Value> = port
        .map(|port| json!({"host_ip": "127.0.0.1", "container_port": 6443, "host_port": port, "range": 1, "protocol": "tcp"}))
        .into_iter()
        .collect();
    json!({"Id": "ab".repeat(32), "Names": [name], "State": state, "Created": 1_795_849_200, "Ports": ports,
        "Labels": {"io.x-k8s.kind.cluster": cluster, "io.x-k8s.kind.role": role}})
}

/// A machine whose podman lists these containers.
fn machine(nodes: &[Value]) -> Machine {
    let machine = Machine::new();
    machine.file("/fake/ps", &Value::from(nodes.to_vec()).to_string());
    machine.program("podman", "cat \"$KIND_WSL_ROOT/fake/ps\"");
    machine
}

#[test]
fn clusters_are_listed_with_their_state_and_api_server() {
    let machine = machine(&[
        listed("ha-worker", "ha", "worker", "exited", None),
        listed("ha-control-plane2", "ha", "control-plane", "exited", Some(7002)),
        listed("ha-control-plane", "ha", "control-plane", "running", Some(7001)),
        listed("ha-external-load-balancer", "ha", "external-load-balancer", "exited", Some(7000)),
        listed("dev-control-plane", "dev", "control-plane", "running", Some(38173)),
    ]);
    let seen = machine.run(&["cluster", "list"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = seen.stdout.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..3], ["dev", "1", "running"], "{}", seen.stdout);
    assert_eq!(rows[1][4..], ["off", "127.0.0.1:38173"], "{}", seen.stdout);
    assert_eq!(rows[2][..7], ["ha", "4", "1", "of", "4", "nodes", "run"], "{}", seen.stdout);
    assert_eq!(rows[2][8..], ["off", "127.0.0.1:7000"], "{}", seen.stdout);
    assert!(seen.stdout.lines().all(|line| line.chars().count() <= 80), "{}", seen.stdout);

    let document: Value = serde_json::from_str(&machine.run(&["cluster", "list", "--json"]).stdout).unwrap();
    assert_eq!(document["provider"], "podman");
    let [dev, ha] = document["clusters"].as_array().unwrap().as_slice() else { panic!("{document}") };
    assert_eq!((&dev["state"], &dev["api"]["host_port"]), (&json!("running"), &json!(38173)));
    assert_eq!(ha["state"], "partial");
    let order: Vec<&Value> = ha["nodes"].as_array().unwrap().iter().map(|node| &node["name"]).collect();
    assert_eq!(order, ["ha-external-load-balancer", "ha-control-plane", "ha-control-plane2", "ha-worker"]);
    assert_eq!(machine.run(&["-q", "cluster", "list"]).stdout, "dev\nha\n");
}

#[test]
fn a_container_with_a_label_that_kind_cannot_have_written_is_not_a_cluster() {
    let machine = machine(&[
        listed("x", "../../etc", "control-plane", "running", None),
        listed("y", "--all", "control-plane", "running", None),
        listed("--privileged", "kind", "control-plane", "running", None),
        listed("z", "a\u{1b}[2J", "control-plane", "running", None),
    ]);
    let seen = machine.run(&["cluster", "list"]);
    assert_eq!(seen.stdout, "No clusters (podman). Create one: kind-wsl kind create cluster\n");
}

#[test]
fn a_provider_that_does_not_answer_is_a_failure_and_not_an_empty_list() {
    let machine = Machine::new();
    machine.program("podman", "echo 'Error: database is locked' >&2; exit 125");
    let seen = machine.run(&["cluster", "list", "--json"]);
    assert_eq!((seen.code, seen.stdout.as_str()), (1, ""));
    assert!(
        seen.stderr.contains("podman ps ended with exit code 125: Error: database is locked"),
        "{}",
        seen.stderr
    );
}

/// `kubectl get nodes,leases` for these nodes: Ready, with a lease that was renewed in this year.
fn ready(nodes: &[&str], year: &str) -> String {
    let items = nodes.iter().flat_map(|name| {
        [
            json!({"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
            json!({"kind": "Lease", "metadata": {"name": name}, "spec": {"renewTime": format!("{year}-01-01T00:00:00Z")}}),
        ]
    });
    json!({"items": items.collect::<Vec<_>>()}).to_string()
}

/// A provider that starts and stops its containers and notes each call.
const PROVIDER: &str = r#"cd "$KIND_WSL_ROOT/fake"; echo "$*" >> calls
case "$1" in
ps) sed "s/@STATE@/$(cat state)/g" ps;;
start) [ ! -e refuse ] || { cat refuse >&2; exit 126; }; echo running > state;;
stop) echo exited > state;;
exec) case "$*" in
  *is-system-running*) [ "$(cat state)" = running ] && echo running;;
  *readyz*) echo ok;;
  *nodes,leases*) cat nodes;;
  *"sh -c"*) cat repaired 2>/dev/null; true;;
  esac;;
esac"#;

/// A machine with a stopped cluster of two nodes.
fn stopped() -> Machine {
    let machine = machine(&[
        listed("dev-worker", "dev", "worker", "@STATE@", None),
        listed("dev-control-plane", "dev", "control-plane", "@STATE@", Some(38173)),
    ]);
    machine.file("/fake/state", "exited");
    machine.file("/fake/nodes", &ready(&["dev-control-plane", "dev-worker"], "2999"));
    machine.program("podman", PROVIDER);
    machine
}

/// What podman was asked to do, without the lists and the questions.
fn calls(machine: &Machine) -> Vec<String> {
    let calls = fs::read_to_string(machine.root.join("fake/calls")).unwrap();
    let verb = |line: &&str| line.starts_with("start ") || line.starts_with("stop ");
    calls.lines().filter(verb).map(ToOwned::to_owned).collect()
}

#[test]
fn a_start_goes_from_the_control_plane_to_the_workers_and_waits_until_they_are_ready() {
    let machine = stopped();
    machine.file("/fake/repaired", "node address: 10.89.0.2 is now 10.89.0.9\n");
    let seen = machine.run(&["cluster", "start"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{}", seen.stdout);
    assert_eq!(calls(&machine), ["start dev-control-plane", "start dev-worker"]);
    for line in [
        "started dev-control-plane",
        "repaired dev-worker: node address: 10.89.0.2 is now 10.89.0.9",
        "ready the API server",
        "Ready dev-worker",
        "Cluster dev is running.",
    ] {
        assert!(seen.stdout.contains(line), "{line}: {}", seen.stdout);
    }
    // It runs: nothing is started twice.
    assert_eq!(machine.run(&["cluster", "start", "dev"]).code, 0);
    assert_eq!(calls(&machine).len(), 2);
}

#[test]
fn a_stop_goes_from_the_workers_to_the_control_plane() {
    let machine = stopped();
    machine.file("/fake/state", "running");
    let seen = machine.run(&["cluster", "stop", "dev"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{}", seen.stdout);
    assert_eq!(calls(&machine), ["stop -t 100 dev-worker", "stop -t 100 dev-control-plane"]);
    assert_eq!(machine.run(&["cluster", "stop"]).stdout, "Cluster dev is not running.\n");
}

#[test]
fn a_node_that_was_killed_is_not_reported_as_stopped() {
    let machine = stopped();
    machine.file("/fake/state", "running");
    machine.program("podman", &format!("[ \"$1\" != inspect ] || {{ echo 137; exit 0; }}\n{PROVIDER}"));
    let seen = machine.run(&["cluster", "stop"]);
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    let all = seen.stdout + &seen.stderr;
    assert!(all.contains("dev-worker did not stop within 100 s and was killed"), "{all}");
    assert!(!all.contains("stopped dev-worker"), "{all}");
}

#[test]
fn a_start_waits_for_the_list_of_nodes_as_long_as_for_everything_else() {
    let machine = stopped();
    machine.program("podman", "exec sleep 60");
    let seen = machine.run(&["cluster", "start", "--timeout", "1"]);
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("podman did not answer within 1 s"), "{}", seen.stderr);
}

#[test]
fn a_published_port_that_another_program_uses_is_named_before_any_node_starts() {
    let machine = stopped();
    // 38173 is 951D; the address as a little-endian machine prints it.
    let line = "   0: 0100007F:951D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n";
    machine.file("/proc/net/tcp", &format!("  sl  local_address rem_address   st\n{line}"));
    let start = || machine.run(&["cluster", "start", "dev"]);
    let seen = start();
    assert!(
        seen.stderr.contains(
            "port 127.0.0.1:38173 of node dev-control-plane is used by a process of the user with UID 1000"
        ),
        "{}",
        seen.stderr
    );
    machine.file("/proc/4242/comm", "python3\n");
    fs::create_dir_all(machine.root.join("proc/4242/fd")).unwrap();
    std::os::unix::fs::symlink("socket:[4711]", machine.root.join("proc/4242/fd/3")).unwrap();
    let seen = start();
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("is used by `python3` (PID 4242)"), "{}", seen.stderr);
    assert!(seen.stderr.contains("hint: end that program") && calls(&machine).is_empty(), "{}", seen.stderr);
}

#[test]
fn a_wait_ends_and_names_what_is_not_ready() {
    let machine = stopped();
    machine.file("/fake/nodes", &ready(&["dev-control-plane", "dev-worker"], "2000"));
    let seen = machine.run(&["cluster", "start", "--timeout", "1"]);
    assert_eq!(seen.code, 1);
    assert!(
        seen.stderr.starts_with("error: after 1 s not every node is Ready: dev-control-plane, dev-worker\n"),
        "{}",
        seen.stderr
    );
}

#[test]
fn a_node_that_podman_cannot_start_is_a_failure_with_its_words() {
    let machine = stopped();
    machine.file(
        "/fake/refuse",
        "Error: rootlessport listen tcp 127.0.0.1:38173: bind: address already in use\n",
    );
    let seen = machine.run(&["cluster", "start"]);
    assert_eq!(seen.code, 1);
    assert!(
        seen.stderr.starts_with("error: cannot start node dev-control-plane\n")
            && seen.stderr.contains("address already in use"),
        "{}",
        seen.stderr
    );
    assert!(seen.stderr.contains("mirrored networking"), "{}", seen.stderr);
}

#[test]
fn names_that_kind_does_not_accept_and_clusters_that_do_not_exist_are_refused() {
    let machine = stopped();
    for name in ["../dev", "a b", "$(id)", "DEV", ".."] {
        for words in [&["cluster", "start"][..], &["cluster", "stop"], &["cluster", "autostart", "on"]] {
            let seen = machine.run(&[words, &[name]].concat());
            assert_eq!(seen.code, 2, "{words:?} {name}: {}", seen.stderr);
            assert!(seen.stderr.contains("is not a name that kind accepts"), "{}", seen.stderr);
        }
    }
    let seen = machine.run(&["cluster", "start", "dex"]);
    assert_eq!(
        (seen.code, seen.stderr.as_str()),
        (1, "error: podman has no cluster `dex`\nhint: did you mean `dev`?\n")
    );
}

/// The names of a cluster's nodes, and their roles: as the provider lists them, in the order of their names.
const HA: [(&str, &str); 6] = [
    ("ha-control-plane", "control-plane"),
    ("ha-control-plane2", "control-plane"),
    ("ha-control-plane3", "control-plane"),
    ("ha-external-load-balancer", "external-load-balancer"),
    ("ha-worker", "worker"),
    ("ha-worker2", "worker"),
];

#[test]
fn a_cluster_with_several_control_planes_starts_from_its_load_balancer_and_stops_there() {
    let machine = stopped();
    let nodes = HA.map(|(name, role)| listed(name, "ha", role, "@STATE@", None));
    machine.file("/fake/ps", &Value::from(nodes.to_vec()).to_string());
    // The load balancer runs neither Kubernetes nor systemd.
    let members: Vec<&str> = HA.iter().map(|node| node.0).filter(|name| !name.contains("balancer")).collect();
    machine.file("/fake/nodes", &ready(&members, "2999"));
    let seen = machine.run(&["cluster", "start"]);
    assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{}", seen.stdout);
    assert_eq!(
        calls(&machine),
        [
            "start ha-external-load-balancer",
            "start ha-control-plane",
            "start ha-control-plane2",
            "start ha-control-plane3",
            "start ha-worker",
            "start ha-worker2"
        ]
    );
    let calls = fs::read_to_string(machine.root.join("fake/calls")).unwrap();
    assert!(!calls.contains("exec ha-external-load-balancer"), "{calls}");
    fs::remove_file(machine.root.join("fake/calls")).unwrap();
    // `stop` of the fake ends every node at once, so each call is that of a run of its own.
    machine.program("podman", &PROVIDER.replace("stop) echo exited > state;;", "stop) ;;"));
    assert_eq!(machine.run(&["cluster", "stop"]).code, 0);
    assert_eq!(
        self::calls(&machine),
        [
            "stop -t 100 ha-worker ha-worker2",
            "stop -t 100 ha-control-plane ha-control-plane2 ha-control-plane3",
            "stop -t 100 ha-external-load-balancer"
        ]
    );
}

#[test]
fn clusters_of_docker_and_of_nerdctl_start_and_stop_as_those_of_podman() {
    for (provider, state) in [("docker", r#""State":"@STATE@""#), ("nerdctl", r#""Status":"@STATE@""#)] {
        let machine = stopped();
        let node = |name: &str, role: &str| {
            let labels = format!("io.x-k8s.kind.cluster=dev,io.x-k8s.kind.role={role}");
            format!(
                r#"{{"ID":"{}","Names":"{name}",{state},"Labels":"{labels}","Ports":""}}"#,
                "ab".repeat(32)
            )
        };
        let nodes = [node("dev-worker", "worker"), node("dev-control-plane", "control-plane")];
        machine.file("/fake/ps", &nodes.join("\n"));
        // nerdctl prints `Up` and `Exited (0) 2 minutes ago`.
        let script = if provider == "nerdctl" {
            PROVIDER.replace("echo running > state", "echo Up > state")
        } else {
            PROVIDER.to_owned()
        };
        let script = script.replace(r#""$(cat state)" = running"#, r#""$(cat state)" != exited"#);
        machine.program(
            provider,
            &format!("echo \"$DOCKER_HOST $PATH\" > \"$KIND_WSL_ROOT/fake/env\"\n{script}"),
        );
        let seen = machine.run_with(provider, &["cluster", "start", "dev"]);
        assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{provider}: {}", seen.stdout);
        assert_eq!(calls(&machine), ["start dev-control-plane", "start dev-worker"]);
        let env = fs::read_to_string(machine.root.join("fake/env")).unwrap();
        let wanted = if provider == "docker" { "unix:///run/user/1000/docker.sock" } else { "/usr/sbin" };
        assert!(env.contains(wanted), "{provider}: {env}");
        let seen = machine.run_with(provider, &["cluster", "stop", "dev"]);
        assert_eq!((seen.code, seen.stderr.as_str()), (0, ""), "{provider}: {}", seen.stdout);
        assert_eq!(calls(&machine)[2..], ["stop -t 100 dev-worker", "stop -t 100 dev-control-plane"]);
    }
}
