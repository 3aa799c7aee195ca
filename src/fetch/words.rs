//! What servers and proxies say, read: pure, so that any bytes can be tried on it (`tests/fuzz.rs`).

use reqwest::StatusCode;
use serde::Deserialize;

use crate::version::Version;

/// The most characters of a release's tag.
const TAG: usize = 64;

/// An answer that begins where it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// The size of the whole file, if it is told.
    pub(super) total: Option<u64>,
}

/// Reads `bytes 10-19/20`, where the first byte must be `start`.
pub(super) fn rest(stated: &str, start: u64) -> Option<Rest> {
    let (range, total) = stated.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total: Option<u64> = if total == "*" { None } else { Some(total.parse().ok()?) };
    let fits = first == start && last >= first && total.is_none_or(|total| last < total);
    fits.then_some(Rest { total })
}

/// The status in the first line of an answer, if it is one of HTTP/1.
pub(super) fn status(line: &[u8]) -> Option<StatusCode> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    words.next().filter(|_| http).and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok())
}

/// The newest release in GitHub's list of them that is neither a draft nor a preview.
pub(super) fn newest(list: &[u8]) -> Result<Version, String> {
    #[derive(Deserialize)]
    struct Release {
        tag_name: String,
        draft: bool,
        prerelease: bool,
    }
    let releases: Vec<Release> = serde_json::from_slice(list).map_err(|e| e.to_string())?;
    let published = releases.into_iter().filter(|r| !r.draft && !r.prerelease);
    // A version becomes part of an address and of a file's name.
    let versions =
        published.filter(|r| r.tag_name.len() <= TAG).filter_map(|r| r.tag_name.parse::<Version>().ok());
    versions.max().ok_or_else(|| "it names no release".to_owned())
}
