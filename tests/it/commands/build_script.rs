//! What build.rs notes for `kind-wsl version`, in a repository, in a package and in a plain tarball.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// What the script sets, and the files that it has watched.
struct Noted {
    env: BTreeMap<String, String>,
    watched: Vec<String>,
}

/// Runs build.rs for a source tree.
fn noted(source: &Path, env: &[(&str, &str)]) -> Noted {
    static PROGRAM: OnceLock<TempDir> = OnceLock::new();
    let dir = PROGRAM.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
        let rustc = Command::new("rustc")
            .args(["--edition=2024", "-o"])
            .arg(dir.path().join("build"))
            .arg(script)
            .output()
            .unwrap();
        assert!(rustc.status.success(), "{}", String::from_utf8_lossy(&rustc.stderr));
        dir
    });
    let output = Command::new(dir.path().join("build"))
        .current_dir(source)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([("TARGET", "x86_64-test"), ("PROFILE", "release"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .env("CARGO_MANIFEST_DIR", source)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = |key: &str| {
        let key = format!("cargo::{key}=");
        text.lines().filter_map(|line| line.strip_prefix(&key).map(str::to_owned)).collect::<Vec<_>>()
    };
    let pair = |line: String| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
    Noted {
        env: lines("rustc-env").into_iter().filter_map(pair).collect(),
        watched: lines("rerun-if-changed"),
    }
}

/// A repository with one commit, and the commit's name.
fn repository(dir: &Path) -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(dir)
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(args)
            .envs([("GIT_COMMITTER_DATE", "1700000000 +0000"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    git(&["rev-parse", "HEAD"])
}

#[test]
fn a_repository_gives_commit_and_date_and_is_watched_for_the_next_commit() {
    let dir = TempDir::new().unwrap();
    let commit = repository(dir.path());
    let found = noted(dir.path(), &[]);
    assert_eq!(found.env["KIND_WSL_COMMIT"], commit);
    assert_eq!(found.env["KIND_WSL_DATE"], "1700000000");
    assert_eq!(found.env["KIND_WSL_TARGET"], "x86_64-test");
    assert!(found.watched.iter().any(|file| file.ends_with("logs/HEAD")), "{:?}", found.watched);
}

#[test]
fn a_file_that_does_not_exist_is_never_watched() {
    // It would have the script run, and the program compiled, by each call of cargo.
    let [plain, repo] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    repository(repo.path());
    for dir in [&plain, &repo] {
        for file in noted(dir.path(), &[]).watched.iter().filter(|file| *file != "build.rs") {
            assert!(dir.path().join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn source_date_epoch_comes_before_the_date_of_the_commit() {
    let dir = TempDir::new().unwrap();
    repository(dir.path());
    let found = noted(dir.path(), &[("SOURCE_DATE_EPOCH", "1600000000")]);
    assert_eq!(found.env["KIND_WSL_DATE"], "1600000000");
}

#[test]
fn a_tarball_has_no_commit_even_inside_another_repository() {
    let dir = TempDir::new().unwrap();
    repository(dir.path());
    let tarball = dir.path().join("kind-wsl-0.1.0");
    fs::create_dir(&tarball).unwrap();
    let found = noted(&tarball, &[]);
    assert_eq!((found.env["KIND_WSL_COMMIT"].as_str(), found.env["KIND_WSL_DATE"].as_str()), ("", ""));
    // No git at all.
    let found = noted(&tarball, &[("PATH", "/nowhere")]);
    assert_eq!(found.env["KIND_WSL_COMMIT"], "");
}

#[test]
fn a_package_has_the_commit_that_cargo_noted() {
    let dir = TempDir::new().unwrap();
    let info = "{\n  \"git\": {\n    \"sha1\": \"0123abc\"\n  },\n  \"path_in_vcs\": \"\"\n}";
    fs::write(dir.path().join(".cargo_vcs_info.json"), info).unwrap();
    assert_eq!(noted(dir.path(), &[]).env["KIND_WSL_COMMIT"], "0123abc");
}

#[test]
fn a_debug_build_has_no_commit_so_that_a_commit_compiles_nothing_again() {
    let dir = TempDir::new().unwrap();
    repository(dir.path());
    let found = noted(dir.path(), &[("PROFILE", "debug")]);
    assert_eq!(found.env["KIND_WSL_COMMIT"], "");
    assert_eq!(found.watched, ["build.rs"]);
}
