//! What is in a tree, without opening what must not be opened.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use camino::Utf8Path;
use kind_wsl::host::digest;

use crate::support::Layout;
use crate::support::cli::Case;

/// Every path below the directories that a setup may touch: kind, bytes, mode, owner.
pub(crate) fn tree(root: &Utf8Path) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for dir in ["etc", "home", "mnt", "opt", "root", "run", "sbin", "srv", "usr", "var", "proc/sys"] {
        walk(root, &root.join(dir), &mut seen);
    }
    seen
}

fn walk(root: &Utf8Path, path: &Utf8Path, seen: &mut BTreeMap<String, String>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let kind = meta.file_type();
    let what = if kind.is_symlink() {
        format!("link {}", fs::read_link(path).unwrap().display())
    } else if kind.is_dir() {
        "dir".to_owned()
    } else if kind.is_file() && meta.len() > 1 << 30 {
        format!("{} bytes", meta.len())
    } else if kind.is_file() {
        digest(&fs::read(path).unwrap())
    } else if kind.is_fifo() {
        "fifo".to_owned()
    } else if kind.is_socket() {
        "socket".to_owned()
    } else {
        "device".to_owned()
    };
    // The modes of links mean nothing.
    let mode = if kind.is_symlink() { 0 } else { meta.mode() & 0o7777 };
    let name = path.strip_prefix(root).unwrap();
    seen.insert(format!("/{name}"), format!("{what} {mode:o} {}:{}", meta.uid(), meta.gid()));
    if kind.is_dir() {
        for entry in path.read_dir_utf8().unwrap() {
            walk(root, entry.unwrap().path(), seen);
        }
    }
}

/// A file that must not change, including its times and its number of links.
pub(crate) fn exactly(path: &Utf8Path) -> String {
    let meta = fs::symlink_metadata(path).unwrap();
    let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    let bytes = fs::read(path).map(|b| digest(&b)).unwrap_or_default();
    format!(
        "{bytes} {:o} {}:{} {times:?} {} {}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.nlink(),
        meta.ino()
    )
}

/// The setup of a user who wants everything that needs no network.
pub(crate) fn everything() -> String {
    let agreed = crate::support::cli::agreed().replace("--kind-wrapper no", "--kind-wrapper yes");
    format!("setup {agreed} --idle yes --privileged-ports yes --dmesg yes --repair-wsl-conf yes")
}

/// A thing that a setup writes, as its journal has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Written {
    pub(crate) path: String,
    pub(crate) stage: String,
    /// A whole file of ours, or an entry in one of others.
    pub(crate) whole: bool,
    pub(crate) is_users: bool,
}

/// Everything that a setup of this layout writes, from what it wrote down itself.
pub(crate) fn written(layout: Layout, besides: &str) -> Vec<Written> {
    let case = Case::new(layout);
    let seen = case.run(&format!("{}{besides}", everything()));
    assert!(matches!(seen.code, 0 | 3), "{seen:?}");
    let journal = case.machine.text(crate::support::cli::JOURNAL);
    let mut all = Vec::new();
    for line in journal.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let change = &record["change"];
        let Some(path) = change["path"].as_str() else { continue };
        let written = Written {
            path: path.to_owned(),
            stage: record["stage"].as_str().unwrap().to_owned(),
            whole: change["kind"] != "entry",
            is_users: change["owner"].is_object(),
        };
        if !all.contains(&written) {
            all.push(written);
        }
    }
    // Several entries of one file are one place.
    all.sort();
    all.dedup_by(|a, b| a.path == b.path);
    all
}
