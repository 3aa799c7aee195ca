//! Faults of clusters after a restart or a long time: addresses, certificates, autostart.

use super::node::{CLUSTERS, exec, nodes};
use super::{Check, CheckContext, Outcome, Status, check};
use crate::cluster::autostart::{Autostart, EVERY, TEMPLATE, UNITS};
use crate::cluster::{CONTROL_PLANE, LOAD_BALANCER};
use crate::fix::command;
use crate::host::Output;
use crate::inspect::Node;

/// The nodes that run and can be asked.
fn running(c: &CheckContext<'_>) -> Result<Vec<Node>, Outcome> {
    let mut nodes = nodes(c)?;
    nodes.retain(|node| node.is_running() && !node.is_paused() && node.role != LOAD_BALANCER);
    if nodes.is_empty() { Err(Outcome::skipped("no node runs")) } else { Ok(nodes) }
}

/// Prints the address that the kubelet of a node was given, then every address of the node.
const BOTH: &str =
    "sed -n 's/.*--node-ip=\\([0-9.]*\\).*/\\1/p' /var/lib/kubelet/kubeadm-flags.env; ip -4 -o addr show";

// kind's entrypoint replaces the address at a start (kind `images/base/files/usr/local/bin/entrypoint`). The kubelet of a node
// with another `--node-ip` than its own does not report its status (`pkg/kubelet/kubelet_node_status.go`, `validateNodeIP`).
pub(super) static ADDRESSES: Check =
    check("node-addresses", "the addresses of nodes are those in their files", |c| {
        let nodes = match running(c) {
            Ok(nodes) => nodes,
            Err(outcome) => return outcome,
        };
        let mut same = 0;
        for node in &nodes {
            let Ok(Output { code: 0, stdout, .. }) = exec(c, node, &["sh", "-c", BOTH]) else { continue };
            let Some((given, present)) = stdout.split_once('\n').filter(|(given, _)| given.contains('.'))
            else {
                continue;
            };
            if !present.contains(&format!(" {given}/")) {
                let details = format!("the files of {} have {given}, which is not its address", node.name);
                let fix = command(format!("kind-wsl cluster start {}", node.cluster));
                return Outcome::error(details, "the node does not become Ready", fix);
            }
            same += 1;
        }
        if same == 0 {
            return Outcome::unknown("no node answers");
        }
        Outcome::ok(format!("{same} of {} nodes have their address", nodes.len()))
    })
    .needs(const { &[&CLUSTERS] });

const CERTIFICATE: &str = "/etc/kubernetes/pki/apiserver.crt";

// kubeadm's certificates are valid for a year (kubernetes.io, "Certificate Management with kubeadm"), and kind renews none.
pub(super) static CERTIFICATES: Check =
    check("certificates", "the certificates of clusters are valid", |c| {
        let nodes = match running(c) {
            Ok(nodes) => nodes,
            Err(outcome) => return outcome,
        };
        let mut valid = Vec::new();
        for node in nodes.iter().filter(|node| node.role == CONTROL_PLANE) {
            let words = ["openssl", "x509", "-noout", "-enddate", "-checkend", "0", "-in", CERTIFICATE];
            let Ok(Output { code, stdout, .. }) = exec(c, node, &words) else { continue };
            let Some(end) = stdout.lines().find_map(|line| line.strip_prefix("notAfter=")) else { continue };
            if code != 0 {
                let details = format!("the certificate of {}'s API server was valid until {end}", node.name);
                let renew = format!("{} exec {} kubeadm certs renew all", c.answers.provider(), node.name);
                let stop = format!("kind-wsl cluster stop {}", node.cluster);
                let start = format!("kind-wsl cluster start {}", node.cluster);
                let effect = "kubectl and the nodes refuse the API server";
                // The kubeconfig of the user has a certificate of the same age.
                let export = format!("kind-wsl kind export kubeconfig --name {}", node.cluster);
                let outcome = Outcome::error(details, effect, command(renew));
                return outcome.then(command(stop)).then(command(start)).then(command(export));
            }
            valid.push(format!("{} until {end}", node.name));
        }
        if valid.is_empty() {
            return Outcome::unknown("no control plane shows its certificate");
        }
        Outcome::ok(valid.join(", "))
    })
    .needs(const { &[&CLUSTERS] });

/// The names of the clusters; `None` if the provider does not answer.
fn known(c: &CheckContext<'_>) -> Option<Vec<String>> {
    match nodes(c) {
        Ok(nodes) => Some(nodes.into_iter().map(|node| node.cluster).collect()),
        Err(outcome) => (outcome.status == Status::Skipped).then(Vec::new),
    }
}

pub(super) static AUTOSTART: Check = check("autostart", "clusters start when the distribution starts", |c| {
    let (system, user) = (c.system, &c.facts.user);
    let autostart = Autostart::present(system, user);
    let (what, unit, of) = match &autostart {
        Autostart::Every => ("every cluster".to_owned(), EVERY, String::new()),
        Autostart::Of(names) if names.is_empty() => {
            return Outcome::skipped("no cluster starts by itself");
        }
        Autostart::Of(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            (format!("cluster {}", names.join(", ")), TEMPLATE, format!(" {}", names[0]))
        }
    };
    if let Autostart::Of(names) = &autostart
        && let Some(known) = known(c)
        && let Some(gone) = names.iter().find(|name| !known.contains(name))
    {
        let off = command(format!("kind-wsl cluster autostart off {gone}"));
        return Outcome::warning(
            format!("cluster {gone} does not exist"),
            "its unit fails at each start",
            off,
        );
    }
    let effect = "clusters do not start with the distribution";
    let again = || command(format!("kind-wsl cluster autostart on{of}"));
    let path = user.home.join(UNITS).join(unit);
    let text = system.text(path.as_str()).unwrap_or_default();
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let Some(start) = start else {
        return Outcome::warning(format!("{path} starts nothing"), effect, again());
    };
    // A path with other characters is in quotation marks.
    let program = start.split(' ').next().unwrap_or_default();
    if program.starts_with('/') && !system.exists(program) {
        return Outcome::warning(format!("{path} starts {program}, which does not exist"), effect, again());
    }
    if !c.facts.wsl.is_two() {
        // loginctl(1), enable-linger; systemd `src/login/logind-user.c`.
        let lingers = system.exists(&format!("/var/lib/systemd/linger/{}", user.name));
        let details = format!("{what}, at boot");
        let details = if lingers { details } else { format!("{} has no linger", user.name) };
        let fix = command(format!("sudo loginctl enable-linger {}", user.name));
        return Outcome::prefer(lingers, details, "clusters start only when the user logs in", fix);
    }
    if c.facts.windows.never_idle().is_none() {
        let effect = "WSL stops the distribution and its clusters 15 s after the last terminal closes";
        return Outcome::warning(
            format!("{what}, but WSL stops when idle"),
            effect,
            command("kind-wsl setup --idle"),
        );
    }
    Outcome::ok(what)
});
