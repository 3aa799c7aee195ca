//! Starts a cluster: the load balancer, the control planes, the workers. Each condition is waited for, and what a restart
//! broke is repaired if it was seen to be broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hands::{Hands, Step};
use super::{Cluster, LOAD_BALANCER, ports};
use crate::host::{Account, HostError, LiveSystem, Output};
use crate::inspect::{Node, node};

/// How often a condition is asked for that nothing announces.
const PERIOD: Duration = Duration::from_millis(500);
/// How long the provider may take to start a container.
const START: Duration = Duration::from_mins(3);
/// The least time for an answer in a node: near the end of a wait, one more attempt gets it too.
const ANSWER: Duration = Duration::from_secs(20);

/// Why a cluster does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("port {0} of node {1} is used by {2}")]
    PortTaken(String, String, String),
    #[error("cannot start node {node}")]
    Node { node: String, source: HostError },
    #[error("node {node} was started and has ended")]
    Ended { node: String },
    #[error("after {seconds} s {what}: {last}")]
    Late { what: String, seconds: u64, last: String },
    #[error("stopped waiting")]
    Interrupted,
}

impl StartError {
    /// Returns the hint.
    #[must_use]
    pub fn hint(&self, cluster: &Cluster) -> String {
        let (provider, again) = (cluster.provider, format!("kind-wsl cluster start {}", cluster.name));
        match self {
            Self::PortTaken(..) => {
                format!("end that program, or have it use another port; then run `{again}`")
            }
            Self::Node { source, .. } if source.to_string().contains("address already in use") => format!(
                "with mirrored networking, a program in Windows or in another distribution can use that port; end it, then run `{again}`"
            ),
            Self::Node { node, .. } | Self::Ended { node } => {
                format!("`{provider} logs {node}` shows why; `kind-wsl doctor` checks this machine")
            }
            Self::Late { .. } | Self::Interrupted => {
                format!("`{again}` continues; `kind-wsl doctor --only clusters,api` shows the state")
            }
        }
    }
}

/// A start, with its limit.
pub struct Start<'s> {
    pub host: &'s LiveSystem,
    pub user: &'s Account,
    pub cluster: &'s Cluster,
    /// The limit of each wait.
    pub patience: Duration,
    pub stop: &'s AtomicBool,
}

impl std::fmt::Debug for Start<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("cluster", self.cluster).finish_non_exhaustive()
    }
}

impl Start<'_> {
    /// Starts the nodes that do not run, and waits until the cluster works. A cluster that runs is only waited for.
    ///
    /// # Errors
    /// What does not work, within the limits.
    pub fn run(&self, tell: &mut dyn FnMut(Step)) -> Result<(), StartError> {
        let Self { host, user, cluster, .. } = *self;
        let hands = Hands { host, user, cluster };
        let began = host.now();
        self.check_ports()?;
        for node in &cluster.nodes {
            start(&hands, node, tell)?;
        }
        for node in cluster.members() {
            self.wait_for_systemd(&hands, node, tell)?;
            repair(&hands, node, tell)?;
        }
        self.wait_for_api(&hands, tell)?;
        self.wait_for_nodes(&hands, &began, tell)
    }

    /// A port that another program uses is named before the first node starts.
    fn check_ports(&self) -> Result<(), StartError> {
        for node in self.cluster.nodes.iter().filter(|node| !node.is_running()) {
            for port in &node.ports {
                if let Some(owner) = ports::owner(self.host, port) {
                    let port = format!("{}:{}", port.host_ip, port.host_port);
                    return Err(StartError::PortTaken(port, node.name.clone(), owner));
                }
            }
        }
        Ok(())
    }

    /// Asks again until the answer holds. An answer may take the rest of the limit, because the first `podman exec` after a boot is
    /// slow. `what` is what is not the case if that takes too long.
    fn until(
        &self,
        what: &str,
        ask: &mut dyn FnMut(Duration) -> Result<(), String>,
    ) -> Result<(), StartError> {
        let begin = Instant::now();
        loop {
            let last = match ask(self.patience.saturating_sub(begin.elapsed()).max(ANSWER)) {
                Ok(()) => return Ok(()),
                Err(last) => last,
            };
            if self.stop.load(Ordering::Relaxed) {
                return Err(StartError::Interrupted);
            }
            if begin.elapsed() >= self.patience {
                let seconds = self.patience.as_secs();
                return Err(StartError::Late { what: what.to_owned(), seconds, last });
            }
            self.host.pause(PERIOD);
        }
    }

    fn wait_for_systemd(
        &self,
        hands: &Hands<'_>,
        node: &Node,
        tell: &mut dyn FnMut(Step),
    ) -> Result<(), StartError> {
        tell(Step::Waiting(format!("waiting for systemd in {}", node.name)));
        let mut is_gone = false;
        let waited = self.until(&format!("systemd in {} has not started", node.name), &mut |bound| {
            let output = hands.ask_in(node, &["systemctl", "is-system-running"], bound);
            let output = output.map_err(|e| e.to_string())?;
            match output.stdout.trim() {
                // A failed unit, such as one for a device that a container lacks, does not matter to Kubernetes.
                "running" | "degraded" => Ok(()),
                "" => {
                    is_gone = self.has_ended(node);
                    if is_gone { Ok(()) } else { Err(message(&output)) }
                }
                state => Err(state.to_owned()),
            }
        });
        if is_gone {
            return Err(StartError::Ended { node: node.name.clone() });
        }
        waited?;
        tell(Step::Done("started", node.name.clone()));
        Ok(())
    }

    /// Whether the container of a node exited: its entrypoint refused.
    fn has_ended(&self, node: &Node) -> bool {
        let nodes = node::list(self.host, self.user, self.cluster.provider, node::TIMEOUT);
        nodes.is_ok_and(|nodes| nodes.iter().any(|n| n.name == node.name && n.has_exited()))
    }

    fn wait_for_api(&self, hands: &Hands<'_>, tell: &mut dyn FnMut(Step)) -> Result<(), StartError> {
        let Some(node) = self.cluster.control_planes().next() else { return Ok(()) };
        tell(Step::Waiting("waiting for the API server".to_owned()));
        self.until("the API server is not ready", &mut |bound| match hands.kubectl_get(
            node,
            &["--raw", "/readyz"],
            bound,
        ) {
            Ok(Output { code: 0, .. }) => Ok(()),
            Ok(output) => Err(message(&output)),
            Err(e) => Err(e.to_string()),
        })?;
        tell(Step::Done("ready", "the API server".to_owned()));
        Ok(())
    }

    /// Waits until every node is Ready and has renewed its lease since the start: the API server keeps the state of before
    /// for 40 s (`--node-monitor-grace-period`).
    fn wait_for_nodes(
        &self,
        hands: &Hands<'_>,
        began: &str,
        tell: &mut dyn FnMut(Step),
    ) -> Result<(), StartError> {
        let Some(node) = self.cluster.control_planes().next() else { return Ok(()) };
        let mut members: Vec<&str> = self.cluster.members().map(|node| node.name.as_str()).collect();
        tell(Step::Waiting(format!("waiting for {} to be Ready", members.join(", "))));
        let what = ["nodes,leases", "--namespace", "kube-node-lease", "--output", "json"];
        self.until("not every node is Ready", &mut |bound| {
            let output = hands.kubectl_get(node, &what, bound).map_err(|e| e.to_string())?;
            let list: Value = serde_json::from_str(&output.stdout).map_err(|_| message(&output))?;
            members.retain(|name| {
                let ready = is_ready(&list, name, began);
                if ready {
                    tell(Step::Done("Ready", (*name).to_owned()));
                }
                !ready
            });
            if members.is_empty() { Ok(()) } else { Err(members.join(", ")) }
        })
    }
}

fn start(hands: &Hands<'_>, node: &Node, tell: &mut dyn FnMut(Step)) -> Result<(), StartError> {
    let verb = match (node.is_running(), node.is_paused()) {
        (true, false) => return Ok(()),
        (true, true) => "unpause",
        (false, _) => "start",
    };
    tell(Step::Waiting(format!("starting {}", node.name)));
    let done = hands.start(verb, node, START);
    done.map_err(|source| StartError::Node { node: node.name.clone(), source })?;
    if node.role == LOAD_BALANCER {
        tell(Step::Done("started", node.name.clone()));
    }
    Ok(())
}

fn repair(hands: &Hands<'_>, node: &Node, tell: &mut dyn FnMut(Step)) -> Result<(), StartError> {
    let output = hands.ask_in(node, &["sh", "-c", REPAIR], START);
    let output = output.map_err(|source| StartError::Node { node: node.name.clone(), source })?;
    for line in output.stdout.lines().filter(|line| !line.trim().is_empty()) {
        tell(Step::Done("repaired", format!("{}: {line}", node.name)));
    }
    if output.code != 0 {
        let why = message(&output);
        tell(Step::Warning(format!("cannot check the address of {}: {why}", node.name)));
    }
    Ok(())
}

/// Whether a node is Ready in a list of nodes and leases, and its lease, if there is one, was renewed since `began`.
fn is_ready(list: &Value, name: &str, began: &str) -> bool {
    let items = list.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let find = |kind: &str| {
        let is_it = |item: &&Value| {
            item.get("kind").and_then(Value::as_str) == Some(kind)
                && item.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
        };
        items.iter().find(is_it)
    };
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let renewed = find("Lease").and_then(|lease| lease.pointer("/spec/renewTime")?.as_str());
    let is_fresh = renewed.is_none_or(|renewed| time(renewed) >= time(began));
    let conditions = find("Node").and_then(|node| node.pointer("/status/conditions")?.as_array());
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    is_fresh && conditions.is_some_and(|conditions| conditions.iter().any(is_ready))
}

/// Returns the error message of a command, otherwise its last line.
fn message(output: &Output) -> String {
    let text = output.complaint().or_else(|| output.stdout.trim().lines().next_back());
    text.filter(|text| !text.is_empty()).map_or_else(|| "no answer".to_owned(), str::to_owned)
}

/// Compares the address of a node with the one in its files, and repairs what differs; prints a line for each repair.
///
/// kind's entrypoint replaces an address that changed (kind `images/base/files/usr/local/bin/entrypoint`,
/// `enable_network_magic`), and is wrong if the name of the node had another address while it ran, as with two networks.
/// This is its way again, with the files that it replaces, after the start. The address is that of the default route,
/// because a node can be on several networks. /etc/hosts is a mount, so it is written in place.
const REPAIR: &str = include_str!("../../assets/repair-node.sh");

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_ready;

    #[test]
    fn a_node_is_ready_only_if_its_lease_was_renewed_since_the_start() {
        let list = |ready: &str, renewed: &str| {
            json!({"items": [
                {"kind": "Node", "metadata": {"name": "a"}, "status": {"conditions": [{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": ready}]}},
                {"kind": "Lease", "metadata": {"name": "a"}, "spec": {"renewTime": renewed}}
            ]})
        };
        let began = "2026-11-28T07:00:00Z";
        assert!(is_ready(&list("True", "2026-11-28T07:00:03.123456Z"), "a", began));
        assert!(!is_ready(&list("True", "2026-11-28T06:59:59.999999Z"), "a", began));
        assert!(!is_ready(&list("Unknown", "2026-11-28T07:00:03.123456Z"), "a", began));
        assert!(!is_ready(&list("True", "2026-11-28T07:00:03.123456Z"), "b", began));
        let without_lease = json!({"items": [{"kind": "Node", "metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}]});
        assert!(is_ready(&without_lease, "a", began));
    }
}
