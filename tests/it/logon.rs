//! The entry that starts the distribution when its account signs in to Windows, as the engine makes and reverts it. The real
//! helper and the registry of wine are in `tests/windows/logon_checks.py`.

use kind_wsl::change::{Change, Logon};
use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::host::{FaultInjector, LiveSystem};
use kind_wsl::stages::LOGON;

use crate::support::{Layout, Machine, same};

const HELPER: &str = "/mnt/c/Users/dev/AppData/Local/kind-wsl/kind-wsl-helper.exe";
const VALUE: &str = "/fake/run-key/Debian";

fn machine() -> Machine {
    let machine = Machine::new(Layout::Classic);
    machine.write(HELPER, "a program of Windows");
    machine
}

fn entry(machine: &Machine) -> Change {
    Logon { program: HELPER.into(), distribution: "Debian".to_owned(), user: machine.user() }.into()
}

fn make(machine: &Machine, host: &LiveSystem) -> Result<usize, EngineError> {
    let entry = entry(machine);
    machine.engine(host, |engine| engine.make(LOGON, &[entry]))
}

#[test]
fn the_entry_is_made_once_and_removed_by_undo() {
    let machine = machine();
    let before = machine.snapshot();
    let host = machine.host(FaultInjector::default());
    assert_eq!(make(&machine, &host).unwrap(), 1);
    assert_eq!(machine.text(VALUE), "dev");
    assert_eq!(make(&machine, &host).unwrap(), 0);
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn a_crash_before_any_effect_of_the_entry_is_completed_and_undone() {
    let calm = machine();
    let before = calm.snapshot();
    let host = calm.host(FaultInjector::default());
    make(&calm, &host).unwrap();
    let after = calm.snapshot();
    for at in 0..host.fault_injector().count() {
        let crashed = machine();
        crashed.crash(at, |host| make(&crashed, host));
        make(&crashed, &crashed.host(FaultInjector::default())).unwrap();
        same(&after, &crashed.snapshot(), &format!("completed after a crash at {at}"));
        crashed.undo_all();
        same(&before, &crashed.snapshot(), &format!("undone after a crash at {at}"));
    }
}

#[test]
fn the_entry_of_another_program_stays() {
    let machine = machine();
    machine.write(VALUE, "calc.exe /x");
    let before = machine.snapshot();
    let host = machine.host(FaultInjector::default());
    let error = make(&machine, &host).unwrap_err();
    assert!(format!("{error:?}").contains("Another program wrote"), "{error:?}");
    same(&before, &machine.snapshot(), "refused");
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn the_entry_of_an_earlier_user_comes_back() {
    let machine = machine();
    machine.write(VALUE, "eve");
    let before = machine.snapshot();
    make(&machine, &machine.host(FaultInjector::default())).unwrap();
    assert_eq!(machine.text(VALUE), "dev");
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn without_windows_an_undo_stops_unless_it_may_leave_the_entry() {
    let machine = machine();
    let host = machine.host(FaultInjector::default());
    make(&machine, &host).unwrap();
    std::fs::remove_file(machine.path(HELPER)).unwrap();
    let error = machine.undo(&host, DriftPolicy::Stop).unwrap_err();
    assert!(error.to_string().contains("logon entry of Debian"), "{error}");
    let undone = machine.undo(&host, DriftPolicy::Keep).unwrap();
    assert_eq!(undone.kept, ["set logon entry of Debian: starts it for dev"]);
}

#[test]
fn a_journal_cannot_name_another_program_or_distribution() {
    let machine = machine();
    let host = machine.host(FaultInjector::default());
    let logon = Logon { program: HELPER.into(), distribution: "Debian".to_owned(), user: machine.user() };
    let root = kind_wsl::host::Account { uid: 0, ..machine.user() };
    for forged in [
        Logon { program: "/tmp/x.exe".into(), ..logon.clone() },
        Logon { distribution: "--shutdown".to_owned(), ..logon.clone() },
        Logon { user: root, ..logon },
    ] {
        assert!(Change::from(forged).current(&host).is_err());
    }
    assert!(!machine.path("/fake/commands").exists(), "a program was started");
}
