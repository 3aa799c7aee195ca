//! Why an edit was refused.

use camino::Utf8Path;

use super::wslconf::{ProblemKind, Why};
use crate::next_step::NextStep;

/// Why a file was not edited. Nothing was changed.
///
/// Line numbers start at one, as in an editor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A section or key that the format cannot express.
    #[error("`{key}` cannot be a key here: {why}")]
    BadKey {
        key: String,
        /// The format's requirement for a name.
        why: &'static str,
    },
    /// A value that the format cannot express, or that its reader would damage.
    #[error("the value for `{key}` cannot be written: {why}")]
    BadValue {
        /// The key to set.
        key: String,
        /// The fault of the value.
        why: String,
    },
    /// WSL stops reading above the line of the entry.
    #[error(
        "line {line}: WSL stops reading here ({why}), so `{key}` would have no effect below it; repair this line first"
    )]
    Unreadable {
        /// The line at which WSL stops.
        line: usize,
        /// Why WSL cannot read it.
        why: ProblemKind,
        /// The key to change.
        key: String,
    },
    /// The edit would also change the value of another key.
    #[error("line {line}: `{key}` cannot be changed without changing {other} as well, {change}")]
    SideEffect {
        /// The line of the other key.
        line: usize,
        /// The key to change.
        key: String,
        /// The other key whose value would change, if it is a documented one.
        other: String,
        /// Its value before and after, as far as it may be published.
        change: String,
    },
    /// A value that WSL reads with other characters.
    #[error("line {line}: `{key}` has characters outside ASCII, of which WSL keeps one byte each")]
    NotAscii {
        /// The line of the value.
        line: usize,
        key: String,
    },
    /// The file is not in the encoding of its reader.
    #[error("line {line}: the text is not UTF-8")]
    NotUtf8 {
        /// The line with the first bad byte.
        line: usize,
    },
    /// The file is not TOML.
    #[error("line {line}, column {column}: not valid TOML: {message}")]
    Toml {
        /// The line of the mistake.
        line: usize,
        /// The column of the mistake, in characters.
        column: usize,
        /// The message of the TOML parser.
        message: String,
    },
    /// The path contains, or ends at, a value of another type.
    #[error("line {line}: `{key}` is {found}, but {wanted} is required here")]
    WrongType {
        /// The line of its definition.
        line: usize,
        /// The existing part of the dotted path.
        key: String,
        found: String,
        /// The required type.
        wanted: &'static str,
    },
    /// A range of subordinate IDs that is taken.
    #[error("line {line}: the IDs {start} to {last} for `{owner}` overlap those of `{other}`")]
    Overlap {
        /// The line of the other range.
        line: usize,
        /// The new owner of the range.
        owner: String,
        other: String,
        /// The first requested ID.
        start: u64,
        /// The last requested ID.
        last: u64,
    },
}

impl EditError {
    #[must_use]
    pub fn hint(&self, path: &Utf8Path) -> Option<NextStep> {
        Some(match self {
            // The only fault at which WSL stops in .wslconfig; it skips other invalid lines.
            Self::Unreadable {
                why: ProblemKind::InvalidLine { why: Why::BigEndian | Why::Utf16WithoutMark },
                ..
            } => NextStep::ThenRerun(format!("save {path} as UTF-8 (in Notepad: Save as, Encoding)")),
            Self::Unreadable { line, .. } => NextStep::Do(format!(
                "correct line {line} of {path}, or let `--repair-wsl-conf yes` make it a comment"
            )),
            Self::NotUtf8 { line } => {
                NextStep::Do(format!("correct line {line} of {path}; `iconv` converts it to UTF-8"))
            }
            Self::Toml { line, .. } | Self::WrongType { line, .. } => {
                NextStep::ThenRerun(format!("correct line {line} of {path}"))
            }
            Self::Overlap { line, .. } => {
                NextStep::Do(format!("correct line {line} of {path}: no ID may belong to two users"))
            }
            Self::SideEffect { line, .. } => {
                NextStep::ThenRerun(format!("edit line {line} of {path} by hand"))
            }
            Self::NotAscii { line, .. } => {
                NextStep::ThenRerun(format!("remove these characters from line {line} of {path}"))
            }
            Self::BadKey { .. } | Self::BadValue { .. } => return None,
        })
    }
}
