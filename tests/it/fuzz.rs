//! Fuzzing: checks the laws of every parser and editor on generated inputs.
//!
//! Here a small number of them, the same each time, and every file of the corpus. `tests/fuzz/run` tries ten million of each
//! target, led by what of the program each input reached (docs/dev/fuzzing.md has the laws). Set
//! `KIND_WSL_FUZZ_EXECUTIONS` to try another number here, without libFuzzer.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../fuzz/found.rs"]
mod found;
#[path = "../fuzz/mutate.rs"]
mod mutate;
#[path = "../fuzz/targets.rs"]
mod targets;

use self::mutate::{Random, mutate};
use self::targets::{TARGETS, Target};

/// The longest input.
const MOST: usize = 600;
/// How many inputs of a new kind are kept to resume from.
const KEPT: usize = 2000;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// Tries an input; what it broke, if anything.
fn broken(target: &Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input).hash())).map_err(|why| {
        let text = why.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
    })
}

/// Takes away from an input what is not needed to break it.
fn smallest(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut size = input.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut less = input.clone();
            less.drain(at..input.len().min(at + size));
            if broken(target, &less).is_err() {
                input = less;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    input
}

fn hold(target: &Target) {
    let files = corpus(target);
    assert!(!files.is_empty(), "{} has no corpus", target.name);
    let mut kinds = HashSet::new();
    let mut pool = Vec::new();
    for (path, input) in files {
        let kind = broken(target, &input).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        kinds.insert(kind);
        pool.push(input);
    }
    let asked = std::env::var("KIND_WSL_FUZZ_EXECUTIONS").ok().map(|n| n.parse().expect("a number"));
    let mut random = Random(7);
    for _ in 0..asked.unwrap_or(target.ordinary) {
        let mut input = pool[random.below(pool.len())].clone();
        let other = random.below(pool.len());
        mutate(&mut random, &mut input, target.words, &pool[other], MOST);
        match broken(target, &input) {
            Ok(kind) if kinds.insert(kind) && pool.len() < KEPT => pool.push(input),
            Ok(_) => {}
            Err(_) => {
                let input = smallest(target, input);
                let why = broken(target, &input).expect_err("as before");
                panic!("{}: {why}\ninput: \"{}\"", target.name, input.escape_ascii());
            }
        }
    }
    eprintln!("{}: {} kinds of behaviour", target.name, kinds.len());
}

macro_rules! held {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            hold(TARGETS.iter().find(|target| target.name == $name).unwrap());
        })*

        #[test]
        fn every_target_is_held_to_its_laws() {
            assert_eq!(TARGETS.map(|target| target.name), [$($name),*]);
        }
    };
}

held! {
    wsl_conf_is_read_and_edited_by_its_laws: "wsl-conf",
    wslconfig_is_read_and_edited_by_its_laws: "wslconfig",
    toml_is_edited_by_its_laws: "toml",
    fstab_is_edited_by_its_laws: "fstab",
    subordinate_ids_are_edited_by_their_laws: "subids",
    command_lines_mean_to_us_what_they_mean_to_the_kernel: "command-line",
    a_torn_or_changed_journal_is_never_believed: "journal",
    a_catalogue_keeps_its_rules_or_is_refused: "catalogue",
    what_servers_and_proxies_say_is_read_by_its_laws: "words",
    a_signature_is_good_only_where_gpgv_says_so: "signature",
    the_password_of_an_address_is_not_shown_or_written: "address",
    facts_of_any_machine_are_facts: "facts",
    doctor_examines_any_machine: "doctor",
    any_report_is_replayed_or_refused: "report",
    answers_are_read_by_their_laws: "answers",
    versions_are_in_one_order: "version",
    any_text_can_be_explained: "explain",
    the_windows_side_and_ours_understand_each_other: "windows",
}
