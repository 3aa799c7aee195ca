//! What `kind-wsl export` writes and refuses, and its script at work on a machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use kind_wsl::host::digest;

use crate::support::cli::{BIN, Case, Seen, agreed, is_root};
use crate::support::{Layout, Machine};

const FORMATS: [&str; 4] = ["sh", "ansible", "cloud-init", "wsl-image"];

/// Spares a debug build the reading of its own large binary.
const SHA256: &str = "--sha256 0000000000000000000000000000000000000000000000000000000000000000";

fn case() -> Case {
    Case::new(Layout::Modern).env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dev")
}

fn sha256() -> String {
    digest(&fs::read(BIN).unwrap())
}

#[test]
fn every_format_pins_this_kind_wsl_and_holds_the_answers() {
    let sha256 = sha256();
    for (format, own) in FORMATS.into_iter().zip([true, false, false, false]) {
        let given = if own { String::new() } else { format!("--sha256 {sha256}") };
        let seen = case().run(&format!(
            "export --format {format} --binary https://example.com/kind-wsl {given} --idle yes"
        ));
        assert_eq!((seen.code, seen.stderr.as_str()), (0, ""));
        for part in [&sha256, "https://example.com/kind-wsl", "idle = \"yes\"", "--no-restart"] {
            assert!(seen.stdout.contains(part), "{format} lacks {part}:\n{}", seen.stdout);
        }
    }
}

#[test]
fn nothing_of_the_machine_that_made_it_is_in_it() {
    for format in FORMATS {
        let args = agreed().replace("--yes ", "").replace("[ROOT]/offline", "/srv/kind");
        let seen = case()
            .run(&format!("export --format {format} --binary https://example.com/kind-wsl {SHA256} {args}"));
        assert_eq!(seen.code, 0, "{}", seen.stderr);
        for trace in ["[ROOT]", "[BIN]", "/home/dev", "/mnt/c/Users/dev", env!("CARGO_MANIFEST_DIR")] {
            let line = seen.stdout.lines().find(|l| l.contains(trace));
            assert_eq!(line, None, "{format} holds {trace}");
        }
    }
}

#[test]
fn a_password_is_not_exported() {
    let host = "https://me:s3cret@mirror.test/kind";
    let hint = "hint: use an address without them, or an absolute path on the machines\n";
    for flag in ["--mirror", "--binary"] {
        let text =
            format!("error: `{flag}`: the exported file would contain the user name or password\n{hint}");
        case().refuses(&format!("export --format sh {flag} {host}"), 2, &text);
    }
    let seen = case().env("KIND_WSL_MIRROR", host).run(&format!("export --format sh {SHA256}"));
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(!seen.stdout.contains("mirror.test") && !seen.stderr.contains("s3cret"), "{seen:?}");
    assert!(seen.stderr.contains("set KIND_WSL_MIRROR on the machines"), "{}", seen.stderr);
}

#[test]
fn consents_of_an_earlier_setup_are_not_exported() {
    let begin =
        r#"{"record":"begin","version":1,"tool":"kind-wsl 0.1.0","at":"2026-01-01T00:00:00Z","user":"dev"}"#;
    let answers =
        r#"{"record":"answers","answers":{"idle":"yes","restart_all":"yes","remove_packages":"crun"}}"#;
    let case = case().journal(&[begin, answers]);
    let seen = case.run(&format!("export --format sh {SHA256}"));
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(seen.stdout.contains("idle = \"yes\"\n"), "{}", seen.stdout);
    assert!(!seen.stdout.contains("restart_all") && !seen.stdout.contains("remove_packages"));
    let seen = case.run(&format!("export --format sh {SHA256} --restart-all yes"));
    assert!(seen.stdout.contains("restart_all = \"yes\"\n"), "{}", seen.stdout);
}

#[test]
fn a_source_that_no_machine_can_install_from_is_refused() {
    let text = "
        error: `--format cloud-init` requires `--binary`
        hint: name an https URL or an absolute path on the machines
    ";
    case().refuses("export --format cloud-init", 2, text);
    let seen = case().run("export --format sh --binary http://example.com/kind-wsl");
    assert_eq!((seen.code, seen.stderr.lines().next()), (2, Some("error: `--binary`: not an https URL")));
    let seen = case().run("export --format sh --binary /srv/nowhere/kind-wsl");
    assert_eq!(seen.code, 2, "{}", seen.stderr);
    assert!(seen.stderr.ends_with("hint: name its checksum: `--sha256 HASH`\n"), "{}", seen.stderr);
    let seen = case().run("export --format sh --sha256 123");
    assert_eq!(
        (seen.code, seen.stderr.lines().next()),
        (2, Some("error: invalid value `123` for `--sha256`"))
    );
    let seen = case().run("export --format sh --offline offline");
    assert_eq!(seen.code, 2, "{}", seen.stderr);
    for odd in ["\u{1b}[31m", "$HOME", "\u{2028}"] {
        let seen = case().run(&format!("export --format sh {SHA256} --offline /srv/{odd}"));
        assert_eq!(seen.code, 2, "{}", seen.stderr);
        assert!(seen.stderr.contains("has characters that cannot be exported"), "{}", seen.stderr);
    }
}

#[test]
fn the_checksum_is_that_of_the_file_that_is_named() {
    let case = case().file("/home/dev/other", "#!/bin/sh\n");
    let seen = case.run("export --format sh --binary [ROOT]/home/dev/other");
    assert!(seen.stdout.contains(&digest(b"#!/bin/sh\n")), "{seen:?}");
    let hash = "A".repeat(64);
    let seen = case.run(&format!("export --format sh --binary /srv/kind-wsl --sha256 {hash}"));
    assert!(seen.stdout.contains(&hash.to_lowercase()), "{seen:?}");
}

/// Runs the script of this case with this kind-wsl beside it, on the case's own machine.
fn script(case: &Case, args: &str) -> Seen {
    let seen =
        case.run("export --format sh --tools none --kind-wrapper yes --crun-version keep --provider docker");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    let dir = case.machine.path("/root/export");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("kind.sh"), seen.stdout).unwrap();
    if !dir.join("kind-wsl").exists() {
        fs::copy(BIN, dir.join("kind-wsl")).unwrap();
    }
    let mut command = Command::new("sh");
    command.arg(dir.join("kind.sh")).args(args.split_ascii_whitespace());
    let env =
        [("KIND_WSL_ROOT", case.machine.root.as_str()), ("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dev")];
    let child = command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(env);
    let child = child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    case.end(child.unwrap())
}

fn program(machine: &Machine) -> camino::Utf8PathBuf {
    machine.path("/usr/local/bin/kind-wsl")
}

#[test]
fn a_binary_with_another_checksum_is_neither_installed_nor_run() {
    if !is_root() {
        println!("the script is for root: nothing was tried");
        return;
    }
    let case = case().file("/root/export/kind-wsl", "#!/bin/sh\ntouch /tmp/kind-wsl-was-run\n");
    let seen = script(&case, "");
    assert_eq!((seen.code, seen.stdout.as_str()), (1, ""));
    let found = digest(b"#!/bin/sh\ntouch /tmp/kind-wsl-was-run\n");
    let text = format!("error: kind-wsl has sha256 {found}, expected {}; it was not installed\n", sha256());
    assert_eq!(seen.stderr, text);
    let left = fs::read_dir(case.machine.path("/usr/local/bin")).unwrap().count();
    assert_eq!((left, case.machine.has_journal()), (0, false));
}

#[test]
fn a_link_in_the_place_of_the_program_is_replaced_and_not_followed() {
    if !is_root() {
        println!("the script is for root: nothing was tried");
        return;
    }
    let case = case();
    case.machine.write("/home/dev/kind-wsl", fs::read(BIN).unwrap());
    fs::create_dir_all(case.machine.path("/usr/local/bin")).unwrap();
    symlink(case.machine.path("/home/dev/kind-wsl"), program(&case.machine)).unwrap();
    let seen = script(&case, "--only limits");
    assert_eq!(seen.code, 0, "{}{}", seen.stdout, seen.stderr);
    let meta = fs::symlink_metadata(program(&case.machine)).unwrap();
    assert_eq!((meta.is_file(), meta.mode() & 0o7777), (true, 0o755));
}

#[test]
fn the_journal_of_a_machine_that_the_script_set_up_undoes_it() {
    if !is_root() {
        println!("the script is for root: nothing was tried");
        return;
    }
    let case = case();
    let seen = script(&case, "--only limits,delegation,restart");
    assert_eq!(seen.code, 3, "{}{}", seen.stdout, seen.stderr);
    assert!(case.machine.path("/etc/sysctl.d/99-kind-wsl.conf").exists());
    assert_eq!(case.machine.text("/etc/kind-wsl/answers.toml").lines().count(), 5);
    let seen = script(&case, "--only limits,delegation,restart");
    assert_eq!(seen.code, 3, "{}{}", seen.stdout, seen.stderr);
    assert!(seen.stdout.contains("not restarted yet"), "{}", seen.stdout);
    let seen = case.run("undo --yes");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    assert!(!case.machine.path("/etc/sysctl.d/99-kind-wsl.conf").exists());
}

#[test]
fn the_last_line_of_json_has_whether_a_setup_changed_anything() {
    let case = case();
    let last = || {
        let seen = case.run(&format!("setup --json --no-restart {}", agreed()));
        let line: serde_json::Value = serde_json::from_str(seen.stdout.lines().last().unwrap()).unwrap();
        (seen.code, line["event"].as_str().unwrap().to_owned(), line["changed"].as_u64().unwrap())
    };
    let (code, event, changed) = last();
    assert_eq!((code, event.as_str()), (3, "restart"));
    assert!(changed > 5, "{changed}");
    assert_eq!(last(), (3, "restart".to_owned(), 0));
    case.machine.boot(2);
    assert_eq!(last(), (0, "end".to_owned(), 0));
    assert_eq!(last(), (0, "end".to_owned(), 0));
}

#[test]
fn a_tree_whose_links_lead_out_of_it_is_refused() {
    if !is_root() {
        println!("the script is for root: nothing was tried");
        return;
    }
    let case = case();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), case.machine.path("/etc/kind-wsl")).unwrap();
    let seen = script(&case, "--only limits");
    let text = "error: [ROOT]/etc/kind-wsl leads out of [ROOT]\n";
    assert_eq!((seen.code, seen.stdout.as_str(), seen.stderr.as_str()), (1, "", text));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}
