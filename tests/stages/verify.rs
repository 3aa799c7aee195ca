use super::{Layout, Machine, assert_snapshot, decision, decision_on};

fn with_podman() -> Machine {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/packages", "podman 4.3.1+ds1-8\n");
    machine
}

#[test]
fn an_installed_podman_is_verified_at_the_end() {
    assert_snapshot!(decision("verify", &with_podman(), &[]));
}

#[test]
fn a_user_who_has_not_logged_in_has_no_session_in_which_podman_can_run() {
    let mut facts = with_podman().facts();
    facts.is_user_away = true;
    assert_snapshot!(decision_on("verify", &facts, &[]));
}

#[test]
fn a_result_that_was_verified_is_not_verified_again() {
    let mut facts = with_podman().facts();
    facts.verified = Some("2026-11-27 22:00 UTC".to_owned());
    assert_snapshot!(decision_on("verify", &facts, &[]));
}

#[test]
fn a_provider_that_is_not_installed_cannot_be_verified() {
    assert_snapshot!(decision("verify", &with_podman(), &[("provider", "docker")]));
}
