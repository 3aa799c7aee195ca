use super::{Layout, Machine, assert_snapshot, decision};

/// A machine with the podman of Ubuntu 22.04, which uses CNI, and with this C library.
fn with_podman_3_4(libc: &str) -> Machine {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/packages", format!("libc6 {libc}\n"));
    machine.write("/fake/archive", "podman 3.4.4+ds1-1ubuntu1\ncontainernetworking-plugins 0.9.1+ds1-1\n");
    machine
}

#[test]
fn newer_plugins_are_installed_for_podman_3_4() {
    assert_snapshot!(decision("cni", &with_podman_3_4("2.35"), &[]));
}

#[test]
fn podman_4_needs_no_plugins() {
    assert_snapshot!(decision("cni", &Machine::new(Layout::Modern), &[]));
}

#[test]
fn a_c_library_that_is_too_old_for_the_plugins_blocks() {
    assert_snapshot!(decision("cni", &with_podman_3_4("2.31-13"), &[]));
}
