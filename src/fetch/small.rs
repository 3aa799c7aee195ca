//! Small texts from elsewhere: a signature, the list of a project's releases. Nothing is believed because it came:
//! a signature is judged by a key that we have, and a release that a list names needs one.

use std::io::Read;
use std::time::Instant;

use super::http::{self, Address};
use super::{Artifact, FetchError, Source, mirror_path, words};
use crate::version::Version;

/// The most that a signature may have, in bytes: an armoured one has about 900.
pub(super) const SIGNATURE: u64 = 64 << 10;
/// The most that a file to be judged may have, in bytes: ten times the largest crun.
const UNVERIFIED: u64 = 40 << 20;
/// The most that a page of releases may have, in bytes: 30 of them have about 400 KiB.
const RELEASES: u64 = 8 << 20;

/// The detached signature that a publisher offers beside a file, under the file's name and `.asc`.
///
/// # Errors
/// As [`super::obtain`]; [`FetchError::Status`] with 404 where there is none.
pub fn signature_of(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    get(&format!("{}.asc", artifact.url), source, SIGNATURE)
}

/// The whole of a file whose checksum nobody knows yet, for its signature to be judged. It is nothing to be used
/// before that.
///
/// # Errors
/// As [`super::obtain`].
pub fn unverified(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    get(&artifact.url, source, UNVERIFIED)
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
/// not hold a set-up up for ever. (Of a whole file a slow line is no fault.)
const PATIENCE: u32 = 5;

fn get(url: &str, source: &Source, most: u64) -> Result<Vec<u8>, FetchError> {
    let address = match source.mirror.as_deref() {
        Some(mirror) => Address::below(mirror, mirror_path(url))?,
        None => Address::parse(url)?,
    };
    let begin = Instant::now();
    let mut answer = http::get(address, source)?;
    let from = answer.from().to_owned();
    let broke_off = |bytes: &[u8], why: String| FetchError::BrokeOff {
        from: from.clone(),
        received: bytes.len() as u64,
        expected: None,
        kept: false,
        why,
    };
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 16 << 10]);
    while bytes.len() as u64 <= most {
        match answer.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(why) => return Err(broke_off(&bytes, why.to_string())),
        }
        let longest = source.stall_timeout * PATIENCE;
        if most < UNVERIFIED && begin.elapsed() > longest {
            let why = format!("it was not there after {} s", longest.as_secs_f64());
            return Err(broke_off(&bytes, why));
        }
    }
    if bytes.len() as u64 > most {
        return Err(FetchError::Strange { url: from, why: format!("it has more than {most} bytes") });
    }
    Ok(bytes)
}
