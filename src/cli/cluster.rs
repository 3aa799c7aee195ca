//! `kind-wsl cluster`: the clusters that kind created, and starting and stopping them.

mod autostart;
mod list;
mod run;

use clap::{Args, Subcommand};

use super::Global;
use super::logon::Logon;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::host::System;
use crate::provider::Provider;
use crate::stage::Answers;
use autostart::Switch;
use list::ClusterList;
use run::{StartCommand, StopCommand};

/// The commands of `cluster`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl cluster list         show the clusters and whether they run\n  kind-wsl cluster start dev    start a cluster and wait until it works\n  kind-wsl cluster stop         stop the only cluster"
)]
pub(crate) struct ClusterCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start clusters when this distribution starts (on, off)
    #[command(subcommand)]
    Autostart(Switch),
    /// List the clusters: nodes, state, age, autostart, API server
    List(ClusterList),
    /// Start this distribution when you sign in to Windows (on, off)
    #[command(subcommand)]
    Logon(Logon),
    /// Start a cluster and wait until its API server and nodes are ready
    Start(StartCommand),
    /// Stop a cluster: workers first
    Stop(StopCommand),
}

impl ClusterCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        match &self.action {
            Action::Autostart(switch) => switch.run(global),
            Action::List(list) => list.run(global),
            Action::Logon(switch) => switch.run(global),
            Action::Start(start) => start.run(global),
            Action::Stop(stop) => stop.run(global),
        }
    }
}

/// The provider that kind uses: from the environment, otherwise from the setup.
pub(super) fn provider(session: &Session) -> Provider {
    let set = session.host.env("KIND_EXPERIMENTAL_PROVIDER").and_then(|name| name.parse().ok());
    set.unwrap_or_else(|| Answers(session.journal_state.answers.clone()).provider())
}

/// A failure to list the clusters.
fn cannot_list(why: String) -> Failure {
    let mut failure = Failure::new("cannot list the clusters", Some("kind-wsl doctor".to_owned()));
    failure.causes.push(why);
    failure
}
