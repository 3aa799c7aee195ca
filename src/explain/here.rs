//! Whether a cause is present on this machine: one named look for each cause that leaves a trace.
//!
//! A look reads facts and small files, and starts nothing that changes anything; `podman info` in particular is not run
//! (see [`crate::facts::Facts::probe`]). If `doctor` judges the same fact, it uses the look of this module, so that both
//! give one answer.

mod cgroups;
pub(crate) mod machine;
pub(crate) mod podman;
pub(crate) mod session;

use serde::Serialize;

use crate::facts::Facts;
use crate::host::System;
use crate::version::Version;

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", content = "evidence", rename_all = "snake_case")]
pub enum Here {
    /// The cause is here; what shows it.
    Present(String),
    /// It is not; what shows it.
    Absent(String),
    /// Nobody can tell from here; why.
    Unknown(String),
}

impl Here {
    /// Present if it holds, otherwise absent, with the same evidence.
    pub(crate) fn when(is_present: bool, evidence: impl Into<String>) -> Self {
        if is_present { Self::Present(evidence.into()) } else { Self::Absent(evidence.into()) }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(why.into())
    }
}

type Look = fn(&dyn System, &Facts) -> Here;

/// Every look, by the name that `assets/symptoms.toml` uses.
static LOOKS: &[(&str, Look)] = &[
    ("controllers", cgroups::controllers),
    ("cgroup-v1", cgroups::v1),
    ("cgroup-hybrid", cgroups::hybrid),
    ("cgroup-root", cgroups::root),
    ("v1-memory", cgroups::v1_memory),
    ("isolated", cgroups::isolated),
    ("withheld", cgroups::withheld),
    ("kernel-words", cgroups::kernel_words),
    ("systemd", session::systemd),
    ("user-manager", session::user_manager),
    ("manager-refused", session::manager_refused),
    ("bus", session::bus),
    ("runtime-dir", session::runtime_dir),
    ("runtime-dir-owner", session::runtime_dir_owner),
    ("runtime-dir-wslg", session::runtime_dir_wslg),
    ("runtime-dir-hidden", session::runtime_dir_hidden),
    ("run-in-tmp", session::run_in_tmp),
    ("crun-chmod", podman::crun_chmod),
    ("crun-oci", podman::crun_oci),
    ("crun-1.21", podman::crun_1_21),
    ("crun-1.29", podman::crun_1_29),
    ("crun-0", podman::crun_0),
    ("cni-plugins", podman::cni_plugins),
    ("cni-missing", podman::cni_missing),
    ("log-driver", podman::log_driver),
    ("pids-limit", podman::pids_limit),
    ("podman-6-ports", podman::ports),
    ("podman-6-labels", podman::labels),
    ("docker-missing", podman::docker_missing),
    ("root-private", machine::root_private),
    ("subids", machine::subids),
    ("newuidmap", machine::newuidmap),
    ("user-namespaces", machine::user_namespaces),
    ("apparmor", machine::apparmor),
    ("kernel-overlay", machine::kernel_overlay),
    ("modules-missing", machine::modules_missing),
    ("modules-unloaded", machine::modules_unloaded),
    ("iptables", machine::iptables),
    ("ipv6", machine::ipv6),
    ("xt-recent", machine::xt_recent),
    ("low-ports", machine::low_ports),
    ("inotify", machine::inotify),
    ("pasta", machine::pasta),
    ("old-wsl", machine::old_wsl),
    ("mirrored", machine::mirrored),
    ("interop", machine::interop),
    ("pending", machine::pending),
];

/// The look of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<Look> {
    LOOKS.iter().find(|(n, _)| *n == name).map(|(_, look)| *look)
}

/// Whether the cause of a symptom is present; `None` where no look was written for it.
#[must_use]
pub fn look(symptom: &super::Symptom, system: &dyn System, facts: &Facts) -> Option<Here> {
    Some(by_name(symptom.here.as_deref()?)?(system, facts))
}

/// Whether a version is below another one that is written as text.
fn is_below(version: &Version, floor: &str) -> bool {
    floor.parse::<Version>().is_ok_and(|floor| *version < floor)
}

/// For looks at the user's session: root has none of this kind.
fn not_for_root(facts: &Facts) -> Option<Here> {
    (facts.user.uid == 0)
        .then(|| Here::unknown("root has no rootless containers; name the user: `--user NAME`"))
}

/// For looks at WSL.
fn only_on_wsl(facts: &Facts) -> Option<Here> {
    (!facts.wsl.is_two()).then(|| Here::Absent(format!("this machine is {}", facts.wsl.name())))
}

#[cfg(test)]
mod tests {
    use super::LOOKS;

    #[test]
    fn every_look_has_a_name_of_its_own_and_is_used() {
        let table = crate::explain::table().unwrap();
        for (index, (name, _)) in LOOKS.iter().enumerate() {
            assert!(LOOKS[..index].iter().all(|(other, _)| other != name), "{name} is there twice");
            assert!(
                table.symptoms.iter().any(|s| s.here.as_deref() == Some(*name)),
                "{name} is used by no row"
            );
        }
    }
}
