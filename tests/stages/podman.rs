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
