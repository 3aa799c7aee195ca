//! Refuses an undo after which systemd would have to start on cgroup v1.

use crate::compat::COMPAT;
use crate::facts::wsl::WSL_CONF;
use crate::facts::{Facts, Wsl};
use crate::journal::JournalEntry;

use crate::error::Failure;

/// The stages that replace cgroup v1.
const V2_STAGES: [&str; 2] = ["cgroup", "cgroup-mount"];

/// systemd 258 and later do not start on cgroup v1, which an older WSL mounts without these stages.
pub(super) fn refuse_v1<'e>(
    facts: impl FnOnce() -> Facts,
    active: impl Iterator<Item = &'e JournalEntry>,
    is_chosen: impl Fn(&JournalEntry) -> bool,
) -> Result<(), Failure> {
    let (mut restores_v1, mut keeps_systemd, mut stops_systemd) = (false, false, false);
    for entry in active {
        let (stage, chosen) = (entry.intent.stage.as_str(), is_chosen(entry));
        restores_v1 |= V2_STAGES.contains(&stage) && chosen;
        let is_systemd = stage == "systemd" && entry.intent.change.target().object == WSL_CONF;
        keeps_systemd |= is_systemd && !chosen;
        stops_systemd |= is_systemd && chosen;
    }
    if !restores_v1 || stops_systemd {
        return Ok(());
    }
    let facts = facts();
    let mounts_v1 = matches!(&facts.wsl, Wsl::Two { version: Some(version), .. } if Wsl::mounts_v1(version));
    let starts_systemd = facts.wsl_conf.systemd.is_some_and(|(on, _)| on);
    let version = facts.systemd.version.filter(|version| COMPAT.systemd.v2_only.is_true_of(version));
    let Some(version) = version.filter(|_| mounts_v1 && starts_systemd) else { return Ok(()) };
    let what = format!(
        "this distribution would not start: without stage `cgroup`, {} mounts cgroup v1, on which systemd {version} does not run",
        facts.wsl.name()
    );
    let hint = if keeps_systemd {
        "undo them together: `kind-wsl undo cgroup cgroup-mount systemd`".to_owned()
    } else {
        format!(
            "set `systemd=false` in {WSL_CONF}, or update WSL (in Windows: `wsl --update`), then run the same command again"
        )
    };
    Err(Failure::new(what, Some(hint)))
}
