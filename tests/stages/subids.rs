use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_user_without_subordinate_ids_gets_a_free_range() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("subids", &machine, &[]));
}

#[test]
fn a_user_with_enough_subordinate_ids_keeps_them() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/etc/subuid", "dev:100000:65536\n");
    machine.write("/etc/subgid", "dev:100000:65536\n");
    assert_snapshot!(decision("subids", &machine, &[]));
}

#[test]
fn subordinate_ids_that_a_name_service_assigns_block() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/etc/nsswitch.conf", "subid: sss\n");
    assert_snapshot!(decision("subids", &machine, &[]));
}
