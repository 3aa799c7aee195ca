//! Configuration files that podman cannot read, found before the first change: by podman itself, and without it.

use std::fs;

use crate::support::Layout;
use crate::support::cli::Case;

const SYSTEM: &str = "/etc/containers/containers.conf";
const USER: &str = "/home/dev/.config/containers/containers.conf";
const STORAGE: &str = "/etc/containers/storage.conf";
const USER_STORAGE: &str = "/home/dev/.config/containers/storage.conf";
const REGISTRIES: &str = "/etc/containers/registries.conf";

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn installed(version: &str) -> Case {
    let packages = format!("libc6 2.36\nsystemd 252.39-1\npodman {version}\ncrun 1.14.3\n");
    let said = format!("podman version {version}\n");
    Case::new(Layout::Isolated).file("/fake/packages", packages).file("/fake/podman-version", said)
}

fn not_installed() -> Case {
    let case = Case::new(Layout::Isolated);
    fs::remove_file(case.machine.path("/usr/bin/podman")).unwrap();
    case
}

/// Asserts that setup refuses to start because of this line of this file.
#[track_caller]
fn refuses(case: &Case, path: &str, line: usize) {
    let seen = case.run("setup --yes --tools none --kind-wrapper no");
    let start = format!("podman cannot read {path}: line {line}: ");
    assert_eq!(seen.code, 1, "{}", seen.stderr);
    assert!(seen.stderr.contains(&start), "wanted {start}\n{}", seen.stderr);
    let hint = seen.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    assert!(hint.contains(path) && hint.ends_with("run the same command again"), "{hint}");
    assert!(!case.machine.has_journal());
    let plan = case.run("plan --all --diff --only podman");
    assert!(plan.stdout.contains(&start), "{}", plan.stdout);
}

#[test]
fn a_file_that_no_podman_reads_blocks_setup_with_or_without_podman() {
    let drop_in = "/home/dev/.config/containers/containers.conf.d/10-mine.conf";
    let cases: [(&str, Vec<u8>, usize); 13] = [
        // W4, and the same in other files.
        (SYSTEM, b"/etc/static/containers/containers.conf".to_vec(), 1),
        (USER, b"../dotfiles/containers.conf\n".to_vec(), 1),
        (drop_in, b"# moved to\n/etc/static/containers/containers.conf\n".to_vec(), 2),
        (SYSTEM, utf16("\u{feff}[engine]\r\n"), 1),
        (USER, utf16("[engine]\n"), 1),
        (STORAGE, utf16("\u{feff}[storage]\ndriver = \"overlay\"\n"), 1),
        (USER, b"# mine\n# gr\xfc\xdfe\n[engine]\n".to_vec(), 2),
        (SYSTEM, b"[containers]\npids_limit = \"many\"\n".to_vec(), 2),
        (USER, b"[containers]\nlog_driver = 3\n".to_vec(), 2),
        (STORAGE, b"[storage]\n\ndriver = true\n".to_vec(), 3),
        (USER_STORAGE, b"[storage]\ndriver = overlay\n".to_vec(), 2),
        (REGISTRIES, b"unqualified-search-registries = \"docker.io\"\n".to_vec(), 1),
        (REGISTRIES, b"[[registry]\n".to_vec(), 1),
    ];
    for (path, bytes, line) in cases {
        refuses(&installed("4.3.1").file(path, &bytes), path, line);
        refuses(&installed("5.4.2").file(path, &bytes), path, line);
        refuses(&not_installed().file(path, &bytes), path, line);
    }
}

#[test]
fn a_byte_order_mark_blocks_setup_only_for_a_podman_that_refuses_it() {
    // W7, and two of its kind.
    for (path, text) in [
        (SYSTEM, "\u{feff}[engine]\nimage_volume_mode = \"ignore\"\n"),
        (USER, "\u{feff}[engine]\r\n"),
        (STORAGE, "\u{feff}[storage]\ndriver = \"overlay\"\n"),
    ] {
        refuses(&installed("4.3.1").file(path, text), path, 1);
        // Debian 12 offers 4.3.1.
        refuses(&not_installed().file(path, text), path, 1);
        installed("4.9.3").file(path, text).run("plan --all --diff --only podman").expect(0, "");
    }
}

#[test]
fn syntax_of_toml_1_1_blocks_setup_only_for_a_podman_that_refuses_it() {
    // W8, and two of its kind.
    for (path, text, line) in [
        (USER, "[engine]\nruntimes = {\n  crun = [\"/usr/bin/crun\"],\n}\n", 2),
        (SYSTEM, "engine = { events_logger = \"file\",\n  remote = false }\n", 1),
        (STORAGE, "[storage]\ndriver = \"overlay\"\noptions = {\n}\n", 3),
    ] {
        refuses(&installed("4.3.1").file(path, text), path, line);
        refuses(&not_installed().file(path, text), path, line);
        installed("5.8.6").file(path, text).run("plan --all --diff --only podman").expect(0, "");
    }
}

#[test]
fn keys_that_podman_does_not_know_block_nothing() {
    let text = "[engine]\nfuture = { a = 1 }\n[new]\nkey = 3\n";
    for case in [installed("4.3.1"), installed("5.4.2"), not_installed()] {
        let case = case.file(SYSTEM, text).file(STORAGE, "[storage]\ndriver = \"overlay\"\nnew = 1\n");
        case.run("plan --all --diff --only podman").expect(0, "");
    }
}

#[test]
fn the_file_that_podman_refuses_is_named_by_doctor_too() {
    let seen = installed("4.3.1").file(SYSTEM, "/etc/static/containers/containers.conf").run("doctor");
    let line = format!("podman cannot read {SYSTEM}: line 1: ");
    assert!(seen.stdout.contains(&line), "{}", seen.stdout);
}

#[test]
fn a_refusal_quotes_podman_and_the_hint_has_a_fix() {
    installed("4.3.1").file(SYSTEM, "\u{feff}[engine]\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `podman` cannot be set up: podman cannot read /etc/containers/containers.conf: line 1: expected '.' or '=', but got '\\ufeff' instead
        hint: save /etc/containers/containers.conf as UTF-8 without a byte order mark, then run the same command again
        ",
    );
}

#[test]
fn the_storage_driver_follows_the_file_that_podman_takes_it_from() {
    let falls = "would store layers with vfs";
    // W9 and its kind: whether podman 4.3.1 falls back to vfs.
    let states: [(&[(&str, &str)], bool); 8] = [
        (&[], true),
        (&[(STORAGE, "[storage]\ndriver = \"\"\n")], true),
        (&[(STORAGE, "[storage]\ndriver = \"zfs\"\n")], true),
        (&[(STORAGE, "[storage]\ndriver = \"overlay\"\n")], false),
        (&[(STORAGE, "[storage]\ndriver = \"vfs\"\n")], false),
        (&[(USER_STORAGE, "[storage]\n")], false),
        (&[(STORAGE, "[storage]\ndriver = \"zfs\"\n"), (USER_STORAGE, "[storage.options]\n")], false),
        (&[("/usr/share/containers/storage.conf", "[storage]\ndriver = \"overlay\"\n"), (STORAGE, "")], true),
    ];
    for (files, is_vfs) in states {
        let with = |case: Case| files.iter().fold(case, |case, (path, text)| case.file(path, text));
        for case in [installed("4.3.1"), not_installed()] {
            let seen = with(case).run("plan --all --diff --only podman").expect(0, "");
            assert_eq!(seen.stdout.contains(falls), is_vfs, "{files:?}\n{}", seen.stdout);
            assert_eq!(seen.stdout.contains("driver = \"overlay\""), is_vfs, "{files:?}\n{}", seen.stdout);
        }
        // Ubuntu 24.04's takes overlay by itself.
        let seen = with(installed("4.9.3")).run("plan --all --diff --only podman").expect(0, "");
        assert!(!seen.stdout.contains(falls), "{files:?}\n{}", seen.stdout);
    }
}

#[test]
fn a_storage_driver_that_podman_does_not_have_blocks_setup() {
    installed("4.3.1").file(USER_STORAGE, "[storage]\ndriver = \"overlayfs\"\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `podman` cannot be set up: `/home/dev/.config/containers/storage.conf` (line 2) sets the storage driver `overlayfs`, which podman does not have
        hint: set `overlay` there, then run the same command again
        ",
    );
}

#[test]
fn a_higher_limit_on_processes_is_never_lowered() {
    // W17.
    for limit in ["0", "-1", "200000"] {
        let conf = format!("[containers]\npids_limit = {limit}\n");
        for path in [SYSTEM, USER] {
            let case = installed("4.3.1").file(path, &conf);
            let seen = case.run("plan --diff --only podman --cgroup-manager systemd").expect(0, "");
            assert!(!seen.stdout.contains("65536"), "{limit} in {path}\n{}", seen.stdout);
        }
    }
}
