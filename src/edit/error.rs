//! Why an edit was refused.

use camino::Utf8Path;

use super::wslconf::{ProblemKind, Why};
use crate::next_step::NextStep;

/// Why a file was not edited. Nothing was changed when one of these comes back.
///
/// Line numbers count from one, as an editor shows them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A section or key that the format has no way to spell.
    #[error("`{key}` cannot be a key here: {why}")]
    BadKey {
        /// The name as it was asked for.
        key: String,
        /// What the format asks of a name.
        why: &'static str,
    },
    /// A value that the format cannot carry, or that its reader would damage.
    #[error("the value for `{key}` cannot be written: {why}")]
    BadValue {
        /// What was to be set.
        key: String,
        /// What is wrong with the value.
        why: String,
    },
    /// WSL stops reading above the place where the entry would stand.
    #[error(
        "line {line}: WSL stops reading here ({why}), so `{key}` would have no effect below it; repair this line first"
    )]
    Unreadable {
        /// The line at which WSL gives up.
        line: usize,
        /// Why WSL cannot read it.
        why: ProblemKind,
        /// What was to be changed.
        key: String,
    },
    /// The file is such that this edit would also change what another key means.
    #[error("line {line}: `{key}` cannot be changed without changing {other} as well, {change}")]
    SideEffect {
        /// The line of the other key.
        line: usize,
        /// What was to be changed.
        key: String,
        /// The other key whose value would change, if it is a documented one.
        other: String,
        /// Its value before and after, as far as they may be shown.
        change: String,
    },
    /// A value that WSL reads with other characters than it has.
    #[error("line {line}: `{key}` has characters outside ASCII, of which WSL keeps one byte each")]
    NotAscii {
        /// The line of the value.
        line: usize,
        key: String,
    },
    /// The file is not text as its reader expects it.
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
        /// The TOML parser's own words.
        message: String,
    },
    /// The key leads through, or to, something of another type.
    #[error("line {line}: `{key}` is {found}, but {wanted} is required here")]
    WrongType {
        /// The line where it is defined.
        line: usize,
        /// The dotted path as far as it exists.
        key: String,
        found: String,
        /// What the edit needs there.
        wanted: &'static str,
    },
    /// A range of subordinate IDs that is taken.
    #[error("line {line}: the IDs {start} to {last} for `{owner}` overlap those of `{other}`")]
    Overlap {
        /// The line of the other range.
        line: usize,
        /// Who was to get the range.
        owner: String,
        other: String,
        /// The first ID asked for.
        start: u64,
        /// The last ID asked for.
        last: u64,
    },
}

impl EditError {
    /// What a person can do about it, where we know.
    #[must_use]
    pub fn hint(&self, path: &Utf8Path) -> Option<NextStep> {
        Some(match self {
            // The one thing at which WSL stops in .wslconfig, where it skips single lines.
            Self::Unreadable {
                why: ProblemKind::InvalidLine { why: Why::BigEndian | Why::Utf16WithoutMark },
                ..
            } => NextStep::ThenRerun(format!("save {path} as UTF-8 (in Notepad: Save as, Encoding)")),
            Self::Unreadable { line, .. } => NextStep::Do(format!(
                "correct line {line} of {path}, or let `--repair-wsl-conf yes` make it a comment"
            )),
            Self::NotUtf8 { line } => NextStep::Do(format!(
                "correct line {line} of {path}; `iconv` turns another encoding into UTF-8"
            )),
            Self::Toml { line, .. } | Self::WrongType { line, .. } => {
                NextStep::ThenRerun(format!("correct line {line} of {path}"))
            }
            Self::Overlap { line, .. } => {
                NextStep::Do(format!("correct line {line} of {path}: every user's ids must be their own"))
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
