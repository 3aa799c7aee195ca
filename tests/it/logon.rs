//! The entry that starts the distribution when its account signs in to Windows, as the engine makes and reverts it. The real
//! helper and the registry of wine are in `tests/windows/logon_checks.py`.

use kind_wsl::change::{Change, LogonEntry};
use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::host::{FaultInjector, LiveSystem};
use kind_wsl::stages::LOGON;

use crate::support::cli::Case;
use crate::support::{Layout, Machine, same};

const HELPER: &str = "/mnt/c/Users/dev/AppData/Local/kind-wsl/kind-wsl-helper.exe";
const VALUE: &str = "/fake/run-key/Debian";

fn machine() -> Machine {
    let machine = Machine::new(Layout::Classic);
    machine.write(HELPER, "a program of Windows");
    machine
}

fn entry(machine: &Machine) -> Change {
    LogonEntry { program: HELPER.into(), distribution: "Debian".to_owned(), user: machine.user() }.into()
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
    let logon =
        LogonEntry { program: HELPER.into(), distribution: "Debian".to_owned(), user: machine.user() };
    let root = kind_wsl::host::Account { uid: 0, ..machine.user() };
    for forged in [
        LogonEntry { program: "/tmp/x.exe".into(), ..logon.clone() },
        LogonEntry { distribution: "--shutdown".to_owned(), ..logon.clone() },
        LogonEntry { user: root, ..logon },
    ] {
        assert!(Change::from(forged).current(&host).is_err());
    }
    assert!(!machine.path("/fake/commands").exists(), "a program was started");
}

/// A session of wsl.exe in Debian, with the helper beside the program.
fn case() -> Case {
    Case::new(Layout::Classic)
        .dir("/mnt/c/Users/dev/AppData/Local")
        .env("WSL_INTEROP", "/run/WSL/7_interop")
        .program("/opt/kind-wsl-helper.exe")
        .env("KIND_WSL_HELPER", "[ROOT]/opt/kind-wsl-helper.exe")
}

#[test]
fn the_command_installs_the_program_and_makes_the_entry_and_undo_removes_both() {
    let case = case();
    let before = case.machine.snapshot();
    case.run("cluster logon on")
        .expect(0, "")
        .says("Debian starts when you sign in to Windows.\n")
        .says("To keep it running: kind-wsl setup --idle\n");
    assert!(case.machine.path(HELPER).exists());
    assert_eq!(case.machine.text(VALUE), "dev");
    let doctor = case.run("doctor --only logon -v");
    assert!(
        doctor.code == 0 && doctor.stdout.contains("Debian starts when you sign in to Windows"),
        "{doctor:?}"
    );
    case.run("undo --yes").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
    assert!(!case.machine.has_journal());
}

#[test]
fn the_command_removes_the_entry_alone() {
    let case = case();
    case.run("cluster logon off").expect(0, "").says("Nothing to undo: kind-wsl made no logon entry.\n");
    case.run("cluster logon on").expect(0, "");
    case.run("cluster logon off").expect(0, "");
    assert!(!case.machine.path(VALUE).exists());
}

#[test]
fn the_program_stays_if_another_distribution_has_an_entry() {
    let case = case();
    case.run("cluster logon on").expect(0, "");
    let case = case.file("/fake/run-key/Ubuntu", "eve");
    let seen = case.run("undo --yes");
    assert!(
        seen.code == 0 && seen.stdout.contains("the logon entry of Ubuntu starts its program"),
        "{seen:?}"
    );
    assert!(case.machine.path(HELPER).exists() && !case.machine.path(VALUE).exists());
}

#[test]
fn doctor_reports_an_entry_that_starts_nothing() {
    for (spoil, line) in [
        (&|case: &Case| std::fs::remove_file(case.machine.path(VALUE)).unwrap(), "the entry was removed"),
        (&|case: &Case| std::fs::remove_file(case.machine.path(HELPER)).unwrap(), "does not exist"),
    ] as [(&dyn Fn(&Case), &str); 2]
    {
        let case = case();
        case.run("cluster logon on").expect(0, "");
        spoil(&case);
        let seen = case.run("doctor --only logon");
        let text = seen.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(line) && text.contains("kind-wsl cluster logon on"), "{line}: {seen:?}");
    }
}

#[test]
fn without_windows_no_entry_is_made() {
    Case::new(Layout::Classic).refuses(
        "cluster logon on",
        2,
        "
        error: Windows programs cannot be started from this shell
        hint: run the same command in a terminal that Windows opened for this distribution
        ",
    );
    Case::new(Layout::Plain).refuses(
        "cluster logon on",
        2,
        "
        error: a logon entry requires WSL 2
        hint: run it in a distribution of WSL 2
        ",
    );
}
