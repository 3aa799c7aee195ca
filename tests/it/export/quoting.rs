//! Hostile values in every format.

use std::collections::BTreeMap;
use std::process::Command;

use kind_wsl::export::{Binary, Format, TemplateVars, is_printable};
use kind_wsl::host::quote;
use kind_wsl::stage::answers_in;
use proptest::prelude::*;

const HOSTILE: [&str; 26] = [
    "",
    " ",
    "'",
    "\"",
    "\\",
    "$(touch /tmp/x)",
    "`id`",
    "${HOME}",
    "a'b'c",
    "''",
    "-n",
    "--",
    "\n",
    "a\n",
    "\nend-of-answers\n",
    "{a,b}",
    "  a\n b\n",
    "a: b # c",
    "# c",
    "{{ x }}",
    "é ü 漢字",
    "\u{2028}\u{feff}",
    "tab\there",
    "__SHA256__",
    "*?[x]~!",
    "null",
];

/// The words that bash, which expands more than other shells, makes of a line.
fn by_shell(words: &[String]) -> Vec<String> {
    let text = format!("printf '%s\\0' {}", words.join(" "));
    let output = Command::new("bash").args(["-c", &text]).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    said.strip_suffix('\0').unwrap_or(&said).split('\0').map(ToOwned::to_owned).collect()
}

fn vars(answer: &str) -> TemplateVars {
    TemplateVars {
        user: "dev".to_owned(),
        binary: Binary::Path("/srv/kind-wsl".into()),
        sha256: "0".repeat(64),
        answers: BTreeMap::from([("idle".to_owned(), answer.to_owned())]),
        flags: Vec::new(),
        wsl: Some("2.6.1".parse().unwrap()),
        suite: None,
    }
}

/// The answer in the answers file that a rendered file holds.
fn answer_in(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let at = lines.iter().position(|l| l.starts_with("# Answers of")).unwrap();
    let file = lines[at..].iter().take_while(|l| l.starts_with('#') || l.starts_with("idle"));
    answers_in(&file.copied().collect::<Vec<_>>().join("\n")).unwrap()["idle"].clone()
}

/// Its line, which no shell, YAML or Jinja reads as anything but text.
fn is_inert(text: &str) -> bool {
    let line = text.lines().find(|l| l.trim_start().starts_with("idle")).unwrap();
    let value = line.trim_start().strip_prefix("idle = \"").unwrap().strip_suffix('"').unwrap();
    value.chars().all(|c| c.is_ascii_alphanumeric() || " ./:,+=-_\\".contains(c))
}

#[test]
fn a_shell_reads_every_hostile_value_as_it_was() {
    let words: Vec<String> = HOSTILE.iter().map(|v| quote(v)).collect();
    assert_eq!(by_shell(&words), HOSTILE);
}

#[test]
fn a_hostile_answer_comes_back_from_every_format() {
    for format in Format::ALL {
        for value in HOSTILE {
            let text = format.render(&vars(value));
            assert!(is_inert(&text), "{format:?}: {value:?}");
            assert_eq!(answer_in(&text), value, "{format:?}");
        }
    }
}

#[test]
fn a_value_that_looks_like_a_placeholder_stays_as_it_is() {
    let mut vars = vars("no");
    vars.flags = vec!["--offline=/srv/__SHA256__/__USER__".to_owned()];
    for format in Format::ALL {
        let text = format.render(&vars);
        assert!(text.contains("--offline=/srv/__SHA256__/__USER__"), "{format:?}");
        assert_eq!(text.matches("__").count(), 4, "{format:?}: a placeholder is left in\n{text}");
    }
}

proptest! {
    #[test]
    fn any_answer_comes_back(text in "(\\PC|[\\t\\n'\"#$`\\\\{}%]){0,12}") {
        for format in Format::ALL {
            let rendered = format.render(&vars(&text));
            prop_assert!(is_inert(&rendered));
            prop_assert_eq!(answer_in(&rendered), text.as_str());
        }
    }

    #[test]
    fn any_text_survives_a_shell(text in "([ \\n'\"#$`\\\\a-c(){},é~*-]{0,4}){0,6}") {
        prop_assert_eq!(by_shell(&[quote(&text)]), [text]);
    }

    #[test]
    fn a_printable_text_has_no_line_or_control_character(text in "(\\PC|\\p{C}|\\p{Z}){0,8}") {
        if is_printable(&text) {
            let breaks = |c: char| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
            prop_assert!(!text.chars().any(breaks));
        }
    }
}
