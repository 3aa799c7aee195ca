//! Escapes control characters in untrusted text before it reaches a terminal: file and distribution names, output of
//! programs, responses of servers. All output goes through this module.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::Style;

use super::marks;

/// Represents ESC in one of kind-wsl's styles until the text is printed: a noncharacter, which Unicode reserves for
/// internal use (23.7). Untrusted text that contains it can at most select one of these colors.
const MARK: char = '\u{fdd0}';
/// The parameters of kind-wsl's styles: none of them hides text or moves the cursor (ECMA-48, SGR).
const SGR: [&str; 8] = ["0", "1", "2", "31", "32", "33", "36", "39"];

/// Returns text in a style, for [`shown`].
pub(super) fn marked(style: Style, text: &str) -> String {
    let escaped = |code: String| code.replace('\x1b', MARK.encode_utf8(&mut [0; 4]));
    format!("{}{text}{}", escaped(style.render().to_string()), escaped(style.render_reset().to_string()))
}

/// Whether the text contains a style.
pub(super) fn is_styled(text: &str) -> bool {
    text.contains(MARK)
}

/// Returns the width of a text in columns, without its styles.
pub(super) fn size(text: &str) -> usize {
    let mut parts = text.split(MARK);
    let first = parts.next().unwrap_or_default();
    let behind = |part: &str| part.split_once('m').map_or(0, |(_, text)| text.chars().count());
    first.chars().count() + parts.map(behind).sum::<usize>()
}

/// Whether a terminal would act on the character instead of showing it: C0 and C1 control characters, and characters
/// that change the text direction or are invisible (Unicode 9, 23.2, 23.9; "Trojan Source", CVE-2021-42574).
fn is_active(c: char) -> bool {
    let hidden = matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c == MARK || hidden || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Whether no character of the text is active. Most texts are ASCII; the fold has no early exit so that the compiler can
/// vectorize it.
fn is_calm(text: &str) -> bool {
    text.bytes().fold(true, |calm, byte| calm & matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
        || !text.contains(is_active)
}

/// Returns the text with active characters escaped, except line breaks and tabs.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if is_calm(text) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_active(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// Returns the text with active characters and line breaks escaped.
#[must_use]
pub fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// Removes the number that Rust's `io::Error` adds to the system's message, ` (os error 2)`: it repeats the message.
fn without_os_error(text: &str) -> Cow<'_, str> {
    const START: &str = " (os error ";
    let Some(first) = text.find(START) else { return Cow::Borrowed(text) };
    let mut kept = text[..first].to_owned();
    for part in text[first..].split(START).skip(1) {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        match rest.strip_prefix(')').filter(|_| rest.len() < part.len()) {
            Some(rest) => kept.push_str(rest),
            None => kept.extend([START, part]),
        }
    }
    Cow::Owned(kept)
}

/// Returns the text as it is printed: active characters escaped, kind-wsl's styles as escape sequences.
pub(super) fn shown(text: &str) -> String {
    let text = marks::in_charset(without_os_error(text));
    let mut parts = text.split(MARK);
    let mut all = visible(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let style =
            part.strip_prefix('[').and_then(|p| p.split_once('m')).filter(|(sgr, _)| SGR.contains(sgr));
        let rest = if let Some((sgr, rest)) = style {
            let _ = write!(all, "\x1b[{sgr}m");
            rest
        } else {
            all.extend(MARK.escape_default());
            part
        };
        all.push_str(&visible(rest));
    }
    all
}

/// Returns JSON with active characters in strings as `\u` escapes, so that a parser reads the same text. Outside of
/// strings JSON is ASCII without control characters except line breaks.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if is_calm(text) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::{json, marked, one_line, shown};
    use crate::ui::{BOLD, CYAN, DIM, GREEN, RED, YELLOW};

    #[test]
    fn control_characters_are_shown_as_text() {
        let hostile = "a\x1b[2Jb\x07c\rd\u{9b}31me\u{202e}f\u{2066}g\x7fh\u{fdd0}[2Ji\0";
        let seen = shown(hostile);
        assert_eq!(seen, r"a\u{1b}[2Jb\u{7}c\rd\u{9b}31me\u{202e}f\u{2066}g\u{7f}h\u{fdd0}[2Ji\u{0}");
        assert_eq!(one_line("one\ntwo\r\nthree"), "one\\ntwo\\nthree");
        assert_eq!(shown("Jürgen\tЮ 日本 👩\u{200d}🚀"), "Jürgen\tЮ 日本 👩\u{200d}🚀");
    }

    #[test]
    fn the_number_of_a_system_error_is_not_printed() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(
            shown(&format!("a: {error}; b: {error}.")),
            "a: No such file or directory; b: No such file or directory."
        );
        assert_eq!(shown("(os error x) (os error ) (os error 3"), "(os error x) (os error ) (os error 3");
    }

    #[test]
    fn only_the_styles_of_kind_wsl_are_printed() {
        for style in [BOLD, DIM, GREEN, RED, YELLOW, CYAN, RED.bold(), GREEN.bold(), YELLOW.bold()] {
            assert_eq!(shown(&marked(style, "x")), format!("{style}x{style:#}"));
        }
        // Hidden text, blinking, a window title.
        for foreign in ["\u{fdd0}[8mx", "\u{fdd0}[5mx", "\u{fdd0}]0;x\x07", "\u{fdd0}"] {
            assert!(!shown(foreign).contains('\x1b'), "{foreign:?}");
        }
    }

    #[test]
    fn json_has_the_same_text_without_control_characters() {
        let value = serde_json::json!({ "name": "a\x1b[2J\u{202e}\u{9b}\u{e0041}\u{fdd0}[31m\n" });
        let plain = value.to_string();
        let text = json(&plain);
        assert!(text.is_ascii(), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
