//! The position of a path in a TOML text, existing or new.

use std::ops::Range;

use toml_edit::{InlineTable, Item, Key, Table, TableLike};

use super::{Value, wrong_type};
use crate::edit::{EditError, lines};

/// The object at a path.
pub(super) enum Position<'a> {
    Found {
        item: &'a Item,
        /// The start of the last key of the path.
        key_at: usize,
        /// The value, without the blanks and comments around it.
        span: Range<usize>,
        removal: Removal,
    },
    Missing {
        gap: InsertPoint,
    },
}

/// The range to cut for a removal.
pub(super) enum Removal {
    Lines(Range<usize>),
    Inline(Range<usize>),
}

/// The place of a new value.
pub(super) enum InsertPoint {
    /// A separate line at the start of a line, or at the end.
    Line { at: usize, indent: String, key: String, equals: &'static str },
    /// Into the braces of an inline table.
    Inline { at: usize, before: &'static str, key: String },
    /// A new table at the end of the text.
    Table { header: String, key: String, equals: &'static str },
}

impl InsertPoint {
    pub(super) fn fill(&self, text: &str, value: &Value) -> String {
        match self {
            Self::Line { at, indent, key, equals } => {
                lines::insert(text, *at, &format!("{indent}{key}{equals}{value}"))
            }
            Self::Inline { at, before, key } => {
                lines::splice(text, *at..*at, &format!("{before}{key} = {value}"))
            }
            Self::Table { header, key, equals } => {
                let eol = lines::eol(text);
                let blank = if text.is_empty() { "" } else { eol };
                lines::insert(text, text.len(), &format!("{blank}[{header}]{eol}{key}{equals}{value}"))
            }
        }
    }
}

/// The nearest table on the path with its own text: the root, a `[header]` or an inline table. Tables that exist
/// through dotted keys are part of its lines.
struct Home<'a> {
    item: &'a Item,
    /// The number of keys of the path up to it.
    depth: usize,
}

pub(super) fn locate<'a>(text: &str, root: &'a Item, path: &[&str]) -> Result<Position<'a>, EditError> {
    let mut item = root;
    let mut home = Home { item: root, depth: 0 };
    for (depth, key) in path.iter().enumerate() {
        let Some(table) = item.as_table_like() else {
            let at = item.span().map_or(0, |span| span.start);
            return Err(wrong_type(text, &path[..depth], at, item, "a table"));
        };
        let Some((found_key, found)) = table.get_key_value(key) else {
            return Ok(Position::Missing { gap: gap(text, root, &home, item, path, depth) });
        };
        let key_at = found_key.span().map_or(0, |span| span.start);
        item = found;
        if depth + 1 == path.len() {
            let span = item.span().unwrap_or(key_at..key_at);
            let removal = match home.item.as_inline_table() {
                Some(braces) => Removal::Inline(inline_removal(text, braces, &span)),
                None => Removal::Lines(lines::start(text, key_at)..lines::end(text, span.end)),
            };
            return Ok(Position::Found { item, key_at, span, removal });
        }
        if !item.as_table_like().is_some_and(TableLike::is_dotted) {
            home = Home { item, depth: depth + 1 };
        }
    }
    let why = "a path of at least one key is needed";
    Err(EditError::BadKey { key: String::new(), why })
}

/// The place of `path`, whose first `depth` keys lead to `table`, which lacks the next one.
fn gap(text: &str, root: &Item, home: &Home<'_>, table: &Item, path: &[&str], depth: usize) -> InsertPoint {
    let key = dotted(&path[home.depth..]);
    if let Some(braces) = home.item.as_inline_table() {
        let open = braces.span().map_or(0, |span| span.start + 1);
        return match leaves(braces).last() {
            Some(leaf) => InsertPoint::Inline { at: leaf.end, before: ", ", key },
            None if text[open..].starts_with(' ') => InsertPoint::Inline { at: open, before: " ", key },
            None => InsertPoint::Inline { at: open, before: "", key },
        };
    }
    let is_dotted = table.as_table_like().is_some_and(TableLike::is_dotted);
    let is_last_key = depth + 1 == path.len();
    let owner = home.item.as_table().filter(|_| is_last_key || is_dotted);
    let header = owner.filter(|owner| !owner.is_implicit()).and_then(Table::span);
    let leaves = owner.map(|owner| leaves(owner)).unwrap_or_default();
    if let Some(at) = header.as_ref().and_then(|header| below_default(text, header.end, &key, &leaves)) {
        let equals = equals_of(text, leaves.last());
        return InsertPoint::Line {
            at,
            indent: leaves.last().map(|l| indent_of(text, l)).unwrap_or_default(),
            key,
            equals,
        };
    }
    if let Some(last) = leaves.last() {
        let at = lines::end(text, last.end);
        return InsertPoint::Line {
            at,
            indent: indent_of(text, last),
            key,
            equals: equals_of(text, Some(last)),
        };
    }
    let equals = equals_of(text, root.as_table().and_then(last_value).as_ref());
    let indent = String::new();
    match header {
        _ if home.depth == 0 && owner.is_some() => {
            let has_header = owner.is_some_and(|root| !root.is_empty());
            InsertPoint::Line { at: if has_header { 0 } else { text.len() }, indent, key, equals }
        }
        Some(header) => InsertPoint::Line { at: lines::end(text, header.end), indent, key, equals },
        None => match path {
            [parents @ .., last] => {
                InsertPoint::Table { header: dotted(parents), key: dotted(&[last]), equals }
            }
            [] => InsertPoint::Line { at: text.len(), indent, key, equals },
        },
    }
}

/// The blanks before the line of a value.
fn indent_of(text: &str, value: &Range<usize>) -> String {
    let line = &text[lines::start(text, value.start)..];
    line[..line.len() - line.trim_start_matches([' ', '\t']).len()].to_owned()
}

/// The text between a key and its value, like that of a neighbor.
fn equals_of(text: &str, neighbor: Option<&Range<usize>>) -> &'static str {
    if neighbor.is_some_and(|value| text[..value.start].ends_with('=')) { "=" } else { " = " }
}

/// The position of the last value of all tables.
fn last_value(table: &Table) -> Option<Range<usize>> {
    let inner = table.iter().filter_map(|(_, item)| match item {
        Item::Table(table) => last_value(table),
        item => item.as_value().and_then(toml_edit::Value::span),
    });
    inner.max_by_key(|value| value.start)
}

/// The place below the comment with a key's default, such as `#log_driver = "k8s-file"`, in the table whose header
/// ends here. A list may continue over several commented lines.
fn below_default(text: &str, header_end: usize, key: &str, values: &[Range<usize>]) -> Option<usize> {
    let mut at = lines::end(text, header_end);
    let comment = |line: &str| line.trim_start().strip_prefix('#').map(|rest| rest.trim().to_owned());
    while at < text.len() {
        let end = lines::end(text, at);
        let line = &text[at..end];
        if line.trim_start().starts_with('[') && !values.iter().any(|value| value.contains(&at)) {
            return None;
        }
        let default = comment(line)
            .and_then(|rest| Some(rest.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim().to_owned()));
        if let Some(default) = default.filter(|_| !values.iter().any(|value| value.contains(&at))) {
            let mut end = end;
            let mut is_open = default.starts_with('[') && !default.ends_with(']');
            while is_open && end < text.len() {
                let next = lines::end(text, end);
                let Some(rest) = comment(&text[end..next]) else { break };
                is_open = !rest.ends_with(']');
                end = next;
            }
            return Some(end);
        }
        at = end;
    }
    None
}

fn dotted(path: &[&str]) -> String {
    path.iter().map(|key| Key::new(*key).to_string()).collect::<Vec<_>>().join(".")
}

/// The positions of the values in the lines or braces of a table itself, in the order of the text.
pub(super) fn leaves(table: &dyn TableLike) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    collect_leaves(table, &mut found);
    found.sort_by_key(|value| value.start);
    found
}

fn collect_leaves(table: &dyn TableLike, found: &mut Vec<Range<usize>>) {
    for (_, item) in table.iter() {
        match item.as_table_like().filter(|inner| inner.is_dotted()) {
            Some(inner) => collect_leaves(inner, found),
            None => found.extend(item.as_value().and_then(toml_edit::Value::span)),
        }
    }
}

/// The range to cut from an inline table: the value with its key and one comma.
fn inline_removal(text: &str, braces: &InlineTable, value: &Range<usize>) -> Range<usize> {
    let leaves = leaves(braces);
    if let Some(before) = leaves.iter().rev().find(|leaf| leaf.end <= value.start) {
        return before.end..value.end;
    }
    let open = braces.span().map_or(value.start, |span| span.start + 1);
    let comma = behind_comma(text, value.end);
    if leaves.len() == 1 {
        return open..comma;
    }
    let first_key = value.start - text[open..value.start].trim_start().len();
    let next_key = text.len() - text[comma..].trim_start_matches([' ', '\t']).len();
    first_key..next_key
}

/// The position after the comma that follows a value in an inline table, with blank lines and comments in between;
/// the value's own end if none follows.
fn behind_comma(text: &str, value_end: usize) -> usize {
    let mut rest = text[value_end..].trim_start();
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, below)| below).trim_start();
    }
    rest.strip_prefix(',').map_or(value_end, |behind| text.len() - behind.len())
}
