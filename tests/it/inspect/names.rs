//! The names of pods, and what is shown if crictl does not give them.

use std::fs;

use crate::inspect::words;
use crate::support::cluster::{Machine, POD, node};

#[test]
fn without_an_answer_of_crictl_the_tree_is_shown_without_the_names_of_pods() {
    let machine = Machine::with_cluster();
    crictl(&machine, "echo 'sh: crictl: not found' >&2; exit 127");
    let seen = machine.inspect(&["--cgroups"]);
    assert_eq!(seen.code, 0);
    assert!(
        seen.stdout.contains(
            "cannot list the pods of node kind-control-plane: crictl is not installed in it; pods without a name are shown by ID\n"
        ),
        "{}",
        seen.stdout
    );
    assert!(seen.stdout.contains("cri-containerd-bbbb.scope"), "{}", seen.stdout);
}

/// podman as it is, but for this answer of crictl.
fn crictl(machine: &Machine, script: &str) {
    let podman = fs::read_to_string(machine.root.join("usr/bin/podman")).expect("the script");
    let exec = podman.find("exec)").expect("its part");
    let podman = format!("{}exec) {script};; esac", &podman[..exec]);
    machine.program("podman", podman.trim_start_matches("#!/bin/sh\n"));
}

#[test]
fn pods_that_a_busy_node_does_not_list_have_the_ids_of_their_shims() {
    let machine = Machine::with_cluster();
    let late = r#"time="2026-11-27T10:00:10Z" level=fatal msg="listing pod sandboxes: rpc error: code = DeadlineExceeded desc = context deadline exceeded""#;
    crictl(&machine, &format!("echo '{late}' >&2; exit 1"));
    // The first container of a pod has the pod's ID.
    let pod = format!("{}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod6f1c_22.slice", node());
    machine.cgroup(&format!("{pod}/cri-containerd-{POD}.scope"), "domain", "", &[]);
    let seen = machine.inspect(&["--cgroups", "--processes"]).stdout;
    let sentence = "cannot list the pods of node kind-control-plane: crictl got no answer within 10 s; pods without a name are shown by ID\n";
    assert!(seen.contains(sentence) && !seen.contains("level=fatal"), "{seen}");
    assert!(words(&seen, "pod6f1c_22.slice").windows(2).any(|w| w == ["pod", "4796ab87414f…"]), "{seen}");
    assert!(seen.contains("[pod 4796ab87414f…]"), "{seen}");
}

#[test]
fn names_that_crictl_gave_before_it_failed_are_kept() {
    let machine = Machine::with_cluster();
    let pods = format!(
        r#"{{"items":[{{"id":"{POD}","metadata":{{"name":"web","namespace":"default","uid":"6f1c-22"}}}}]}}"#
    );
    crictl(&machine, &format!("echo '{pods}'; echo 'context deadline exceeded' >&2; exit 1"));
    let seen = machine.inspect(&["--processes"]).stdout;
    assert!(seen.contains("crictl got no answer within 10 s"), "{seen}");
    assert!(seen.contains("[pod default/web]"), "{seen}");
}

#[test]
fn crictl_is_given_ten_seconds_for_each_answer() {
    let machine = Machine::with_cluster();
    // As the real one: a flag that stands before the command, and no answer in less.
    crictl(
        &machine,
        "case \"$*\" in *'crictl --timeout 10s pods -o json && crictl --timeout 10s ps -a -o json'*) echo '{\"items\":[]}';; *) exit 1;; esac",
    );
    assert_eq!(machine.json(&[])["silent"], serde_json::json!([]));
}
