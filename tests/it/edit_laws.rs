//! The laws of `edit`: a value that was put is read back, no other byte changes, a second put changes nothing, and
//! removal restores the original.
//!
//! They are checked on every recorded case, on handmade files, and on files that proptest generates. Set
//! `KIND_WSL_CORPUS` to a directory of real files to check those too.

mod tables;
mod toml_files;
mod wsl;
mod wsl_examples;

pub(crate) use wsl::wsl_file;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The same cases in every run, so that a run fails only because of the change under test. With `PROPTEST_CASES` set, that
/// many new ones.
pub(crate) fn config() -> ProptestConfig {
    let explore = std::env::var_os("PROPTEST_CASES").is_some();
    let (cases, rng_seed) = match ProptestConfig::default() {
        given if explore => (given.cases, RngSeed::Random),
        _ => (512, RngSeed::Fixed(512)),
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// The real files below `KIND_WSL_CORPUS`/folder.
fn corpus(folder: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("KIND_WSL_CORPUS") else { return Vec::new() };
    let files = std::fs::read_dir(Path::new(&root).join(folder)).expect("the corpus");
    files.map(|file| file.expect("a file").path()).collect()
}
