//! The format of a new line: like its neighbors, so that the diff looks as if the file's owner had written it.

use super::chars::{Chars, Eol};
use super::scan::{Item, What};
use super::{Document, full_name};
use crate::edit::lines::is_modeline;
use crate::edit::note::{NOTE, is_covered, is_note};

impl Document {
    /// The bytes with a line for a new key, formatted like its neighbors.
    pub(super) fn with_entry(&self, section: &str, key: &str, literal: &str) -> Vec<u8> {
        let items = &self.scan.items;
        let entry = self.line(section, key, literal);
        if let Some(header) = self.headers(section).next() {
            let in_section = || (header + 1..items.len()).take_while(|&at| !items[at].is_header());
            let last_key = in_section().filter(|&at| matches!(items[at].what, What::Entry { .. })).last();
            let default = in_section().filter(|&at| self.is_commented_default(&items[at], key)).last();
            let anchor = default.or(last_key).unwrap_or(header);
            let end = items[anchor].bytes.end;
            let text = match items[anchor].eol {
                Some(eol) => format!("{entry}{}", eol.to_write()),
                // At the end of the file; its last character may even be the line end of a continuation.
                None => format!("{}{entry}", self.eol_at_end()),
            };
            return self.spliced(end..end, &text);
        }
        let eol = self.eol();
        let at = self.end_of_sections();
        if at < items.len() {
            let start = items[at].bytes.start;
            let blank = if self.needs_blank_above(at) { eol } else { "" };
            return self.spliced(start..start, &format!("{blank}[{section}]{eol}{entry}{eol}{eol}"));
        }
        let (before, after) = match items.last() {
            // A line feed behind a lone CR would be part of the same line end.
            None | Some(Item { eol: Some(Eol::Cr), .. }) => (String::new(), eol),
            Some(Item { eol: Some(_), .. }) if self.needs_blank_above(at) => (eol.to_owned(), eol),
            Some(Item { eol: Some(_), .. }) => (String::new(), eol),
            Some(Item { eol: None, .. }) => (eol.repeat(2), ""),
        };
        let end = Chars::decode(&self.bytes, self.dialect).end();
        self.spliced(end..end, &format!("{before}[{section}]{eol}{entry}{after}"))
    }

    /// Adds the comment above an added key, unless that would change a value.
    pub fn add_note(&mut self, section: &str, key: &str) {
        let name = full_name(section, key);
        let is_added = |item: &&Item| matches!(&item.what, What::Entry { name: other, counts: true, .. } if *other == name);
        let Some(item) = self.scan.items.iter().find(is_added) else { return };
        let start = item.bytes.start;
        let above = self.encoding().decode(&self.bytes[..start]);
        if is_covered(&above, above.len()) {
            return;
        }
        let line = self.encoding().decode(&self.bytes[item.bytes.clone()]);
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let new = self.spliced(start..start, &format!("{indent}{NOTE}{}", self.eol()));
        let _ = self.adopt(&new, &name, |_| false);
    }

    /// Whether an item is kind-wsl's comment.
    pub(super) fn is_note(&self, item: &Item) -> bool {
        matches!(item.what, What::Comment)
            && is_note(&self.encoding().decode(&self.bytes[item.bytes.clone()]))
    }

    /// Removes kind-wsl's comments whose lines are gone.
    pub fn remove_orphaned_notes(&mut self) {
        let items = &self.scan.items;
        let is_orphan = |at: usize| {
            let below = items.get(at + 1).map(|below| &below.what);
            self.is_note(&items[at]) && !matches!(below, Some(What::Entry { .. }))
        };
        let doomed: Vec<bool> = (0..items.len()).map(is_orphan).collect();
        if doomed.contains(&true) {
            let new = self.without(&doomed);
            let _ = self.adopt(&new, "", |_| false);
        }
    }

    /// The item before which a new section is added: a modeline at the end of the file, which editors read there
    /// (vim's `modeline`), otherwise the end.
    pub(super) fn end_of_sections(&self) -> usize {
        let items = &self.scan.items;
        let last = items.iter().rposition(|item| !matches!(item.what, What::Blank));
        let is_modeline = |item: &Item| {
            let text = self.encoding().decode(&self.bytes[item.bytes.clone()]);
            matches!(item.what, What::Comment) && is_modeline(&text)
        };
        last.filter(|&at| is_modeline(&items[at])).unwrap_or(items.len())
    }

    /// Whether a section before this item needs a blank line above it.
    pub(super) fn needs_blank_above(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|above| !self.scan.items[above].is_blank_line())
    }

    /// Whether it is a comment with this key, such as `#systemd = false`.
    fn is_commented_default(&self, item: &Item, key: &str) -> bool {
        let text = self.encoding().decode(&self.bytes[item.bytes.clone()]);
        let text = text.trim_start_matches(['#', ' ', '\t']);
        let name = text.split_once('=').map(|(name, _)| name.trim_end());
        matches!(item.what, What::Comment) && name.is_some_and(|name| name.eq_ignore_ascii_case(key))
    }

    /// The line for a key, with the indent and the blanks around `=` of its neighbors: the keys of the same section,
    /// otherwise the last key of the file.
    fn line(&self, section: &str, key: &str, literal: &str) -> String {
        let styles = |name: &str| -> Vec<Style> {
            let prefix = full_name(name, "");
            let items = self.scan.items.iter();
            items.filter_map(|item| self.style(item, &prefix)).collect()
        };
        let (mut styles, all) = (styles(section), styles(""));
        if styles.is_empty() {
            styles.extend(all.into_iter().next_back());
        }
        let Some(style) = styles.last() else { return format!("{key}={literal}") };
        let is_aligned = styles.len() > 1
            && styles.iter().all(|other| other.column == style.column)
            && styles.iter().any(|other| other.key_len != style.key_len);
        let written = style.indent.chars().count() + key.len();
        let before = match style.column.checked_sub(written) {
            Some(gap) if is_aligned && gap > 0 => " ".repeat(gap),
            _ if style.is_spaced => " ".to_owned(),
            _ => String::new(),
        };
        format!("{}{key}{before}={}{literal}", style.indent, style.after)
    }

    /// The format of an entry whose name begins with `prefix`.
    fn style(&self, item: &Item, prefix: &str) -> Option<Style> {
        let What::Entry { name, raw, .. } = &item.what else { return None };
        if !name.starts_with(prefix.trim_start_matches('.')) {
            return None;
        }
        let line = self.encoding().decode(&self.bytes[item.bytes.start..raw.start]);
        let (left, after) = line.split_once('=')?;
        let key = left.trim();
        let indent = left.split(key).next().unwrap_or_default().to_owned();
        Some(Style {
            column: left.chars().count(),
            key_len: key.len(),
            is_spaced: left.ends_with([' ', '\t']),
            // Aligned values have more blanks before them.
            after: if after.is_empty() { "" } else { " " },
            indent,
        })
    }
}

/// The format of a line that sets a key.
struct Style {
    indent: String,
    /// The position of its `=`, in characters.
    column: usize,
    key_len: usize,
    /// Whether a blank stands before the `=`.
    is_spaced: bool,
    /// The text after the `=`.
    after: &'static str,
}
