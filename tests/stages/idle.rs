use super::{Layout, Machine, assert_snapshot, decision};

#[test]
fn an_idle_wsl_keeps_running_if_the_user_asks_for_it() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("idle", &machine, &[("idle", "yes")]));
}

#[test]
fn nothing_changes_if_the_user_does_not_ask_for_it() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("idle", &machine, &[("idle", "no")]));
}

#[test]
fn a_wsl_without_idle_timeout_needs_nothing() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/mnt/c/Users/dev/.wslconfig", "[general]\r\ninstanceIdleTimeout=-1\r\n");
    assert_snapshot!(decision("idle", &machine, &[("idle", "yes")]));
}

#[test]
fn any_negative_timeout_keeps_wsl_running() {
    for (value, keeps) in
        [("-5", true), ("\"-2\"", true), ("-0x10", true), ("0", false), ("60000", false), ("-", false)]
    {
        let machine = Machine::new(Layout::Namespaced);
        let text = format!("[General]\r\nInstanceIdleTimeout = {value}\r\n[wsl2]\r\nvmIdleTimeout=-3\r\n");
        machine.write("/mnt/c/Users/dev/.wslconfig", text);
        let decision = decision("idle", &machine, &[("idle", "yes")]);
        assert_eq!(decision.starts_with("satisfied"), keeps, "{value}: {decision}");
        assert!(!decision.contains("vmIdleTimeout"), "{value}: {decision}");
    }
}

#[test]
fn a_machine_without_wsl_does_not_stop_when_idle() {
    let machine = Machine::new(Layout::Plain);
    assert_snapshot!(decision("idle", &machine, &[("idle", "yes")]));
}
