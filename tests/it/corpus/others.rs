//! What another program does to a file between setup and undo, and how it shows that both are right in the end.
//!
//! A file in UTF-16 is edited as the text that it is.

use crate::corpus::files::Place;

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A comment at the end.
    Append,
    /// A comment at the beginning.
    Prepend,
    /// Another line's value becomes another.
    ChangeTheirs,
    /// A line that we wrote is deleted.
    DeleteOurs,
    /// A value that we wrote becomes another.
    ChangeOurs,
}

const COMMENT: &str = "# by somebody else";

type Lines = Vec<Vec<u8>>;

/// The byte order mark of UTF-16 as Windows writes it.
const UTF_16: [u8; 2] = [0xff, 0xfe];

/// The text of a file in UTF-16 as UTF-8, its mark included; any other file as it is.
fn utf8(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&UTF_16) {
        return bytes.to_vec();
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units).into_bytes()
}

fn utf16(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Lines with their ends.
fn lines(bytes: &[u8]) -> Lines {
    bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

fn bare(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

/// The lines of `ours` that are not in `before`, by their place: what we wrote.
fn written(before: &[u8], ours: &[u8]) -> Vec<usize> {
    let mut theirs: Vec<Vec<u8>> = lines(before).iter().map(|l| bare(l).to_vec()).collect();
    let mut new = Vec::new();
    for (index, line) in lines(ours).iter().enumerate() {
        match theirs.iter().position(|t| t == bare(line)) {
            Some(at) => drop(theirs.remove(at)),
            None => new.push(index),
        }
    }
    new
}

/// A line that sets something: no comment, no header.
fn sets(line: &[u8]) -> bool {
    let line = bare(line);
    !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"[") && !line.ends_with(b"\\")
}

impl Edit {
    pub(crate) const ALL: [Self; 5] =
        [Self::Append, Self::Prepend, Self::ChangeTheirs, Self::DeleteOurs, Self::ChangeOurs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Append => "a line at the end",
            Self::Prepend => "a line at the beginning",
            Self::ChangeTheirs => "another key changed",
            Self::DeleteOurs => "a line of ours deleted",
            Self::ChangeOurs => "a value of ours changed",
        }
    }

    /// The file as they leave it; none if the file has nothing of that kind.
    pub(crate) fn of(self, before: &[u8], ours: &[u8]) -> Option<Vec<u8>> {
        let theirs = self.of_text(&utf8(before), &utf8(ours))?;
        Some(if ours.starts_with(&UTF_16) { utf16(&theirs) } else { theirs })
    }

    fn of_text(self, before: &[u8], ours: &[u8]) -> Option<Vec<u8>> {
        let end: &[u8] = if ours.contains(&b'\r') { b"\r\n" } else { b"\n" };
        let comment = [COMMENT.as_bytes(), end].concat();
        let mut all = lines(ours);
        let new = written(before, ours);
        match self {
            Self::Append => {
                // After an escaped line end it would be a part of that line.
                if all.last().is_some_and(|l| bare(l).ends_with(b"\\")) {
                    return None;
                }
                if all.last().is_some_and(|l| !l.ends_with(b"\n")) {
                    all.push(end.to_vec());
                }
                all.push(comment);
            }
            Self::Prepend => {
                let mark: &[u8] = b"\xef\xbb\xbf";
                let first = all.first_mut()?;
                *first = match first.strip_prefix(mark) {
                    Some(rest) => [mark, &comment, rest].concat(),
                    None => [&comment, first.as_slice()].concat(),
                };
            }
            Self::ChangeTheirs => {
                let at = (0..all.len()).find(|at| !new.contains(at) && is_plain(&all, *at))?;
                all[at] = changed(&all[at])?;
            }
            Self::DeleteOurs => {
                let at = *new.iter().find(|at| sets(&all[**at]))?;
                all.remove(at);
            }
            Self::ChangeOurs => {
                let at = *new.iter().find(|at| is_plain(&all, **at) && changed(&all[**at]).is_some())?;
                all[at] = changed(&all[at])?;
            }
        }
        Some(all.concat())
    }

    /// Whether an undo may ask first: their word on what is ours, or on a file of which only the whole can go back.
    pub(crate) fn may_drift(self, theirs: &[u8], place: Place) -> Result<(), String> {
        let whole = place == Place::WslConf;
        match self {
            Self::DeleteOurs | Self::ChangeOurs => Ok(()),
            _ if whole => Ok(()),
            _ => Err(format!("the undo asks about\n{}", String::from_utf8_lossy(theirs))),
        }
    }

    /// Whether their edit is there in what is left, and ours is not.
    pub(crate) fn survives(
        self,
        before: &[u8],
        ours: &[u8],
        theirs: &[u8],
        left: &[u8],
        kept: bool,
    ) -> Result<(), String> {
        let [before, ours, theirs, left] = [before, ours, theirs, left].map(utf8);
        let (before, ours, theirs, left) = (&*before, &*ours, &*theirs, &*left);
        let (edit, left_lines) = (written(ours, theirs), lines(left));
        let has = |line: &[u8]| left_lines.iter().any(|l| bare(l) == bare(line));
        // What they wrote is there.
        for at in edit {
            let line = &lines(theirs)[at];
            if !has(line) {
                return Err(format!("their line is gone: {}", String::from_utf8_lossy(line)));
            }
        }
        // So is all that was there before, where neither they nor we took it away.
        let (was, is) = (lines(before), lines(theirs));
        let wrote: Vec<Vec<u8>> =
            written(before, ours).iter().map(|at| bare(&lines(ours)[*at]).to_vec()).collect();
        for line in was.iter().filter(|l| !bare(l).is_empty() && is.iter().any(|i| bare(i) == bare(l))) {
            // A table that they emptied goes with our last key in it; a line that both have cannot be told apart.
            let emptied = self == Self::DeleteOurs && bare(line).starts_with(b"[");
            if !has(line) && !emptied && !wrote.iter().any(|w| w == bare(line)) {
                return Err(format!("a line of before is gone: {}", String::from_utf8_lossy(line)));
            }
        }
        // And nothing of ours. The header of a section stays where they wrote below it.
        let is_ours = |line: &[u8]| {
            sets(line) || matches!(self, Self::Prepend | Self::ChangeTheirs) && bare(line).starts_with(b"[")
        };
        for at in written(before, ours) {
            let line = &lines(ours)[at];
            let still = is.iter().any(|l| bare(l) == bare(line));
            let count = |lines: &Lines| lines.iter().filter(|l| bare(l) == bare(line)).count();
            if is_ours(line) && still && !kept && count(&left_lines) > count(&was) {
                return Err(format!("a line of ours is left: {}", String::from_utf8_lossy(line)));
            }
        }
        Ok(())
    }
}

/// A line with a value that stands for itself: `key = value` outside of values that span several lines.
fn is_plain(all: &Lines, at: usize) -> bool {
    let text = String::from_utf8_lossy(&all[at]).into_owned();
    let before = at.checked_sub(1).map(|at| bare(&all[at]).to_vec()).unwrap_or_default();
    let simple = text.trim().split_once('=').is_some_and(|(key, value)| {
        let key = key.trim();
        let value = value.trim();
        !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !value.is_empty()
            && !value.contains(['{', '[', '#', '\\', '\'', ','])
            && value.matches('"').count() % 2 == 0
    });
    sets(&all[at]) && simple && !before.ends_with(b"\\") && !before.ends_with(b",") && !before.ends_with(b"[")
}

/// The line with another value of the same kind.
fn changed(line: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let (key, rest) = text.split_once('=')?;
    let value = rest.trim();
    let other = match value {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        _ if value.starts_with('"') && value.ends_with('"') && value.len() > 1 => "\"else\"".to_owned(),
        _ if value.bytes().all(|b| b.is_ascii_digit() || b == b'-') => "4711".to_owned(),
        _ => format!("{value}x"),
    };
    Some(format!("{key}={}", rest.replacen(value, &other, 1)).into_bytes())
}
