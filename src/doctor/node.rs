//! The nodes that are there: whether they run, and whether they have what kind's entrypoint asks for.

use super::{Examination, Finding, Patient};
use crate::fix::Fix;
use crate::inspect::{Condition, Inspection, Node, consequence, node};
use crate::provider::Provider;

pub(super) static CHECKS: &[Examination] = &[
    Examination { id: "clusters", what: "the nodes of clusters run", look: clusters },
    Examination { id: "node", what: "the nodes have what kind's entrypoint asks for", look: conditions },
];

/// The nodes that the provider names, or what there is to say where it names none.
fn nodes(patient: &Patient<'_>) -> Result<Vec<Node>, Finding> {
    let provider = patient.answers.provider();
    let storage = match provider {
        Provider::Podman => "containers/storage",
        Provider::Docker => "docker",
        Provider::Nerdctl => "containerd",
    };
    let storage = patient.facts.user.home.join(".local/share").join(storage);
    if !patient.system.exists(storage.as_str()) {
        return Err(Finding::not_applicable(format!("{provider} has made nothing yet")));
    }
    match node::list(patient.system, &patient.facts.user, provider) {
        Ok(nodes) if nodes.is_empty() => Err(Finding::not_applicable("there is no cluster")),
        Ok(nodes) => Ok(nodes),
        Err(why) => Err(Finding::unknown(why)),
    }
}

fn clusters(patient: &Patient<'_>) -> Finding {
    let nodes = match nodes(patient) {
        Ok(nodes) => nodes,
        Err(finding) => return finding,
    };
    let stopped: Vec<&str> = nodes.iter().filter(|n| !n.is_running()).map(|n| n.name.as_str()).collect();
    if stopped.is_empty() {
        return Finding::ok(format!("{} of {} nodes run", nodes.len(), nodes.len()));
    }
    let provider = patient.answers.provider();
    let names = stopped.join(" ");
    let fix = format!(
        "start the nodes with `{provider} start {names}`; kind does not support this (kind#3190), so a node may stay unready"
    );
    Finding::wrong(format!("stopped: {}", stopped.join(", ")), "kubectl cannot connect to the cluster", fix)
}

fn conditions(patient: &Patient<'_>) -> Finding {
    let nodes = match nodes(patient) {
        Ok(nodes) => nodes,
        Err(finding) => return finding,
    };
    let seen = Inspection::new(patient.system, &patient.facts.user, Ok(nodes));
    let running = || seen.nodes().iter().filter(|node| node.at.is_some());
    let names: Vec<&str> = running().map(|node| node.name.as_str()).collect();
    if names.is_empty() {
        return Finding::not_applicable("no node runs in a cgroup that can be seen");
    }
    let faults: Vec<(&Node, &Condition)> =
        running().flat_map(|node| node.faults().map(move |fault| (node, fault))).collect();
    let Some((node, first)) = faults.iter().find(|(_, fault)| fault.is_fatal()).or(faults.first()) else {
        return Finding::ok(format!("{}: {}", names.join(", "), held(running())));
    };
    let others = if faults.len() > 1 {
        format!("; {} more, which `kind-wsl inspect` shows", faults.len() - 1)
    } else {
        String::new()
    };
    let evidence = format!("{}: {}{others}", node.name, first.evidence);
    match first.id {
        "controllers" => {
            let setup = Fix::from("`kind-wsl setup --only controllers,delegation,restart`");
            let fix = match setup.fitted(patient.system, patient.facts, patient.answers).command() {
                Some(line) => format!("run `{line}`, then create the cluster again"),
                // A node keeps what was delegated when it was created.
                None => AGAIN.to_owned(),
            };
            Finding::wrong(evidence, consequence(first.id), fix)
        }
        "root-empty" => Finding::wrong(evidence, consequence(first.id), "`kind-wsl inspect --processes`"),
        _ => Finding::doubtful(evidence, consequence(first.id), "`kind-wsl inspect`"),
    }
}

/// What gives a cluster what is there now.
const AGAIN: &str =
    "create the cluster again: `kind-wsl kind delete cluster`, then `kind-wsl kind create cluster`";

/// The conditions that hold in the first of the nodes, by name.
fn held<'n>(mut nodes: impl Iterator<Item = &'n Node>) -> String {
    let conditions = nodes.next().map_or(&[][..], |node| &node.conditions);
    conditions.iter().filter(|c| c.holds == Some(true)).map(|c| c.id).collect::<Vec<_>>().join(", ")
}
