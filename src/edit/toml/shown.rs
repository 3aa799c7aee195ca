//! A TOML file as it may be published: known tables, and the values of known keys. Everything else is replaced by its
//! length.

use std::collections::BTreeMap;

use toml_edit::{Item, Table};

use super::{Reader, Value, place::Position, without_mark};
use crate::edit::shown::{hidden, length, lines_of};
use crate::edit::{EditError, lines};

/// The text with the same lines, with only these keys (dotted) and the tables on their paths. A file that is not TOML
/// stays invalid, at the same line.
#[must_use]
pub fn shown(bytes: &[u8], keys: &[&str]) -> String {
    let Ok(text) = lines::utf8(bytes) else { return length(bytes) };
    let text = without_mark(text);
    let read = match Reader::of_text(text) {
        Ok(read) => read,
        Err(error) => {
            let wrong = if let EditError::Toml { line, .. } = error { line } else { 1 };
            return lines_of(
                text,
                |number, line| {
                    if number == wrong { length(line.as_bytes()) } else { hidden(line) }
                },
            );
        }
    };
    let mut headers = Vec::new();
    tables(read.document.as_table(), &mut Vec::new(), &mut headers);
    headers.sort_by_key(|(at, _)| *at);
    let mut known = BTreeMap::new();
    for (at, path) in &headers {
        let is_known = keys.iter().any(|key| key.starts_with(&format!("{path}.")));
        if is_known && text[*at..].starts_with('[') && !text[*at..].starts_with("[[") {
            known.insert(lines::number(text, *at), format!("[{path}]"));
        }
    }
    for key in keys {
        let path: Vec<&str> = key.split('.').collect();
        let (Ok(Some(value)), Ok(Position::Found { key_at, span, .. })) =
            (read.get(&path), read.place(&path))
        else {
            continue;
        };
        let above = headers.iter().rev().find(|(at, _)| *at <= key_at).map_or("", |(_, path)| path.as_str());
        let relative = key.strip_prefix(above).map_or(*key, |rest| rest.trim_start_matches('.'));
        known
            .entry(lines::number(text, key_at))
            .or_insert_with(|| entry(&text[lines::start(text, key_at)..], relative, &value, &text[span]));
    }
    lines_of(text, |number, line| known.remove(&number).unwrap_or_else(|| hidden(line)))
}

/// A key and its value, as written if that shows nothing else.
fn entry(from: &str, key: &str, value: &Value, raw: &str) -> String {
    let line = lines::content(from.split_inclusive('\n').next().unwrap_or_default());
    let written = (!raw.contains(['\n', '#'])).then(|| line.split_once(raw)).flatten();
    match written.filter(|(before, _)| before.replace([' ', '\t'], "") == format!("{key}=")) {
        Some((before, after)) if after.trim().is_empty() => format!("{before}{raw}"),
        Some((before, after)) => format!("{before}{raw} {}", hidden(after.trim())),
        None => format!("{key} = {value}"),
    }
}

/// The positions of the headers of all tables, and their dotted names.
fn tables(table: &Table, path: &mut Vec<String>, headers: &mut Vec<(usize, String)>) {
    if let Some(span) =
        table.span().filter(|_| !table.is_implicit() && !table.is_dotted() && !path.is_empty())
    {
        headers.push((span.start, path.join(".")));
    }
    for (key, item) in table {
        path.push(key.to_owned());
        match item {
            Item::Table(table) => tables(table, path, headers),
            Item::ArrayOfTables(array) => array.iter().for_each(|table| tables(table, path, headers)),
            _ => {}
        }
        path.pop();
    }
}
