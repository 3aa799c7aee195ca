//! Decodes bytes to the characters that WSL's parser gets from `fgetwc`, each with its offset.

use std::ops::Range;

use super::Dialect;

pub(super) const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";
pub(super) const UTF16LE_BOM: &[u8] = b"\xff\xfe";
pub(super) const UTF16BE_BOM: &[u8] = b"\xfe\xff";

/// In text mode the C runtime ends a file at Ctrl-Z.
const CTRL_Z: u16 = 0x1a;

const LF: u16 = b'\n' as u16;
const CR: u16 = b'\r' as u16;

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileEncoding {
    /// One byte, one character: init is linked with musl and sets no locale, so its `fgetwc` does not decode.
    Bytes,
    /// UTF-8, a BOM skipped.
    Utf8,
    /// UTF-16, little endian, with its BOM skipped.
    Utf16Le,
    /// UTF-16, big endian: the C runtime does not open it, and WSL continues as if the file did not exist.
    Utf16Be,
}

impl FileEncoding {
    pub(super) fn of(bytes: &[u8], dialect: Dialect) -> Self {
        match dialect {
            Dialect::WslConf => Self::Bytes,
            Dialect::WslConfig if bytes.starts_with(UTF16LE_BOM) => Self::Utf16Le,
            Dialect::WslConfig if bytes.starts_with(UTF16BE_BOM) => Self::Utf16Be,
            Dialect::WslConfig => Self::Utf8,
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> String {
        let units = |unit: fn([u8; 2]) -> u16| -> Vec<u16> {
            bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect()
        };
        match self {
            Self::Bytes | Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16Le => String::from_utf16_lossy(&units(u16::from_le_bytes)),
            Self::Utf16Be => String::from_utf16_lossy(&units(u16::from_be_bytes)),
        }
    }

    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Bytes | Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// A line end as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eol {
    Lf,
    CrLf,
    Cr,
}

impl Eol {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// The line end to write next to this one. A lone CR ends a key but not a comment (`ParseConfigFile`, "Skip any
    /// pending comment"), so none is ever written.
    pub(super) const fn to_write(self) -> &'static str {
        match self {
            Self::CrLf => "\r\n",
            Self::Lf | Self::Cr => "\n",
        }
    }
}

/// The characters of a file as WSL's parser gets them.
pub(super) struct Chars<'a> {
    bytes: &'a [u8],
    pub(super) encoding: FileEncoding,
    /// UTF-16 units, as `wchar_t` is on Windows, with the offset of their first byte.
    units: Vec<(u16, usize)>,
    /// The end of the readable part; bytes may follow in a file with a Ctrl-Z.
    end: usize,
}

impl<'a> Chars<'a> {
    pub(super) fn decode(bytes: &'a [u8], dialect: Dialect) -> Self {
        let encoding = FileEncoding::of(bytes, dialect);
        let mut units: Vec<(u16, usize)> = match encoding {
            FileEncoding::Bytes => {
                bytes.iter().enumerate().map(|(at, &byte)| (u16::from(byte), at)).collect()
            }
            FileEncoding::Utf8 => decode_utf8(bytes),
            FileEncoding::Utf16Le => (2..)
                .step_by(2)
                .zip(bytes[2..].chunks_exact(2))
                .map(|(at, pair)| (u16::from_le_bytes([pair[0], pair[1]]), at))
                .collect(),
            FileEncoding::Utf16Be => Vec::new(),
        };
        let mut end = match encoding {
            // An odd last byte is half a character.
            FileEncoding::Utf16Le => bytes.len() & !1,
            _ => bytes.len(),
        };
        if dialect == Dialect::WslConfig {
            if let Some(stop) = units.iter().position(|&(unit, _)| unit == CTRL_Z) {
                end = units[stop].1;
                units.truncate(stop);
            }
            units = join_crlf(units);
        }
        Self { bytes, encoding, units, end }
    }

    /// The character at an index, `None` at the end of the file.
    pub(super) fn get(&self, index: usize) -> Option<u16> {
        self.units.get(index).map(|&(unit, _)| unit)
    }

    /// The offset of the character at an index.
    pub(super) fn offset(&self, index: usize) -> usize {
        self.units.get(index).map_or(self.end, |&(_, at)| at)
    }

    pub(super) fn range(&self, indices: Range<usize>) -> Range<usize> {
        self.offset(indices.start)..self.offset(indices.end)
    }

    /// The line end at an index and the index after it.
    pub(super) fn eol(&self, index: usize) -> Option<(Eol, usize)> {
        match (self.get(index)?, self.get(index + 1)) {
            (LF, _) if self.is_joined(index) => Some((Eol::CrLf, index + 1)),
            (LF, _) => Some((Eol::Lf, index + 1)),
            (CR, Some(LF)) if !self.is_joined(index + 1) => Some((Eol::CrLf, index + 2)),
            (CR, _) => Some((Eol::Cr, index + 1)),
            _ => None,
        }
    }

    /// Whether this LF stands for a CRLF.
    fn is_joined(&self, index: usize) -> bool {
        self.bytes.get(self.offset(index)) == Some(&b'\r')
    }

    /// The first index at or after this one with a line feed, or the end.
    pub(super) fn line_feed(&self, from: usize) -> usize {
        (from..self.units.len()).find(|&at| self.get(at) == Some(LF)).unwrap_or(self.units.len())
    }

    /// The text of the physical line that begins at an index.
    pub(super) fn line_text(&self, from: usize) -> String {
        let line: Vec<u16> = self
            .units
            .iter()
            .skip(from)
            .map(|&(unit, _)| unit)
            .take_while(|&unit| unit != LF && unit != CR)
            .collect();
        match self.encoding {
            FileEncoding::Bytes => {
                String::from_utf8_lossy(&line.iter().map(|&unit| low_byte(unit)).collect::<Vec<_>>())
                    .into_owned()
            }
            _ => String::from_utf16_lossy(&line),
        }
    }

    /// The first line end of the file, if it has any.
    pub(super) fn first_eol(&self) -> Option<Eol> {
        (0..self.units.len()).find_map(|index| self.eol(index)).map(|(eol, _)| eol)
    }

    pub(super) fn ends_in_cr(&self) -> bool {
        self.units.last().is_some_and(|&(unit, _)| unit == CR)
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }
}

/// CRLF is one character in text mode, so that `\` before it continues the line.
fn join_crlf(units: Vec<(u16, usize)>) -> Vec<(u16, usize)> {
    let mut joined: Vec<(u16, usize)> = Vec::with_capacity(units.len());
    for (unit, at) in units {
        match joined.last_mut() {
            Some((last, _)) if unit == LF && *last == CR => *last = LF,
            _ => joined.push((unit, at)),
        }
    }
    joined
}

/// The stored byte of a character in a value: WSL stores `static_cast<char>(ch)` (`configfile.cpp:749`).
pub(super) fn low_byte(unit: u16) -> u8 {
    unit.to_le_bytes()[0]
}

fn decode_utf8(bytes: &[u8]) -> Vec<(u16, usize)> {
    let mut at = if bytes.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
    let mut units = Vec::with_capacity(bytes.len());
    for chunk in bytes[at..].utf8_chunks() {
        for char in chunk.valid().chars() {
            units.extend(char.encode_utf16(&mut [0; 2]).iter().map(|&unit| (unit, at)));
            at += char.len_utf8();
        }
        if !chunk.invalid().is_empty() {
            units.push((0xfffd, at));
            at += chunk.invalid().len();
        }
    }
    units
}
