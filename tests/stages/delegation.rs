use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_drop_in_delegates_the_missing_controllers() {
    let machine = Machine::new(Layout::Generous);
    assert_snapshot!(decision("delegation", &machine, &[]));
}

#[test]
fn a_systemd_user_manager_with_every_controller_is_not_changed() {
    let machine = Machine::new(Layout::Generous);
    machine.write("/etc/systemd/system/user@.service.d/delegate.conf", "[Service]\nDelegate=yes\n");
    machine.boot(2);
    assert_snapshot!(decision("delegation", &machine, &[]));
}

#[test]
fn controllers_that_the_root_lacks_are_not_waited_for() {
    let machine = Machine::new(Layout::Namespaced);
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpu cpuset memory pids");
    assert_snapshot!(decision("delegation", &machine, &[]));
    let manager = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers";
    machine.write(manager, "cpu cpuset memory pids");
    assert!(decision("delegation", &machine, &[]).starts_with("satisfied"));
}

#[test]
fn the_drop_in_is_written_before_a_systemd_user_manager_runs() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("delegation", &machine, &[]));
}

#[test]
fn every_controller_is_delegated_if_the_user_asks_for_it() {
    let machine = Machine::new(Layout::Generous);
    assert_snapshot!(decision("delegation", &machine, &[("delegate", "yes")]));
}
