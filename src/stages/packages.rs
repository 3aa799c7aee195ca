//! The provider and the packages that it needs, from the distribution.

use super::rootless;
use crate::change::{Change, Manager, Package};
use crate::compat::{COMPAT, Fact};
use crate::facts::Facts;
use crate::provider::Provider;
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};
use crate::version::Version;

pub(crate) static PROVIDER: Question = Question {
    id: Provider::QUESTION,
    prompt: "Which provider should run the nodes?",
    help: "Container engine that runs the nodes",
    form: AnswerKind::Choice(|_| {
        vec![
            Choice::new("podman", "rootless podman (recommended)"),
            Choice::new("docker", "rootless Docker"),
            Choice::new("nerdctl", "rootless nerdctl (containerd)"),
        ]
    }),
    when: |_, _| true,
    default: |_| "podman".to_owned(),
    weight: Prompting::Advanced,
};

pub(crate) static REMOVE_PACKAGES: Question = Question {
    id: "remove_packages",
    prompt: "Which conflicting packages may be removed?",
    help: "Conflicting packages to remove, comma-separated",
    form: AnswerKind::Open(
        |_| Vec::new(),
        |value| {
            let is_name = |name: &str| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
                    && !name.starts_with('-')
            };
            if value.split(',').all(is_name) {
                Ok(())
            } else {
                Err("names of packages, separated by commas".to_owned())
            }
        },
    ),
    // The plan lists them, with the command that allows their removal.
    when: |_, _| false,
    default: |_| String::new(),
    weight: Prompting::Advanced,
};

pub(crate) static STAGE: Stage = Stage {
    id: "packages",
    title: "install packages",
    from: "upstream guide",
    why: "The upstream guide installs only podman. Rootless containers also need newuidmap (package \
          uidmap), a network helper and a D-Bus session for the systemd user manager \
          (dbus-user-session). The network helper is slirp4netns, or pasta from podman 5 on. netavark \
          runs `iptables` as soon as a container joins a network such as `kind` (podman#24285). With \
          podman 5 and later it needs `nft` instead (package nftables; observed on Debian 13). Debian \
          and Ubuntu only recommend netavark and aardvark-dns, and without them podman 4 falls back to \
          CNI. Other recommended packages are not installed. Docker and nerdctl also need rootlesskit, \
          which Debian only suggests. From Debian 13 on, Docker's client is a separate package. kind \
          requires Docker 20.10, or nerdctl 1.7 with containerd 1.7. If the distribution has only older \
          versions, the stage reports them.",
    questions: &[&PROVIDER, &REMOVE_PACKAGES],
    needed,
    changes,
};

fn names(facts: &Facts, answers: &Answers, manager: Manager) -> Vec<String> {
    let names = match answers.provider() {
        Provider::Podman => podman_names(facts, manager),
        other => rootless::packages(facts, other, manager),
    };
    names.into_iter().map(ToOwned::to_owned).collect()
}

fn podman_names(facts: &Facts, manager: Manager) -> Vec<&'static str> {
    let rules = &COMPAT.podman;
    // An unknown podman version is taken for a recent one.
    let has =
        |fact: &Fact| facts.podman().map_or(fact.since() < rules.no_iptables.since(), |v| fact.is_true_of(v));
    let firewall = if has(&rules.nftables) { "nftables" } else { iptables(manager) };
    // A podman from elsewhere includes its own runtime and network programs, and no second one is installed. From the
    // system it uses the setuid programs, the firewall's program and the bus of the session.
    if facts.tools.podman.is_some() {
        return match manager {
            Manager::Apt => vec!["uidmap", "dbus-user-session", firewall],
            Manager::Dnf => vec!["shadow-utils", firewall],
            Manager::Zypper | Manager::Pacman => vec!["shadow", firewall],
        };
    }
    let network = if has(&rules.pasta) { "passt" } else { "slirp4netns" };
    let mut names = match manager {
        Manager::Apt => vec!["podman", "crun", "uidmap", network, "fuse-overlayfs", "dbus-user-session"],
        Manager::Dnf => vec!["podman", "crun", "shadow-utils", network, "fuse-overlayfs"],
        Manager::Zypper | Manager::Pacman => vec!["podman", "crun", "shadow", network, "fuse-overlayfs"],
    };
    if !has(&rules.no_iptables) {
        names.push(iptables(manager));
    }
    if has(&rules.netavark) {
        names.extend(["netavark", "aardvark-dns"]);
    }
    if has(&rules.nftables) {
        names.push("nftables");
    }
    names
}

/// The package of the program `iptables`.
fn iptables(manager: Manager) -> &'static str {
    if manager == Manager::Dnf { "iptables-nft" } else { "iptables" }
}

/// The packages that are not installed.
fn missing(facts: &Facts, answers: &Answers, manager: Manager) -> Vec<String> {
    names(facts, answers, manager).into_iter().filter(|n| !facts.packages.installed.contains_key(n)).collect()
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let provider = answers.provider();
    let Some(manager) = facts.packages.manager else {
        let what = format!("{} has neither apt, dnf, zypper nor pacman", facts.distro.name);
        return Applicability::blocked(
            what,
            "install podman 4 or later with its own package manager, then run `kind-wsl setup --skip packages`",
        );
    };
    if let Some(blocked) = rootless::unfit(facts, provider) {
        return blocked;
    }
    let missing = missing(facts, answers, manager);
    if missing.is_empty() {
        return Applicability::satisfied(format!(
            "{} and everything it needs are installed",
            present(facts, provider)
        ));
    }
    Applicability::needed(format!("not installed: {}", missing.join(", ")))
}

fn present(facts: &Facts, provider: Provider) -> String {
    let version = match provider {
        Provider::Podman => match &facts.tools.podman {
            Some(podman) => podman.version.as_ref().map_or("", Version::as_str),
            None => facts.packages.installed.get("podman").map_or("", String::as_str),
        },
        Provider::Docker => facts.engines.docker.as_ref().map_or("", Version::as_str),
        Provider::Nerdctl => facts.engines.nerdctl.as_ref().map_or("", Version::as_str),
    };
    format!("{provider} {version}")
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let Some(manager) = facts.packages.manager else { return Vec::new() };
    let removes = answers.get(&REMOVE_PACKAGES).unwrap_or_default();
    let removes: Vec<String> = removes.split(',').filter(|n| !n.is_empty()).map(ToOwned::to_owned).collect();
    match missing(facts, answers, manager) {
        names if names.is_empty() => Vec::new(),
        names => vec![Change::from(Package { removes, ..Package::new(manager, names) })],
    }
}
