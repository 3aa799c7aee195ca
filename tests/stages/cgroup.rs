use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn cgroup_v1_is_switched_off_on_the_kernel_command_line() {
    let machine = Machine::new(Layout::Classic);
    assert_snapshot!(decision("cgroup", &machine, &[]));
}

#[test]
fn a_wsl_that_mounts_only_v2_needs_no_kernel_parameter() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("cgroup", &machine, &[]));
}

#[test]
fn a_section_that_wsl_ignores_is_removed_if_the_user_agrees() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/etc/wsl.conf", "[wsl2]\nkernelCommandLine = cgroup_no_v1=all\n");
    assert_snapshot!(decision("cgroup", &machine, &[("remove_dead_block", "yes")]));
}

#[test]
fn an_unknown_windows_profile_blocks() {
    let machine = Machine::new(Layout::Classic);
    std::fs::remove_dir_all(machine.path("/mnt/c/Users/dev")).unwrap();
    assert_snapshot!(decision("cgroup", &machine, &[]));
}
