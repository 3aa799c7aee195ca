//! `doctor` through the real program on a fake machine: what programs read, how it ends, that it changes nothing.
//! Whether what it foretells is what kind says, real kind shows in `tests/vm`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed};

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
fn json_has_verdict_details_effect_and_fix_of_every_check() {
    let document = diagnosed(&Case::new(Layout::Classic), 4);
    assert_eq!((&document["schema"], &document["v"]), (&1.into(), &1.into()));
    assert_eq!(document["user"], "dev");
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
        "in Windows: `wsl.exe --update`, then run `kind-wsl setup --only systemd,cgroup,cgroup-mount,restart`"
    );
    assert_eq!(document["prediction"]["wrapper"]["says"], "requires-delegation");
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
fn after_a_setup_doctor_finds_no_error_in_its_files() {
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
fn a_file_that_waits_for_the_restart_is_listed_once_however_many_settings_changed_in_it() {
    let case = Case::new(Layout::Classic);
    case.run(&format!("setup --idle yes --no-restart {}", agreed())).expect(3, "");
    let document = diagnosed(&case, 4);
    let evidence = check(&document, "restart")["evidence"].as_str().unwrap();
    assert_eq!(evidence.matches(".wslconfig").count(), 1, "{evidence}");
    let plan = case.run("plan --diff --only restart").stdout;
    assert_eq!(plan.matches(".wslconfig").count(), 1, "{plan}");
}

#[test]
fn each_setting_that_was_lost_is_set_again_by_the_stage_that_sets_it() {
    let case = Case::new(Layout::Isolated);
    case.run(&format!("setup {}", agreed()));
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    for name in ["50-kind-wsl.conf", "50-kind-wsl-crun.conf"] {
        let path = case.machine.path(&format!("/home/dev/.config/containers/containers.conf.d/{name}"));
        fs::remove_file(path).unwrap();
    }
    let document = diagnosed(&case, 4);
    for (id, stage) in [("crun", "crun"), ("logs", "podman"), ("cgroup-manager", "podman")] {
        let found = check(&document, id);
        assert_eq!(found["fix"], format!("kind-wsl setup --only {stage}"), "{found}");
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
    assert!(seen.stdout.starts_with("[!!] cgroup "), "{}", seen.stdout);
    assert!(case.run("doctor --list").expect(0, "").stdout.contains("kind-wrapper"));
    case.run("doctor --only cgruop").expect(
        2,
        &format!(
            "error: unknown check `cgruop`\nhint: did you mean `cgroup`? the checks are: {}\n",
            kind_wsl::checks::doctor().map(|e| e.id).collect::<Vec<_>>().join(", ")
        ),
    );
}

#[test]
fn dockers_tool_runs_again_if_its_daemon_needs_more_than_3_seconds() {
    let case = Case::new(Layout::Modern).file("/run/user/1000/bus", "");
    case.run(&format!("setup --provider docker {}", agreed()));
    case.machine.boot(2);
    case.signal_at("fail-at", "dockerd-rootless-setuptool.sh install");
    case.run("setup").expect(0, "").says(" checks passed.");
    assert!(!case.machine.path("/fake/fail-at").exists(), "the tool did not fail");
}

#[test]
fn with_docker_its_own_checks_count_and_podmans_do_not() {
    let case = Case::new(Layout::Modern).file("/run/user/1000/bus", "");
    case.run(&format!("setup --provider docker {}", agreed()));
    case.machine.boot(2);
    case.run("setup").expect(0, "").says(" checks passed.");
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
fn the_provider_of_a_plain_kind_is_compared_with_the_one_of_the_setup() {
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

/// A storage of podman that holds an image, as podman leaves it with the driver vfs.
const IMAGES: &str = "/home/dev/.local/share/containers/storage/vfs-images/images.json";

#[test]
fn setup_finishes_on_a_storage_with_vfs_and_nothing_in_it_is_lost() {
    let case = Case::new(Layout::Isolated).file(IMAGES, "[{}]");
    let plan = case.run(&format!("plan {}", agreed().replace("--yes ", ""))).expect(0, "").stdout;
    let words = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("note: the existing podman storage stays on vfs"), "{plan}");
    assert!(!plan.contains("storage.conf"), "podman would not follow it: {plan}");
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    let seen = case.run("setup").expect(0, "").says("Done: ");
    assert!(seen.stdout.contains("  warning: podman stores layers with overlay: "), "{}", seen.stdout);
    assert_eq!(case.machine.text(IMAGES), "[{}]");
    let document = diagnosed(&case, 4);
    let storage = check(&document, "storage");
    assert_eq!(storage["verdict"], "doubtful", "{storage}");
    assert!(storage["fix"].as_str().unwrap().starts_with("no action is required. To change"), "{storage}");
    case.run("plan").expect(0, "").says("nothing to do");
}

#[test]
fn a_node_of_the_cgroupfs_manager_has_no_limit_on_its_processes() {
    let case = Case::new(Layout::Isolated);
    case.run("setup --yes --only podman").expect(0, "");
    let conf = "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf";
    assert!(!case.machine.text(conf).contains("pids_limit"), "{}", case.machine.text(conf));
    let document = diagnosed(&case, 4);
    let pids = check(&document, "pids");
    assert_eq!(pids["verdict"], "ok", "{pids}");
    assert!(pids["evidence"].as_str().unwrap().starts_with("no limit: "), "{pids}");
}

#[test]
fn a_node_of_the_systemd_manager_gets_a_limit_that_suffices() {
    let case = Case::new(Layout::Isolated);
    let before = case.machine.snapshot();
    case.run("setup --yes --only podman --cgroup-manager systemd").expect(0, "");
    let conf = "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf";
    assert!(case.machine.text(conf).contains("pids_limit = 65536\n"), "{}", case.machine.text(conf));
    assert_eq!(check(&diagnosed(&case, 4), "pids")["verdict"], "ok");
    // Earlier versions wrote it with cgroupfs too: what stands in the journal is undone.
    case.run("setup --yes --only podman --cgroup-manager cgroupfs").expect(0, "");
    case.run("undo --yes").expect(0, "");
    crate::support::same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn the_limit_of_a_running_node_counts_and_not_the_one_in_the_files() {
    let case = Case::new(Layout::Isolated).program("/usr/bin/podman");
    case.run("setup --yes --only podman").expect(0, "");
    let manager = "/sys/fs/cgroup/wsl-user/distro-2/systemd/user.slice/user-1000.slice/user@1000.service";
    let scope = format!("{manager}/user.slice/libpod-{}.scope", "ab".repeat(32));
    let node = format!("{scope}/container");
    for path in
        [format!("{manager}/user.slice"), scope.clone(), node.clone(), format!("{node}/kubelet.slice")]
    {
        case.machine.write(&format!("{path}/cgroup.controllers"), "cpu memory pids");
        case.machine.write(&format!("{path}/cgroup.subtree_control"), "cpu memory pids");
    }
    case.machine.write(&format!("{manager}/cgroup.subtree_control"), "cpu memory pids");
    let limit = |limit: &str| {
        for (path, max) in [(&scope, limit), (&node, "max\n")] {
            case.machine.write(&format!("{path}/pids.current"), "7\n");
            case.machine.write(&format!("{path}/pids.max"), max);
        }
        check(&diagnosed(&case, 4), "pids").clone()
    };
    let low = limit("2048\n");
    assert_eq!(low["verdict"], "doubtful", "{low}");
    assert_eq!(low["evidence"], "pids.max of the node in libpod-abababababab….scope is 2048");
    assert!(low["fix"].as_str().unwrap().starts_with("new clusters get the configured limit"), "{low}");
    assert_eq!(limit("65536\n")["verdict"], "ok");
    assert_eq!(limit("max\n")["verdict"], "ok");
}

#[test]
fn no_fix_deletes_what_belongs_to_the_user() {
    let destroys = |fix: &str| {
        ["system reset", "rm -rf", "rm -r ", "delete cluster", "prune", "--unregister", "volume rm", "rmi "]
            .into_iter()
            .find(|words| fix.contains(words))
            .map(|words| format!("`{words}` in: {fix}"))
    };
    let mut fixes: Vec<String> =
        kind_wsl::explain::table().unwrap().symptoms.iter().map(|s| s.fix.clone()).collect();
    for layout in Layout::ALL {
        let case = Case::new(layout).file(IMAGES, "[{}]").file("/fake/nodes", "kind-control-plane exited\n");
        case.run(&format!("setup {}", agreed()));
        let document = diagnosed(&case, 4);
        fixes.extend(
            document["checks"].as_array().unwrap().iter().map(|c| c["fix"].as_str().unwrap().to_owned()),
        );
    }
    assert!(fixes.iter().any(|fix| fix.contains("kind-wsl cluster start kind")), "the node is stopped");
    let found: Vec<String> = fixes.iter().filter_map(|fix| destroys(fix)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_wsl_without_a_network_is_an_error() {
    let case = Case::new(Layout::Modern).file("/fake/networking-mode", "none\n");
    let seen = case.run("doctor --only networking --json").expect(4, "");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    let found = check(&document, "networking");
    assert_eq!(
        (&found["verdict"], &found["evidence"]),
        (&"wrong".into(), &"the networking mode is none".into())
    );
    let case = Case::new(Layout::Modern);
    case.run("doctor --only networking").expect(0, "").says("the networking mode is nat");
}

#[test]
fn a_plan_states_how_many_checks_verify_the_result() {
    let verify = |case: &Case, flags: &str| {
        let seen = case.run(&format!("plan --json {flags}")).expect(0, "");
        let document: Value = serde_json::from_str(&seen.stdout).unwrap();
        let stages = document["plan"]["stages"].as_array().unwrap();
        let stage = stages.iter().find(|s| s["id"] == "verify").unwrap();
        (stage["verdict"].as_str().unwrap().to_owned(), stage["why"].as_str().unwrap().to_owned())
    };
    let case = Case::new(Layout::Isolated);
    let will = ("needed".to_owned(), "will run 10 checks at the end".to_owned());
    assert_eq!(verify(&case, &agreed().replace("--yes ", "")), will, "podman is not installed yet");
    assert_eq!(verify(&case, "--skip packages").0, "not-here", "podman is never installed");
    case.run(&format!("setup {}", agreed())).expect(3, "");
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    assert_eq!(verify(&case, "").0, "satisfied");
    assert_eq!(verify(&case, "--privileged-ports yes"), will, "the next change makes it run again");
}
