//! Machines with clusters, with Docker Desktop, and with settings that keep WSL from what they were meant for.

use std::fs;

use super::{found, healthy, is_the_one, with_podman};
use crate::support::Layout;
use crate::support::cli::Case;

#[test]
fn setup_in_docker_desktops_own_distribution_is_refused() {
    let case = Case::new(Layout::Modern).env("WSL_DISTRO_NAME", "docker-desktop");
    for command in ["setup --yes", "plan"] {
        let seen = case.run(command);
        assert_eq!(seen.code, 1, "{seen:?}");
        assert!(
            seen.stderr.starts_with("error: this distribution belongs to Docker Desktop\nhint: "),
            "{seen:?}"
        );
        assert!(seen.stderr.contains("`wsl -d NAME`"), "{seen:?}");
    }
}

#[test]
fn docker_desktops_docker_is_a_warning() {
    let target = "/mnt/wsl/docker-desktop/cli-tools/usr/bin/docker";
    let case = healthy().link("/usr/bin/docker", target);
    is_the_one(&case, "docker-desktop", "doubtful", target, "export KIND_EXPERIMENTAL_PROVIDER=podman");
    let case = case.env("KIND_EXPERIMENTAL_PROVIDER", "podman");
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
    let dir = "/mnt/c/Program Files/Docker/Docker/resources/bin";
    let case = healthy().env("PATH", &format!("/usr/bin:{dir}")).file(&format!("{dir}/docker"), "");
    is_the_one(&case, "docker-desktop", "doubtful", "is the Windows program", "kind-wsl kind");
    let case = healthy().file("/usr/bin/docker", "");
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
}

#[test]
fn in_docker_desktops_own_distribution_there_is_one_error() {
    let case = Case::new(Layout::Modern).env("WSL_DISTRO_NAME", "docker-desktop");
    is_the_one(
        &case,
        "distribution",
        "wrong",
        "this distribution belongs to Docker Desktop",
        "`wsl -d NAME`",
    );
    let case =
        Case::new(Layout::Modern).file("/etc/os-release", "PRETTY_NAME=\"Docker Desktop\"\nID=alpine\n");
    is_the_one(
        &case,
        "distribution",
        "wrong",
        "this distribution belongs to Docker Desktop",
        "`wsl --set-default NAME`",
    );
}

#[test]
fn docker_desktops_distribution_as_the_default_is_a_warning() {
    let list = |default: &str| {
        let rows = ["Debian", "docker-desktop"].map(|name| {
            let mark = if name == default { '*' } else { ' ' };
            format!("{mark} {name}    Running         2\n")
        });
        format!("0\n  NAME      STATE           VERSION\n{}", rows.concat())
    };
    let listed = "/fake/windows/wsl.exe --list";
    let case = healthy()
        .env("WSL_INTEROP", "/run/WSL/8_interop")
        .program("/mnt/c/Windows/System32/wsl.exe")
        .file(listed, list("Debian"));
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
    let case = case.file(listed, list("docker-desktop"));
    is_the_one(
        &case,
        "wsl-default",
        "doubtful",
        "the default distribution is docker-desktop",
        "`wsl --set-default Debian`",
    );
}

#[test]
fn wsl_without_a_network_is_an_error() {
    let case = healthy().file("/fake/networking-mode", "none\n");
    is_the_one(&case, "networking", "wrong", "the networking mode is none", "networkingMode=nat");
}

#[test]
fn without_wslinfo_the_networking_mode_is_that_of_wslconfig() {
    let case = healthy().file("/mnt/c/Users/dev/.wslconfig", "[wsl2]\r\nnetworkingMode=None\r\n");
    fs::remove_file(case.machine.path("/usr/bin/wslinfo")).unwrap();
    let found = found(&case);
    let networking = found.iter().find(|found| found[0] == "networking").unwrap();
    assert_eq!([&networking[1], &networking[2]], ["wrong", "the networking mode is none"]);
}

#[test]
fn settings_in_the_wrong_file_of_wsl_are_a_warning_with_the_right_file() {
    let case = healthy()
        .file("/etc/wsl.conf", "[boot]\nsystemd=true\n[wsl2]\nmemory=16G\nnetworkingMode=mirrored\n");
    is_the_one(&case, "wsl-config", "doubtful", "[wsl2] memory belongs in .wslconfig", "move these lines");
    let case =
        healthy().file("/mnt/c/Users/dev/.wslconfig", "[wsl2]\r\nmemory=4GB\r\n[boot]\r\nsystemd=true\r\n");
    is_the_one(
        &case,
        "wsl-config",
        "doubtful",
        "[boot] systemd belongs in /etc/wsl.conf",
        "move these lines",
    );
}

/// A machine whose podman has a storage.
fn with_storage(case: Case) -> Case {
    case.file("/home/dev/.local/share/containers/storage/overlay-images/images.json", "[]")
}

#[test]
fn a_container_that_does_not_start_is_an_error_with_podmans_message() {
    let said = "Error: netavark: iptables: no such table";
    let case = with_storage(healthy()).file("/fake/container-fails", format!("{said}\nWARN[0001] slow\n"));
    let fix = format!("kind-wsl explain '{said}'");
    is_the_one(&case, "container", "wrong", &format!("podman cannot start a container: {said}"), &fix);
    fs::remove_file(case.machine.path("/fake/container-fails")).unwrap();
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
    case.run("doctor --only container").expect(0, "").says("podman started a container on a bridge network");
}

#[test]
fn a_container_that_timeout_kills_is_unknown_and_no_error() {
    for (code, said) in [(124, "no container had started after 8 s"), (137, "the container was killed")] {
        let case = with_storage(healthy()).file("/fake/container-exit", format!("{code}\n"));
        case.run("doctor --only container").expect(0, "").says(said);
    }
}

#[test]
fn a_test_of_a_container_that_cannot_start_does_not_show_its_script() {
    let case = with_storage(healthy());
    for program in ["systemd-run", "sh"] {
        fs::remove_file(case.machine.path(&format!("/usr/bin/{program}"))).unwrap();
    }
    case.run("doctor --only container").expect(0, "").says("the test could not be started");
}

#[test]
fn no_container_is_started_if_its_cause_of_failure_is_known() {
    let case = with_storage(healthy()).file("/fake/container-fails", "Error: netavark: create bridge\n");
    let case = case.file("/fake/kernel-lacks", "bridge\n");
    is_the_one(&case, "bridge-device", "wrong", "Unknown device type", "");
    let seen = case.run("doctor").stdout;
    assert!(seen.contains("[-]  skipped        container (bridge-device)\n"), "{seen}");
}

#[test]
fn doctor_starts_a_container_only_if_podman_has_a_storage_or_it_is_asked_for() {
    let case = healthy();
    let storage = case.machine.path("/home/dev/.local/share/containers/storage");
    assert!(!storage.exists());
    let runs = |case: &Case| case.machine.text("/fake/commands").matches("--rootfs").count();
    let before = runs(&case);
    assert_eq!(before, 1, "a setup verifies it");
    case.run("doctor --only podman,container").expect(0, "");
    assert_eq!(runs(&case), 2);
    let seen = case.run("doctor").expect(0, "").stdout;
    assert!(seen.contains("no cluster exists"), "{seen}");
    assert_eq!(runs(&case), 2);
    let case = with_storage(case);
    case.run("doctor").expect(0, "");
    assert_eq!(runs(&case), 3);
}

#[test]
fn a_cluster_runs_if_its_api_server_is_ready_and_its_system_pods_stay_up() {
    let case = with_storage(healthy()).file("/fake/nodes", "kind-control-plane running\n");
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
    let refused = "The connection to the server kind-control-plane:6443 was refused - did you specify the right host or port?";
    let case = case.file("/fake/readyz-fails", format!("{refused}\n"));
    is_the_one(&case, "api", "wrong", refused, "`podman exec kind-control-plane crictl ps --all`");
    fs::remove_file(case.machine.path("/fake/readyz-fails")).unwrap();
    let pods = r#"{"items": [
        {"metadata": {"name": "kube-proxy-x"}, "status": {"containerStatuses": [
            {"ready": false, "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}},
        {"metadata": {"name": "etcd-x"}, "status": {"containerStatuses": [
            {"ready": true, "restartCount": 9, "state": {"running": {}}}]}},
        {"metadata": {"name": "coredns-x"}, "status": {"containerStatuses": [
            {"ready": false, "restartCount": 3, "state": {"running": {}}}]}}]}"#;
    let case = case.file("/fake/pods", pods);
    is_the_one(
        &case,
        "api",
        "wrong",
        "cluster kind: kube-proxy-x, coredns-x keep restarting",
        "crictl logs ID",
    );
}

#[test]
fn a_node_with_another_address_than_its_files_is_an_error() {
    let case = with_storage(healthy()).file("/fake/nodes", "kind-control-plane running\n");
    let seen = case.run("doctor -v --only node-addresses,certificates").expect(0, "").stdout;
    assert!(seen.contains("1 of 1 nodes have their address"), "{seen}");
    assert!(seen.contains("kind-control-plane until Nov 28 07:00:00 2999 GMT"), "{seen}");
    // An address that only begins with the old one is another one.
    let case = case.file("/fake/node-address", "10.89.0.22\n");
    let details = "the files of kind-control-plane have 10.89.0.2, which is not its address";
    is_the_one(&case, "node-addresses", "wrong", details, "kind-wsl cluster start kind");
}

#[test]
fn a_certificate_that_expired_is_an_error_and_renewing_it_its_fix() {
    let case = with_storage(healthy())
        .file("/fake/nodes", "kind-control-plane running\n")
        .file("/fake/certificate-end", "Nov 28 07:00:00 2025 GMT\n");
    let details =
        "the certificate of kind-control-plane's API server was valid until Nov 28 07:00:00 2025 GMT";
    let fix = "podman exec kind-control-plane kubeadm certs renew all";
    is_the_one(&case, "certificates", "wrong", details, fix);
}

#[test]
fn a_cluster_that_starts_by_itself_needs_its_program_and_a_wsl_that_keeps_running() {
    let unit = |program: &str| format!("[Service]\nExecStart={program} cluster start --timeout=900 %i\n");
    let path = "/home/dev/.config/systemd/user/kind-wsl-cluster@.service";
    let wants = "/home/dev/.config/systemd/user/default.target.wants/kind-wsl-cluster@kind.service";
    let case = healthy().file(path, unit("/usr/bin/kind")).link(wants, path);
    let fix = "kind-wsl cluster autostart off kind";
    is_the_one(&case, "autostart", "doubtful", "cluster kind does not exist", fix);
    let case = with_storage(case).file("/fake/nodes", "kind-control-plane running\n");
    let fix = "kind-wsl setup --idle";
    is_the_one(&case, "autostart", "doubtful", "cluster kind, but WSL stops when idle", fix);
    let case = case.file(path, unit("/opt/gone/kind-wsl"));
    let fix = "kind-wsl cluster autostart on kind";
    is_the_one(&case, "autostart", "doubtful", "starts /opt/gone/kind-wsl, which does not exist", fix);
    let idle = "[general]\r\ninstanceIdleTimeout=-1\r\n";
    let case = case.file(path, unit("/usr/bin/kind")).file("/mnt/c/Users/dev/.wslconfig", idle);
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
    case.run("doctor --only autostart").expect(0, "").says("cluster kind");
}

#[test]
fn a_database_that_podman_6_does_not_read_is_a_warning() {
    let case = with_podman(healthy(), "5.8.4").file("/fake/database", "boltdb");
    let fix = "`podman system migrate --migrate-db`";
    is_the_one(&case, "database", "doubtful", "the database backend is boltdb", fix);
    let case = case.file("/fake/database", "sqlite");
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
}
