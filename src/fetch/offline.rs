//! Whether an `--offline` directory holds every file that a plan needs: asked before the first change.

use std::io;

use camino::Utf8Path;

use super::program::system;
use super::{Artifact, FetchError, check, not_opened};

/// A file that an offline directory does not hold.
#[derive(Debug)]
pub struct Lacking<'a> {
    /// What is needed.
    pub artifact: &'a Artifact,
    /// Why what is there cannot be used.
    pub why: FetchError,
}

/// The artifacts that cannot be installed from `dir`: missing, unreadable, or of another size or checksum.
#[must_use]
pub fn lacking<'a>(artifacts: impl IntoIterator<Item = &'a Artifact>, dir: &Utf8Path) -> Vec<Lacking<'a>> {
    let system = system();
    let fault = |artifact: &'a Artifact| {
        let path = dir.join(&artifact.file);
        let opened = system.open_host_path(&path).map_err(|why| not_opened(artifact, dir, why));
        let checked = opened
            .and_then(|mut file| check(artifact, &mut file, path.as_str(), &mut io::sink(), &mut |_| {}));
        checked.err().map(|why| Lacking { artifact, why })
    };
    artifacts.into_iter().filter_map(fault).collect()
}
