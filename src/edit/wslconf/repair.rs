//! Makes a file completely readable.

use std::ops::Range;

use super::chars::{UTF8_BOM, UTF16BE_BOM, UTF16LE_BOM};
use super::scan::{Item, What};
use super::{Dialect, Document};

/// One change of [`Document::repair`], for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The line, as an editor counts it.
    pub line: usize,
    pub kind: RepairKind,
    /// The former text of the line. For a change to the whole file, its first line.
    pub before: String,
    /// The new text of the line.
    pub after: String,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairKind {
    /// The line became a comment.
    CommentedOut,
    /// A `;` comment became a `#` comment.
    Semicolon,
    /// A UTF-8 byte order mark was dropped.
    DroppedMark,
    /// The whole file was UTF-16 and is UTF-8 now.
    Reencoded,
}

impl Document {
    /// Makes the smallest change after which every version of WSL reads the whole file: UTF-16 becomes UTF-8, a byte
    /// order mark is removed, and in wsl.conf every invalid line becomes a comment (`;` at its beginning becomes
    /// `#`). So do the keys below a header that WSL cannot read: otherwise they would apply to the section above.
    ///
    /// Keys below the place where WSL stopped take effect. In a .wslconfig, of which WSL reads all but the invalid
    /// lines anyway, those lines stay. Afterwards the document is [`complete`](Self::complete).
    pub fn repair(&mut self) -> Vec<Repair> {
        let mut repairs = Vec::new();
        // One fault may hide the other.
        while let Some(repair) = self.reencode().or_else(|| self.drop_mark()) {
            repairs.push(repair);
        }
        if self.dialect == Dialect::WslConf {
            let mut broken_header = None;
            while let Some((line, range, is_header)) = self.next_to_comment_out(broken_header) {
                broken_header = if is_header { Some(range.start) } else { broken_header };
                repairs.extend(self.comment_out(line, range));
            }
        }
        repairs
    }

    /// The line and the bytes of the next item to comment out, and whether it was meant as a header.
    fn next_to_comment_out(&self, broken_header: Option<usize>) -> Option<(usize, Range<usize>, bool)> {
        let below = |item: &&Item| broken_header.is_some_and(|header| item.bytes.start >= header);
        let items = || self.scan.items.iter();
        let orphan = items()
            .filter(below)
            .take_while(|item| !matches!(item.what, What::Header { .. }))
            .find(|item| matches!(item.what, What::Entry { .. }));
        if let Some(orphan) = orphan {
            return Some((orphan.line, self.without_eol(orphan), false));
        }
        let is_invalid = |item: &&Item| matches!(item.what, What::Invalid { .. });
        let stop = items().find(is_invalid).filter(|_| !self.scan.complete)?;
        Some((stop.line, self.without_eol(stop), matches!(stop.what, What::Invalid { header: true })))
    }

    fn without_eol(&self, item: &Item) -> Range<usize> {
        let text = &self.bytes[item.bytes.clone()];
        let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        item.bytes.start..item.bytes.start + end
    }

    fn reencode(&mut self) -> Option<Repair> {
        let text = match (Utf16::detect(&self.bytes)?, self.dialect) {
            (Utf16 { marked: true, big_endian: false }, Dialect::WslConfig) => return None,
            (utf16, _) => utf16.decode(&self.bytes),
        };
        let before = String::from_utf8_lossy(&self.bytes);
        let before = before.lines().next().unwrap_or_default().to_owned();
        let after = text.lines().next().unwrap_or_default().to_owned();
        *self = self.with(text.as_bytes());
        Some(Repair { line: 1, kind: RepairKind::Reencoded, before, after })
    }

    /// Windows supports the mark.
    fn drop_mark(&mut self) -> Option<Repair> {
        let rest = self.bytes.strip_prefix(UTF8_BOM).filter(|_| self.dialect == Dialect::WslConf)?.to_vec();
        let after = String::from_utf8_lossy(&rest).lines().next().unwrap_or_default().to_owned();
        *self = self.with(&rest);
        Some(Repair { line: 1, kind: RepairKind::DroppedMark, before: format!("\u{feff}{after}"), after })
    }

    /// Comments out the lines of an item that ends at WSL's error.
    fn comment_out(&mut self, line: usize, item: Range<usize>) -> Vec<Repair> {
        let is_eol = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let tail = &self.bytes[item.end..];
        let end = item.end + tail.iter().position(is_eol).unwrap_or(tail.len());
        let mut repairs = Vec::new();
        let mut new = self.bytes[..item.start].to_vec();
        // Separates lines that `\` joined. A comment continues over a lone CR.
        for (nth, before) in self.bytes[item.start..end].split(|&byte| byte == b'\n').enumerate() {
            if nth > 0 {
                new.push(b'\n');
            }
            let (kind, after) = commented(before);
            let [before, text] = [before, &after].map(|text| String::from_utf8_lossy(text).into_owned());
            new.extend(after);
            repairs.push(Repair { line: line + nth, kind, before, after: text });
        }
        let mut rest = &self.bytes[end..];
        if rest.starts_with(b"\r") && !rest.starts_with(b"\r\n") {
            // A lone CR does not end a comment; what follows would become part of it.
            new.push(b'\n');
            rest = &rest[1..];
        }
        new.extend_from_slice(rest);
        *self = self.with(&new);
        repairs
    }
}

fn commented(line: &[u8]) -> (RepairKind, Vec<u8>) {
    let mut line = line.to_vec();
    match line.iter().position(|byte| !matches!(byte, b' ' | b'\t')) {
        Some(first) if line[first] == b';' => {
            line[first] = b'#';
            (RepairKind::Semicolon, line)
        }
        _ => (RepairKind::CommentedOut, [b"# ", line.as_slice()].concat()),
    }
}

impl Document {
    /// Whether it is UTF-16 that WSL does not read as such.
    pub(super) fn is_in_another_encoding(&self) -> bool {
        let of_windows = Utf16 { marked: true, big_endian: false };
        let is_read = self.dialect == Dialect::WslConfig;
        Utf16::detect(&self.bytes).is_some_and(|utf16| !(is_read && utf16 == of_windows))
    }
}

/// Whether it is UTF-16 text.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    Utf16::detect(bytes).is_some()
}

/// Whether it is UTF-16 text without a mark, of either byte order.
pub(super) fn is_unmarked_utf16(bytes: &[u8]) -> bool {
    Utf16::detect(bytes).is_some_and(|utf16| !utf16.marked)
}

/// UTF-16 text, detected by its mark or, if it is all ASCII, by a NUL in every other byte.
#[derive(PartialEq, Eq)]
struct Utf16 {
    marked: bool,
    big_endian: bool,
}

impl Utf16 {
    fn detect(bytes: &[u8]) -> Option<Self> {
        let every_other_is_nul = |first: usize| {
            bytes.len() >= 2
                && bytes.len().is_multiple_of(2)
                && bytes.iter().skip(first).step_by(2).all(|&byte| byte == 0)
                && bytes.iter().skip(1 - first).step_by(2).all(|&byte| byte != 0)
        };
        let (marked, big_endian) = if bytes.starts_with(UTF16LE_BOM) {
            (true, false)
        } else if bytes.starts_with(UTF16BE_BOM) {
            (true, true)
        } else if every_other_is_nul(1) {
            (false, false)
        } else if every_other_is_nul(0) {
            (false, true)
        } else {
            return None;
        };
        Some(Self { marked, big_endian })
    }

    fn decode(&self, bytes: &[u8]) -> String {
        let unit = if self.big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        let start = if self.marked { 2 } else { 0 };
        let units: Vec<u16> = bytes[start..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    }
}
