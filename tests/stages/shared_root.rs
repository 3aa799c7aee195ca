use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_private_root_becomes_shared_now_and_at_each_start() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/proc/self/mountinfo", "22 1 8:32 / / rw,relatime - ext4 /dev/sdc rw\n");
    assert_snapshot!(decision("shared-root", &machine, &[]));
}

#[test]
fn a_shared_root_stays_as_it_is() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/proc/self/mountinfo", "22 1 8:32 / / rw,relatime shared:1 - ext4 /dev/sdc rw\n");
    assert_snapshot!(decision("shared-root", &machine, &[]));
}

#[test]
fn a_root_that_another_namespace_governs_is_left_alone() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/proc/self/mountinfo", "22 1 8:32 / / rw,relatime master:1 - ext4 /dev/sdc rw\n");
    assert_snapshot!(decision("shared-root", &machine, &[]));
}
