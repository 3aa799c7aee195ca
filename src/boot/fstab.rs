//! The rules about fstab: WSL runs `mount -a` before systemd (WSL src/linux/init/config.cpp:711), and systemd mounts
//! the rest (systemd-fstab-generator(8)).

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, FSTAB, Files, Reason, Rule, reason};
use crate::compat::COMPAT;
use crate::edit::table::{FstabEntry, fstab_list};
use crate::host::System;

/// Network file systems.
const NETWORK: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "sshfs",
    "fuse.sshfs",
    "ceph",
    "glusterfs",
    "davfs",
    "afs",
    "ncpfs",
];
/// Types that are not file systems of the kernel, or that WSL itself mounts.
const NO_TYPE: [&str; 6] = ["auto", "none", "swap", "drvfs", "9p", "bind"];

pub(super) fn entries(bytes: &[u8]) -> Vec<FstabEntry> {
    fstab_list(&String::from_utf8_lossy(bytes))
}

fn field(entry: &FstabEntry, nth: usize) -> &str {
    entry.fields.get(nth).map_or("", String::as_str)
}

fn point(entry: &FstabEntry) -> &str {
    match field(entry, 1) {
        "/" => "/",
        point => point.trim_end_matches('/'),
    }
}

fn has(entry: &FstabEntry, option: &str) -> bool {
    field(entry, 3).split(',').any(|found| found == option)
}

/// The line that mounts cgroup v2 at `/sys/fs/cgroup`.
pub(super) fn cgroup2(entries: &[FstabEntry]) -> Option<&FstabEntry> {
    let is_one = |entry: &&FstabEntry| point(entry) == "/sys/fs/cgroup" && field(entry, 2) == "cgroup2";
    entries.iter().find(|entry| is_one(entry) && !has(entry, "noauto"))
}

/// The line that mounts something else over `/sys/fs/cgroup`.
pub(super) fn hides_v2<'f>(files: &'f Files<'_>) -> Option<&'f FstabEntry> {
    let hides = |entry: &&FstabEntry| {
        point(entry) == "/sys/fs/cgroup"
            && ["tmpfs", "cgroup"].contains(&field(entry, 2))
            && !has(entry, "noauto")
    };
    files.fstab.iter().rfind(hides).filter(|_| files.mounts_fstab)
}

/// The file systems of these lines that the kernel does not support and for which it has no module or helper program.
pub(super) fn unknown_types(system: &dyn System, entries: &[FstabEntry], release: &str) -> BTreeSet<String> {
    let Some(known) = system.text("/proc/filesystems") else { return BTreeSet::new() };
    let is_known = |name: &str| {
        NO_TYPE.contains(&name)
            || known.lines().any(|line| line.split_ascii_whitespace().last() == Some(name))
            || ["/sbin", "/usr/sbin"].iter().any(|dir| system.exists(&format!("{dir}/mount.{name}")))
            || name.starts_with("fuse.")
    };
    let wanted: BTreeSet<&str> = entries
        .iter()
        .map(|entry| field(entry, 2))
        .filter(|name| !name.is_empty() && !is_known(name))
        .collect();
    if wanted.is_empty() {
        return BTreeSet::new();
    }
    let modules = system.text(&format!("/lib/modules/{release}/modules.dep")).unwrap_or_default();
    let has_module = |name: &str| modules.contains(&format!("/{name}.ko"));
    wanted.into_iter().filter(|name| !has_module(name)).map(ToOwned::to_owned).collect()
}

/// Whether the devices of these lines exist, as far as `/dev` shows them: the tree of a system that is not running
/// has no `/dev/null`, and its devices are unknown.
pub(super) fn devices(system: &dyn System, entries: &[FstabEntry]) -> BTreeMap<String, bool> {
    if !system.exists("/dev/null") {
        return BTreeMap::new();
    }
    let path = |source: &str| {
        let (key, value) = source.split_once('=').unwrap_or(("", source));
        let value = value.trim_matches('"');
        Some(match key {
            "" if value.starts_with("/dev/") => value.to_owned(),
            "UUID" | "LABEL" | "PARTUUID" | "PARTLABEL" => {
                let dir = format!("/dev/disk/by-{}", key.to_lowercase());
                system.exists(&dir).then(|| format!("{dir}/{value}"))?
            }
            _ => return None,
        })
    };
    let found = |entry: &FstabEntry| {
        let source = field(entry, 0);
        Some((source.to_owned(), system.exists(&path(source)?)))
    };
    entries.iter().filter_map(found).collect()
}

pub(super) fn judge(files: &Files<'_>) -> Vec<Reason> {
    files.fstab.iter().filter_map(|entry| line(files, entry)).collect()
}

fn line(files: &Files<'_>, entry: &FstabEntry) -> Option<Reason> {
    let (source, kind) = (field(entry, 0), field(entry, 2));
    let is_nowhere = !point(entry).starts_with('/') || kind == "swap";
    if is_nowhere || point(entry) == "/" || has(entry, "noauto") {
        return None;
    }
    if point(entry) == "/sys/fs/cgroup" {
        return twice(files, entry);
    }
    if files.future.mounted.contains(point(entry)) {
        return None;
    }
    let is_network = NETWORK.contains(&kind) || has(entry, "_netdev") || source.contains("://");
    // A line that already existed at this start, mounted by the same programs, did not prevent it.
    let was_there = files.fstab_now.iter().any(|now| now.fields == entry.fields);
    let number = entry.line;
    // The columns belong to the owner and may contain secrets; the line number identifies them.
    let found = |rule, effect, what: &str, way_out: String| {
        Some(
            reason(rule, effect, format!("line {number} of {FSTAB}: {what}"), way_out)
                .at(FSTAB, Some(number)),
        )
    };
    if is_network {
        let is_proven = was_there && files.mounted_fstab;
        let way_out = format!("add `noauto,x-systemd.automount` to the options in line {number} of {FSTAB}");
        // `mount -a` also tries a line with `nofail`. mount.nfs tries for two minutes (nfs(5), `retry`); WSL gives up
        // after one (`distributionStartTimeout`).
        return if files.mounts_fstab && kind.starts_with("nfs") {
            let effect = if is_proven { Effect::Degraded } else { Effect::NoStart };
            let what = "WSL waits at each start for the server of a network mount that is not mounted now";
            found(Rule::FstabNetwork, effect, what, way_out)
        } else if has(entry, "nofail") || has(entry, "x-systemd.automount") {
            None
        } else {
            let what =
                "a network mount that is not mounted now delays each start while its server does not answer";
            found(Rule::FstabNetwork, Effect::Degraded, what, way_out)
        };
    }
    if has(entry, "nofail") || has(entry, "x-systemd.automount") {
        return None;
    }
    // A local file system that cannot be mounted fails local-fs.target, and systemd stops in emergency mode
    // (systemd.special(7)).
    let is_proven = was_there && files.future.systemd_runs;
    let effect = if files.starts_systemd() && !is_proven { Effect::NoSystemd } else { Effect::Degraded };
    let then =
        if files.starts_systemd() { "systemd stops in emergency mode" } else { "WSL warns at each start" };
    let way_out = format!("add `nofail` to the options in line {number} of {FSTAB}, or remove the line");
    if files.future.unknown_types.contains(kind) {
        let what = format!("this kernel does not have its file system, so {then}");
        return found(Rule::FstabType, effect, &what, way_out);
    }
    if files.future.devices.get(source) == Some(&false) {
        let what = format!("its device does not exist, so {then}");
        return found(Rule::FstabDevice, effect, &what, way_out);
    }
    None
}

/// `mount -a` mounts cgroup v2 a second time if the source is not exactly `cgroup2`, which fails.
fn twice(files: &Files<'_>, entry: &FstabEntry) -> Option<Reason> {
    let is_second = field(entry, 2) == "cgroup2" && field(entry, 0) != "cgroup2" && files.mounts_fstab;
    if !is_second || files.future.wsl.has(&COMPAT.wsl.mounts_v1) {
        return None;
    }
    let number = entry.line;
    let what = format!("line {number} of {FSTAB} mounts cgroup v2 a second time, so WSL warns at each start");
    let way_out =
        format!("write `cgroup2` as the first column of line {number} of {FSTAB}, or remove the line");
    Some(reason(Rule::FstabCgroup, Effect::Degraded, what, way_out).at(FSTAB, Some(number)))
}
