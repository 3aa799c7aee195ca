//! Why a change failed.

use camino::Utf8PathBuf;

use crate::edit::EditError;
use crate::fetch::FetchError;
use crate::host::HostError;

/// What went wrong while a change was looked at or made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The machine refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A text that can not be edited safely.
    #[error("cannot edit `{path}`")]
    Edit {
        /// The file.
        path: Utf8PathBuf,
        /// Where in it and why.
        source: EditError,
    },
    /// A download that did not come, or came wrong.
    #[error("cannot fetch {name}")]
    Fetch {
        /// What it was.
        name: String,
        /// Why.
        source: Box<FetchError>,
    },
    /// Ctrl-C, while nothing was done but waiting for somebody else.
    #[error("stopped while waiting for {0}")]
    Stopped(String),
    /// Something else stands where a file shall be.
    #[error("`{path}` is {found}, not a regular file")]
    NotAFile {
        /// The path.
        path: Utf8PathBuf,
        /// "a directory", "a symbolic link to …".
        found: String,
    },
    /// Bytes that were saved before a change are gone or changed.
    #[error("the saved copy of `{path}` (sha256 {sha256}) is missing or damaged")]
    Lost {
        /// The file that it was a copy of.
        path: Utf8PathBuf,
        /// Its hash.
        sha256: String,
    },
    /// Taking packages out would take others along.
    #[error("removing {ours} would also remove {others}, which kind-wsl did not install")]
    Entangled {
        /// What we brought.
        ours: String,
        /// What depends on it.
        others: String,
    },
    /// A state that this change can not be in: a journal written by something else.
    #[error("the journal holds a state that does not fit {0}")]
    Mismatch(String),
}

impl ChangeError {
    /// What a person can do about it, where we know.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Host(e) => return e.hint(),
            Self::Fetch { source, .. } => return source.hint(),
            Self::Edit { source, path } => return source.hint().map(|h| h.replace("{path}", path.as_str())),
            Self::NotAFile { path, .. } => {
                format!("move it away (`mv {path} {path}.old`), then run the same command again")
            }
            Self::Lost { .. } => "keep the file as it is with `kind-wsl undo --drift keep`".to_owned(),
            Self::Entangled { .. } => "leave the packages: `kind-wsl undo` without `--packages`".to_owned(),
            Self::Mismatch(_) | Self::Stopped(_) => return None,
        })
    }

    /// Whether somebody else wrote between our look and our write.
    #[must_use]
    pub fn is_meanwhile(&self) -> bool {
        matches!(self, Self::Host(e) if e.is_meanwhile())
    }

    /// Whether the crash sweep ended the program.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        match self {
            Self::Host(e) => e.is_crash(),
            _ => false,
        }
    }
}
