//! Packages: what is installed, what would have to go, and what an undo leaves because something needs it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kind_wsl::change::{ChangeKind, Manager};
use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::plan::{Plan, StageSelection, Verdict};
use kind_wsl::stage::Answers;

use crate::kept::{calm, commands, finish};
use crate::support::cli::Case;
use crate::support::{Layout, Machine, answers, same};

fn plan(machine: &Machine, answers: &Answers) -> Plan {
    Plan::make(&calm(machine), &machine.facts(), answers, &StageSelection::default()).unwrap()
}

fn package_names(plan: &Plan) -> Vec<String> {
    let names = plan.changes().filter_map(|c| match &c.kind {
        ChangeKind::Package(package) => Some(package.names.clone()),
        _ => None,
    });
    names.flatten().collect()
}

fn has(machine: &Machine, name: &str) -> bool {
    machine.text("/fake/packages").lines().any(|l| l.starts_with(&format!("{name} ")))
}

/// A machine of another package manager, with systemd and the packages of `/fake/archive` on offer.
fn other(manager: Manager) -> Machine {
    let machine = Machine::new(Layout::Isolated);
    for program in ["apt-get", "apt-cache", "dpkg", "dpkg-query"] {
        fs::remove_file(machine.path(&format!("/usr/bin/{program}"))).unwrap();
    }
    let programs: &[&str] = match manager {
        Manager::Dnf => &["dnf", "rpm"],
        Manager::Zypper => &["zypper", "rpm"],
        _ => &["pacman"],
    };
    for program in programs {
        machine.write(&format!("/usr/bin/{program}"), "");
    }
    let more = "passt 0.0\nshadow-utils 4.1\nshadow 4.1\niptables-nft 1.8\nnftables 1.0\n";
    machine.write("/fake/archive", machine.text("/fake/archive") + more);
    machine
}

#[test]
fn a_package_that_something_else_needs_by_now_is_kept_by_undo() {
    for manager in [Manager::Apt, Manager::Dnf, Manager::Zypper, Manager::Pacman] {
        let machine = if manager == Manager::Apt { Machine::new(Layout::Isolated) } else { other(manager) };
        finish(&machine);
        assert!(has(&machine, "podman") && has(&machine, "conmon"), "{manager:?}");
        machine.write("/fake/needs", "toolbox podman\n");
        machine.write("/fake/packages", machine.text("/fake/packages") + "toolbox 1.0\n");
        machine.undo_all();
        for name in ["toolbox", "podman", "conmon"] {
            assert!(has(&machine, name), "{manager:?}: {name} is gone");
        }
        for name in ["crun", "fuse-overlayfs"] {
            assert!(!has(&machine, name), "{manager:?}: {name} is left");
        }
    }
}

#[test]
fn a_removal_that_an_installation_needs_blocks_the_plan_until_it_is_agreed_to() {
    let machine = Machine::new(Layout::Isolated);
    machine.write("/fake/packages", "docker-ce-cli 27.0\n".to_owned() + &machine.text("/fake/packages"));
    machine.write("/fake/conflicts", "crun docker-ce-cli\n");
    let archive = machine.text("/fake/archive");
    machine.write("/fake/archive", archive + "docker-ce-cli 27.0\n");
    let before = machine.snapshot();
    let mut answers = answers();
    let blocked = plan(&machine, &answers);
    let stage = blocked.blocked().unwrap();
    assert_eq!((stage.id, stage.verdict), ("packages", Verdict::Blocked));
    assert!(stage.why.ends_with("would remove docker-ce-cli"), "{}", stage.why);
    assert!(stage.hint.as_ref().unwrap().contains("`--remove-packages docker-ce-cli`"), "{:?}", stage.hint);

    // Agreeing to another removal is not agreeing to this one.
    answers.set("remove_packages", "docker-ce");
    assert!(plan(&machine, &answers).blocked().is_some());

    answers.set("remove_packages", "docker-ce-cli");
    let agreed = plan(&machine, &answers);
    let target = agreed.changes().find(|c| matches!(c.kind, ChangeKind::Package(_))).unwrap().target();
    assert!(target.detail.ends_with("; removes docker-ce-cli"), "{}", target.detail);
    machine.finish(|host| machine.setup(host, &answers, false));
    assert!(!has(&machine, "docker-ce-cli"));
    machine.undo_all();
    same(&before, &machine.snapshot(), "undone");
}

#[test]
fn apt_never_removes_a_package_that_the_plan_did_not_name() {
    let machine = Machine::new(Layout::Isolated);
    finish(&machine);
    let commands = commands(&machine);
    let installs = commands.lines().filter(|l| l.starts_with("apt-get ") && l.contains(" install "));
    for install in installs.filter(|l| !l.contains(" -s ")) {
        assert!(install.contains(" --no-remove "), "{install}");
    }
    // A conflict that shows only with the lists of `apt-get update`.
    let machine = Machine::new(Layout::Isolated);
    machine.write("/fake/packages", "docker-ce-cli 27.0\n".to_owned() + &machine.text("/fake/packages"));
    machine.write("/fake/conflicts", "crun docker-ce-cli\n");
    let error = machine.setup(&calm(&machine), &answers(), false).unwrap_err();
    assert!(matches!(&error, EngineError::Change { stage, .. } if stage == "packages"), "{error}");
    assert!(has(&machine, "docker-ce-cli") && !has(&machine, "podman"));
}

#[test]
fn a_stale_repository_is_a_warning_and_the_packages_are_installed() {
    let case = Case::new(Layout::Isolated);
    let text =
        "W: some warning\nE: The repository 'http://ppa.test noble Release' does not have a Release file.\n";
    case.machine.write("/fake/stale", text);
    let seen = case.run("setup --yes --tools none --only packages");
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(has(&case.machine, "podman"));
    let all = format!("{}{}", seen.stdout, seen.stderr);
    assert!(all.contains("warning: `apt-get update` failed: E: The repository 'http://ppa.test"), "{all}");
}

#[test]
fn pacman_never_upgrades_a_part_of_the_system() {
    let machine = other(Manager::Pacman);
    finish(&machine);
    let commands = commands(&machine);
    let installs: Vec<&str> = commands.lines().filter(|l| l.starts_with("pacman -S")).collect();
    assert_eq!(installs.len(), 1, "{installs:?}");
    assert!(installs[0].starts_with("pacman -S --noconfirm --needed "), "{installs:?}");

    let machine = other(Manager::Pacman);
    machine.write("/fake/archive", machine.text("/fake/archive").replace("crun 1.8.1-1\n", ""));
    let error = machine.setup(&calm(&machine), &answers(), false).unwrap_err();
    assert!(error.hint().unwrap().to_string().contains("`sudo pacman -Syu`"), "{:?}", error.hint());
}

#[test]
fn zypper_has_exit_codes_that_inform_and_two_that_are_failures() {
    for (code, is_failure) in [
        (100, false),
        (102, false),
        (103, false),
        (106, false),
        (107, false),
        (104, true),
        (105, true),
        (8, true),
    ] {
        let machine = other(Manager::Zypper);
        machine.write("/fake/zypper-code", code.to_string());
        let ended = machine.setup(&calm(&machine), &answers(), false);
        assert_eq!(ended.is_err(), is_failure, "{code}: {ended:?}");
        assert!(has(&machine, "podman"));
        if is_failure {
            continue;
        }
        finish(&machine);
        machine.undo(&calm(&machine), DriftPolicy::Stop).unwrap();
        assert!(!has(&machine, "podman"), "{code}");
    }
}

#[test]
fn the_plan_names_only_packages_that_will_be_installed() {
    let machine = Machine::new(Layout::Isolated);
    machine.write("/fake/packages", machine.text("/fake/packages") + "podman 4.3.1+ds1-8\nuidmap 4.13\n");
    let names = package_names(&plan(&machine, &answers()));
    assert!(names.contains(&"slirp4netns".to_owned()), "{names:?}");
    assert!(!names.iter().any(|n| n == "podman" || n == "uidmap"), "{names:?}");
}

#[test]
fn a_podman_in_usr_local_decides_which_crun_is_needed_and_gets_no_second_one_beside_it() {
    let machine = Machine::new(Layout::Isolated);
    machine.write(
        "/etc/os-release",
        "PRETTY_NAME=\"Ubuntu 24.04\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n",
    );
    let archive = machine.text("/fake/archive");
    let archive = archive
        .replace("podman 4.3.1+ds1-8", "podman 4.9.3+ds1-1ubuntu0.2")
        .replace("crun 1.8.1-1", "crun 1.14.1-1");
    machine.write("/fake/archive", archive + "nftables 1.0\n");
    machine.write("/fake/packages", machine.text("/fake/packages") + "crun 1.14.1-1\n");
    machine.write("/fake/podman-version", "podman version 5.8.4\n");
    machine.write("/usr/local/bin/podman", "");
    fs::set_permissions(machine.path("/usr/local/bin/podman"), fs::Permissions::from_mode(0o755)).unwrap();
    let plan = plan(&machine, &answers());
    let names = package_names(&plan);
    assert!(
        names.iter().all(|n| !matches!(n.as_str(), "podman" | "crun" | "netavark" | "aardvark-dns")),
        "{names:?}"
    );
    assert!(names.contains(&"uidmap".to_owned()), "{names:?}");
    let crun = plan.stages.iter().find(|s| s.id == "crun").unwrap();
    assert_eq!(crun.verdict, Verdict::Required);
    assert!(crun.why.contains("1.14.3"), "{}", crun.why);
}
