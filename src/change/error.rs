use camino::Utf8PathBuf;

use crate::edit::EditError;
use crate::fetch::FetchError;
use crate::host::HostError;
use crate::next_step::NextStep;

/// Why a change could not be read or applied.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file that cannot be edited safely.
    #[error("cannot edit `{path}`")]
    Edit {
        path: Utf8PathBuf,
        /// The place in the file, and the reason.
        source: EditError,
    },
    /// A download that failed or has the wrong bytes.
    #[error("cannot fetch {name}")]
    Fetch { name: String, source: Box<FetchError> },
    /// Ctrl-C while waiting for another program.
    #[error("stopped while waiting for {0}")]
    Stopped(String),
    /// Something else than a regular file is at the path of a file.
    #[error("`{path}` is {found}, not a regular file")]
    NotAFile {
        path: Utf8PathBuf,
        /// "a directory", "a symbolic link to …".
        found: String,
    },
    /// A file that kind-wsl did not write is at the path of a new one.
    #[error("`{path}` exists, and kind-wsl did not write it")]
    Foreign { path: Utf8PathBuf },
    /// An installation would remove packages, and the user did not consent to that.
    #[error("installing {wanted} would remove {removes}")]
    Removes {
        /// The packages that were requested.
        wanted: String,
        /// The packages, separated by commas.
        removes: String,
    },
    /// The bytes that were saved before a change are missing or modified.
    #[error("the saved copy of `{path}` (sha256 {sha256}) is missing or damaged")]
    Lost {
        /// The file that it was a copy of.
        path: Utf8PathBuf,
        sha256: String,
    },
    /// Removing packages would break others, and the ones that those need cannot be determined.
    #[error("cannot remove {packages}: {others} need some of these packages")]
    Entangled {
        packages: String,
        /// The packages that depend on it.
        others: String,
    },
    /// Windows could not be asked.
    #[error("cannot use the {entry}")]
    NoWindows {
        /// "logon entry of Debian"
        entry: String,
        source: Box<HostError>,
    },
    /// A state of another kind of change: the journal was not written by kind-wsl.
    #[error("the journal holds a state that does not fit {0}")]
    Mismatch(String),
}

impl ChangeError {
    /// Returns the next step for the user, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<NextStep> {
        Some(match self {
            // The database is older than the mirrors, and pacman supports no partial upgrade (wiki.archlinux.org, System
            // maintenance), so it is not refreshed for one package.
            Self::Host(HostError::Failed { command, .. })
                if command.program == "pacman" && command.args.first().is_some_and(|arg| arg == "-S") =>
            {
                NextStep::ThenRerun("update the system first (`sudo pacman -Syu`)".to_owned())
            }
            Self::Host(e) => return e.hint(),
            Self::Fetch { source, .. } => return source.hint().map(NextStep::Do),
            Self::Edit { source, path } => return source.hint(path),
            Self::NotAFile { path, .. } => {
                NextStep::ThenRerun(format!("move it away (`mv {path} {path}.old`)"))
            }
            Self::Foreign { path } => {
                NextStep::ThenRerun(format!("move it away (`sudo mv {path} {path}.old`)"))
            }
            Self::Removes { removes, .. } => {
                NextStep::Do(format!("to agree to the removal, add `--remove-packages {removes}`"))
            }
            Self::Lost { .. } => {
                NextStep::Do("keep the file as it is with `kind-wsl undo --drift keep`".to_owned())
            }
            Self::Entangled { .. } => {
                NextStep::Do("leave the packages: `kind-wsl undo` without `--packages`".to_owned())
            }
            Self::NoWindows { .. } => NextStep::ThenRerun(
                "open a terminal of this distribution in Windows (interop must be on)".to_owned(),
            ),
            Self::Mismatch(_) | Self::Stopped(_) => return None,
        })
    }

    /// Whether another program wrote between the read and the write.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Host(e) if e.is_conflict())
    }
}
