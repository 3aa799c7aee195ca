//! WSL's configuration grammar, exact and lossless, for both files that use it.
//!
//! One parser of WSL reads `/etc/wsl.conf` and `%USERPROFILE%\.wslconfig` (WSL
//! `src/shared/configfile/configfile.cpp`); [`Dialect`] has the differences. It is not an INI parser:
//!
//! - a `;` line is not a comment but an *invalid line*, and WSL up to 2.9.12 does not read wsl.conf past the first
//!   one (`configfile.cpp:807`: without `CFG_SKIP_INVALID_LINES` the parser returns); see [`Grammar`];
//! - the *first* occurrence of a key wins, even if its value is invalid (`configfile.cpp:187`);
//! - names are letters and digits, compared without case, and a section may be opened any number of times
//!   (`configfile.cpp:177`, `:456`, `:571`);
//! - `#` begins a comment anywhere outside quotes, `\` escapes, `\` before a line end continues
//!   (`configfile.cpp:657`).
//!
//! [`Document::parse`] never fails: WSL's errors are data. `tests/it/wsl_config_verdicts.rs` compares it with
//! recorded verdicts of WSL's own parser. An edit splices bytes and parses the result: one that would change any
//! other key is refused.

mod chars;
mod edit;
mod ignored;
mod repair;
mod scan;
mod shown;
mod style;

use std::fmt;

use serde::{Deserialize, Serialize};

use chars::Chars;
pub use repair::{Repair, RepairKind};
use scan::{Item, Scan, What};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/etc/wsl.conf`, read by init inside the distribution, byte by byte. A BOM makes the first line invalid; its
    /// effect on the rest depends on the version ([`Grammar`]).
    WslConf,
    /// `%USERPROFILE%\.wslconfig`, read by the Windows service: an invalid line is skipped, and UTF-8 with or without
    /// BOM and UTF-16LE with BOM are read (`_wfopen(path, L"rt,ccs=UTF-8")`, WSL `WslCoreConfig.cpp:136`).
    WslConfig,
}

/// The handling of an invalid line of wsl.conf in a version of WSL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// Up to WSL 2.9.12: reading ends there (`configfile.cpp:807`).
    #[default]
    Stop,
    /// From WSL 2.9.13 on: only that line is skipped (microsoft/WSL PR 41606), and a backslash before a carriage
    /// return makes a line invalid (PR 41591).
    Skip,
    /// The version is unknown: only values that both grammars read alike count. Reading ends as with [`Self::Stop`],
    /// and a line with another value in each grammar is invalid.
    Unknown,
}

/// One file: its bytes, and the values that WSL reads from them.
#[derive(Debug, Clone)]
pub struct Document {
    bytes: Vec<u8>,
    dialect: Dialect,
    grammar: Grammar,
    scan: Scan,
}

/// A warning of WSL.
///
/// WSL also warns about unknown keys. They are not included: the known keys depend on WSL's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line as an editor counts it. WSL's own number differs in a CRLF wsl.conf, in which it counts each line
    /// twice.
    pub line: usize,
    /// The text of that line, without its line end.
    pub text: String,
    pub kind: ProblemKind,
}

/// The fault of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// WSL cannot read the line. Up to 2.9.12 it then stops reading wsl.conf.
    InvalidLine {
        /// The cause.
        why: Why,
    },
    /// The key was set before, so this line has no effect.
    Duplicate {
        /// `section.key` in lower case.
        key: String,
        /// The effective line.
        first_line: usize,
    },
}

/// The cause of an invalid line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The line begins with something else than a key, a section or a comment; `;` for instance.
    LineStart,
    /// The line begins with a byte order mark, which init does not support.
    ByteOrderMark,
    /// A section name does not begin with a letter.
    SectionName,
    /// A section name is followed by something else than `]`.
    SectionEnd,
    /// Something else than blanks or a comment follows `]`.
    AfterSection,
    /// A key is followed by something else than `=`.
    Equals,
    /// A backslash before a character that it cannot escape.
    Escape,
    /// A quote is still open at the end of the line.
    OpenQuote,
    /// The file is UTF-16 in big-endian order, which the C runtime refuses to open.
    BigEndian,
    Utf16WithoutMark,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineStart => "a line must begin with a letter, `[` or `#`",
            Self::ByteOrderMark => "a byte order mark or UTF-16 text, where plain UTF-8 is needed",
            Self::SectionName => "a section name must begin with a letter, right after `[`",
            Self::SectionEnd => "a section name is letters and digits only, then `]`",
            Self::AfterSection => "only a comment may follow `]`",
            Self::Equals => "a key is letters and digits only, then `=`",
            Self::Escape => r#"`\` may only stand before `\`, `"`, b, n, t or the line end"#,
            Self::OpenQuote => "a quote is not closed",
            Self::BigEndian => "UTF-16 big endian text, where UTF-8 is needed",
            Self::Utf16WithoutMark => "UTF-16 without a byte order mark",
        })
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidLine { why } => write!(f, "{why}"),
            Self::Duplicate { key, first_line } => {
                write!(f, "`{key}` is set on line {first_line} already, which counts")
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.kind)
    }
}

impl Document {
    /// Parses the bytes as WSL does. Any bytes are accepted.
    #[must_use]
    pub fn parse(bytes: &[u8], dialect: Dialect) -> Self {
        Self::parse_as(bytes, dialect, Grammar::Stop)
    }

    /// Reads the bytes as the versions of WSL with this grammar do.
    #[must_use]
    pub fn parse_as(bytes: &[u8], dialect: Dialect, grammar: Grammar) -> Self {
        let scan = Scan::of(&Chars::decode(bytes, dialect), grammar);
        Self { scan, bytes: bytes.to_vec(), dialect, grammar }
    }

    /// The file's bytes; those given to [`parse`](Self::parse) as long as nothing was edited.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The text, decoded like in the WSL program that reads it.
    #[must_use]
    pub fn text(&self) -> String {
        self.encoding().decode(&self.bytes)
    }

    /// The effective value, or `None` if WSL finds none.
    ///
    /// Bytes that are not UTF-8 become replacement characters; [`values`](Self::values) has the original bytes.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.counting(&full_name(section, key)).map(|entry| entry.text.as_str())
    }

    /// The effective value, if it is a boolean; see [`parse_bool`].
    #[must_use]
    pub fn flag(&self, section: &str, key: &str) -> Option<bool> {
        self.get(section, key).and_then(parse_bool)
    }

    /// The line of the effective value, as an editor counts lines.
    #[must_use]
    pub fn line_of(&self, section: &str, key: &str) -> Option<usize> {
        self.counting(&full_name(section, key)).map(|entry| entry.line)
    }

    /// The line of the effective value, if it has characters outside ASCII.
    pub(crate) fn line_outside_ascii(&self, section: &str, key: &str) -> Option<usize> {
        let entry = self.counting(&full_name(section, key))?;
        (!self.encoding().decode(&self.bytes[entry.raw.clone()]).is_ascii()).then_some(entry.line)
    }

    /// Every `section.key` (lower case) with the bytes of its effective value, in the order of the file.
    ///
    /// A key above all sections has no prefix; one below a broken header may have a garbled one, as in WSL.
    pub fn values(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.entries().filter(|entry| entry.counts).map(|entry| (entry.name.to_owned(), entry.value))
    }

    /// False if WSL stops reading before the end of the file, or reads nothing from it because it is UTF-16.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.scan.complete && !(self.dialect == Dialect::WslConf && repair::is_utf16(&self.bytes))
    }

    /// WSL's warnings, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.scan.problems
    }

    /// Whether WSL reads a valid header of this section.
    #[must_use]
    pub fn has_section(&self, section: &str) -> bool {
        self.headers(section).next().is_some()
    }

    /// The keys of all sections with this name as written, with their values, in the order of the file; and whether
    /// these sections contain anything else except blank lines.
    #[must_use]
    pub fn section(&self, section: &str) -> (Vec<(String, String)>, bool) {
        let (mut keys, mut has_more) = (Vec::new(), false);
        for header in self.headers(section) {
            let next = (header + 1..self.scan.items.len()).find(|&at| self.scan.items[at].is_header());
            let end = next.map_or(self.scan.items.len(), |next| self.start_of_comments_above(next, header));
            for item in &self.scan.items[header + 1..end] {
                match (&item.what, Entry::of(item)) {
                    (What::Blank, _) => {}
                    (_, Some(entry)) => {
                        let written = &self.bytes[item.bytes.start..entry.raw.start];
                        let written = String::from_utf8_lossy(written);
                        let key = written.split('=').next().unwrap_or_default().trim().to_owned();
                        keys.push((key, entry.text.clone()));
                    }
                    _ => has_more = true,
                }
            }
        }
        (keys, has_more)
    }

    /// Indices of the valid headers of a section.
    fn headers<'a>(&'a self, section: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.scan.items.iter().enumerate().filter_map(move |(at, item)| match &item.what {
            What::Header { name } if name.eq_ignore_ascii_case(section) => Some(at),
            _ => None,
        })
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.scan.items.iter().filter_map(Entry::of)
    }

    fn counting(&self, name: &str) -> Option<Entry<'_>> {
        self.entries().find(|entry| entry.counts && entry.name == name)
    }
}

/// An [`Item`] known to be an entry.
struct Entry<'a> {
    line: usize,
    name: &'a str,
    value: &'a [u8],
    text: &'a String,
    raw: std::ops::Range<usize>,
    counts: bool,
}

impl<'a> Entry<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        let What::Entry { name, value, text, raw, counts, .. } = &item.what else { return None };
        Some(Self { line: item.line, name, value, text, raw: raw.clone(), counts: *counts })
    }
}

fn full_name(section: &str, key: &str) -> String {
    let name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    name.to_ascii_lowercase()
}

/// A key whose effective value differs between two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// `section.key` in lower case.
    pub name: String,
    /// The line that sets it, in the text that contains it.
    pub line: usize,
    /// The value of each text.
    pub values: [Option<Vec<u8>>; 2],
}

/// The first key, other than those `meant` to change, whose effective value differs between two texts for any version
/// of WSL: the rule for every edit.
#[must_use]
pub fn moved(before: &[u8], after: &[u8], dialect: Dialect, meant: impl Fn(&str) -> bool) -> Option<Moved> {
    [Grammar::Stop, Grammar::Skip].into_iter().find_map(|grammar| {
        let documents = [before, after].map(|bytes| Document::parse_as(bytes, dialect, grammar));
        let [mut before, mut after] = documents
            .each_ref()
            .map(|document| document.entries().filter(|entry| entry.counts && !meant(entry.name)));
        loop {
            match (before.next(), after.next()) {
                (None, None) => return None,
                (Some(left), Some(right)) if (left.name, left.value) == (right.name, right.value) => {}
                (left, right) => {
                    let Entry { name, line, .. } = left.or(right)?;
                    let value =
                        |document: &Document| document.counting(name).map(|entry| entry.value.to_vec());
                    let values = documents.each_ref().map(value);
                    return Some(Moved { name: name.to_owned(), line, values });
                }
            }
        }
    })
}

/// A boolean as WSL reads one: `true`, `false` in any case, `1`, `0`, and nothing else.
///
/// `yes` and `on` warn and keep the default (WSL `stringshared.h`, `ParseBool`).
#[must_use]
pub fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "1" => Some(true),
        "0" => Some(false),
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number as WSL reads one: `strtol` with base 0 (WSL `configfile.cpp`, `ParseImpl`).
#[must_use]
pub fn parse_number(value: &str) -> Option<i32> {
    let value = value.trim_ascii_start();
    let (is_negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let parsed = match digits.as_bytes() {
        [b'+' | b'-', ..] => return None,
        [b'0', b'x' | b'X', ..] => i64::from_str_radix(&digits[2..], 16),
        [b'0', ..] => i64::from_str_radix(digits, 8),
        _ => digits.parse(),
    };
    let number = i32::try_from(parsed.ok()?).ok()?;
    Some(if is_negative { -number } else { number })
}
