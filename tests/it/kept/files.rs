//! Files of the user's and the administrator's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use kind_wsl::change::{Change, ChangeError, ChangeKind, WriteFile};
use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::host::{BootInstance, FaultInjector, System};
use kind_wsl::journal::{Intent, Journal, Record};
use kind_wsl::plan::{Plan, StageSelection, Verdict};

use crate::kept::{calm, finish, give_home};
use crate::support::cli::Case;
use crate::support::{Layout, Machine, answers, same};

const KIND: &str = "/home/dev/.local/bin/kind";
const CONF: &str = "/home/dev/.config/containers/containers.conf";
const KEPT: &str = "/home/dev/.local/bin/kind.kind-wsl-original";
const BINARY: &[u8] = b"\x7fELF\x02\x01\x00their own kind\x00\xff";

/// A machine whose user has a kind that is a regular file.
fn with_own_kind(mode: u32) -> Machine {
    let machine = Machine::new(Layout::Isolated);
    machine.write(KIND, BINARY);
    fs::set_permissions(machine.path(KIND), fs::Permissions::from_mode(mode)).unwrap();
    give_home(&machine);
    machine
}

#[test]
fn a_kind_of_the_users_own_runs_behind_the_wrapper_and_undo_gives_it_its_name_back() {
    let machine = with_own_kind(0o750);
    let before = machine.snapshot();
    finish(&machine);
    assert_eq!(fs::read(machine.path(KEPT)).unwrap(), BINARY);
    assert!(machine.text(KIND).contains("kind-wsl"), "{}", machine.text(KIND));
    let facts = machine.facts();
    assert_eq!(facts.tools.kind.as_deref().map(AsRef::as_ref), Some(KEPT));
    assert!(facts.tools.wrapped && !facts.tools.own_kind);
    // A second setup has nothing to do, and keeps the original where it is.
    finish(&machine);
    assert_eq!(fs::read(machine.path(KEPT)).unwrap(), BINARY);
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn an_undo_ends_if_the_user_removed_the_kind_that_was_kept() {
    let machine = with_own_kind(0o750);
    finish(&machine);
    fs::remove_file(machine.path(KEPT)).unwrap();
    machine.undo(&machine.host(FaultInjector::default()), DriftPolicy::Restore).unwrap();
    assert!(!machine.path(KIND).exists() && !machine.has_journal());
}

#[test]
fn a_relative_link_to_kind_still_leads_to_it_behind_the_wrapper() {
    let machine = Machine::new(Layout::Isolated);
    machine.write("/home/dev/go/bin/kind", BINARY);
    fs::set_permissions(machine.path("/home/dev/go/bin/kind"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(machine.path("/home/dev/.local/bin")).unwrap();
    symlink("../../go/bin/kind", machine.path(KIND)).unwrap();
    give_home(&machine);
    let before = machine.snapshot();
    finish(&machine);
    assert_eq!(fs::read(machine.path(KEPT)).unwrap(), BINARY);
    assert_eq!(machine.facts().tools.kind.as_deref().map(AsRef::as_ref), Some(KEPT));
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn a_file_named_kind_that_is_not_a_program_is_kept() {
    for furnish in [
        |machine: &Machine| machine.write(KIND, "notes on kind\n"),
        |machine: &Machine| {
            fs::create_dir_all(machine.path("/home/dev/.local/bin")).unwrap();
            symlink("/gone/kind", machine.path(KIND)).unwrap();
        },
    ] {
        let machine = Machine::new(Layout::Isolated);
        furnish(&machine);
        give_home(&machine);
        let before = machine.snapshot();
        finish(&machine);
        assert!(machine.text(KIND).contains("kind-wsl"));
        machine.undo_all();
        same(&before, &machine.snapshot(), "undone");
    }
}

#[test]
fn a_kind_that_was_put_in_the_place_of_the_wrapper_is_never_replaced() {
    let machine = with_own_kind(0o755);
    finish(&machine);
    machine.write(KIND, b"\0a newer kind");
    let error = machine.setup(&calm(&machine), &answers(), false).unwrap_err();
    assert!(error.is_foreign(), "{error}");
    let drift = machine.undo(&calm(&machine), DriftPolicy::Stop).unwrap_err();
    let EngineError::Drift(drift) = drift else { panic!("{drift}") };
    assert!(drift.now.as_ref().unwrap().starts_with("binary file, 13 bytes, sha256 "), "{drift:?}");
    machine.undo(&calm(&machine), DriftPolicy::Keep).unwrap();
    assert_eq!(machine.text(KIND), "\0a newer kind");
    assert_eq!(fs::read(machine.path(KEPT)).unwrap(), BINARY);
}

#[test]
fn the_plan_does_not_print_a_binary_as_text() {
    let case = Case::new(Layout::Isolated).file(KIND, BINARY).env("KIND_WSL_PROGRAM", "/opt/kind-wsl");
    fs::set_permissions(case.machine.path(KIND), fs::Permissions::from_mode(0o755)).unwrap();
    let wrap = "plan --kind-wrapper yes --tools none --diff";
    let plain = "plan --kind-wrapper yes --tools none";
    let seen = [wrap, plain].map(|args| case.run(args)).into_iter().find(|s| s.code != 2).unwrap();
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(!seen.stdout.contains("ELF"), "{}", seen.stdout);
    assert!(seen.stdout.contains("kind.kind-wsl-original"), "{}", seen.stdout);
}

#[test]
fn drop_ins_of_the_administrators_own_stay_as_they_are() {
    let machine = Machine::new(Layout::Isolated);
    let theirs = [
        ("/etc/systemd/system/user@.service.d/delegate.conf", "[Service]\nMemoryMax=2G\nTasksMax=9000\n"),
        ("/etc/systemd/system/user-.slice.d/override.conf", "[Slice]\nTasksMax=8000\n"),
        ("/etc/systemd/system/user-0.slice", "[Slice]\nMemoryMax=1G\n"),
    ];
    for (path, text) in theirs {
        machine.write(path, text);
    }
    let before = machine.snapshot();
    machine.finish(|host| machine.setup(host, &answers(), true));
    for (path, text) in theirs {
        assert_eq!(machine.text(path), text, "{path}");
    }
    // Read after theirs: systemd reads drop-ins in the order of their names.
    for dir in ["user@.service.d", "user-.slice.d"] {
        let names = calm(&machine).list(format!("/etc/systemd/system/{dir}").as_str().into()).unwrap();
        assert_eq!(names.last().map(String::as_str), Some("zz-kind-wsl.conf"), "{names:?}");
    }
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn a_drop_in_that_an_earlier_program_wrote_is_undone() {
    let machine = Machine::new(Layout::Isolated);
    let before = machine.snapshot();
    let path = "/etc/systemd/system/user@.service.d/delegate.conf";
    let text = "# Written by kind-wsl (`kind-wsl explain delegation`).\n[Service]\nDelegate=cpu cpuset io memory pids\n";
    {
        let host = calm(&machine);
        let mut journal = Journal::open(&host, "dev").unwrap();
        let change = Change::from(WriteFile::config(path, text.to_owned()));
        let (now, after) = (change.current(&host).unwrap(), change.desired(&host).unwrap().state);
        let dirs = host.missing_dirs(path.into()).unwrap();
        let stage = "delegation".to_owned();
        let intent = Intent { id: 1, stage, change, before: now, after: after.clone(), dirs, replaces: None };
        journal.append(Record::Intent(Box::new(intent))).unwrap();
        journal.append(Record::Done { id: 1, after, boot_instance: BootInstance::probe(&host) }).unwrap();
        machine.write(path, text);
    }
    machine.boot(2);
    finish(&machine);
    assert_eq!(machine.text(path), text);
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn a_text_of_another_author_at_our_path_stops_the_plan_before_any_change() {
    let path = "/etc/sysctl.d/99-kind-wsl.conf";
    let case = Case::new(Layout::Isolated).file(path, "# ours, by hand\nvm.swappiness = 10\n");
    let seen = case.run("setup --yes --tools none --only limits");
    assert_ne!(seen.code, 0);
    let wanted = "`/etc/sysctl.d/99-kind-wsl.conf` exists, and kind-wsl did not write it";
    assert!(seen.stderr.contains(wanted), "{}", seen.stderr);
    assert!(seen.stderr.contains(&format!("`sudo mv {path} {path}.old`")), "{}", seen.stderr);
    assert_eq!(case.machine.text(path), "# ours, by hand\nvm.swappiness = 10\n");
    assert!(!case.machine.has_journal());
}

#[test]
fn every_file_that_setup_writes_differs_from_a_file_of_another_author() {
    for (layout, provider) in [(Layout::Classic, "podman"), (Layout::Isolated, "docker")] {
        let machine = Machine::new(layout);
        let mut answers = answers();
        answers.set("provider", provider);
        let selection = StageSelection { guide: true, ..StageSelection::default() };
        let plan = Plan::make(&calm(&machine), &machine.facts(), &answers, &selection).unwrap();
        let texts = plan.changes().filter_map(|c| match &c.kind {
            ChangeKind::WriteFile(put) => match &put.source {
                kind_wsl::change::FileSource::Inline(text) => Some((put, text)),
                _ => None,
            },
            _ => None,
        });
        let mut count = 0;
        for (put, text) in texts {
            // The text of the next version, over that of this one.
            machine.write(put.path.as_str(), text);
            let next = WriteFile {
                source: kind_wsl::change::FileSource::Inline(format!("{text}# more\n")),
                ..put.clone()
            };
            let aim = Change::from(next).desired(&calm(&machine));
            assert!(!matches!(aim, Err(ChangeError::Foreign { .. })), "{}", put.path);
            count += 1;
        }
        assert!(count > 3, "{count}");
    }
}

#[test]
fn the_root_becomes_a_shared_mount_only_if_it_is_private() {
    let machine = Machine::new(Layout::Generous);
    let table = "/proc/self/mountinfo";
    let verdict = |machine: &Machine| {
        let plan =
            Plan::make(&calm(machine), &machine.facts(), &answers(), &StageSelection::default()).unwrap();
        plan.stages.iter().find(|s| s.id == "shared-root").unwrap().verdict
    };
    assert_eq!(verdict(&machine), Verdict::NotApplicable);
    machine.write(table, "22 1 8:32 / / rw,relatime shared:1 - ext4 /dev/sdc rw\n");
    assert_eq!(verdict(&machine), Verdict::Satisfied);
    machine.write(table, "22 1 8:32 / / rw,relatime master:1 - ext4 /dev/sdc rw\n");
    assert_eq!(verdict(&machine), Verdict::NotApplicable);
    let private = "22 1 8:32 / / rw,relatime - ext4 /dev/sdc rw\n";
    machine.write(table, private);
    machine.write("/fake/private-root", "");
    assert_eq!(verdict(&machine), Verdict::Required);
    finish(&machine);
    assert_eq!(verdict(&machine), Verdict::Satisfied);
    machine.boot(20);
    assert!(machine.text(table).contains(" shared:"), "the unit makes it shared at each start");
    machine.undo_all();
    assert!(!machine.text(table).contains(" shared:"), "undo makes it private again");
}

#[test]
fn the_owners_list_of_cruns_keeps_its_items_and_comments() {
    let machine = Machine::new(Layout::Isolated);
    let list =
        "[engine.runtimes]\ncrun = [\n  \"/opt/crun/bin/crun\",   # our own build\n  \"/usr/bin/crun\",\n]\n";
    machine.write(CONF, list);
    let old = machine.text("/fake/archive").replace("podman 4.3.1+ds1-8", "podman 3.0.1+dfsg1-3");
    machine.write("/fake/archive", old);
    give_home(&machine);
    finish(&machine);
    let ours = "crun = [\n  \"/home/dev/.local/bin/crun\",\n  \"/opt/crun/bin/crun\",   # our own build\n";
    assert!(machine.text(CONF).contains(ours), "{}", machine.text(CONF));
    machine.undo_all();
    assert_eq!(machine.text(CONF), list);
}

#[test]
fn a_crun_that_is_named_by_its_path_is_judged_and_gives_way_only_if_it_is_too_old() {
    let machine = Machine::new(Layout::Isolated);
    let theirs = "[engine]\nruntime = \"/usr/bin/crun\"\n";
    machine.write("/etc/containers/containers.conf", theirs);
    finish(&machine);
    let ours = machine.text("/home/dev/.config/containers/containers.conf.d/50-kind-wsl-crun.conf");
    assert!(ours.contains("runtime = \"crun\"\n"), "{ours}");
    assert_eq!(machine.text("/etc/containers/containers.conf"), theirs);
    machine.undo_all();
    assert!(!machine.path("/home/dev/.config").exists());
}
