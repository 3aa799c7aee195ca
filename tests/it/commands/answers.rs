//! Files of answers: keys, precedence, and which file of the user is read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};

use crate::support::Layout;
use crate::support::cli::{Case, is_root};

const OWN: &str = "/home/dev/.config/kind-wsl/answers.toml";

fn modern() -> Case {
    Case::new(Layout::Modern)
}

/// The answer to a question as an export writes it, and what was printed on standard error.
fn exported(case: &Case, args: &str, key: &str) -> (Option<String>, String) {
    let seen = case.run(&format!("export --format sh {args}"));
    assert_eq!(seen.code, 0, "{seen:?}");
    let value = seen.stdout.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
    (value.map(|value| value.trim_matches('"').to_owned()), seen.stderr)
}

#[track_caller]
fn exports(case: &Case, args: &str, key: &str, value: Option<&str>) -> String {
    let (found, errors) = exported(case, args, key);
    assert_eq!(found.as_deref(), value, "{errors}");
    errors
}

#[test]
fn a_key_may_have_dashes_or_underscores() {
    for key in ["privileged-ports", "privileged_ports"] {
        let case = modern().file("/team.toml", format!("{key} = \"yes\"\n"));
        exports(&case, "--answers [ROOT]/team.toml", "privileged_ports", Some("yes"));
    }
    let both = "privileged-ports = \"yes\"\nprivileged_ports = \"no\"\n";
    modern().file("/team.toml", both).refuses(
        "plan --answers [ROOT]/team.toml",
        2,
        "
        error: `privileged_ports` is set twice in `[ROOT]/team.toml`, with dashes and with underscores
        hint: delete one of them
        ",
    );
}

#[test]
fn the_users_own_file_comes_after_flag_variable_and_named_file() {
    let case = modern()
        .file(OWN, "idle = \"yes\"\ndelegate = \"yes\"\ndmesg = true\nprivileged_ports = \"yes\"\n")
        .file("/team.toml", "delegate = \"guide\"\n")
        .env("KIND_WSL_DMESG", "no");
    let args = "--answers [ROOT]/team.toml --privileged-ports no";
    for (key, value) in [("idle", "yes"), ("delegate", "guide"), ("dmesg", "no"), ("privileged_ports", "no")]
    {
        assert_eq!(exports(&case, args, key, Some(value)), "", "{key}");
    }
}

#[test]
fn setup_uses_the_users_own_file() {
    let case = modern().file(OWN, "idle = \"yes\"\n");
    let plan: serde_json::Value = serde_json::from_str(&case.run("plan --json").stdout).unwrap();
    let stages = plan["plan"]["stages"].as_array().unwrap();
    let idle = stages.iter().find(|stage| stage["id"] == "idle").unwrap();
    assert_eq!(idle["verdict"], "needed", "{idle}");
}

#[test]
fn a_fault_in_the_users_own_file_is_named_with_its_path() {
    modern().file(OWN, "idel = \"yes\"\n").refuses(
        "plan",
        2,
        "
        error: unknown key `idel` in `/home/dev/.config/kind-wsl/answers.toml`
        hint: did you mean `idle`?
        ",
    );
}

#[test]
fn a_consent_takes_effect_only_in_a_file_that_is_named() {
    let text = "remove_packages = \"buildah\"\nrestart-all = \"yes\"\ncrun_binary = \"/etc/shadow\"\n";
    let case = modern().file(OWN, text).file("/team.toml", text.replace("/etc/shadow", "/opt/crun"));
    let errors = exports(&case, "", "remove_packages", None);
    for (key, flag) in [
        ("remove_packages", "remove-packages"),
        ("restart-all", "restart-all"),
        ("crun_binary", "crun-binary"),
    ] {
        let warning = format!("warning: ignoring `{key}` in `{OWN}`: use `--{flag}`\n");
        assert!(errors.contains(&warning), "{errors}");
    }
    exports(&case, "--answers [ROOT]/team.toml", "remove_packages", Some("buildah"));
}

#[test]
fn a_file_that_others_can_write_is_ignored() {
    let case = modern().file(OWN, "idle = \"yes\"\n");
    fs::set_permissions(case.machine.path(OWN), fs::Permissions::from_mode(0o666)).unwrap();
    let errors = exports(&case, "", "idle", None);
    assert_eq!(errors, format!("warning: ignoring `{OWN}`: every user can write it\n"));
}

#[test]
fn a_file_of_another_user_is_ignored() {
    if !is_root() {
        return;
    }
    let case = modern().file(OWN, "idle = \"yes\"\n");
    lchown(case.machine.path(OWN), Some(1001), Some(1001)).unwrap();
    let errors = exports(&case, "", "idle", None);
    assert_eq!(errors, format!("warning: ignoring `{OWN}`: it belongs to another user\n"));
    // Through a link of the user's, too.
    let case = modern().file("/srv/answers.toml", "idle = \"yes\"\n").link(OWN, "/srv/answers.toml");
    lchown(case.machine.path("/srv/answers.toml"), Some(1001), Some(1001)).unwrap();
    exports(&case, "", "idle", None);
}

#[test]
fn root_reads_the_file_with_the_users_rights() {
    if !is_root() {
        return;
    }
    let case = modern().file("/root/secret.toml", "idle = \"yes\"\n").link(OWN, "/root/secret.toml");
    fs::set_permissions(case.machine.path("/root/secret.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let seen = case.run("plan");
    assert!(seen.code != 0 && seen.stderr.contains("Permission denied"), "{seen:?}");
}

#[test]
fn an_interrupted_setup_keeps_its_answers() {
    let case = modern();
    let flags = crate::support::cli::agreed();
    case.run(&format!("setup {flags} --idle no --no-restart")).expect(3, "");
    let case = case.file(OWN, "idle = \"yes\"\n");
    exports(&case, "", "idle", Some("no"));
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    exports(&case, "", "idle", Some("yes"));
}

#[test]
fn the_template_has_every_key_and_can_be_used() {
    let case = modern();
    let template = case.run("answers").expect(0, "").stdout;
    let used: String = template
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let case = case.file("/team.toml", &used);
    let plan = case.run("plan --json --answers [ROOT]/team.toml");
    assert_eq!((plan.code, plan.stderr.as_str()), (0, ""));
    assert_eq!(plan.stdout, case.run("plan --json").stdout, "the defaults change nothing");
    let json: serde_json::Value = serde_json::from_str(&case.run("answers -o json").stdout).unwrap();
    let questions = json["questions"].as_array().unwrap();
    assert_eq!(questions.len(), used.lines().filter(|line| line.contains(" = \"")).count());
}
