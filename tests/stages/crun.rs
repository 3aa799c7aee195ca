use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_crun_that_is_too_old_is_replaced_for_the_user() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("crun", &machine, &[]));
}

#[test]
fn a_crun_that_is_new_enough_is_kept() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/archive", "podman 4.9.3\ncrun 1.14.1-1\n");
    assert_snapshot!(decision("crun", &machine, &[]));
}

#[test]
fn a_crun_that_is_too_old_blocks_if_the_user_keeps_it() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("crun", &machine, &[("crun_version", "keep")]));
}

#[test]
fn a_version_that_is_not_in_the_catalogue_blocks_without_a_checksum() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("crun", &machine, &[("crun_version", "1.99")]));
}
