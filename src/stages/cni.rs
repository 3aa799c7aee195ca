//! CNI plugins that support podman's network files.

use crate::change::{Change, Manager, Package, PackageFile};
use crate::compat::COMPAT;
use crate::facts::Facts;
use crate::fetch::catalogue;
use crate::stage::{Answers, Applicability, Stage};
use crate::version::Version;

pub(crate) static STAGE: Stage = Stage {
    id: "cni",
    title: "install the CNI plugins",
    from: "upstream guide",
    why: "Ubuntu 22.04's podman 3.4 writes network files of version 1.0.0, and its CNI plugins 0.9.1 \
          read only versions up to 0.4.0. The network that kind creates then fails with `plugin bridge \
          does not support config version \"1.0.0\"` (Launchpad 2024394, kind#3280). The upstream guide \
          downloads a package over plain http without a checksum, from an address that stops working \
          with the next update. This stage installs Debian's build of 1.1.1 after checking its sha256, \
          and only if podman uses CNI. netavark does not need the plugins.",
    questions: &[],
    needed,
    changes,
};

const PLUGINS: &str = "containernetworking-plugins";
/// The libc that the downloaded package is linked against (its Depends field).
const LIBC: &str = "2.34";

fn version(text: &str) -> Option<Version> {
    text.parse().ok()
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if let Some(elsewhere) = super::not_podman(answers) {
        return elsewhere;
    }
    let Some(podman) = facts.podman() else {
        return Applicability::not_applicable("podman is not installed");
    };
    if COMPAT.podman.netavark.is_true_of(podman) {
        return Applicability::not_applicable(format!("podman {} uses netavark, not CNI", podman.release()));
    }
    if !COMPAT.podman.cni_1_0.is_true_of(podman) {
        return Applicability::redundant(format!(
            "podman {} writes network files that its plugins support",
            podman.release()
        ));
    }
    let plugins = facts.packages.coming(PLUGINS);
    if plugins >= version("1.1.1") {
        let plugins = plugins.map_or_else(String::new, |v| v.to_string());
        return Applicability::satisfied(format!("{PLUGINS} {plugins} reads configuration 1.0.0"));
    }
    if facts.packages.manager != Some(Manager::Apt) || package(facts).is_none() {
        let what =
            format!("podman {} writes network files that its CNI plugins cannot read", podman.release());
        return Applicability::blocked(what, "update the distribution to one with podman 4 or later");
    }
    Applicability::needed(format!(
        "podman {} writes network files of version 1.0.0, which its CNI plugins cannot read",
        podman.release()
    ))
}

fn package(facts: &Facts) -> Option<PackageFile> {
    if facts.packages.version("libc6") < version(LIBC) {
        return None;
    }
    let catalogue = catalogue::cni().ok()?;
    let release = catalogue.recommended(facts.arch?)?;
    let artifact = catalogue.artifact(&release.version, facts.arch?)?;
    Some(PackageFile { version: release.version.to_string(), artifact })
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let change = |file| {
        Change::from(Package {
            manager: Manager::Apt,
            names: vec![PLUGINS.to_owned()],
            file: Some(file),
            removes: Vec::new(),
        })
    };
    package(facts).map(change).into_iter().collect()
}
