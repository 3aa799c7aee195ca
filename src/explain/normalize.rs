//! Normalizes text, so that all copies of a message become equal.
//!
//! A terminal breaks lines in the middle of a word, a logger escapes quotes, a shell or a web page changes them, and
//! color sequences separate letters. The normalized text has only ASCII letters in lower case, digits, and the few signs
//! of paths and messages. Patterns are normalized the same way, so the two can be compared byte by byte. It takes one
//! pass, and the text is copied at most once.

/// Separates messages: a message may be wrapped, but does not continue after this.
pub(super) const BREAK: u8 = b'\n';

/// A normalized text.
#[derive(Debug, Default)]
pub(super) struct Normalized {
    pub(super) bytes: Vec<u8>,
    /// A bit for each byte: whether a word begins there.
    starts: Vec<u64>,
    /// Where lines begin: offset here and offset in the text.
    lines: Vec<(u32, u32)>,
}

impl Normalized {
    /// Normalizes the first 4 GiB of a text.
    pub(super) fn of(text: &str) -> Self {
        let text = text.as_bytes();
        let text = &text[..text.len().min(u32::MAX as usize)];
        let mut normalized = Self::default();
        normalized.bytes.reserve(text.len());
        let (mut at, mut is_start, mut is_line_start) = (0, true, true);
        // Where a second column begins in this line, which belongs to another message.
        let mut end = text.len();
        while let Some(&byte) = text.get(at) {
            if is_line_start {
                let line = text[at..].split(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or_default();
                let margin = margin(line);
                normalized.begin_line(text, at, margin);
                end = at + margin + second_column(&line[margin..]);
                at += margin;
                (is_start, is_line_start) = (true, false);
                continue;
            }
            if at >= end && !matches!(byte, b'\n' | b'\r') {
                at += 1;
                continue;
            }
            if matches!(byte, 0x1b | b'^' | b'\\' | b'#' | b'[' | b'&')
                && let Some(length) =
                    ansi_sequence(&text[at..]).or_else(|| escape(&text[at..])).or_else(|| entity(&text[at..]))
            {
                at += length;
                is_start = true;
                continue;
            }
            at += 1;
            match byte {
                // Both together end one line, not two.
                b'\r' if text.get(at) == Some(&b'\n') => is_start = true,
                b'\n' | b'\r' => (is_start, is_line_start) = (true, true),
                b'a'..=b'z' | b'0'..=b'9' => {
                    normalized.push(byte, is_start);
                    is_start = false;
                }
                b'A'..=b'Z' => {
                    normalized.push(byte.to_ascii_lowercase(), is_start);
                    is_start = false;
                }
                b'/' | b'.' | b':' | b'-' | b'_' | b'=' => {
                    normalized.push(byte, true);
                    is_start = true;
                }
                // UTF-16 that was read as bytes: half of each letter.
                0 => {}
                _ => is_start = true,
            }
        }
        normalized
    }

    fn push(&mut self, byte: u8, is_start: bool) {
        let at = self.bytes.len();
        if at.is_multiple_of(64) {
            self.starts.push(0);
        }
        if let Some(word) = self.starts.last_mut() {
            *word |= u64::from(is_start) << (at % 64);
        }
        self.bytes.push(byte);
    }

    fn begin_line(&mut self, text: &[u8], at: usize, margin: usize) {
        if is_message_start(&text[at + margin..]) && self.bytes.last() != Some(&BREAK) {
            self.push(BREAK, true);
        }
        let offset = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let line = (offset(self.bytes.len()), offset(at));
        match self.lines.last_mut() {
            // Lines of which nothing is left need no place.
            Some(last) if last.0 == line.0 => *last = line,
            _ => self.lines.push(line),
        }
    }

    /// Whether a word begins at this byte.
    pub(super) fn starts_word(&self, at: usize) -> bool {
        self.starts.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Where in the text the line begins in which this byte lies.
    pub(super) fn line_of(&self, at: usize) -> usize {
        let after = self.lines.partition_point(|(normalized, _)| *normalized as usize <= at);
        after.checked_sub(1).and_then(|i| self.lines.get(i)).map_or(0, |(_, raw)| *raw as usize)
    }
}

/// Returns the text without color sequences and control characters.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skip = ansi_sequence(rest.as_bytes()).unwrap_or_else(|| {
            plain.extend(Some(letter).filter(|c| !c.is_control() && !('\u{80}'..'\u{a0}').contains(c)));
            letter.len_utf8()
        });
        // A color sequence is ASCII, so the rest begins at a character boundary.
        rest = rest.get(skip..).unwrap_or_default();
    }
    plain
}

/// The spellings of ESC, including those of programs that escape it.
const ESCAPES: [&[u8]; 8] = [b"\x1b", b"^[", b"\\x1b", b"\\x1B", b"\\u001b", b"\\e", b"\\033", b"#033"];

/// The length of the color, or of another sequence for terminals (ECMA-48), that begins here.
fn ansi_sequence(text: &[u8]) -> Option<usize> {
    match text.first()? {
        0x1b | b'^' | b'\\' | b'#' => {
            let escape = ESCAPES.iter().find(|e| text.starts_with(e))?;
            let rest = &text[escape.len()..];
            let length = match rest.first() {
                Some(b'[') => sequence(rest)?,
                // A title or a link: up to BEL or ESC \, in one line and within reason.
                Some(b']') => {
                    let end = rest.iter().take(2048).position(|b| matches!(b, 7 | 0x1b | b'\n'))?;
                    end + match rest[end] {
                        7 => 1,
                        0x1b => 2,
                        _ => return None,
                    }
                }
                Some(b'(' | b')') if escape.len() == 1 => 2,
                _ if escape.len() == 1 => 0,
                _ => return None,
            };
            Some((escape.len() + length).min(text.len()))
        }
        // A color sequence whose ESC was lost.
        b'[' if text.get(1).is_some_and(u8::is_ascii_digit) => {
            sequence(text).filter(|n| text[*n - 1] == b'm' && *n <= 12)
        }
        _ => None,
    }
}

/// The length of `[31;1m`.
fn sequence(text: &[u8]) -> Option<usize> {
    let last = text.iter().skip(1).take(32).position(|b| !matches!(b, b'0'..=b'9' | b';' | b'?' | b':'))? + 1;
    text[last].is_ascii_alphabetic().then_some(last + 1)
}

/// The length of `\n` and the like in a message that a logger quoted; of any other backslash only itself is dropped.
fn escape(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'\\') {
        return None;
    }
    let slashes = text.iter().take_while(|b| **b == b'\\').count();
    let is_blank = matches!(text.get(slashes), Some(b'n' | b't' | b'r'));
    Some(slashes + usize::from(is_blank))
}

/// The length of `&quot;` and the like, also if it was escaped twice (`&amp;quot;`).
fn entity(text: &[u8]) -> Option<usize> {
    let mut length = text.strip_prefix(b"&").map(|_| 1)?;
    while text[length..].starts_with(b"amp;") {
        length += 4;
    }
    let rest = &text[length..];
    let name = rest.iter().take(8).position(|b| *b == b';')?;
    let is_known =
        matches!(&rest[..name], b"quot" | b"apos" | b"gt" | b"lt" | b"nbsp" | b"#34" | b"#39" | b"#96")
            || rest[..name].starts_with(b"#x");
    is_known.then_some(length + name + 1)
}

/// The length of what a quoting program or a viewer puts in front of a line: `> `, a line's number, `app-1  | `.
fn margin(line: &[u8]) -> usize {
    let blanks = |at: usize| line[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let mut at = 0;
    loop {
        let start = at + blanks(at);
        let rest = &line[start..];
        let digits = rest.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
        let word =
            rest.iter().take(40).take_while(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)).count();
        let bar = start + word + blanks(start + word);
        if rest.starts_with(b">") || rest.starts_with(b"&gt;") {
            at = start + if rest[0] == b'>' { 1 } else { 4 };
        } else if word > 0 && line[bar..].starts_with(b"| ") {
            at = bar + 2;
        } else if digits > 0 && (rest[digits..].starts_with(b"  ") || rest[digits..].starts_with(b"\t")) {
            at = start + digits + 1;
        } else if digits > 0 && rest[digits..].starts_with(b": ") {
            at = start + digits + 2;
        } else {
            return at;
        }
    }
}

/// Where a line has a second column: one word behind several blanks that names a place in a program, as Python's rich
/// prints it (`cluster.py:132`).
fn second_column(line: &[u8]) -> usize {
    let text = line.trim_ascii_end();
    let word = text.iter().rev().take_while(|b| !b.is_ascii_whitespace()).count();
    let begin = text.len() - word;
    let blanks = text[..begin].iter().rev().take_while(|b| **b == b' ').count();
    let mut place = text[begin..].rsplitn(2, |b| *b == b':');
    let number = place.next().unwrap_or_default();
    let is_file = place.next().is_some_and(|name| name.contains(&b'.') && name[0].is_ascii_alphabetic());
    let is_place = is_file && !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    if blanks >= 2 && blanks < begin && is_place { begin } else { line.len() }
}

const MONTHS: [&[u8]; 12] = [
    b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ", b"Nov ",
    b"Dec ",
];

/// Whether a line begins a message of its own: it is empty, or begins with a time or with a mark of kind's.
///
/// Only what a wrapped line hardly begins with counts: a message that is taken for two is not found.
fn is_message_start(line: &[u8]) -> bool {
    let blanks = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let line = &line[blanks..];
    let digits = |n: usize| line.iter().take_while(|b| b.is_ascii_digit()).count() == n;
    match line {
        [] | [b'\n' | b'\r', ..] => true,
        _ if line.starts_with(b"time=\"") => true,
        // 2026-11-22, and klog's W1122 10:00:00.
        [b'0'..=b'9', ..] => digits(4) && line.get(4) == Some(&b'-') && line.get(7) == Some(&b'-'),
        [b'I' | b'W' | b'E' | b'F', rest @ ..] if rest.len() > 7 => {
            let is_klog = rest[..4].iter().all(u8::is_ascii_digit) && rest[4] == b' ';
            is_klog || is_level(line) || MONTHS.iter().any(|m| line.starts_with(m))
        }
        // The kernel's ring buffer: [   12.345678].
        [b'[', rest @ ..] => {
            let inner = rest.iter().take(20).take_while(|b| matches!(b, b' ' | b'0'..=b'9' | b'.'));
            let inner: Vec<u8> = inner.copied().collect();
            inner.contains(&b'.') && rest.get(inner.len()) == Some(&b']')
        }
        [0xe2, 0x80, 0xa2, ..] | [0xe2, 0x9c, 0x93 | 0x97, ..] => true,
        _ => is_level(line) || MONTHS.iter().any(|m| line.starts_with(m)),
    }
}

/// logrus on a terminal: `ERRO[0000]`.
fn is_level(line: &[u8]) -> bool {
    line.len() > 6
        && line[..4].iter().all(u8::is_ascii_uppercase)
        && line[4] == b'['
        && line[5].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::{Normalized, plain};

    fn normalized(text: &str) -> String {
        String::from_utf8(Normalized::of(text).bytes).unwrap().trim_start_matches('\n').to_owned()
    }

    #[test]
    fn quotes_blanks_case_and_line_breaks_make_no_difference() {
        for form in [
            "open `/proc/x': No such file",
            "open \"/proc/x\": no such file",
            "open \\\"/proc/x\\\": No\nsuch file",
            "open “/pr\r\noc/x”: No such\\nfile",
            "open \x1b[1;31m/proc/\x1b[0mx: No such file",
            "open #033[31m/proc/x[0m: No such file",
        ] {
            assert_eq!(normalized(form), "open/proc/x:nosuchfile", "{form}");
        }
    }

    #[test]
    fn entities_line_numbers_quote_marks_and_a_second_column_make_no_difference() {
        for form in [
            "open &quot;/proc/x&#39;: no such file",
            "open &amp;quot;/proc/x&amp;#39;: no such file",
            "> open /proc/x: no\n> such file",
            "&gt; > open /proc/x: no\n&gt; > such file",
            "  11\topen /proc/x: no\n  12\tsuch file",
            "  9: open /proc/x: no\n 10: such file",
            "open /proc/x: no      cluster.py:132\nsuch file             cluster.py:133",
            "kind-1  | open /proc/x: no\nkind-1  | such file",
        ] {
            assert_eq!(normalized(form), "open/proc/x:nosuchfile", "{form}");
        }
        assert_eq!(normalized("dial tcp 127.0.0.1:8080: refused  x.go:1"), "dialtcp127.0.0.1:8080:refused");
        assert_eq!(normalized("dial tcp  127.0.0.1:8080"), "dialtcp127.0.0.1:8080");
    }

    #[test]
    fn a_log_line_with_a_time_begins_a_message_of_its_own() {
        assert_eq!(normalized("one\nNov 22 10:00:00 two"), "one\nnov2210:00:00two");
        assert_eq!(normalized("one\n ✗ two"), "one\ntwo");
        assert_eq!(normalized("one\nERRO[0000] two"), "one\nerro0000two");
        assert_eq!(normalized("one\nERROR: two"), "oneerror:two");
    }

    #[test]
    fn the_place_of_a_byte_is_known_by_its_line() {
        let text = "first\n\n  second line\n";
        let at = Normalized::of(text).bytes.iter().position(|b| *b == b'l').unwrap();
        assert_eq!(Normalized::of(text).line_of(at), 7);
    }

    #[test]
    fn a_line_is_shown_without_its_colors() {
        assert_eq!(plain("\x1b[31mERROR\x1b[0m: “x”\r"), "ERROR: “x”");
    }
}
