//! Commands of the provider, in the cgroup and the session in which its containers can run.

use std::time::Duration;

use super::Cluster;
use super::autostart::{EVERY, unit};
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
    /// `podman WORDS…` in a scope of its own. When the systemd user manager stops, the units of autostart stop the nodes before
    /// it ends the scope: the order of stops is the reverse of `Before=` (systemd.unit(5)).
    fn in_scope(&self, words: &[&str], bound: Duration) -> Cmd {
        let mut cmd = delegated(self.host, self.user, &[&[self.cluster.provider.name()], words].concat());
        if let Some(end) = cmd.args.iter().position(|arg| arg == "--") {
            let units = format!("--property=Before={} {EVERY}", unit(&self.cluster.name));
            cmd.args.insert(end, units);
        }
        self.complete(cmd, bound)
    }

    /// `podman WORDS…` in the cgroup of this process. A systemd user manager that is stopping creates no scope.
    fn directly(&self, words: &[&str], bound: Duration) -> Cmd {
        self.complete(Cmd::new(self.cluster.provider.name(), words.iter().copied()), bound)
    }

    /// Adds the user, the variables of the session and the limit.
    fn complete(&self, cmd: Cmd, bound: Duration) -> Cmd {
        let (system, user, provider) = (self.host, self.user, self.cluster.provider);
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

    /// Starts or unpauses a node.
    pub(super) fn start(&self, verb: &str, node: &Node, bound: Duration) -> Result<Output, HostError> {
        self.host.run(&self.in_scope(&[verb, &node.name], bound), &mut |_| {})
    }

    /// Stops or unpauses nodes.
    pub(super) fn stop(&self, words: &[&str], bound: Duration) -> Result<Output, HostError> {
        self.host.run(&self.directly(words, bound), &mut |_| {})
    }

    /// Asks the provider.
    pub(super) fn ask(&self, words: &[&str], bound: Duration) -> Result<Output, HostError> {
        self.host.run_readonly(&self.directly(words, bound))
    }

    /// Asks something in a node.
    pub(super) fn ask_in(&self, node: &Node, words: &[&str], bound: Duration) -> Result<Output, HostError> {
        self.host.run_readonly(&self.in_scope(&[&["exec", &node.name], words].concat(), bound))
    }

    /// `kubectl get`, in the node and as its administrator.
    pub(super) fn kubectl_get(
        &self,
        node: &Node,
        what: &[&str],
        bound: Duration,
    ) -> Result<Output, HostError> {
        let get = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--request-timeout=10s", "get"];
        self.ask_in(node, &[&get, what].concat(), bound)
    }
}
