use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_line_in_fstab_mounts_v2_where_wsl_mounts_v1() {
    let machine = Machine::new(Layout::Classic);
    assert_snapshot!(decision("cgroup-mount", &machine, &[]));
}

#[test]
fn a_wsl_that_mounts_only_v2_needs_no_line_in_fstab() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("cgroup-mount", &machine, &[]));
}

#[test]
fn a_wsl_that_does_not_mount_fstab_blocks() {
    let machine = Machine::new(Layout::Classic);
    machine.write("/etc/wsl.conf", "[automount]\nmountFsTab=false\n");
    assert_snapshot!(decision("cgroup-mount", &machine, &[]));
}

#[test]
fn wsl_mounts_fstab_again_if_the_user_agrees() {
    let machine = Machine::new(Layout::Classic);
    machine.write("/etc/wsl.conf", "[automount]\nmountFsTab=false\n");
    assert_snapshot!(decision("cgroup-mount", &machine, &[("mount_fstab", "yes")]));
}
