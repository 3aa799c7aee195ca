//! No shell is given a string that we did not write. Read from the sources themselves, so that a new one is noticed.

use std::path::{Path, PathBuf};

/// Where a shell is named in the program, and why that is none of data. docs/dev/attacks.md lists the same.
const NAMED: [(&str, &str); 12] = [
    // The wrapper script: our own path in single quotes, with `'\''` for a quote in it.
    ("src/stages/tools.rs", "#!/bin/sh"),
    // The user's login shell prints its PATH, as the user: a constant.
    ("src/facts/path.rs", "\"-l\", \"-i\", \"-c\", "),
    // Names of shells and their start files, in texts for the user.
    ("src/facts/path.rs", "\"bash\" if exists"),
    ("src/facts/path.rs", "\"bash\" | \"sh\" | \"dash\" | \"ksh\" => Some"),
    // A command that the user may run, in a bug form.
    ("src/cli/issue.rs", "<!-- Run `cmd.exe /c ver`. -->"),
    // The shell that a report gives to an account whose own would tell who it is; nothing starts it.
    ("src/redact/names.rs", "/bin/sh"),
    // The shell of an account whose entry names none.
    ("src/host/account.rs", "/bin/sh"),
    // Windows' command prompt: one line of a system path, names of [A-Za-z0-9._-] and a path of [A-Za-z0-9._/-].
    ("src/cli/restart/hands.rs", "cmd.exe"),
    // The container probe, as the user: a constant, with the bytes of the test program as octal escapes of printf.
    ("src/checks/container.rs", "\"sh\", \"-c\", script.as_str()"),
    // In a node, not here: two calls of crictl in one go, a constant.
    ("src/inspect/pods.rs", "\"sh\", \"-c\", ASK"),
    // In a node, not here: the repair of its address, a constant of assets.
    ("src/cluster/start.rs", "\"sh\", \"-c\", REPAIR"),
    // In a node, not here: its addresses, a constant.
    ("src/checks/clusters.rs", "\"sh\", \"-c\", BOTH"),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file that are program: no comments, no tests.
fn program(text: &str) -> impl Iterator<Item = &str> {
    let own = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    own.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn a_shell_is_started_only_with_a_stated_reason() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&top.join("src"), &mut files);
    assert!(files.len() > 80, "the sources were not found");
    let shells = [
        "\"sh\"",
        "\"bash\"",
        "\"dash\"",
        "/bin/sh",
        "/bin/bash",
        "\"-c\"",
        "cmd.exe",
        "powershell.exe",
        "\"eval\"",
    ];
    let mut unargued = Vec::new();
    let mut argued = 0;
    for file in files {
        let name = file.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        // What people paste is looked for there, and nothing is run.
        // An export is a text for others to run; its values are quoted for each place (tests/it/export.rs).
        if name.starts_with("src/explain") || name.starts_with("src/export") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for line in program(&text).filter(|line| shells.iter().any(|shell| line.contains(shell))) {
            if NAMED.iter().any(|(path, what)| name == *path && line.contains(what)) {
                argued += 1;
            } else {
                unargued.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    assert_eq!(unargued, Vec::<String>::new(), "say in docs/dev/attacks.md why no data comes into it");
    assert!(argued >= NAMED.len(), "{argued}");
}

/// The files that we write for a shell or for systemd are constants: nothing is filled in.
#[test]
fn texts_for_shells_and_systemd_have_no_inserted_values() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/files");
    let mut count = 0;
    for entry in std::fs::read_dir(top).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("{}") && !text.contains("{{"), "{text}");
        count += 1;
    }
    assert!(count >= 2, "{count}");
}
