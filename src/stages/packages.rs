//! The provider and what it needs, from the distribution.

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
    help: "container engine that runs kind's nodes",
    form: AnswerKind::Choice(|_| {
        vec![
            Choice::new("podman", "rootless podman, as in the guide (recommended)"),
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
    help: "conflicting packages that may be removed, comma-separated",
    form: AnswerKind::Open(
        |_| Vec::new(),
        |said| {
            let is_name = |name: &str| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
                    && !name.starts_with('-')
            };
            if said.split(',').all(is_name) {
                Ok(())
            } else {
                Err("names of packages, separated by commas".to_owned())
            }
        },
    ),
    // The plan names them, with the command that agrees to it.
    when: |_, _| false,
    default: |_| String::new(),
    weight: Prompting::Advanced,
};

pub(crate) static STAGE: Stage = Stage {
    id: "packages",
    title: "install packages",
    from: "guide",
    why: "The guide installs podman alone. Rootless containers also need newuidmap (package uidmap), a network helper \
          (slirp4netns, or pasta from podman 5 on), a D-Bus session for the user manager (dbus-user-session), and \
          `iptables`, which netavark calls as soon as a container joins a network such as `kind` (podman#24285), or \
          `nft` (package nftables) with podman 5 and later, whose netavark fails without it (seen on Debian 13). \
          Debian and Ubuntu only recommend netavark and aardvark-dns, and without them podman 4 falls back to CNI. \
          Nothing that is only recommended is installed. Docker and nerdctl need rootlesskit as well, which Debian only \
          suggests, and from Debian 13 on Docker's client is a package of its own. kind takes Docker from 20.10 on, nerdctl \
          from 1.7 on with containerd from 1.7 on; where the distribution has only less, the stage says what it has.",
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
    // A podman of an unknown version is a recent one.
    let has =
        |fact: &Fact| facts.podman().map_or(fact.since() < rules.no_iptables.since(), |v| fact.is_true_of(v));
    let firewall = if has(&rules.nftables) { "nftables" } else { iptables(manager) };
    // A podman from elsewhere brings its own runtime and network programs, and a second one is not installed beside it; what
    // it takes from the system is what has to be setuid, the firewall's program and the session's bus.
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

/// Those of them that are not installed.
fn missing(facts: &Facts, answers: &Answers, manager: Manager) -> Vec<String> {
    names(facts, answers, manager).into_iter().filter(|n| !facts.packages.installed.contains_key(n)).collect()
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let provider = answers.provider();
    let Some(manager) = facts.packages.manager else {
        let what = format!("{} has none of apt, dnf, zypper and pacman", facts.distro.name);
        return Applicability::blocked(
            what,
            "install podman 4 or later by its own means, then run `kind-wsl setup --skip packages`",
        );
    };
    if let Some(blocked) = rootless::unfit(facts, provider) {
        return blocked;
    }
    let missing = missing(facts, answers, manager);
    if missing.is_empty() {
        return Applicability::satisfied(format!(
            "{} and all it needs are installed",
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
