//! WSL 2.9.13 and later (stable: 3.0.1): each test is a state that the program once judged wrong.

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

/// The finding of one check of `doctor`.
fn check(case: &Case, id: &str) -> Value {
    let seen = case.run("doctor --json");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    document["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap().clone()
}

/// A stage of the plan.
fn stage(case: &Case, id: &str) -> Value {
    let seen = case.run("plan --json");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    document["plan"]["stages"].as_array().unwrap().iter().find(|stage| stage["id"] == id).unwrap().clone()
}

const LIMITED: &str = "WSL gives this distribution a cgroup without cpuset, io, pids";
const IN_WINDOWS: &str = "in Windows: run `wsl --update`, then `wsl --shutdown`; if that is not enough, add \
                          `isolateDistroCgroup=false` below [wsl2] in .wslconfig and run `wsl --shutdown` again";

#[test]
fn a_cgroup_namespace_is_recognized_by_the_files_in_its_root_and_named() {
    let named = "this distribution has a cgroup namespace, and its root has every controller";
    let case = Case::new(Layout::Namespaced);
    assert_eq!(check(&case, "isolation")["evidence"], named);
    assert_eq!(
        (&stage(&case, "controllers")["verdict"], &stage(&case, "controllers")["why"]),
        (&"no-effect".into(), &named.into())
    );
    // Not by the version: without isolation 3.0.1 has the layout of 2.7.
    let case = Case::new(Layout::Modern).file("/fake/wsl-version", "3.0.1.0\n");
    assert_eq!(check(&case, "isolation")["evidence"], "systemd runs directly below the root cgroup");
}

#[test]
fn a_setup_in_a_cgroup_namespace_ends_with_a_clean_doctor() {
    let case = Case::new(Layout::Namespaced);
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    for id in ["systemd", "cgroup", "isolation", "controllers"] {
        assert_eq!(check(&case, id)["verdict"], "ok", "{id}");
    }
    let document: Value = serde_json::from_str(&case.run("doctor --json").stdout).unwrap();
    assert_eq!(document["prediction"]["wrapper"]["says"], "accepts", "{}", document["prediction"]);
    let manager = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
    assert!(check(&case, "controllers")["evidence"].as_str().unwrap().starts_with(manager));
    assert!(!case.machine.path("/etc/systemd/system/kind-wsl-controllers.service").exists());
}

#[test]
fn controllers_that_wsl_does_not_give_a_namespace_are_fixed_in_windows_and_nowhere_else() {
    let case = Case::new(Layout::NamespacedPoor);
    let found = check(&case, "isolation");
    assert_eq!(
        (&found["verdict"], &found["evidence"], &found["fix"]),
        (&"wrong".into(), &LIMITED.into(), &IN_WINDOWS.into())
    );
    let controllers = check(&case, "controllers");
    assert_eq!((&controllers["verdict"], &controllers["fix"]), (&"wrong".into(), &IN_WINDOWS.into()));
    let whole = case.run("doctor -v").stdout;
    let message =
        "crun: controller `pids` is not available under /sys/fs/cgroup/user.slice/cgroup.controllers";
    case.machine.write("/message", message);
    let explained = case.run("explain [ROOT]/message");
    let whole = whole + &explained.stdout;
    assert!(explained.stdout.contains(&format!("{IN_WINDOWS}. ")), "{whole}");
    assert!(!whole.contains("--only controllers"), "{whole}");
    let planned = stage(&case, "controllers");
    assert_eq!(
        (&planned["verdict"], &planned["why"], &planned["hint"]),
        (&"blocked".into(), &LIMITED.into(), &IN_WINDOWS.into())
    );
    case.refuses(
        &format!("setup {}", agreed()),
        1,
        &format!("error: stage `controllers` cannot be set up: {LIMITED}\nhint: {IN_WINDOWS}\n"),
    );
}

#[test]
fn a_comment_with_a_semicolon_above_boot_is_skipped_and_blocks_nothing() {
    for conf in ["; my comment\n[boot]\nsystemd=true\n", "[boot]\r\n; my comment\r\nsystemd=true\r\n"] {
        let case = Case::new(Layout::Namespaced).file("/etc/wsl.conf", conf);
        case.machine.boot(2);
        assert_eq!(stage(&case, "systemd")["verdict"], "satisfied");
        case.run(&format!("setup {}", agreed().replace("--repair-wsl-conf yes", "--repair-wsl-conf no")))
            .expect(3, "");
        assert_eq!(case.machine.text("/etc/wsl.conf"), conf);
        // A version before 2.9.13 does not read that far.
        let case = Case::new(Layout::Modern).file("/etc/wsl.conf", conf);
        let seen = case.run("setup --yes --repair-wsl-conf no --only systemd");
        assert!(seen.code == 1 && seen.stderr.contains("does not read /etc/wsl.conf to its end"), "{seen:?}");
    }
}

#[test]
fn settings_below_such_a_line_count_so_the_windows_profile_is_found() {
    let conf = "; my comment\n[automount]\nroot=/win\n[user]\ndefault=dev\n[boot]\nsystemd=true\n";
    let case = Case::new(Layout::Namespaced).file("/etc/wsl.conf", conf).dir("/win");
    // The directory at which the drive was mounted before stays.
    std::fs::rename(case.machine.path("/mnt/c"), case.machine.path("/win/c")).unwrap();
    std::fs::create_dir(case.machine.path("/mnt/c")).unwrap();
    case.run("setup --yes --only idle --idle yes").expect(0, "");
    assert!(case.machine.text("/win/c/Users/dev/.wslconfig").contains("instanceIdleTimeout=-1"));
}

#[test]
fn cgroup_v1_that_is_chosen_is_given_up_with_what_it_does_on_this_version() {
    let conf = "[boot]\nsystemd=true\n[automount]\ncgroups=v1\n";
    for (layout, then) in [
        (Layout::Modern, "selects cgroup v1 for the next start"),
        (Layout::Generous, "prevents the next start of this distribution while WSL isolates distributions"),
        (Layout::Namespaced, "only causes a message at each start while WSL isolates distributions"),
    ] {
        let case = Case::new(layout).file("/etc/wsl.conf", conf);
        let planned = stage(&case, "cgroup");
        let why = format!("cgroups=v1 in /etc/wsl.conf line 4 {then}");
        assert_eq!((&planned["verdict"], &planned["why"]), (&"needed".into(), &why.into()), "{layout:?}");
    }
}

#[test]
fn explain_names_the_fix_of_a_stage_that_is_blocked() {
    let seen = Case::new(Layout::NamespacedPoor).run("explain controllers").expect(0, "");
    assert!(seen.stdout.contains(LIMITED) && seen.stdout.contains(IN_WINDOWS), "{}", seen.stdout);
}

#[test]
fn inspect_reads_below_the_root_of_a_cgroup_namespace() {
    let case = Case::new(Layout::Namespaced);
    let seen = case.run("inspect --json");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    let manager = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
    assert_eq!(document["tree"]["path"], manager, "{document}");
    // Without a systemd user manager it begins at the root, which is a cgroup like any other here.
    std::fs::remove_dir_all(case.machine.path("/sys/fs/cgroup/user.slice")).unwrap();
    let seen = case.run("inspect --json");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    let tree = &document["tree"];
    assert_eq!((&tree["path"], &tree["type"]), (&"/sys/fs/cgroup".into(), &"domain".into()), "{document}");
    assert_eq!(tree["memory"]["current"], 41_943_040, "{document}");
    let names: Vec<_> = tree["children"].as_array().unwrap().iter().map(|child| &child["name"]).collect();
    assert_eq!(names, ["init.scope", "non-systemd"]);
}

/// A machine with this podman installed.
fn with_podman(version: &str) -> Case {
    let case = Case::new(Layout::Namespaced).program("/usr/bin/podman");
    let packages = case.machine.text("/fake/packages") + &format!("podman {version}\ncrun 1.30.1\n");
    case.file("/fake/packages", packages).file("/fake/podman-version", format!("podman version {version}\n"))
}

#[test]
fn podman_6_needs_pasta_and_nft_and_no_iptables_or_slirp4netns() {
    let case = with_podman("6.1.3").program("/usr/bin/slirp4netns").program("/usr/lib/podman/netavark");
    let network = check(&case, "network");
    assert_eq!(network["verdict"], "wrong", "{network}");
    assert_eq!(network["evidence"], "pasta is not installed");
    assert_ne!(check(&case, "iptables")["verdict"], "wrong");
    let packages = stage(&case, "packages")["why"].as_str().unwrap().to_owned();
    for name in ["passt", "nftables"] {
        assert!(packages.contains(name), "{packages}");
    }
    for name in ["iptables", "slirp4netns"] {
        assert!(!packages.contains(name), "{packages}");
    }
    assert_eq!(check(&case, "nft")["evidence"], "nft is not installed");
}

/// podman follows `XDG_CONFIG_HOME`, and so do plan, setup, doctor and undo.
#[test]
fn settings_are_written_and_found_where_xdg_config_home_leads() {
    let case = with_podman("5.4.2").env("XDG_CONFIG_HOME", "/srv/cfg").env("SUDO_UID", "1000");
    case.machine.write("/proc/self/stat", "9 (kind-wsl) S 8 9 8 0");
    case.machine.write("/proc/8/stat", "8 (sudo) S 0 8 8 0");
    case.machine.write("/proc/8/environ", "XDG_CONFIG_HOME=/srv/cfg\0");
    let case = case.file("/srv/cfg/keep", "");
    std::os::unix::fs::chown(case.machine.path("/srv/cfg"), Some(1000), Some(1000)).unwrap();
    let seen = case.run("setup --yes --only podman").expect(0, "");
    let drop_in = "/srv/cfg/containers/containers.conf.d/50-kind-wsl.conf";
    assert!(case.machine.path(drop_in).exists(), "{}", seen.stdout);
    assert!(!case.machine.path("/home/dev/.config").exists());
    assert!(check(&case, "pids").to_string().contains(drop_in));
    case.run("undo --yes").expect(0, "");
    assert!(!case.machine.path("/srv/cfg/containers").exists());
}
