//! Changes to a document: each splices bytes, parses the result as WSL does, and is kept only if exactly the
//! requested key changed.

use super::chars::{Chars, Eol, FileEncoding};
use super::repair::is_unmarked_utf16;
use super::scan::{Item, What};
use super::{Dialect, Document, Entry, Grammar, ProblemKind, Why, full_name};
use crate::edit::EditError;

impl Document {
    /// Sets a key: an effective value is replaced in place; otherwise the key is added after the last key of the
    /// first section with that name, otherwise in a new section at the end.
    ///
    /// The value is quoted and escaped as needed. A key with that value stays as written.
    ///
    /// # Errors
    /// The name or the value cannot be written so that WSL reads it, WSL stops reading above the place, or another
    /// key would change. The document is then unchanged.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), EditError> {
        let name = full_name(section, key);
        for part in [section, key] {
            check_name(part, &name)?;
        }
        let literal = self.literal(&name, value)?;
        self.check_encoding(&name)?;
        let new = match self.counting(&name) {
            Some(_) if self.is_set(&name, value) => return Ok(()),
            Some(entry) if self.is_spelled_specially(&entry) => {
                let patched = self.patched(&entry, &name, value);
                patched.unwrap_or_else(|| self.spliced(entry.raw, &literal))
            }
            Some(entry) => {
                let comment = if value.contains(';') { String::new() } else { self.note_behind(&entry.raw) };
                let gap = if entry.raw.is_empty() && self.chars_at(entry.raw.end) == '#' { " " } else { "" };
                self.spliced(entry.raw, &format!("{literal}{comment}{gap}"))
            }
            None => {
                self.check_readable(&name)?;
                self.with_entry(section, key, &literal)
            }
        };
        let before = self.clone();
        self.adopt(&new, &name, |other| other == name)?;
        if self.is_set(&name, value) {
            return Ok(());
        }
        *self = before;
        Err(EditError::BadValue { key: name, why: "WSL would read something else".to_owned() })
    }

    /// Whether every version of WSL with this grammar or the newer one reads this value.
    fn is_set(&self, name: &str, value: &str) -> bool {
        let reads =
            |document: &Self| document.counting(name).is_some_and(|entry| entry.value == value.as_bytes());
        reads(self) && reads(&Self::parse_as(&self.bytes, self.dialect, Grammar::Skip))
    }

    /// Returns the bytes with one key set, or unset if the value is `None`.
    ///
    /// # Errors
    /// Those of [`Document::set`] and [`Document::unset`].
    pub fn put(mut self, section: &str, key: &str, value: Option<&str>) -> Result<Vec<u8>, EditError> {
        match value {
            Some(value) => self.set(section, key, value)?,
            None => _ = self.unset(section, key)?,
        }
        Ok(self.bytes)
    }

    /// The same file with other bytes.
    pub(super) fn with(&self, bytes: &[u8]) -> Self {
        Self::parse_as(bytes, self.dialect, self.grammar)
    }

    /// Whether a value has quotes, escapes or continued lines.
    fn is_spelled_specially(&self, entry: &Entry<'_>) -> bool {
        self.bytes[entry.raw.clone()].iter().any(|byte| matches!(byte, b'"' | b'\\'))
    }

    /// The bytes with only the changed part of a value replaced, so that the owner's quotes and continued lines stay;
    /// `None` if no such replacement is read as the value.
    fn patched(&self, entry: &Entry<'_>, name: &str, value: &str) -> Option<Vec<u8>> {
        let same = |pair: &(char, char)| pair.0 == pair.1;
        let bytes =
            |pairs: usize, chars: std::str::Chars<'_>| chars.take(pairs).map(char::len_utf8).sum::<usize>();
        let start = entry.text.chars().zip(value.chars()).take_while(same).count();
        let start = bytes(start, value.chars());
        let (old, new) = (&entry.text[start..], &value[start..]);
        let end = old.chars().rev().zip(new.chars().rev()).take_while(same).count();
        let end = new.chars().rev().take(end).map(char::len_utf8).sum::<usize>();
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        let new = self.encoding().encode(&self.literal(name, new).ok()?.replace('"', ""));
        let old = self.encoding().encode(old);
        let raw = &self.bytes[entry.raw.clone()];
        // The last place first: a new part is usually at the end, but within the owner's quotes.
        let within = raw
            .ends_with(&self.encoding().encode("\""))
            .then(|| raw.len() - self.encoding().encode("\"").len());
        let places = within.into_iter().chain((0..=raw.len().checked_sub(old.len())?).rev());
        let mut candidates = places.filter(|&at| raw[at..].starts_with(&old)).map(|at| {
            let mut bytes = self.bytes.clone();
            let at = entry.raw.start + at;
            bytes.splice(at..at + old.len(), new.iter().copied());
            bytes
        });
        candidates.find(|bytes| self.with(bytes).is_set(name, value))
    }

    /// The text after a value that the owner wrote as a `;` comment, which WSL reads as part of the value.
    fn note_behind(&self, raw: &std::ops::Range<usize>) -> String {
        let text = self.encoding().decode(&self.bytes[raw.clone()]);
        let note = text.split_once([' ', '\t']).map(|(_, rest)| rest.trim_start());
        match note.and_then(|rest| rest.strip_prefix(';')) {
            Some(note) if !text.contains(['"', '\\']) => format!(" # {}", note.trim()),
            _ => String::new(),
        }
    }

    /// Unsets a key: removes every line that sets it, since the second would take effect once the first is gone. The
    /// section's header stays, and so do lines that WSL does not read. False if the key was not set.
    ///
    /// # Errors
    /// Another key would change. The document is then unchanged.
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
        let new = self.without(&self.with_notes(doomed));
        self.adopt(&new, &name, |other| other == name)?;
        Ok(true)
    }

    /// These items, and kind-wsl's comments right above them.
    fn with_notes(&self, mut doomed: Vec<bool>) -> Vec<bool> {
        for at in 1..doomed.len() {
            doomed[at - 1] |= doomed[at] && self.is_note(&self.scan.items[at - 1]);
        }
        doomed
    }

    /// Removes one line that sets a key, as [`Document::lines_of`] returns it. False if the line does not exist.
    ///
    /// # Errors
    /// Another key would change. The document is then unchanged.
    pub fn unset_line(&mut self, section: &str, key: &str, line: &[u8]) -> Result<bool, EditError> {
        let name = full_name(section, key);
        let mut doomed = vec![false; self.scan.items.len()];
        let found = self.scan.items.iter().position(|item| {
            matches!(&item.what, What::Entry { name: other, .. } if *other == name)
                && self.line_at(item) == line
        });
        let Some(found) = found else { return Ok(false) };
        doomed[found] = true;
        let new = self.without(&self.with_notes(doomed));
        self.adopt(&new, &name, |other| other == name)?;
        Ok(true)
    }

    /// The lines that set a key, without their line ends; the first is the effective one.
    #[must_use]
    pub fn lines_of(&self, section: &str, key: &str) -> Vec<&[u8]> {
        let name = full_name(section, key);
        let of_key = |item: &&Item| matches!(&item.what, What::Entry { name: other, .. } if *other == name);
        self.scan.items.iter().filter(of_key).map(|item| self.line_at(item)).collect()
    }

    fn line_at(&self, item: &Item) -> &[u8] {
        let eol = item.eol.map_or(0, |eol| self.encoding().encode(eol.as_str()).len());
        &self.bytes[item.bytes.start..item.bytes.end - eol]
    }

    /// Removes every section with a name, with the lines below it up to the next header. False if none exists.
    ///
    /// Comments right above the next header belong to that header, and stay. The blank line above a section at the
    /// end of the file is removed too.
    ///
    /// # Errors
    /// WSL stops reading inside the section, so that its end is unknown, or a key of another section would change.
    /// The document is then unchanged.
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

    /// Removes the header of the section that [`Document::set`] added to the document `before`, if only blank lines,
    /// and comments above another header, follow it. False if nothing was removed.
    ///
    /// # Errors
    /// A key would change. The document is then unchanged.
    pub fn remove_added_section(&mut self, section: &str, before: &Self) -> Result<bool, EditError> {
        let items = &self.scan.items;
        let rest = self.end_of_sections();
        let mut doomed = vec![false; items.len()];
        for header in self.headers(section) {
            let is_blank = |at: &usize| matches!(items[*at].what, What::Blank);
            let next = (header + 1..items.len()).find(|at| !is_blank(at)).unwrap_or(items.len());
            // Comments above another header belong to that header; at the end of the file they may be about this
            // section.
            let is_note = |at: &usize| is_blank(at) || matches!(items[*at].what, What::Comment);
            let content = (next..items.len()).find(|at| !is_note(at)).unwrap_or(next);
            if next < rest && !items[content].is_header() {
                return Ok(false);
            }
            let is_last = next >= rest;
            let ours_above = is_last && before.needs_blank_above(before.end_of_sections());
            let blank_above =
                header.checked_sub(1).filter(|&above| ours_above && items[above].is_blank_line());
            doomed[blank_above.unwrap_or(header)..next].fill(true);
        }
        if !doomed.contains(&true) {
            return Ok(false);
        }
        let new = self.without(&doomed);
        self.adopt(&new, section, |_| false)?;
        Ok(true)
    }

    /// The start of the comments right above an item, which belong to it.
    pub(super) fn start_of_comments_above(&self, item: usize, floor: usize) -> usize {
        let is_comment = |at: usize| matches!(self.scan.items[at].what, What::Comment);
        (floor + 1..item).rev().take_while(|&at| is_comment(at)).last().unwrap_or(item)
    }

    /// The line end to write if no neighbor has one: the file's first, otherwise the default of its system.
    pub(super) fn eol(&self) -> &'static str {
        match (Chars::decode(&self.bytes, self.dialect).first_eol(), self.dialect) {
            (Some(eol), _) => eol.to_write(),
            (None, Dialect::WslConf) => Eol::Lf.to_write(),
            (None, Dialect::WslConfig) => Eol::CrLf.to_write(),
        }
    }

    /// The line end to write at the end of a file without one. A lone line feed after a CR would join it to one line
    /// end, and even to that of a continuation in text mode.
    pub(super) fn eol_at_end(&self) -> &'static str {
        match (Chars::decode(&self.bytes, self.dialect).ends_in_cr(), self.dialect) {
            (true, Dialect::WslConfig) => Eol::CrLf.to_write(),
            _ => self.eol(),
        }
    }

    /// The bytes without some items. If the last line of the file is removed, so is the line end before it: a missing
    /// final newline stays missing.
    pub(super) fn without(&self, doomed: &[bool]) -> Vec<u8> {
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

    pub(super) fn spliced(&self, range: std::ops::Range<usize>, text: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.splice(range, self.encoding().encode(text));
        bytes
    }

    /// Adopts the new bytes, if every version of WSL reads the same value from them as before for each key except
    /// those that were meant.
    pub(super) fn adopt(
        &mut self,
        bytes: &[u8],
        key: &str,
        meant: impl Fn(&str) -> bool,
    ) -> Result<(), EditError> {
        if let Some(moved) = super::moved(&self.bytes, bytes, self.dialect, meant) {
            return Err(moved.refused(key, self.dialect));
        }
        *self = self.with(bytes);
        Ok(())
    }

    /// Refuses UTF-16 without its mark: Windows reads it as UTF-8, so WSL finds nothing in it, and added text would
    /// be neither.
    fn check_encoding(&self, key: &str) -> Result<(), EditError> {
        if self.dialect == Dialect::WslConfig && is_unmarked_utf16(&self.bytes) {
            return Err(EditError::Unreadable {
                line: 1,
                why: ProblemKind::InvalidLine { why: Why::Utf16WithoutMark },
                key: key.to_owned(),
            });
        }
        Ok(())
    }

    fn check_readable(&self, key: &str) -> Result<(), EditError> {
        let stop = if self.scan.complete { self.problems().first() } else { self.scan.stop() };
        match stop.filter(|_| !self.complete()) {
            None => Ok(()),
            Some(stop) => {
                Err(EditError::Unreadable { line: stop.line, why: stop.kind.clone(), key: key.to_owned() })
            }
        }
    }

    /// A value as WSL reads it back: escaped, and in quotes if it contains a `#` or begins or ends with a space.
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

    pub(super) fn encoding(&self) -> FileEncoding {
        FileEncoding::of(&self.bytes, self.dialect)
    }

    /// The ASCII character at an offset, or a space.
    fn chars_at(&self, offset: usize) -> char {
        self.bytes.get(offset).map_or(' ', |&byte| char::from(byte))
    }
}

impl Item {
    /// Whether it is a blank line such as the one before a new section.
    pub(super) fn is_blank_line(&self) -> bool {
        matches!(self.what, What::Blank) && matches!(self.eol, Some(Eol::Lf | Eol::CrLf))
    }

    /// Whether WSL could not read it without its line end.
    fn needs_its_eol(&self) -> bool {
        matches!(self.what, What::Entry { escaped_eol: true, .. })
    }

    /// Whether it begins another section, or was meant to.
    pub(super) fn is_header(&self) -> bool {
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
