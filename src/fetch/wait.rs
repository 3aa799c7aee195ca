//! `Retry-After`: how long a server asks to be left alone.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The most characters of a server's words that are shown.
const SHOWN: usize = 40;

/// When a server asks to be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Later {
    /// After so long.
    In(Duration),
    /// At some time that cannot be reckoned with: the server's own words, 40 characters at most.
    At(String),
}

impl Later {
    /// What the headers of an answer ask for. A date counts from the answer's own `Date`: both are the
    /// server's, so it does not matter whether our clock agrees with it.
    pub(super) fn asked(headers: &HeaderMap) -> Option<Self> {
        let text = |name| Some(headers.get(name)?.to_str().ok()?.trim());
        let asked = text(RETRY_AFTER)?;
        let seconds = asked.parse().ok().or_else(|| {
            let date = |text| -> Option<Timestamp> { DateTimeParser::new().parse_timestamp(text).ok() };
            // A time that is past already means at once.
            Some(u64::try_from(date(asked)?.duration_since(date(text(DATE)?)?).as_secs()).unwrap_or(0))
        });
        Some(match seconds {
            Some(seconds) => Self::In(Duration::from_secs(seconds)),
            None => Self::At(asked.chars().take(SHOWN).collect()),
        })
    }
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(words) => write!(f, "at `{words}`"),
            Self::In(time) => match time.as_secs() {
                seconds @ ..120 => write!(f, "in {seconds} s"),
                seconds @ 120..7200 => write!(f, "in {} min", seconds.div_ceil(60)),
                seconds => write!(f, "in {} h", seconds.div_ceil(3600)),
            },
        }
    }
}
