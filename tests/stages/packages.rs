use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn podman_is_installed_with_what_it_needs() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("packages", &machine, &[]));
}

#[test]
fn packages_that_are_installed_are_not_installed_again() {
    let machine = Machine::new(Layout::Modern);
    let archive = machine.text("/fake/archive");
    machine.write("/fake/packages", format!("libc6 2.36\nsystemd 252.39-1\n{archive}"));
    assert_snapshot!(decision("packages", &machine, &[]));
}

#[test]
fn docker_is_installed_if_it_is_the_provider() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("packages", &machine, &[("provider", "docker")]));
}

#[test]
fn a_distribution_without_a_known_package_manager_blocks() {
    let machine = Machine::new(Layout::Modern);
    std::fs::remove_file(machine.path("/usr/bin/apt-get")).unwrap();
    assert_snapshot!(decision("packages", &machine, &[]));
}
