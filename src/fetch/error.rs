//! The errors of downloads.

use std::fmt;
use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::Origin;
use super::parse::RetryAfter;
use super::proxy::ProxyFault;

/// Why a file could not be fetched. The content of a sink must not be used after any of these;
/// [`resume`](super::resume()) describes the state of a part.
///
/// `url` and `from` are addresses as they may be shown, `host` has a port unless it is 443, and `name` is an artifact's.
#[allow(missing_docs, reason = "the messages explain the fields")]
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// An address that is not an https URL.
    #[error("`{url}` cannot be downloaded from: {why}")]
    BadAddress { url: String, why: String },
    /// The offline directory does not contain the file; `path` is the one below a mirror and has the version.
    #[error("`{file}` is not in `{dir}`")]
    NotInDirectory { file: String, dir: Utf8PathBuf, path: String },
    /// A local file could not be opened or read.
    #[error("cannot read `{from}`")]
    Unreadable {
        from: Origin,
        #[source]
        why: io::Error,
    },
    /// The HTTPS client could not be created, mostly because the system has no root certificates.
    #[error("cannot set up https: {why}")]
    Client { why: String },
    /// A proxy that cannot be reached, or refuses.
    #[error("cannot reach `{host}` through the proxy `{proxy}`: {fault}")]
    Proxy { proxy: String, host: String, fault: ProxyFault },
    /// No connection: name resolution, TCP or TLS.
    #[error("cannot connect to `{host}`: {why}")]
    Connect { host: String, why: String },
    /// The server's certificate was refused.
    #[error("the certificate of `{host}` is not accepted: {why}")]
    Certificate { host: String, why: String },
    /// A redirect to something that is not https, or not an address.
    #[error("`{from}` redirects to `{to}`, which is refused: {why}")]
    Redirect { from: String, to: String, why: String },
    /// More redirects than are followed.
    #[error("`{url}` redirects more than {limit} times")]
    RedirectLoop { url: String, limit: usize },
    /// A status other than 200.
    #[error("`{url}` answers {status}{}", retry(retry_after.as_ref()))]
    Status { url: String, status: String, code: u16, retry_after: Option<RetryAfter> },
    /// An encoded body, although the file itself was requested.
    #[error("`{url}` sends the file packed (Content-Encoding: {coding}), which was not asked for")]
    ContentEncoded { url: String, coding: String },
    /// The connection broke before the end.
    #[error("the download of `{from}` broke off after {transferred}: {why}")]
    Interrupted { from: String, transferred: Transferred, why: String },
    /// Nothing arrived for too long.
    #[error("the download of `{from}` stalled: no data for {} s after {transferred}", timeout.as_secs_f64())]
    TimedOut { from: String, transferred: Transferred, timeout: Duration },
    /// More than is accepted.
    #[error("`{from}` is larger than the {limit} bytes that are accepted")]
    TooLarge { from: Origin, limit: u64 },
    /// Not the size that the file must have; `actual` may be `more than 100`.
    #[error("`{from}` is not {name}: it has {actual} bytes instead of {expected}{}", looks(*.looks_like))]
    WrongSize { name: String, from: Origin, expected: u64, actual: String, looks_like: Option<FileType> },
    #[error("`{from}` is not {name}: its sha256 is {actual} instead of {expected}{}", looks(*.looks_like))]
    WrongHash { name: String, from: Origin, expected: String, actual: String, looks_like: Option<FileType> },
    /// Ctrl-C during a download.
    #[error("the download of {name} was stopped; what arrived is kept")]
    Stopped { name: String },
    /// The publisher's signature is not of this file.
    #[error("the signature of {name} is not good: {why}")]
    BadSignature { name: String, why: String },
    /// The right checksum or signature, but of another program than the one that was asked for.
    #[error("this is not {name}: {why}")]
    NotTheProgram { name: String, why: String },
    /// The thread of the download ended without a result.
    #[error("the download of {name} ended unexpectedly")]
    Lost { name: String },
    /// A text that cannot be read.
    #[error("unexpected response from `{url}`: {why}")]
    UnexpectedResponse { url: String, why: String },
    /// The file could not be written, mostly because the disk is full.
    #[error("cannot save {name} after {received} bytes")]
    Unwritable {
        name: String,
        received: u64,
        #[source]
        why: io::Error,
    },
}

/// How much of a file had arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes that had arrived.
    pub received: u64,
    /// Bytes that were announced.
    pub expected: Option<u64>,
    /// Whether they are kept for the next run.
    pub is_kept: bool,
}

impl fmt::Display for Transferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected {
            Some(total) => write!(f, "{} of {total} bytes", self.received),
            None => write!(f, "{} bytes", self.received),
        }
    }
}

impl FetchError {
    pub(super) fn interrupted(from: &str, received: u64, expected: Option<u64>, why: String) -> Self {
        let transferred = Transferred { received, expected, is_kept: false };
        Self::Interrupted { from: from.to_owned(), transferred, why }
    }

    pub(super) fn timed_out(from: &str, expected: Option<u64>, timeout: Duration) -> Self {
        let transferred = Transferred { received: 0, expected, is_kept: false };
        Self::TimedOut { from: from.to_owned(), transferred, timeout }
    }

    pub(super) fn unwritable(name: &str, received: u64, why: io::Error) -> Self {
        Self::Unwritable { name: name.to_owned(), received, why }
    }

    /// Names a failed read, `received` bytes after the beginning. That of a response is named already.
    pub(super) fn unreadable(from: Origin, why: io::Error, received: u64) -> Self {
        match why.downcast::<Self>() {
            Ok(mut named) => {
                if let Some(transferred) = named.transferred() {
                    transferred.received = received;
                }
                named
            }
            Err(why) => Self::Unreadable { from, why },
        }
    }

    /// The same error, if `have` bytes of the file are kept for the next run.
    pub(super) fn with_kept(mut self, have: u64) -> Self {
        if let Some(transferred) = self.transferred() {
            // A request that got no response does not count what was kept before it.
            transferred.received = have.max(transferred.received);
            transferred.is_kept = have > 0;
        }
        self
    }

    fn transferred(&mut self) -> Option<&mut Transferred> {
        match self {
            Self::Interrupted { transferred, .. } | Self::TimedOut { transferred, .. } => Some(transferred),
            _ => None,
        }
    }

    /// The advice for the user, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadAddress { .. } => {
                "give a mirror as `https://host/path`; docs/how-to/downloads.md shows its layout"
            }
            Self::NotInDirectory { path, .. } => {
                return Some(format!(
                    "put it there under this name (on GitHub, and below a mirror, it is `{path}`), \
                     or omit `--offline`"
                ));
            }
            Self::Client { .. } => "install the package `ca-certificates`: it contains the root certificates",
            Self::Connect { .. } => {
                "check the network; behind a proxy set HTTPS_PROXY; \
                 without a network use `--mirror` or `--offline`"
            }
            Self::Certificate { .. } => {
                "if a company proxy opens TLS here, install its root certificate \
                 (/usr/local/share/ca-certificates, then `update-ca-certificates`); \
                 else check the clock with `date`"
            }
            Self::Redirect { .. } | Self::RedirectLoop { .. } | Self::UnexpectedResponse { .. } => {
                "a proxy or login page may answer in the server's place: \
                 open the address in a browser, or use `--mirror`"
            }
            Self::Proxy { fault, .. } if fault.needs_password() => {
                "give the proxy's user and password in HTTPS_PROXY, as `http://USER:PASSWORD@HOST:PORT`"
            }
            Self::Proxy { .. } => {
                "HTTPS_PROXY (or ALL_PROXY) names this proxy: correct it, or name in NO_PROXY the hosts that \
                 are reached without it"
            }
            Self::ContentEncoded { .. } => {
                "a proxy or mirror packs what passes through it: have that switched off for these files, \
                 or use `--mirror` or `--offline`"
            }
            Self::Status { retry_after: Some(RetryAfter::In(_)), .. } => "try again then, or use `--mirror`",
            Self::Status { code: 404 | 410, .. } => {
                "the file does not exist (anymore): choose another version, or check the layout of the mirror"
            }
            Self::Status { code: 401 | 403 | 407, .. } => {
                "access is refused: check the proxy's or the mirror's rules and password"
            }
            Self::Status { code: 429 | 500..=599, .. } => "try again in a while, or use `--mirror`",
            Self::Interrupted { transferred: Transferred { is_kept: true, .. }, .. }
            | Self::TimedOut { transferred: Transferred { is_kept: true, .. }, .. } => {
                "run the command again to resume the download; nothing was installed"
            }
            Self::Interrupted { .. } | Self::TimedOut { .. } | Self::Lost { .. } => {
                "run the command again; nothing was installed"
            }
            Self::TooLarge { .. } => "nothing that kind-wsl installs is that large: check the address",
            Self::WrongSize { from: Origin::File(_), .. } | Self::WrongHash { from: Origin::File(_), .. } => {
                "this file is not what its publisher offers: put the right one in its place"
            }
            Self::WrongSize { from: Origin::Cache(_), .. }
            | Self::WrongHash { from: Origin::Cache(_), .. } => {
                "the downloaded file was changed on the disk: run the command again to download it again"
            }
            Self::WrongSize { looks_like: Some(FileType::Html), .. }
            | Self::WrongHash { looks_like: Some(FileType::Html), .. } => {
                "a proxy or login page answered in the server's place: open the address in a browser"
            }
            Self::WrongSize { .. } | Self::WrongHash { .. } => {
                "nothing was installed; try again, and if it stays so, do not use this file: \
                 it may have been changed"
            }
            Self::Stopped { .. } => "run `kind-wsl setup` to resume the download",
            Self::BadSignature { .. } => {
                "nothing was installed; do not use this file: it is not what its maintainer signed"
            }
            Self::NotTheProgram { .. } => {
                "nothing was installed; `kind-wsl crun list` shows the versions whose checksums are built in"
            }
            Self::Unwritable { .. } => "free some space, or check that the directory can be written to",
            Self::Status { .. } | Self::Unreadable { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether all bytes arrived and are not the file that was asked for.
    #[must_use]
    pub fn is_wrong_file(&self) -> bool {
        matches!(self, Self::WrongSize { .. } | Self::WrongHash { .. } | Self::NotTheProgram { .. })
    }
}

fn retry(after: Option<&RetryAfter>) -> String {
    after.map(|after| format!(" and asks to come back {after}")).unwrap_or_default()
}

fn looks(like: Option<FileType>) -> String {
    like.map(|what| format!("; it looks like {what}")).unwrap_or_default()
}

/// The type of a wrong file, if it explains the mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A login page, or an error page with status 200.
    Html,
    /// An error of a storage service with status 200.
    Xml,
    /// An encoded body without its header.
    Gzip,
    /// No bytes at all.
    Empty,
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Html => "an HTML page",
            Self::Xml => "an XML document",
            Self::Gzip => "gzip-compressed data",
            Self::Empty => "an empty file",
        })
    }
}

/// Guesses the type of a file from its first bytes.
pub(super) fn guess_type(head: &[u8]) -> Option<FileType> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    if head.is_empty() {
        Some(FileType::Empty)
    } else if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") {
        Some(FileType::Html)
    } else if begins(b"<?xml") {
        Some(FileType::Xml)
    } else if head.starts_with(b"\x1f\x8b") {
        Some(FileType::Gzip)
    } else {
        None
    }
}
