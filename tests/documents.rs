//! docs/stages.md is what the declarations of the stages say. `UPDATE_DOCS=1 cargo test --test documents` writes it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fmt::Write;

use kind_wsl::stages::STAGES;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/stages.md");

fn rendered() -> String {
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

#[test]
fn the_document_of_the_stages_is_up_to_date() {
    let wanted = rendered();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(found == wanted, "docs/stages.md is out of date: UPDATE_DOCS=1 cargo test --test documents");
}
