//! Shared by the stages `docker` and `nerdctl`: supported versions, packages, and the changes made by their own setup
//! tools. Not a stage itself.

use camino::Utf8Path;

use super::controllers;
use crate::change::{Change, Manager, SystemSetting};
use crate::compat::{COMPAT, Fact, carried};
use crate::facts::Facts;
use crate::facts::apparmor::profile_command;
use crate::provider::Provider;
use crate::stage::Applicability;
use crate::version::Version;

/// The version that will be installed.
enum Offer {
    Here(Version),
    Offered(Version),
    Nothing,
    Unknown,
}

fn offer(facts: &Facts, present: Option<&Version>, package: &str) -> Offer {
    if let Some(version) = present {
        return Offer::Here(version.clone());
    }
    if let Some(version) = facts.packages.coming(package) {
        return Offer::Offered(version);
    }
    // Candidates are known, and this is not among them.
    if facts.packages.manager == Some(Manager::Apt) && !facts.packages.candidates.is_empty() {
        return Offer::Nothing;
    }
    match carried(&facts.distro.id, facts.distro.version.as_ref(), package).map(|c| &c.version) {
        Some(Some(version)) => Offer::Offered(version.clone()),
        Some(None) => Offer::Nothing,
        None => Offer::Unknown,
    }
}

/// The reason why the provider's version does not meet kind's requirement, whatever its source.
pub(super) fn unfit(facts: &Facts, provider: Provider) -> Option<Applicability> {
    let engines = &facts.engines;
    match provider {
        Provider::Podman => None,
        Provider::Docker => too_old(
            facts,
            "Docker",
            &COMPAT.minimum.docker,
            &offer(facts, engines.docker.as_ref(), "docker.io"),
            DOCKER_ELSEWHERE,
        )
        .or_else(|| without_tool(facts)),
        Provider::Nerdctl => too_old(
            facts,
            "nerdctl",
            &COMPAT.minimum.nerdctl,
            &offer(facts, engines.nerdctl.as_ref(), "nerdctl"),
            NERDCTL_ELSEWHERE,
        )
        .or_else(|| {
            too_old(
                facts,
                "containerd",
                &COMPAT.minimum.containerd,
                &offer(facts, engines.containerd.as_ref(), "containerd"),
                NERDCTL_ELSEWHERE,
            )
        }),
    }
}

const DOCKER_ELSEWHERE: &str = "install docker-ce and docker-ce-rootless-extras from Docker's own repository (https://docs.docker.com/engine/install), then run the same command again; or use `--provider podman`";
const NERDCTL_ELSEWHERE: &str = "unpack a release of nerdctl-full into /usr/local (https://github.com/containerd/nerdctl/releases; it contains containerd, the setup tool and the CNI plugins), then run the same command again. Or use `--provider podman`";

fn too_old(facts: &Facts, name: &str, floor: &Fact, offer: &Offer, elsewhere: &str) -> Option<Applicability> {
    let floor = floor.since();
    let needs = format!("kind needs {floor} or later");
    let what = match offer {
        Offer::Here(version) if version < floor => {
            format!("{name} {} is installed, and {needs}", version.release())
        }
        Offer::Offered(version) if version < floor => {
            format!("{} offers {name} {}, and {needs}", facts.distro.name, version.release())
        }
        Offer::Nothing => format!("{} offers no {name}, and {needs}", facts.distro.name),
        _ => return None,
    };
    Some(Applicability::blocked(what, elsewhere))
}

/// Distributions whose Docker package lacks the setup tool (Fedora: kind `hack/ci/init-vm.sh`; Arch has it in the
/// AUR).
fn without_tool(facts: &Facts) -> Option<Applicability> {
    let has_none = matches!(facts.packages.manager, Some(Manager::Dnf | Manager::Pacman))
        && !facts.packages.installed.contains_key("docker-ce");
    (has_none && facts.engines.docker_tool.is_none()).then(|| {
        let what = format!("the Docker of {} comes without dockerd-rootless-setuptool.sh", facts.distro.name);
        let aur = "install docker and, from the AUR, docker-rootless-extras, then run the same command again; or use `--provider podman`";
        Applicability::blocked(what, if facts.packages.manager == Some(Manager::Pacman) { aur } else { DOCKER_ELSEWHERE })
    })
}

/// The packages that the provider needs, without programs that a person installed by hand.
pub(super) fn packages(facts: &Facts, provider: Provider, manager: Manager) -> Vec<&'static str> {
    let has = |name: &str| facts.packages.installed.contains_key(name);
    let by_hand = |present: bool, names: &[&str]| present && !names.iter().any(|n| has(n));
    let mut names = match provider {
        Provider::Podman => Vec::new(),
        Provider::Docker if has("docker-ce") => vec!["docker-ce-rootless-extras"],
        Provider::Docker if by_hand(facts.engines.docker.is_some(), &["docker.io", "docker"]) => Vec::new(),
        Provider::Docker => match manager {
            Manager::Apt if has_client_apart(facts) => vec!["docker.io", "docker-cli", "rootlesskit"],
            Manager::Apt => vec!["docker.io", "rootlesskit"],
            Manager::Zypper => vec!["docker", "docker-rootless-extras", "rootlesskit"],
            Manager::Dnf | Manager::Pacman => Vec::new(),
        },
        Provider::Nerdctl if by_hand(facts.engines.nerdctl.is_some(), &["nerdctl"]) => Vec::new(),
        Provider::Nerdctl => match manager {
            Manager::Apt | Manager::Dnf => {
                vec!["nerdctl", "containerd", "rootlesskit", "containernetworking-plugins"]
            }
            Manager::Zypper | Manager::Pacman => vec!["nerdctl", "containerd", "rootlesskit", "cni-plugins"],
        },
    };
    names.extend(match manager {
        Manager::Apt => {
            ["uidmap", "slirp4netns", "fuse-overlayfs", "dbus-user-session", "iptables"].as_slice()
        }
        Manager::Dnf => &["shadow-utils", "slirp4netns", "fuse-overlayfs", "iptables-nft"],
        Manager::Zypper | Manager::Pacman => &["shadow", "slirp4netns", "fuse-overlayfs", "iptables"],
    });
    names
}

fn has_client_apart(facts: &Facts) -> bool {
    let is_apart = COMPAT.debian.docker_cli_apart.is_known_of(facts.distro.version.as_ref());
    (facts.distro.id == "debian" && is_apart) || facts.packages.coming("docker-cli").is_some()
}

/// The reason why the daemon fails on this machine although everything is installed.
pub(super) fn isolated(facts: &Facts, which: &str) -> Option<Applicability> {
    facts.cgroup.is_isolated().then(|| {
        let what = format!("this WSL keeps the distribution below /wsl-user, and {which} looks for the user's cgroup in /sys/fs/cgroup/user.slice");
        let hint = format!("{}; or use `--provider podman`", controllers::NOT_BELOW_WSL_USER);
        Applicability::blocked(what, hint)
    })
}

/// Why rootlesskit cannot create a user namespace on this machine, and its profile.
pub(super) fn confined(facts: &Facts) -> Option<Applicability> {
    let path = facts.engines.rootlesskit.as_ref()?;
    (!facts.apparmor.allows(path.as_str()) && !facts.apparmor.allowed.is_empty()).then(|| {
        let what = format!(
            "kernel.apparmor_restrict_unprivileged_userns is 1, and no profile allows {path} a user namespace"
        );
        let hint = format!(
            "add the profile with `{}`, or use the distribution's package rootlesskit",
            profile_command(path.as_str())
        );
        Applicability::blocked(what, hint)
    })
}

/// Rootful daemons of packages that kind-wsl installed and the user did not request. Those that existed before keep
/// running.
pub(super) fn rootful_of_ours(facts: &Facts, units: &[(&'static str, &str)]) -> Vec<&'static str> {
    let is_ours = |package: &str| {
        facts.installed_by_us.contains(package) || !facts.packages.installed.contains_key(package)
    };
    units.iter().filter(|(_, package)| is_ours(package)).map(|(unit, _)| *unit).collect()
}

/// The note on the daemons that existed before.
pub(super) fn left_alone(facts: &Facts, own_units: &[&str]) -> String {
    let others: Vec<&str> =
        facts.engines.rootful.iter().map(String::as_str).filter(|unit| !own_units.contains(unit)).collect();
    if others.is_empty() {
        String::new()
    } else {
        format!("; the rootful {} existed before and keeps running", others.join(" and "))
    }
}

/// The rootful daemon, stopped and disabled.
pub(super) fn disabled(unit: &str) -> Change {
    SystemSetting::Disabled { unit: unit.to_owned() }.into()
}

/// Lets the services of the user start at boot and outlive the last session. WSL itself keeps a session open.
pub(super) fn linger(facts: &Facts) -> Option<Change> {
    (!facts.wsl.is_two()).then(|| SystemSetting::Linger { user: facts.user.name.clone() }.into())
}

/// A unit of the user, created by a setup tool, and running. The tool searches `dir` for its programs.
pub(super) fn service(facts: &Facts, unit: &str, tool: &Utf8Path, dir: &Utf8Path) -> [Change; 2] {
    let made = SystemSetting::installed(unit, &facts.user, tool, dir);
    [made.into(), SystemSetting::Started { unit: unit.to_owned(), user: facts.user.clone() }.into()]
}
