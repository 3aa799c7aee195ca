use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn systemd_is_enabled_on_a_wsl_that_runs_without_it() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("systemd", &machine, &[]));
}

#[test]
fn a_machine_whose_pid_1_is_systemd_stays_as_it_is() {
    let machine = Machine::new(Layout::Isolated);
    assert_snapshot!(decision("systemd", &machine, &[]));
}

#[test]
fn a_line_that_stops_wsl_becomes_a_comment_if_the_user_agrees() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/etc/wsl.conf", "; mine\n[automount]\nenabled=true\n");
    assert_snapshot!(decision("systemd", &machine, &[("repair_wsl_conf", "yes")]));
}

#[test]
fn a_line_that_stops_wsl_blocks_if_it_has_to_stay() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/etc/wsl.conf", "; mine\n[automount]\nenabled=true\n");
    assert_snapshot!(decision("systemd", &machine, &[("repair_wsl_conf", "no")]));
}

#[test]
fn a_wsl_that_cannot_start_systemd_blocks() {
    let machine = Machine::new(Layout::Classic);
    machine.write("/fake/wsl-version", "0.66.2.0\n");
    assert_snapshot!(decision("systemd", &machine, &[]));
}
