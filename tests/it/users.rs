//! The real program for two users of one machine: what each sees, keeps and may do.

use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};

use crate::support::cli::{Case, JOURNAL, agreed, is_root};
use crate::support::{Layout, Tree, differing, same};

/// A machine with `dev` and `anna`.
fn case(layout: Layout) -> Case {
    let case = Case::new(layout);
    case.machine.add_anna();
    case
}

fn set_up(case: &Case, user: &str) {
    for boot in 10.. {
        let seen = case.run(&format!("setup --user {user} {}", agreed()));
        if seen.code == 0 {
            return;
        }
        assert!(seen.code == 3 && boot < 12, "{seen:?}");
        case.machine.boot(boot);
    }
}

fn both(layout: Layout) -> (Case, Tree) {
    let case = case(layout);
    let before = case.machine.snapshot();
    set_up(&case, "dev");
    set_up(&case, "anna");
    (case, before)
}

/// A path in the machine, given to anna.
fn give_to_anna(case: &Case, path: &str) {
    lchown(case.machine.path(path), Some(1001), Some(1001)).unwrap();
}

/// What anna types without root.
fn typed_by_anna(case: Case) -> Case {
    case.started_by(&["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", "--"])
}

#[test]
fn the_plan_of_a_second_user_shows_for_whom_and_when_the_machine_was_set_up() {
    let case = case(Layout::Generous);
    set_up(&case, "dev");
    let plan = case.run(&format!("plan --all --user anna {}", agreed().replace("--yes ", ""))).stdout;
    let date = case.machine.text(JOURNAL);
    let date = date.rsplit("\"record\":\"finished\",\"at\":\"").next().unwrap().get(..10).unwrap();
    let shared: Vec<&str> =
        plan.lines().filter(|line| line.contains(&format!("set up for dev on {date}"))).collect();
    for stage in ["limits", "packages", "delegation"] {
        assert!(shared.iter().any(|line| line.contains(stage)), "{stage}: {plan}");
    }
    for line in shared {
        assert!(line.contains("done"), "{line}");
    }
}

#[test]
fn status_reports_the_calling_user_and_to_root_all_users() {
    if !is_root() {
        return;
    }
    let (case, _) = both(Layout::Generous);
    let text = case.run("status").expect(0, "").stdout;
    assert!(text.contains("dev: Ready: set up at ") && text.contains("anna: Ready: set up at "), "{text}");
    case.run("undo --yes").expect(0, "");
    let text = case.run("status").expect(0, "").stdout;
    assert!(text.contains("dev: Not set up") && text.contains("anna: Ready: set up at "), "{text}");
    let text = typed_by_anna(case).run("status --user anna").expect(0, "").stdout;
    assert!(text.starts_with("Set up at ") && !text.contains("dev"), "{text}");
}

#[test]
fn undo_keeps_what_another_user_relies_on_and_names_that_user() {
    let (case, before) = both(Layout::Generous);
    case.run("undo --yes --packages")
        .expect(0, "")
        .says("Changes to the machine stay, because `anna` relies on them.\n");
    assert!(case.machine.path("/etc/sysctl.d/99-kind-wsl.conf").exists());
    assert!(case.machine.text("/fake/packages").contains("podman"));
    case.run("undo --yes").expect(0, "").says("Nothing to revert.\n");
    case.run("undo --user anna --yes --packages").expect(0, "");
    same(&before, &case.machine.snapshot(), "both undone");
    assert!(!case.machine.has_journal());
}

#[test]
fn undo_of_one_stage_that_another_user_relies_on_leaves_it_to_that_users_undo() {
    let (case, before) = both(Layout::Generous);
    case.run("undo --yes limits").expect(0, "");
    assert!(case.machine.path("/etc/sysctl.d/99-kind-wsl.conf").exists());
    case.run("undo --user anna --yes limits").expect(0, "");
    assert!(!case.machine.path("/etc/sysctl.d/99-kind-wsl.conf").exists());
    for user in ["dev", "anna"] {
        case.run(&format!("undo --user {user} --yes --packages")).expect(0, "");
    }
    same(&before, &case.machine.snapshot(), "both undone");
}

#[test]
fn undo_for_all_users_restores_the_machine() {
    for layout in [Layout::Generous, Layout::Classic] {
        let (case, before) = both(layout);
        case.run("undo --all-users --yes --packages").expect(0, "");
        same(&before, &case.machine.snapshot(), "undone");
        assert!(!case.machine.has_journal(), "{layout:?}");
    }
}

#[test]
fn a_dry_run_for_all_users_shows_the_changes_of_each() {
    let (case, _) = both(Layout::Generous);
    let seen = case.refuses("undo --all-users --dry-run", 0, "").stdout;
    for path in ["/home/dev/.config", "/home/anna/.config", "/etc/sysctl.d/99-kind-wsl.conf"] {
        assert!(seen.contains(path), "{path}: {seen}");
    }
    assert!(!seen.contains("rely on") && seen.ends_with("Undo it: kind-wsl undo --all-users\n"), "{seen}");
    let json = case.refuses("undo --all-users --dry-run --json", 0, "").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    case.run("undo --all-users --yes").expect(0, "");
    let passwd = case.machine.text("/etc/passwd");
    let (case, _) = both(Layout::Generous);
    case.machine.write("/etc/passwd", passwd.replace("dev:x:1000:1000::/home/dev:/bin/bash\n", ""));
    let seen = case.refuses("undo --user anna --all-users --dry-run", 0, "").stdout;
    assert!(seen.contains("/home/anna/.config") && !seen.contains("/home/dev/"), "no account: {seen}");
    assert!(json["changes"].as_u64().unwrap() > 8, "{json}");
}

#[test]
fn doctor_shows_root_the_checked_user_and_the_command_for_each_other_one() {
    if !is_root() {
        return;
    }
    let (case, _) = both(Layout::Generous);
    let line = "Checks for dev. Other users: kind-wsl doctor --user anna\n";
    assert!(case.run("doctor --user dev").stdout.starts_with(line));
    let seen = case.run("doctor --user anna").stdout;
    assert!(seen.starts_with("Checks for anna. Other users: kind-wsl doctor --user dev\n"), "{seen}");
    assert!(case.run("doctor --json").stdout.starts_with('{'));
    assert!(!typed_by_anna(case).run("doctor --user anna").stdout.contains("Checks for"));
}

#[test]
fn undo_never_leaves_systemd_258_on_cgroup_v1() {
    let case = Case::new(Layout::Classic);
    set_up(&case, "dev");
    let refused = "
        error: this distribution would not start: without stage `cgroup`, WSL 2.2.4.0 mounts cgroup v1, on which systemd 258.39-1 does not run
        hint: undo them together: `kind-wsl undo cgroup cgroup-mount systemd`
        ";
    for stage in ["cgroup", "cgroup-mount"] {
        case.run(&format!("undo --dry-run {stage}")).expect(0, "");
    }
    let packages = case.machine.text("/fake/packages");
    case.machine.write("/fake/packages", packages.replace("systemd 252", "systemd 258"));
    for stage in ["cgroup", "cgroup-mount"] {
        case.refuses(&format!("undo --yes {stage}"), 1, refused);
    }
    case.run("undo --yes cgroup cgroup-mount systemd").expect(0, "");
}

#[test]
fn undo_for_all_users_gives_up_the_files_of_a_user_without_an_account() {
    let (case, before) = both(Layout::Generous);
    let passwd = case.machine.text("/etc/passwd");
    let gone = "dev:x:1000:1000::/home/dev:/bin/bash\n";
    case.machine.write("/etc/passwd", passwd.replace(gone, ""));
    case.run("undo --user anna --all-users --yes --packages").expect(0, "");
    case.machine.write("/etc/passwd", passwd);
    let left = differing(&before, &case.machine.snapshot());
    assert!(left.iter().all(|path| path.starts_with("home/dev") || path.starts_with("etc/sub")), "{left:?}");
    assert!(!case.machine.has_journal());
}

#[test]
fn a_user_without_root_undoes_what_lies_in_their_home_and_nothing_else() {
    if !is_root() {
        return;
    }
    let (case, before) = both(Layout::Generous);
    let (set_up, journal) = (case.machine.snapshot(), case.machine.text(JOURNAL));
    let case = typed_by_anna(case);
    case.run("undo --user anna --home --yes").expect(0, "");
    let after = case.machine.snapshot();
    let changed = differing(&set_up, &after);
    assert!(!changed.is_empty() && changed.iter().all(|path| path.starts_with("home/anna/")), "{changed:?}");
    let left = differing(&before, &after).into_iter().filter(|path| path.starts_with("home/anna"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(case.machine.text(JOURNAL), journal, "the journal is root's");
    // Root finds what anna did as undone, or sets it up again.
    let case = case.started_by(&[]);
    case.run(&format!("setup --user anna {}", agreed())).expect(0, "");
    same(&set_up, &case.machine.snapshot(), "set up again");
    for user in ["anna", "dev"] {
        case.run(&format!("undo --user {user} --yes --packages")).expect(0, "");
    }
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn a_user_without_root_undoes_nothing_of_another_user() {
    if !is_root() {
        return;
    }
    let (case, _) = both(Layout::Generous);
    let (set_up, journal) = (case.machine.snapshot(), case.machine.text(JOURNAL));
    let case = typed_by_anna(case);
    for command in
        ["undo --user dev --home --yes", "undo --user dev --yes --packages", "undo --all-users --yes"]
    {
        let seen = case.run(command);
        assert_ne!(seen.code, 0, "{command}: {seen:?}");
        same(&set_up, &case.machine.snapshot(), command);
        assert_eq!(case.machine.text(JOURNAL), journal, "{command}");
    }
}

type Plant = fn(&Case, &str, &str);

#[test]
fn links_in_one_users_home_lead_the_undo_of_either_user_to_no_file_of_the_other() {
    if !is_root() {
        return;
    }
    let settings = "/home/anna/.config/containers/containers.conf.d/50-kind-wsl.conf";
    let theirs = "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf";
    let plants: [Plant; 3] = [
        |case, own, theirs| {
            fs::remove_file(case.machine.path(own)).unwrap();
            symlink(theirs, case.machine.path(own)).unwrap();
            give_to_anna(case, own);
        },
        |case, _, _| {
            let dir = case.machine.path("/home/anna/.config");
            fs::rename(&dir, case.machine.path("/home/anna/.was")).unwrap();
            symlink("/home/dev/.config", &dir).unwrap();
            give_to_anna(case, "/home/anna/.config");
        },
        |case, own, theirs| {
            fs::remove_file(case.machine.path(own)).unwrap();
            fs::hard_link(case.machine.path(theirs), case.machine.path(own)).unwrap();
        },
    ];
    for plant in plants {
        let (case, _) = both(Layout::Generous);
        // dev's own bytes, which only dev may read.
        let secret = case.machine.path(theirs);
        fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        plant(&case, settings, theirs);
        let of_dev = |tree: &Tree| -> Tree {
            tree.iter()
                .filter(|(p, _)| p.starts_with("home/dev"))
                .map(|(p, w)| (p.clone(), w.clone()))
                .collect()
        };
        let before = of_dev(&case.machine.snapshot());
        for command in [
            "setup --user anna --yes",
            "undo --user anna --yes --drift restore",
            "undo --user anna --yes --drift keep",
        ] {
            let _ = case.run(command);
            same(&before, &of_dev(&case.machine.snapshot()), command);
        }
    }
}

#[test]
fn a_configuration_directory_in_another_users_home_is_never_written() {
    if !is_root() {
        return;
    }
    let case = case(Layout::Generous);
    set_up(&case, "dev");
    let before = case.machine.snapshot();
    let case = typed_by_anna(case).env("XDG_CONFIG_HOME", "/home/dev/.config");
    let _ = case.run(&format!("setup --user anna {}", agreed()));
    same(&before, &case.machine.snapshot(), "written without root");
}

#[test]
fn a_restart_names_the_running_nodes_of_other_users() {
    if !is_root() {
        return;
    }
    let case = case(Layout::Classic)
        .dir("/mnt/c/Users/dev/AppData/Local")
        .env("WSL_INTEROP", "/run/WSL/7_interop")
        .program("/mnt/c/Windows/System32/wsl.exe")
        .file("/fake/windows/wsl.exe --list", "0\nDebian\n");
    let processes = [
        ("4711", "conmon", "/usr/bin/conmon\0-c\0abc\0-n\0kind-control-plane\0"),
        ("4712", "kubelet", "/usr/bin/kubelet\0--provider-id=kind://docker/two/two-worker\0"),
        ("4713", "sleep", "sleep\0-n\0kind-worker\0"),
    ];
    for (pid, comm, cmdline) in processes {
        case.machine.write(&format!("/proc/{pid}/comm"), format!("{comm}\n"));
        case.machine.write(&format!("/proc/{pid}/cmdline"), cmdline);
        chown(case.machine.path(&format!("/proc/{pid}")), Some(1001), Some(1001)).unwrap();
    }
    case.run(&format!("setup {}", agreed()))
        .expect(3, "")
        .says("it would stop the kind nodes kind-control-plane of anna, two-worker of anna; to allow that, use `--restart-all`");
}

#[test]
fn a_setup_for_a_user_who_has_not_logged_in_ends_with_what_that_user_does_next() {
    let case = case(Layout::Generous);
    set_up(&case, "dev");
    let case = case.env("SUDO_USER", "dev").env("USER", "root");
    let seen = case.run(&format!("setup --user anna {}", agreed())).expect(0, "");
    let seen = seen.says("When anna has logged in, anna checks the result:\n  Check  kind-wsl doctor\n");
    assert!(seen.stdout.contains("  Undo   kind-wsl undo --user anna\n"), "{seen:?}");
    let rows = case.run("plan --all --user anna").stdout;
    assert!(rows.contains("anna has not logged in: `kind-wsl doctor` by anna runs them"), "{rows}");
}
