//! Undo on real files: a configuration file is installed, setup edits it, undo restores it byte for byte. If another
//! program edits it in between, its edit survives and ours is removed.
//!
//! `KIND_WSL_CORPUS=DIR` adds every file in `DIR` whose folder or name tells its kind (`wsl.conf/001.conf`,
//! `W5.containers.conf`; the kinds are in `corpus/files.rs`), each also as other programs would have saved it. A table shows
//! how many of each kind passed.

mod files;
mod others;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::files::{File, Place};
use self::others::Edit;
use crate::support::{Layout, Machine, answers, differing};
use kind_wsl::engine::{DriftPolicy, EngineError, RunOutcome};
use kind_wsl::facts::Facts;
use kind_wsl::host::{FaultInjector, LiveSystem};
use kind_wsl::plan::{Plan, StageSelection};

/// A machine that wants every stage, with the file in its place.
fn machine(file: &File, place: Place) -> Machine {
    let machine = Machine::new(Layout::Classic);
    let path = place.path();
    machine.write(path, &file.bytes);
    // An unusual mode shows whether it is kept.
    fs::set_permissions(machine.path(path), fs::Permissions::from_mode(0o640)).unwrap();
    if place.is_users() && nix::unistd::geteuid().is_root() {
        for above in
            camino::Utf8Path::new(path).ancestors().take_while(|a| a.as_str().len() > "/home/dev".len())
        {
            chown(machine.path(above.as_str()), Some(1000), Some(1000)).unwrap();
        }
    }
    machine.boot(1);
    machine
}

/// The machine, told where the Windows profile is: a wsl.conf may mount the drives elsewhere.
fn host(machine: &Machine) -> LiveSystem {
    let mut host = machine.host(FaultInjector::default());
    host.set_env("KIND_WSL_WINDOWS_PROFILE", "/mnt/c/Users/dev");
    host
}

/// Why the setup refuses, if it does: the same check as in the command line before any change.
fn refusal(machine: &Machine) -> Option<String> {
    let host = host(machine);
    let selection = StageSelection { guide: true, ..StageSelection::default() };
    match Plan::make(&host, &Facts::probe(&host, machine.user()), &answers(), &selection) {
        Err(e) => Some(format!(
            "{e}: {}",
            std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default()
        )),
        Ok(plan) => plan.blocked().map(|stage| format!("{}: {}", stage.id, stage.why)),
    }
}

/// Every file is edited before the restart.
fn set_up(machine: &Machine, name: &str) {
    match machine.setup(&host(machine), &answers(), true) {
        Ok(RunOutcome::Restart(_)) => {}
        other => panic!("{name}: {other:?}"),
    }
}

fn undo(machine: &Machine, drift: DriftPolicy) -> Result<usize, EngineError> {
    machine.undo(&host(machine), drift).map(|undone| undone.kept.len())
}

#[derive(Debug, Default)]
struct Figures {
    refused: usize,
    edited: usize,
    untouched: usize,
    edits: BTreeMap<&'static str, usize>,
}

/// Sets up and undoes; then again, with each edit by another program in between.
fn proves(file: &File, place: Place, figures: &mut Figures) {
    let name = format!("{} as {}", file.name, place.path());
    let untouched = machine(file, place);
    let before = untouched.snapshot();
    if let Some(why) = refusal(&untouched) {
        assert_eq!(differing(&before, &untouched.snapshot()), Vec::<String>::new(), "{name}: {why}");
        assert!(!untouched.has_journal(), "{name}: {why}");
        assert!(place.refuses(&file.bytes, &why), "{name}: refused for no good reason: {why}");
        println!("corpus: {name}: refused: {why}");
        figures.refused += 1;
        return;
    }
    set_up(&untouched, &name);
    let ours = fs::read(untouched.path(place.path())).unwrap();
    undo(&untouched, DriftPolicy::Stop).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(differing(&before, &untouched.snapshot()), Vec::<String>::new(), "{name}: undone");
    assert!(!untouched.has_journal(), "{name}");
    if ours == file.bytes {
        figures.untouched += 1;
        return;
    }
    figures.edited += 1;
    for edit in Edit::ALL {
        let Some(theirs) = edit.of(&file.bytes, &ours) else { continue };
        let name = format!("{name}, {}", edit.name());
        let machine = machine(file, place);
        set_up(&machine, &name);
        fs::write(machine.path(place.path()), &theirs).unwrap();
        let kept = match undo(&machine, DriftPolicy::Stop) {
            Ok(_) => 0,
            // Their word on our own entry is shown first, and stays.
            Err(EngineError::Drift(_)) => {
                assert_eq!(edit.may_drift(&theirs, place), Ok(()), "{name}");
                undo(&machine, DriftPolicy::Keep).unwrap_or_else(|e| panic!("{name}: {e}"))
            }
            Err(e) => panic!("{name}: {e}"),
        };
        let left = fs::read(machine.path(place.path())).unwrap_or_default();
        edit.survives(&file.bytes, &ours, &theirs, &left, kept > 0).unwrap_or_else(|why| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            panic!(
                "{name}: {why}\n--- before\n{}\n--- ours\n{}\n--- theirs\n{}\n--- left\n{}",
                text(&file.bytes),
                text(&ours),
                text(&theirs),
                text(&left)
            )
        });
        let elsewhere: Vec<_> = differing(&before, &machine.snapshot())
            .into_iter()
            .filter(|path| path != place.path().trim_start_matches('/'))
            .collect();
        assert_eq!(elsewhere, Vec::<String>::new(), "{name}: other files");
        assert!(!machine.has_journal(), "{name}");
        *figures.edits.entry(edit.name()).or_default() += 1;
    }
}

/// How many files of a kind and a variant passed, were refused as they should be, and failed.
#[derive(Debug, Default)]
struct Row {
    passed: usize,
    refused: usize,
    failed: usize,
}

fn prove_all(what: &str, files: &[File]) {
    let mut figures = Figures::default();
    let mut table: BTreeMap<(&str, &str), Row> = BTreeMap::new();
    let mut failures = Vec::new();
    for file in files {
        for place in file.places() {
            let row = table.entry((file.kind, file.variant)).or_default();
            let refused = figures.refused;
            let proof = AssertUnwindSafe(|| proves(file, *place, &mut figures));
            match catch_unwind(proof) {
                Ok(()) if figures.refused > refused => row.refused += 1,
                Ok(()) => row.passed += 1,
                Err(panic) => {
                    row.failed += 1;
                    let text = panic.downcast_ref::<String>().cloned();
                    failures.push(text.unwrap_or_else(|| format!("{} as {}", file.name, place.path())));
                }
            }
        }
    }
    println!("{:<16} {:<16} {:>6} {:>8} {:>6}", "kind", "variant", "passed", "refused", "failed");
    for ((kind, variant), Row { passed, refused, failed }) in table {
        println!("{kind:<16} {variant:<16} {passed:>6} {refused:>8} {failed:>6}");
    }
    println!("corpus: {what}: {} files: {figures:?}", files.len());
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn files_of_every_oddity_come_back_to_the_byte_and_keep_what_others_wrote() {
    prove_all("made by hand", &files::by_hand());
}

#[test]
fn real_files_come_back_to_the_byte_and_keep_what_others_wrote() {
    let Ok(dir) = std::env::var("KIND_WSL_CORPUS") else {
        println!("skipped: KIND_WSL_CORPUS names no directory of real files");
        return;
    };
    let mut files = files::below(&dir);
    assert!(!files.is_empty(), "{dir} has no file of a known kind");
    let variants: Vec<_> = files.iter().flat_map(File::variants).collect();
    files.extend(variants);
    prove_all("real files", &files);
}
