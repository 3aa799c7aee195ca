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

/// Where the line with this offset begins.
pub(super) fn start(text: &str, offset: usize) -> usize {
    text[..offset].rfind('\n').map_or(0, |at| at + 1)
}

/// Where the line with this offset ends, its line end included.
pub(super) fn end(text: &str, offset: usize) -> usize {
    text[offset..].find('\n').map_or(text.len(), |at| offset + at + 1)
}

/// The text with a line (or several, joined by line ends) put where a line begins or at the end. A text without a
/// final line end stays one.
pub(super) fn insert(text: &str, at: usize, line: &str) -> String {
    let eol = eol(text);
    let (head, tail) = text.split_at(at);
    if head.is_empty() || head.ends_with('\n') {
        format!("{head}{line}{eol}{tail}")
    } else {
        // A lone CR at the end stays a letter of its line only in front of a CR of ours.
        let eol = if head.ends_with('\r') { "\r\n" } else { eol };
        format!("{head}{eol}{line}{tail}")
    }
}

/// The text with what stands in a range replaced.
pub(super) fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

/// The text without a range of whole lines: the inverse of [`insert`].
pub(super) fn remove(text: &str, range: Range<usize>) -> String {
    let is_unterminated = range.end == text.len() && !text[range.clone()].ends_with('\n');
    let start = if is_unterminated { content(&text[..range.start]).len() } else { range.start };
    splice(text, start..range.end, "")
}

/// The text without the lines that are doomed.
pub(super) fn without(text: &str, doomed: impl Fn(&str) -> bool) -> String {
    let mut kept = text.to_owned();
    let ranges: Vec<_> =
        spans(text).filter(|(_, line)| doomed(content(line))).map(|(range, _)| range).collect();
    for range in ranges.into_iter().rev() {
        // The last line may have taken this one's line end with it.
        let end = range.end.min(kept.len());
        kept = remove(&kept, range.start..end);
    }
    kept
}
