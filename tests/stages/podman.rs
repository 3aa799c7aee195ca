use kind_wsl::facts::Facts;

use super::{Layout, Machine, assert_snapshot, decision};

const ALL: &str = "[containers]\nlog_driver = \"k8s-file\"\n[engine]\nevents_logger = \"file\"\ncgroup_manager = \"cgroupfs\"\n";

#[test]
fn the_users_containers_conf_gets_what_kind_needs() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("podman", &machine, &[]));
}

#[test]
fn a_podman_that_is_configured_stays_as_it_is() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/home/dev/.config/containers/containers.conf", ALL);
    machine.write("/home/dev/.config/containers/storage.conf", "[storage]\ndriver = \"overlay\"\n");
    assert_snapshot!(decision("podman", &machine, &[]));
}

#[test]
fn the_systemd_cgroup_manager_gets_a_higher_limit_on_processes() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("podman", &machine, &[("cgroup_manager", "systemd")]));
}

#[test]
fn a_podman_before_3_3_blocks_the_cgroupfs_manager() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/archive", "podman 3.0.1+dfsg1-3\n");
    assert_snapshot!(decision("podman", &machine, &[("cgroup_manager", "cgroupfs")]));
}

/// The verdict alone, on a machine with these files and this podman.
fn verdict(podman: &str, files: &[(&str, &str)]) -> String {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/archive", format!("podman {podman}\n"));
    machine.write("/home/dev/.config/containers/storage.conf", "[storage]\ndriver = \"overlay\"\n");
    for (path, text) in files {
        machine.write(path, text);
    }
    decision("podman", &machine, &[]).lines().next().unwrap_or_default().to_owned()
}

const MAIN: &str = "/home/dev/.config/containers/containers.conf";
const SITE: (&str, &str) = (
    "/etc/containers/containers.conf.d/90-site.conf",
    "[containers]\nlog_driver = \"journald\"\npids_limit = 100\n[engine]\ncgroup_manager = \"systemd\"\n",
);

/// podman 6 reads the drop-ins of /etc after the user's main file; podman 5 reads them before it.
#[test]
fn the_same_site_drop_in_loses_with_podman_5_and_blocks_with_podman_6() {
    let files = [(MAIN, ALL), SITE];
    assert_eq!(verdict("5.4.2", &files), format!("satisfied: {MAIN} has every setting"));
    assert_eq!(
        verdict("6.1.3", &files),
        "blocked: /etc/containers/containers.conf.d/90-site.conf (line 2) is read after \
         /home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf and sets containers.log_driver to \"journald\""
    );
    // One that is sorted before ours loses.
    let early = ("/etc/containers/containers.conf.d/10-site.conf", SITE.1);
    assert!(verdict("6.1.3", &[early]).starts_with("required: not set: containers.log_driver"));
}

#[test]
fn podman_reads_a_drop_in_for_rootless_users_from_5_7_on() {
    let rootless = [("/etc/containers/containers.rootless.conf.d/1000/99-site.conf", SITE.1), (MAIN, ALL)];
    assert!(verdict("5.4.2", &rootless).starts_with("satisfied"));
    assert!(verdict("5.7.0", &rootless).starts_with("satisfied"), "the user's main file is read later");
    assert!(
        verdict("6.1.3", &rootless)
            .starts_with("blocked: /etc/containers/containers.rootless.conf.d/1000/99-site.conf")
    );
    let vendor = [("/usr/share/containers/containers.conf.d/99-vendor.conf", SITE.1), (MAIN, ALL)];
    assert!(verdict("5.7.0", &vendor).starts_with("satisfied"));
    assert!(
        verdict("6.1.3", &vendor)
            .starts_with("blocked: /usr/share/containers/containers.conf.d/99-vendor.conf (line 2)")
    );
}

/// The user's file of that name takes the place of the others.
#[test]
fn podman_6_masks_a_system_drop_in_with_the_same_name() {
    let same = [("/etc/containers/containers.conf.d/50-kind-wsl.conf", SITE.1)];
    assert!(verdict("6.1.3", &same).starts_with("required"));
}

#[test]
fn a_file_of_another_author_with_the_same_name_is_not_replaced() {
    let path = "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf";
    assert_eq!(
        verdict("5.4.2", &[(path, "# mine\n[engine]\n")]),
        format!("blocked: {path} exists and was not written by kind-wsl")
    );
    assert!(verdict("5.4.2", &[(path, ALL)]).starts_with("satisfied"));
}

#[test]
fn a_higher_limit_on_processes_in_another_file_is_not_lowered() {
    let machine = Machine::new(Layout::Modern);
    machine.write(MAIN, "[containers]\npids_limit = 100000\n");
    let text = decision("podman", &machine, &[("cgroup_manager", "systemd")]);
    assert!(text.contains("cgroup_manager = \"systemd\"") && !text.contains("pids_limit"), "{text}");
}

#[test]
fn a_podman_before_3_4_gets_its_settings_in_containers_conf() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/archive", "podman 3.0.1+dfsg1-3\n");
    assert_snapshot!(decision("podman", &machine, &[]));
}

#[test]
fn the_drop_in_goes_where_podman_looks_for_it() {
    let machine = Machine::new(Layout::Modern);
    let user = machine.user().with_config_home(Some("/srv/cfg".into()));
    let host = machine.host(kind_wsl::host::FaultInjector::default());
    let text = super::decision_on("podman", &Facts::probe(&host, user), &[]);
    assert!(text.contains("write /srv/cfg/containers/containers.conf.d/50-kind-wsl.conf"), "{text}");
    assert!(text.contains("edit /srv/cfg/containers/storage.conf"), "{text}");
}
