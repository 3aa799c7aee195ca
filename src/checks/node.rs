//! The nodes of clusters: whether they run, and whether they have what kind's entrypoint needs.

use super::cgroup::delegate;
use super::{Check, CheckContext, Outcome, check};
use crate::fix::command;
use crate::inspect::{Condition, Inspection, Node, consequence, node};
use crate::provider::Provider;

pub(super) static CHECKS: &[&Check] = &[&CLUSTERS, &CONDITIONS];

/// The nodes that the provider lists, or why there are none.
fn nodes(c: &CheckContext<'_>) -> Result<Vec<Node>, Outcome> {
    let provider = c.answers.provider();
    let storage = match provider {
        Provider::Podman => "containers/storage",
        Provider::Docker => "docker",
        Provider::Nerdctl => "containerd",
    };
    let storage = c.facts.user.home.join(".local/share").join(storage);
    if !c.system.exists(storage.as_str()) {
        return Err(Outcome::skipped(format!("{provider} has created nothing yet")));
    }
    match node::list(c.system, &c.facts.user, provider) {
        Ok(nodes) if nodes.is_empty() => Err(Outcome::skipped("no cluster exists")),
        Ok(nodes) => Ok(nodes),
        Err(why) => Err(Outcome::unknown(why)),
    }
}

static CLUSTERS: Check = check("clusters", "the nodes of clusters run", |c| {
    let nodes = match nodes(c) {
        Ok(nodes) => nodes,
        Err(outcome) => return outcome,
    };
    let stopped: Vec<&str> = nodes.iter().filter(|n| !n.is_running()).map(|n| n.name.as_str()).collect();
    if stopped.is_empty() {
        return Outcome::ok(format!("{} of {} nodes run", nodes.len(), nodes.len()));
    }
    let (provider, names) = (c.answers.provider(), stopped.join(" "));
    let fix = format!(
        "start the nodes with `{provider} start {names}`; kind does not support this (kind#3190), so a node may stay unready"
    );
    Outcome::error(format!("stopped: {}", stopped.join(", ")), "kubectl cannot connect to the cluster", fix)
});

pub(super) static CONDITIONS: Check = check("node", "the nodes have what kind's entrypoint needs", |c| {
    let nodes = match nodes(c) {
        Ok(nodes) => nodes,
        Err(outcome) => return outcome,
    };
    let seen = Inspection::new(c.system, &c.facts.user, Ok(nodes));
    let running = || seen.nodes().iter().filter(|node| node.at.is_some());
    let names: Vec<&str> = running().map(|node| node.name.as_str()).collect();
    if names.is_empty() {
        return Outcome::skipped("no node runs in a cgroup that can be seen");
    }
    let faults: Vec<(&Node, &Condition)> =
        running().flat_map(|node| node.faults().map(move |fault| (node, fault))).collect();
    let Some((node, first)) = faults.iter().find(|(_, fault)| fault.is_fatal()).or(faults.first()) else {
        return Outcome::ok(format!("{}: {}", names.join(", "), held(running())));
    };
    let others = match faults.len() - 1 {
        0 => String::new(),
        others => format!("; {others} more, which `kind-wsl inspect` shows"),
    };
    let details = format!("{}: {}{others}", node.name, first.evidence);
    let effect = consequence(first.id);
    match first.id {
        // A node keeps what was delegated when it was created.
        "controllers" => Outcome::error(details, effect, delegate(c.facts)).then(AGAIN),
        "root-empty" => Outcome::error(details, effect, command("kind-wsl inspect --processes")),
        _ => Outcome::warning(details, effect, command("kind-wsl inspect")),
    }
});

/// What gives a cluster what is delegated now.
const AGAIN: &str =
    "create the cluster again: `kind-wsl kind delete cluster`, then `kind-wsl kind create cluster`";

/// The conditions that hold in the first of the nodes, by name.
fn held<'n>(mut nodes: impl Iterator<Item = &'n Node>) -> String {
    let conditions = nodes.next().map_or(&[][..], |node| &node.conditions);
    conditions.iter().filter(|c| c.holds == Some(true)).map(|c| c.id).collect::<Vec<_>>().join(", ")
}
