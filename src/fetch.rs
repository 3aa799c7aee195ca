//! Files from elsewhere: verified downloads, and the catalogue of what may be downloaded.
//!
//! Everything needed to verify a file is known before its first byte arrives: an [`Artifact`] carries the
//! sha256, from the built-in [`catalogue`] or from the user, never from the server that sends the file.
//! A download is one pass in constant memory: each piece is measured, hashed and handed to the caller's
//! [`Part`] or sink. Only https is spoken, redirects included.
//!
//! **What was written holds nothing of value until the call returns `Ok`.** The caller renames it into place
//! only then. A [`Part`] may be kept after an error, for [`resume()`] to go on from; what is in a plain sink is
//! thrown away.
//!
//! This module opens no file, reads no environment and never sleeps. What it needs from the machine is passed
//! in. (The HTTP client does look at `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, and at `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` for the root certificates of the system.)

mod ahead;
mod arch;
pub mod catalogue;
mod error;
mod fit;
mod http;
mod offline;
mod program;
mod proxy;
mod resume;
pub mod signature;
mod small;
mod verify;
mod wait;
mod words;

use std::io::{self, Read, Write};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

pub use ahead::{Fetcher, Sign, stage};
pub use error::FetchError;
pub use offline::{Lacking, lacking};
pub use program::{Identity, check_program};
pub use resume::resume;
pub use small::{newest_release, signature_of, unverified};
pub use wait::Later;

use http::Address;
use verify::Verifier;

/// One file the installer may download: everything needed to verify it is known before a byte arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is, for people: `crun 1.21`.
    pub name: String,
    /// Its file name: `crun-1.21-linux-amd64`. This name is looked for in an `--offline` directory.
    pub file: String,
    /// Its path below a mirror: GitHub's own path, or host and path for what other hosts publish
    /// (`docs/downloads.md`).
    pub path: String,
    /// Where its publisher offers it; always https.
    pub url: String,
    /// Its sha256 in 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its exact size in bytes, where a public source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Who vouches for `sha256`.
    pub trust: Trust,
    /// Whether its publisher signs it, with the built-in key ([`signature`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// What the program must be; `None` if the catalogue's checksum says so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// Who vouches for a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The built-in catalogue, in which so many independent public sources agree on it.
    Catalogue {
        /// How many; see [`catalogue::Build::independent`].
        sources: usize,
    },
    /// The user, who gave it on the command line, or the publisher's signature, which was checked before.
    User,
}

/// Where files come from and how much patience there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `--mirror URL`: stands in for every publisher; https only.
    pub mirror: Option<String>,
    /// `--offline DIR`: a directory of files under their own names; the network is not touched.
    pub offline: Option<Utf8PathBuf>,
    /// The most bytes a file may have when its size is not known. Default: 256 MiB, four times the largest
    /// known.
    pub max_bytes: u64,
    /// How long a server, and a proxy before it, may take to accept a connection. Default: 30 s.
    pub connect_timeout: Duration,
    /// How long a server may send nothing at all. Default: 60 s.
    pub stall_timeout: Duration,
    /// How long one answer may take as a whole. Default: 1 h; what arrived until then is kept for the next run.
    pub total_timeout: Duration,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            mirror: None,
            offline: None,
            max_bytes: 256 << 20,
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(1),
            total_timeout: Duration::from_hours(1),
        }
    }
}

impl Source {
    /// Where `artifact` comes from, as it may be shown: a file of the offline directory, an address below the mirror
    /// (whose own path may hold a token and is left out), or its publisher's URL.
    #[must_use]
    pub fn location(&self, artifact: &Artifact) -> String {
        match (&self.offline, &self.mirror) {
            (Some(dir), _) => dir.join(&artifact.file).into_string(),
            (None, Some(mirror)) => format!("{}/{}", public_address(mirror), artifact.path),
            (None, None) => artifact.url.clone(),
        }
    }

    /// Whether the mirror's path is missing, because an earlier run did not write it down.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.offline.is_none() && self.mirror.as_deref().is_some_and(http::is_shortened)
    }
}

/// What a download reports while it runs. It begins with [`Progress::Started`] and ends, if all is well, with
/// [`Progress::Done`]; where a download is taken up again or begun anew, `Started` comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next byte is about to arrive.
    Started {
        /// Bytes of the whole file, where the server or the catalogue tells.
        total: Option<u64>,
        /// Bytes of it that are there already; what arrives follows them.
        kept: u64,
    },
    /// So many bytes of the file are there, those that were kept among them.
    Bytes(u64),
    /// Nothing happens for so long: the line broke, or the server asked to be left alone.
    Waiting(Duration),
    /// All bytes are there and are the right ones.
    Done,
}

/// The bytes of a file that is not whole yet, kept over runs. [`Write`] appends to them.
///
/// Only the program that wrote them may be able to write them: they are hashed again, but what is hashed must
/// be what is used later.
pub trait Part: Write {
    /// Bytes that are there, those from an earlier run among them.
    fn len(&self) -> u64;

    /// Whether nothing is there.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is there, from its beginning.
    ///
    /// # Errors
    /// When it cannot be opened. Then, as when reading it fails, the download begins anew.
    fn reader(&mut self) -> io::Result<Box<dyn Read + '_>>;

    /// Throws away what is there.
    ///
    /// # Errors
    /// When that cannot be done: above all because nothing may be written there.
    fn restart(&mut self) -> io::Result<()>;
}

/// Opens a file for reading; given by the caller, because files are opened in `host/` alone.
pub type Opener<'a> = dyn FnMut(&Utf8Path) -> io::Result<Box<dyn Read>> + 'a;

/// Gets a file from where `source` says, for a caller that keeps nothing of it: the offline directory if there
/// is one, else the mirror, else its publisher. It asks once and neither resumes nor waits; [`resume()`] does.
///
/// # Errors
/// [`FetchError`] says what failed: the offline directory that lacks the file, the address, the connection, the
/// proxy, the certificate, a redirect, the status, the size, the checksum, or the sink. Whatever the sink then
/// holds must not be used.
pub fn obtain(
    artifact: &Artifact,
    source: &Source,
    open: &mut Opener<'_>,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let Some(dir) = &source.offline else {
        let mut answer = http::get(Address::of(artifact, source.mirror.as_deref())?, source)?;
        let mut verifier = Verifier::new(artifact, answer.from(), source.max_bytes)?;
        verifier.declared(answer.from(), answer.length())?;
        verify::copy(&mut verifier, &mut answer, sink, progress)?;
        return verify::conclude(&verifier, sink, progress);
    };
    let path = dir.join(&artifact.file);
    let mut reader = open(&path).map_err(|why| not_opened(artifact, dir, why))?;
    check_within(source.max_bytes, artifact, reader.as_mut(), path.as_str(), sink, progress)
}

/// Why a file of an offline directory could not be opened.
fn not_opened(artifact: &Artifact, dir: &Utf8Path, why: io::Error) -> FetchError {
    let file = artifact.file.clone();
    match why.kind() {
        io::ErrorKind::NotFound => {
            FetchError::NotInDirectory { file, dir: dir.to_owned(), path: artifact.path.clone() }
        }
        _ => FetchError::Unreadable { from: dir.join(file).into_string(), why },
    }
}

/// Looks whether files could be downloaded from below this address at all.
///
/// # Errors
/// [`FetchError::BadAddress`] if it is no https URL, or has a query or a fragment.
pub fn check_mirror(mirror: &str) -> Result<(), FetchError> {
    Address::below(mirror, "").map(|_| ())
}

/// The address of a mirror as it may be shown and written down: `https://HOST/…`, without user, path and query, each of
/// which may hold a password or a token.
#[must_use]
pub fn public_address(mirror: &str) -> String {
    http::public_address(mirror)
}

/// Copies a file that the caller has opened to `sink`, and returns `Ok` only if it is the right one. `from`
/// names it in messages. The bound of [`Source::max_bytes`] is the default one.
///
/// # Errors
/// [`FetchError`] if it cannot be read, has the wrong size or checksum, or if the sink refuses it.
pub fn check(
    artifact: &Artifact,
    reader: &mut dyn Read,
    from: &str,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    check_within(Source::default().max_bytes, artifact, reader, from, sink, progress)
}

fn check_within(
    max_bytes: u64,
    artifact: &Artifact,
    reader: &mut dyn Read,
    from: &str,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let mut verifier = Verifier::new(artifact, from, max_bytes)?;
    verify::copy(&mut verifier, reader, sink, progress)?;
    verify::conclude(&verifier, sink, progress)
}

/// Chooses ring as the cryptography behind TLS, for the whole process. `main` calls it once; every
/// download makes sure of it, so that forgetting it is no fault. Calling it again changes nothing.
pub fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Whether `text` is a sha256 as we keep it: 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The path below a mirror of what is published at `url`: GitHub's files lie at the mirror's root as they do
/// on GitHub, those of any other host below the name of that host.
pub(crate) fn mirror_path(url: &str) -> &str {
    url.strip_prefix("https://github.com/").or_else(|| url.strip_prefix("https://")).unwrap_or(url)
}
