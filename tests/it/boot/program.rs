//! The same through the real program: what blocks a stage, and what `doctor` finds.

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

/// Ubuntu 26.04 with systemd 259 on a WSL that mounts cgroup v1.
fn ubuntu() -> Case {
    let case = Case::new(Layout::Classic);
    let packages = case.machine.text("/fake/packages").replace("systemd 252.39-1", "systemd 259.5-0ubuntu3");
    case.file("/fake/packages", packages)
}

fn stages(case: &Case, args: &str) -> Vec<(String, String, String)> {
    let seen = case.run(&format!("plan --json {args}")).expect(0, "");
    let plan: Value = serde_json::from_str(&seen.stdout).unwrap();
    let text = |stage: &Value, key: &str| stage[key].as_str().unwrap_or_default().to_owned();
    let stages = plan["plan"]["stages"].as_array().unwrap();
    stages.iter().map(|stage| (text(stage, "id"), text(stage, "verdict"), text(stage, "hint"))).collect()
}

fn blocked(case: &Case, args: &str) -> Vec<String> {
    stages(case, args).into_iter().filter(|(_, verdict, _)| verdict == "blocked").map(|(id, ..)| id).collect()
}

#[test]
fn a_systemd_without_cgroup_v1_is_not_enabled_on_v1_whatever_stages_are_selected() {
    let selections =
        ["--only systemd,restart", "--skip cgroup,cgroup-mount", "--skip cgroup", "--skip cgroup-mount"];
    for selection in selections {
        let case = ubuntu();
        assert_eq!(blocked(&case, selection), ["systemd"], "{selection}");
        case.refuses(
            &format!("setup {selection} {}", agreed()),
            1,
            &case.run(&format!("setup {selection} {}", agreed())).stderr,
        );
        assert!(!case.machine.text("/etc/wsl.conf").contains("systemd"), "{selection}");
    }
}

#[test]
fn the_way_out_begins_with_the_update_of_wsl() {
    let case = ubuntu();
    let stages = stages(&case, "--only systemd,restart");
    let (_, _, hint) = stages.iter().find(|(id, ..)| id == "systemd").unwrap();
    assert!(hint.starts_with("in Windows: `wsl --update`, then run the same command again"), "{hint}");
}

#[test]
fn the_plan_for_a_wsl_with_cgroup_v1_recommends_the_update_first() {
    let words =
        |case: &Case| case.run("plan").expect(0, "").stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let plan = words(&Case::new(Layout::Classic));
    assert!(plan.contains("note: recommended first: run `wsl --update` in Windows."), "{plan}");
    assert!(!words(&Case::new(Layout::Modern)).contains("wsl --update"));
}

#[test]
fn setup_as_a_whole_enables_that_systemd_and_cgroup_v2_with_it() {
    let case = ubuntu();
    assert!(blocked(&case, "").is_empty());
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "");
}

#[test]
fn a_policy_that_turns_the_kernel_command_line_off_blocks_it() {
    let reg = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\WSL\r\n    AllowKernelCommandLineUserSetting    REG_DWORD    0x0\r\n";
    let case = ubuntu().env("WSL_INTEROP", "/run/WSL/9_interop").file("/fake/reg", reg);
    let case = case.program("/mnt/c/Windows/System32/reg.exe");
    assert_eq!(blocked(&case, "")[0], "systemd");
}

#[test]
fn doctor_finds_that_the_present_files_keep_the_distribution_from_starting() {
    let find = |case: &Case| {
        let seen = case.run("doctor --only starts --json");
        let document: Value = serde_json::from_str(&seen.stdout).unwrap();
        document["checks"][0].clone()
    };
    let case =
        ubuntu().file("/etc/wsl.conf", "[boot]\nsystemd=true\n").link("/sbin/init", "/lib/systemd/systemd");
    let check = find(&case);
    assert_eq!(check["verdict"], "wrong", "{check}");
    assert!(check["evidence"].as_str().unwrap().contains("would no longer start"), "{check}");
    assert!(check["fix"].as_str().unwrap().starts_with("in Windows: `wsl --update`"), "{check}");
    assert_eq!(find(&Case::new(Layout::Modern))["verdict"], "ok");
}

#[test]
fn a_stage_that_repairs_what_would_keep_the_distribution_from_starting_is_not_blocked() {
    let conf = "[boot]\nsystemd=true\n[automount]\ncgroups=v1\n";
    let case = Case::new(Layout::Isolated).file("/etc/wsl.conf", conf);
    assert!(blocked(&case, "").is_empty());
    assert_eq!(blocked(&case, "--skip cgroup --idle yes"), ["idle", "restart"]);
}
