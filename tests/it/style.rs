//! The texts of the project follow docs/dev/style.md: strings, comments, help, catalogues, documentation, test names.
//!
//! `STYLE=src/cli cargo test --test it style::` lists what breaks a rule below that path, `STYLE=count` counts by directory.

mod extract;
mod planted;
mod rules;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use extract::{Kind, Text};

/// The parts that follow the rules.
const ON: &[&str] = &["assets", "docs", "kind-wsl", "README.md", "src", "tests", "windows/src"];

/// Texts that may break a rule: file, part of the text, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/checks/namespace.rs", "add table inet", "rules for nft"),
    ("src/facts/containers/types.rs", "active_service cgroup_manager", "a list of keys of containers.conf"),
    ("src/redact/info.rs", "host arch buildahVersion", "a list of the fields of podman and docker info"),
    ("windows/src/rescue/mod.rs", "p=$(sed -n", "a shell script"),
];

fn is_exception(text: &Text) -> bool {
    EXCEPTIONS.iter().any(|(file, part, _)| text.file == *file && text.content.contains(part))
}

/// `src/cli/setup.rs` → `src/cli`, `docs/dev/design.md` → `docs/dev`, `kind-wsl setup --help` → `kind-wsl`.
fn directory(file: &str) -> String {
    let file = file.strip_suffix(".rs").unwrap_or(file);
    match file.split_once(' ') {
        Some((command, _)) => command.to_owned(),
        None => file.split('/').take(2).collect::<Vec<_>>().join("/"),
    }
}

#[test]
fn every_text_follows_the_style() {
    let wanted = std::env::var("STYLE").ok();
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut report = String::new();
    for text in extract::all(Path::new(env!("CARGO_MANIFEST_DIR"))).iter().filter(|text| !is_exception(text))
    {
        let is_on = match &wanted {
            Some(prefix) => text.file.starts_with(prefix),
            None => ON.iter().any(|prefix| text.file.starts_with(prefix)),
        };
        for (rule, words, instead) in rules::check(text) {
            *counts.entry(directory(&text.file)).or_default().entry(rule).or_default() += 1;
            if is_on {
                let shown = text.content.replace('\n', " ");
                let _ = writeln!(
                    report,
                    "{}:{}: {rule}: “{words}” → {instead}\n    {shown}",
                    text.file, text.line
                );
            }
        }
    }
    if wanted.as_deref() == Some("count") {
        for (directory, rules) in &counts {
            let _ = writeln!(report, "{:5} {directory} {rules:?}", rules.values().sum::<usize>());
        }
    }
    assert!(report.is_empty(), "texts that break a rule of docs/dev/style.md:\n{report}");
}

#[test]
fn each_planted_sentence_breaks_its_rule() {
    for (rule, kind, sentence) in planted::BROKEN {
        let is_help = rule == "R4";
        let file = if is_help { "kind-wsl --help" } else { "src/lib.rs" };
        let text = Text { file: file.to_owned(), line: 1, kind, content: sentence.to_owned() };
        let broken = rules::check(&text);
        assert!(
            broken.iter().any(|(found, ..)| *found == rule),
            "{rule} does not find: {sentence}\n{broken:?}"
        );
    }
}

#[test]
fn plain_sentences_break_no_rule() {
    for (kind, sentence) in planted::FINE {
        let text = Text { file: "src/lib.rs".to_owned(), line: 1, kind, content: sentence.to_owned() };
        assert_eq!(rules::check(&text), [], "{sentence}");
    }
}

#[test]
fn a_planted_text_is_found_in_every_kind_of_file() {
    let source = r##"
        /// Sets up
        /// a machine.
        fn f<'a>() { g("one \
            two\n", '"', r#"three "four" more"#, b"and five"); } // trailing
        #[cfg(test)]
mod tests {
    #[test]
    fn it_works() { assert!(true, "data"); }
}
    "##;
    let mut texts = Vec::new();
    extract::rust("src/lib.rs", source, &mut texts);
    let found: Vec<_> = texts.iter().map(|text| (text.line, text.kind, text.content.as_str())).collect();
    let expected = [
        (2, Kind::Comment, "Sets up\na machine.\n"),
        (4, Kind::Screen, "one two\n"),
        (5, Kind::Screen, "three \"four\" more"),
        (5, Kind::Screen, "and five"),
        (5, Kind::Comment, "trailing\n"),
        (9, Kind::TestName, "it works"),
    ];
    assert_eq!(found, expected);
}
