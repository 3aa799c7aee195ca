//! `kind-wsl plan`: what is predicted, how much is shown, how it exits.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

/// The stage of a plan.
fn stage(case: &Case, args: &str, id: &str) -> (String, String) {
    let plan: Value =
        serde_json::from_str(&case.run(&format!("plan --json {args}")).expect(0, "").stdout).unwrap();
    let stages = plan["plan"]["stages"].as_array().unwrap();
    let stage = stages.iter().find(|s| s["id"] == id).unwrap();
    let text = |key: &str| stage[key].as_str().unwrap().to_owned();
    (text("verdict"), text("why"))
}

fn installed(case: &Case, packages: &str) {
    let before = case.machine.text("/fake/packages");
    case.machine.write("/fake/packages", format!("{before}{packages}"));
}

#[test]
fn the_exit_code_reports_pending_changes_only_on_request() {
    let case = Case::new(Layout::Isolated);
    case.run("plan").expect(0, "");
    case.run("plan --exit-code").expect(1, "");
    case.run("plan --exit-code --json").expect(1, "");
    let blocked = "--crun-version 1.8";
    case.run(&format!("plan {blocked}")).expect(0, "");
    case.run(&format!("plan --exit-code {blocked}")).expect(4, "");
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    assert_eq!(case.run("plan -q --exit-code").expect(0, "").stdout, "nothing to do\n");
}

#[test]
fn each_level_of_detail_shows_more_than_the_one_below() {
    let case = Case::new(Layout::Isolated);
    let [brief, normal, full] =
        ["-q plan", "plan", "plan -v"].map(|args| case.run(args).expect(0, "").stdout);
    let has = |text: &str, part: &str| text.lines().any(|l| l.contains(part));
    for (line, shown) in [
        ("  + limits ", [true, true, true]),
        ("changes, one restart of this distribution", [true, true, true]),
        ("Debian GNU/Linux 12", [false, true, true]),
        ("  6 skipped         shared-root, idle, cni, autostart, docker, nerdctl", [false, true, true]),
        ("Details  kind-wsl plan --diff", [false, true, false]),
        ("+ dev:165536:65536", [false, false, true]),
        ("systemd        done", [false, false, true]),
        ("idle           skipped", [false, false, true]),
    ] {
        assert_eq!([&brief, &normal, &full].map(|text| has(text, line)), shown, "{line}\n{full}");
    }
    // A line for each stage that changes something, and how it ends.
    let (_, stages) =
        brief.lines().collect::<Vec<_>>().split_last().map(|(end, rest)| (*end, rest.to_vec())).unwrap();
    assert!(
        stages.len() > 5 && stages.iter().all(|line| line.starts_with("  + ") || line.starts_with("  ~ ")),
        "{brief}"
    );
}

#[test]
fn the_rows_of_a_plan_name_actions_and_the_full_table_names_reasons() {
    let case = Case::new(Layout::Isolated);
    let action = "fs.inotify.max_user_watches 8192 -> 524288";
    let reason = "fs.inotify.max_user_watches is 8192 (need 524288)";
    let [plan, all] = ["plan", "plan --all"].map(|args| case.run(args).expect(0, "").stdout);
    assert!(plan.contains(&format!("  + limits       raise kernel limits: {action}, ")), "{plan}");
    assert!(!plan.contains(reason) && all.contains(reason), "{plan}\n{all}");
    assert!(plan.contains("  ~ restart      restart: wsl --terminate Debian\n"), "{plan}");
}

#[test]
fn only_packages_that_are_not_installed_are_to_be_installed() {
    let case = Case::new(Layout::Generous);
    installed(&case, "podman 4.3.1\niptables 1.8.9\ncrun 1.14.1\n");
    let seen = case.run("plan --diff --only packages").expect(0, "").stdout;
    let line =
        "  install packages: uidmap slirp4netns fuse-overlayfs dbus-user-session netavark aardvark-dns\n";
    assert!(seen.contains(line), "{seen}");
    let run = case.run("setup --yes --only packages").expect(0, "").stdout;
    let done = "installed uidmap, slirp4netns, fuse-overlayfs, dbus-user-session, netavark, aardvark-dns\n";
    assert!(run.contains(done), "{run}");
    let asked = case.machine.text("/fake/commands");
    let install = asked.lines().find(|l| l.contains("apt-get -y") && l.contains(" install ")).unwrap();
    assert!(!install.contains(" podman") && install.contains(" uidmap"), "{install}");
    assert_eq!(stage(&case, "--only packages", "packages").0, "satisfied");
    case.run("undo --yes --packages").expect(0, "");
    let left = case.machine.text("/fake/packages");
    assert!(left.contains("podman 4.3.1") && !left.contains("uidmap"), "{left}");
}

#[test]
fn a_crun_that_comes_with_the_packages_is_announced_and_one_that_is_there_is_found() {
    let case = Case::new(Layout::Generous);
    let archive = case.machine.text("/fake/archive").replace("crun 1.8.1-1", "crun 1.14.1-1");
    let case = case.file("/fake/archive", archive);
    let wanted = "crun 1.14.1 will be installed by stage `packages`; need 1.9.1 or later";
    let (verdict, why) = stage(&case, "", "crun");
    assert_eq!((verdict.as_str(), why.as_str()), ("satisfied", wanted.trim_start_matches("crun ")));
    installed(&case, "crun 1.14.1-1\n");
    let case = case.file("/usr/bin/crun", "#!/bin/sh\necho crun version 1.14.1\n");
    std::fs::set_permissions(
        case.machine.path("/usr/bin/crun"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    assert_eq!(stage(&case, "", "crun").1, "/usr/bin/crun is 1.14.1; need 1.9.1 or later");
}

#[test]
fn the_final_check_is_announced_if_setup_will_run_it() {
    for (provider, checks) in [("podman", 10), ("docker", 5)] {
        let case = Case::new(Layout::Plain);
        let args = format!("--provider {provider}");
        assert_eq!(
            stage(&case, &args, "verify"),
            ("needed".to_owned(), format!("will run {checks} checks at the end"))
        );
        assert_eq!(stage(&case, &format!("{args} --skip packages"), "verify").0, "not-here", "{provider}");
    }
    // A podman that is not a package is checked as well.
    let case = Case::new(Layout::Plain).program("/usr/local/bin/podman");
    assert_eq!(stage(&case, "--only verify", "verify").0, "needed");
    let case = Case::new(Layout::Isolated);
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    assert_eq!(stage(&case, "", "verify").0, "satisfied");
    // A change means that it will be checked again.
    assert_eq!(stage(&case, "--privileged-ports yes", "verify").0, "needed");
}

#[test]
fn no_path_and_no_change_is_shown_twice() {
    for layout in Layout::ALL {
        let case = Case::new(layout);
        for args in [
            "plan --diff",
            "plan --diff --guide --idle yes",
            "plan --diff --provider docker",
            "plan --diff --only systemd,cgroup,restart",
        ] {
            let seen = case.run(args).expect(0, "").stdout;
            let paths: Vec<_> =
                seen.lines().filter(|l| l.starts_with('/')).map(|l| l.trim_end_matches(" (new)")).collect();
            let different: BTreeSet<_> = paths.iter().collect();
            assert_eq!(different.len(), paths.len(), "{layout:?} {args}: {paths:?}");
            let others: Vec<_> =
                seen.lines().skip_while(|l| *l != "other changes").filter(|l| !l.is_empty()).collect();
            let different: BTreeSet<_> = others.iter().collect();
            assert_eq!(different.len(), others.len(), "{layout:?} {args}: {others:?}");
            for reasons in others.iter().filter_map(|l| l.strip_prefix("  restart ")?.split_once(": ")) {
                let reasons: Vec<_> = reasons.1.split(", ").collect();
                let different: BTreeSet<_> = reasons.iter().collect();
                assert_eq!(different.len(), reasons.len(), "{layout:?} {args}: {reasons:?}");
            }
        }
    }
}
