//! The two functions that quote, on hostile values.

use std::io::Write;
use std::process::{Command, Stdio};

use kind_wsl::export::{Param, Piece, quoted_for_shell, quoted_for_yaml};
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
    "\na",
    "a\n\nb\n\n",
    "  a\n b\n",
    "a: b # c",
    "# c",
    "{{ x }}",
    "é ü 漢字",
    "\u{2028}\u{feff}",
    "tab\there",
    "a\r\nb",
    "*?[x]~!",
    "null",
];

/// What a shell makes of words.
fn by_shell(words: &[String]) -> Vec<String> {
    let text = format!("printf '%s\\0' {}", words.join(" "));
    let output = Command::new("sh").args(["-c", &text]).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    said.strip_suffix('\0').unwrap_or(&said).split('\0').map(ToOwned::to_owned).collect()
}

fn plain(text: &str) -> String {
    quoted_for_shell(&Piece::text(text), &|_: Param| unreachable!())
}

#[test]
fn a_shell_reads_every_hostile_value_as_it_was() {
    let words: Vec<String> = HOSTILE.iter().map(|v| plain(v)).collect();
    assert_eq!(by_shell(&words), HOSTILE);
}

#[test]
fn a_parameter_in_a_word_is_no_word_of_its_own() {
    let pieces = [Piece::Text("a b'".to_owned()), Piece::Param(Param::Home), Piece::Text("/c d".to_owned())];
    let word = quoted_for_shell(&pieces, &|_| "\"$home\"".to_owned());
    let text = format!("home='/h o/me$x'; printf '%s\\0' {word}");
    let output = Command::new("sh").args(["-c", &text]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "a b'/h o/me$x/c d\0");
}

/// Reads the two forms of scalar that are written, after YAML 1.2 (5.7, 8.1), by other means than those that write them.
fn read_yaml(text: &str) -> String {
    if let Some(block) = text.strip_prefix("|2") {
        let (chomp, body) = block.split_once('\n').unwrap();
        let lines: Vec<&str> = body.split('\n').map(|l| l.strip_prefix("    ").unwrap_or(l)).collect();
        let text = lines.join("\n");
        let kept = text.trim_end_matches('\n').to_owned();
        return match chomp {
            "-" => kept,
            "" => kept + "\n",
            "+" => text + "\n",
            other => panic!("{other}"),
        };
    }
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap();
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            assert!(c != '"' && !c.is_control(), "{text}");
            out.push(c);
            continue;
        }
        let kind = chars.next().unwrap();
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        out.push(match kind {
            'n' => '\n',
            't' => '\t',
            '"' | '\\' => kind,
            _ => {
                let code: String = chars.by_ref().take(digits).collect();
                char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap()
            }
        });
    }
    out
}

#[test]
fn yaml_reads_every_hostile_value_as_it_was() {
    for value in HOSTILE {
        assert_eq!(read_yaml(&quoted_for_yaml(value, 2)), value, "{value:?}");
    }
}

/// A real reader, where `tests/fleet/run` names one: it prints the values of the document's keys with NULs between.
#[test]
fn a_real_reader_of_yaml_agrees_where_one_is_named() {
    let mut document = String::from("values:\n");
    for (at, value) in HOSTILE.iter().enumerate() {
        let line = format!("  k{at}: {}\n", quoted_for_yaml(value, 2));
        document.push_str(&line);
    }
    let Some(reader) = std::env::var_os("KIND_WSL_YAML_READER") else {
        // Without one, at least nothing can have left its place.
        assert_eq!(document.lines().filter(|l| l.starts_with("  k")).count(), HOSTILE.len());
        return;
    };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(reader)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let read: Vec<&str> = said.strip_suffix('\0').unwrap_or(&said).split('\0').collect();
    assert_eq!(read, HOSTILE);
}

proptest! {
    #[test]
    fn any_text_survives_yaml(text in "([ \\t\\n'\"#:\\\\a-c{}é\u{2028}\u{85}\u{1f600}-]{0,4}){0,6}") {
        prop_assert_eq!(read_yaml(&quoted_for_yaml(&text, 2)), text);
    }

    #[test]
    fn any_text_survives_a_shell(text in "([ \\n'\"#$`\\\\a-c(){}é~*-]{0,4}){0,6}") {
        prop_assert_eq!(by_shell(&[plain(&text)]), [text]);
    }
}
