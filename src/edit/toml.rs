//! TOML files of other programs, mainly `containers.conf`.
//!
//! `toml_edit` parses the text and reports all positions; the edit itself is a splice. Its own printer would turn
//! CRLF into LF, and a splice keeps every byte.

mod excess;
mod kind;
mod list;
mod place;
mod shown;
mod strict;

use std::fmt;

use toml_edit::{Document, Item};

use super::{EditError, lines, note};
pub(crate) use excess::excess;
pub(crate) use kind::Kind;
use place::{Position, locate};
pub use shown::shown;
pub(crate) use strict::{Flaw, flaws};

/// A value that kind-wsl writes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Str(String),
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// An array of strings.
    StrList(Vec<String>),
}

impl Value {
    /// Parses a value. `key` is for the error's text.
    ///
    /// # Errors
    /// The text is not TOML, or a value of another type.
    pub fn parse(text: &str, key: &str) -> Result<Self, EditError> {
        let refuse = |why: String| EditError::BadValue { key: key.to_owned(), why };
        let value: toml_edit::Value = text
            .parse()
            .map_err(|error: toml_edit::TomlError| refuse(error.message().trim_end().to_owned()))?;
        Self::of(&value)
            .ok_or_else(|| refuse(format!("{} is not a type that is set here", value.type_name())))
    }

    fn of(value: &toml_edit::Value) -> Option<Self> {
        match value {
            toml_edit::Value::String(text) => Some(Self::Str(text.value().clone())),
            toml_edit::Value::Integer(number) => Some(Self::Int(*number.value())),
            toml_edit::Value::Boolean(flag) => Some(Self::Bool(*flag.value())),
            toml_edit::Value::Array(array) => array
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Self::StrList),
            _ => None,
        }
    }
}

/// The value in TOML syntax.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => write!(f, "{}", toml_edit::Value::from(text)),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::StrList(items) => write!(f, "{}", items.iter().collect::<toml_edit::Value>()),
        }
    }
}

/// A text that is parsed once for several queries.
#[derive(Debug)]
pub struct Reader<'t> {
    /// Without a byte order mark.
    text: &'t str,
    document: Document<&'t str>,
}

impl<'t> Reader<'t> {
    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// They are not UTF-8, or not TOML.
    pub fn of(bytes: &'t [u8]) -> Result<Self, EditError> {
        Self::of_text(lines::utf8(bytes)?)
    }

    fn of_text(text: &'t str) -> Result<Self, EditError> {
        let text = without_mark(text);
        Ok(Self { text, document: parse(text)? })
    }

    /// The value at a path; `None` if it is not set.
    ///
    /// # Errors
    /// The path contains or ends at a value of another type.
    pub fn get(&self, path: &[&str]) -> Result<Option<Value>, EditError> {
        match self.place(path)? {
            Position::Found { item, key_at, .. } => match item.as_value().and_then(Value::of) {
                Some(value) => Ok(Some(value)),
                None => Err(wrong_type(
                    self.text,
                    path,
                    key_at,
                    item,
                    "a string, number, boolean or list of strings",
                )),
            },
            Position::Missing { .. } => Ok(None),
        }
    }

    /// The line of the value at a path, counted from 1; `None` if it is not set.
    ///
    /// # Errors
    /// The path contains something else than a table.
    pub fn line_of(&self, path: &[&str]) -> Result<Option<usize>, EditError> {
        Ok(match self.place(path)? {
            Position::Found { key_at, .. } => Some(lines::number(self.text, key_at)),
            Position::Missing { .. } => None,
        })
    }

    /// The keys above all tables that are not tables themselves. podman reads `containers.conf` by table and silently
    /// ignores these.
    #[must_use]
    pub fn keys_outside_tables(&self) -> Vec<String> {
        let bare = self.document.iter().filter(|(_, item)| item.is_value() && !item.is_inline_table());
        bare.map(|(key, _)| key.to_owned()).collect()
    }

    fn place(&self, path: &[&str]) -> Result<Position<'_>, EditError> {
        locate(self.text, self.document.as_item(), path)
    }
}

/// The value at a path; `None` if it is not set.
///
/// # Errors
/// The text is not TOML, or the path contains or ends at a value of another type.
pub fn get(text: &str, path: &[&str]) -> Result<Option<Value>, EditError> {
    Reader::of_text(text)?.get(path)
}

/// The text with the value at a path: in place of the old one, otherwise after the last key of its table, otherwise
/// in a new table at the end.
///
/// # Errors
/// Those of [`get`], but a plain value of any type may be replaced.
pub fn set(text: &str, path: &[&str], value: &Value) -> Result<String, EditError> {
    let body = without_mark(text);
    let document = parse(body)?;
    let new = match locate(body, document.as_item(), path)? {
        Position::Found { item, key_at, span, .. } => match item.as_value() {
            Some(old) if Value::of(old).as_ref() == Some(value) => return Ok(text.to_owned()),
            Some(toml_edit::Value::InlineTable(_)) | None => {
                return Err(wrong_type(body, path, key_at, item, "a plain value"));
            }
            Some(old) => {
                let list = old.as_array().and_then(|old| list::with(body, old, value));
                list.unwrap_or_else(|| lines::splice(body, span, &value.to_string()))
            }
        },
        Position::Missing { gap } => gap.fill(body, value),
    };
    if get(&new, path)?.as_ref() != Some(value) {
        let why = "it would not be read back from its place".to_owned();
        return Err(EditError::BadValue { key: path.join("."), why });
    }
    Ok(with_mark_of(text, new))
}

/// The bytes of a file with the comment above a value that was added. An inline table has no room for one.
///
/// # Errors
/// Those of [`read`].
pub fn noted(bytes: &[u8], path: &[&str]) -> Result<Vec<u8>, EditError> {
    let text = lines::utf8(bytes)?;
    let body = without_mark(text);
    let new = match locate(body, parse(body)?.as_item(), path)? {
        Position::Found { removal: place::Removal::Lines(range), .. } => note::above(body, range.start),
        _ => return Ok(bytes.to_vec()),
    };
    Ok(with_mark_of(text, new).into_bytes())
}

/// The text without the value at a path and without a comment after it. With `drop_empty`, the header of a table that
/// then has neither keys nor comments is removed too, with the blank line above it.
///
/// # Errors
/// The text is not TOML, a table is at the path, or the path contains something else than a table.
pub fn unset(text: &str, path: &[&str], drop_empty: bool) -> Result<String, EditError> {
    let body = without_mark(text);
    let document = parse(body)?;
    let new = match locate(body, document.as_item(), path)? {
        Position::Missing { .. } => return Ok(text.to_owned()),
        Position::Found { item, key_at, .. } if !item.is_value() => {
            return Err(wrong_type(body, path, key_at, item, "a plain value"));
        }
        Position::Found { removal: place::Removal::Inline(range), .. } => lines::splice(body, range, ""),
        Position::Found { removal: place::Removal::Lines(range), .. } => {
            lines::remove(body, note::start(body, range.start)..range.end)
        }
    };
    let table = &path[..path.len().saturating_sub(1)];
    let new = if drop_empty { without_empty_table(&new, table)? } else { new };
    parse(&new)?;
    Ok(with_mark_of(text, new))
}

/// The value at a path in the bytes of a file, as TOML text.
///
/// # Errors
/// The bytes are not UTF-8, and those of [`get`].
pub fn read(bytes: &[u8], path: &[&str]) -> Result<Option<String>, EditError> {
    Ok(get(lines::utf8(bytes)?, path)?.map(|value| value.to_string()))
}

/// The bytes of a file with a value at a path; `None` removes it, and the table if that becomes empty.
///
/// # Errors
/// The bytes are not UTF-8, and those of [`set`] and [`unset`].
pub fn put(bytes: &[u8], path: &[&str], value: Option<&Value>) -> Result<Vec<u8>, EditError> {
    let text = lines::utf8(bytes)?;
    let new = match value {
        Some(value) => set(text, path, value)?,
        None => unset(text, path, true)?,
    };
    Ok(new.into_bytes())
}

fn parse(text: &str) -> Result<Document<&str>, EditError> {
    if text.starts_with('\u{feff}') {
        // `toml_edit` would skip it, and every position would be wrong.
        let message = "a second byte order mark".to_owned();
        return Err(EditError::Toml { line: 1, column: 1, message });
    }
    let refuse = |at: usize, message: &str| EditError::Toml {
        line: lines::number(text, at),
        column: 1 + text[lines::start(text, at)..at].chars().count(),
        message: message.trim_end().replace('\n', ", "),
    };
    if let Some((at, what)) = excess(text) {
        return Err(refuse(at, &what));
    }
    Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        refuse(at, error.message())
    })
}

/// Removes the header of an empty table, if only blank lines follow it.
fn without_empty_table(text: &str, path: &[&str]) -> Result<String, EditError> {
    let document = parse(text)?;
    let mut table = Some(document.as_item());
    for key in path {
        table = table.and_then(|item| item.as_table()).and_then(|table| table.get(key));
    }
    let table = table.and_then(Item::as_table).filter(|table| place::leaves(*table).is_empty());
    let header = table.and_then(toml_edit::Table::span);
    let Some(header) = header.filter(|header| text[header.clone()].starts_with('[')) else {
        return Ok(text.to_owned());
    };
    let end = lines::end(text, header.end);
    let is_commented = !text[header.end..end].trim().is_empty();
    let below = text[end..].trim_start();
    if is_commented || !(below.is_empty() || below.starts_with('[')) {
        return Ok(text.to_owned());
    }
    let mut start = lines::start(text, header.start);
    if let Some(above) = start.checked_sub(1).map(|last| lines::start(text, last))
        && lines::content(&text[above..start]).is_empty()
    {
        start = above;
    }
    Ok(lines::remove(text, start..end))
}

fn wrong_type(text: &str, path: &[&str], at: usize, item: &Item, wanted: &'static str) -> EditError {
    EditError::WrongType {
        line: lines::number(text, at),
        key: path.join("."),
        found: format!("of type {}", item.type_name()),
        wanted,
    }
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn with_mark_of(text: &str, body: String) -> String {
    if text.starts_with('\u{feff}') { format!("\u{feff}{body}") } else { body }
}
