//! Whether the cause of a symptom is present on a machine.

use kind_wsl::checks::CheckContext;
use kind_wsl::explain::{Id, Presence, presence, table};
use kind_wsl::facts::{Facts, wsl::Wsl};
use kind_wsl::host::{Account, FaultInjector};
use kind_wsl::stage::Answers;

use crate::support::{Layout, Machine};

/// What the look of a row says on a machine.
fn said(machine: &Machine, row: u16) -> Presence {
    let facts = machine.facts();
    said_of(machine, &facts, row)
}

fn said_of(machine: &Machine, facts: &Facts, row: u16) -> Presence {
    let (host, answers) = (machine.host(FaultInjector::default()), Answers::default());
    presence(Id(row), &CheckContext::new(&host, facts, &answers).of_any_provider()).unwrap()
}

#[track_caller]
fn present(machine: &Machine, row: u16, evidence: &str) {
    assert_eq!(said(machine, row), Presence::Present(evidence.to_owned()));
}

#[track_caller]
fn absent(machine: &Machine, row: u16, evidence: &str) {
    assert_eq!(said(machine, row), Presence::Absent(evidence.to_owned()));
}

#[track_caller]
fn unknown(machine: &Machine, row: u16, why: &str) {
    assert_eq!(said(machine, row), Presence::Unknown(why.to_owned()));
}

#[test]
fn a_classic_wsl_has_cgroup_v1_and_no_systemd() {
    let machine = Machine::new(Layout::Classic);
    present(&machine, 2, "/sys/fs/cgroup is a tmpfs with cgroup v1 (cpu)");
    present(&machine, 14, "PID 1 is `init`");
    present(&machine, 15, "PID 1 is `init`");
    present(&machine, 23, "/run/user/1000 does not exist");
    unknown(&machine, 1, "needs `systemd`: PID 1 is `init`");
    absent(&machine, 7, "WSL 2.2.4.0 does not isolate the cgroups of distributions here");
}

#[test]
fn a_plain_machine_with_systemd_has_none_of_that() {
    let machine = Machine::new(Layout::Plain);
    absent(&machine, 2, "/sys/fs/cgroup is cgroup v2");
    absent(&machine, 14, "PID 1 is `systemd`");
    absent(&machine, 20, "user@1000.service is active");
    absent(&machine, 7, "this machine is not WSL");
    absent(&machine, 56, "this machine is not WSL");
    let outside = "this shell is not below user@1000.service, so kind can lack controllers here; `kind-wsl kind` does not";
    present(&machine, 1, outside);
    let inside = "/user.slice/user-1000.slice/user@1000.service/run-r1.scope";
    machine.write("/proc/self/cgroup", format!("0::{inside}\n"));
    absent(&machine, 1, "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service has cpu, memory, pids");
}

#[test]
fn an_isolated_wsl_withholds_pids() {
    let machine = Machine::new(Layout::Isolated);
    let base = "/sys/fs/cgroup/wsl-user/distro-2/systemd";
    present(&machine, 7, &format!("the cgroups of this distribution are below {base}"));
    let (above, below) = ("/sys/fs/cgroup/wsl-user/distro-2", "/wsl-user/distro-2/systemd");
    present(&machine, 8, &format!("{above} does not enable cpuset, io, pids for systemd below {below}"));
    present(&machine, 1, &format!("{base}/user.slice/user-1000.slice/user@1000.service lacks pids"));
    present(&machine, 56, "/proc/sys/fs/binfmt_misc has no WSLInterop");
}

#[test]
fn a_wsl_with_cgroup_namespaces_has_neither_cause_unless_its_root_lacks_controllers() {
    let machine = Machine::new(Layout::Namespaced);
    absent(
        &machine,
        7,
        "WSL 3.0.1.0 gives this distribution a cgroup namespace, with user.slice at its root",
    );
    absent(&machine, 8, "this distribution has a cgroup namespace, and its root has every controller");
    let machine = Machine::new(Layout::NamespacedPoor);
    present(&machine, 8, "WSL gives this distribution a cgroup without cpuset, io, pids");
}

#[test]
fn a_hybrid_is_seen_by_its_directory() {
    let machine = Machine::new(Layout::Classic);
    machine.write(
        "/proc/mounts",
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
    );
    assert!(matches!(said(&machine, 4), Presence::Present(_)));
}

#[test]
fn the_runtime_directory_shows_whether_a_session_exists() {
    let machine = Machine::new(Layout::Plain);
    present(&machine, 16, "/run/user/1000/bus does not exist");
    machine.write("/run/user/1000/bus", "");
    machine.write("/run/user/1000/systemd/private", "");
    absent(&machine, 16, "/run/user/1000/bus exists");
    absent(&machine, 18, "/run/user/1000/systemd/private exists");
    machine.write(
        "/proc/mounts",
        "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ntmpfs /run/user/1000 tmpfs rw 0 0\nnone /run/user/1000 tmpfs rw 0 0\n",
    );
    present(&machine, 18, "2 file systems are mounted on /run/user/1000");
    absent(&machine, 26, "/tmp has neither podman-run-1000 nor storage-run-1000");
    machine.write("/tmp/podman-run-1000/libpod/x", "");
    present(&machine, 26, "/tmp/podman-run-1000 exists");
}

#[test]
fn the_crun_that_podman_will_run_is_what_counts() {
    let machine = Machine::new(Layout::Plain);
    unknown(&machine, 27, "no crun was found");
    let mut facts = machine.facts();
    let with = |facts: &mut Facts, version: &str| {
        let version = version.parse().unwrap();
        facts.tools.crun =
            Some(kind_wsl::facts::tools::Crun { path: "/usr/bin/crun".into(), version: Some(version) });
    };
    machine.write("/fake/podman-version", "podman version 5.4.2\n");
    for (version, row, is_here) in [
        ("1.9.0", 27, true),
        ("1.9.1", 27, false),
        ("1.14.2", 28, true),
        ("1.14.3", 28, false),
        ("1.21", 30, false),
        ("1.22", 30, false),
        ("1.29.1", 31, true),
        ("0.17", 32, true),
        ("1.8.1", 32, false),
    ] {
        with(&mut facts, version);
        let said = said_of(&machine, &facts, row);
        assert_eq!(matches!(said, Presence::Present(_)), is_here, "row {row}, crun {version}: {said:?}");
    }
    machine.write("/fake/podman-version", "podman version 4.9.3\n");
    with(&mut facts, "1.14.1");
    assert!(
        matches!(said_of(&machine, &facts, 28), Presence::Absent(_)),
        "podman 4 writes what an older crun reads"
    );
}

#[test]
fn files_and_settings_decide_the_other_causes() {
    let machine = Machine::new(Layout::Modern);
    present(&machine, 34, "dev has 0 subordinate IDs in /etc/subuid and needs 65536");
    absent(&machine, 35, "/usr/bin/newuidmap is installed");
    present(&machine, 47, "net.ipv4.ip_unprivileged_port_start is 1024");
    present(&machine, 50, "fs.inotify.max_user_watches is 8192, fs.inotify.max_user_instances is 128");
    present(&machine, 51, "containers.pids_limit is not set: podman's default is 2048");
    present(&machine, 62, "iptables is not installed");
    present(&machine, 63, "ip6_tables, ip6table_nat, ip_tables, iptable_nat are not loaded, but available");
    absent(&machine, 38, "the kernel is 6.18.33.2-microsoft-standard-WSL2");
    unknown(&machine, 33, "/proc/self/mountinfo does not show `/`");
    machine.write("/proc/self/mountinfo", "1 0 8:32 / / rw,relatime - ext4 /dev/sdc rw\n");
    present(&machine, 33, "`/` is not a shared mount");
    machine.write("/proc/self/mountinfo", "1 0 8:32 / / rw,relatime shared:1 - ext4 /dev/sdc rw\n");
    absent(&machine, 33, "`/` is a shared mount");
    machine.write(
        "/home/dev/.config/containers/containers.conf",
        "[containers]\nlog_driver = \"journald\"\npids_limit = 0\n",
    );
    present(
        &machine,
        49,
        "/home/dev/.config/containers/containers.conf (line 2) sets containers.log_driver to journald",
    );
    absent(
        &machine,
        51,
        "/home/dev/.config/containers/containers.conf (line 3) sets containers.pids_limit to 0",
    );
    machine.write("/mnt/c/Users/dev/.wslconfig", "[wsl2]\nkernelCommandLine = cgroup_no_v1=all\n");
    present(&machine, 60, "kernelCommandLine in /mnt/c/Users/dev/.wslconfig is cgroup_no_v1=all");
}

#[test]
fn plugins_are_too_old_only_for_a_podman_that_writes_files_of_version_1() {
    let machine = Machine::new(Layout::Plain);
    for (podman, plugins, is_here) in [
        ("3.0.1", "0.9.0", false),
        ("3.4.4", "0.9.1", true),
        ("3.4.4", "1.1.1", false),
        ("4.3.1", "0.9.1", false),
    ] {
        let packages = format!("libc6 2.36\npodman {podman}\ncontainernetworking-plugins {plugins}\n");
        machine.write("/fake/packages", packages);
        machine.write("/fake/podman-version", format!("podman version {podman}\n"));
        let said = said(&machine, 39);
        assert_eq!(matches!(said, Presence::Present(_)), is_here, "podman {podman}, {plugins}: {said:?}");
    }
}

#[test]
fn a_wsl_that_is_too_old_is_known_by_its_version() {
    let machine = Machine::new(Layout::Modern);
    let mut facts = machine.facts();
    facts.wsl = Wsl::Two { version: Some("0.70.4".parse().unwrap()), distro: None };
    assert_eq!(said_of(&machine, &facts, 6), Presence::Present("this is WSL 0.70.4".to_owned()));
    facts.wsl = Wsl::Two { version: None, distro: None };
    assert_eq!(
        said_of(&machine, &facts, 6),
        Presence::Unknown("this WSL does not report its version".to_owned())
    );
}

#[test]
fn of_root_nothing_is_claimed() {
    let machine = Machine::new(Layout::Plain);
    let root = Account {
        name: "root".into(),
        uid: 0,
        gid: 0,
        home: "/root".into(),
        shell: "/bin/sh".into(),
        config_home: None,
    };
    let facts = Facts::probe(&machine.host(FaultInjector::default()), root);
    for row in [1, 15, 16, 18, 20, 21, 23, 61] {
        assert!(matches!(said_of(&machine, &facts, row), Presence::Unknown(_)), "row {row}");
    }
}

#[test]
fn every_check_has_a_result_on_every_machine() {
    for layout in Layout::ALL {
        let machine = Machine::new(layout);
        let (host, facts, answers) =
            (machine.host(FaultInjector::default()), machine.facts(), Answers::default());
        let context = CheckContext::new(&host, &facts, &answers).of_any_provider();
        for symptom in &table().unwrap().symptoms {
            if let Some(Presence::Present(text) | Presence::Absent(text) | Presence::Unknown(text)) =
                presence(symptom.id, &context)
            {
                assert!(
                    !text.is_empty() && text.len() < 250 && !text.contains('\n'),
                    "{}: {text}",
                    symptom.id
                );
            }
        }
    }
}
