//! What can go wrong with a download, in words.

use std::io;

use camino::Utf8PathBuf;

use super::wait::Later;

/// Why a file could not be had. After any of these what a sink holds must be thrown away; what becomes of a
/// [`Part`](super::Part) is told at [`resume`](super::resume()).
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// An address that is no https URL: a mirror, or an artifact from elsewhere.
    #[error("`{url}` cannot be downloaded from: {why}")]
    BadAddress {
        /// The address as given, without a password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The offline directory does not hold the file.
    #[error("`{file}` is not in `{dir}`")]
    NotInDirectory {
        /// The file's name.
        file: String,
        /// The offline directory.
        dir: Utf8PathBuf,
        /// Its path below a mirror, which tells versions apart.
        path: String,
    },
    /// A local file could not be opened or read.
    #[error("cannot read `{from}`")]
    Unreadable {
        /// The file.
        from: String,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// The HTTPS client could not be made; above all: the system has no root certificates.
    #[error("cannot set up https: {why}")]
    Client {
        /// The innermost cause.
        why: String,
    },
    /// A proxy that is not there, or does not let us through.
    #[error("cannot reach `{host}` through the proxy `{proxy}`: {why}")]
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// The server's host and, where it is not 443, port.
        host: String,
        /// The proxy's answer, or why there is none.
        why: String,
    },
    /// No connection: name resolution, TCP or TLS.
    #[error("cannot connect to `{host}`: {why}")]
    Connect {
        /// Host and, where it is not 443, port.
        host: String,
        /// The innermost cause.
        why: String,
    },
    /// The server's certificate was refused.
    #[error("the certificate of `{host}` is not accepted: {why}")]
    Certificate {
        /// Host and, where it is not 443, port.
        host: String,
        /// In plain words where it is one of the usual reasons.
        why: String,
    },
    /// A redirect to something that is not https, or to nothing.
    #[error("`{from}` redirects to `{to}`, which is refused: {why}")]
    Redirect {
        /// The address that answered.
        from: String,
        /// Where it points.
        to: String,
        /// Why we do not go there.
        why: String,
    },
    /// Redirects without end.
    #[error("`{url}` redirects more than {limit} times")]
    RedirectLoop {
        /// The address we began with.
        url: String,
        /// How many redirects are followed.
        limit: usize,
    },
    /// An answer other than 200.
    #[error("`{url}` answers {status}{}", asks(later.as_ref()))]
    Status {
        /// The address that answered.
        url: String,
        /// Code and reason: `404 Not Found`.
        status: String,
        /// The code alone.
        code: u16,
        /// When it asks to be asked again, with `Retry-After`.
        later: Option<Later>,
    },
    /// A body that is packed, although the file itself was asked for.
    #[error("`{url}` sends the file packed (Content-Encoding: {coding}), which was not asked for")]
    Encoded {
        /// The address that answered.
        url: String,
        /// The server's word for the packing: `gzip`.
        coding: String,
    },
    /// The connection broke before the end.
    #[error("the download of `{from}` broke off after {}: {why}", amount(*.received, *.expected))]
    BrokeOff {
        /// The address.
        from: String,
        /// Bytes that had arrived.
        received: u64,
        /// Bytes that were announced.
        expected: Option<u64>,
        /// The innermost cause.
        why: String,
        /// Whether these bytes are kept for the next run.
        kept: bool,
    },
    /// Nothing came for too long.
    #[error(
        "the download of `{from}` stands still: nothing for {seconds} s after {}",
        amount(*.received, *.expected)
    )]
    Stalled {
        /// The address.
        from: String,
        /// Bytes that had arrived.
        received: u64,
        /// Bytes that were announced.
        expected: Option<u64>,
        /// How long we waited.
        seconds: f64,
        /// Whether these bytes are kept for the next run.
        kept: bool,
    },
    /// More than we are ready to take.
    #[error("`{from}` is larger than the {limit} bytes that are accepted")]
    TooLarge {
        /// The address or file.
        from: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// Not the number of bytes that the file must have.
    #[error("`{from}` is not {name}: it has {actual} bytes instead of {expected}{}", seems(*.looks))]
    WrongSize {
        /// The artifact's name.
        name: String,
        /// The address or file.
        from: String,
        /// Bytes it must have.
        expected: u64,
        /// Bytes it has: `12`, or `more than 100` where reading stopped there.
        actual: String,
        /// What the first bytes look like.
        looks: Option<&'static str>,
    },
    /// The right size or none known, but other bytes.
    #[error("`{from}` is not {name}: its sha256 is {actual} instead of {expected}{}", seems(*.looks))]
    WrongHash {
        /// The artifact's name.
        name: String,
        /// The address or file.
        from: String,
        /// The sha256 it must have.
        expected: String,
        /// The sha256 it has.
        actual: String,
        /// What the first bytes look like.
        looks: Option<&'static str>,
    },
    /// Ctrl-C, while it was waited for.
    #[error("the download of {name} was stopped; what came is kept")]
    Stopped {
        /// The artifact's name.
        name: String,
    },
    /// The publisher's signature does not vouch for the file.
    #[error("the signature of {name} is not good: {why}")]
    BadSignature {
        /// The artifact's name.
        name: String,
        /// What gpgv says.
        why: String,
    },
    /// The right checksum or signature, but of another program than the one that was asked for.
    #[error("this is not {name}: {why}")]
    NotTheProgram {
        /// The artifact's name.
        name: String,
        /// What it is instead.
        why: String,
    },
    /// The thread that downloaded it ended without a result.
    #[error("the download of {name} ended unexpectedly")]
    Lost {
        /// The artifact's name.
        name: String,
    },
    /// A small text that is not what it was asked for.
    #[error("`{url}` answers something strange: {why}")]
    Strange {
        /// The address.
        url: String,
        /// What is strange about it.
        why: String,
    },
    /// The caller's sink refused bytes: disk full, above all.
    #[error("cannot save {name} after {received} bytes")]
    Unwritable {
        /// The artifact's name.
        name: String,
        /// Bytes that had been saved.
        received: u64,
        /// Why.
        #[source]
        why: io::Error,
    },
}

impl FetchError {
    /// What to do about it, where we know.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let advice = match self {
            Self::BadAddress { .. } => {
                "give a mirror as `https://host/path`; docs/downloads.md shows its layout"
            }
            Self::NotInDirectory { path, .. } => {
                return Some(format!(
                    "put it there under this name (on GitHub, and below a mirror, it is `{path}`), \
                     or leave out `--offline`"
                ));
            }
            Self::Client { .. } => "install the package `ca-certificates`: it brings the root certificates",
            Self::Connect { .. } => {
                "check the network; behind a proxy set HTTPS_PROXY; \
                 without a network use `--mirror` or `--offline`"
            }
            Self::Certificate { .. } => {
                "if a company proxy opens TLS here, install its root certificate \
                 (/usr/local/share/ca-certificates, then `update-ca-certificates`); \
                 else check the clock with `date`"
            }
            Self::Redirect { .. } | Self::RedirectLoop { .. } | Self::Strange { .. } => {
                "a proxy or login page may answer in the server's place: \
                 open the address in a browser, or use `--mirror`"
            }
            Self::Proxy { why, .. } if why.contains("407") || why.contains("authorization required") => {
                "give the proxy's user and password in HTTPS_PROXY, as `http://USER:PASSWORD@HOST:PORT`"
            }
            Self::Proxy { .. } => {
                "HTTPS_PROXY (or ALL_PROXY) names this proxy: correct it, or name in NO_PROXY the hosts that \
                 are reached without it"
            }
            Self::Encoded { .. } => {
                "a proxy or mirror packs what passes through it: have that switched off for these files, \
                 or use `--mirror` or `--offline`"
            }
            Self::Status { later: Some(Later::In(_)), .. } => "try again then, or use `--mirror`",
            Self::Status { code: 404 | 410, .. } => {
                "the file is not there (any more): choose another version, or check the layout of the mirror"
            }
            Self::Status { code: 401 | 403 | 407, .. } => {
                "access is refused: check the proxy's or the mirror's rules and password"
            }
            Self::Status { code: 429 | 500..=599, .. } => "try again in a while, or use `--mirror`",
            Self::BrokeOff { kept: true, .. } | Self::Stalled { kept: true, .. } => {
                "run the command again: it goes on where this broke off; nothing was installed"
            }
            Self::BrokeOff { .. } | Self::Stalled { .. } | Self::Lost { .. } => {
                "run the command again; nothing was installed"
            }
            Self::TooLarge { .. } => "nothing that kind-wsl installs is that large: check the address",
            Self::WrongSize { from, .. } | Self::WrongHash { from, .. } if !from.starts_with("https:") => {
                "this file is not what its publisher offers: put the right one in its place"
            }
            Self::WrongSize { looks: Some(HTML), .. } | Self::WrongHash { looks: Some(HTML), .. } => {
                "a proxy or login page answered in the server's place: open the address in a browser"
            }
            Self::WrongSize { .. } | Self::WrongHash { .. } => {
                "nothing was installed; try again, and if it stays so, do not use this file: \
                 it may have been changed"
            }
            Self::Stopped { .. } => "`kind-wsl setup` goes on from there",
            Self::BadSignature { .. } => {
                "nothing was installed; do not use this file: it is not what its maintainer signed"
            }
            Self::NotTheProgram { .. } => {
                "nothing was installed; `kind-wsl crun list` shows the versions whose checksums are built in"
            }
            Self::Unwritable { .. } => "free some space, or check that the directory can be written to",
            Self::Status { .. } | Self::Unreadable { .. } => return None,
        };
        Some(advice.to_owned())
    }

    /// Whether all bytes came and are not the file that was asked for.
    #[must_use]
    pub fn is_wrong_file(&self) -> bool {
        matches!(self, Self::WrongSize { .. } | Self::WrongHash { .. } | Self::NotTheProgram { .. })
    }

    /// The same, where `have` bytes of the file are kept for the next run.
    pub(super) fn keeping(mut self, have: u64) -> Self {
        if let Self::BrokeOff { kept, received, .. } | Self::Stalled { kept, received, .. } = &mut self {
            // A request that got no answer knows nothing of what came before it.
            *received = have.max(*received);
            *kept = have > 0;
        }
        self
    }
}

fn asks(later: Option<&Later>) -> String {
    later.map(|later| format!(" and asks to come back {later}")).unwrap_or_default()
}

/// What [`looks`] says of a web page.
const HTML: &str = "an HTML page";

/// What the first bytes of a wrong file look like, if like something that explains the mistake.
pub(super) fn looks(head: &[u8]) -> Option<&'static str> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    if head.is_empty() {
        Some("an empty file")
    } else if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") {
        Some(HTML)
    } else if begins(b"<?xml") {
        Some("an XML document")
    } else if head.starts_with(b"\x1f\x8b") {
        Some("gzip-compressed data")
    } else {
        None
    }
}

fn seems(looks: Option<&str>) -> String {
    looks.map(|what| format!("; it looks like {what}")).unwrap_or_default()
}

fn amount(received: u64, expected: Option<u64>) -> String {
    match expected {
        Some(total) => format!("{received} of {total} bytes"),
        None => format!("{received} bytes"),
    }
}
