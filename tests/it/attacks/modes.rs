//! What a whole setup leaves, with mode and owner, against the table in docs/dev/attacks.md; and that no secret
//! of the machine's is in what others can read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::attacks::seen::{everything, tree};
use crate::support::Layout;
use crate::support::cli::{Case, is_root};

const TABLE: &str = include_str!("../../../docs/dev/attacks.md");

/// What the document says: path, mode, owner.
fn documented() -> BTreeMap<String, (String, String)> {
    let table = TABLE.split("## Modes and owners").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = table.lines().filter(|line| line.starts_with("| `/")).map(cells);
    rows.map(|row| (row[1].clone(), (row[2].clone(), row[3].clone()))).collect()
}

/// Names in the place of what differs from machine to machine.
fn general(path: &str) -> String {
    let path = path.replace("/home/dev", "/home/USER").replace("/mnt/c/Users/dev", "/mnt/c/Users/USER");
    match path.rsplit_once("/saved/") {
        Some((dir, _)) => format!("{dir}/saved/SHA256"),
        None => path,
    }
}

/// Everything that is there after a setup and was not before, or is another now: with mode and owner.
fn left_by(layout: Layout, besides: &str, umask: &str) -> BTreeMap<String, (String, String)> {
    let case = Case::new(layout);
    let before = tree(&case.machine.root);
    let words = ["sh", "-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask];
    let case = case.started_by(&words);
    let seen = case.run(&format!("{}{besides}", everything()));
    assert!(matches!(seen.code, 0 | 3), "{seen:?}");
    // The pretended apt and its machine write there, not we.
    let theirs = ["/usr/", "/lib/", "/proc/", "/sbin/", "/run/"];
    let mut left = BTreeMap::new();
    for (path, now) in tree(&case.machine.root) {
        if before.get(&path) == Some(&now) || theirs.iter().any(|dir| path.starts_with(dir)) {
            continue;
        }
        let meta = fs::symlink_metadata(case.machine.path(&path)).unwrap();
        let owner = match (meta.uid(), meta.gid()) {
            (0, 0) => "root",
            (1000, 1000) => "user",
            other => panic!("{path} belongs to {other:?}"),
        };
        let mode =
            if meta.is_symlink() { "link".to_owned() } else { format!("{:04o}", meta.mode() & 0o7777) };
        left.insert(general(&path), (mode, owner.to_owned()));
    }
    left
}

#[test]
fn every_file_has_the_documented_mode_and_owner_under_any_umask() {
    if !is_root() {
        println!("without root every owner is the caller: nothing was compared");
        return;
    }
    let documented = documented();
    let (mut met, mut wrong) = (Vec::new(), Vec::new());
    for umask in ["022", "077", "000"] {
        for (layout, besides) in
            [(Layout::Classic, " --guide"), (Layout::Isolated, ""), (Layout::Namespaced, "")]
        {
            let left = left_by(layout, besides, umask);
            assert!(left.len() > 15, "{left:?}");
            for (path, seen) in left {
                if documented.get(&path) != Some(&seen) {
                    wrong.push(format!("| `{path}` | {} | {} | umask {umask}, {layout:?}", seen.0, seen.1));
                }
                met.push(path);
            }
        }
    }
    assert!(wrong.is_empty(), "not in the document, or otherwise:\n{}", wrong.join("\n"));
    let never: Vec<_> = documented.keys().filter(|path| !met.contains(path)).collect();
    assert!(never.is_empty(), "the document has what no set-up left: {never:?}");
}

const SECRETS: [&str; 5] =
    ["token-of-docker", "token-of-podman", "pass-of-the-share", "pass-of-env", "pass-of-proxy"];

#[test]
fn no_secret_of_the_machines_is_in_a_journal_a_report_or_a_message() {
    let case = Case::new(Layout::Classic)
        .file("/home/dev/.docker/config.json", "{\"auths\":{\"x\":{\"auth\":\"token-of-docker\"}}}")
        .file("/home/dev/.config/containers/auth.json", "{\"auths\":{\"x\":{\"auth\":\"token-of-podman\"}}}")
        .file(
            "/home/dev/.config/containers/containers.conf",
            "[containers]\npids_limit = 5\nlabel = false\nannotations = []\ndns_servers = []\n\n\n\n\n[engine]\n\n\n\nenv = [\"API_TOKEN=pass-of-env\", \"P=http://me:pass-of-env@proxy\"]\n",
        )
        .file("/etc/fstab", "//nas/d /d cifs user=me,password=pass-of-the-share 0 0\n# 1\n# 2\n# 3\n")
        .env("HTTPS_PROXY", "http://me:pass-of-proxy@127.0.0.1:1")
        .env("ALL_PROXY", "http://me:pass-of-proxy@127.0.0.1:1");
    for path in ["/home/dev/.docker/config.json", "/home/dev/.config/containers/auth.json", "/etc/fstab"] {
        fs::set_permissions(case.machine.path(path), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let own: Vec<String> = tree(&case.machine.root).into_keys().collect();
    let before: Vec<(String, Vec<u8>)> = own
        .iter()
        .map(|path| (path.clone(), fs::read(case.machine.path(path)).unwrap_or_default()))
        .collect();
    let mut said = Vec::new();
    for command in [
        "plan",
        "plan --json",
        "report",
        &everything(),
        "status",
        "status --json",
        "doctor",
        "report",
        "undo --yes",
    ] {
        let seen = case.run(command);
        said.push((command.to_owned(), format!("{}{}", seen.stdout, seen.stderr)));
        // What everybody may read holds none of them, but for the files that held one before.
        for path in tree(&case.machine.root).into_keys() {
            let real = case.machine.path(&path);
            let bytes = fs::read(&real).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let held = before
                .iter()
                .any(|(p, b)| *p == path && SECRETS.iter().any(|s| String::from_utf8_lossy(b).contains(s)));
            let open = fs::metadata(&real).is_ok_and(|meta| meta.mode() & 0o077 != 0);
            let found = SECRETS.iter().find(|secret| text.contains(**secret));
            assert!(found.is_none() || held || !open, "{path} holds {found:?} after {command}");
        }
    }
    for (command, text) in said {
        for secret in SECRETS {
            assert!(!text.contains(secret), "`{command}` says {secret}: {text}");
        }
    }
}

#[test]
fn a_proxy_that_does_not_answer_is_named_without_its_password() {
    let case = Case::new(Layout::Modern)
        .env("HTTPS_PROXY", "http://me:pass-of-proxy@127.0.0.1:1")
        .env("KIND_WSL_MIRROR", "https://me:pass-of-mirror@mirror.test");
    for command in
        ["plan --crun-version 1.99", "crun fetch --to [ROOT]/to", "crun fetch 1.28 --to [ROOT]/to --all"]
    {
        let seen = case.run(command);
        assert_eq!(seen.code, 1, "{seen:?}");
        let all = format!("{}{}", seen.stdout, seen.stderr);
        assert!(!all.contains("pass-of") && all.contains("127.0.0.1:1"), "{all}");
    }
    // The help names the variable, and not its value.
    for command in ["setup --help", "crun fetch --help", "plan --help", "help environment"] {
        let seen = case.run(command);
        assert!(seen.stdout.contains("mirror") && !seen.stdout.contains("pass-of"), "{seen:?}");
    }
    assert!(case.run("help environment").stdout.contains("KIND_WSL_MIRROR"));
}
