//! The slice of root, and resource accounting for all user slices.

use crate::change::{Change, RestartRequirement, Trigger, Unit, WriteFile};
use crate::compat::COMPAT;
use crate::facts::Facts;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "user-slice",
    title: "enable the user slices",
    from: "upstream guide",
    why: "The upstream guide adds a slice for root's systemd user manager and enables accounting for all \
          user slices. Neither affects a rootless cluster: no part of it runs in root's slice, and kind \
          does not check it. Memory and tasks accounting are systemd's defaults since 238. cpu \
          accounting needs no controller on cgroup v2, and the io controller comes with delegation, see \
          systemd.resource-control(5). `Slice=user.slice` inside a slice only repeats its place. \
          `--guide` writes both files and enables the slice.",
    questions: &[],
    needed,
    changes,
};

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    let version = facts
        .systemd
        .version
        .as_ref()
        .map_or_else(|| "systemd".to_owned(), |v| format!("systemd {}", v.release()));
    if facts.systemd.version.as_ref().is_some_and(|v| !COMPAT.systemd.accounts_by_itself.is_true_of(v)) {
        return Applicability::needed(format!(
            "{version} does not enable memory and tasks accounting by default"
        ));
    }
    Applicability::redundant(format!(
        "{version} enables memory and tasks accounting by default, and the io controller comes with delegation"
    ))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let put = |path, text: &str| {
        Change::from(WriteFile::config(path, text.to_owned()))
            .with_trigger(Trigger::DaemonReload)
            .with_restart(RestartRequirement::distro(None))
    };
    let slice = || put("/etc/systemd/system/user-0.slice", include_str!("../../assets/files/user-0.slice"));
    let enabled = Change::from(Unit::new("user-0.slice"));
    let mut changes = match facts.systemd.root_slice {
        None => vec![slice(), enabled],
        // The administrator's own file is kept.
        Some(true) => vec![enabled],
        Some(false) => Vec::new(),
    };
    // Sorts behind `override.conf`, which `systemctl edit` writes, so that both are read.
    changes.push(put(
        "/etc/systemd/system/user-.slice.d/zz-kind-wsl.conf",
        include_str!("../../assets/files/user-slice.conf"),
    ));
    changes
}
