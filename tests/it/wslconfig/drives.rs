//! Undo of files on a drive that is mounted elsewhere now, or not at all.

use std::fs;
use std::os::unix::fs::symlink;

use kind_wsl::engine::{DriftPolicy, EngineError};
use kind_wsl::host::FaultInjector;

use crate::support::{Layout, Machine, answers, same};

const CONFIG: &str = "/mnt/c/Users/dev/.wslconfig";

fn set_up(before: Option<&str>) -> Machine {
    let machine = Machine::new(Layout::Classic);
    match before {
        Some(text) => machine.write(CONFIG, text),
        None => fs::remove_file(machine.path(CONFIG)).unwrap(),
    }
    machine.finish(|host| machine.setup(host, &answers(), false));
    machine
}

/// What the undo is refused with; nothing was changed.
#[track_caller]
fn refused(machine: &Machine, policy: DriftPolicy) -> (String, String) {
    let before = machine.snapshot();
    let error = machine.undo(&machine.host(FaultInjector::default()), policy).unwrap_err();
    assert!(matches!(error, EngineError::Unreachable(_)), "{error}");
    same(&before, &machine.snapshot(), "nothing is changed");
    assert!(machine.has_journal());
    (error.to_string(), error.hint().unwrap().to_string())
}

#[test]
fn undo_stops_before_the_first_change_if_the_drive_of_wslconfig_is_mounted_elsewhere() {
    for (before, conf) in [
        (None, "[automount]\nroot=/\n[boot]\nsystemd=true\n"),
        (Some("[wsl2]\r\nmemory=4GB\r\n"), "[automount]\nroot=/\n[boot]\nsystemd=true\n"),
    ] {
        let machine = set_up(before);
        fs::rename(machine.path("/mnt/c"), machine.path("/c")).unwrap();
        fs::create_dir(machine.path("/mnt/c")).unwrap();
        machine.write("/etc/wsl.conf", conf);
        for policy in [DriftPolicy::Stop, DriftPolicy::Restore] {
            let (error, hint) = refused(&machine, policy);
            assert_eq!(
                error,
                format!("cannot revert `{CONFIG}`: drive C: is not mounted at `/mnt/c` but at `/c`")
            );
            assert!(hint.starts_with("run `sudo mkdir -p /mnt/c && sudo mount --bind /c /mnt/c`,"), "{hint}");
        }
        // As the hint says; a link does for the mount.
        fs::remove_dir(machine.path("/mnt/c")).unwrap();
        symlink("/c", machine.path("/mnt/c")).unwrap();
        machine.undo(&machine.host(FaultInjector::default()), DriftPolicy::Keep).unwrap();
        let now = fs::read_to_string(machine.path("/c/Users/dev/.wslconfig")).ok();
        assert_eq!(now.as_deref(), before);
        assert!(!machine.has_journal());
    }
}

#[test]
fn undo_stops_if_the_drive_of_wslconfig_is_not_mounted() {
    let machine = set_up(None);
    fs::rename(machine.path("/mnt/c"), machine.path("/away")).unwrap();
    let (error, hint) = refused(&machine, DriftPolicy::Stop);
    assert_eq!(error, format!("cannot revert `{CONFIG}`: drive C: is not mounted at `/mnt/c`"));
    assert!(hint.contains("`sudo mkdir -p /mnt/c && sudo mount -t drvfs C: /mnt/c`"), "{hint}");
    // The file is not reported as reverted.
    let undone = machine.undo(&machine.host(FaultInjector::default()), DriftPolicy::Keep).unwrap();
    assert!(undone.kept.iter().any(|kept| kept.contains(".wslconfig")), "{:?}", undone.kept);
    assert!(fs::read_to_string(machine.path("/away/Users/dev/.wslconfig")).unwrap().contains("cgroup_no_v1"));
}

#[test]
fn undo_stops_if_the_mount_table_shows_the_drive_elsewhere_although_the_directory_exists() {
    let machine = set_up(None);
    fs::remove_file(machine.path(CONFIG)).unwrap();
    fs::create_dir_all(machine.path("/win/c/Users/dev")).unwrap();
    let table =
        machine.text("/proc/mounts") + "C:\\134 /win/c 9p rw,aname=drvfs;path=C:\\;uid=1000,trans=fd 0 0\n";
    machine.write("/proc/mounts", table);
    let (error, _) = refused(&machine, DriftPolicy::Stop);
    assert_eq!(
        error,
        format!("cannot revert `{CONFIG}`: drive C: is not mounted at `/mnt/c` but at `/win/c`")
    );
}

#[test]
fn a_wslconfig_that_its_owner_deleted_does_not_stop_the_undo() {
    let machine = set_up(None);
    fs::remove_file(machine.path(CONFIG)).unwrap();
    machine.undo_all();
    assert!(!machine.has_journal());
}

#[test]
fn undo_stops_if_the_directory_that_a_link_leads_to_is_gone() {
    let machine = Machine::new(Layout::Classic);
    fs::create_dir_all(machine.path("/data/etc")).unwrap();
    fs::rename(machine.path("/etc/fstab"), machine.path("/data/etc/fstab")).unwrap();
    symlink("../data/etc/fstab", machine.path("/etc/fstab")).unwrap();
    machine.finish(|host| machine.setup(host, &answers(), false));
    fs::rename(machine.path("/data"), machine.path("/gone")).unwrap();
    let (error, _) = refused(&machine, DriftPolicy::Stop);
    assert_eq!(error, "cannot revert `/data/etc/fstab`: `/data/etc` does not exist");
    fs::rename(machine.path("/gone"), machine.path("/data")).unwrap();
    machine.undo_all();
}
