//! The types of values, as seen by a program that reads a file into typed fields.

use std::fmt;

use toml_edit::{Item, TableLike, Value};

use super::Reader;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Str,
    Int,
    Bool,
    /// An array of strings. podman 5 also accepts a table in it that selects whether to append.
    List,
    /// `[table]`, or a table in braces.
    Table,
    /// `[[table]]`, or an array of tables in braces.
    Tables,
    /// An array of something else.
    Array,
    /// A float or a date.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Str => "a string",
            Self::Int => "a whole number",
            Self::Bool => "true or false",
            Self::List => "a list of strings",
            Self::Table => "a table",
            Self::Tables => "a list of tables",
            Self::Array => "a list of other values",
            Self::Other => "a number with a fraction or a date",
        })
    }
}

impl Kind {
    fn of(item: &Item) -> Self {
        match item {
            Item::Table(_) | Item::Value(Value::InlineTable(_)) => Self::Table,
            Item::ArrayOfTables(_) => Self::Tables,
            Item::Value(Value::String(_)) => Self::Str,
            Item::Value(Value::Integer(_)) => Self::Int,
            Item::Value(Value::Boolean(_)) => Self::Bool,
            Item::Value(Value::Array(array)) => {
                let is_table = Value::is_inline_table;
                if !array.is_empty() && array.iter().all(is_table) {
                    Self::Tables
                } else if array.iter().all(|value| value.is_str() || is_table(value)) {
                    Self::List
                } else {
                    Self::Array
                }
            }
            _ => Self::Other,
        }
    }
}

impl Reader<'_> {
    /// Every key of every table that is not an element of an array, and its type.
    pub(crate) fn kinds(&self) -> Vec<(Vec<&str>, Kind)> {
        let mut found = Vec::new();
        walk(self.document.as_table(), &mut Vec::new(), &mut found);
        found
    }
}

fn walk<'a>(table: &'a dyn TableLike, path: &mut Vec<&'a str>, found: &mut Vec<(Vec<&'a str>, Kind)>) {
    for (key, item) in table.iter() {
        path.push(key);
        found.push((path.clone(), Kind::of(item)));
        if let Some(table) = item.as_table_like() {
            walk(table, path, found);
        }
        path.pop();
    }
}
