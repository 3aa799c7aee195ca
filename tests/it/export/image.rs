//! A tree that is set up for WSL before WSL has started it: `setup --root DIR --assume wsl=VERSION`.

use std::fs;
use std::process::Command;

use crate::support::Layout;
use crate::support::cli::{BIN, Case, agreed};

/// A tree whose /proc is that of the building machine: systemd runs there, and it is no WSL.
fn tree() -> Case {
    Case::new(Layout::Plain)
}

fn setup(case: &Case, wsl: &str) -> crate::support::cli::Seen {
    case.run(&format!("setup --no-restart --assume wsl={wsl} {}", agreed()))
}

#[test]
fn a_tree_is_set_up_for_the_wsl_that_is_assumed() {
    let case = tree();
    let seen = setup(&case, "2.6.1");
    assert_eq!(seen.code, 3, "{}{}", seen.stdout, seen.stderr);
    assert!(case.machine.text("/etc/wsl.conf").contains("[boot]\nsystemd=true\n"));
    assert!(case.machine.path("/etc/systemd/system/user@.service.d/zz-kind-wsl.conf").exists());
    let fstab = case.machine.text("/etc/fstab");
    assert!(!fstab.contains("cgroup2"), "{fstab}");
}

#[test]
fn the_kernel_and_mounts_of_the_building_machine_stay_as_they_are() {
    let case = tree();
    assert_eq!(setup(&case, "2.6.1").code, 3);
    let commands = fs::read_to_string(case.machine.path("/fake/commands")).unwrap();
    let changes = ["sysctl -q", "sysctl -w", "modprobe", "mount --make", "podman run", "podman info"];
    let ran: Vec<_> = commands.lines().filter(|l| changes.iter().any(|c| l.contains(c))).collect();
    assert!(commands.lines().count() > 5 && ran.is_empty(), "{ran:?}");
    assert!(!case.machine.path("/etc/modules-load.d/kind-wsl.conf").exists());
}

#[test]
fn a_tree_that_is_prepared_twice_changes_nothing_the_second_time_whatever_machine_prepares_it() {
    let case = tree();
    assert_eq!(setup(&case, "2.6.1").code, 3);
    let before = case.machine.snapshot();
    case.machine.boot(2);
    let after_boot = case.machine.snapshot();
    let seen = setup(&case, "2.6.1");
    assert_eq!(seen.code, 3, "{}{}", seen.stdout, seen.stderr);
    assert!(seen.stdout.contains("not restarted yet"), "{}", seen.stdout);
    crate::support::same(&after_boot, &case.machine.snapshot(), "the second run changed something");
    assert_eq!(before.get("etc/wsl.conf"), after_boot.get("etc/wsl.conf"));
}

#[test]
fn the_first_start_of_an_image_finishes_the_setup() {
    let case = tree();
    assert_eq!(setup(&case, "2.6.1").code, 3);
    fs::create_dir_all(case.machine.path("/run/WSL")).unwrap();
    case.machine.write("/fake/wsl-version", "2.6.1.0\n");
    case.machine.boot(2);
    let seen = case.run("setup --yes --no-restart --offline [ROOT]/offline");
    assert_eq!(seen.code, 0, "{}{}", seen.stdout, seen.stderr);
    assert!(case.machine.path("/etc/sysctl.d/99-kind-wsl.conf").exists());
    let seen = case.run("undo --yes");
    assert_eq!(seen.code, 0, "{}{}", seen.stdout, seen.stderr);
    assert!(!case.machine.path("/etc/systemd/system/user@.service.d/zz-kind-wsl.conf").exists());
}

#[test]
fn an_older_wsl_gets_cgroup_v2_by_fstab() {
    let case = tree();
    let seen = case.run(&format!("setup --no-restart --skip cgroup --assume wsl=2.4.13 {}", agreed()));
    assert_eq!(seen.code, 3, "{}{}", seen.stdout, seen.stderr);
    assert!(case.machine.text("/etc/fstab").contains("cgroup2 /sys/fs/cgroup cgroup2"));
    let export = |wsl: &str| {
        case.run(&format!("export --format wsl-image --assume wsl={wsl} --sha256 {}", "0".repeat(64))).stdout
    };
    assert!(export("2.4.13").contains("--skip=cgroup") && !export("2.6.1").contains("--skip"));
}

#[test]
fn an_assumption_needs_a_root_and_a_version() {
    let run = |args: &[&str]| {
        let output = Command::new(BIN).args(args).env_clear().output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for command in ["plan", "setup"] {
        let (code, stderr) = run(&["--user", "daemon", command, "--assume", "wsl=2.6.1"]);
        let text = "error: `--assume` requires `--root`\nhint: add `--root DIR`: `--assume` is for a system that is not running\n";
        assert_eq!((code, stderr.as_str()), (2, text), "{command}");
    }
    for wrong in ["2.6.1", "wsl", "wsl=", "podman=6.1", "wsl=new"] {
        let seen = tree().run(&format!("setup --assume {wrong}"));
        assert_eq!(seen.code, 2, "{wrong}");
        assert!(seen.stderr.contains("wsl"), "{}", seen.stderr);
    }
    let seen = tree().run("export --format sh --assume wsl=2.6.1");
    assert!(seen.code == 2 && seen.stderr.contains("requires `--format wsl-image`"), "{}", seen.stderr);
    let seen = tree().run("export --format wsl-image");
    let text = "error: the WSL version of the image is not known\n";
    assert!(seen.code == 2 && seen.stderr.starts_with(text), "{}", seen.stderr);
}
