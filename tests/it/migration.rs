//! A setup that wrote into the user's containers.conf, after an update to a podman that reads drop-ins.

use kind_wsl::engine::{EngineError, RunOutcome};
use kind_wsl::host::{FaultInjector, LiveSystem};
use kind_wsl::journal::RunOptions;
use kind_wsl::plan::StageSelection;

use crate::support::{Layout, Machine, Tree, answers, changes};

const MAIN: &str = "/home/dev/.config/containers/containers.conf";
const DROP_IN: &str = "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf";
const CRUN_DROP_IN: &str = "/home/dev/.config/containers/containers.conf.d/50-kind-wsl-crun.conf";
const OLD: &str = "podman 3.0.1+dfsg1-3";
const NEW: &str = "podman 4.3.1+ds1-8";
/// What containers.conf is before the first setup.
const ORIGINALS: [&str; 4] = [
    "",
    "# mine\n[containers]\nenv = []\n",
    "[engine.runtimes]\ncrun = [\"/opt/crun/crun\"] # our build\n",
    "[engine]\ncgroup_manager = \"systemd\"\nevents_logger = \"journald\"\n",
];

/// A machine with podman 3.0; `""` means no containers.conf.
fn machine(original: &str) -> Machine {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/packages", format!("libc6 2.36\nsystemd 252.39-1\n{OLD}\ncrun 0.17\n"));
    if !original.is_empty() {
        machine.write(MAIN, original);
        for path in camino::Utf8Path::new(MAIN).ancestors().take_while(|path| *path != "/home") {
            std::os::unix::fs::chown(machine.path(path.as_str()), Some(1000), Some(1000)).unwrap();
        }
    }
    machine
}

fn setup(machine: &Machine, host: &LiveSystem) -> Result<RunOutcome, EngineError> {
    let only = ["podman", "crun"].map(str::to_owned).to_vec();
    let chosen = RunOptions {
        selection: StageSelection { only, ..StageSelection::default() },
        ..RunOptions::default()
    };
    machine.engine(host, |engine| engine.setup(&answers(), &chosen))
}

fn finish(machine: &Machine) {
    let ended = setup(machine, &machine.host(FaultInjector::default())).unwrap();
    assert!(matches!(ended, RunOutcome::Done { .. }), "{ended:?}");
}

/// The machine after a setup with podman 3.0 and the update, and the files before that setup.
fn updated(original: &str) -> (Machine, Tree) {
    let machine = machine(original);
    let before = machine.snapshot();
    finish(&machine);
    assert!(machine.text(MAIN).contains("log_driver = \"k8s-file\""), "{}", machine.text(MAIN));
    machine.write("/fake/packages", machine.text("/fake/packages").replace(OLD, NEW));
    (machine, before)
}

/// Asserts that the settings are in the drop-ins alone.
fn is_migrated(machine: &Machine, original: &str, at: &str) {
    let text = machine.text(DROP_IN);
    for setting in ["log_driver = \"k8s-file\"", "events_logger = \"file\"", "cgroup_manager = \"cgroupfs\""]
    {
        assert!(text.contains(setting), "{at}: {text}");
    }
    let named = if original.contains("/opt/crun") { "/opt/crun/crun" } else { "/usr/bin/crun" };
    let runtimes = format!("[engine.runtimes]\ncrun = [\"/home/dev/.local/bin/crun\", \"{named}\"]\n");
    assert!(machine.text(CRUN_DROP_IN).ends_with(&runtimes), "{at}: {}", machine.text(CRUN_DROP_IN));
    if original.is_empty() {
        assert!(!machine.path(MAIN).exists(), "{at}: {}", machine.text(MAIN));
    } else {
        assert_eq!(machine.text(MAIN), original, "{at}");
    }
}

/// Asserts that an undo restores what was there before the first setup.
fn is_undone(machine: &Machine, before: &Tree, at: &str) {
    machine.undo_all();
    let mut left = changes(before, &machine.snapshot());
    left.retain(|line| !line.starts_with("fake/"));
    assert_eq!(left, Vec::<String>::new(), "{at}");
    assert!(!machine.has_journal(), "{at}");
}

#[test]
fn settings_in_containers_conf_move_to_drop_ins_and_undo_restores_the_original_file() {
    for original in ORIGINALS {
        let (machine, before) = updated(original);
        finish(&machine);
        is_migrated(&machine, original, original);
        let left = machine.snapshot();
        finish(&machine);
        let again = changes(&left, &machine.snapshot());
        assert!(
            again.iter().all(|line| line.starts_with("fake/")),
            "a repeated setup changes nothing: {again:?}"
        );
        is_undone(&machine, &before, original);
    }
}

#[test]
fn a_migration_that_is_interrupted_anywhere_is_resumed_and_undone() {
    for original in ORIGINALS {
        let (machine, _) = updated(original);
        let host = machine.host(FaultInjector::default());
        setup(&machine, &host).unwrap();
        let effects = host.fault_injector().count();
        assert!(effects > 10, "{effects}");
        // All of them where kind-wsl created the file, and some where it did not.
        for at in (0..effects).step_by(if original.is_empty() { 1 } else { 5 }) {
            let place = format!("effect {at}, {original}");
            let crashed = || {
                let (machine, before) = updated(original);
                machine.crash(at, |host| setup(&machine, host));
                (machine, before)
            };
            let (machine, before) = crashed();
            finish(&machine);
            is_migrated(&machine, original, &place);
            is_undone(&machine, &before, &place);
            let (machine, before) = crashed();
            is_undone(&machine, &before, &place);
        }
    }
}

#[test]
fn a_key_that_the_owner_changed_since_is_theirs_and_the_drop_in_wins() {
    let (machine, _) = updated("");
    let text = machine.text(MAIN).replace("k8s-file", "journald") + "# by hand\n";
    machine.write(MAIN, text);
    finish(&machine);
    let left = machine.text(MAIN);
    assert!(left.contains("log_driver = \"journald\"") && left.contains("# by hand"), "{left}");
    assert!(!left.contains("events_logger"), "{left}");
    assert!(machine.text(DROP_IN).contains("log_driver = \"k8s-file\""));
}
