//! The verdicts of the stages on common machines: the releases that WSL offers, the manual steps done by hand, and the
//! machine that meets every requirement.

mod providers;

use crate::support::{Layout, Machine};
use kind_wsl::facts::Facts;
use kind_wsl::host::{FaultInjector, Recorder, Replay};
use kind_wsl::plan::{Plan, StageSelection};
use kind_wsl::stage::Answers;

fn plan(machine: &Machine, answers: &Answers) -> Plan {
    let host = machine.host(FaultInjector::default());
    Plan::make(&host, &machine.facts(), answers, &StageSelection::default()).unwrap()
}

/// `stage verdict` of each stage, in a line each.
fn verdicts(plan: &Plan) -> Vec<String> {
    plan.stages.iter().map(|s| format!("{} {}", s.id, s.verdict.name())).collect()
}

fn verdict<'p>(plan: &'p Plan, id: &str) -> (&'static str, &'p str) {
    plan.stages.iter().find(|s| s.id == id).map(|s| (s.verdict.name(), s.why.as_str())).unwrap()
}

/// A machine of a release that runs systemd already, with what its archive offers.
fn release(id: &str, version: &str, systemd: &str, archive: &str) -> Machine {
    let machine = Machine::new(Layout::Modern);
    machine.write(
        "/etc/os-release",
        format!("PRETTY_NAME=\"{id} {version}\"\nID={id}\nID_LIKE=debian\nVERSION_ID=\"{version}\"\n"),
    );
    machine.write("/fake/packages", format!("libc6 2.35\nsystemd {systemd}\nsystemd-sysv {systemd}\n"));
    machine.write("/fake/archive", archive);
    machine.write("/etc/wsl.conf", "[boot]\nsystemd=true\n");
    machine.write("/etc/subuid", "dev:100000:65536\n");
    machine.write("/etc/subgid", "dev:100000:65536\n");
    std::os::unix::fs::symlink("/lib/systemd/systemd", machine.path("/sbin/init")).unwrap();
    machine.boot(2);
    machine
}

#[test]
fn on_a_current_wsl_with_ubuntu_24_04_most_stages_are_not_needed() {
    let archive = "podman 4.9.3+ds1-1ubuntu0.2\ncrun 1.14.1-1\nuidmap 4.13\n";
    let machine = release("ubuntu", "24.04", "255.4-1ubuntu8", archive);
    let plan = plan(&machine, &Answers::default());
    let wanted = [
        "systemd done",
        "cgroup not needed",
        "cgroup-mount not needed",
        "shared-root skipped",
        "controllers not needed",
        "user-slice not needed",
        "delegation needed",
        "modules needed",
        "limits needed",
        "idle skipped",
        "packages needed",
        "subids done",
        "podman needed",
        "cni skipped",
        "crun done",
        "tools done",
        "autostart skipped",
        "restart needed",
        "docker skipped",
        "nerdctl skipped",
        "verify needed",
    ];
    assert_eq!(verdicts(&plan), wanted);
    assert_eq!(verdict(&plan, "crun").1, "1.14.1 will be installed by stage `packages`; need 1.9.1 or later");
}

#[test]
fn ubuntu_22_04_needs_the_cni_package_and_a_newer_crun() {
    let archive =
        "podman 3.4.4+ds1-1ubuntu1.22.04.2\ncrun 0.17+dfsg-1.1\ncontainernetworking-plugins 0.9.1+ds1-1\n";
    let machine = release("ubuntu", "22.04", "249.11-0ubuntu3", archive);
    let plan = plan(&machine, &Answers::default());
    let cni = "podman 3.4.4 writes network files of version 1.0.0, which its CNI plugins cannot read";
    assert_eq!(verdict(&plan, "cni"), ("needed", cni));
    assert_eq!(verdict(&plan, "crun"), ("needed", "the distribution offers crun 0.17; need 1.9.1 or later"));
    let fetched: Vec<&str> = plan.downloads().map(|a| a.file.as_str()).collect();
    assert_eq!(fetched, ["containernetworking-plugins_1.1.1+ds1-3+b5_amd64.deb", "crun-1.30.1-linux-amd64"]);
    // netavark and aardvark-dns are not there before podman 4.
    let packages = plan.stages.iter().find(|s| s.id == "packages").unwrap();
    assert!(!format!("{:?}", packages.changes).contains("netavark"));
}

#[test]
fn the_cni_package_that_is_linked_against_a_newer_libc_is_not_installed() {
    let archive = "podman 3.4.4\ncontainernetworking-plugins 0.9.1\ncrun 1.14.3\n";
    let machine = release("debian", "11", "247.3", archive);
    machine.write("/fake/packages", "libc6 2.31-13\nsystemd 247.3\nsystemd-sysv 247.3\n");
    assert_eq!(verdict(&plan(&machine, &Answers::default()), "cni").0, "blocked");
}

#[test]
fn debian_11_has_a_podman_whose_plugins_read_what_it_writes() {
    let machine = release(
        "debian",
        "11",
        "247.3",
        "podman 3.0.1+dfsg1-3\ncontainernetworking-plugins 0.9.0-1\ncrun 0.17\n",
    );
    let plan = plan(&machine, &Answers::default());
    assert_eq!(
        verdict(&plan, "cni"),
        ("not needed", "podman 3.0.1 writes network files that its plugins support")
    );
}

#[test]
fn podman_5_needs_pasta_and_a_crun_that_supports_its_specification() {
    let machine = release("debian", "13", "257.13", "podman 5.4.2+ds1-2\ncrun 1.14.1-1\n");
    let plan = plan(&machine, &Answers::default());
    assert_eq!(
        verdict(&plan, "crun"),
        ("needed", "the distribution offers crun 1.14.1; need 1.14.3 or later")
    );
    assert!(verdict(&plan, "packages").1.contains("passt"));
    assert!(
        !plan.files.iter().any(|f| f.path.as_str().ends_with("storage.conf")),
        "podman 5 takes overlay by itself"
    );
}

#[test]
fn a_fresh_image_without_package_lists_is_planned_from_what_its_release_carries() {
    let machine = release("debian", "12", "252.39", "");
    let plan = plan(&machine, &Answers::default());
    assert_eq!(verdict(&plan, "cni"), ("skipped", "podman 4.3.1 uses netavark, not CNI"));
    assert!(verdict(&plan, "packages").1.contains("slirp4netns"));
}

#[test]
fn the_manual_steps_leave_a_dead_block_and_ignored_keys() {
    let machine = release("ubuntu", "24.04", "255.4", "podman 4.9.3\ncrun 1.14.1\n");
    machine.write("/etc/wsl.conf", "[boot]\nsystemd=true\n[wsl2]\nkernelCommandLine = cgroup_no_v1=all\n");
    machine.write("/etc/containers/containers.conf", "log_driver = \"k8s-file\"\nevents_logger = \"file\"\n");
    let mut answers = Answers::default();
    answers.set("remove_dead_block", "yes");
    let plan = plan(&machine, &answers);
    assert_eq!(
        verdict(&plan, "cgroup"),
        ("needed", "/etc/wsl.conf has a [wsl2] section, which WSL ignores there")
    );
    let ignored =
        "podman ignores log_driver, events_logger of /etc/containers/containers.conf, outside any table";
    assert!(verdict(&plan, "podman").1.contains(ignored), "{}", verdict(&plan, "podman").1);
    let conf = plan.files.iter().find(|f| f.path == "/etc/wsl.conf").unwrap();
    assert_eq!(conf.after, "[boot]\nsystemd=true\n");
}

#[test]
fn settings_of_the_user_in_a_wsl2_section_of_wsl_conf_stay_and_are_named() {
    let ours = "kernelCommandLine = cgroup_no_v1=all\n";
    for (text, named) in [
        ("[wsl2]\nmemory=3GB\nprocessors=4\n".to_owned(), "memory, processors"),
        (format!("[wsl2]\n{ours}networkingMode=mirrored\n"), "networkingMode"),
        (format!("[wsl2]\n{ours}[boot]\nsystemd=true\n[WSL2]\nmemory=3GB\n"), "memory"),
        ("[wsl2]\nkernelCommandLine = cgroup_no_v1=all quiet\n".to_owned(), "kernelCommandLine"),
        (format!("[wsl2]\n# a note\n{ours}"), ""),
        ("[wsl2]\n".to_owned(), ""),
    ] {
        let machine = release("ubuntu", "24.04", "255.4", "podman 4.9.3\ncrun 1.14.1\n");
        machine.write("/etc/wsl.conf", &text);
        let mut answers = Answers::default();
        answers.set("remove_dead_block", "yes");
        let plan = plan(&machine, &answers);
        assert_ne!(verdict(&plan, "cgroup").0, "needed", "{text}");
        let notes = plan.notes.join("\n");
        assert_eq!(notes.contains("[wsl2]"), !named.is_empty(), "{text}: {notes}");
        for key in named.split(", ").filter(|key| !key.is_empty()) {
            assert!(notes.contains(&format!("[wsl2] {key} belongs in .wslconfig")), "{text}: {notes}");
        }
        let after = plan.files.iter().find(|f| f.path == "/etc/wsl.conf").map(|f| &f.after);
        assert!(after.is_none_or(|after| after.contains("[wsl2]")), "{after:?}");
    }
}

#[test]
fn settings_of_a_wsl2_section_of_wsl_conf_move_to_wslconfig_only_if_asked_and_overwrite_nothing() {
    let machine = release("ubuntu", "24.04", "255.4", "podman 4.9.3\ncrun 1.14.1\n");
    machine.write("/etc/wsl.conf", "[wsl2]\nmemory=3GB\nprocessors=4\nswap=0\n[user]\ndefault=dev\n");
    machine.write("/mnt/c/Users/dev/.wslconfig", "[wsl2]\r\nmemory=4GB\r\nswap=0\r\n");
    let files = |answer: Option<&str>| {
        let mut answers = Answers::default();
        if let Some(answer) = answer {
            answers.set("move_wsl2", answer);
        }
        let plan = plan(&machine, &answers);
        let after = |path: &str| plan.files.iter().find(|f| f.path == path).map(|f| f.after.clone());
        (after("/etc/wsl.conf"), after("/mnt/c/Users/dev/.wslconfig"), plan.notes.join("\n"))
    };
    for answer in [None, Some("keep")] {
        let (conf, config, notes) = files(answer);
        assert!(conf.is_none_or(|conf| conf.contains("memory=3GB\nprocessors=4\nswap=0\n")));
        assert_eq!(config, None);
        for line in ["line 2: [wsl2] memory", "line 3: [wsl2] processors", "line 4: [wsl2] swap"] {
            assert!(notes.contains(&format!("{line} belongs in .wslconfig")), "{notes}");
        }
    }
    let (conf, config, notes) = files(Some("move"));
    let conf = conf.unwrap();
    assert!(conf.starts_with("[wsl2]\nmemory=3GB\n[user]\n"), "{conf}");
    assert!(!conf.contains("processors") && !conf.contains("swap"), "{conf}");
    assert_eq!(config.unwrap(), "[wsl2]\r\nmemory=4GB\r\nswap=0\r\nprocessors=4\r\n");
    assert_eq!(notes, "WSL ignores settings in /etc/wsl.conf: line 2: [wsl2] memory belongs in .wslconfig");
}

#[test]
fn keys_that_another_file_sets_already_are_not_set_again() {
    let machine = release("ubuntu", "24.04", "255.4", "podman 4.9.3\ncrun 1.14.1\n");
    let said = "[containers]\nlog_driver = \"k8s-file\"\npids_limit = 100000\n[engine]\nevents_logger = \"file\"\ncgroup_manager = \"cgroupfs\"\n";
    machine.write("/etc/containers/containers.conf", said);
    machine.write("/etc/containers/storage.conf", "[storage]\ndriver = \"overlay\"\n");
    let plan = plan(&machine, &Answers::default());
    assert_eq!(verdict(&plan, "podman"), ("done", "/etc/containers/containers.conf has every setting"));
}

#[test]
fn a_better_value_is_never_worsened() {
    let machine = release("ubuntu", "24.04", "255.4", "podman 4.9.3\ncrun 1.14.1\n");
    machine.write("/proc/sys/fs/inotify/max_user_watches", "1048576\n");
    let plan = plan(&machine, &Answers::default());
    let file = plan.files.iter().find(|f| f.path == "/etc/sysctl.d/99-kind-wsl.conf").unwrap();
    assert!(!file.after.contains("max_user_watches"), "{}", file.after);
    assert!(file.after.contains("fs.inotify.max_user_instances = 512"));
}

#[test]
fn cgroups_v1_in_wsl_conf_is_removed_and_needs_no_kernel_parameter() {
    let machine = Machine::new(Layout::Classic);
    machine.write("/fake/wsl-version", "2.6.3.0\n");
    machine.write("/etc/wsl.conf", "[automount]\ncgroups=v1\n");
    let plan = plan(&machine, &Answers::default());
    assert_eq!(verdict(&plan, "cgroup").0, "needed");
    assert_eq!(verdict(&plan, "cgroup-mount").0, "not needed");
    assert!(!plan.files.iter().any(|f| f.path.as_str().ends_with(".wslconfig")));
    let conf = plan.files.iter().find(|f| f.path == "/etc/wsl.conf").unwrap();
    assert!(!conf.after.contains("cgroups"), "{}", conf.after);
}

#[test]
fn a_plain_host_has_no_wsl_stages() {
    let plan = plan(&Machine::new(Layout::Plain), &Answers::default());
    for id in ["systemd", "cgroup", "cgroup-mount", "idle"] {
        assert_eq!(verdict(&plan, id).0, "skipped", "{id}");
    }
    assert_eq!(plan.restart, Some(kind_wsl::change::RestartScope::Machine));
}

#[test]
fn a_recorded_machine_gives_the_same_plan_elsewhere() {
    let machine = Machine::new(Layout::Classic);
    let host = machine.host(FaultInjector::default());
    let recorder = Recorder::new(&host);
    let facts = Facts::probe(&recorder, machine.user());
    let here = Plan::make(&recorder, &facts, &Answers::default(), &StageSelection::default()).unwrap();
    let text = serde_json::to_string(&recorder.into_recording()).unwrap();
    let replay = Replay::new(serde_json::from_str(&text).unwrap());
    let facts = Facts::probe(&replay, machine.user());
    let there = Plan::make(&replay, &facts, &Answers::default(), &StageSelection::default()).unwrap();
    assert_eq!(serde_json::to_value(&here).unwrap(), serde_json::to_value(&there).unwrap());
}

#[test]
fn on_a_plain_host_the_users_services_outlive_the_session() {
    let mut answers = Answers::default();
    answers.set("provider", "docker");
    let plan = plan(&Machine::new(Layout::Plain), &answers);
    let docker = plan.stages.iter().find(|s| s.id == "docker").unwrap();
    assert!(docker.besides.iter().any(|t| t.to_string() == "set linger of dev: yes"), "{:?}", docker.besides);
}
