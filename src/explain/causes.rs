//! The checks that confirm or rule out the cause of each entry, by the number in its ID; for a family, the checks of its
//! component. Without a check, the presence of the cause is unknown.

use super::Id;
use crate::checks::{Check, CheckContext, DOCKER_COMMAND, PODMAN_LABELS, Scope, Status};
use crate::checks::{
    cgroup, docker_desktop, engine, images, kernel, kind, namespace, network, node, podman, session, wsl,
};

/// The numbers of entries, and the checks of their cause.
static CAUSES: &[(&[u16], &[&Check])] = &[
    (&[1], &[&session::CONTROLLERS, &session::SHELL]),
    (&[2, 3, 4, 5, 10, 11, 12, 13], &[&cgroup::V2]),
    (&[6], &[&wsl::VERSION, &wsl::STARTS]),
    (&[7], &[&cgroup::USER_SLICE]),
    (&[8], &[&cgroup::ISOLATION]),
    (&[9], &[&cgroup::V1_MEMORY]),
    (&[14, 24, 25], &[&cgroup::SYSTEMD]),
    (&[15], &[&cgroup::SYSTEMD, &session::ACTIVE]),
    (&[16, 17], &[&session::BUS]),
    (&[18, 19], &[&session::HIDDEN]),
    (&[20], &[&session::ACTIVE]),
    (&[21], &[&session::RUNTIME_OWNER]),
    (&[22], &[&session::WSLG]),
    (&[23], &[&session::RUNTIME_DIR]),
    (&[26], &[&session::RUN_IN_TMP]),
    (&[27], &[&podman::CRUN_KERNEL]),
    (&[28], &[&podman::CRUN_PODMAN]),
    (&[29, 30], &[&podman::CRUN_OPENAT2]),
    (&[31], &[&podman::CRUN_1_29]),
    (&[32], &[&podman::CRUN_0]),
    (&[33], &[&kernel::SHARED_ROOT]),
    (&[34], &[&session::SUBORDINATE_IDS, &session::NEWUIDMAP, &session::SETUID]),
    (&[35], &[&session::NEWUIDMAP]),
    (&[36], &[&kernel::USER_NAMESPACES]),
    (&[37], &[&kernel::APPARMOR]),
    (&[38], &[&kernel::OVERLAY]),
    (&[39], &[&network::CNI_VERSION]),
    (&[40, 114], &[&network::BRIDGE]),
    (&[42], &[&kernel::MODULES]),
    (&[43], &[&kernel::XT_RECENT]),
    (&[44], &[&network::PORTS]),
    (&[46], &[&wsl::MIRRORED]),
    (&[47], &[&kernel::LOW_PORTS]),
    (&[48], &[&network::RESOLV_FILE, &network::ROOTLESS_NETWORK]),
    (&[49], &[&podman::LOG_DRIVER, &session::SUBORDINATE_IDS, &kernel::INOTIFY_LIMITS, &podman::PIDS]),
    (&[50], &[&kernel::INOTIFY_LIMITS]),
    (&[51], &[&podman::PIDS]),
    (&[53], &[&DOCKER_COMMAND]),
    (&[54], &[&PODMAN_LABELS]),
    (&[56], &[&wsl::INTEROP]),
    (&[58], &[&wsl::RESTART]),
    (&[60], &[&wsl::KERNEL_PARAMETERS]),
    (&[61], &[&session::REFUSED]),
    (&[62], &[&network::IPTABLES]),
    (&[63], &[&network::IPTABLES_MODULES]),
    (&[64, 65], &[&network::IPV6]),
    (&[67], &[&session::CONTROLLERS, &session::SHELL]),
    (&[52], &[&node::CLUSTERS]),
    (&[69], &[&docker_desktop::DEFAULT]),
    (&[70], &[&namespace::NFT]),
    (&[72], &[&kind::KIND_VERSION]),
    (&[73], &[&docker_desktop::STUB]),
    (&[74], &[&images::POLICY]),
    (&[75], &[&kernel::KEYRINGS]),
    (&[78], &[&kernel::APPARMOR]),
    (&[80], &[&session::VARIABLES]),
    (&[81], &[&namespace::BRIDGE_DEVICE]),
    (&[97], &[&images::PROXY]),
    (&[101], &[&namespace::TUN]),
    (&[79], &[&engine::NERDCTL]),
    (&[84], &[&podman::CRUN_KERNEL, &podman::CRUN_PODMAN]),
    (&[68, 94, 100], &[&wsl::CONFIG]),
    (&[90], &[&session::CONTROLLERS]),
    (&[91, 92], &[&cgroup::V2]),
];

/// The numbers of families, and the checks of their component.
static COMPONENTS: &[(&[u16], &[&Check])] = &[
    (&[200, 201, 207], &[&network::NETWORK, &namespace::NFT, &network::IPTABLES_AND_MODULES, &network::IPV6]),
    (&[202], &[&network::BRIDGE, &network::RESOLV]),
    (&[203, 204], &[&network::ROOTLESS_NETWORK, &namespace::TUN]),
    (&[205], &[&kernel::APPARMOR, &session::MAPPING, &kernel::USER_NAMESPACES]),
    (&[206], &[&kernel::APPARMOR]),
    (&[209], &[&images::PROXY]),
    (&[210], &[&images::POLICY, &images::PROXY, &network::RESOLV]),
    (&[211], &[&network::RESOLV]),
    (&[213], &[&node::CLUSTERS, &network::PORTS, &wsl::MIRRORED]),
    (&[219], &[&cgroup::SYSTEMD, &cgroup::V2]),
    (&[220], &[&cgroup::SYSTEMD, &session::MANAGER, &session::RUNTIME, &session::BUS]),
    (&[221], &[&podman::CRUN_KERNEL, &podman::CRUN_PODMAN, &cgroup::V2, &session::CONTROLLERS]),
    (&[222, 226], &[&cgroup::V2, &session::CONTROLLERS, &session::SHELL]),
    (&[223, 240], &[&podman::PODMAN, &session::MANAGER]),
    (&[224], &[&kernel::OVERLAY, &session::MAPPING]),
    (&[225], &[&kernel::USER_NAMESPACES, &kernel::APPARMOR, &session::MAPPING]),
    (&[227, 242], &[&kind::KIND_VERSION, &PODMAN_LABELS]),
    (&[228, 244], &[&cgroup::V2, &session::CONTROLLERS, &podman::PODMAN, &network::NETWORK]),
    (&[229, 230, 231], &[&cgroup::V2, &kernel::INOTIFY_LIMITS, &podman::PIDS]),
    (&[232, 233, 241], &[&network::IPTABLES_MODULES, &kernel::MODULES]),
    (&[235], &[&node::CLUSTERS]),
    (&[236], &[&kernel::LOW_PORTS]),
    (&[238], &[&engine::NERDCTL]),
    (&[245], &[&kernel::KEYRINGS, &kernel::INOTIFY_LIMITS, &kernel::OPEN_FILES_LIMIT]),
    (&[246], &[&engine::DOCKER]),
    (&[248], &[&wsl::STARTS]),
    (&[252], &[&session::LOCAL_BIN]),
];

/// Returns the checks of an entry. The cause is present if any of them fails, and ruled out if all pass.
#[must_use]
pub fn checks(id: Id) -> &'static [&'static Check] {
    let mut all = CAUSES.iter().chain(COMPONENTS);
    all.find(|(numbers, _)| numbers.contains(&id.0)).map_or(&[], |(_, checks)| checks)
}

/// Whether the cause of a symptom is present on this machine, with the details of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A check confirms it.
    Present(String),
    /// Every check rules it out.
    Absent(String),
    /// No check could decide.
    Unknown(String),
}

/// Returns whether the cause of a symptom is present; `None` if it has no check.
#[must_use]
pub fn presence(id: Id, context: &CheckContext<'_>) -> Option<Presence> {
    let (mut passed, mut unknown) = (None, None);
    for check in checks(id) {
        let outcome = context.outcome(check);
        match outcome.status {
            Status::Error | Status::Warning | Status::Limited => {
                return Some(Presence::Present(outcome.details));
            }
            // Another program's change can wait for a restart, too.
            Status::Ok if check.id == wsl::RESTART.id => unknown = Some(outcome.details),
            Status::Ok => passed = passed.or(Some(outcome.details)),
            // A cause that exists only on WSL is ruled out on other systems.
            Status::Skipped if matches!(check.excluded(context.facts, None), Some((Scope::Wsl, _))) => {
                passed = passed.or(Some(outcome.details));
            }
            Status::Skipped | Status::Unknown => unknown = unknown.or(Some(outcome.details)),
        }
    }
    unknown.map(Presence::Unknown).or(passed.map(Presence::Absent))
}
