//! Whole lines in a text, each keeping its own line end.

use std::ops::Range;

use super::EditError;

/// The bytes as text.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, EditError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        EditError::NotUtf8 { line: valid.split(|&byte| byte == b'\n').count() }
    })
}

/// Characters for bytes that are not text, from the end of Unicode's last private plane.
const STAND_IN: u32 = 0x10_ff00;

fn stand_in(byte: u8) -> char {
    char::from_u32(STAND_IN + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The bytes as text in any encoding: a character stands for each byte that is not UTF-8, and [`bytes`] restores the
/// same bytes.
pub(crate) fn lenient(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match u32::from(char) {
                // The file itself contains such a character.
                STAND_IN.. => text.extend(char.encode_utf8(&mut [0; 4]).bytes().map(stand_in)),
                _ => text.push(char),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    text
}

/// The bytes of a text of [`lenient`].
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        match u32::from(char).checked_sub(STAND_IN).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

/// `now` without the text that was inserted into `before` to make `after`; `None` if that text no longer exists in
/// one piece, or exists more than once, or if `after` differs by more than an insertion.
pub(crate) fn without_inserted(before: &[u8], after: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    let start = before.iter().zip(after).take_while(|(left, right)| left == right).count();
    let (head, tail) = before.split_at(start);
    let inserted = after.strip_prefix(head)?.strip_suffix(tail).filter(|inserted| !inserted.is_empty())?;
    let mut places = (0..now.len()).filter(|&at| now[at..].starts_with(inserted));
    let at = places.next()?;
    places.next().is_none().then(|| [&now[..at], &now[at + inserted.len()..]].concat())
}

/// The line end of the file: its first, or a line feed if it has none.
pub(super) fn eol(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((line, _)) if line.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Strips the LF or CRLF. A lone CR is content: programs read it as part of the last column.
pub(super) fn content(line: &str) -> &str {
    let Some(line) = line.strip_suffix('\n') else { return line };
    line.strip_suffix('\r').unwrap_or(line)
}

/// The lines with their ranges, line ends included.
pub(super) fn spans(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        (range, line)
    })
}

/// The number of the line with this offset, from one.
pub(super) fn number(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}

/// The start of the line with this offset.
pub(super) fn start(text: &str, offset: usize) -> usize {
    text[..offset].rfind('\n').map_or(0, |at| at + 1)
}

/// The end of the line with this offset, including its line end.
pub(super) fn end(text: &str, offset: usize) -> usize {
    text[offset..].find('\n').map_or(text.len(), |at| offset + at + 1)
}

/// Whether a comment configures an editor (vim's `modeline`); editors read it at the end of a file.
pub(super) fn is_modeline(comment: &str) -> bool {
    [" vim:", " vi:", " ex:"].iter().any(|mark| comment.contains(mark))
}

/// The start of the modeline at the end of a text.
pub(super) fn modeline(text: &str) -> Option<usize> {
    let (range, line) = spans(text).filter(|(_, line)| !line.trim().is_empty()).last()?;
    (line.trim_start().starts_with('#') && is_modeline(line)).then_some(range.start)
}

/// The text with a line (or several, joined by line ends) inserted at the start of a line or at the end. A missing
/// final line end stays missing.
pub(super) fn insert(text: &str, at: usize, line: &str) -> String {
    let eol = eol(text);
    let (head, tail) = text.split_at(at);
    if head.is_empty() || head.ends_with('\n') {
        format!("{head}{line}{eol}{tail}")
    } else {
        // A lone CR at the end stays part of its line only before a new CR.
        let eol = if head.ends_with('\r') { "\r\n" } else { eol };
        format!("{head}{eol}{line}{tail}")
    }
}

/// The text with a range replaced.
pub(super) fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

/// The text without a range of whole lines: the inverse of [`insert`].
pub(super) fn remove(text: &str, range: Range<usize>) -> String {
    let is_unterminated = range.end == text.len() && !text[range.clone()].ends_with('\n');
    let start = if is_unterminated { content(&text[..range.start]).len() } else { range.start };
    splice(text, start..range.end, "")
}

/// The text without the doomed lines.
pub(super) fn without(text: &str, doomed: impl Fn(&str) -> bool) -> String {
    let mut kept = text.to_owned();
    let ranges: Vec<_> =
        spans(text).filter(|(_, line)| doomed(content(line))).map(|(range, _)| range).collect();
    for range in ranges.into_iter().rev() {
        // Removing the last line may have removed the line end of this one.
        let end = range.end.min(kept.len());
        kept = remove(&kept, range.start..end);
    }
    kept
}
