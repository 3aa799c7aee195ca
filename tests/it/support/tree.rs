//! A machine's files, compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use camino::Utf8Path;
use kind_wsl::host::digest;

/// A machine's files by path.
pub type Tree = BTreeMap<String, String>;

/// What differs between two trees: path, before, after.
pub fn changes(before: &Tree, after: &Tree) -> Vec<String> {
    let line = |path: &String| format!("{path}: {:?} / {:?}", before.get(path), after.get(path));
    differing(before, after).iter().map(line).collect()
}

/// The paths in which two trees differ.
pub fn differing(before: &Tree, after: &Tree) -> Vec<String> {
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

#[track_caller]
pub fn same(wanted: &Tree, seen: &Tree, when: &str) {
    assert_eq!(changes(wanted, seen), Vec::<String>::new(), "{when}");
}

pub(super) fn walk(root: &Utf8Path, path: &Utf8Path, seen: &mut Tree) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let what = if meta.is_symlink() {
        format!("link {}", fs::read_link(path).unwrap().display())
    } else if meta.is_dir() {
        "dir".to_owned()
    } else {
        digest(&fs::read(path).unwrap())
    };
    let name = path.strip_prefix(root).unwrap().to_string();
    // The modes of links mean nothing.
    let mode = if meta.is_symlink() { 0 } else { meta.mode() & 0o7777 };
    seen.insert(name, format!("{what} {mode:o} {}:{}", meta.uid(), meta.gid()));
    if meta.is_dir() {
        for entry in path.read_dir_utf8().unwrap() {
            walk(root, entry.unwrap().path(), seen);
        }
    }
}
