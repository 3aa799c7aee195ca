//! Marks at the start of lines, in characters that the terminal can show.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressStyle;

static IS_ASCII: AtomicBool = AtomicBool::new(false);
static IS_DUMB: AtomicBool = AtomicBool::new(false);

/// Chooses between Unicode and ASCII by the locale (POSIX: `LC_ALL`, then `LC_CTYPE`, then `LANG`) and `TERM`.
pub fn set_charset(env: &[(String, String)]) {
    let value =
        |name: &str| env.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(value).into_iter().find(|value| !value.is_empty());
    let is_utf8 = locale.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    });
    let is_dumb = value("TERM") == "dumb";
    IS_ASCII.store(!is_utf8 || is_dumb, Ordering::Relaxed);
    IS_DUMB.store(is_dumb, Ordering::Relaxed);
}

fn either(unicode: &'static str, ascii: &'static str) -> &'static str {
    if is_ascii() { ascii } else { unicode }
}

/// Whether the output is limited to ASCII.
pub(super) fn is_ascii() -> bool {
    IS_ASCII.load(Ordering::Relaxed)
}

/// Whether the terminal cannot move its cursor.
pub(super) fn is_dumb() -> bool {
    IS_DUMB.load(Ordering::Relaxed)
}

/// Replaces kind-wsl's non-ASCII characters if the terminal shows only ASCII. Only the ellipsis changes the width.
pub(super) fn in_charset(text: Cow<'_, str>) -> Cow<'_, str> {
    const ASCII: [(char, &str); 8] =
        [('│', "|"), ('├', "|"), ('└', "`"), ('─', "-"), ('×', "x"), ('·', "-"), ('–', "-"), ('…', "...")];
    if text.is_ascii() || !is_ascii() {
        return text;
    }
    Cow::Owned(ASCII.iter().fold(text.into_owned(), |text, (unicode, ascii)| text.replace(*unicode, ascii)))
}

/// The characters of spinners and bars.
pub(super) fn ticking(style: ProgressStyle) -> ProgressStyle {
    let style = if is_ascii() { style.tick_chars("-\\|/ ") } else { style };
    style.progress_chars("##-")
}

#[must_use]
pub fn passed() -> &'static str {
    either("✓", "[ok]")
}

#[must_use]
pub fn failed() -> &'static str {
    either("✗", "[!!]")
}

#[must_use]
pub fn warned() -> &'static str {
    either("!", "[!]")
}

#[must_use]
pub fn unknown() -> &'static str {
    either("?", "[?]")
}

/// The width of the widest mark, with the space after it.
#[must_use]
pub fn room() -> usize {
    if is_ascii() { 5 } else { 2 }
}

/// Marks a line that does not report a change, and separates the parts of a line.
pub(super) fn dot() -> &'static str {
    either("·", "-")
}

#[must_use]
pub fn skipped() -> &'static str {
    either("–", "[-]")
}

/// Separates an action from its reason.
#[must_use]
pub fn dash() -> &'static str {
    either("–", "-")
}

/// Replaces text that does not fit.
pub(super) fn ellipsis() -> &'static str {
    either("…", "...")
}
