//! Running nodes of other users. Their podman cannot be queried without root, but their processes are visible.

use std::collections::BTreeSet;

use camino::Utf8Path;

use crate::host::{System, accounts, pids};

/// The nodes of all users but this one, each with its user.
pub(super) fn of_others(system: &dyn System, uid: u32) -> BTreeSet<String> {
    let names = accounts(system);
    let node_of = |pid: String| {
        let owner = system.stat(Utf8Path::new(&format!("/proc/{pid}"))).ok()??.uid;
        let node = node(system, &pid).filter(|_| owner != uid && owner != 0)?;
        let user = names.iter().find(|account| account.uid == owner);
        let user = user.map_or_else(|| format!("user ID {owner}"), |account| account.name.clone());
        Some(format!("{node} of {user}"))
    };
    pids(system).filter_map(node_of).collect()
}

/// The name of the node whose process this is. podman gives conmon the container's name (podman
/// `libpod/oci_conmon_common.go`, `sharedConmonArgs`); kind gives the kubelet an ID with the node's name (kind
/// `pkg/cluster/internal/kubeadm/config.go`, `provider-id`).
fn node(system: &dyn System, pid: &str) -> Option<String> {
    let comm = system.text(&format!("/proc/{pid}/comm"))?;
    let is_known = matches!(comm.trim(), "conmon" | "kubelet");
    let cmdline = system.text(&format!("/proc/{pid}/cmdline")).filter(|_| is_known)?;
    let mut args = cmdline.split('\0');
    if comm.trim() == "conmon" {
        return args.skip_while(|arg| *arg != "-n").nth(1).map(ToOwned::to_owned);
    }
    let id = args.find_map(|arg| arg.strip_prefix("--provider-id=kind://"))?;
    id.rsplit('/').next().map(ToOwned::to_owned)
}
