//! A list whose first items change; the others keep their formatting and comments.

use toml_edit::Array;

use super::Value;
use crate::edit::lines;

/// The text with this list instead of the present one; `None` if they differ in more than their first items.
pub(super) fn with(text: &str, old: &Array, new: &Value) -> Option<String> {
    let Value::StrList(new) = new else { return None };
    let items: Vec<&str> = old.iter().map(|item| item.as_str()).collect::<Option<_>>()?;
    let start_of = |at: usize| old.get(at).and_then(toml_edit::Value::span).map(|span| span.start);
    let first = start_of(0)?;
    let ends_with = |longer: &[&str], shorter: &[&str]| !shorter.is_empty() && longer.ends_with(shorter);
    let wanted: Vec<&str> = new.iter().map(String::as_str).collect();
    if ends_with(&wanted, &items) {
        let line = &text[lines::start(text, first)..first];
        let is_own_line = line.trim().is_empty();
        let apart = if is_own_line { format!("{}{line}", lines::eol(text)) } else { " ".to_owned() };
        let front = &wanted[..wanted.len() - items.len()];
        let spelled =
            |item: &&str| [toml_edit::Value::from(*item).to_string(), ",".to_owned(), apart.clone()].concat();
        let front = front.iter().map(spelled).collect::<Vec<_>>().concat();
        return Some(lines::splice(text, first..first, &front));
    }
    if ends_with(&items, &wanted) {
        let kept = start_of(items.len() - wanted.len())?;
        return (!text[first..kept].contains('#')).then(|| lines::splice(text, first..kept, ""));
    }
    None
}
