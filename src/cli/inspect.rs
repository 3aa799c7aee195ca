//! `kind-wsl inspect`: where a cluster's processes live, what is delegated to them, who they are outside.

mod watch;

use std::cell::RefCell;

use anstyle::Style;
use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

use super::Global;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::host::{Account, System, accounts};
use crate::inspect::json::Below;
use crate::inspect::view::{Options, Scene};
use crate::inspect::{Condition, Inspection, Node, Pods, Reader, UserMap, node};
use crate::near::closest;
use crate::provider::Provider;
use crate::stage::Answers;
use crate::ui::{self, BOLD, DIM, GREEN, RED, VERSION, YELLOW, cgroups, columns, json_whole, out, styled};

/// The version of the JSON; documented in `docs/json.md`.
const SCHEMA: u32 = 1;
/// The width of a picture, in characters.
const PICTURE: usize = 150;

/// The flags of `inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 4 where a node lacks what its Kubernetes needs to start, or where there is nothing to see because of a fault.\n\n\
                  Examples:\n  kind-wsl inspect                   every cluster\n  kind-wsl inspect dev --processes   one, with each process and its two users\n  \
                  kind-wsl inspect --watch           again and again, with keys\n  kind-wsl inspect --svg tree.svg    a picture for a bug report"
)]
#[allow(clippy::struct_excessive_bools, reason = "one a flag")]
pub(crate) struct Inspect {
    /// This cluster alone, or this node.
    #[arg(value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Draw it again every two seconds, with keys to move, fold and sort.
    #[arg(long, conflicts_with_all = ["json", "svg"])]
    watch: bool,
    /// Show so many levels below a node.
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    /// Show each process: its number, its user and its command line, here and inside.
    #[arg(long)]
    processes: bool,
    /// Show every cgroup, not only the way to the nodes.
    #[arg(long)]
    all: bool,
    /// Also draw it into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<Utf8PathBuf>,
    /// Print JSON.
    #[arg(long, conflicts_with = "svg")]
    json: bool,
}

/// Everything that one look gave.
struct Look {
    seen: Inspection,
    pods: Pods,
    /// What did not answer.
    silent: Vec<String>,
}

impl Inspect {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::local(global, None)?;
        let provider = provider(&session);
        let look = Look::at(&session, provider, self.cluster.as_deref())?;
        if self.json {
            self.print_json(&session, provider, &look);
        } else if self.watch {
            watch::run(self, &session, provider, look)?;
            return Ok(Exit::Done);
        } else {
            let accounts = accounts(&session.host);
            out(&self.screen(&session, provider, &look, &accounts, width_of_screen()).join("\n"));
            if let Some(path) = &self.svg {
                let text = self.screen(&session, provider, &look, &accounts, Some(PICTURE)).join("\n");
                let picture = ui::picture(&text);
                session.host.write_host_path(path, picture.as_bytes(), 0o644).map_err(|e| {
                    Failure::new(
                        format!("cannot write `{path}`: {e}"),
                        Some("`--svg` takes a file that may be written".to_owned()),
                    )
                })?;
            }
        }
        Ok(if look.is_at_fault() { Exit::Found } else { Exit::Done })
    }

    fn options(&self) -> Options {
        Options { all: self.all, depth: self.depth, processes: self.processes, ..Options::default() }
    }

    /// The whole text.
    fn screen(
        &self,
        session: &Session,
        provider: Provider,
        look: &Look,
        accounts: &[Account],
        width: Option<usize>,
    ) -> Vec<String> {
        let mut screen = look.heading(session, provider, width);
        let Some(tree) = &look.seen.tree else { return screen };
        let scene = Scene { tree, nodes: look.seen.nodes(), pods: &look.pods, accounts, percent: &[] };
        let lines = scene.lines(&mut Reader::new(&session.host), &self.options());
        screen.push(String::new());
        screen.extend(cgroups::table(&lines, width));
        for node in look.seen.nodes() {
            screen.extend(footing(node, accounts, width));
        }
        screen
    }

    fn print_json(&self, session: &Session, provider: Provider, look: &Look) {
        let reader = RefCell::new(Reader::new(&session.host));
        let nodes = look.seen.nodes();
        let tree = look.seen.tree.as_ref();
        let scene = tree.map(|tree| Scene { tree, nodes, pods: &look.pods, accounts: &[], percent: &[] });
        let users =
            nodes.iter().flat_map(|node| node.users.iter().map(|map| User { node: &node.name, map: *map }));
        let below = |scene| Below { scene, reader: &reader, at: 0, depth: self.depth };
        json_whole(&Whole {
            v: VERSION,
            schema: SCHEMA,
            provider: provider.name(),
            cgroup: look.seen.mounts.to_string(),
            silent: &look.silent,
            nodes,
            users: users.collect(),
            tree: scene.as_ref().filter(|scene| !scene.tree.cgroups.is_empty()).map(below),
        });
    }
}

#[derive(Serialize)]
struct Whole<'l, 's, 'w> {
    v: u32,
    schema: u32,
    provider: &'static str,
    cgroup: String,
    silent: &'l [String],
    nodes: &'l [Node],
    users: Vec<User<'l>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<Below<'s, 'w>>,
}

#[derive(Serialize)]
struct User<'l> {
    node: &'l str,
    #[serde(flatten)]
    map: UserMap,
}

/// Whom kind would ask: what the user tells kind, else what was set up.
fn provider(session: &Session) -> Provider {
    let told = session.host.env("KIND_EXPERIMENTAL_PROVIDER").and_then(|name| name.parse().ok());
    told.unwrap_or_else(|| Answers(session.journal_state.answers.clone()).provider())
}

/// A terminal may be wider than what is good for sentences.
fn width_of_screen() -> Option<usize> {
    let term = dialoguer::console::Term::stdout();
    term.is_term().then(|| usize::from(term.size().1).max(60))
}

impl Look {
    /// Looks at one cluster, or at all: the provider and the nodes are asked while the tree is read.
    fn at(session: &Session, provider: Provider, cluster: Option<&str>) -> Result<Self, Failure> {
        let (host, user) = (&session.host, &session.user);
        let (mut pods, mut silent, mut unknown) = (Pods::default(), Vec::new(), None);
        let seen = Inspection::probe(host, user, || {
            let mut nodes = node::list(host, user, provider);
            match &mut nodes {
                Ok(nodes) => {
                    unknown = cluster.and_then(|cluster| choose(nodes, cluster, provider).err());
                    // A paused node would answer when it is thawed.
                    let answers = |node: &&Node| node.is_running() && !node.state.starts_with("paused");
                    if unknown.is_none() {
                        (pods, silent) = Pods::ask(host, user, provider, nodes.iter().filter(answers));
                    }
                }
                Err(why) => silent.push(format!("{why}: the names and states of nodes are missing")),
            }
            nodes
        });
        if let Some(tree) = seen.tree.as_ref().filter(|_| !silent.is_empty()) {
            pods.learn_shims(tree, &mut Reader::new(host));
        }
        unknown.map_or(Ok(Self { seen, pods, silent }), Err)
    }

    fn is_at_fault(&self) -> bool {
        let nodes = self.seen.nodes();
        self.seen.tree.is_none()
            || self.seen.nodes.is_err()
            || nodes.iter().any(|node| node.faults().any(Condition::is_fatal))
    }

    /// What is seen, in a line or two.
    fn heading(&self, session: &Session, provider: Provider, width: Option<usize>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |style: Style, text: &str| {
            lines.extend(ui::wrap(text, width).iter().map(|line| styled(style, line)));
        };
        let Some(tree) = &self.seen.tree else {
            say(
                RED,
                &format!("/sys/fs/cgroup is {}: there is no tree of cgroup v2 to be seen.", self.seen.mounts),
            );
            say(DIM, "`kind-wsl plan` shows what gives this machine one.");
            return lines;
        };
        let place = if self.seen.at_manager {
            format!("from the service manager of {} down: {}", session.user.name, tree.path)
        } else {
            format!(
                "from {} down; the service manager of {} does not run, or a node is elsewhere",
                tree.path, session.user.name
            )
        };
        say(Style::new(), &format!("{}, {place}", self.seen.mounts));
        match &self.seen.nodes {
            Ok(nodes) if nodes.is_empty() => {
                say(
                    Style::new(),
                    &format!("{provider} has no cluster; `kind-wsl kind create cluster` makes one"),
                );
            }
            Ok(nodes) => {
                for node in nodes {
                    let Node { name, role, cluster, state, .. } = node;
                    let (style, where_it_is) = match &node.at {
                        Some(_) if state.starts_with("paused") => (YELLOW, ""),
                        Some(_) => (GREEN, ""),
                        None if node.is_running() => (YELLOW, "; its cgroup was not found"),
                        None => (RED, "; it has no processes and no cgroup"),
                    };
                    let text = format!(
                        "{} ({role} of {cluster}): {}{where_it_is}",
                        styled(BOLD, name),
                        styled(style, state)
                    );
                    say(Style::new(), &text);
                }
            }
            Err(_) => {}
        }
        for text in &self.silent {
            say(YELLOW, text);
        }
        lines
    }
}

/// Keeps one cluster.
fn choose(nodes: &mut Vec<Node>, wanted: &str, provider: Provider) -> Result<(), Failure> {
    let is_it = |node: &Node| node.cluster == wanted || node.name == wanted;
    if nodes.iter().any(is_it) {
        nodes.retain(is_it);
        return Ok(());
    }
    let mut names: Vec<&str> = nodes.iter().map(|node| node.cluster.as_str()).collect();
    names.dedup();
    let near = closest(wanted, names.iter().copied())
        .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let hint = if names.is_empty() {
        format!("{provider} has no cluster at all; `kind-wsl kind create cluster` makes one")
    } else {
        format!("{near}The clusters of {provider} are: {}", names.join(", "))
    };
    Err(Failure::usage(format!("there is no cluster `{wanted}`"), hint))
}

/// Under the tree: what a node needs, and who its users are outside.
fn footing(node: &Node, accounts: &[Account], width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    if node.conditions.is_empty() {
        return lines;
    }
    lines.push(format!("\n{}", styled(BOLD, &node.name)));
    for condition in &node.conditions {
        let (mark, style) = match condition.holds {
            Some(true) => ("ok", GREEN),
            Some(false) => ("wrong", RED),
            None => ("unknown", YELLOW),
        };
        lines.push(columns(
            &[("", 2, DIM), (mark, 9, style), (condition.id, 14, BOLD)],
            &condition.evidence,
            width,
        ));
    }
    let name = |uid: u32| {
        let account = accounts.iter().find(|account| account.uid == uid);
        account.map_or_else(String::new, |account| format!(" ({})", account.name))
    };
    for map in &node.users {
        let span = |first: u32| match map.count {
            1 => format!("{first}"),
            count => format!("{first} to {}", u64::from(first) + u64::from(count) - 1),
        };
        let inside = if map.inside == 0 && map.count == 1 { " (root)".to_owned() } else { String::new() };
        let text = format!(
            "{}{inside} inside is {}{} outside",
            span(map.inside),
            span(map.outside),
            name(map.outside)
        );
        lines.push(columns(&[("", 2, DIM), ("user", 23, DIM)], &text, width));
    }
    lines
}
