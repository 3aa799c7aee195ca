//! A wsl.conf that setup makes readable: what the plan shows and refuses follows from the file that setup leaves.

use kind_wsl::edit::Form;
use kind_wsl::engine::with_journal;
use kind_wsl::facts::Facts;
use kind_wsl::host::FaultInjector;
use kind_wsl::journal::{self, RunOptions};
use kind_wsl::plan::{Plan, StageSelection};
use kind_wsl::stage::Answers;

use crate::support::{Layout, Machine, answers};

const CONF: &str = "/etc/wsl.conf";
const CONFIG: &str = "/mnt/c/Users/dev/.wslconfig";

/// A machine with this wsl.conf and this version of WSL, or one that does not tell its version.
fn machine(layout: Layout, version: &str, conf: &str) -> Machine {
    let machine = Machine::new(layout);
    machine.write(CONF, conf);
    match version {
        "" => std::fs::remove_file(machine.path("/fake/wsl-version")).unwrap(),
        _ => machine.write("/fake/wsl-version", format!("{version}\n")),
    }
    machine
}

fn plan(machine: &Machine, answers: &Answers, selection: &StageSelection) -> Plan {
    let host = machine.host(FaultInjector::default());
    let mut facts = Facts::probe(&host, machine.user());
    with_journal(&mut facts, &journal::read(&host).unwrap());
    Plan::make(&host, &facts, answers, selection).unwrap()
}

fn given(more: &[(&str, &str)]) -> Answers {
    let mut answers = answers();
    for (id, answer) in more {
        answers.set(id, *answer);
    }
    answers
}

fn after<'p>(plan: &'p Plan, path: &str) -> Option<&'p str> {
    plan.files.iter().find(|file| file.path == path).map(|file| file.after.as_str())
}

/// Sets up, up to the first restart, and holds the files to what the plan showed. A plan that is blocked is not run.
#[track_caller]
fn plan_and_setup(machine: &Machine, answers: &Answers, selection: &StageSelection, about: &str) -> Plan {
    let plan = self::plan(machine, answers, selection);
    if plan.blocked().is_some() {
        return plan;
    }
    let files = [(CONF, Form::WslConf), (CONFIG, Form::WslConfig), ("/etc/fstab", Form::Fstab)];
    let read = |path: &str| std::fs::read(machine.path(path)).unwrap_or_default();
    let before = files.map(|(path, _)| read(path));
    let chosen = RunOptions { selection: selection.clone(), ..RunOptions::default() };
    let host = machine.host(FaultInjector::default());
    machine.engine(&host, |engine| engine.setup(answers, &chosen)).unwrap();
    for ((path, form), before) in files.into_iter().zip(before) {
        match after(&plan, path) {
            Some(after) => assert_eq!(form.shown(&read(path), "dev"), after, "{path}: {about}"),
            None => assert_eq!(read(path), before, "{path}: {about}"),
        }
    }
    let again = self::plan(machine, answers, selection);
    assert!(again.blocked().is_none(), "{:?}: {about}", again.blocked());
    for (path, _) in files {
        assert_eq!(after(&again, path), None, "{path} is edited only once: {about}");
    }
    plan
}

/// Files that WSL up to 2.9.12 does not read to their end, with settings on which stages decide.
const FILES: [&str; 10] = [
    "; note\n[automount]\nmountFsTab=false\n",
    "# mine\n[ automount ]\nmountFsTab=false\n[automount]\nmountFsTab = 0\n",
    "; note\n[wsl2]\nmemory=3GB\n",
    "; note\n[wsl2]\nkernelCommandLine=cgroup_no_v1=all\n",
    "; note\n[automount]\ncgroups=v1\n",
    "; note\r\n[automount]\r\ncgroups = V1 # old\r\n[boot]\r\nsystemd=false\r\n",
    "[boot]\nsystemd=yes please\\x\n[automount]\ncgroups=v1\nmountFsTab=false\n",
    "[interop]\nappendWindowsPath=false\n\n[ automount ]\nenabled=false\n",
    "; head\n[boot]\nsystemd=true ; yes\n[user]\ndefault=dev ; me\n",
    "; note\n[automount]\nroot=/win\n",
];

#[test]
fn setup_writes_what_the_plan_shows_for_every_repair() {
    let of = |only: &[&str], skip: &[&str]| StageSelection {
        only: only.iter().map(|&id| id.to_owned()).collect(),
        skip: skip.iter().map(|&id| id.to_owned()).collect(),
        guide: false,
    };
    let all = ["systemd", "cgroup", "cgroup-mount", "idle", "restart"];
    let selections = [of(&all, &[]), of(&all, &["systemd"]), of(&["systemd"], &[])];
    for (layout, version) in [
        (Layout::Classic, "2.2.4.0"),
        (Layout::Classic, ""),
        (Layout::Classic, "2.6.3.0"),
        (Layout::Modern, "2.7.14.0"),
        (Layout::Modern, "3.0.1.0"),
        (Layout::Modern, ""),
        (Layout::Namespaced, "3.0.1.0"),
    ] {
        for conf in FILES {
            let more = [("mount_fstab", "yes"), ("move_wsl2", "move")];
            let mut cases: Vec<_> = selections.iter().map(|selection| (selection, &[][..])).collect();
            cases.push((&selections[0], &more));
            for (selection, more) in cases {
                let about = format!("WSL {version} {layout:?}, {selection:?}, {more:?}: {conf}");
                plan_and_setup(&machine(layout, version, conf), &given(more), selection, &about);
            }
        }
    }
}

#[test]
fn fstab_that_a_repair_switches_off_blocks_the_plan_unless_it_is_switched_on_again() {
    for (conf, line) in [
        ("; note\n[automount]\nmountFsTab=false\n", 3),
        ("[automount]\n; why\nMountFSTab = 0 # no\n", 3),
        ("[boot]\nsystemd=false\n[ network ]\n\n[automount]\nenabled=true\nmountfstab=False\n", 7),
    ] {
        let machine = machine(Layout::Classic, "2.2.4.0", conf);
        let blocked = plan(&machine, &given(&[]), &StageSelection::default());
        let stage = blocked.blocked().unwrap();
        let why = format!(
            "mountFsTab=false in /etc/wsl.conf line {line} prevents WSL from mounting the file systems of /etc/fstab"
        );
        assert_eq!((stage.id, stage.why.as_str()), ("cgroup-mount", why.as_str()));
        assert!(stage.hint.as_ref().unwrap().contains("`--mount-fstab yes`"));
        let answers = given(&[("mount_fstab", "yes")]);
        plan_and_setup(&machine, &answers, &StageSelection::default(), conf);
        let text = machine.text(CONF).to_lowercase();
        assert!(text.lines().nth(line - 1).unwrap().contains("true"), "{text}");
        machine.undo_all();
        assert_eq!(machine.text(CONF), conf);
    }
}

#[test]
fn a_block_below_the_line_where_wsl_stops_is_removed_only_if_it_is_the_kernel_parameters() {
    let words = "kernelCommandLine=cgroup_no_v1=all";
    for (conf, left) in [
        ("; note\n[wsl2]\nmemory=3GB\n".to_owned(), true),
        (format!("; note\n[wsl2]\n{words}\n"), false),
        (format!("[ bad ]\n[wsl2]\n{words} systemd.unified_cgroup_hierarchy=1\n"), false),
        (format!("; note\n[wsl2]\n{words}\nswap=0\n"), true),
    ] {
        for layout in [Layout::Classic, Layout::Modern] {
            let machine = machine(layout, "2.4.1.0", &conf);
            let plan = plan_and_setup(&machine, &given(&[]), &StageSelection::default(), &conf);
            assert_eq!(machine.text(CONF).contains("[wsl2]"), left, "{conf}");
            assert_eq!(after(&plan, CONF).unwrap().contains("[wsl2]"), left, "{conf}");
        }
    }
}

#[test]
fn cgroup_v1_that_a_repair_would_choose_is_not_chosen() {
    for conf in [
        "; note\n[automount]\ncgroups=v1\n",
        "; note\n[Automount]\nenabled=true\nCGroups = V1 # old kernel\n",
        "[ boot ]\nsystemd=true\n[automount]\ncgroups=v1\n[wsl2]\nkernelCommandLine=cgroup_no_v1=all\n",
    ] {
        for (layout, version) in
            [(Layout::Modern, "2.7.14.0"), (Layout::Modern, ""), (Layout::Modern, "3.0.1.0")]
        {
            let machine = machine(layout, version, conf);
            let plan = plan_and_setup(&machine, &given(&[]), &StageSelection::default(), conf);
            assert!(!machine.text(CONF).to_lowercase().contains("v1 "), "{conf}");
            assert!(!machine.text(CONF).to_lowercase().contains("cgroups"), "{conf}");
            assert!(!plan.notes.iter().any(|note| note.contains("automount.cgroups")), "{:?}", plan.notes);
            let config = machine.text(CONFIG);
            assert!(!config.contains("kernelCommandLine"), "a WSL that mounts v2 needs none: {config}");
        }
    }
}

#[test]
fn cgroup_v1_that_is_chosen_for_the_next_start_is_given_up() {
    let conf = "[boot]\nsystemd=true\n[automount]\ncgroups=v1\n";
    let machine = machine(Layout::Generous, "2.9.11.0", conf);
    let plan = plan_and_setup(&machine, &given(&[]), &StageSelection::default(), conf);
    let cgroup = plan.stages.iter().find(|stage| stage.id == "cgroup").unwrap();
    assert_eq!(
        cgroup.why,
        "cgroups=v1 in /etc/wsl.conf line 4 prevents the next start of this distribution while WSL isolates distributions"
    );
    assert_eq!(machine.text(CONF), "[boot]\nsystemd=true\n[automount]\n");
}

#[test]
fn a_setup_that_waits_for_the_restart_from_cgroup_v1_by_choice_plans_nothing_more() {
    for conf in ["[automount]\ncgroups=v1\n", "; note\n[automount]\ncgroups=v1\n"] {
        let machine = machine(Layout::Classic, "2.6.3.0", conf);
        plan_and_setup(&machine, &given(&[]), &StageSelection::default(), conf);
    }
}

#[test]
fn the_plan_names_the_settings_that_take_effect_because_of_a_repair() {
    for (conf, named) in [
        (
            "; note\n[automount]\nroot=/win\nenabled=true\n",
            Some("automount.root=/win (line 3), automount.enabled=true (line 4)"),
        ),
        (
            "; head\n[boot]\nsystemd=true ; yes\ncommand=echo s3cret\n[user]\ndefault=dev ; me\n",
            Some("boot.command (line 4), user.default (line 6)"),
        ),
        ("[user]\ndefault=dev\n; tail\n", None),
        // The header is commented out with its keys: nothing below it counts.
        ("[interop]\nappendWindowsPath=false\n\n[ automount ]\nenabled=false\n", None),
        ("; note\n[boot]\nsystemd=false\n[wsl2]\nmemory=3GB\n", None),
    ] {
        let machine = machine(Layout::Modern, "2.7.14.0", conf);
        let plan = plan_and_setup(&machine, &given(&[]), &StageSelection::default(), conf);
        let found: Vec<_> = plan.notes.iter().filter(|note| note.contains("take effect")).collect();
        let wanted = named
            .map(|named| format!("these settings in /etc/wsl.conf will take effect: {named}"))
            .into_iter()
            .collect::<Vec<_>>();
        assert_eq!(found, wanted.iter().collect::<Vec<_>>(), "{conf}");
    }
}

#[test]
fn from_wsl_2_9_13_on_a_line_that_is_skipped_needs_no_repair() {
    for conf in ["; my comment\n[boot]\nsystemd=false\n", "; my comment\n", "[user]\ndefault=me\n[ x ]\n"] {
        for answer in ["yes", "no"] {
            let machine = machine(Layout::Modern, "2.9.13.0", conf);
            let answers = given(&[("repair_wsl_conf", answer)]);
            plan_and_setup(&machine, &answers, &StageSelection::default(), conf);
            let text = machine.text(CONF);
            let bad = conf.lines().find(|line| line.starts_with([';', '[']) && line.contains(' ')).unwrap();
            assert!(text.contains(bad) && text.contains("systemd=true"), "{text}");
            machine.undo_all();
            assert_eq!(machine.text(CONF), conf);
        }
    }
}

#[test]
fn a_drive_that_a_repair_will_mount_elsewhere_is_found_where_it_is_mounted_now() {
    let conf = "; note\n[automount]\nroot=/win\n";
    let machine = machine(Layout::Classic, "2.2.4.0", conf);
    let table = machine.text("/proc/mounts")
        + "C:\\134 /mnt/c 9p rw,noatime,aname=drvfs;path=C:\\;uid=1000;gid=1000,mmap,trans=fd 0 0\n";
    machine.write("/proc/mounts", table);
    plan_and_setup(&machine, &given(&[]), &StageSelection::default(), conf);
    assert!(machine.text(CONFIG).contains("cgroup_no_v1=all"));
}
