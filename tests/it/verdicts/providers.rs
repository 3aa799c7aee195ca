//! Docker and nerdctl: which stages they need, and on which machines they are refused.

use super::{plan, release, verdict};
use crate::support::{Layout, Machine};
use kind_wsl::plan::Plan;
use kind_wsl::stage::Answers;

/// Debian 12 as it is, with what is said of the provider.
fn of_provider(machine: &Machine, provider: &str) -> Plan {
    let mut answers = Answers::default();
    answers.set("provider", provider);
    plan(machine, &answers)
}

const BOOKWORM: &str = "podman 4.3.1\ncrun 1.8.1\ndocker.io 20.10.24+dfsg1-1+deb12u1\nrootlesskit 1.1.0-1\ncontainerd 1.6.20~ds1-1\n";

#[test]
fn with_docker_nothing_is_done_for_podman() {
    let plan = of_provider(&release("debian", "12", "252.39", BOOKWORM), "docker");
    for id in ["podman", "cni", "crun", "nerdctl"] {
        assert_eq!(verdict(&plan, id), ("skipped", "the provider is docker"), "{id}");
    }
    let packages = "not installed: docker.io, rootlesskit, uidmap, slirp4netns, fuse-overlayfs, dbus-user-session, iptables";
    assert_eq!(verdict(&plan, "packages"), ("needed", packages));
    assert_eq!(
        verdict(&plan, "docker"),
        ("needed", "Docker's setup tool installs rootless Docker for `dev`")
    );
    let docker = plan.stages.iter().find(|s| s.id == "docker").unwrap();
    let targets: Vec<String> = docker.besides.iter().map(ToString::to_string).collect();
    let wanted = [
        "set rootful docker.socket: disabled",
        "set rootful docker.service: disabled",
        "set rootful containerd.service: disabled",
        "link /home/dev/.local/lib/kind-wsl/docker/dockerd-rootless.sh: to /usr/share/docker.io/contrib/dockerd-rootless.sh",
        "link /home/dev/.local/lib/kind-wsl/docker/docker: to /usr/bin/docker",
        "link /home/dev/.local/lib/kind-wsl/docker/rootlesskit: to /usr/bin/rootlesskit",
        "set docker.service of dev: enabled",
        "set state of docker.service of dev: active",
    ];
    assert_eq!(targets, wanted);
}

#[test]
fn on_debian_13_dockers_client_is_a_package_of_its_own() {
    let archive =
        "docker.io 26.1.5+dfsg1-9+deb13u1\ndocker-cli 26.1.5+dfsg1-9+deb13u1\nrootlesskit 2.0.2-2\n";
    let plan = of_provider(&release("debian", "13", "257.13", archive), "docker");
    assert!(
        verdict(&plan, "packages").1.contains("docker.io, docker-cli, rootlesskit"),
        "{}",
        verdict(&plan, "packages").1
    );
}

#[test]
fn on_debian_without_nerdctl_the_hint_states_how_to_install_it() {
    for archive in [BOOKWORM, ""] {
        let plan = of_provider(&release("debian", "12", "252.39", archive), "nerdctl");
        let blocked = plan.blocked().unwrap();
        assert_eq!(
            (blocked.id, blocked.why.as_str()),
            ("packages", "debian 12 offers no nerdctl, and kind needs 1.7 or later")
        );
        assert!(blocked.hint.as_deref().unwrap().contains("nerdctl-full"), "{blocked:?}");
    }
}

#[test]
fn a_provider_that_is_too_old_is_refused_with_what_is_offered() {
    let old = release("ubuntu", "20.04", "249.11", "docker.io 19.03.8-0ubuntu1\nrootlesskit 0.9\n");
    let said = "ubuntu 20.04 offers Docker 19.3.8, and kind needs 20.10 or later";
    assert_eq!(verdict(&of_provider(&old, "docker"), "packages"), ("blocked", said));
    // nerdctl is new enough, and the containerd that comes with it is not.
    let archive = "nerdctl 2.0.0-1\ncontainerd 1.6.20~ds1-1\nrootlesskit 1.1\n";
    let plan = of_provider(&release("debian", "12", "252.39", archive), "nerdctl");
    assert_eq!(
        verdict(&plan, "packages"),
        ("blocked", "debian 12 offers containerd 1.6.20, and kind needs 1.7 or later")
    );
}

#[test]
fn a_distribution_whose_docker_has_no_setup_tool_is_refused() {
    let machine = release("fedora", "42", "257.9", "");
    std::fs::remove_file(machine.path("/usr/bin/apt-get")).unwrap();
    machine.write("/usr/bin/dnf", "");
    let said = "the Docker of fedora 42 comes without dockerd-rootless-setuptool.sh";
    assert_eq!(verdict(&of_provider(&machine, "docker"), "packages"), ("blocked", said));
}

#[test]
fn docker_and_nerdctl_without_root_exclude_each_other() {
    let archive = "docker.io 26.1.5\nrootlesskit 2.0\nnerdctl 2.0.0\ncontainerd 1.7.24\n";
    let machine = release("debian", "14", "257.13", archive);
    machine.write("/run/user/1000/containerd-rootless/child_pid", "1\n");
    let said = "a rootless containerd has /run/user/1000/containerd-rootless, and Docker's setup tool does not run beside it (moby#52171)";
    assert_eq!(verdict(&of_provider(&machine, "docker"), "docker"), ("blocked", said));
    assert_eq!(verdict(&of_provider(&machine, "nerdctl"), "nerdctl").0, "needed");
    std::fs::remove_dir_all(machine.path("/run/user/1000/containerd-rootless")).unwrap();
    machine.write("/run/user/1000/dockerd-rootless/child_pid", "1\n");
    assert_eq!(verdict(&of_provider(&machine, "docker"), "docker").0, "needed");
    let said = "a rootless Docker has /run/user/1000/dockerd-rootless, and it and a rootless containerd exclude each other (moby#52171)";
    assert_eq!(verdict(&of_provider(&machine, "nerdctl"), "nerdctl"), ("blocked", said));
}

#[test]
fn an_existing_system_docker_is_kept_and_reported() {
    let machine = release("debian", "12", "252.39", BOOKWORM);
    let had = machine.text("/fake/packages") + "docker.io 20.10.24+dfsg1-1\ncontainerd 1.6.20~ds1-1\n";
    machine.write("/fake/packages", had);
    machine.write("/usr/sbin/dockerd", "");
    machine.write("/etc/systemd/system/multi-user.target.wants/docker.service", "");
    let plan = of_provider(&machine, "docker");
    let said = "Docker's setup tool installs rootless Docker for `dev`; the rootful docker.service existed before and keeps running";
    assert_eq!(verdict(&plan, "docker"), ("needed", said));
    let docker = plan.stages.iter().find(|s| s.id == "docker").unwrap();
    assert!(docker.besides.iter().all(|t| !t.object.starts_with("the system's own")), "{:?}", docker.besides);
    // Whoever may use it gets no other from Docker's tool.
    machine.write("/run/docker.sock", "");
    machine.write("/etc/group", "docker:x:110:dev\n");
    let said =
        "`dev` may use rootful Docker (/run/docker.sock), so Docker's setup tool installs no rootless one";
    assert_eq!(verdict(&of_provider(&machine, "docker"), "docker"), ("blocked", said));
}

#[test]
fn below_an_isolated_cgroup_docker_is_refused() {
    let mut answers = Answers::default();
    answers.set("provider", "docker");
    let plan = plan(&Machine::new(Layout::Isolated), &answers);
    let blocked = plan.blocked().unwrap();
    assert_eq!(blocked.id, "docker");
    assert!(blocked.hint.as_deref().unwrap().contains("isolateDistroCgroup=false"), "{blocked:?}");
}
