//! podman configured by others, and in ways that podman itself would not read.

use std::fs;

use crate::support::cli::Case;
use crate::support::{Layout, same};

const CONF: &str = "/home/dev/.config/containers/containers.conf";

fn with_conf(text: &str) -> Case {
    Case::new(Layout::Isolated).file(CONF, text)
}

#[test]
fn a_containers_conf_that_is_not_toml_is_named_with_its_line() {
    with_conf("[containers]\nlog_driver = journald\n").refuses(
        "setup --yes --only podman",
        1,
        "
        error: stage `podman` cannot be set up: podman cannot read /home/dev/.config/containers/containers.conf: line 2: expected value
        hint: correct line 2 of /home/dev/.config/containers/containers.conf, then run the same command again
        ",
    );
}

#[test]
fn a_table_of_containers_conf_that_is_a_number_is_named_with_its_line() {
    with_conf("# mine\nengine = 3\n").refuses(
        "setup --yes --only podman",
        1,
        "
        error: stage `podman` cannot be set up: podman cannot read /home/dev/.config/containers/containers.conf: line 2: a table is required
        hint: correct line 2 of /home/dev/.config/containers/containers.conf, then run the same command again
        ",
    );
}

#[test]
fn a_containers_conf_that_is_not_utf_8_is_named_with_its_line() {
    let bytes = b"# mine\n# gr\xfc\xdfe\n[engine]\n".to_vec();
    Case::new(Layout::Isolated).file(CONF, bytes).refuses(
        "setup --yes --only podman",
        1,
        "
        error: stage `podman` cannot be set up: podman cannot read /home/dev/.config/containers/containers.conf: line 2: invalid UTF-8 byte: 0xfc
        hint: save /home/dev/.config/containers/containers.conf as UTF-8 (`iconv` converts it), then run the same command again
        ",
    );
}

#[test]
fn a_containers_conf_that_is_a_link_is_edited_where_it_leads_and_undo_restores_it() {
    let case = Case::new(Layout::Isolated)
        .file("/home/dev/dotfiles/containers.conf", "# mine\n[engine]\n")
        .link(CONF, "../../dotfiles/containers.conf")
        .podman_3();
    let before = case.machine.snapshot();
    case.run("setup --yes --only podman").expect(0, "");
    assert_eq!(
        fs::read_link(case.machine.path(CONF)).unwrap().to_str(),
        Some("../../dotfiles/containers.conf")
    );
    assert_eq!(
        case.machine.text("/home/dev/dotfiles/containers.conf"),
        "# mine\n[engine]\n# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"\nevents_logger = \"file\"\ncgroup_manager = \"systemd\"\n\n\
         [containers]\n# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"\nlog_driver = \"k8s-file\"\npids_limit = 65536\n"
    );
    case.run("undo --yes").expect(0, "");
    same(&before, &case.machine.snapshot(), "undone");
}

#[test]
fn containers_conf_in_the_environment_is_refused_with_its_name() {
    Case::new(Layout::Isolated).env("CONTAINERS_CONF", "/home/dev/other.conf").refuses(
        "setup --yes",
        1,
        "
        error: stage `podman` cannot be set up: CONTAINERS_CONF=/home/dev/other.conf in the environment makes that file override every other containers.conf
        hint: remove it from your shell's start-up files, then open a new shell
        ",
    );
}

#[test]
fn a_file_that_is_read_later_and_wins_is_named() {
    Case::new(Layout::Isolated)
        .file(
            "/home/dev/.config/containers/containers.conf.d/99-mine.conf",
            "[engine]\ncgroup_manager = \"systemd\"\n",
        )
        .refuses(
            "setup --yes",
            1,
            "
            error: stage `podman` cannot be set up: /home/dev/.config/containers/containers.conf.d/99-mine.conf (line 2) is read after /home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf and sets engine.cgroup_manager to \"systemd\"
            hint: remove engine.cgroup_manager from /home/dev/.config/containers/containers.conf.d/99-mine.conf, then run the same command again
            ",
        );
}

#[test]
fn a_file_that_makes_podman_run_another_crun_or_no_crun_at_all_is_named_with_its_line() {
    let later = "/home/dev/.config/containers/containers.conf.d/99-mine.conf";
    Case::new(Layout::Isolated).file(later, "[engine.runtimes]\n# mine\ncrun = [\"/opt/crun\"]\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `crun` cannot be set up: /home/dev/.config/containers/containers.conf.d/99-mine.conf (line 3) is read after /home/dev/.config/containers/containers.conf.d/50-kind-wsl-crun.conf and sets engine.runtimes.crun to [\"/opt/crun\"]
        hint: remove engine.runtimes.crun from /home/dev/.config/containers/containers.conf.d/99-mine.conf, then run the same command again
        ",
    );
    Case::new(Layout::Isolated).file("/etc/containers/containers.conf", "[engine]\nruntime = \"runc\"\n").refuses(
        "setup --yes",
        1,
        "
        error: stage `crun` cannot be set up: /etc/containers/containers.conf (line 2) makes podman run \"runc\" instead of crun
        hint: remove `runtime` from [engine] in /etc/containers/containers.conf, then run the same command again
        ",
    );
}

#[test]
fn keys_that_podman_ignores_are_named_and_left() {
    with_conf("events_logger = \"file\"\n")
        .refuses("plan --diff --only podman", 0, "")
        .says("note: podman ignores events_logger of /home/dev/.config/containers/containers.conf, outside any table\n")
        .says(
            "
            /home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf (new)
            + # Written by kind-wsl (`kind-wsl explain podman`). `kind-wsl undo podman` removes it.
            +\x20
            + [containers]
            + log_driver = \"k8s-file\"
            ",
        );
}
