//! `kind-wsl cluster start` and `stop`.

use std::time::Duration;

use clap::Args;

use super::super::Global;
use super::super::session::Session;
use super::{cannot_list, provider};
use crate::change::Target;
use crate::cluster::{self, Cluster, ClusterState, Start, StartError, Step};
use crate::engine::{Event, Reporter};
use crate::error::{Exit, Failure};
use crate::suggest::did_you_mean;
use crate::ui::{self, BOLD, out, styled};

/// The cluster that a command is for.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Name of the cluster (default: the only one)
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Every cluster
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct StartCommand {
    #[command(flatten)]
    which: Which,
    /// Limit of each wait: for the list of nodes, systemd in a node, the API
    /// server, the nodes
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
}

#[derive(Debug, Args)]
pub(super) struct StopCommand {
    #[command(flatten)]
    which: Which,
}

impl Which {
    /// The clusters that are meant.
    fn choose(&self, session: &Session, patience: Duration) -> Result<Vec<Cluster>, Failure> {
        if let Some(name) = self.name.as_ref().filter(|name| !cluster::is_name(name)) {
            return Err(not_a_name(name));
        }
        let provider = provider(session);
        let clusters = cluster::list(&session.host, &session.user, provider, patience);
        let mut clusters = clusters.map_err(cannot_list)?;
        if self.all {
            return Ok(clusters);
        }
        let names: Vec<String> = clusters.iter().map(|cluster| cluster.name.clone()).collect();
        match &self.name {
            Some(name) => clusters.retain(|cluster| cluster.name == *name),
            None if clusters.len() > 1 => {
                let text = format!("there are {} clusters", clusters.len());
                return Err(Failure::usage(text, format!("name one of {}, or use --all", names.join(", "))));
            }
            None => {}
        }
        if !clusters.is_empty() {
            return Ok(clusters);
        }
        let what = self.name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
        let near = self.name.as_ref().and_then(|name| did_you_mean(name, names.iter().map(String::as_str)));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "kind-wsl kind create cluster".to_owned(),
            None => format!("the clusters of {provider} are {}", names.join(", ")),
        };
        Err(Failure::new(format!("{provider} has no cluster{what}"), Some(hint)))
    }
}

pub(super) fn not_a_name(name: &str) -> Failure {
    Failure::usage(
        format!("`{name}` is not a name that kind accepts"),
        "kind's names have only a-z, 0-9, `-` and `.`",
    )
}

/// Shows the steps as setup shows its changes.
fn show(reporter: &mut dyn Reporter, step: Step) {
    match step {
        Step::Waiting(text) => reporter.event(&Event::Waiting(&text)),
        Step::Done(verb, object) => {
            let target = Target { verb: verb.to_owned(), object, detail: String::new() };
            reporter.event(&Event::Changed { target: &target });
        }
        Step::Warning(text) => reporter.event(&Event::Warn(&text)),
    }
}

impl StartCommand {
    pub(super) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::local(global, None)?;
        let patience = Duration::from_secs(self.timeout);
        let clusters = self.which.choose(&session, patience)?;
        let stop = Session::stop();
        // A cluster that does not start keeps no other from starting.
        let mut failed = Ok(Exit::Done);
        for cluster in &clusters {
            let mut reporter = ui::reporter(false, global.verbose, global.quiet);
            let start = Start { host: &session.host, user: &session.user, cluster, patience, stop: &stop };
            let done = start.run(&mut |step| show(&mut *reporter, step));
            drop(reporter);
            if let Err(error) = done {
                let failure = failure(&error, cluster);
                let ends = failure.exit == Exit::Interrupted;
                if let Err(earlier) = std::mem::replace(&mut failed, Err(failure)) {
                    ui::fail(&earlier);
                }
                if ends {
                    break;
                }
            } else if !global.quiet {
                out(&format!("Cluster {} is running.", styled(BOLD, &cluster.name)));
            }
        }
        failed
    }
}

fn failure(error: &StartError, cluster: &Cluster) -> Failure {
    let mut failure = Failure::new(error.to_string(), Some(error.hint(cluster)));
    failure.causes.extend(std::error::Error::source(error).map(ToString::to_string));
    if matches!(error, StartError::Interrupted) {
        failure.exit = Exit::Interrupted;
    }
    failure
}

impl StopCommand {
    pub(super) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let session = Session::local(global, None)?;
        let clusters = self.which.choose(&session, cluster::PATIENCE)?;
        for cluster in &clusters {
            let name = styled(BOLD, &cluster.name);
            if cluster.state() == ClusterState::Stopped {
                if !global.quiet {
                    out(&format!("Cluster {name} is not running."));
                }
                continue;
            }
            let mut reporter = ui::reporter(false, global.verbose, global.quiet);
            let (host, user) = (&session.host, &session.user);
            let done = cluster::stop(host, user, cluster, &mut |step| {
                show(&mut *reporter, step);
            });
            drop(reporter);
            done?;
            if global.quiet {
                continue;
            }
            out(&format!("Cluster {name} is stopped."));
        }
        Ok(Exit::Done)
    }
}
