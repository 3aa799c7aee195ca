//! Changes to a document: each splices bytes, reads the result as WSL would, and keeps it only if it says what was
//! asked for and nothing else.

use super::chars::{Chars, Encoding, Eol};
use super::scan::{Item, What};
use super::{Dialect, Document, full_name};
use crate::edit::EditError;

impl Document {
    /// Sets a key: where it counts already, its value is replaced in place; otherwise it goes after the last key of the
    /// first section of that name, otherwise into a new section at the end.
    ///
    /// The value is quoted and escaped as it needs. A key that has the value already is left as it is written.
    ///
    /// # Errors
    /// When the name or the value cannot be written so that WSL reads it, when WSL stops reading above the place, or
    /// when another key would change. The document is then as it was.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), EditError> {
        let name = full_name(section, key);
        for part in [section, key] {
            check_name(part, &name)?;
        }
        let literal = self.literal(&name, value)?;
        let new = match self.counting(&name) {
            Some(entry) if entry.value == value.as_bytes() => return Ok(()),
            Some(entry) => {
                let gap = if entry.raw.is_empty() && self.chars_at(entry.raw.end) == '#' { " " } else { "" };
                self.spliced(entry.raw, &format!("{literal}{gap}"))
            }
            None => {
                self.check_readable(&name)?;
                self.with_entry(section, &format!("{key}={literal}"))
            }
        };
        let before = self.clone();
        self.adopt(&new, &name, |other| other == name)?;
        if self.counting(&name).is_some_and(|entry| entry.value == value.as_bytes()) {
            return Ok(());
        }
        *self = before;
        Err(EditError::BadValue { key: name, why: "WSL would read something else".to_owned() })
    }

    /// Takes a key out: every line that sets it, as the second would count once the first is gone. The section's
    /// header stays. Lines that WSL does not read stay too. False if there was nothing to take out.
    ///
    /// # Errors
    /// When another key would change. The document is then as it was.
    pub fn unset(&mut self, section: &str, key: &str) -> Result<bool, EditError> {
        let name = full_name(section, key);
        let doomed: Vec<bool> = self
            .scan
            .items
            .iter()
            .map(|item| matches!(&item.what, What::Entry { name: other, .. } if *other == name))
            .collect();
        if !doomed.contains(&true) {
            return Ok(false);
        }
        let new = self.without(&doomed);
        self.adopt(&new, &name, |other| other == name)?;
        Ok(true)
    }

    /// Takes out every section of a name, with the lines below it up to the next header. False if there is none.
    ///
    /// A comment block that stands apart and right above the next header is taken to belong to that, and stays. The
    /// blank line above a section at the end of the file goes with it.
    ///
    /// # Errors
    /// When WSL stops reading inside the section, so that its end is not known, or when a key of another section would
    /// change. The document is then as it was.
    pub fn remove_section(&mut self, section: &str) -> Result<bool, EditError> {
        let items = &self.scan.items;
        let mut doomed = vec![false; items.len()];
        for header in self.headers(section) {
            let next = (header + 1..items.len()).find(|&at| items[at].is_header());
            let end = match next {
                Some(next) => self.start_of_comments_above(next, header),
                None => items.len(),
            };
            let blank_above = next.is_none() && header > 0 && items[header - 1].is_blank_line();
            let start = if blank_above { header - 1 } else { header };
            if end == items.len() {
                self.check_readable(section)?;
            }
            doomed[start..end].fill(true);
        }
        if !doomed.contains(&true) {
            return Ok(false);
        }
        let new = self.without(&doomed);
        let prefix = full_name(section, "");
        self.adopt(&new, section, |other| other.starts_with(&prefix))?;
        Ok(true)
    }

    /// Takes out the sections of a name, as [`Document::remove_section`] does, unless there is more below one than blank
    /// lines. False if nothing was taken out.
    ///
    /// # Errors
    /// Those of [`Document::remove_section`].
    pub fn remove_empty_section(&mut self, section: &str) -> Result<bool, EditError> {
        let items = &self.scan.items;
        let is_blank = |item: &&Item| matches!(item.what, What::Blank);
        let is_empty = self.headers(section).all(|header| {
            items[header + 1..].iter().find(|item| !is_blank(item)).is_none_or(Item::is_header)
        });
        if is_empty { self.remove_section(section) } else { Ok(false) }
    }

    /// Where the comment block right above an item begins if a blank line sets it apart, else the item itself.
    fn start_of_comments_above(&self, item: usize, floor: usize) -> usize {
        let is = |at: usize, wanted: fn(&What) -> bool| wanted(&self.scan.items[at].what);
        let mut start = item;
        while start - 1 > floor && is(start - 1, |what| matches!(what, What::Comment)) {
            start -= 1;
        }
        if start - 1 > floor && is(start - 1, |what| matches!(what, What::Blank)) { start } else { item }
    }

    /// The bytes with a line for a new key.
    fn with_entry(&self, section: &str, entry: &str) -> Vec<u8> {
        let items = &self.scan.items;
        if let Some(header) = self.headers(section).next() {
            let anchor = (header + 1..items.len())
                .take_while(|&at| !items[at].is_header())
                .filter(|&at| matches!(items[at].what, What::Entry { .. }))
                .last()
                .unwrap_or(header);
            let end = items[anchor].bytes.end;
            let text = match items[anchor].eol {
                Some(eol) => format!("{entry}{}", eol.to_write()),
                // At the end of the file, where the last character may even be the line end of a continuation.
                None => format!("{}{entry}", self.eol_at_end()),
            };
            return self.spliced(end..end, &text);
        }
        let eol = self.eol();
        let (before, after) = match items.last() {
            // A line feed behind a lone CR would be part of the same line end.
            None | Some(Item { eol: Some(Eol::Cr), .. }) => (String::new(), eol),
            Some(Item { eol: Some(_), .. }) => (eol.to_owned(), eol),
            Some(Item { eol: None, .. }) => (eol.repeat(2), ""),
        };
        let end = Chars::decode(&self.bytes, self.dialect).end();
        self.spliced(end..end, &format!("{before}[{section}]{eol}{entry}{after}"))
    }

    /// The line end to write where no neighbour shows one: the file's first, else that of the file's home.
    fn eol(&self) -> &'static str {
        match (Chars::decode(&self.bytes, self.dialect).first_eol(), self.dialect) {
            (Some(eol), _) => eol.to_write(),
            (None, Dialect::WslConf) => Eol::Lf.to_write(),
            (None, Dialect::WslConfig) => Eol::CrLf.to_write(),
        }
    }

    /// The line end to write at the end of a file that has none there. A lone line feed behind a CR would become one
    /// line end with it, and of a continuation, where text mode joins the two.
    fn eol_at_end(&self) -> &'static str {
        match (Chars::decode(&self.bytes, self.dialect).ends_in_cr(), self.dialect) {
            (true, Dialect::WslConfig) => Eol::CrLf.to_write(),
            _ => self.eol(),
        }
    }

    /// The bytes without some items. Where the last line of the file goes, the line end before it goes too, so that a
    /// file without a final newline stays one.
    fn without(&self, doomed: &[bool]) -> Vec<u8> {
        let items = &self.scan.items;
        let mut bytes = self.bytes.clone();
        let mut end = items.len();
        while let Some(last) = doomed[..end].iter().rposition(|&doomed| doomed) {
            let first = doomed[..last].iter().rposition(|&doomed| !doomed).map_or(0, |kept| kept + 1);
            let mut start = items[first].bytes.start;
            let kept = first.checked_sub(1).map(|kept| &items[kept]);
            if let (None, Some(kept)) = (items[last].eol, kept.filter(|kept| !kept.needs_its_eol())) {
                let eol = kept.eol.map_or("", Eol::as_str);
                start -= self.encoding().encode(eol).len();
            }
            bytes.drain(start..items[last].bytes.end);
            end = first;
        }
        bytes
    }

    fn spliced(&self, range: std::ops::Range<usize>, text: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.splice(range, self.encoding().encode(text));
        bytes
    }

    /// Becomes the new bytes, if in them every key has its value except those that were meant.
    fn adopt(&mut self, bytes: &[u8], key: &str, meant: impl Fn(&str) -> bool) -> Result<(), EditError> {
        let new = Self::parse(bytes, self.dialect);
        let mut before = self.values().filter(|(name, _)| !meant(name));
        let mut after = new.values().filter(|(name, _)| !meant(name));
        loop {
            match (before.next(), after.next()) {
                (None, None) => break,
                (left, right) if left == right => {}
                (left, right) => {
                    let other = left.or(right).map(|(name, _)| name).unwrap_or_default();
                    return Err(EditError::SideEffect { key: key.to_owned(), other });
                }
            }
        }
        drop((before, after));
        *self = new;
        Ok(())
    }

    fn check_readable(&self, key: &str) -> Result<(), EditError> {
        match self.scan.stop() {
            None => Ok(()),
            Some(stop) => Err(EditError::Unreadable {
                line: stop.line,
                text: stop.text.clone(),
                why: stop.kind.to_string(),
                key: key.to_owned(),
            }),
        }
    }

    /// A value as WSL reads it back: escaped, and in quotes if it holds a `#` or begins or ends with a space.
    fn literal(&self, name: &str, value: &str) -> Result<String, EditError> {
        let refuse = |why: &str| Err(EditError::BadValue { key: name.to_owned(), why: why.to_owned() });
        if value.contains(['\0', '\r']) {
            return refuse("WSL can read neither a NUL nor a carriage return in a value");
        }
        if self.dialect == Dialect::WslConfig && !value.is_ascii() {
            // configfile.cpp:749 keeps the low byte of each character.
            return refuse("WSL damages every character outside ASCII in a value of .wslconfig");
        }
        if self.dialect == Dialect::WslConfig && value.contains('\x1a') {
            return refuse("Windows ends a text file at Ctrl-Z");
        }
        let mut literal = String::with_capacity(value.len() + 2);
        for char in value.chars() {
            match char {
                '\\' => literal.push_str(r"\\"),
                '"' => literal.push_str(r#"\""#),
                '\n' => literal.push_str(r"\n"),
                '\t' => literal.push_str(r"\t"),
                '\x08' => literal.push_str(r"\b"),
                other => literal.push(other),
            }
        }
        let needs_quotes = value.contains('#') || value.starts_with(' ') || value.ends_with(' ');
        Ok(if needs_quotes { format!("\"{literal}\"") } else { literal })
    }

    fn encoding(&self) -> Encoding {
        Encoding::of(&self.bytes, self.dialect)
    }

    /// The ASCII character at an offset, or a space.
    fn chars_at(&self, offset: usize) -> char {
        self.bytes.get(offset).map_or(' ', |&byte| char::from(byte))
    }
}

impl Item {
    /// Whether it is a blank line such as a new section is set apart with.
    fn is_blank_line(&self) -> bool {
        matches!(self.what, What::Blank) && matches!(self.eol, Some(Eol::Lf | Eol::CrLf))
    }

    /// Whether WSL could not read it without its line end.
    fn needs_its_eol(&self) -> bool {
        matches!(self.what, What::Entry { escaped_eol: true, .. })
    }

    /// Whether it begins another section, or was meant to.
    fn is_header(&self) -> bool {
        matches!(self.what, What::Header { .. } | What::Invalid { header: true })
    }
}

/// Names are `isalpha isalnum*` (`configfile.cpp:456`, `:571`).
fn check_name(part: &str, name: &str) -> Result<(), EditError> {
    let valid = part.starts_with(|first: char| first.is_ascii_alphabetic())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if valid {
        return Ok(());
    }
    let why = "WSL reads names of letters and digits only, beginning with a letter";
    Err(EditError::BadKey { key: name.to_owned(), why })
}
