use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_unit_enables_the_controllers_that_wsl_withholds() {
    let machine = Machine::new(Layout::Isolated);
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn a_wsl_that_withholds_nothing_needs_no_unit() {
    let machine = Machine::new(Layout::Generous);
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn a_systemd_below_the_root_cgroup_has_every_controller() {
    let machine = Machine::new(Layout::Plain);
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn a_systemd_at_the_root_of_a_cgroup_namespace_needs_no_unit() {
    let machine = Machine::new(Layout::Namespaced);
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn controllers_that_the_root_of_the_namespace_lacks_are_blocked_with_what_helps_in_windows() {
    let machine = Machine::new(Layout::NamespacedPoor);
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn before_systemd_runs_in_a_namespace_its_controllers_are_not_judged() {
    let machine = Machine::new(Layout::NamespacedPoor);
    machine.write("/etc/wsl.conf", "[boot]\nsystemd=false\n");
    machine.boot(2);
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn a_namespace_may_lack_controllers_that_kind_does_not_require() {
    let machine = Machine::new(Layout::Namespaced);
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids");
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn a_container_without_controllers_is_blocked_with_what_helps_on_its_host() {
    let machine = Machine::new(Layout::Plain);
    machine.write("/sys/fs/cgroup/cgroup.type", "domain\n");
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory");
    assert_snapshot!(decision("controllers", &machine, &[]));
}

#[test]
fn the_unit_is_written_before_systemd_runs_if_wsl_isolates() {
    let machine = Machine::new(Layout::Isolated);
    machine.write("/etc/wsl.conf", "[boot]\nsystemd=false\n");
    machine.boot(2);
    assert_snapshot!(decision("controllers", &machine, &[]));
}
