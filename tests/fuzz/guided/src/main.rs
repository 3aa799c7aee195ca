//! The targets of `tests/fuzz.rs`, led by libFuzzer to what of the program no input has reached yet.
//!
//! `KIND_WSL_FUZZ_TARGET` names the target; everything else is libFuzzer's own command line. `tests/fuzz/run` builds and
//! starts it.

#![no_main]

use std::sync::LazyLock;

use kind_wsl::version;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[path = "../../mutate.rs"]
mod mutate;
#[path = "../../targets.rs"]
#[allow(dead_code, reason = "libFuzzer is told how many executions")]
mod targets;

use mutate::{Random, mutate};
use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("KIND_WSL_FUZZ_TARGET").unwrap_or_default();
    let names = TARGETS.map(|target| target.name).join(", ");
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("KIND_WSL_FUZZ_TARGET is `{name}`, which is none of {names}"))
});

/// Every file of the corpus, to take pieces from.
static OTHERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/");
    let files = std::fs::read_dir(format!("{folder}{}", TARGET.name)).into_iter().flatten();
    let others: Vec<_> = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok()).collect();
    if others.is_empty() { vec![Vec::new()] } else { others }
});

fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // libFuzzer's own changes know what the program compares with; ours know the formats.
    let mut random = Random(u64::from(seed));
    if random.below(3) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut input = data[..size].to_vec();
    let other = &OTHERS[random.below(OTHERS.len())];
    mutate(&mut random, &mut input, TARGET.words, other, max_size.min(data.len()));
    data[..input.len()].copy_from_slice(&input);
    input.len()
});
