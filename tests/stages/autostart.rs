use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn a_unit_of_the_systemd_user_manager_starts_every_cluster() {
    let machine = Machine::new(Layout::Namespaced);
    assert_snapshot!(decision("autostart", &machine, &[("autostart", "yes")]));
}

#[test]
fn a_machine_without_wsl_needs_linger() {
    let machine = Machine::new(Layout::Plain);
    assert_snapshot!(decision("autostart", &machine, &[("autostart", "dev,kind-2")]));
}

#[test]
fn no_cluster_starts_if_the_user_does_not_ask_for_it() {
    let machine = Machine::new(Layout::Namespaced);
    assert_snapshot!(decision("autostart", &machine, &[("autostart", "no")]));
}

#[test]
fn a_name_that_kind_does_not_accept_links_nothing() {
    let machine = Machine::new(Layout::Namespaced);
    let decision = decision("autostart", &machine, &[("autostart", "../../x,a/b,%i")]);
    assert!(!decision.contains("default.target.wants"), "{decision}");
}
