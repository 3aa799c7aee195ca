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
fn the_unit_is_written_before_systemd_runs_if_wsl_isolates() {
    let machine = Machine::new(Layout::Isolated);
    machine.write("/etc/wsl.conf", "[boot]\nsystemd=false\n");
    machine.boot(2);
    assert_snapshot!(decision("controllers", &machine, &[]));
}
