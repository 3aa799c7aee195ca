//! The nodes of clusters: whether they run and meet the requirements of kind's entrypoint.

use std::time::Duration;

use serde_json::Value;

use super::cgroup::delegate;
use super::clusters::{ADDRESSES, AUTOSTART, CERTIFICATES};
use super::{Check, CheckContext, Outcome, Status, check};
use crate::fix::command;
use crate::host::{HostError, Output};
use crate::inspect::{Condition, Inspection, Node, Requirement, node};
use crate::provider::{Provider, delegated, with_docker_host};

pub(super) static CHECKS: &[&Check] = &[&CLUSTERS, &API, &CONDITIONS, &ADDRESSES, &CERTIFICATES, &AUTOSTART];

/// The nodes that the provider lists, or the outcome if no node exists.
pub(super) fn nodes(c: &CheckContext<'_>) -> Result<Vec<Node>, Outcome> {
    let provider = c.answers.provider();
    let storage = match provider {
        Provider::Podman => "containers/storage",
        Provider::Docker => "docker",
        Provider::Nerdctl => "containerd",
    };
    let storage = c.facts.user.home.join(".local/share").join(storage);
    if !c.system.exists(storage.as_str()) {
        return Err(Outcome::skipped("no cluster exists"));
    }
    match node::list(c.system, &c.facts.user, provider, node::TIMEOUT) {
        Ok(nodes) if nodes.is_empty() => Err(Outcome::skipped("no cluster exists")),
        Ok(nodes) => Ok(nodes),
        Err(why) => Err(Outcome::unknown(why)),
    }
}

pub(crate) static CLUSTERS: Check = check("clusters", "the nodes of clusters run", |c| {
    let nodes = match nodes(c) {
        Ok(nodes) => nodes,
        Err(outcome) => return outcome,
    };
    let stopped: Vec<&Node> = nodes.iter().filter(|n| !n.is_running()).collect();
    let Some(first) = stopped.first() else {
        return Outcome::ok(format!("{} of {} nodes are running", nodes.len(), nodes.len()));
    };
    let fix = command(format!("kind-wsl cluster start {}", first.cluster));
    let names: Vec<&str> = stopped.iter().map(|n| n.name.as_str()).collect();
    Outcome::error(format!("stopped: {}", names.join(", ")), "kubectl cannot connect to the cluster", fix)
});

// A running node is not enough: the API server answers `/readyz` only if all its parts work.
static API: Check = check("api", "the API servers of clusters answer", |c| {
    let nodes = match nodes(c) {
        Ok(nodes) => nodes,
        Err(outcome) => return outcome,
    };
    let mut answered: Vec<&str> = Vec::new();
    for node in nodes.iter().filter(|node| node.is_running() && node.role == "control-plane") {
        if answered.contains(&node.cluster.as_str()) {
            continue;
        }
        let outcome = api(c, node);
        if outcome.status != Status::Ok {
            return outcome;
        }
        answered.push(&node.cluster);
    }
    if answered.is_empty() {
        return Outcome::skipped("no control plane is running");
    }
    Outcome::ok(format!("ready: {}", answered.join(", ")))
})
.needs(const { &[&CLUSTERS] });

/// Queries the API server of a cluster, in its node, and then system pods that keep restarting.
fn api(c: &CheckContext<'_>, node: &Node) -> Outcome {
    let (provider, name) = (c.answers.provider(), &node.name);
    let list = format!("`{provider} exec {name} crictl ps --all`");
    let logs = format!("`{provider} exec {name} crictl logs ID`");
    match kubectl(c, node, &["--raw", "/readyz"]) {
        Ok(Output { code: 0, .. }) => {}
        Ok(output) => {
            let message = output.complaint().unwrap_or("nothing");
            let details = format!("the API server of cluster {} is not ready: {message}", node.cluster);
            let fix =
                format!("find the container of {name} that stops with {list}, then the reason with {logs}");
            return Outcome::error(
                details,
                "kubectl cannot connect to the cluster, or its requests fail",
                fix,
            );
        }
        Err(error) => return Outcome::unknown(error.to_string()),
    }
    let pods = kubectl(c, node, &["pods", "--namespace", "kube-system", "--output", "json"]);
    let pods = pods.ok().and_then(|output| serde_json::from_str(&output.stdout).ok());
    let pods = pods.unwrap_or_default();
    let failing = restarting(&pods);
    let effect = "pods have no network or no names, or are not scheduled";
    let fix = format!("find the reason: {list}, then {logs}");
    let details = if failing.is_empty() {
        format!("the API server of cluster {} is ready", node.cluster)
    } else {
        format!("cluster {}: {} keep restarting", node.cluster, failing.join(", "))
    };
    Outcome::require(failing.is_empty(), details, effect, fix)
}

/// Runs `kubectl get` in the node, as its administrator.
fn kubectl(c: &CheckContext<'_>, node: &Node, what: &[&str]) -> Result<Output, HostError> {
    let get = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--request-timeout=5s", "get"];
    exec(c, node, &[&get, what].concat())
}

/// Runs a command in a node that changes nothing.
pub(super) fn exec(c: &CheckContext<'_>, node: &Node, words: &[&str]) -> Result<Output, HostError> {
    let (system, user, provider) = (c.system, &c.facts.user, c.answers.provider());
    let words = [&[provider.name(), "exec", &node.name], words].concat();
    let cmd = with_docker_host(delegated(system, user, &words), system, user, provider);
    system.run_readonly(&cmd.as_user(user).timeout(Duration::from_secs(10)))
}

/// The pods of a list with a container that waits for a restart, or that restarted often and is not ready.
fn restarting(pods: &Value) -> Vec<&str> {
    let fails = |container: &Value| {
        let waits = container.pointer("/state/waiting/reason").and_then(Value::as_str);
        let restarts = container.get("restartCount").and_then(Value::as_u64).unwrap_or_default();
        let is_ready = container.get("ready").and_then(Value::as_bool).unwrap_or_default();
        waits == Some("CrashLoopBackOff") || (!is_ready && restarts >= 3)
    };
    let items = pods.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter();
    let failing = items.filter(|pod| {
        let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
        containers.is_some_and(|containers| containers.iter().any(fails))
    });
    failing.filter_map(|pod| pod.pointer("/metadata/name")?.as_str()).collect()
}

pub(super) static CONDITIONS: Check =
    check("node", "the nodes meet the requirements of kind's entrypoint", |c| {
        let nodes = match nodes(c) {
            Ok(nodes) => nodes,
            Err(outcome) => return outcome,
        };
        let seen = Inspection::new(c.system, &c.facts.user, Ok(nodes));
        let running = || seen.nodes().iter().filter(|node| node.at.is_some());
        let names: Vec<&str> = running().map(|node| node.name.as_str()).collect();
        if names.is_empty() {
            return Outcome::skipped("no node runs in a visible cgroup");
        }
        let faults: Vec<(&Node, &Condition)> =
            running().flat_map(|node| node.faults().map(move |fault| (node, fault))).collect();
        let Some((node, first)) =
            faults.iter().find(|(_, fault)| fault.requirement.is_fatal()).or(faults.first())
        else {
            return Outcome::ok(format!("{}: {}", names.join(", "), held(running())));
        };
        let others = match faults.len() - 1 {
            0 => String::new(),
            others => format!("; {others} more, which `kind-wsl inspect` shows"),
        };
        let details = format!("{}: {}{others}", node.name, first.evidence);
        let effect = first.requirement.effect();
        match first.requirement {
            // A node keeps the delegation from its creation.
            Requirement::Controllers => Outcome::error(details, effect, delegate(c.facts)).then(AGAIN),
            Requirement::RootEmpty => {
                Outcome::error(details, effect, command("kind-wsl inspect --processes"))
            }
            Requirement::OpenFiles | Requirement::Fuse | Requirement::Modules => {
                Outcome::warning(details, effect, command("kind-wsl inspect"))
            }
        }
    });

/// The fix that gives a cluster the present delegation.
const AGAIN: &str =
    "create the cluster again: `kind-wsl kind delete cluster`, then `kind-wsl kind create cluster`";

/// The requirements that the first of the nodes meets, by name.
fn held<'n>(mut nodes: impl Iterator<Item = &'n Node>) -> String {
    let conditions = nodes.next().map_or(&[][..], |node| &node.conditions);
    conditions
        .iter()
        .filter(|c| c.holds == Some(true))
        .map(|c| c.requirement.name())
        .collect::<Vec<_>>()
        .join(", ")
}
