//! Scans a file as WSL does: a port of `ParseConfigFile` that records all positions.
//!
//! WSL's function is a state machine of labels (`NewLine`, `ParseSection`, `ParseKeyValue`, `ValueDone`,
//! `InvalidLine`); here each label is a method. The port keeps its quirks: the remains of a broken header garble the
//! names of the keys below it, and a NUL ends a name or a value, because both are C strings.

use std::collections::HashMap;
use std::ops::Range;

use super::chars::{Chars, Eol, FileEncoding, low_byte};
use super::{Grammar, Problem, ProblemKind, Why};

/// The file as a list of items that cover it, and WSL's warnings.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) items: Vec<Item>,
    pub(super) problems: Vec<Problem>,
    pub(super) complete: bool,
}

/// One line, or several that a continuation or an open quote joins.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The line it begins on, from one.
    pub(super) line: usize,
    /// Its bytes from the start of the line to the end, line end included.
    pub(super) bytes: Range<usize>,
    /// Its line end; `None` at the end of the file.
    pub(super) eol: Option<Eol>,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Blank,
    Comment,
    /// A valid section header; the name in lower case.
    Header {
        name: String,
    },
    Entry {
        /// `section.key` in lower case.
        name: String,
        value: Vec<u8>,
        /// The value as text.
        text: String,
        /// The bytes of the value, including quotes and escapes, without outer blanks.
        raw: Range<usize>,
        /// Whether the line end follows a `\` that needs it: without it, WSL cannot read the line.
        escaped_eol: bool,
        /// False for all but the first occurrence.
        counts: bool,
    },
    /// A line that WSL cannot read; in wsl.conf the last item, which ends at the error.
    Invalid {
        /// Whether it was meant as a header.
        header: bool,
    },
}

impl Scan {
    pub(super) fn of(chars: &Chars<'_>, grammar: Grammar) -> Self {
        if grammar == Grammar::Unknown {
            return Self::of(chars, Grammar::Stop).agreed(&Self::of(chars, Grammar::Skip));
        }
        let mut scanner = Scanner {
            chars,
            grammar,
            at: 0,
            line: 1,
            key: Vec::new(),
            section_len: 0,
            seen: HashMap::new(),
            scan: Self { items: Vec::new(), problems: Vec::new(), complete: true },
        };
        match chars.encoding {
            FileEncoding::Utf16Be => {
                let kind = ProblemKind::InvalidLine { why: Why::BigEndian };
                scanner.scan.problems.push(Problem { line: 1, text: String::new(), kind });
                scanner.scan.complete = false;
            }
            _ => while scanner.item() {},
        }
        scanner.scan
    }

    /// Without the values that the newer grammar does not read: only a backslash before a carriage return creates
    /// them.
    fn agreed(mut self, newer: &Self) -> Self {
        let counting = |item: &Item| match &item.what {
            What::Entry { name, value, counts: true, .. } => Some((name.clone(), value.clone())),
            _ => None,
        };
        let read: HashMap<_, _> = newer.items.iter().filter_map(counting).collect();
        for item in &mut self.items {
            let Some((name, value)) = counting(item) else { continue };
            if read.get(&name) == Some(&value) {
                continue;
            }
            item.what = What::Invalid { header: false };
            self.complete = false;
            let kind = ProblemKind::InvalidLine { why: Why::Escape };
            let known =
                newer.problems.iter().find(|problem| problem.line == item.line && problem.kind == kind);
            self.problems.push(known.cloned().unwrap_or(Problem {
                line: item.line,
                text: String::new(),
                kind,
            }));
        }
        self.problems.sort_by_key(|problem| problem.line);
        self
    }

    /// The first invalid line, if WSL stops reading the file there.
    pub(super) fn stop(&self) -> Option<&Problem> {
        let is_invalid = |problem: &&Problem| matches!(problem.kind, ProblemKind::InvalidLine { .. });
        if self.complete { None } else { self.problems.iter().find(is_invalid) }
    }
}

/// An invalid line: the position of the error, and its cause.
struct Invalid {
    at: usize,
    why: Why,
    header: bool,
}

/// A readable line, the index after its line end, and that line end.
type Read = (What, usize, Option<Eol>);

struct Scanner<'a> {
    chars: &'a Chars<'a>,
    grammar: Grammar,
    at: usize,
    line: usize,
    /// WSL's one buffer for the section and the key: `section`, then `section.key`.
    key: Vec<u8>,
    /// The length of the section in `key`. Only a valid header changes it, and each key truncates the buffer to it
    /// (`configfile.cpp:565`).
    section_len: usize,
    /// The line that first set each name.
    seen: HashMap<String, usize>,
    scan: Scan,
}

impl Scanner<'_> {
    /// Reads one item; false at the end of the text.
    fn item(&mut self) -> bool {
        let start = self.at;
        let (text_at, first) = self.skip_blanks(start);
        if first.is_none() && text_at == start {
            return false;
        }
        let read = match first.and_then(ascii) {
            Some(b'#') => Ok(self.comment(What::Comment, text_at)),
            Some(b'[') => self.section(text_at),
            Some(letter) if letter.is_ascii_alphabetic() => self.key_value(text_at),
            Some(b'\n' | b'\r') => Ok(self.end_of_line(What::Blank, text_at)),
            _ if first.is_none() => Ok((What::Blank, text_at, None)),
            _ => Err(Invalid { at: text_at, why: self.why_line_start(text_at), header: false }),
        };
        let (what, end, eol) = match read {
            Ok(read) => read,
            Err(invalid) => self.invalid(start, &invalid),
        };
        self.scan.items.push(Item { line: self.line, bytes: self.chars.range(start..end), eol, what });
        self.line += self.count_lines(start, end);
        self.at = end;
        self.scan.complete
    }

    fn why_line_start(&self, at: usize) -> Why {
        let is_mark = match self.chars.get(at) {
            Some(0xef) => self.chars.get(at + 1) == Some(0xbb) && self.chars.get(at + 2) == Some(0xbf),
            Some(0xff) => self.chars.get(at + 1) == Some(0xfe),
            Some(0xfe) => self.chars.get(at + 1) == Some(0xff),
            _ => false,
        };
        if at == 0 && is_mark { Why::ByteOrderMark } else { Why::LineStart }
    }

    /// `ParseSection`, at the `[`.
    fn section(&mut self, open: usize) -> Result<Read, Invalid> {
        let invalid = |at, why| Invalid { at, why, header: true };
        let name_at = open + 1;
        if !self.is_letter(name_at) {
            return Err(invalid(name_at, Why::SectionName));
        }
        // From here on the buffer contains this name, valid or not, while the section's length is still the old one.
        self.key.clear();
        let close = self.take_name(name_at);
        if self.byte(close) != Some(b']') {
            return Err(invalid(close, Why::SectionEnd));
        }
        let (after, next) = self.skip_blanks(close + 1);
        if !matches!(next.map(ascii), None | Some(Some(b'\n' | b'\r' | b'#'))) {
            return Err(invalid(after, Why::AfterSection));
        }
        self.section_len = self.key.len();
        let name = String::from_utf8_lossy(&self.key).to_ascii_lowercase();
        Ok(self.end_of_line(What::Header { name }, after))
    }

    /// `ParseKeyValue`, at the first letter of the key.
    fn key_value(&mut self, name_at: usize) -> Result<Read, Invalid> {
        let invalid = |at, why| Invalid { at, why, header: false };
        self.key.resize(self.section_len, 0);
        if !self.key.is_empty() {
            self.key.push(b'.');
        }
        let (equals, next) = {
            let end = self.take_name(name_at);
            self.skip_blanks(end)
        };
        if next.and_then(ascii) != Some(b'=') {
            return Err(invalid(equals, Why::Equals));
        }
        let (raw_start, _) = self.skip_blanks(equals + 1);
        let mut at = raw_start;
        let mut value = Vec::new();
        let (mut trimmed_len, mut raw_end) = (0, raw_start);
        let (mut quoted, mut escaped_eol) = (false, false);
        while let Some(unit) = self.chars.get(at) {
            let start = at;
            match ascii(unit) {
                Some(b'\n' | b'\r') => break,
                Some(b'#') if !quoted => break,
                Some(b'"') => quoted = !quoted,
                Some(b'\\') => {
                    at += 1;
                    match self.byte(at) {
                        Some(same @ (b'\\' | b'"')) => value.push(same),
                        Some(b'b') => value.push(0x08),
                        Some(b'n') => value.push(b'\n'),
                        Some(b't') => value.push(b'\t'),
                        Some(b'\r') if self.grammar == Grammar::Skip => {
                            return Err(invalid(start, Why::Escape));
                        }
                        // WSL skips `\` and one character, so the LF of a CRLF remains and ends the value.
                        Some(b'\r') if matches!(self.chars.eol(at), Some((Eol::CrLf, _))) => {
                            (trimmed_len, raw_end, escaped_eol) = (value.len(), at, true);
                            break;
                        }
                        Some(b'\n' | b'\r') => {}
                        _ => return Err(invalid(start, Why::Escape)),
                    }
                }
                _ => value.push(low_byte(unit)),
            }
            at += 1;
            if !is_blank(unit) {
                (trimmed_len, raw_end) = (value.len(), at);
            }
        }
        if quoted {
            return Err(invalid(at, Why::OpenQuote));
        }
        value.truncate(trimmed_len);
        let raw = self.chars.range(raw_start..raw_end);
        let entry = self.entry(until_nul(value), raw, escaped_eol);
        Ok(self.end_of_line(entry, at))
    }

    /// `SetConfig` and `ConfigKey::Parse`: the first occurrence wins, whatever its value.
    fn entry(&mut self, value: Vec<u8>, raw: Range<usize>, escaped_eol: bool) -> What {
        let name = String::from_utf8_lossy(&until_nul(self.key.clone())).to_ascii_lowercase();
        let first_line = self.seen.get(&name).copied();
        if let Some(first_line) = first_line {
            self.problem(self.at, ProblemKind::Duplicate { key: name.clone(), first_line });
        } else {
            self.seen.insert(name.clone(), self.line);
        }
        let counts = first_line.is_none();
        let text = String::from_utf8_lossy(&value).into_owned();
        What::Entry { name, text, value, raw, escaped_eol, counts }
    }

    /// The line end, or the comment before it, at an index.
    fn end_of_line(&self, what: What, at: usize) -> Read {
        match self.chars.eol(at) {
            Some((eol, end)) => (what, end, Some(eol)),
            None if self.byte(at) == Some(b'#') => self.comment(what, at),
            None => (what, at, None),
        }
    }

    /// A comment ends only at a line feed: a lone CR is part of it.
    fn comment(&self, what: What, at: usize) -> Read {
        let (end, eol) = self.to_line_feed(at);
        (what, end, eol)
    }

    /// `InvalidLine`: up to WSL 2.9.12 wsl.conf ends here (`configfile.cpp:807`); otherwise reading continues after the
    /// next line feed.
    fn invalid(&mut self, start: usize, invalid: &Invalid) -> Read {
        self.problem(start, ProblemKind::InvalidLine { why: invalid.why });
        let what = What::Invalid { header: invalid.header };
        if self.chars.encoding == FileEncoding::Bytes && self.grammar == Grammar::Stop {
            self.scan.complete = false;
            return (what, invalid.at, None);
        }
        let (end, eol) = self.to_line_feed(invalid.at);
        (what, end, eol)
    }

    fn to_line_feed(&self, from: usize) -> (usize, Option<Eol>) {
        let at = self.chars.line_feed(from);
        let Some((eol, end)) = self.chars.eol(at) else { return (at, None) };
        let is_crlf = at > from && self.chars.eol(at - 1) == Some((Eol::CrLf, end));
        (end, Some(if is_crlf { Eol::CrLf } else { eol }))
    }

    fn problem(&mut self, start: usize, kind: ProblemKind) {
        let text = self.chars.line_text(start);
        self.scan.problems.push(Problem { line: self.line, text, kind });
    }

    /// Appends the letters and digits from an index on to the buffer; returns the index after them.
    fn take_name(&mut self, from: usize) -> usize {
        let name: Vec<u8> =
            (from..).map_while(|at| self.byte(at)).take_while(u8::is_ascii_alphanumeric).collect();
        self.key.extend_from_slice(&name);
        from + name.len()
    }

    fn skip_blanks(&self, from: usize) -> (usize, Option<u16>) {
        let mut at = from;
        while self.chars.get(at).is_some_and(is_blank) {
            at += 1;
        }
        (at, self.chars.get(at))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.chars.get(at).and_then(ascii)
    }

    fn is_letter(&self, at: usize) -> bool {
        self.byte(at).is_some_and(|byte| byte.is_ascii_alphabetic())
    }

    fn count_lines(&self, start: usize, end: usize) -> usize {
        let mut at = start;
        let mut lines = 0;
        while at < end {
            match self.chars.eol(at) {
                Some((_, next)) => (at, lines) = (next, lines + 1),
                None => at += 1,
            }
        }
        lines
    }
}

/// A character for WSL's `isalpha`, `isalnum` and comparisons; they are false for all others.
fn ascii(unit: u16) -> Option<u8> {
    u8::try_from(unit).ok().filter(u8::is_ascii)
}

fn is_blank(unit: u16) -> bool {
    unit == u16::from(b' ') || unit == u16::from(b'\t')
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(nul) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(nul);
    }
    bytes
}
