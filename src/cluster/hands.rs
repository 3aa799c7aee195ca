//! Commands of the provider, in the cgroup and the session in which its containers can run.

use std::time::Duration;

use super::Cluster;
use crate::host::{Account, Cmd, HostError, LiveSystem, Output, System};
use crate::inspect::Node;
use crate::provider::{
    Provider, corrections, delegated, is_session_of, is_session_variable, with_docker_host, with_sbin,
};

/// A step of `cluster start` or `cluster stop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The condition that the run waits for.
    Waiting(String),
    Done(&'static str, String),
    Warning(String),
}

/// The provider's program, for one cluster.
pub(super) struct Hands<'h> {
    pub(super) host: &'h LiveSystem,
    pub(super) user: &'h Account,
    pub(super) cluster: &'h Cluster,
}

impl Hands<'_> {
    /// `podman WORDS…`.
    fn command(&self, words: &[&str], bound: Duration) -> Cmd {
        let (system, user, provider) = (self.host, self.user, self.cluster.provider);
        let cmd = delegated(system, user, &[&[provider.name()], words].concat());
        let mut cmd = with_docker_host(cmd, system, user, provider);
        if provider == Provider::Nerdctl {
            cmd = cmd.with_env("PATH", &with_sbin(&system.env("PATH").unwrap_or_default()));
        }
        if is_session_of(system, user) {
            let is_unset = |name: &str| system.env(name).is_none_or(|value| value.is_empty());
            let session = user.env().into_iter();
            let session = session.filter(|(name, _)| is_session_variable(name) && is_unset(name));
            cmd = session.fold(cmd, |cmd, (name, value)| cmd.with_env(name, &value));
        }
        let wrong = corrections(system, user);
        let cmd = wrong.iter().fold(cmd, |cmd, c| cmd.with_env(c.name, &c.right));
        cmd.as_user(user).timeout(bound)
    }

    /// Runs a command that changes something.
    pub(super) fn run(&self, words: &[&str], bound: Duration) -> Result<Output, HostError> {
        self.host.run(&self.command(words, bound), &mut |_| {})
    }

    /// Asks something.
    pub(super) fn ask(&self, words: &[&str], bound: Duration) -> Result<Output, HostError> {
        self.host.run_readonly(&self.command(words, bound))
    }

    /// Asks something in a node.
    pub(super) fn ask_in(&self, node: &Node, words: &[&str]) -> Result<Output, HostError> {
        self.ask(&[&["exec", &node.name], words].concat(), Duration::from_secs(20))
    }

    /// `kubectl get`, in the node and as its administrator.
    pub(super) fn kubectl_get(&self, node: &Node, what: &[&str]) -> Result<Output, HostError> {
        let get = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--request-timeout=10s", "get"];
        self.ask_in(node, &[&get, what].concat())
    }
}
