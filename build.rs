//! Writes down what this build is made of, for `kind-wsl version`, and takes the Windows programs in if the builder names
//! the helper: `KIND_WSL_HELPER_EXE=FILE cargo build`. `kind-wsl.exe` has to be beside it.

#![allow(clippy::disallowed_methods, reason = "runs on the builder's machine")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    describe_build();
    println!("cargo::rerun-if-env-changed=KIND_WSL_HELPER_EXE");
    println!("cargo::rustc-check-cfg=cfg(kind_wsl_helper)");
    let Some(path) = env::var_os("KIND_WSL_HELPER_EXE") else { return };
    let path = PathBuf::from(path);
    assert!(
        path.is_absolute() && path.is_file(),
        "KIND_WSL_HELPER_EXE has to be the absolute path of a file, and is {}",
        path.display()
    );
    let driver = path.with_file_name("kind-wsl.exe");
    assert!(driver.is_file(), "{} does not exist; windows/build makes both programs", driver.display());
    for (name, path) in [("KIND_WSL_HELPER_EXE", &path), ("KIND_WSL_DRIVER_EXE", &driver)] {
        println!("cargo::rerun-if-changed={}", path.display());
        println!("cargo::rustc-env={name}={}", path.display());
    }
    println!("cargo::rustc-cfg=kind_wsl_helper");
}

/// Target, commit and date of this build. The date is `SOURCE_DATE_EPOCH` or the commit's, so that the same source makes the
/// same program (reproducible-builds.org/specs/source-date-epoch). A debug build has neither commit nor date: it would be
/// compiled again after every commit.
fn describe_build() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=KIND_WSL_TARGET={}", env::var("TARGET").unwrap_or_default());
    let (mut commit, mut date) = (String::new(), String::new());
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
        (commit, date) = packaged(&root).or_else(|| committed(&root)).unwrap_or_default();
    }
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        date = epoch;
    }
    println!("cargo::rustc-env=KIND_WSL_COMMIT={commit}");
    println!("cargo::rustc-env=KIND_WSL_DATE={date}");
}

/// The commit that `cargo package` noted.
fn packaged(root: &Path) -> Option<(String, String)> {
    let text = std::fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\":")?;
    Some((rest.split('"').nth(1)?.to_owned(), String::new()))
}

/// The commit that is checked out, and its time; `None` outside a git repository of this project.
fn committed(root: &Path) -> Option<(String, String)> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(text.trim().to_owned())
    };
    // A tarball can be unpacked inside another repository.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // HEAD changes with a checkout, its log with a commit. A file that does not exist would run this script each time.
    for name in ["HEAD", "logs/HEAD"] {
        let file = root.join(git(&["rev-parse", "--git-path", name])?);
        if file.is_file() {
            println!("cargo::rerun-if-changed={}", file.display());
        }
    }
    let shown = git(&["log", "-1", "--format=%H %ct"])?;
    let (commit, date) = shown.split_once(' ')?;
    Some((commit.to_owned(), date.to_owned()))
}
