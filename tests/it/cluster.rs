//! `kind-wsl cluster`, the real program, with a podman that answers as podman 4.3 and 5.4 do.

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
    assert_eq!(rows[1][4..], ["127.0.0.1:38173"], "{}", seen.stdout);
    assert_eq!(rows[2][..7], ["ha", "4", "1", "of", "4", "nodes", "run"], "{}", seen.stdout);
    assert_eq!(rows[2][8..], ["127.0.0.1:7000"], "{}", seen.stdout);
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
