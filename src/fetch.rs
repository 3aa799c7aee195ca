//! Verified downloads, and the catalogue of what may be downloaded.
//!
//! Everything that verifies a file is known before its first byte arrives: an [`Artifact`] carries the sha256, from
//! the built-in [`catalogue`], a signature or the user, never from the server that sends the file. A download is one
//! pass in constant memory: each chunk is measured, hashed and written. Only https is spoken, redirects included.
//!
//! The HTTP client reads `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, and `SSL_CERT_FILE` and `SSL_CERT_DIR` for the
//! root certificates of the system.

pub mod catalogue;
mod der;
mod download;
mod error;
mod fit;
mod http;
mod parse;
mod prefetch;
mod proxy;
mod reach;
pub mod signature;
mod text;
mod verify;

use std::fmt;
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

pub use download::{download, resume};
pub use error::{FetchError, FileType, Transferred};
pub use parse::RetryAfter;
pub use prefetch::Fetcher;
pub use proxy::ProxyFault;
pub use reach::{RegistryFault, reach};
pub use text::{fetch_signature, fetch_unverified, newest_release};
pub use verify::{Missing, ProgramIdentity, check, check_program, missing_from, open_offline};

use http::Address;

/// One file that may be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The name for users: `crun 1.21`.
    pub name: String,
    /// Its file name, also in an `--offline` directory: `crun-1.21-linux-amd64`.
    pub file: String,
    /// Its path below a mirror (`docs/how-to/downloads.md`).
    pub path: String,
    /// Its publisher's address; always https.
    pub url: String,
    /// Its sha256 in 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its exact size in bytes, if a public source states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where `sha256` comes from.
    #[serde(rename = "trust")]
    pub checksum_source: ChecksumSource,
    /// Whether its publisher signs it, with the built-in key ([`signature`]).
    #[serde(rename = "signed", default, skip_serializing_if = "std::ops::Not::not")]
    pub has_signature: bool,
    /// The required output of the program; `None` if the catalogue's checksum pins it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ProgramIdentity>,
}

/// Where a checksum comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumSource {
    Catalogue {
        /// How many independent public sources agree ([`catalogue::Build::independent`]).
        sources: usize,
    },
    /// The user, or the publisher's signature, which was checked before.
    User,
}

/// Where files come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `--mirror URL`: replaces every publisher; https only.
    pub mirror: Option<String>,
    /// `--offline DIR`: a directory of files under their own names; the network is not used.
    pub offline: Option<Utf8PathBuf>,
    /// The bounds of a download. The program uses the defaults; tests reach the bounds in less than a second.
    pub limits: Limits,
}

/// The bounds of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file of unknown size that is accepted.
    pub max_bytes: u64,
    /// The time for a connection to a server, and to a proxy before it.
    pub connect_timeout: Duration,
    /// The time that a server may send nothing.
    pub stall_timeout: Duration,
    /// The time for one whole response; what arrived until then is kept for the next run.
    pub total_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Four times the largest file in the catalogues.
            max_bytes: 256 << 20,
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(1),
            total_timeout: Duration::from_hours(1),
        }
    }
}

impl Source {
    /// The origin of `artifact` for display: the path of a mirror may contain a token and is hidden.
    #[must_use]
    pub fn location(&self, artifact: &Artifact) -> String {
        match (&self.offline, &self.mirror) {
            (Some(dir), _) => dir.join(&artifact.file).into_string(),
            (None, Some(mirror)) => format!("{}/{}", public_address(mirror), artifact.path),
            (None, None) => artifact.url.clone(),
        }
    }

    /// Whether the mirror's path is missing because an earlier run did not save it.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.offline.is_none() && self.mirror.as_deref().is_some_and(http::is_shortened)
    }
}

/// Where bytes were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A server's address, as it may be shown.
    Server(String),
    /// A file of the user's: in an offline directory, or named on the command line.
    File(Utf8PathBuf),
    /// A file that an earlier download left in our own directory.
    Cache(Utf8PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => f.write_str(address),
            Self::File(path) | Self::Cache(path) => f.write_str(path.as_str()),
        }
    }
}

/// The progress of a download. `Started` is repeated for each response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// The next byte is about to arrive.
    Started {
        /// The size of the whole file, if it is known.
        total: Option<u64>,
        /// Bytes that were there before.
        kept: u64,
    },
    /// Bytes of the file that are there, including those that were kept.
    Bytes {
        done: u64,
        /// The size of the whole file, if it is known.
        total: Option<u64>,
    },
    /// The download pauses: the connection broke, or the server asked for it.
    Waiting(Duration),
    /// The file is complete and verified.
    Done,
}

/// Checks that files could be downloaded from below this address.
///
/// # Errors
/// [`FetchError::BadAddress`] if it is not an https URL, or has a query or a fragment.
pub fn check_mirror(mirror: &str) -> Result<(), FetchError> {
    Address::below(mirror, "").map(|_| ())
}

/// The address of a mirror as it may be shown and saved: `https://HOST/…`. User, path and query may each hold a
/// password or a token.
#[must_use]
pub fn public_address(mirror: &str) -> String {
    http::public_address(mirror)
}

/// Selects ring as the TLS cryptography of the process, unless it was selected before.
pub fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Whether `text` has 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The path below a mirror of what is published at `url`: GitHub's files are at the mirror's root, those of another
/// host below the name of that host.
pub(crate) fn mirror_path(url: &str) -> &str {
    url.strip_prefix("https://github.com/").or_else(|| url.strip_prefix("https://")).unwrap_or(url)
}
