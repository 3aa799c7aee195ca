//! `kind-wsl cluster`: the clusters that kind created, and starting and stopping them.

mod list;

use clap::{Args, Subcommand};

use super::Global;
use super::logon::Logon;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::host::System;
use crate::provider::Provider;
use crate::stage::Answers;
use list::ClusterList;

/// The commands of `cluster`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl cluster list              show the clusters and whether they run"
)]
pub(crate) struct ClusterCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the clusters: nodes, state, age, API server
    List(ClusterList),
    /// Start this distribution when you sign in to Windows (on, off)
    #[command(subcommand)]
    Logon(Logon),
}

impl ClusterCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        match &self.action {
            Action::List(list) => list.run(global),
            Action::Logon(switch) => switch.run(global),
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
