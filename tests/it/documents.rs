//! The pages in docs/reference match their sources, and links lead to files.
//! `UPDATE_DOCS=1 cargo test --test it documents::` writes these pages.

use std::fmt::Write;

use kind_wsl::checks::verify;
use kind_wsl::explain::causes::checks;
use kind_wsl::explain::table::address;
use kind_wsl::explain::{EntryKind, Symptom, Table, table};
use kind_wsl::fix::Advice;
use kind_wsl::provider::Provider;
use kind_wsl::stages::STAGES;

fn stages() -> String {
    let mut text = "# Stages\n\nSetup applies these stages in this order. `kind-wsl explain STAGE` shows why a stage is needed on your machine.\n\nThe *upstream guide* is the article that [Where a cluster lives](../explanation/deep-dive.md#the-upstream-guide) describes. *kind docs* is kind's page [Rootless](https://kind.sigs.k8s.io/docs/user/rootless/).\n".to_owned();
    for stage in STAGES {
        write!(text, "\n## {}: {}\n\nSource: {}.\n\n{}\n", stage.id, stage.title, stage.from, stage.why)
            .unwrap();
        if !stage.questions.is_empty() {
            text.push_str("\n| option | variable | effect |\n| --- | --- | --- |\n");
        }
        for question in stage.questions {
            writeln!(text, "| `--{}` | `{}` | {} |", question.flag(), question.variable(), question.help)
                .unwrap();
        }
        if stage.id == "verify" {
            text.push_str("\nRequirements after setup:\n\n");
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
    let mut text = "# Commands\n\n`kind-wsl help COMMAND` prints the same text.\n".to_owned();
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
    format!(
        "# {title}\n\n`kind-wsl help {name}` prints the same text.\n\n```text\n{}\n```\n",
        text.trim_end()
    )
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
         `kind-wsl explain` finds the entry for a message, and reports whether your machine is affected:\n\n    \
         kind-wsl kind create cluster 2>&1 | kind-wsl explain\n\n\
         `kind-wsl explain KW001` prints one entry. In a message, `…` stands for any text. An ID never changes its meaning:\n\n\
         * KW001 to KW199: a message with a known cause.\n\
         * KW200 to KW299: a family of messages, with the component that failed and its checks.\n\
         * KW300 to KW399: a harmless message.\n\n\
         The messages were collected on {}.\n",
        table.collected
    );
    for theme in &table.themes {
        writeln!(text, "\n## {}", theme.title).unwrap();
        for symptom in table.symptoms.iter().filter(|s| s.theme == theme.id) {
            writeln!(text, "\n### {}: {}\n", symptom.id, symptom.title).unwrap();
            if symptom.kind == EntryKind::Family {
                writeln!(text, "Messages of {}.\n", table.component(symptom)).unwrap();
            }
            for pattern in &symptom.patterns {
                writeln!(text, "* {}", shown(pattern)).unwrap();
            }
            for pattern in &symptom.outer {
                writeln!(text, "* {} (also has other causes)", shown(pattern)).unwrap();
            }
            for pattern in &symptom.boilerplate {
                writeln!(text, "* {} (the same text for every cause)", shown(pattern)).unwrap();
            }
            if let Some(why) = &symptom.no_message {
                writeln!(text, "\nNo message of its own: {why}.").unwrap();
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

/// Every document of the project.
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

/// The name by which a link leads to a heading, as GitHub and mdBook build it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_in_the_documents_leads_to_a_file_and_a_heading() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let path = match file {
                "" => document.clone(),
                _ => document.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {link}", document.display());
            if !heading.is_empty() {
                let target = std::fs::read_to_string(&path).unwrap();
                let is_there = target.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(is_there, "{}: {link}", document.display());
            }
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

/// Paths of the examples in docs/dev/design.md and docs/CONTRIBUTING.md.
const EXAMPLES: [&str; 6] = [
    "src/stages/maps.rs",
    "src/change/run.rs",
    "tests/stages/maps.rs",
    "tests/stages/ID.rs",
    "tests/bench/NAME.py",
    "tests/it/NAME.rs",
];

#[test]
fn every_path_in_the_documents_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for word in text.split('`').skip(1).step_by(2).flat_map(str::split_ascii_whitespace) {
            let path = word.trim_end_matches(['.', ',', ':', ';']).split('#').next().unwrap();
            let is_ours = ["src/", "tests/", "docs/", "assets/", "windows/", ".ci/"]
                .iter()
                .any(|dir| path.starts_with(dir));
            // Sources of other programs have a line behind their name.
            if is_ours && !path.contains(['*', '{', '…', ':']) && !EXAMPLES.contains(&path) {
                count += 1;
                assert!(root.join(path).exists(), "{}: `{path}`", document.display());
            }
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_type_in_the_glossary_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    let mut dirs = vec![root.join("src")];
    while let Some(dir) = dirs.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                dirs.push(path);
            } else {
                source += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let design = std::fs::read_to_string(root.join("docs/dev/design.md")).unwrap();
    let (_, glossary) = design.split_once("## Glossary").unwrap();
    let (glossary, _) = glossary.split_once("\n## ").unwrap();
    let names = glossary.split('`').skip(1).step_by(2).filter(|name| {
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(char::is_alphanumeric)
    });
    let mut count = 0;
    for name in names {
        count += 1;
        let is_declared =
            ["struct", "enum", "trait"].iter().any(|kind| source.contains(&format!("{kind} {name}")));
        assert!(is_declared, "docs/dev/design.md: `{name}`");
    }
    assert!(count > 15, "{count}");
}

#[test]
fn the_readme_is_short_and_links_every_how_to() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.lines().count() <= 90, "{}", readme.lines().count());
    for path in documents() {
        let Ok(name) = path.strip_prefix(root) else { continue };
        let link = format!("]({})", name.display());
        assert!(!name.starts_with("docs/how-to") || readme.contains(&link), "README.md: {link}");
    }
}
