//! Every command that kind-wsl recommends: it is valid shell, it exists, and it has something to do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use clap::error::ErrorKind::{
    self, DisplayHelpOnMissingArgumentOrSubcommand as NO_COMMAND, MissingRequiredArgument as NO_ARGUMENT,
};
use kind_wsl::cli::command;
use kind_wsl::explain;
use kind_wsl::facts::Facts;
use kind_wsl::fix::Advice;
use kind_wsl::stages;
use serde_json::Value;

use crate::support::cli::{Case, agreed};
use crate::support::{Layout, Machine};

/// What answers may depend on.
static FACTS: LazyLock<Facts> = LazyLock::new(|| Machine::new(Layout::Modern).facts());

/// Machines that are set up, and then lost something.
fn set_up() -> Vec<(&'static str, Case)> {
    let set_up = |layout, flags: &str| {
        let case = Case::new(layout);
        case.run(&format!("setup {flags} {}", agreed()));
        case.machine.boot(2);
        case.run("setup --yes");
        case
    };
    let runc = "[engine]\nruntime = \"runc\"\n";
    let case = set_up(Layout::Isolated, "");
    let in_session = set_up(Layout::Plain, "").file("/run/user/1000/bus", "");
    let _ = std::os::unix::fs::chown(in_session.machine.path("/run/user/1000"), Some(1000), Some(1000));
    let fewer = set_up(Layout::Isolated, "")
        .file("/etc/subuid", "")
        .file("/fake/packages", "libc6 2.36\nsystemd 252.39-1\n");
    std::fs::remove_file(fewer.machine.path("/usr/bin/podman")).unwrap();
    vec![
        ("another runtime", case.file("/home/dev/.config/containers/containers.conf", runc)),
        ("a session of WSLg", in_session.env("XDG_RUNTIME_DIR", "/mnt/wslg/runtime-dir")),
        ("subordinate IDs and packages lost", fewer),
        ("docker", set_up(Layout::Plain, "--provider docker")),
    ]
}

/// New machines.
fn new() -> Vec<(&'static str, Case)> {
    let cmdline = "systemd.unified_cgroup_hierarchy=0 ipv6.disable=1\n";
    let mut machines: Vec<_> = Layout::ALL.map(|layout| ("new", Case::new(layout))).into();
    machines.push((
        "cgroup v1 by the kernel's command line",
        Case::new(Layout::Plain).file("/proc/cmdline", cmdline),
    ));
    machines
}

fn checks(case: &Case) -> Vec<Value> {
    let seen = case.run("doctor --json");
    let document: Value =
        serde_json::from_str(&seen.stdout).unwrap_or_else(|e| panic!("{e}: {}", seen.stderr));
    document["checks"].as_array().unwrap().clone()
}

/// What is in backticks.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[track_caller]
fn is_shell(line: &str) {
    let checked = Command::new("bash").args(["-n", "-c", line]).output().unwrap();
    assert!(checked.status.success(), "{line}: {}", String::from_utf8_lossy(&checked.stderr));
    let program = line.split_ascii_whitespace().next().unwrap();
    let is_program =
        program.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c));
    assert!(
        is_program && !line.contains(", ") && !line.ends_with(['.', ':']),
        "a sentence as a command: {line}"
    );
}

/// Whether the last word stands for something else, or lacks what follows it.
fn is_open(words: &[&str]) -> bool {
    words.last().is_some_and(|word| word.starts_with("--") || word.chars().all(char::is_uppercase))
}

/// Parses each command of ours in a line as we do ourselves: the stages, flags and answers in it exist.
#[track_caller]
fn parses(line: &str, place: &str) {
    for part in line.split(" | ").flat_map(|part| part.split(" && ")) {
        let part = part.trim().trim_start_matches("sudo ");
        if !part.starts_with("kind-wsl ") || part.contains(['{', '…']) {
            continue;
        }
        let words = part.split_ascii_whitespace().take_while(|word| !word.starts_with(['>', '#']));
        let words: Vec<_> =
            words.filter(|word| *word != "2>&1").map(|word| word.trim_matches(['\'', '"'])).collect();
        if words.get(1) == Some(&"kind") {
            continue;
        }
        let matches = match command().try_get_matches_from(&words) {
            Ok(matches) => matches,
            // A name of a command, or its help.
            Err(e) if !e.use_stderr() || matches!(e.kind(), NO_ARGUMENT | NO_COMMAND) => continue,
            // A word in capitals stands for what the user has to put there; a flag at the end may be its name alone.
            Err(e) if e.kind() == ErrorKind::InvalidValue && is_open(&words) => continue,
            Err(e) => panic!("{place}: {part}: {e}"),
        };
        let Some((name, matches)) = matches.subcommand() else { continue };
        if !["setup", "plan", "export"].contains(&name) {
            continue;
        }
        for list in ["only", "skip"] {
            for id in matches.get_many::<String>(list).into_iter().flatten() {
                let is_known = id.chars().all(char::is_uppercase) || stages::by_id(id).is_ok();
                assert!(is_known, "{place}: {part}: no stage {id}");
            }
        }
        for question in stages::questions() {
            let Some(answer) = matches.get_one::<String>(question.id) else { continue };
            for answer in answer.split('|').filter(|a| !a.chars().all(|c| c.is_uppercase() || c == '/')) {
                question.accept(answer, &FACTS).unwrap_or_else(|e| panic!("{place}: {part}: {e}"));
            }
        }
    }
}

#[test]
fn every_fix_of_doctor_is_one_command_that_has_something_to_do_or_a_sentence() {
    for (name, case) in new().into_iter().chain(set_up()) {
        for check in checks(&case) {
            let (fix, command) = (check["fix"].as_str().unwrap(), check["command"].as_str());
            if let Some(line) = command {
                assert_eq!(line, fix);
                assert!(!line.contains('`'), "{name}: {line}");
                is_shell(line);
            }
            for line in command.into_iter().chain(spans(fix)) {
                parses(line, name);
                has_something_to_do(&case, line, &format!("{name}: {check}"));
            }
        }
    }
}

/// Plans a setup of chosen stages that was recommended. Blocked counts: the setup then says what to do.
#[track_caller]
fn has_something_to_do(case: &Case, line: &str, place: &str) {
    let Some(flags) = line.strip_prefix("kind-wsl setup ").filter(|flags| flags.starts_with("--only")) else {
        return;
    };
    let seen = case.run(&format!("plan {flags} --exit-code -q"));
    let is_of_use = matches!(seen.code, 1 | 4) || seen.stdout.contains(" needed ");
    assert!(is_of_use, "{place}: {line}\n{}{}", seen.stdout, seen.stderr);
}

#[test]
fn every_fix_of_a_symptom_is_one_command_that_exists_or_a_sentence() {
    for symptom in &explain::table().unwrap().symptoms {
        if let Some(fix) = symptom.remedy().map(|fix| Advice::from(&[fix][..])) {
            let line = fix.command().unwrap();
            is_shell(line);
            parses(line, &symptom.title);
        }
        for text in [&symptom.fix, &symptom.check, &symptom.cause] {
            for span in spans(text) {
                parses(span, &symptom.title);
            }
        }
    }
}

#[test]
fn a_setup_that_explain_recommends_for_this_machine_has_something_to_do() {
    let messages: Vec<String> = {
        let patterns = explain::table().unwrap().symptoms.iter().filter_map(|s| s.patterns.first());
        patterns.map(|pattern| pattern.replace(" && ", "\n").replace('…', "x")).collect()
    };
    let mut present = 0;
    for (name, case) in new() {
        case.machine.write("/log", messages.join("\n"));
        let seen = case.run("explain --json [ROOT]/log").expect(0, "");
        let document: Value = serde_json::from_str(&seen.stdout).unwrap();
        for symptom in document["symptoms"].as_array().unwrap() {
            if let Some(line) = symptom["command"].as_str().filter(|_| symptom["present"] == true) {
                present += usize::from(line.starts_with("kind-wsl setup --only"));
                has_something_to_do(&case, line, &format!("{name}: {symptom}"));
            }
        }
    }
    assert!(present > 5, "{present}");
}

#[test]
fn every_kind_wsl_command_in_the_source_and_the_documents_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = vec![root.join("README.md")];
    let mut dirs = vec![root.join("src"), root.join("docs")];
    while let Some(dir) = dirs.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs" || e == "md") && !path.ends_with("design.md")
            {
                files.push(path);
            }
        }
    }
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            // An indented line of a document is a command to type.
            let block = line.strip_prefix("    ").filter(|_| file.extension().is_some_and(|e| e == "md"));
            for span in spans(line).into_iter().chain(block).filter(|span| span.starts_with("kind-wsl ")) {
                found += 1;
                parses(span, &format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn a_failure_shows_a_command_alone() {
    let case = Case::new(Layout::Isolated).typed_by_somebody();
    let seen = case.run("kind version");
    assert!(seen.stderr.ends_with("\nhint: kind-wsl kind version\n"), "{}", seen.stderr);
}
