//! Machines of public reports on which no cluster starts: `doctor` names the cause, and names it first.

mod clusters;
mod issues;
mod registry;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{Case, agreed, is_root};

/// A machine after a setup, on which `doctor` finds nothing wrong.
fn healthy() -> Case {
    let case = Case::new(Layout::Generous);
    case.run(&format!("setup {}", agreed()));
    case.machine.boot(2);
    fs::set_permissions(case.machine.path("/usr/bin/newuidmap"), fs::Permissions::from_mode(0o4755)).unwrap();
    case.run("setup").expect(0, "");
    let run = "/run/user/1000";
    let case = case
        .program("/usr/bin/kind")
        .file("/usr/bin/slirp4netns", "")
        .file("/usr/bin/pasta", "")
        .file("/usr/sbin/iptables", "")
        .file("/usr/sbin/nft", "")
        .program("/usr/libexec/podman/netavark")
        .file("/dev/fuse", "")
        .file("/proc/modules", "ip6_tables\nip6table_nat\nip_tables\niptable_nat\n")
        .file("/proc/net/if_inet6", "")
        .file("/proc/sys/fs/binfmt_misc/WSLInterop", "enabled\n")
        .file("/proc/sys/kernel/keys/maxkeys", "2000\n")
        .file("/proc/sys/kernel/keys/maxbytes", "2000000\n")
        .file(
            "/proc/key-users",
            "    0:    90 89/89 83/1000000 2221/25000000\n 1000:    12 12/12 9/2000 234/2000000\n",
        )
        .file("/etc/resolv.conf", "nameserver 10.255.255.254\n")
        .file("/etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n")
        .file(&format!("{run}/bus"), "")
        .file(&format!("{run}/systemd/private"), "");
    if is_root() {
        chown(case.machine.path(run), Some(1000), Some(1000)).unwrap();
    }
    case
}

/// A release with podman 5, whose netavark uses nftables.
fn with_podman_5(case: Case) -> Case {
    with_podman(case, "5.4.2")
}

/// A stock kernel of WSL without `CONFIG_NFT_FIB_INET`.
fn with_an_old_kernel(case: Case) -> Case {
    case.file("/proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n")
}

fn with_podman(case: Case, version: &str) -> Case {
    case.file("/fake/podman-version", format!("podman version {version}\n"))
}

/// What `doctor` finds wrong, the first of it first: each check with its verdict, details and fix.
fn found(case: &Case) -> Vec<[String; 4]> {
    let seen = case.run("doctor --json");
    let document: Value = serde_json::from_str(&seen.stdout).unwrap();
    let checks = document["checks"].as_array().unwrap().iter();
    let is_bad = |c: &&Value| ["wrong", "doubtful"].contains(&c["verdict"].as_str().unwrap());
    let field = |c: &Value, name: &str| c[name].as_str().unwrap().to_owned();
    let found =
        checks.filter(is_bad).map(|c| ["id", "verdict", "evidence", "fix"].map(|name| field(c, name)));
    found.collect()
}

/// Asserts that one check fails and no other, and what it says.
#[track_caller]
fn is_the_one(case: &Case, id: &str, verdict: &str, details: &str, fix: &str) {
    let found = found(case);
    let [only] = &found[..] else { panic!("{found:#?}") };
    assert_eq!([&only[0], &only[1]], [id, verdict], "{only:?}");
    assert!(only[2].contains(details), "{only:?}");
    assert!(only[3].contains(fix), "{only:?}");
    let is_error = verdict == "wrong";
    assert_eq!(case.run("doctor").code, if is_error { 4 } else { 0 });
}

#[test]
fn nothing_is_wrong_with_a_machine_after_its_setup() {
    assert_eq!(found(&healthy()), Vec::<[String; 4]>::new());
}

#[test]
fn with_nftables_iptables_is_not_needed() {
    let case = with_podman_5(healthy());
    fs::remove_file(case.machine.path("/usr/sbin/iptables")).unwrap();
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
}

#[test]
fn a_kernel_that_rejects_netavarks_rules_is_an_error() {
    let case = with_an_old_kernel(with_podman_5(healthy())).file("/fake/kernel-lacks", "nft_fib_inet\n");
    let details = "fails on kernel 6.6.87.2-microsoft-standard-WSL2: Error: Could not process rule: No such file or directory";
    is_the_one(
        &case,
        "nft",
        "wrong",
        details,
        "`wsl.exe --update`, then if that does not help, set `firewall_driver = \"iptables\"`",
    );
    let conf = "[network]\nfirewall_driver = \"iptables\"\n";
    let case = case.file("/etc/containers/containers.conf", conf);
    assert_eq!(found(&case), Vec::<[String; 4]>::new(), "netavark then adds no such rule");
    // podman 6 has no other driver.
    let case = with_podman(case, "6.1.3");
    let found = found(&case);
    assert!(
        found.iter().any(|found| found[0] == "nft" && !found[3].contains("firewall_driver")),
        "{found:#?}"
    );
}

#[test]
fn without_namespaces_a_stock_kernel_of_wsl_is_judged_by_its_version() {
    let case = with_an_old_kernel(with_podman_5(healthy())).file("/fake/kernel-lacks", "namespaces\n");
    is_the_one(
        &case,
        "nft",
        "wrong",
        "WSL's kernel supports `fib` rules from 6.6.114.1 on",
        "wsl.exe --update",
    );
    let case = case
        .file("/proc/sys/kernel/osrelease", "6.18.40.1-microsoft-standard-WSL2\n")
        .file("/lib/modules/6.18.40.1-microsoft-standard-WSL2/modules.dep", "");
    assert!(found(&case).iter().all(|found| found[0] != "nft"), "{:#?}", found(&case));
}

#[test]
fn podman_5_without_nft_is_an_error() {
    let case = with_podman_5(healthy());
    fs::remove_file(case.machine.path("/usr/sbin/nft")).unwrap();
    is_the_one(&case, "nft", "wrong", "nft is not installed", "");
}

#[test]
fn a_kernel_without_bridges_is_an_error() {
    let case = healthy().file("/fake/kernel-lacks", "bridge\n");
    is_the_one(&case, "bridge-device", "wrong", "Error: Unknown device type.", "wsl.exe --update");
    let custom = "5.15.1-custom";
    let case = case
        .file("/proc/sys/kernel/osrelease", format!("{custom}\n"))
        .file(&format!("/lib/modules/{custom}/modules.builtin"), "");
    let first = &found(&case)[0];
    assert!(first[0] == "bridge-device" && first[3].contains("remove `kernel=`"), "{first:?}");
}

#[test]
fn a_machine_without_tun_is_an_error() {
    let case = healthy().file("/fake/kernel-lacks", "tun\n");
    is_the_one(&case, "tun", "wrong", "open: No such file or directory", "wsl.exe --update");
}

#[test]
fn keys_that_are_used_up_are_an_error_with_their_numbers() {
    let keys = "/proc/sys/kernel/keys/maxkeys";
    let case =
        healthy().file(keys, "200\n").file("/proc/key-users", " 1000:   201 201/201 200/200 4013/2000000\n");
    is_the_one(
        &case,
        "keys",
        "wrong",
        "dev owns 200 of 200 keys and 4013 of 2000000 bytes",
        "kind-wsl setup --only limits",
    );
    case.run("setup --yes --only limits").expect(0, "");
    assert_eq!(case.machine.text(keys), "2000\n");
    let case = case.file("/proc/key-users", " 1000:   201 201/201 200/2000 4013/2000000\n");
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
}

#[test]
fn a_low_limit_of_keys_is_a_warning() {
    let case = healthy()
        .file("/proc/sys/kernel/keys/maxkeys", "200\n")
        .file("/proc/key-users", " 1000:   2 2/2 2/200 93/20000\n");
    is_the_one(
        &case,
        "keys",
        "doubtful",
        "kernel.keys.maxkeys is 200, recommended 2000",
        "kind-wsl setup --only limits",
    );
}

#[test]
fn a_machine_without_a_policy_for_images_is_an_error() {
    let case = healthy();
    fs::remove_file(case.machine.path("/etc/containers/policy.json")).unwrap();
    let fix = "sudo apt-get install --reinstall -o Dpkg::Options::=--force-confmiss golang-github-containers-common";
    is_the_one(
        &case,
        "policy",
        "wrong",
        "podman finds none of /home/dev/.config/containers/policy.json, /etc",
        fix,
    );
    let packaged = case
        .file("/usr/share/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}");
    is_the_one(&packaged, "policy", "wrong", "podman finds none", fix);
    let case = with_podman(packaged, "6.1.3");
    assert!(
        found(&case).iter().all(|found| found[0] != "policy"),
        "podman 6 reads it there: {:#?}",
        found(&case)
    );
}

#[test]
fn a_policy_that_podman_cannot_read_or_that_rejects_images_is_an_error() {
    let path = "/home/dev/.config/containers/policy.json";
    is_the_one(&healthy().file(path, "{\n"), "policy", "wrong", "policy.json is not JSON", path);
    let case = healthy().file(path, "{\"default\": [{\"type\": \"reject\"}]}");
    is_the_one(&case, "policy", "wrong", path, "transports.docker");
}

const RESTRICTED: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

#[test]
fn a_podman_that_apparmor_has_no_profile_for_is_an_error() {
    let case = healthy().file(RESTRICTED, "1\n").file(
        "/etc/apparmor.d/podman",
        "profile podman /usr/bin/podman flags=(unconfined) {\n  userns,\n}\n",
    );
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
    let case = case.program("/usr/local/bin/podman");
    let fix = "| sudo tee /etc/apparmor.d/usr.local.bin.podman && sudo systemctl reload apparmor";
    is_the_one(&case, "apparmor", "wrong", "no profile allows /usr/local/bin/podman a user namespace", fix);
    let case = case.file(
        "/etc/apparmor.d/usr.local.bin.podman",
        "abi <abi/4.0>,\n/usr/local/bin/podman flags=(unconfined) {\n  userns,\n}\n",
    );
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
}

#[test]
fn nerdctl_with_a_rootlesskit_that_apparmor_has_no_profile_for_is_blocked() {
    let full = ["nerdctl", "rootlesskit", "containerd", "containerd-rootless-setuptool.sh"];
    let full = full.map(|name| format!("/usr/local/bin/{name}"));
    let case = Case::new(Layout::Modern).file(RESTRICTED, "1\n").file(
        "/etc/apparmor.d/rootlesskit",
        "profile rootlesskit /usr/bin/rootlesskit flags=(unconfined) {\n  userns,\n}\n",
    );
    let case = full.iter().fold(case, |case, path| case.program(path));
    let case =
        case.file("/fake/packages", "libc6 2.36\nsystemd 252.39-1\nnerdctl 1.7.7-1\ncontainerd 1.7.24-1\n");
    let plan = case.run("plan --provider nerdctl --json");
    let document: Value = serde_json::from_str(&plan.stdout).unwrap();
    let stages = document["plan"]["stages"].as_array().unwrap();
    let stage = stages.iter().find(|stage| stage["id"] == "nerdctl").unwrap();
    assert_eq!(stage["verdict"], "blocked", "{stage}");
    let text = stage.to_string();
    assert!(text.contains("no profile allows /usr/local/bin/rootlesskit a user namespace"), "{text}");
    assert!(text.contains("sudo tee /etc/apparmor.d/usr.local.bin.rootlesskit"), "{text}");
    let case =
        case.file("/etc/apparmor.d/x", "/usr/local/bin/rootlesskit flags=(unconfined) {\n  userns,\n}\n");
    let plan = case.run("plan --provider nerdctl --json").stdout;
    assert!(!plan.contains("no profile allows"), "{plan}");
}

#[test]
fn a_proxy_that_a_node_cannot_reach_is_a_warning() {
    let case = healthy().env("https_proxy", "http://user:secret@127.0.0.1:3128/");
    is_the_one(
        &case,
        "proxy",
        "doubtful",
        "https_proxy is 127.0.0.1:3128, which inside a node is the node itself",
        "`ip route show default`",
    );
    assert!(!case.run("doctor").stdout.contains("secret"));
    let case =
        healthy().file("/etc/environment", "PATH=\"/usr/bin\"\nHTTP_PROXY=\"http://localhost:8080\"\n");
    is_the_one(&case, "proxy", "doubtful", "HTTP_PROXY is localhost:8080", "");
    let case = healthy().env("https_proxy", "http://10.0.0.1:3128");
    assert_eq!(found(&case), Vec::<[String; 4]>::new());
}

#[test]
fn a_podman_that_reserves_ports_without_listening_is_a_warning() {
    let case = with_podman(healthy(), "6.0.1");
    is_the_one(&case, "podman-ports", "doubtful", "podman is 6.0.1", "listenAddress");
}

#[test]
fn a_static_podman_beside_an_old_crun_of_the_distribution_is_an_error() {
    let case = with_podman(
        Case::new(Layout::Generous).program("/usr/local/bin/podman").program("/usr/bin/crun"),
        "5.8.4",
    );
    let first = found(&case).into_iter().find(|found| found[0] == "crun").unwrap();
    assert!(first[2].contains("1.14.3"), "{first:?}");
}

#[test]
fn another_users_runtime_directory_is_an_error() {
    for dir in ["/run/user/1001", "/mnt/wslg/runtime-dir"] {
        let case = healthy().dir(dir).env("XDG_RUNTIME_DIR", dir);
        let first = &found(&case)[0];
        assert_eq!(first[0], "runtime-dir", "{first:?}");
        assert!(
            first[2].contains(dir) && first[3].contains("export XDG_RUNTIME_DIR=/run/user/1000"),
            "{first:?}"
        );
    }
}

#[test]
fn a_kernel_setting_that_disables_ipv6_is_a_warning() {
    let case = healthy().file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1\n");
    is_the_one(&case, "ipv6", "doubtful", "net.ipv6.conf.all.disable_ipv6 is 1", "sudo sysctl -w");
}

#[test]
fn without_netavark_podmans_network_is_the_first_error() {
    let case = healthy();
    fs::remove_file(case.machine.path("/usr/libexec/podman/netavark")).unwrap();
    let case =
        case.file("/fake/info-fails", "Error: could not find \"netavark\" in one of [/usr/libexec/podman]\n");
    let found = found(&case);
    let first = found.iter().find(|found| found[1] == "wrong").unwrap();
    assert_eq!(
        [&first[0], &first[2]],
        ["network", "neither netavark nor the CNI plugin `bridge` is installed"]
    );
}

#[test]
fn inotify_instances_that_are_too_few_for_one_node_are_an_error() {
    let path = "/proc/sys/fs/inotify/max_user_instances";
    let case = healthy().file(path, "3\n");
    is_the_one(&case, "inotify", "wrong", "fs.inotify.max_user_instances is 3", "--only limits");
    let case = case.file(path, "128\n");
    is_the_one(&case, "inotify", "doubtful", "fs.inotify.max_user_instances is 128", "--only limits");
}

#[test]
fn podman_needs_dev_fuse_only_on_a_kernel_that_does_not_mount_overlayfs_for_a_user() {
    let case = healthy();
    fs::remove_file(case.machine.path("/dev/fuse")).unwrap();
    is_the_one(&case, "fuse", "doubtful", "/dev/fuse does not exist", "sudo modprobe fuse");
    let case = case.file("/proc/sys/kernel/osrelease", "5.10.102.1-microsoft-standard-WSL2\n");
    assert!(found(&case).iter().any(|found| found[0] == "fuse" && found[1] == "wrong"));
}
