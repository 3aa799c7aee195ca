//! Which checks confirm or rule out the cause of each symptom, by its number. Without one the machine cannot tell.

use crate::checks::{Check, CheckContext, DOCKER_COMMAND, PODMAN_LABELS, Scope, Status};
use crate::checks::{cgroup, kernel, network, podman, session, wsl};

/// The numbers of symptoms, and the checks of their cause.
static CAUSES: &[(&[u32], &[&Check])] = &[
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
    (&[40], &[&network::BRIDGE]),
    (&[42], &[&kernel::MODULES]),
    (&[43], &[&kernel::XT_RECENT]),
    (&[44], &[&network::PORTS]),
    (&[46], &[&wsl::MIRRORED]),
    (&[47], &[&kernel::LOW_PORTS]),
    (&[48], &[&network::RESOLV_FILE, &network::ROOTLESS_NETWORK]),
    (&[49], &[&podman::LOG_DRIVER]),
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
];

/// The checks of a symptom: its cause is present if one of them fails, and ruled out if all of them pass.
#[must_use]
pub fn checks(row: u32) -> &'static [&'static Check] {
    CAUSES.iter().find(|(rows, _)| rows.contains(&row)).map_or(&[], |(_, checks)| checks)
}

/// Whether the cause of a symptom is present on this machine, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A check confirms it.
    Present(String),
    /// Every check rules it out.
    Absent(String),
    /// It cannot be seen.
    Unknown(String),
}

/// Whether the cause of a symptom is present; `None` if no check can tell.
#[must_use]
pub fn presence(row: u32, context: &CheckContext<'_>) -> Option<Presence> {
    let (mut passed, mut unknown) = (None, None);
    for check in checks(row) {
        let outcome = context.outcome(check);
        match outcome.status {
            Status::Error | Status::Warning | Status::Limited => {
                return Some(Presence::Present(outcome.details));
            }
            // Another program's change can wait for a restart, too.
            Status::Ok if check.id == wsl::RESTART.id => unknown = Some(outcome.details),
            Status::Ok => passed = passed.or(Some(outcome.details)),
            // What only WSL can cause is ruled out elsewhere.
            Status::Skipped if matches!(check.excluded(context.facts, None), Some((Scope::Wsl, _))) => {
                passed = passed.or(Some(outcome.details));
            }
            Status::Skipped | Status::Unknown => unknown = unknown.or(Some(outcome.details)),
        }
    }
    unknown.map(Presence::Unknown).or(passed.map(Presence::Absent))
}
