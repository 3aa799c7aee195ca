//! Parsers of what servers and proxies answer. They are pure, and fuzzed.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::version::Version;

/// The longest tag of a release, in characters.
const MAX_TAG: usize = 64;
/// The most characters of a `Retry-After` that are shown.
const MAX_SHOWN: usize = 40;

/// A `Content-Range` that begins at the byte that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The size of the whole file, if it is stated.
    pub(super) total: Option<u64>,
}

/// Reads `bytes 10-19/20`, whose first byte must be `start`.
pub(super) fn content_range(value: &str, start: u64) -> Option<ContentRange> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total: Option<u64> = if total == "*" { None } else { Some(total.parse().ok()?) };
    let fits = first == start && last >= first && total.is_none_or(|total| last < total);
    fits.then_some(ContentRange { total })
}

/// The status in the first line of an HTTP/1 response.
pub(super) fn status_line(line: &[u8]) -> Option<StatusCode> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    words.next().filter(|_| is_http).and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok())
}

/// The newest release in GitHub's list that is neither a draft nor a prerelease.
pub(super) fn newest(list: &[u8]) -> Result<Version, String> {
    #[derive(Deserialize)]
    struct ListedRelease {
        tag_name: String,
        draft: bool,
        prerelease: bool,
    }
    let releases: Vec<ListedRelease> = serde_json::from_slice(list).map_err(|e| e.to_string())?;
    let published = releases.into_iter().filter(|r| !r.draft && !r.prerelease);
    // A version becomes part of an address and of a file name.
    let versions =
        published.filter(|r| r.tag_name.len() <= MAX_TAG).filter_map(|r| r.tag_name.parse::<Version>().ok());
    versions.max().ok_or_else(|| "it lists no release".to_owned())
}

/// When a server asks for the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    In(Duration),
    /// At a time that cannot be computed: the header's text, 40 characters at most.
    At(String),
}

impl RetryAfter {
    /// Reads the headers of a response. A date is compared with the response's own `Date`, so our clock does not
    /// matter.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
        let asked = text(RETRY_AFTER)?;
        let seconds = asked.parse().ok().or_else(|| {
            let date = |text| -> Option<Timestamp> { DateTimeParser::new().parse_timestamp(text).ok() };
            // A time in the past means at once.
            Some(u64::try_from(date(asked)?.duration_since(date(text(DATE)?)?).as_secs()).unwrap_or(0))
        });
        Some(match seconds {
            Some(seconds) => Self::In(Duration::from_secs(seconds)),
            None => Self::At(asked.chars().take(MAX_SHOWN).collect()),
        })
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(text) => write!(f, "at `{text}`"),
            Self::In(time) => match time.as_secs() {
                seconds @ ..120 => write!(f, "in {seconds} s"),
                seconds @ 120..7200 => write!(f, "in {} min", seconds.div_ceil(60)),
                seconds => write!(f, "in {} h", seconds.div_ceil(3600)),
            },
        }
    }
}
