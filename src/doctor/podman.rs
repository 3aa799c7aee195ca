//! podman: is it there, which, and what it says of itself where kind asks it.

use super::{Examination, Finding, Patient, Verdict};
use crate::explain::{Here, here};
use crate::provider::Provider;
use crate::stage::Fault;
use crate::stages::{self, Pids};
use crate::version::Version;

pub(super) static CHECKS: &[Examination] = &[
    Examination { id: "podman", what: "podman is there, and new enough", look: podman },
    Examination { id: "podman-conf", what: "podman reads the configuration that we wrote", look: conf },
    Examination { id: "crun", what: "podman runs a crun that suits", look: crun },
    Examination {
        id: "logs",
        what: "podman logs and events go to files",
        look: |p| {
            asked(
                p,
                "logs",
                "kind waits for a line of the node's log that does not come: \"could not find a log line that matches\"",
            )
        },
    },
    Examination {
        id: "cgroup-manager",
        what: "podman uses the chosen cgroup manager",
        look: |p| asked(p, "cgroup-manager", "a container may be made where its limits are not kept"),
    },
    Examination {
        id: "storage",
        what: "podman stores layers with overlay",
        look: |p| asked(p, "storage", "creating a node takes longer and needs more disk space"),
    },
    Examination {
        id: "storage-place",
        what: "podman's storage is on a file system that holds containers",
        look: place,
    },
    Examination { id: "overlay", what: "the kernel mounts overlayfs for a user", look: overlay },
    Examination { id: "network", what: "podman's network has its programs", look: network },
    Examination { id: "pids", what: "a node may have many processes", look: pids },
];

/// The lowest podman that kind takes (kind `pkg/cluster/internal/providers/podman/util.go`); its pages ask for 3.0.
const FLOOR: [u64; 2] = [3, 0];

fn is_installed(patient: &Patient<'_>) -> bool {
    patient.facts.tools.podman.is_some() || patient.system.exists("/usr/bin/podman")
}

/// Where another provider was chosen, podman is nobody's business.
fn elsewhere(patient: &Patient<'_>) -> Option<Finding> {
    let provider = patient.answers.provider();
    (provider != Provider::Podman).then(|| Finding::not_applicable(format!("the provider is {provider}")))
}

fn podman(patient: &Patient<'_>) -> Finding {
    let install = "`kind-wsl setup --only packages`";
    if let Some(elsewhere) = elsewhere(patient) {
        return elsewhere;
    }
    if !is_installed(patient) {
        return Finding::wrong("podman is not installed", "kind finds no provider", install);
    }
    let said = super::kind::podman_version(patient);
    let Some(version) = said else { return Finding::unknown("podman does not say its version") };
    if version < Version::from(FLOOR) {
        let consequence = "rootless kind needs 3.0 or later";
        return Finding::wrong(
            format!("podman {version}"),
            consequence,
            "a newer release of the distribution has a newer podman",
        );
    }
    Finding::ok(format!("podman {version}"))
}

fn conf(patient: &Patient<'_>) -> Finding {
    if let Some(elsewhere) = elsewhere(patient) {
        return elsewhere;
    }
    let containers = &patient.facts.containers;
    if let Some(file) = &containers.overridden_by {
        let consequence = "podman takes that file's word over every other containers.conf, ours among them";
        return Finding::wrong(
            format!("{file} is in the environment"),
            consequence,
            "take it out of your shell's start-up files, then open a new shell",
        );
    }
    match containers.files.iter().find(|f| !f.ignored.is_empty()) {
        None => Finding::ok("no key stands outside its table"),
        Some(file) => {
            let evidence = format!("{} of {} stand outside any table", file.ignored.join(", "), file.path);
            Finding::doubtful(
                evidence,
                "podman ignores them without a word",
                format!("put them below [containers] or [engine] in {}", file.path),
            )
        }
    }
}

/// The check of that name of the stage `verify`.
fn asked(patient: &Patient<'_>, id: &str, consequence: &str) -> Finding {
    if let Some(elsewhere) = elsewhere(patient) {
        return elsewhere;
    }
    if !is_installed(patient) {
        return Finding::not_applicable("podman is not installed");
    }
    if !patient.facts.systemd.is_running() {
        return Finding::not_applicable("without systemd podman can not be asked as kind will ask it");
    }
    let check = stages::STAGES.iter().flat_map(|s| s.checks).find(|c| c.id == id);
    let Some(check) = check else { return Finding::unknown(format!("there is no check `{id}`")) };
    match (check.look)(patient.system, patient.facts, patient.answers) {
        Ok(seen) => Finding::ok(seen),
        Err(Fault { seen, hint, is_warning: true }) => Finding::doubtful(seen, consequence, hint),
        Err(Fault { seen, hint, .. }) => Finding::wrong(seen, consequence, hint),
    }
}

fn crun(patient: &Patient<'_>) -> Finding {
    let consequence = "a node fails at its start: \"unknown version specified\", or \"chmod run/shm: Operation not supported\"";
    let asked = asked(patient, "crun", consequence);
    let known = [here::podman::crun_1_21, here::podman::crun_1_29];
    let known = known.into_iter().map(|look| look(patient.system, patient.facts));
    let Some(evidence) = known.into_iter().find_map(|here| match here {
        Here::Present(evidence) if asked.verdict == Verdict::Ok => Some(evidence),
        _ => None,
    }) else {
        return asked;
    };
    let consequence = "containers or terminals can fail: this release has known faults";
    Finding::doubtful(evidence, consequence, "`kind-wsl setup --only crun --crun-version recommended`")
}

/// File systems on which podman's storage does not work (kind's rootless page, "Restrictions"; podman's own notes).
const UNFIT: [&str; 5] = ["nfs", "nfs4", "9p", "drvfs", "cifs"];

fn place(patient: &Patient<'_>) -> Finding {
    let home = patient.facts.user.home.as_path();
    let table = patient.system.text("/proc/mounts").unwrap_or_default();
    // The mount that is deepest above the home, the last one counting.
    let mounts = table.lines().filter_map(|l| {
        let mut fields = l.split_ascii_whitespace().skip(1);
        Some((fields.next()?.replace("\\040", " "), fields.next()?.to_owned()))
    });
    let above = mounts.filter(|(point, _)| home.starts_with(point)).max_by_key(|(point, _)| point.len());
    let Some((point, kind)) = above else {
        return Finding::unknown("/proc/mounts does not say what is mounted at the home");
    };
    if UNFIT.contains(&kind.as_str()) {
        let consequence = "podman can not make a node's file system there";
        return Finding::wrong(
            format!("{home} is on {kind}, mounted at {point}"),
            consequence,
            "move the home to the distribution's own disk, or set `graphroot` below [storage] in ~/.config/containers/storage.conf",
        );
    }
    Finding::ok(format!("{home} is on {kind}"))
}

fn overlay(patient: &Patient<'_>) -> Finding {
    Finding::of(here::machine::kernel_overlay(patient.system, patient.facts), |evidence| {
        Finding::wrong(
            format!("{evidence}, and fuse-overlayfs is not installed"),
            "a node's containerd cannot mount its images",
            "`kind-wsl setup --only packages`",
        )
    })
}

fn network(patient: &Patient<'_>) -> Finding {
    if let Some(elsewhere) = elsewhere(patient) {
        return elsewhere;
    }
    if !is_installed(patient) {
        return Finding::not_applicable("podman is not installed");
    }
    let (system, facts) = (patient.system, patient.facts);
    let way_out = Finding::of(here::podman::rootless_network(system, facts), |evidence| {
        let name = here::podman::network_program(system, facts);
        let consequence = format!("containers have no network: \"could not find {name}\"");
        Finding::wrong(evidence, &consequence, "`kind-wsl setup --only packages`")
    });
    if way_out.verdict != Verdict::Ok {
        return way_out;
    }
    let network = Finding::of(here::podman::cni_missing(system, facts), |evidence| {
        let consequence = "podman cannot create the network `kind`";
        Finding::wrong(evidence, consequence, "`kind-wsl setup --only packages,cni`")
    });
    match network.verdict {
        Verdict::Ok => Finding::ok(format!("{}; {}", way_out.evidence, network.evidence)),
        _ => network,
    }
}

fn pids(patient: &Patient<'_>) -> Finding {
    if let Some(elsewhere) = elsewhere(patient) {
        return elsewhere;
    }
    match here::podman::pids_limit(patient.system, patient.facts) {
        Here::Absent(evidence) => Finding::ok(evidence),
        Here::Unknown(why) => Finding::unknown(why),
        Here::Present(_) if !is_installed(patient) => Finding::not_applicable("podman is not installed"),
        Here::Present(evidence) => {
            let consequence = "a node is one container: pods fail with \"Resource temporarily unavailable\"";
            let is_needed = matches!(stages::pids_limit(&patient.facts.containers), Pids::TooLow(_));
            let fix = if is_needed {
                "`kind-wsl setup --only podman`"
            } else {
                "new clusters get the configured limit; a node keeps the limit that it was created with"
            };
            Finding::doubtful(evidence, consequence, fix)
        }
    }
}
