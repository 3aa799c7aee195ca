//! Help, version and dry runs.

use std::process::Command;

use serde_json::Value;

use crate::support::Layout;
use crate::support::cli::{BIN, Case, agreed};

fn kind_wsl(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BIN).args(args).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_of_a_command_is_what_its_flag_shows() {
    for command in [&["setup"][..], &["undo"], &["crun", "fetch"], &[]] {
        let with_flag = kind_wsl(&[command, &["--help"]].concat());
        assert_eq!(kind_wsl(&[&["help"], command].concat()), with_flag, "{command:?}");
        assert_eq!(with_flag.0, 0);
    }
    // Everything after `kind` is kind's, so only `help` shows this one.
    assert!(kind_wsl(&["help", "kind"]).1.contains("Usage: kind-wsl kind"));
}

#[test]
fn the_short_help_of_setup_is_shorter() {
    let [short, long] = ["-h", "--help"].map(|flag| kind_wsl(&["setup", flag]).1);
    let lines = |text: &str| text.lines().count();
    assert!(lines(&short) < lines(&long) && lines(&long) <= 70, "{} {}", lines(&short), lines(&long));
    assert!(!short.contains("--idle") && long.contains("--idle"));
}

#[test]
fn the_help_groups_the_commands_and_ends_with_where_to_read_on() {
    let (_, text, _) = kind_wsl(&["--help"]);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    let order = [
        "Set up:",
        "Diagnose:",
        "Use:",
        "Advanced:",
        "Global options:",
        "More help:",
        "Documentation:",
        "Bug reports:",
    ];
    assert!(order.map(at).is_sorted(), "{text}");
}

#[test]
fn a_topic_is_shown_and_a_typo_of_one_is_corrected() {
    for (topic, part) in [
        ("exit-codes", "130"),
        ("environment", "KIND_WSL_MIRROR"),
        ("answers", "~/.config/kind-wsl/answers.toml"),
    ] {
        let (code, text, _) = kind_wsl(&["help", topic]);
        assert!(code == 0 && text.contains(part), "{text}");
    }
    let (code, _, errors) = kind_wsl(&["help", "exit-code"]);
    assert_eq!(code, 2);
    assert_eq!(errors, "error: unknown command or topic `exit-code`\nhint: did you mean `exit-codes`?\n");
}

#[test]
fn every_variable_of_the_program_is_in_the_help() {
    let (_, text, _) = kind_wsl(&["help", "environment"]);
    // What the program notes for itself, the builder's, and what only exported files read.
    let own = ["ASKED_PROFILE", "ASSUMED_WSL", "DRIVER", "HANDED", "HELPER", "ID", "PROGRAM", "RUNNING"];
    let exported = ["ROOT", "USER"];
    let built = ["COMMIT", "DATE", "TARGET", "DRIVER_EXE", "HELPER_EXE"];
    let internal = [&own[..], &exported, &built].concat();
    let mut dirs = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut count = 0;
    while let Some(dir) = dirs.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            for rest in source.split("KIND_WSL_").skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
                let name = name.trim_end_matches('_');
                if !name.is_empty() && !internal.contains(&name) {
                    assert!(text.contains(&format!("KIND_WSL_{name} ")), "{}: {name}", path.display());
                    count += 1;
                }
            }
        }
    }
    assert!(count > 3, "{count}");
}

#[test]
fn the_version_is_one_line_and_the_command_shows_the_build() {
    let version = format!("kind-wsl {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(kind_wsl(&["-V"]).1, version);
    assert_eq!(kind_wsl(&["--version"]).1, version);
    let (code, text, _) = kind_wsl(&["version"]);
    assert!(code == 0 && text.starts_with(&version), "{text}");
    for name in ["commit", "date", "target", "catalogue"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
    }
    let json: Value = serde_json::from_str(&kind_wsl(&["version", "--json"]).1).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert!(json["catalogue"].as_str().unwrap() > "2026-11" && json["target"].is_string(), "{json}");
}

#[test]
fn a_dry_run_of_setup_is_the_plan() {
    let case = Case::new(Layout::Modern);
    for flags in ["", "--json", "--only limits --json", "--idle yes --json", "-o json --skip idle"] {
        let plan = case.run(&format!("plan {flags}"));
        let dry = case.refuses(&format!("setup --dry-run {flags}"), plan.code, "");
        assert_eq!(dry.stdout, plan.stdout, "{flags}");
        assert_eq!(
            case.refuses(&format!("setup --yes --dry-run {flags}"), plan.code, "").stdout,
            plan.stdout
        );
    }
}

#[test]
fn a_dry_run_of_undo_shows_what_it_would_do() {
    let case = Case::new(Layout::Modern);
    assert!(case.refuses("undo --dry-run", 0, "").stdout.starts_with("Nothing to undo"));
    case.run(&format!("setup {} --no-restart", agreed())).expect(3, "");
    for flags in ["", "--yes "] {
        let seen = case.refuses(&format!("undo {flags}--dry-run"), 0, "");
        assert!(
            seen.stdout.contains("/etc/wsl.conf") && seen.stdout.contains("Nothing was changed."),
            "{seen:?}"
        );
    }
    let seen = case.refuses("undo --all-users --yes --dry-run", 0, "");
    assert!(seen.stdout.contains("/etc/wsl.conf"), "{seen:?}");
    let seen = case.refuses("undo --dry-run -o json", 0, "");
    let json: Value = serde_json::from_str(&seen.stdout).unwrap();
    assert!(json["event"] == "preview" && json["changes"].as_u64().unwrap() > 5, "{json}");
    assert_eq!(case.run("undo --yes --json").code, 0);
}

#[test]
fn output_json_is_an_alias_and_a_file_for_report_and_export() {
    let case = Case::new(Layout::Modern);
    for command in ["plan", "status", "doctor --only cgroup", "crun list"] {
        let [json, alias] = ["--json", "-o json"].map(|flag| case.run(&format!("{command} {flag}")));
        assert_eq!((json.code, json.stdout), (alias.code, alias.stdout), "{command}");
    }
    let (code, _, errors) = kind_wsl(&["status", "-o", "yaml"]);
    assert!(code == 2 && errors.contains("possible values: json"), "{errors}");
    let (code, _, _) = kind_wsl(&["inspect", "--watch", "-o", "json"]);
    assert_eq!(code, 2, "--watch has no JSON, however it is asked for");
    assert_eq!(case.run("report -o [ROOT]/report.json").code, 0);
    assert!(case.machine.text("/report.json").starts_with('{'));
}
