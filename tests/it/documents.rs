//! docs/reference/stages.md is what the declarations of the stages say, docs/reference/known-errors.md what assets/symptoms.toml does.
//! `UPDATE_DOCS=1 cargo test --test it documents::` writes both.

use std::fmt::Write;

use kind_wsl::checks::verify;
use kind_wsl::explain::causes::checks;
use kind_wsl::explain::table::address;
use kind_wsl::explain::{EntryKind, Symptom, Table, table};
use kind_wsl::fix::Advice;
use kind_wsl::provider::Provider;
use kind_wsl::stages::STAGES;

fn stages() -> String {
    let mut text = "# The stages\n\nGenerated from `src/stages/` by `UPDATE_DOCS=1 cargo test --test it documents::`; in the order in which they are set up.\n".to_owned();
    for stage in STAGES {
        write!(text, "\n## {}: {}\nFrom: {}.\n\n{}\n", stage.id, stage.title, stage.from, stage.why).unwrap();
        if !stage.questions.is_empty() {
            text.push_str("\n| flag | variable | what |\n| --- | --- | --- |\n");
        }
        for question in stage.questions {
            writeln!(text, "| `--{}` | `{}` | {} |", question.flag(), question.variable(), question.help)
                .unwrap();
        }
        if stage.id == "verify" {
            text.push_str("\nAfterwards must hold:\n\n");
            let mut titles = Vec::new();
            for check in Provider::ALL.into_iter().flat_map(verify) {
                if !titles.contains(&check.title) {
                    writeln!(text, "* {}", check.title).unwrap();
                    titles.push(check.title);
                }
            }
        }
    }
    text
}

/// The help of every command that is shown.
fn commands() -> String {
    let mut text = "# Commands\n\nGenerated from `kind-wsl help COMMAND`.\n".to_owned();
    let mut command = kind_wsl::cli::command();
    command.build();
    let mut helps = vec![("kind-wsl".to_owned(), command.render_help().to_string())];
    for sub in command.get_subcommands_mut() {
        let name = format!("kind-wsl {}", sub.get_name());
        helps.push((name.clone(), sub.render_help().to_string()));
        for sub in sub.get_subcommands_mut() {
            helps.push((format!("{name} {}", sub.get_name()), sub.render_help().to_string()));
        }
    }
    for (name, help) in helps {
        let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
        write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    }
    text
}

/// A topic of the help as a page.
fn topic(name: &str) -> String {
    let text = kind_wsl::cli::help_topic(name).unwrap();
    let (title, text) = text.split_once("\n\n").unwrap();
    format!("# {title}\n\nGenerated from `kind-wsl help {name}`.\n\n```text\n{}\n```\n", text.trim_end())
}

/// The message that a pattern stands for, as a person reads it.
fn shown(pattern: &str) -> String {
    let parts: Vec<_> = pattern.split(" && ").map(|part| format!("`{part}`")).collect();
    parts.join(" with ")
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// What fixes it, as one line.
fn fix(symptom: &Symptom) -> String {
    let command = symptom.remedy().map(|fix| format!("`{}`", Advice::from(&[fix][..]).text()));
    command.unwrap_or_else(|| symptom.fix.trim().to_owned())
}

/// Message, ID, check and fix of every entry.
fn lookup(table: &Table) -> String {
    let mut text =
        "\n## All messages\n\n| message | ID | checks of kind-wsl | fix |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for symptom in &table.symptoms {
        let all = [&symptom.patterns, &symptom.outer, &symptom.boilerplate];
        let message = all.into_iter().flatten().next().unwrap();
        let checks: Vec<_> = checks(symptom.id).iter().map(|check| format!("`{}`", check.id)).collect();
        let (message, fix) = (cell(&shown(message)), cell(&fix(symptom)));
        writeln!(text, "| {message} | {} | {} | {fix} |", symptom.id, checks.join(", ")).unwrap();
    }
    text
}

fn troubleshooting() -> String {
    let table = table().unwrap();
    let mut text = format!(
        "# Known errors\n\n\
         Generated from `assets/symptoms.toml` and `assets/families.toml` by `UPDATE_DOCS=1 cargo test --test it documents::`; \
         collected {}.\n\n\
         `kind-wsl explain` finds the entry for a message, and reports whether its cause is on your machine:\n\n    \
         kind-wsl kind create cluster 2>&1 | kind-wsl explain\n\n\
         `kind-wsl explain KW001` prints one entry. `…` stands for what differs. An ID never changes its meaning. KW001 to KW199 are \
         messages with a known cause, KW200 to KW299 families (which component failed, and where to look), and KW300 to KW399 are \
         harmless.\n",
        table.collected
    );
    for theme in &table.themes {
        writeln!(text, "\n## {}", theme.title).unwrap();
        for symptom in table.symptoms.iter().filter(|s| s.theme == theme.id) {
            writeln!(text, "\n### {}: {}\n", symptom.id, symptom.title).unwrap();
            if symptom.kind == EntryKind::Family {
                writeln!(text, "A family: messages of {}.\n", table.component(symptom)).unwrap();
            }
            for pattern in &symptom.patterns {
                writeln!(text, "* {}", shown(pattern)).unwrap();
            }
            for pattern in &symptom.outer {
                writeln!(text, "* {} (has other causes, too)", shown(pattern)).unwrap();
            }
            for pattern in &symptom.boilerplate {
                writeln!(text, "* {} (fixed text, whatever the cause is)", shown(pattern)).unwrap();
            }
            if let Some(why) = &symptom.no_message {
                writeln!(text, "\nIt has no message of its own: {why}.").unwrap();
            }
            // A block of its own, to be copied as it is.
            let command = symptom.remedy().map(|fix| Advice::from(&[fix][..]));
            let command = command.map_or_else(|| " ".to_owned(), |run| format!("\n\n    {}\n\n", run.text()));
            let threads: Vec<_> = symptom.thread.iter().map(|t| format!("<{}>", address(t))).collect();
            writeln!(
                text,
                "\n**Why:** {}\n\n**Check:** {}\n\n**Fix:**{}\n\n**Threads:** {}",
                symptom.cause,
                symptom.check,
                format!("{command}{}", symptom.fix).trim_end(),
                threads.join(" · ")
            )
            .unwrap();
        }
    }
    text + &lookup(table)
}

#[track_caller]
fn is_up_to_date(name: &str, wanted: &str) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/{name} is out of date: UPDATE_DOCS=1 cargo test --test it documents::");
}

#[test]
fn the_document_of_the_stages_is_up_to_date() {
    is_up_to_date("reference/stages.md", &stages());
}

#[test]
fn the_document_of_the_commands_is_up_to_date() {
    is_up_to_date("reference/commands.md", &commands());
}

#[test]
fn the_documents_of_the_help_topics_are_up_to_date() {
    for name in ["answers", "environment", "exit-codes"] {
        is_up_to_date(&format!("reference/{name}.md"), &topic(name));
    }
}

#[test]
fn the_document_of_known_errors_is_up_to_date() {
    is_up_to_date("reference/known-errors.md", &troubleshooting());
}

/// Every document of ours, by its path in the repository.
fn documents() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let markdown = |dir: &std::path::Path| {
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "md")).collect::<Vec<_>>()
    };
    let docs = root.join("docs");
    let below =
        std::fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let dirs = below.chain([docs.clone(), root.to_owned(), root.join("assets"), root.join("windows")]);
    dirs.flat_map(|dir| markdown(&dir)).collect()
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(document.parent().unwrap().join(file).exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn every_document_is_in_the_table_of_contents() {
    let contents = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SUMMARY.md")).unwrap();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    for document in documents().iter().filter_map(|path| path.strip_prefix(docs).ok()) {
        let name = document.to_str().unwrap();
        let link = format!("]({name})");
        let is_named = name == "SUMMARY.md" || contents.contains(&link);
        assert!(is_named, "docs/{name} is not in docs/SUMMARY.md");
    }
}
