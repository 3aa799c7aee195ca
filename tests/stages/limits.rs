use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn inotify_limits_are_raised_now_and_at_each_start() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("limits", &machine, &[]));
}

#[test]
fn higher_inotify_limits_are_not_lowered() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/proc/sys/fs/inotify/max_user_watches", "1048576\n");
    machine.write("/proc/sys/fs/inotify/max_user_instances", "8192\n");
    assert_snapshot!(decision("limits", &machine, &[]));
}

#[test]
fn low_ports_and_the_kernel_log_are_opened_if_the_user_agrees() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("limits", &machine, &[("privileged_ports", "yes"), ("dmesg", "yes")]));
}
