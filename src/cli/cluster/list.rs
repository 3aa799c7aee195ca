//! `kind-wsl cluster list`.

use clap::Args;
use serde_json::json;

use super::super::Global;
use super::super::session::Session;
use super::{cannot_list, provider};
use crate::cluster::autostart::Autostart;
use crate::cluster::{self, Cluster, ClusterState};
use crate::error::{Exit, Failure};
use crate::host::LiveSystem;
use crate::ui::{BOLD, DIM, GREEN, YELLOW, columns, json_line, out, styled};

/// The flags of `cluster list`.
#[derive(Debug, Args)]
pub(crate) struct ClusterList {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ClusterList {
    pub(super) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::local(global, None)?;
        let provider = provider(&session);
        let clusters = cluster::list(&session.host, &session.user, provider, cluster::PATIENCE);
        let clusters = clusters.map_err(cannot_list)?;
        let autostart = Autostart::present(&session.host, &session.user);
        if self.json {
            let clusters: Vec<_> =
                clusters.iter().map(|cluster| document(cluster, autostart.has(&cluster.name))).collect();
            json_line(json!({ "provider": provider, "clusters": clusters }));
            return Ok(Exit::Done);
        }
        if global.quiet {
            for cluster in &clusters {
                out(&cluster.name);
            }
            return Ok(Exit::Done);
        }
        if clusters.is_empty() {
            out(&format!(
                "No clusters ({provider}). Create one: {}",
                styled(BOLD, "kind-wsl kind create cluster")
            ));
            return Ok(Exit::Done);
        }
        let size = clusters.iter().map(|c| c.name.chars().count()).max().unwrap_or_default().max(7) + 2;
        let row = |name: &str, cells: [&str; 4], last: &str, style| {
            let [nodes, state, age, autostart] = cells;
            let cells = [
                (name, size, BOLD),
                (nodes, 7, DIM),
                (state, 20, style),
                (age, 6, DIM),
                (autostart, 11, DIM),
            ];
            out(&columns(&cells, last, None));
        };
        row("cluster", ["nodes", "state", "age", "autostart"], "API server", DIM);
        for cluster in &clusters {
            let (state, style) = match cluster.state() {
                ClusterState::Running => ("running".to_owned(), GREEN),
                ClusterState::Stopped => ("stopped".to_owned(), YELLOW),
                ClusterState::Partial => {
                    let running = cluster.nodes.iter().filter(|node| node.is_running()).count();
                    (format!("{running} of {} nodes run", cluster.nodes.len()), YELLOW)
                }
            };
            let api =
                cluster.api().map_or_else(|| "-".to_owned(), |p| format!("{}:{}", p.host_ip, p.host_port));
            let nodes = cluster.nodes.len().to_string();
            let age = age(&session.host, cluster.created());
            let autostart = if autostart.has(&cluster.name) { "on" } else { "off" };
            row(&cluster.name, [&nodes, &state, &age, autostart], &api, style);
        }
        let stopped = clusters.iter().find(|cluster| cluster.state() != ClusterState::Running);
        if let Some(stopped) = stopped {
            out(&format!(
                "\nStart it: {}",
                styled(BOLD, &format!("kind-wsl cluster start {}", stopped.name))
            ));
        }
        Ok(Exit::Done)
    }
}

fn document(cluster: &Cluster, autostart: bool) -> serde_json::Value {
    let time = |seconds| jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string());
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| {
            json!({
                "name": node.name, "role": node.role, "state": node.state, "running": node.is_running(),
                "created": node.created.and_then(time), "ports": node.ports
            })
        })
        .collect();
    json!({
        "name": cluster.name, "state": cluster.state(), "created": cluster.created().and_then(time),
        "api": cluster.api(), "autostart": autostart, "nodes": nodes
    })
}

/// The time since then, in the largest unit that fits twice, as `kubectl get` shows it.
fn age(host: &LiveSystem, created: Option<i64>) -> String {
    let now = host.now().parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    let (Ok(now), Some(created)) = (now, created) else { return "-".to_owned() };
    let seconds = now.saturating_sub(created).max(0);
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    unit.map_or_else(|| format!("{seconds}s"), |(length, name)| format!("{}{name}", seconds / length))
}
