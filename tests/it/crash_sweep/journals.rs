//! Journals of an earlier version, each with what that version had changed when it ended (`tests/data/journals`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use kind_wsl::journal::Record;
use serde::Deserialize;

use crate::crash_sweep::machines::{self, Row};
use crate::support::{CRUN, Machine, Tree};

/// A file of the machine that differs from the untouched one.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Node {
    Dir {
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link {
        to: String,
        uid: u32,
        gid: u32,
    },
    Text {
        text: String,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// The crun of the offline directory.
    Crun {
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Removed,
}

type Nodes = BTreeMap<String, Node>;

fn put(machine: &Machine, path: &str, node: &Node) {
    let path = machine.path(path);
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() && !matches!(node, Node::Dir { .. }) => fs::remove_dir_all(&path).unwrap(),
        Ok(meta) if !meta.is_dir() => fs::remove_file(&path).unwrap(),
        _ => {}
    }
    let own = |uid, gid| lchown(&path, Some(uid), Some(gid)).unwrap();
    let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    match node {
        Node::Removed => {}
        Node::Dir { mode, uid, gid } => {
            fs::create_dir_all(&path).unwrap();
            own(*uid, *gid);
            set(*mode);
        }
        Node::Link { to, uid, gid } => {
            symlink(to, &path).unwrap();
            own(*uid, *gid);
        }
        Node::Text { text, mode, uid, gid } => {
            fs::write(&path, text).unwrap();
            own(*uid, *gid);
            set(*mode);
        }
        Node::Crun { mode, uid, gid } => {
            fs::write(&path, &**CRUN).unwrap();
            own(*uid, *gid);
            set(*mode);
        }
    }
}

const FIXTURES: [(&str, Row); 5] = [
    ("packages", machines::CLASSIC),
    ("by-hand", machines::BY_HAND),
    ("restart", machines::ISOLATED_POOR),
    ("own-kind", machines::OWN_KIND),
    ("docker", machines::DOCKER),
];

/// The machine as the earlier version left it, and as it was before.
fn left_by_the_earlier_version(name: &str, row: &Row) -> (Machine, Tree) {
    let read = |kind: &str| {
        let path = format!("{}/tests/data/journals/{name}.{kind}", env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(path).unwrap()
    };
    let machine = row.machine();
    let before = machine.snapshot();
    let changed: Nodes = serde_json::from_str(&read("json")).unwrap();
    for (path, node) in &changed {
        put(&machine, path, node);
    }
    machine.write("/var/lib/kind-wsl/journal.jsonl", read("jsonl"));
    (machine, before)
}

#[test]
fn a_journal_of_an_earlier_version_is_undone_to_the_byte() {
    for (name, row) in FIXTURES.iter().filter(|_| may_change_owners()) {
        let (machine, before) = left_by_the_earlier_version(name, row);
        machine.undo_all();
        assert_eq!(row.left(&before, &machine.snapshot()), Vec::<String>::new(), "{name}");
        assert!(!machine.has_journal(), "{name}");
    }
}

#[test]
fn a_journal_of_an_earlier_version_is_resumed_and_then_undone_to_the_byte() {
    for (name, row) in FIXTURES.iter().filter(|_| may_change_owners()) {
        let (machine, before) = left_by_the_earlier_version(name, row);
        crate::crash_sweep::finish(row, &machine);
        machine.undo_all();
        assert_eq!(row.left(&before, &machine.snapshot()), Vec::<String>::new(), "{name}");
    }
}

// An agreement holds digests of changes in this form: another form would ask again for consent that was given.
#[test]
fn a_record_of_an_earlier_version_is_written_as_that_version_wrote_it() {
    for (name, _) in FIXTURES {
        let path = format!("{}/tests/data/journals/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        for line in fs::read_to_string(path).unwrap().lines().filter(|line| line.ends_with('}')) {
            let record: Record = serde_json::from_str(line).unwrap();
            assert_eq!(record.line().trim_end(), line, "{name}");
        }
    }
}

fn may_change_owners() -> bool {
    nix::unistd::geteuid().is_root()
}
