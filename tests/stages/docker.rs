use super::{Layout, Machine, assert_snapshot, decision};

const DOCKER: (&str, &str) = ("provider", "docker");

#[test]
fn dockers_own_setup_tool_installs_a_daemon_for_the_user() {
    assert_snapshot!(decision("docker", &Machine::new(Layout::Modern), &[DOCKER]));
}

#[test]
fn the_users_services_outlive_the_last_session_without_wsl() {
    assert_snapshot!(decision("docker", &Machine::new(Layout::Plain), &[DOCKER]));
}

#[test]
fn docker_is_left_alone_if_podman_is_the_provider() {
    assert_snapshot!(decision("docker", &Machine::new(Layout::Modern), &[]));
}

#[test]
fn a_wsl_that_isolates_distributions_blocks_docker() {
    assert_snapshot!(decision("docker", &Machine::new(Layout::Isolated), &[DOCKER]));
}
