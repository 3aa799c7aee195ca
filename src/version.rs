//! Versions of the programs on a machine: podman, crun, kind, systemd, WSL, the kernel.
//!
//! Each program formats its version differently (`4.3.1+ds1-8`, `6.6.87.2-microsoft-standard-WSL2`, `1.28`,
//! `2.7.12.0`), and semver accepts few of these. Decisions use only the leading numbers.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version as a program writes it, ordered by its leading row of numbers.
///
/// Missing numbers count as zero, so `1.9 == 1.9.0 < 1.9.1 < 1.14.3 < 1.28`. The rest (a packaging revision, a kernel
/// flavor, `-rc1`) is kept for display and **ignored** by comparison, equality and hash.
///
/// ```
/// use kind_wsl::version::Version;
///
/// let kernel: Version = "6.6.87.2-microsoft-standard-WSL2".parse()?;
/// assert!(kernel >= Version::from([6, 6]));
/// assert_eq!(kernel.to_string(), "6.6.87.2-microsoft-standard-WSL2");
/// # Ok::<(), kind_wsl::version::ParseVersionError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    text: String,
    numbers: Vec<u64>,
}

/// The text does not begin with a number, so it cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: it does not begin with a number")]
pub struct ParseVersionError(String);

impl Version {
    /// The first number: 4 of `4.3.1+ds1-8`.
    #[must_use]
    pub fn major(&self) -> u64 {
        self.number(0)
    }

    /// The second number, or zero.
    #[must_use]
    pub fn minor(&self) -> u64 {
        self.number(1)
    }

    /// The number at `index`, or zero if the version is shorter.
    #[must_use]
    pub fn number(&self, index: usize) -> u64 {
        self.numbers.get(index).copied().unwrap_or(0)
    }

    /// The leading numbers without the rest: `4.3.1` of `4.3.1+ds1-8`.
    #[must_use]
    pub fn release(&self) -> String {
        dotted(&self.numbers)
    }

    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn significant(&self) -> &[u64] {
        let end = self.numbers.iter().rposition(|&n| n != 0);
        &self.numbers[..end.map_or(0, |last| last + 1)]
    }
}

impl<const N: usize> From<[u64; N]> for Version {
    /// Builds a version from its numbers: `Version::from([1, 14, 3])` is `1.14.3`.
    fn from(numbers: [u64; N]) -> Self {
        Self { text: dotted(&numbers), numbers: numbers.to_vec() }
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Reads the leading dotted numbers. Surrounding white space, a leading `v` (`v0.33.0`) and a Debian epoch
    /// (`1:4.13+dfsg1`) are skipped.
    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let text = text.trim();
        let bare = text.strip_prefix('v').unwrap_or(text);
        let numbers = leading_numbers(without_epoch(bare));
        if numbers.is_empty() {
            return Err(ParseVersionError(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), numbers })
    }
}

impl TryFrom<String> for Version {
    type Error = ParseVersionError;

    fn try_from(text: String) -> Result<Self, ParseVersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.significant().cmp(other.significant())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.significant() == other.significant()
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.significant().hash(state);
    }
}

fn without_epoch(text: &str) -> &str {
    match text.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => text,
    }
}

/// The numbers up to the first part that does not begin with a digit, or that does not end with one: of `257.13-1`
/// these are 257 and 13. A number of more than 64 bits also ends the list.
fn leading_numbers(text: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for part in text.split('.') {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = part[..digits].parse() else { break };
        numbers.push(number);
        if digits < part.len() {
            break;
        }
    }
    numbers
}

fn dotted(numbers: &[u64]) -> String {
    let parts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::Version;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_order_by_number_and_not_by_letter() {
        let rising = ["0.17", "1.8.1", "1.9", "1.9.1", "1.10", "1.14.3", "1.28", "1.28.1", "2"];
        for pair in rising.windows(2) {
            assert!(v(pair[0]) < v(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn missing_numbers_are_zero_also_for_the_hash() {
        let set: std::collections::HashSet<Version> = [v("1.9"), v("1.9.0"), v("1.9.0.0-1")].into();
        assert_eq!(set.len(), 1);
        assert_eq!(v("0"), v("0.0.0"));
    }

    #[test]
    fn suffixes_prefixes_and_epochs_are_kept_for_display_only() {
        for (text, release) in [
            ("4.3.1+ds1-8", "4.3.1"),
            ("6.6.87.2-microsoft-standard-WSL2", "6.6.87.2"),
            ("257.13-1~deb13u1", "257.13"),
            ("262~rc1", "262"),
            ("1:4.13+dfsg1-1", "4.13"),
            ("v0.33.0", "0.33.0"),
            ("5.0.0-rc3", "5.0.0"),
            ("1..2", "1"),
            ("1.", "1"),
            ("3.4.4+ds1-1ubuntu1.22.04.3", "3.4.4"),
        ] {
            assert_eq!(v(text).release(), release, "{text}");
            assert_eq!(v(text).to_string(), text);
        }
        assert_eq!(v("  1.28\n").as_str(), "1.28");
        assert_eq!(format!("{:>6}|", v("1.28")), "  1.28|");
    }

    #[test]
    fn a_text_without_a_leading_number_is_refused_with_a_message() {
        for text in ["", "latest", "v", "-1", ".5", ":", "é", "99999999999999999999"] {
            let error = text.parse::<Version>().unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is not a version: it does not begin with a number"));
        }
    }

    #[test]
    fn serde_writes_the_text_and_reads_it_back() {
        let version = v("4.3.1+ds1-8");
        let json = serde_json::to_string(&version).unwrap();
        assert_eq!(json, r#""4.3.1+ds1-8""#);
        assert_eq!(serde_json::from_str::<Version>(&json).unwrap().as_str(), "4.3.1+ds1-8");
        assert!(serde_json::from_str::<Version>(r#""crun""#).is_err());
    }

    #[test]
    fn the_parts_of_a_version_are_available() {
        let version = v("5.4.2+ds1-2+b2");
        assert_eq!((version.major(), version.minor(), version.number(2), version.number(9)), (5, 4, 2, 0));
        assert_eq!(Version::from([1, 14, 3]), v("1.14.3"));
        assert_eq!(Version::from([1, 14, 3]).as_str(), "1.14.3");
    }
}
