//! Finds the texts: strings, comments and test names of Rust files, TOML values, Markdown paragraphs and the help.

use std::fs;
use std::path::Path;

use toml_edit::{Document, Item, Value};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Shown to a user.
    Screen,
    Comment,
    Docs,
    TestName,
}

#[derive(Debug)]
pub struct Text {
    /// The path below the repository, or the command whose help it is.
    pub file: String,
    pub line: usize,
    pub kind: Kind,
    pub content: String,
}

/// The files below `dir` with this extension.
fn files(root: &Path, dir: &str, extension: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(dir)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{dir}/{}", entry.file_name().to_str().unwrap());
        // Snapshots and captured files are data.
        if entry.file_type().unwrap().is_dir() {
            if !["tests/data", "tests/stages/snapshots"].contains(&path.as_str())
                && !path.ends_with("/target")
            {
                files(root, &path, extension, found);
            }
        } else if path.ends_with(extension) {
            found.push(path);
        }
    }
}

/// Every text of the project.
pub fn all(root: &Path) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut found = Vec::new();
    for dir in ["src", "windows/src", "tests"] {
        files(root, dir, ".rs", &mut found);
    }
    files(root, "docs", ".md", &mut found);
    files(root, "assets", ".toml", &mut found);
    found.extend(["README.md".to_owned(), "assets/README.md".to_owned()]);
    found.sort();
    for file in found {
        let content = fs::read_to_string(root.join(&file)).unwrap();
        match file.rsplit('.').next() {
            Some("rs") => rust(&file, &content, &mut texts),
            Some("toml") => toml(&file, &content, &mut texts),
            _ => markdown(&file, &content, &mut texts),
        }
    }
    help(kind_wsl::cli::command(), "kind-wsl", &mut texts);
    texts
}

/// The tokens of a Rust file that hold text. Of files below tests/ only the names of the tests.
pub fn rust(file: &str, source: &str, texts: &mut Vec<Text>) {
    let is_test_file = file.starts_with("tests/") || file.contains("/tests/") || file.ends_with("/tests.rs");
    let tests = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let is_test = |at: usize| is_test_file || at >= tests;
    let (mut line, mut counted) = (1, 0);
    let mut push = |at: usize, kind, text: String| {
        if kind == Kind::TestName || !file.starts_with("tests/") {
            line += source[counted..at].matches('\n').count();
            counted = at;
            texts.push(Text { file: file.to_owned(), line, kind, content: text });
        }
    };
    let bytes = source.as_bytes();
    let mut at = 0;
    // The comment lines that follow each other without code in between are one text.
    let mut comment: Option<(usize, String)> = None;
    while at < bytes.len() {
        let rest = &source[at..];
        if let Some(line) = rest.strip_prefix("//") {
            let end = line.find('\n').unwrap_or(line.len());
            let content = line[..end].trim_start_matches(['/', '!']).trim();
            let (_, text) = comment.get_or_insert_with(|| (at, String::new()));
            text.push_str(content);
            text.push('\n');
            at += 2 + end;
            continue;
        }
        let c = bytes[at];
        if c.is_ascii_whitespace() {
            let is_gap = rest.starts_with("\n\n");
            at += 1;
            if !is_gap {
                continue;
            }
        }
        if let Some((start, text)) = comment.take() {
            push(start, Kind::Comment, text);
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if c == b'"' {
            let end = string_end(bytes, at);
            // A single word is a key or an identifier.
            if !is_test(at) && source[at..end].contains(' ') {
                push(at, Kind::Screen, unescaped(&source[at + 1..end - 1]));
            }
            at = end;
        } else if c == b'\'' {
            at += char_end(rest);
        } else if let Some((start, quote)) = raw_string(rest) {
            let start = at + start;
            let end = start + source[start..].find(&quote).unwrap();
            if !is_test(at) {
                push(at, Kind::Screen, source[start..end].to_owned());
            }
            at = end + quote.len();
        } else if c.is_ascii_alphabetic() || c == b'_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let before = source[..at].trim_end();
            if before.ends_with("#[test]\nfn") || before.ends_with("#[test]\n    fn") {
                push(at, Kind::TestName, rest[..end].replace('_', " "));
            }
            at += end;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    if let Some((start, text)) = comment {
        push(start, Kind::Comment, text);
    }
}

/// Behind the closing quote of the string that starts here.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a character literal, or of the quote of a lifetime.
fn char_end(rest: &str) -> usize {
    if let Some(escaped) = rest.strip_prefix("'\\") {
        return 2 + escaped[1..].find('\'').unwrap() + 2;
    }
    let mut chars = rest.char_indices().skip(2);
    match chars.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

/// The start of the contents of a raw string that starts here, and what ends it.
fn raw_string(rest: &str) -> Option<(usize, String)> {
    let after = rest.trim_start_matches('b').strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let start = rest.len() - after.len() + hashes + 1;
    after[hashes..].starts_with('"').then(|| (start, format!("\"{}", "#".repeat(hashes))))
}

/// The text of a string literal, with line continuations removed.
fn unescaped(literal: &str) -> String {
    let mut text = String::new();
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('t' | 'r' | 'e' | '0')) => text.push(' '),
            ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some('u' | 'x')) => text.push('·'),
            ('\\', Some(other)) => text.push(other),
            _ => text.push(c),
        }
    }
    text
}

/// Fields whose values quote other programs or name sources.
const QUOTES: [&str; 7] = ["patterns", "example", "examples", "thread", "source", "sources", "url"];

fn toml(file: &str, source: &str, texts: &mut Vec<Text>) {
    let line = |at: usize| 1 + source[..at].matches('\n').count();
    let mut comment = String::new();
    for (number, content) in source.lines().enumerate() {
        if let Some(content) = content.strip_prefix('#') {
            comment.push_str(content.trim());
            comment.push('\n');
        } else if !comment.is_empty() {
            let text = std::mem::take(&mut comment);
            texts.push(Text { file: file.to_owned(), line: number, kind: Kind::Comment, content: text });
        }
    }
    let document = Document::parse(source).unwrap();
    let mut strings = Vec::new();
    item(document.as_item(), &mut strings);
    for (at, text) in strings.into_iter().filter(|(_, text)| text.contains(' ')) {
        // A line break of a multi-line value may be within a sentence.
        let text = text.replace('\n', " ");
        texts.push(Text { file: file.to_owned(), line: line(at), kind: Kind::Screen, content: text });
    }
}

fn item(of: &Item, found: &mut Vec<(usize, String)>) {
    match of {
        Item::Value(v) => value(v, found),
        Item::Table(table) => {
            table.iter().filter(|(key, _)| !QUOTES.contains(key)).for_each(|(_, i)| item(i, found));
        }
        Item::ArrayOfTables(tables) => {
            for table in tables {
                table.iter().filter(|(key, _)| !QUOTES.contains(key)).for_each(|(_, i)| item(i, found));
            }
        }
        Item::None => {}
    }
}

fn value(of: &Value, found: &mut Vec<(usize, String)>) {
    match of {
        Value::String(text) => found.push((of.span().unwrap_or_default().start, text.value().clone())),
        Value::Array(array) => array.iter().for_each(|v| value(v, found)),
        Value::InlineTable(table) => {
            table.iter().filter(|(key, _)| !QUOTES.contains(key)).for_each(|(_, v)| value(v, found));
        }
        _ => {}
    }
}

fn markdown(file: &str, source: &str, texts: &mut Vec<Text>) {
    let mut fence = false;
    let mut paragraph: Option<(usize, String)> = None;
    for (number, line) in source.lines().chain([""]).enumerate() {
        let line = line.trim();
        let is_fence = line.starts_with("```");
        let is_own =
            line.starts_with(['#', '|', '-', '*', '>']) || line.starts_with(|c: char| c.is_ascii_digit());
        if (line.is_empty() || is_fence || is_own)
            && let Some((line, text)) = paragraph.take()
        {
            texts.push(Text { file: file.to_owned(), line, kind: Kind::Docs, content: text });
        }
        fence ^= is_fence;
        if !line.is_empty() && !is_fence && !fence {
            let (_, text) = paragraph.get_or_insert_with(|| (number + 1, String::new()));
            text.push_str(line);
            text.push(' ');
        }
    }
}

/// The help of a command and of its subcommands, 80 columns wide: one text for each paragraph.
fn help(mut command: clap::Command, name: &str, texts: &mut Vec<Text>) {
    let rendered = command.clone().term_width(80).render_long_help().to_string();
    for (number, line) in rendered.lines().enumerate().filter(|(_, line)| line.chars().count() > 80) {
        texts.push(Text {
            file: format!("{name} --help"),
            line: number + 1,
            kind: Kind::Screen,
            content: line.to_owned(),
        });
    }
    let mut say = |text: Option<&clap::builder::StyledStr>| {
        if let Some(text) = text {
            let text = text.to_string().replace("\n\n", ".\u{20}");
            texts.push(Text { file: format!("{name} --help"), line: 0, kind: Kind::Screen, content: text });
        }
    };
    say(command.get_long_about().or(command.get_about()));
    say(command.get_after_long_help().or(command.get_after_help()));
    for argument in command.get_arguments() {
        say(argument.get_long_help().or(argument.get_help()));
    }
    for sub in command.get_subcommands_mut() {
        help(sub.clone(), &format!("{name} {}", sub.get_name()), texts);
    }
}
