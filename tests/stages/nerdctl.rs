use super::{Layout, Machine, assert_snapshot, decision};

const NERDCTL: (&str, &str) = ("provider", "nerdctl");

/// A machine whose archive has a nerdctl that kind accepts.
fn with_nerdctl() -> Machine {
    let machine = Machine::new(Layout::Modern);
    machine.write("/fake/archive", "nerdctl 1.7.7-1\ncontainerd 1.7.24-1\nrootlesskit 2.0.0-1\n");
    machine
}

#[test]
fn nerdctls_own_setup_tool_installs_a_containerd_for_the_user() {
    assert_snapshot!(decision("nerdctl", &with_nerdctl(), &[NERDCTL]));
}

#[test]
fn nerdctl_is_left_alone_if_podman_is_the_provider() {
    assert_snapshot!(decision("nerdctl", &with_nerdctl(), &[]));
}

#[test]
fn a_rootless_docker_blocks_nerdctl() {
    let machine = with_nerdctl();
    machine.write("/run/user/1000/dockerd-rootless/pid", "");
    assert_snapshot!(decision("nerdctl", &machine, &[NERDCTL]));
}

#[test]
fn a_distribution_without_nerdctl_blocks_it() {
    assert_snapshot!(decision("nerdctl", &Machine::new(Layout::Modern), &[NERDCTL]));
}
