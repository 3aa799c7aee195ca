//! `--assume`: what an update changes, before it is made; `doctor --facts`: the machine of a report.

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

fn json(case: &Case, args: &str) -> Value {
    let seen = case.run(args);
    serde_json::from_str(&seen.stdout).unwrap_or_else(|e| panic!("{e}: {seen:?}"))
}

/// The effect and the later reason of each stage or check that differs.
fn differences(document: &Value, list: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let differences = document[list].as_array().unwrap();
    differences.iter().map(|d| (text(&d["id"]), text(&d["effect"]), text(&d["after"]["why"]))).collect()
}

fn effect_of(document: &Value, list: &str, id: &str) -> Option<String> {
    differences(document, list).into_iter().find(|(found, ..)| found == id).map(|(_, effect, _)| effect)
}

fn with_packages(case: Case, from: &str, to: &str) -> Case {
    let packages = case.machine.text("/fake/packages").replace(from, to);
    case.file("/fake/packages", packages)
}

#[test]
fn an_update_to_wsl_3_makes_the_stages_for_cgroup_v1_unnecessary() {
    let case = Case::new(Layout::Classic);
    let document = json(&case, "plan --json --assume wsl=3.0.1");
    for id in ["cgroup", "cgroup-mount"] {
        assert_eq!(effect_of(&document, "stages", id).as_deref(), Some("no-longer"), "{id}: {document}");
    }
    assert_eq!(document["assumed"]["kernel"], "6.18.40.1", "{document}");
}

#[test]
fn an_update_to_a_systemd_without_cgroup_v1_is_announced_as_a_machine_that_does_not_start() {
    let case = Case::new(Layout::Classic).file("/etc/wsl.conf", "[boot]\nsystemd=true\n");
    let case = case.link("/sbin/init", "/lib/systemd/systemd");
    case.machine.boot(2);
    let document = json(&case, "plan --json --skip cgroup --assume systemd=259 --idle yes");
    assert_eq!(document["start"]["before"], serde_json::json!([]), "{document}");
    assert_eq!(document["start"]["after"][0]["rule"], "systemd-needs-v2", "{document}");
    assert_eq!(effect_of(&document, "stages", "idle").as_deref(), Some("blocked"), "{document}");
    // With the newer WSL it starts.
    let document = json(&case, "plan --json --skip cgroup --assume systemd=259,wsl=3.0.1 --idle yes");
    assert_eq!(document["start"]["after"], serde_json::json!([]), "{document}");
}

#[test]
fn podman_6_needs_other_packages() {
    let case = with_packages(Case::new(Layout::Modern), "libc6", "podman 4.3.1\nlibc6");
    let document = json(&case, "plan --json --assume podman=6.1");
    let stages = differences(&document, "stages");
    let (_, effect, why) =
        stages.iter().find(|(id, ..)| id == "packages").unwrap_or_else(|| panic!("{document}"));
    assert!(["changed", "new"].contains(&effect.as_str()) && why.contains("nftables"), "{document}");
}

#[test]
fn wsl_3_gives_the_distribution_a_cgroup_namespace_of_its_own() {
    let case = Case::new(Layout::Isolated);
    let document = json(&case, "plan --json --assume wsl=3.0.1");
    assert_eq!(effect_of(&document, "stages", "controllers").as_deref(), Some("no-longer"), "{document}");
    let document = json(&case, "doctor --json --assume wsl=3.0.1");
    assert_eq!(effect_of(&document, "checks", "isolation").as_deref(), Some("no-longer"), "{document}");
}

#[test]
fn the_same_versions_change_nothing() {
    for layout in [Layout::Modern, Layout::Isolated] {
        let case = Case::new(layout);
        let wsl = case.machine.text("/fake/wsl-version");
        let kernel = case.machine.text("/proc/sys/kernel/osrelease");
        let same = format!("wsl={},kernel={},systemd=252.39-1", wsl.trim(), kernel.trim());
        let document = json(&case, &format!("plan --json --assume {same}"));
        assert_eq!(document["stages"], serde_json::json!([]), "{document}");
    }
}

#[test]
fn the_differences_are_shown_with_the_reason_and_what_stays() {
    let case = Case::new(Layout::Classic);
    let seen = case.refuses("plan --assume wsl=3.0.1", 0, "");
    assert!(
        seen.stdout.starts_with("With kernel 6.18.40.1, wsl 3.0.1, compared with now\n"),
        "{}",
        seen.stdout
    );
    assert!(seen.stdout.contains("not needed  cgroup "), "{}", seen.stdout);
    assert!(seen.stdout.contains(" stages do not change."), "{}", seen.stdout);
    let seen = case.refuses("doctor --assume wsl=3.0.1", 0, "");
    assert!(seen.stdout.contains("solved      cgroup "), "{}", seen.stdout);
    assert!(seen.stdout.contains("cannot be predicted"), "{}", seen.stdout);
}

#[test]
fn an_unknown_program_or_version_is_a_usage_error_with_the_near_match() {
    let case = Case::new(Layout::Modern);
    for (wrong, message) in [
        ("podmn=6.1", "did you mean `podman`?"),
        ("wsl=latest", "`latest` is not a version of wsl"),
        ("3.0.1", "expected PROGRAM=VERSION"),
    ] {
        for command in ["plan", "doctor"] {
            let seen = case.run(&format!("{command} --assume {wrong}"));
            assert_eq!(seen.code, 2, "{seen:?}");
            assert!(seen.stderr.contains(message), "{seen:?}");
        }
    }
    let seen = case.run(&format!("setup --assume podman=6.1 {}", agreed()));
    assert_eq!(seen.code, 2, "{seen:?}");
    assert!(seen.stderr.contains("`--assume podman`: only wsl is supported here"), "{seen:?}");
}

#[test]
fn doctor_examines_the_machine_of_a_report() {
    for layout in [Layout::Classic, Layout::Modern, Layout::Isolated, Layout::Plain] {
        let case = Case::new(layout);
        let live = json(&case, "doctor --json");
        case.machine.write("/report.json", case.run("report").expect(0, "").stdout);
        let replayed = json(&case, "doctor --json --facts [ROOT]/report.json");
        let verdicts = |document: &Value| -> Vec<(String, String)> {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            document["checks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| (text(&c["id"]), text(&c["verdict"])))
                .collect()
        };
        let (live, replayed) = (verdicts(&live), verdicts(&replayed));
        let unknown = replayed.iter().filter(|(_, verdict)| verdict == "unknown").count();
        let wrong: Vec<_> = live
            .iter()
            .zip(&replayed)
            // What podman itself reports is not in a report; what its files say counts less.
            .filter(|(live, replayed)| {
                live != replayed && !["unknown", "not-here", "doubtful"].contains(&&*replayed.1)
            })
            .collect();
        assert!(wrong.is_empty(), "{layout:?}: {wrong:?}");
        assert!(unknown * 2 < replayed.len(), "{layout:?}: {unknown} of {} are unknown", replayed.len());
    }
}

#[test]
fn a_report_can_be_examined_with_assumed_versions() {
    let case = Case::new(Layout::Classic);
    case.machine.write("/report.json", case.run("report").expect(0, "").stdout);
    let document = json(&case, "doctor --json --facts [ROOT]/report.json --assume wsl=3.0.1");
    assert_eq!(effect_of(&document, "checks", "cgroup").as_deref(), Some("no-longer"), "{document}");
    let document = json(&case, "plan --json --facts [ROOT]/report.json --assume wsl=3.0.1");
    assert_eq!(effect_of(&document, "stages", "cgroup").as_deref(), Some("no-longer"), "{document}");
}
