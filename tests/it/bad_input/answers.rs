//! Missing and invalid answers without a terminal.

use crate::support::Layout;
use crate::support::cli::Case;

fn with_answers(text: &str) -> Case {
    Case::new(Layout::Modern).file("/answers.toml", text)
}

#[test]
fn a_missing_answers_file_is_a_usage_error() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --answers [ROOT]/nowhere.toml",
        2,
        "
        error: cannot read the answers in `[ROOT]/nowhere.toml`: No such file or directory
        hint: `--answers` takes a TOML file
        ",
    );
}

#[test]
fn an_answers_file_that_is_not_toml_is_named_with_the_line() {
    with_answers("idle = \"yes\"\ntools none\n").refuses(
        "setup --yes --answers [ROOT]/answers.toml",
        2,
        r#"
        error: line 2 of the answers in `[ROOT]/answers.toml` is not valid TOML: key with no value, expected `=`
        hint: write one answer per line: `idle = "yes"`
        "#,
    );
}

#[test]
fn an_unknown_key_of_an_answers_file_suggests_the_near_match() {
    with_answers("crun_versoin = \"latest\"\n").refuses(
        "plan --answers [ROOT]/answers.toml",
        2,
        "
        error: unknown key `crun_versoin` in `[ROOT]/answers.toml`
        hint: did you mean `crun_version`?
        ",
    );
}

#[test]
fn an_unknown_key_of_an_answers_file_without_a_near_match_lists_all_keys() {
    with_answers("colour = \"blue\"\n").refuses(
        "plan --answers [ROOT]/answers.toml",
        2,
        "
        error: unknown key `colour` in `[ROOT]/answers.toml`
        hint: the keys are: repair_wsl_conf, remove_dead_block, move_wsl2, mount_fstab, delegate, privileged_ports, dmesg, idle, provider, remove_packages, cgroup_manager, crun_version, crun_sha256, crun_binary, tools, kind_wrapper, autostart, restart_all
        ",
    );
}

#[test]
fn a_wrong_value_in_an_answers_file_names_file_and_key() {
    with_answers("idle = \"maybe\"\n").refuses(
        "plan --answers [ROOT]/answers.toml",
        2,
        "
        error: invalid value `maybe` for `idle` in `[ROOT]/answers.toml`
        hint: it takes: yes, no
        ",
    );
}

#[test]
fn a_wrong_value_of_a_flag_names_the_flag() {
    Case::new(Layout::Modern).refuses(
        "plan --cgroup-manager cgroups",
        2,
        "
        error: invalid value `cgroups` for `--cgroup-manager`
        hint: did you mean `cgroupfs`? It takes: cgroupfs, systemd
        ",
    );
}

#[test]
fn a_wrong_value_in_the_environment_names_the_variable() {
    Case::new(Layout::Modern).env("KIND_WSL_IDLE", "perhaps").refuses(
        "plan",
        2,
        "
        error: invalid value `perhaps` for `KIND_WSL_IDLE`
        hint: it takes: yes, no
        ",
    );
}

#[test]
fn without_a_terminal_the_flags_of_every_unanswered_question_are_named() {
    Case::new(Layout::Modern).refuses(
        "setup",
        2,
        "
        error: no terminal to prompt on; missing answers: `--idle` (Keep WSL running after the last terminal closes?), `--crun-version` (Which crun version should podman use?), `--tools` (Install kind and kubectl in ~/.local?), `--kind-wrapper` (Run plain `kind` through kind-wsl?)
        hint: set these flags, or use the recommended answers with `--yes`
        ",
    );
}

#[test]
fn without_a_terminal_agreeing_to_the_plan_takes_a_flag() {
    Case::new(Layout::Modern).refuses(
        "setup --idle no --tools none --kind-wrapper no --crun-version recommended",
        2,
        "
        error: no terminal to confirm the plan
        hint: confirm it with `--yes`; `kind-wsl plan` shows it
        ",
    );
}

#[test]
fn without_a_terminal_agreeing_to_an_undo_takes_a_flag() {
    let case = Case::new(Layout::Modern);
    case.run("setup --yes --only limits").expect(0, "");
    case.refuses(
        "undo",
        2,
        "
        error: no terminal to confirm the undo
        hint: confirm it with `--yes`
        ",
    );
}
