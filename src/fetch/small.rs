//! Small texts from elsewhere: a signature, the list of a project's releases. Nothing is believed because it came:
//! a signature is judged by a key that we have, and a release that a list names needs one.

use std::io::Read;

use super::http::{self, Address};
use super::program::system;
use super::verify::Supply;
use super::{Artifact, FetchError, Source, mirror_path, not_opened, words};
use crate::version::Version;

/// The most that a signature may have, in bytes: an armoured one has about 900.
const SIGNATURE: u64 = 64 << 10;
/// The most that a file to be judged may have, in bytes: ten times the largest crun.
const UNVERIFIED: u64 = 40 << 20;
/// The most that a page of releases may have, in bytes: 30 of them have about 400 KiB.
const RELEASES: u64 = 8 << 20;

/// The detached signature that a publisher offers beside a file, under the file's name and `.asc`.
///
/// # Errors
/// As [`super::obtain`]; [`FetchError::Status`] with 404, or [`FetchError::NotInDirectory`], if there is none.
pub fn signature_of(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    let beside = Artifact {
        file: format!("{}.asc", artifact.file),
        path: format!("{}.asc", artifact.path),
        url: format!("{}.asc", artifact.url),
        ..artifact.clone()
    };
    of(&beside, source, SIGNATURE)
}

/// The whole of a file whose checksum is not known yet, for its signature to be judged. It is nothing to be used
/// before that.
///
/// # Errors
/// As [`super::obtain`].
pub fn unverified(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    of(artifact, source, UNVERIFIED)
}

fn of(artifact: &Artifact, source: &Source, most: u64) -> Result<Vec<u8>, FetchError> {
    let Some(dir) = &source.offline else { return get(&artifact.url, source, most) };
    let (mut bytes, path) = (Vec::new(), dir.join(&artifact.file));
    let opened = system().open_host_path(&path).map_err(|why| not_opened(artifact, dir, why))?;
    let from = path.to_string();
    match opened.take(most + 1).read_to_end(&mut bytes) {
        Err(why) => Err(FetchError::Unreadable { from, why }),
        Ok(count) if count as u64 > most => Err(FetchError::TooLarge { from, limit: most }),
        Ok(_) => Ok(bytes),
    }
}

/// The newest release of a project on GitHub that is neither a draft nor a preview.
///
/// # Errors
/// As [`super::obtain`]; besides, an answer that is no list of releases.
pub fn newest_release(project: &str, source: &Source) -> Result<Version, FetchError> {
    let url = format!("https://api.github.com/repos/{project}/releases");
    let bytes = get(&url, source, RELEASES)?;
    words::newest(&bytes).map_err(|why| FetchError::Strange { url, why })
}

/// How many times longer than it may say nothing at all a server may take for a small text: one byte now and then must
/// not hold a setup up for ever. (A file has [`Source::total_timeout`].)
const TIMEOUT: u32 = 5;

fn get(url: &str, source: &Source, most: u64) -> Result<Vec<u8>, FetchError> {
    let address = match source.mirror.as_deref() {
        Some(mirror) => Address::below(mirror, mirror_path(url))?,
        None => Address::parse(url)?,
    };
    let total_timeout = if most < UNVERIFIED { source.stall_timeout * TIMEOUT } else { source.total_timeout };
    let mut answer = http::get(address, &Source { total_timeout, ..source.clone() })?;
    let from = answer.from().to_owned();
    let mut bytes = Vec::new();
    let read = answer.by_ref().take(most + 1).read_to_end(&mut bytes);
    match read {
        Err(why) => Err(answer.failed(&from, why, bytes.len() as u64)),
        Ok(count) if count as u64 > most => Err(FetchError::TooLarge { from, limit: most }),
        Ok(_) => Ok(bytes),
    }
}
