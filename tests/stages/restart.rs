use super::{Facts, Layout, Machine, assert_snapshot, decision, decision_on};
use kind_wsl::plan::pending;
use kind_wsl::stage::Answers;
use kind_wsl::stages::by_id;

/// The facts after these stages have made their changes.
fn after(machine: &Machine, stages: &[&str]) -> Facts {
    let mut facts = machine.facts();
    for id in stages {
        let changes = (by_id(id).unwrap().changes)(&facts, &Answers::default());
        facts.pending.extend(changes.iter().filter_map(pending));
    }
    facts
}

#[test]
fn nothing_is_restarted_if_no_change_waits_for_it() {
    assert_snapshot!(decision("restart", &Machine::new(Layout::Modern), &[]));
}

#[test]
fn changes_of_wsl_conf_wait_for_a_restart_of_the_distribution() {
    let facts = after(&Machine::new(Layout::Modern), &["systemd", "delegation"]);
    assert_snapshot!(decision_on("restart", &facts, &[]));
}

#[test]
fn changes_of_wslconfig_wait_for_a_restart_of_wsl() {
    let facts = after(&Machine::new(Layout::Classic), &["systemd", "cgroup"]);
    assert_snapshot!(decision_on("restart", &facts, &[]));
}

#[test]
fn changes_without_wsl_wait_for_a_restart_of_the_machine() {
    let facts = after(&Machine::new(Layout::Plain), &["delegation"]);
    assert_snapshot!(decision_on("restart", &facts, &[]));
}
