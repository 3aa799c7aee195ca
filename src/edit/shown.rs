//! The part of a file that may be published: an allow-list for each format. A password can have any name and be
//! anywhere, so everything that is not known to be harmless is replaced by its length.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::wslconf::{Dialect, Document};
use super::{table, toml};

/// The keys of containers.conf and storage.conf that are shown.
pub const TOML_KEYS: [&str; 7] = [
    "containers.log_driver",
    "containers.pids_limit",
    "engine.events_logger",
    "engine.cgroup_manager",
    "engine.runtime",
    "engine.runtimes.crun",
    "storage.driver",
];

/// How a file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// `/etc/wsl.conf`.
    WslConf,
    /// `.wslconfig`.
    WslConfig,
    Toml,
    /// `/etc/fstab`.
    Fstab,
    /// `/etc/subuid` and `/etc/subgid`.
    Subid,
    /// A file that kind-wsl writes as a whole: of another text at its path, only the lines that both have.
    Own,
}

impl Form {
    /// The text with the same lines, as far as it may be published. `user` is the one that is set up.
    #[must_use]
    pub fn shown(self, bytes: &[u8], user: &str) -> String {
        let text = || String::from_utf8_lossy(bytes);
        match self {
            Self::WslConf => Document::parse(bytes, Dialect::WslConf).shown(),
            Self::WslConfig => Document::parse(bytes, Dialect::WslConfig).shown(),
            Self::Toml => toml::shown(bytes, &TOML_KEYS),
            Self::Fstab => {
                lines_of(&text(), |_, line| table::fstab_shown(line).unwrap_or_else(|| hidden(line)))
            }
            Self::Subid => {
                lines_of(&text(), |_, line| table::subid_shown(line, user).unwrap_or_else(|| hidden(line)))
            }
            Self::Own => lines_of(&text(), |_, line| hidden(line)),
        }
    }
}

/// The file at the path of a text of kind-wsl, as far as both are the same.
#[must_use]
pub fn beside_own(bytes: &[u8], own: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    let known: BTreeSet<&str> = own.lines().collect();
    lines_of(&text, |_, line| if known.contains(line) { line.to_owned() } else { hidden(line) })
}

/// The differences that the lines do not show: encoding and line ends. `None` if they are UTF-8 and LF.
#[must_use]
pub fn encoding(before: Option<&[u8]>, after: &[u8]) -> Option<String> {
    let now = encoding_of(after);
    match before.map(encoding_of) {
        Some(was) if was != now => {
            let [was, now] = [was, now].map(|text| if text.is_empty() { "UTF-8".to_owned() } else { text });
            Some(format!("{was}; then {now}"))
        }
        _ => (!now.is_empty()).then_some(now),
    }
}

fn encoding_of(bytes: &[u8]) -> String {
    let (encoding, line_feed, carriage_return): (_, &[u8], &[u8]) = match bytes {
        [0xff, 0xfe, ..] => ("UTF-16", b"\n\0", b"\r\0"),
        [0xfe, 0xff, ..] => ("UTF-16 big endian", b"\0\n", b"\0\r"),
        [0xef, 0xbb, 0xbf, ..] => ("UTF-8 with byte order mark", b"\n", b"\r"),
        _ if std::str::from_utf8(bytes).is_err() => ("not UTF-8", b"\n", b"\r"),
        _ => ("", b"\n", b"\r"),
    };
    let end = [carriage_return, line_feed].concat();
    let is_crlf = bytes.windows(end.len()).any(|window| window == end);
    let notes = [encoding, if is_crlf { "CRLF line ends" } else { "" }];
    notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(", ")
}

/// A line that is not shown, unless it is kind-wsl's comment. In every supported format this is a comment.
#[must_use]
pub fn hidden(line: &str) -> String {
    if super::note::is_note(line) {
        return line.to_owned();
    }
    if line.trim().is_empty() { line.trim().to_owned() } else { format!("# {}", length(line.as_bytes())) }
}

/// The replacement for bytes that are not shown.
#[must_use]
pub fn length(bytes: &[u8]) -> String {
    format!("<{} bytes>", bytes.len())
}

/// The text with each line replaced by `shown`, which gets its number and the line without its end. Line ends stay.
pub(crate) fn lines_of(text: &str, mut shown: impl FnMut(usize, &str) -> String) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines.fold(String::new(), |all, (nth, line)| {
        let content = super::lines::content(line);
        all + &shown(nth + 1, content) + &line[content.len()..]
    })
}
