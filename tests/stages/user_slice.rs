use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_systemd_before_238_gets_memory_and_tasks_accounting() {
    let machine = Machine::new(Layout::Plain);
    machine.write("/fake/packages", "libc6 2.27\nsystemd 237-3\n");
    assert_snapshot!(decision("user-slice", &machine, &[]));
}

#[test]
fn a_systemd_from_238_on_accounts_by_itself() {
    let machine = Machine::new(Layout::Plain);
    assert_snapshot!(decision("user-slice", &machine, &[]));
}

#[test]
fn a_slice_that_root_wrote_is_enabled_but_not_replaced() {
    let machine = Machine::new(Layout::Plain);
    machine.write("/etc/systemd/system/user-0.slice", "[Slice]\n[Install]\nWantedBy=slices.target\n");
    assert_snapshot!(decision("user-slice", &machine, &[]));
}
