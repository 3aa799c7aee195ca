//! `kind-wsl inspect`: the cgroups of a cluster, their controllers, and the user mapping.

mod watch;

use anstyle::Style;
use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

use super::Global;
use super::cluster::provider;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::host::{Account, accounts};
use crate::inspect::json::CgroupJson;
use crate::inspect::view::{Options, TreeView};
use crate::inspect::{Condition, Inspection, Node, Pods, UserMap, node};
use crate::provider::Provider;
use crate::suggest::did_you_mean;
use crate::ui::{self, BOLD, DIM, GREEN, RED, VERSION, YELLOW, cgroups, columns, json_whole, out, styled};

/// The version of the JSON; documented in `docs/reference/json.md`.
const SCHEMA: u32 = 1;
/// The width of the SVG, in characters.
const SVG_WIDTH: usize = 150;

/// The flags of `inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "The exit code is 4 if a node lacks what Kubernetes needs, or if the cgroup tree\ncannot be read.\n\n\
                  Examples:\n  kind-wsl inspect                   every cluster\n  kind-wsl inspect dev --processes   one cluster, with its processes and users\n  \
                  kind-wsl inspect --watch           refreshed until you press q\n  kind-wsl inspect --svg tree.svg    an SVG for a bug report"
)]
#[allow(clippy::struct_excessive_bools, reason = "one per flag")]
pub(crate) struct Inspect {
    /// Only this cluster or node
    #[arg(value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Refresh every two seconds, with keys to move, fold and sort
    #[arg(long, conflicts_with_all = ["json", "svg"])]
    watch: bool,
    /// Show the path and the controllers of each cgroup
    #[arg(long)]
    cgroups: bool,
    /// Show this many levels below a node
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    /// Show each process: PID, user and command line, outside and inside
    #[arg(long)]
    processes: bool,
    /// Show every cgroup, not only those of nodes and their ancestors
    #[arg(long)]
    all: bool,
    /// Also write an SVG to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<Utf8PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "svg")]
    json: bool,
}

/// One reading of the clusters and the cgroup tree.
struct Snapshot {
    inspection: Inspection,
    pods: Pods,
    /// The programs that did not respond, as sentences.
    silent: Vec<String>,
}

impl Inspect {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::local(global, None)?;
        let provider = provider(&session);
        let snapshot = Snapshot::take(&session, provider, self.cluster.as_deref())?;
        if self.json {
            self.print_json(provider, &snapshot);
        } else if self.watch {
            watch::run(self, &session, provider, snapshot)?;
            return Ok(Exit::Done);
        } else {
            let accounts = accounts(&session.host);
            out(&self.screen(&session, provider, &snapshot, &accounts, width_of_screen()).join("\n"));
            if let Some(path) = &self.svg {
                let text = self.screen(&session, provider, &snapshot, &accounts, Some(SVG_WIDTH)).join("\n");
                let picture = ui::picture(&text);
                session.host.write_host_path(path, picture.as_bytes(), 0o644).map_err(|e| {
                    let hint = "`--svg` needs a file that can be written".to_owned();
                    Failure::new(format!("cannot write `{path}`: {e}"), Some(hint))
                })?;
            }
        }
        Ok(if snapshot.has_fault() { Exit::Found } else { Exit::Done })
    }

    fn options(&self) -> Options {
        Options {
            cgroups: self.cgroups,
            all: self.all,
            depth: self.depth,
            processes: self.processes,
            ..Options::default()
        }
    }

    fn screen(
        &self,
        session: &Session,
        provider: Provider,
        snapshot: &Snapshot,
        accounts: &[Account],
        width: Option<usize>,
    ) -> Vec<String> {
        let mut screen = snapshot.heading(session, provider, self.cgroups || self.all, width);
        let Some(view) = snapshot.view(accounts) else { return screen };
        screen.push(String::new());
        screen.extend(cgroups::table(&view.rows(&self.options()), width));
        screen.extend(footing(view.nodes, accounts, width));
        if ui::is_interactive() && !self.watch {
            let hints = "cgroup paths: --cgroups    processes: --processes    live: --watch";
            screen.extend([String::new(), styled(DIM, hints)]);
        }
        screen
    }

    fn print_json(&self, provider: Provider, snapshot: &Snapshot) {
        let Snapshot { inspection, silent, .. } = snapshot;
        let nodes = inspection.nodes();
        let users =
            nodes.iter().flat_map(|node| node.users.iter().map(|map| User { node: &node.name, map: *map }));
        let view = snapshot.view(&[]).filter(|view| !view.tree.cgroups.is_empty());
        json_whole(&InspectOutput {
            v: VERSION,
            schema: SCHEMA,
            provider: provider.name(),
            cgroup: inspection.mounts.to_string(),
            silent,
            nodes,
            users: users.collect(),
            tree: view.as_ref().map(|view| view.json(0, self.depth)),
        });
    }
}

#[derive(Serialize)]
struct InspectOutput<'s> {
    v: u32,
    schema: u32,
    provider: &'static str,
    cgroup: String,
    silent: &'s [String],
    nodes: &'s [Node],
    users: Vec<User<'s>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<CgroupJson<'s>>,
}

#[derive(Serialize)]
struct User<'s> {
    node: &'s str,
    #[serde(flatten)]
    map: UserMap,
}

/// The width of the terminal. The tree may be wider than text, which is limited to 100 columns.
fn width_of_screen() -> Option<usize> {
    let term = dialoguer::console::Term::stdout();
    term.is_term().then(|| usize::from(term.size().1).max(60))
}

impl Snapshot {
    /// Queries the provider and the nodes and reads the tree, for one cluster or for all.
    fn take(session: &Session, provider: Provider, cluster: Option<&str>) -> Result<Self, Failure> {
        let (host, user) = (&session.host, &session.user);
        let mut nodes = node::list(host, user, provider, node::TIMEOUT);
        let (mut pods, mut silent) = (Pods::default(), Vec::new());
        match &mut nodes {
            Ok(nodes) => {
                if let Some(cluster) = cluster {
                    choose(nodes, cluster, provider)?;
                }
                // A paused node responds only after it is resumed.
                let answers = |node: &&Node| node.is_running() && !node.state.starts_with("paused");
                (pods, silent) = Pods::ask(host, user, provider, nodes.iter().filter(answers));
            }
            Err(why) => silent.push(format!("{why}: the names and states of nodes are missing")),
        }
        let inspection = Inspection::new(host, user, nodes);
        if let Some(tree) = inspection.tree.as_ref().filter(|_| !silent.is_empty()) {
            pods.learn_shims(tree);
        }
        Ok(Self { inspection, pods, silent })
    }

    fn view<'s>(&'s self, accounts: &'s [Account]) -> Option<TreeView<'s>> {
        let tree = self.inspection.tree.as_ref()?;
        Some(TreeView { tree, nodes: self.inspection.nodes(), pods: &self.pods, accounts })
    }

    fn has_fault(&self) -> bool {
        let Inspection { tree, nodes, .. } = &self.inspection;
        let has_fatal = |node: &Node| node.faults().any(|fault| fault.requirement.is_fatal());
        tree.is_none() || nodes.as_ref().map_or(true, |nodes| nodes.iter().any(has_fatal))
    }

    /// The table of nodes and the rows of the tree.
    fn heading(
        &self,
        session: &Session,
        provider: Provider,
        paths: bool,
        width: Option<usize>,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut add = |style: Style, text: &str| {
            lines.extend(ui::wrap(text, width).iter().map(|line| styled(style, line)));
        };
        let Inspection { tree, nodes, mounts, at_manager } = &self.inspection;
        let Some(tree) = tree else {
            add(RED, &format!("/sys/fs/cgroup is {mounts}; inspect needs cgroup v2 there"));
            add(DIM, "run `kind-wsl plan` to show how to enable it");
            return lines;
        };
        let user = &session.user.name;
        let mut clusters: Vec<&str> = self.inspection.nodes().iter().map(|n| n.cluster.as_str()).collect();
        clusters.dedup();
        let cluster = match clusters[..] {
            [] => String::new(),
            [one] => format!("Cluster {one} · "),
            _ => format!("Clusters {} · ", clusters.join(", ")),
        };
        let rootless = if provider == Provider::Podman { " (rootless)" } else { "" };
        add(Style::new(), &format!("{cluster}{provider}{rootless} · user {user} · {mounts}"));
        if paths || clusters.is_empty() {
            add(DIM, &format!("Cgroups below {}", tree.path));
        }
        if !*at_manager && !clusters.is_empty() {
            add(
                YELLOW,
                &format!("The systemd user manager of {user} is not running, or a node is outside it."),
            );
        }
        if nodes.as_ref().is_ok_and(Vec::is_empty) {
            add(Style::new(), &format!("{provider} has no cluster; {CREATE}"));
        }
        for text in &self.silent {
            add(YELLOW, text);
        }
        if !self.inspection.nodes().is_empty() {
            lines.push(String::new());
            lines.extend(node_table(self.inspection.nodes(), width));
        }
        lines
    }
}

/// A row for each node.
fn node_table(nodes: &[Node], width: Option<usize>) -> Vec<String> {
    let size = |head: &str, of: fn(&Node) -> &str| {
        nodes.iter().map(|node| of(node).chars().count()).chain([head.len()]).max().unwrap_or_default() + 2
    };
    let sizes = [size("NODE", |n| &n.name), size("ROLE", |n| &n.role), size("STATUS", |n| &n.state)];
    // The other columns need 32 at most.
    let name = width.map_or(sizes[0], |width| sizes[0].min(width.saturating_sub(sizes[1] + sizes[2] + 14)));
    let row = |cells: [(&str, Style); 3], last: &str| {
        let [(node, bold), (role, plain), (state, style)] = cells;
        let node = ui::shorten(node, name.saturating_sub(2));
        columns(&[(&node, name, bold), (role, sizes[1], plain), (state, sizes[2], style)], last, width)
    };
    let heading = row([("NODE", DIM), ("ROLE", DIM), ("STATUS", DIM)], &styled(DIM, "REQUIREMENTS"));
    let rows = nodes.iter().map(|node| {
        let is_paused = node.state.starts_with("paused");
        let style = match node.at {
            Some(_) if !is_paused => GREEN,
            Some(_) => YELLOW,
            None if node.is_running() => YELLOW,
            None => RED,
        };
        let (style_of_last, last) = requirements(node);
        row(
            [(&node.name, BOLD), (&node.role, Style::new()), (&node.state, style)],
            &styled(style_of_last, &last),
        )
    });
    std::iter::once(heading).chain(rows).collect()
}

fn requirements(node: &Node) -> (Style, String) {
    let names = |wanted: Option<bool>| {
        let those = node.conditions.iter().filter(|condition| condition.holds == wanted);
        those.map(|condition| condition.requirement.name()).collect::<Vec<_>>().join(", ")
    };
    let (missing, unknown) = (names(Some(false)), names(None));
    match node.at {
        None if node.is_running() => (YELLOW, "its cgroup was not found".to_owned()),
        None => (DIM, "no processes and no cgroup".to_owned()),
        Some(_) if !missing.is_empty() => (RED, format!("missing: {missing}")),
        Some(_) if !unknown.is_empty() => (YELLOW, format!("unknown: {unknown}")),
        Some(_) => (GREEN, format!("ok ({count}/{count})", count = node.conditions.len())),
    }
}

const CREATE: &str = "create one with `kind-wsl kind create cluster`";

/// Keeps the nodes of one cluster, or one node.
fn choose(nodes: &mut Vec<Node>, wanted: &str, provider: Provider) -> Result<(), Failure> {
    let is_wanted = |node: &Node| node.cluster == wanted || node.name == wanted;
    if nodes.iter().any(is_wanted) {
        nodes.retain(is_wanted);
        return Ok(());
    }
    let mut names: Vec<&str> = nodes.iter().map(|node| node.cluster.as_str()).collect();
    names.dedup();
    let near = did_you_mean(wanted, names.iter().copied())
        .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let hint = if names.is_empty() {
        format!("{provider} has no cluster; {CREATE}")
    } else {
        format!("{near}clusters of {provider}: {}", names.join(", "))
    };
    Err(Failure::usage(format!("unknown cluster `{wanted}`"), hint))
}

/// The notes below the tree: unmet requirements, and the user IDs of the nodes.
fn footing(nodes: &[Node], accounts: &[Account], width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for node in nodes {
        let unmet = node.conditions.iter().filter(|condition| condition.holds != Some(true));
        for Condition { requirement, holds, evidence } in unmet {
            let (mark, style) = if *holds == Some(false) { ("error", RED) } else { ("unknown", YELLOW) };
            let text = format!("{evidence} ({})", node.name);
            lines.push(columns(&[(mark, 9, style), (requirement.name(), 14, BOLD)], &text, width));
        }
    }
    let mut maps = Vec::new();
    for map in nodes.iter().flat_map(|node| &node.users) {
        let ids = |first: u32| match map.count {
            1 => first.to_string(),
            count => format!("{first}-{}", u64::from(first) + u64::from(count) - 1),
        };
        let account = accounts.iter().find(|account| account.uid == map.outside);
        let outside =
            account.map_or_else(|| ids(map.outside), |a| format!("{} ({})", a.name, ids(map.outside)));
        let plural = if map.count == 1 { "" } else { "s" };
        let text = format!("uid{plural} {} in the node = {outside}", ids(map.inside));
        if !maps.contains(&text) {
            maps.push(text);
        }
    }
    if !maps.is_empty() {
        lines.extend(ui::wrap(&maps.join("; "), width));
    }
    if lines.is_empty() { lines } else { [vec![String::new()], lines].concat() }
}
