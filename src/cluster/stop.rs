//! Stops a cluster: workers first, as kind's images expect it.

use std::time::Duration;

use super::hands::{Hands, Step};
use super::{Cluster, rank};
use crate::host::{Account, HostError, LiveSystem};

/// The time limit for a node to stop. Its image sets the signal, SIGRTMIN+3, by which systemd halts (kind
/// `images/base/Dockerfile`). systemd gives a container that ignores SIGTERM 90 s (`DefaultTimeoutStopSec=`); a shorter
/// limit would end the node, and with it etcd's last writes, by SIGKILL.
const GRACE: Duration = Duration::from_secs(100);

/// The exit code of a container that ended by SIGKILL.
const KILLED: &str = "137";

/// Stops the nodes that run, those of one role at the same time.
///
/// # Errors
/// If the provider cannot stop them.
pub fn stop(
    host: &LiveSystem,
    user: &Account,
    cluster: &Cluster,
    tell: &mut dyn FnMut(Step),
) -> Result<(), HostError> {
    let hands = Hands { host, user, cluster };
    for role in [2, 1, 0] {
        let running = cluster.nodes.iter().filter(|node| rank(&node.role) == role && node.is_running());
        let nodes: Vec<&str> = running.clone().map(|node| node.name.as_str()).collect();
        if nodes.is_empty() {
            continue;
        }
        tell(Step::Waiting(format!("stopping {}", nodes.join(", "))));
        // A frozen process takes no signal.
        for node in running.filter(|node| node.is_paused()) {
            hands.stop(&["unpause", &node.name], GRACE)?;
        }
        let grace = GRACE.as_secs().to_string();
        let stop = ["stop", "-t", &grace];
        let bound = GRACE * 2 + GRACE * u32::try_from(nodes.len()).unwrap_or(1);
        hands.stop(&[&stop[..], &nodes].concat(), bound)?;
        // A provider that had to kill a container reports success.
        let inspect = ["inspect", "--format", "{{.State.ExitCode}}"];
        let codes = hands.ask(&[&inspect[..], &nodes].concat(), GRACE).map(|output| output.stdout);
        let mut codes = codes.as_deref().unwrap_or_default().lines();
        for node in nodes {
            tell(match codes.next().map(str::trim) {
                Some(KILLED) => Step::Warning(format!("{node} did not stop within {grace} s and was killed")),
                _ => Step::Done("stopped", node.to_owned()),
            });
        }
    }
    Ok(())
}
