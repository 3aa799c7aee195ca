//! docs/stages.md is what the declarations of the stages say, docs/troubleshooting.md what assets/symptoms.toml does.
//! `UPDATE_DOCS=1 cargo test --test documents` writes both.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fmt::Write;

use kind_wsl::explain::table;
use kind_wsl::explain::table::address;
use kind_wsl::stages::STAGES;

fn stages() -> String {
    let mut text = "# The stages\n\nGenerated from `src/stages/` by `UPDATE_DOCS=1 cargo test --test documents`; in the order in which they are set up.\n".to_owned();
    for stage in STAGES {
        write!(text, "\n## {}: {}\nFrom: {}.\n\n{}\n", stage.id, stage.title, stage.from, stage.why).unwrap();
        if !stage.questions.is_empty() {
            text.push_str("\n| flag | variable | what |\n| --- | --- | --- |\n");
        }
        for question in stage.questions {
            writeln!(text, "| `--{}` | `{}` | {} |", question.flag(), question.variable(), question.help)
                .unwrap();
        }
        if !stage.checks.is_empty() {
            text.push_str("\nAfterwards must hold:\n\n");
        }
        for check in stage.checks {
            writeln!(text, "* {}", check.what).unwrap();
        }
    }
    text
}

/// The message that a pattern stands for, as a person reads it.
fn shown(pattern: &str) -> String {
    let parts: Vec<_> = pattern.split(" && ").map(|part| format!("`{part}`")).collect();
    parts.join(" with ")
}

fn troubleshooting() -> String {
    let table = table().unwrap();
    let mut text = format!(
        "# Known errors\n\n\
         Generated from `assets/symptoms.toml` by `UPDATE_DOCS=1 cargo test --test documents`; collected {}.\n\n\
         `kind-wsl explain` finds the entry for a message, and says whether its cause is on your machine:\n\n    \
         kind-wsl kind create cluster 2>&1 | kind-wsl explain -\n\n\
         `…` stands for what differs. The numbers are names for good, not an order.\n",
        table.collected
    );
    for theme in &table.themes {
        writeln!(text, "\n## {}", theme.title).unwrap();
        for symptom in table.symptoms.iter().filter(|s| s.theme == theme.id) {
            writeln!(text, "\n### {}. {}\n", symptom.row, symptom.title).unwrap();
            for pattern in &symptom.patterns {
                writeln!(text, "* {}", shown(pattern)).unwrap();
            }
            for pattern in &symptom.outer {
                writeln!(text, "* {} (has other causes, too)", shown(pattern)).unwrap();
            }
            if let Some(why) = &symptom.no_message {
                writeln!(text, "\nIt has no message of its own: {why}.").unwrap();
            }
            let threads: Vec<_> = symptom.thread.iter().map(|t| format!("<{}>", address(t))).collect();
            writeln!(
                text,
                "\n**Why:** {}\n\n**Check:** {}\n\n**Fix:** {}\n\n**Threads:** {}",
                symptom.cause,
                symptom.check,
                symptom.fix,
                threads.join(" · ")
            )
            .unwrap();
        }
    }
    text
}

#[track_caller]
fn is_up_to_date(name: &str, wanted: &str) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/{name} is out of date: UPDATE_DOCS=1 cargo test --test documents");
}

#[test]
fn the_document_of_the_stages_is_up_to_date() {
    is_up_to_date("stages.md", &stages());
}

#[test]
fn the_document_of_known_errors_is_up_to_date() {
    is_up_to_date("troubleshooting.md", &troubleshooting());
}
