//! `doctor` through the real program on a pretended machine: what programs read, how it ends, that it changes nothing.
//! Whether what it foretells is what kind says, real kind shows in `tests/vm`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "support/cli.rs"]
mod cli;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::cli::{Case, agreed};
use crate::support::Layout;

/// The whole document.
fn diagnosed(case: &Case, code: i32) -> Value {
    let seen = case.run("doctor --json").expect(code, "");
    serde_json::from_str(&seen.stdout).unwrap()
}

/// One check of it.
fn check<'d>(document: &'d Value, id: &str) -> &'d Value {
    let checks = document["checks"].as_array().unwrap();
    checks.iter().find(|c| c["id"] == id).unwrap_or_else(|| panic!("no check {id}"))
}

#[test]
fn what_programs_read_has_verdict_evidence_consequence_and_fix_of_every_check() {
    let document = diagnosed(&Case::new(Layout::Classic), 4);
    assert_eq!((&document["schema"], &document["v"]), (&1.into(), &1.into()));
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.len() > 30, "{}", checks.len());
    for check in checks {
        for field in ["id", "what", "verdict", "evidence", "consequence", "fix"] {
            assert!(check[field].is_string(), "{field} of {check}");
        }
    }
    assert_eq!(check(&document, "cgroup")["verdict"], "wrong");
    assert_eq!(
        check(&document, "cgroup")["fix"],
        "kind-wsl setup --only systemd,cgroup,cgroup-mount,restart"
    );
    assert_eq!(document["prediction"]["wrapper"]["says"], "no-provider");
}

#[test]
fn a_failure_hides_no_other() {
    let document = diagnosed(&Case::new(Layout::Classic), 4);
    let wrong: Vec<_> = ["systemd", "cgroup", "subids", "kind"]
        .into_iter()
        .filter(|id| check(&document, id)["verdict"] != "wrong")
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn below_an_isolated_cgroup_the_one_that_withholds_is_named() {
    let document = diagnosed(&Case::new(Layout::Isolated), 4);
    let found = check(&document, "isolation");
    assert_eq!(found["verdict"], "wrong", "{found}");
    let evidence = found["evidence"].as_str().unwrap();
    assert!(evidence.contains("/sys/fs/cgroup/wsl-user/distro") && evidence.contains("pids"), "{evidence}");
}

#[test]
fn it_changes_nothing_and_begins_no_journal() {
    Case::new(Layout::Modern).refuses("doctor --quiet", 4, "");
}

#[test]
fn after_a_set_up_what_the_set_up_made_is_well() {
    let case = Case::new(Layout::Isolated);
    case.run(&format!("setup {}", agreed()));
    case.machine.boot(2);
    fs::set_permissions(case.machine.path("/usr/bin/newuidmap"), fs::Permissions::from_mode(0o4755)).unwrap();
    case.run("setup").expect(0, "");
    let document = diagnosed(&case, 4);
    for id in
        ["systemd", "cgroup", "isolation", "controllers", "subids", "restart", "crun", "logs", "storage"]
    {
        let found = check(&document, id);
        assert_eq!(found["verdict"], "ok", "{found}");
    }
}

#[test]
fn each_setting_that_was_lost_is_set_again_by_the_stage_that_sets_it() {
    let case = Case::new(Layout::Isolated);
    case.run(&format!("setup {}", agreed()));
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    let case = case.file("/home/dev/.config/containers/containers.conf", "");
    let document = diagnosed(&case, 4);
    for (id, stage) in [("crun", "crun"), ("logs", "podman"), ("cgroup-manager", "podman")] {
        let found = check(&document, id);
        assert_eq!(found["fix"], format!("`kind-wsl setup --only {stage}`"), "{found}");
    }
    case.run(&format!("setup --only crun,podman {}", agreed())).expect(0, "");
    let document = diagnosed(&case, 4);
    for id in ["crun", "logs", "cgroup-manager"] {
        assert_eq!(check(&document, id)["verdict"], "ok", "{}", check(&document, id));
    }
}

#[test]
fn one_check_alone_and_their_list() {
    let case = Case::new(Layout::Classic);
    let seen = case.run("doctor --only cgroup").expect(4, "");
    assert!(seen.stdout.starts_with("wrong     cgroup "), "{}", seen.stdout);
    assert!(case.run("doctor --list").expect(0, "").stdout.contains("kind-wrapper"));
    case.run("doctor --only cgruop").expect(
        2,
        &format!(
            "error: there is no check `cgruop`\nhint: did you mean `cgroup`? The checks are: {}\n",
            kind_wsl::doctor::examinations().iter().map(|e| e.id).collect::<Vec<_>>().join(", ")
        ),
    );
}

#[test]
fn with_docker_its_own_checks_count_and_podmans_do_not() {
    let case = Case::new(Layout::Modern).file("/run/user/1000/bus", "");
    case.run(&format!("setup --provider docker {}", agreed()));
    case.machine.boot(2);
    case.run("setup").expect(0, "").says("Ready: `dev` can create clusters in rootless docker.");
    fs::set_permissions(case.machine.path("/usr/bin/newuidmap"), fs::Permissions::from_mode(0o4755)).unwrap();
    let document = diagnosed(&case, 4);
    let docker = check(&document, "docker");
    assert_eq!(docker["verdict"], "ok", "{docker}");
    assert_eq!(
        docker["evidence"],
        "docker 20.10.24: rootless, cgroup v2, cgroup driver systemd, storage driver overlay2"
    );
    for id in
        ["podman", "podman-conf", "crun", "logs", "cgroup-manager", "storage", "network", "pids", "nerdctl"]
    {
        let found = check(&document, id);
        assert_eq!(
            (&found["verdict"], &found["evidence"]),
            (&"not-here".into(), &"the provider is docker".into()),
            "{id}"
        );
    }
    assert_eq!(document["prediction"]["wrapper"]["says"], "accepts", "{}", document["prediction"]);
    // Without its daemon kind would not even get an answer.
    fs::remove_file(case.machine.path("/home/dev/.config/systemd/user/default.target.wants/docker.service"))
        .unwrap();
    let document = diagnosed(&case, 4);
    assert_eq!(check(&document, "docker")["verdict"], "wrong");
    assert_eq!(document["prediction"]["wrapper"]["says"], "no-info", "{}", document["prediction"]);
}

#[test]
fn whom_a_plain_kind_asks_is_compared_with_the_provider_that_was_set_up() {
    let case = Case::new(Layout::Modern).program("/usr/bin/kind");
    case.run(&format!("setup --provider docker {}", agreed()));
    let seen = case.run("doctor --only kind-shell --json");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(document["prediction"]["shell"]["says"], "no-info", "{}", document["prediction"]);
    let other = case.env("KIND_EXPERIMENTAL_PROVIDER", "podman").run("doctor --only kind-shell --json");
    let document: Value = serde_json::from_str(&other.stdout).unwrap();
    assert_eq!(document["prediction"]["shell"]["name"], "podman");
    assert_eq!(document["prediction"]["shell"]["wanted"], "docker");
}
