//! Small texts: a signature, the list of a project's releases. Neither is trusted because of where it came from: a
//! signature is verified with the built-in key, and a release that a list names needs one.

use std::io::Read;

use super::http::{self, Address};
use super::verify::{open_offline, system};
use super::{Artifact, FetchError, Limits, Origin, Source, mirror_path, parse};
use crate::host::wait_for;
use crate::version::Version;

/// The largest signature in bytes: an armored one has about 900.
const MAX_SIGNATURE: u64 = 64 << 10;
/// The largest file whose signature is still to be verified: ten times the largest crun.
const MAX_UNVERIFIED: u64 = 40 << 20;
/// The largest page of releases: 30 of them have about 400 KiB.
const MAX_RELEASES: u64 = 8 << 20;
/// The time for a small text, in stall timeouts: one byte now and then must not hold up a setup. (A file has
/// [`Limits::total_timeout`].)
const TEXT_STALLS: u32 = 5;

/// Fetches the detached signature that a publisher offers beside a file, under the file's name and `.asc`.
///
/// # Errors
/// [`FetchError::Status`] with 404, or [`FetchError::NotInDirectory`], if there is none.
pub fn fetch_signature(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    let beside = Artifact {
        file: format!("{}.asc", artifact.file),
        path: format!("{}.asc", artifact.path),
        url: format!("{}.asc", artifact.url),
        ..artifact.clone()
    };
    fetch(&beside, source, MAX_SIGNATURE)
}

/// Fetches a file whose checksum is not known yet, for its signature to be verified. It must not be used before that.
///
/// # Errors
/// If it cannot be read or downloaded, or is too large.
pub fn fetch_unverified(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    fetch(artifact, source, MAX_UNVERIFIED)
}

fn fetch(artifact: &Artifact, source: &Source, max: u64) -> Result<Vec<u8>, FetchError> {
    let Some(dir) = &source.offline else { return get(&artifact.url, source, max) };
    let (from, mut file) = open_offline(&system(), artifact, dir)?;
    read_all(&mut file, from, max)
}

/// The newest release of a project on GitHub that is neither a draft nor a prerelease.
///
/// # Errors
/// If the list cannot be downloaded, or is not a list of releases.
pub fn newest_release(project: &str, source: &Source) -> Result<Version, FetchError> {
    let url = format!("https://api.github.com/repos/{project}/releases");
    let bytes = get(&url, source, MAX_RELEASES)?;
    parse::newest(&bytes).map_err(|why| FetchError::UnexpectedResponse { url, why })
}

fn get(url: &str, source: &Source, max: u64) -> Result<Vec<u8>, FetchError> {
    let address = match source.mirror.as_deref() {
        Some(mirror) => Address::below(mirror, mirror_path(url))?,
        None => Address::parse(url)?,
    };
    let mut limits = source.limits.clone();
    if max < MAX_UNVERIFIED {
        limits = Limits { total_timeout: limits.stall_timeout * TEXT_STALLS, ..limits };
    }
    let _wait = wait_for(url);
    let mut response = http::get(address, &limits)?;
    let from = Origin::Server(response.from().to_owned());
    read_all(&mut response, from, max)
}

fn read_all(reader: &mut dyn Read, from: Origin, max: u64) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    match reader.take(max + 1).read_to_end(&mut bytes) {
        Err(why) => Err(FetchError::unreadable(from, why, bytes.len() as u64)),
        Ok(count) if count as u64 > max => Err(FetchError::TooLarge { from, limit: max }),
        Ok(_) => Ok(bytes),
    }
}
