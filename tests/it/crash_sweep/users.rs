//! Two users of one machine: `dev` is set up, then `anna`; each run may end before each of its effects.

use std::time::Instant;

use kind_wsl::engine::{DriftPolicy, EngineError, RunOutcome, Undone};
use kind_wsl::host::{FaultInjector, LiveSystem};
use kind_wsl::journal::{self, JournalError, RunOptions};

use crate::crash_sweep::machines::{self, Row};
use crate::crash_sweep::{Chance, Machine, Tree, answers, changes, same, step};
use crate::support::{differing, everything};

const ROWS: [Row; 3] = [machines::CLASSIC, machines::ISOLATED_POOR, machines::PLAIN];

fn setup(machine: &Machine, host: &LiveSystem, user: &str) -> Result<RunOutcome, EngineError> {
    machine.engine_for(user, host, |engine| engine.setup(&answers(), &RunOptions::default()))
}

fn undo(machine: &Machine, host: &LiveSystem, user: &str) -> Result<Undone, EngineError> {
    machine.engine_for(user, host, |engine| engine.undo(&everything(DriftPolicy::Stop)))
}

fn calm() -> FaultInjector {
    FaultInjector::default()
}

/// A machine with both users, of whom `dev` is set up.
fn with_dev(row: &Row) -> (Machine, Tree) {
    let machine = row.machine();
    machine.add_anna();
    let before = machine.snapshot();
    machine.finish(|host| setup(&machine, host, "dev"));
    (machine, before)
}

fn with_both(row: &Row) -> (Machine, Tree) {
    let (machine, before) = with_dev(row);
    machine.finish(|host| setup(&machine, host, "anna"));
    (machine, before)
}

/// What a snapshot has of one user's home.
fn home(tree: &Tree, user: &str) -> Tree {
    let top = format!("home/{user}");
    tree.iter().filter(|(path, _)| path.starts_with(&top)).map(|(p, w)| (p.clone(), w.clone())).collect()
}

/// The effects at which a run of this many ends.
fn ends(name: &str, count: u64) -> Vec<u64> {
    let step = step(12, 3) as u64;
    let mut chance = Chance::of(name);
    (0..count.div_ceil(step)).map(|n| n * step + chance.below(step)).filter(|at| *at < count).collect()
}

/// Ends the run for a user before some of its effects, runs it again and compares the end with that of a run that was not
/// ended. The other user's home stays the same.
fn sweep(
    what: &str,
    start: impl Fn() -> Machine,
    user: &str,
    run: impl Fn(&Machine, &LiveSystem, &str),
) -> (Tree, usize, u64) {
    let other = if user == "dev" { "anna" } else { "dev" };
    let machine = start();
    let theirs = home(&machine.snapshot(), other);
    let host = machine.host(calm());
    run(&machine, &host, user);
    let (end, count) = (machine.snapshot(), host.fault_injector().count());
    same(&theirs, &home(&end, other), what);
    let ends = ends(what, count);
    for at in &ends {
        let machine = start();
        machine.crash(*at, |host| run(&machine, host, user));
        same(&theirs, &home(&machine.snapshot(), other), &format!("{what}, effect {at}"));
        run(&machine, &machine.host(calm()), user);
        same(&end, &machine.snapshot(), &format!("{what}, effect {at}: again"));
    }
    (end, ends.len(), count)
}

#[test]
fn a_crash_of_either_users_run_at_any_effect_is_resumed_and_leaves_the_other_users_files() {
    for row in &ROWS {
        let started = Instant::now();
        let set_up = |machine: &Machine, host: &LiveSystem, user: &str| {
            // What dev's setup did needs no second restart.
            let ended = setup(machine, host, user).unwrap();
            assert!(matches!(ended, RunOutcome::Done { .. }), "{}: {ended:?}", row.name);
        };
        let undone = |machine: &Machine, host: &LiveSystem, user: &str| {
            undo(machine, host, user).unwrap();
        };
        let (both, setups, of_setup) = sweep(row.name, || with_dev(row).0, "anna", set_up);
        same(&both, &with_both(row).0.snapshot(), row.name);
        let mut undos = Vec::new();
        for (first, second) in [("dev", "anna"), ("anna", "dev")] {
            let what = format!("{}: undo of {first}", row.name);
            let (left, ..) = sweep(&what, || with_both(row).0, first, undone);
            let changed = differing(&both, &left);
            assert!(
                changed.iter().all(|path| !path.starts_with(&format!("home/{second}"))
                    && (path.starts_with("home/")
                        || path.starts_with("etc/sub")
                        || *path == format!("var/lib/systemd/linger/{first}"))),
                "{what}: {changed:?}"
            );
            let after_first = || {
                let (machine, _) = with_both(row);
                undo(&machine, &machine.host(calm()), first).unwrap();
                machine
            };
            let what = format!("{}: undo of {second} after {first}", row.name);
            let (end, ends, count) = sweep(&what, after_first, second, undone);
            let (_, before) = with_dev(row);
            assert_eq!(changes(&before, &end), Vec::<String>::new(), "{what}");
            undos.push(format!("{ends} of {count}"));
        }
        println!(
            "sweep: two users, {}: {setups} of {of_setup} effects of the second setup, {} of the last undo, {:.1} s",
            row.name,
            undos.join(" and "),
            started.elapsed().as_secs_f64()
        );
    }
}

#[test]
fn the_last_undo_erases_the_journal_and_restores_files_that_did_not_exist() {
    for text in [None, Some("other:100000:65536"), Some("")] {
        let machine = machines::PLAIN.machine();
        machine.add_anna();
        for path in ["/etc/subuid", "/etc/subgid"] {
            match text {
                Some(text) => machine.write(path, text),
                None => std::fs::remove_file(machine.path(path)).unwrap(),
            }
        }
        let before = machine.snapshot();
        for user in ["dev", "anna"] {
            machine.finish(|host| setup(&machine, host, user));
        }
        for user in ["dev", "anna"] {
            undo(&machine, &machine.host(calm()), user).unwrap();
        }
        same(&before, &machine.snapshot(), &format!("{text:?}"));
        assert!(!machine.has_journal(), "{text:?}");
    }
}

#[test]
fn an_undo_that_keeps_the_packages_leaves_them_to_the_undo_of_the_other_user() {
    let (machine, before) = with_both(&machines::CLASSIC);
    let kept = machine
        .engine_for("dev", &machine.host(calm()), |engine| {
            engine.undo(&kind_wsl::engine::UndoOptions { packages: false, ..everything(DriftPolicy::Stop) })
        })
        .unwrap();
    assert_eq!(kept.kept_for.into_iter().collect::<Vec<_>>(), ["anna"]);
    undo(&machine, &machine.host(calm()), "anna").unwrap();
    same(&before, &machine.snapshot(), "both undone");
    assert!(!machine.has_journal());
}

#[test]
fn a_change_to_the_machine_that_is_half_done_blocks_the_other_user_until_it_is_resumed() {
    let row = &machines::PLAIN;
    let count = {
        let machine = row.machine();
        machine.add_anna();
        let host = machine.host(calm());
        setup(&machine, &host, "dev").unwrap();
        host.fault_injector().count()
    };
    let (mut blocked, mut free) = (0, 0);
    for at in 0..count {
        let machine = row.machine();
        machine.add_anna();
        machine.crash(at, |host| setup(&machine, host, "dev"));
        match setup(&machine, &machine.host(calm()), "anna") {
            Err(EngineError::Journal(JournalError::Unfinished { user, .. })) => {
                assert_eq!(user, "dev");
                blocked += 1;
                machine.finish(|host| setup(&machine, host, "dev"));
                machine.finish(|host| setup(&machine, host, "anna"));
            }
            Ok(_) => {
                free += 1;
                machine.finish(|host| setup(&machine, host, "anna"));
                machine.finish(|host| setup(&machine, host, "dev"));
            }
            Err(e) => panic!("effect {at}: {e}"),
        }
        for user in ["anna", "dev"] {
            undo(&machine, &machine.host(calm()), user).unwrap();
        }
        assert!(!machine.has_journal(), "effect {at}");
    }
    assert!(blocked > 0 && free > 0, "{blocked} blocked, {free} not");
}

#[test]
fn a_journal_of_one_user_keeps_the_form_that_earlier_versions_read() {
    let one = |text: &str| !text.contains("\"version\":2") && !text.contains("\"record\":\"relies\"");
    let journal = "/var/lib/kind-wsl/journal.jsonl";
    let (machine, _) = with_dev(&machines::CLASSIC);
    assert!(one(&machine.text(journal)), "{}", machine.text(journal));
    machine.undo_but_packages(&machine.host(calm())).unwrap();
    machine.boot(20);
    machine.finish(|host| setup(&machine, host, "dev"));
    assert!(one(&machine.text(journal)), "{}", machine.text(journal));
    machine.finish(|host| setup(&machine, host, "anna"));
    let state = journal::read(&machine.host(calm())).unwrap();
    assert_eq!(state.users().into_iter().collect::<Vec<_>>(), ["anna", "dev"]);
    assert!(machine.text(journal).contains("{\"record\":\"user\",\"version\":2,"));
}
