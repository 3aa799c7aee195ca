use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn kind_and_kubectl_are_installed_below_the_home_directory() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("tools", &machine, &[("tools", "both")]));
}

#[test]
fn nothing_is_installed_if_the_user_wants_neither() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("tools", &machine, &[("tools", "none")]));
}

#[test]
fn a_kind_of_the_users_own_makes_room_for_the_wrapper() {
    let machine = Machine::new(Layout::Modern);
    let kind = "/home/dev/.local/bin/kind";
    machine.write(kind, "");
    std::fs::set_permissions(machine.path(kind), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    assert_snapshot!(decision("tools", &machine, &[("tools", "none"), ("kind_wrapper", "yes")]));
}
