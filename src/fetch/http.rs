//! One GET over https: address, redirects, status, and plain words for what breaks.

use std::error::Error;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderName, LOCATION, RANGE,
};
use reqwest::{StatusCode, Url, redirect};
use rustls::CertificateError;

use super::proxy::Proxy;
use super::verify::Supply;
use super::wait::Later;
use super::{Artifact, FetchError, Source, words};

/// How many redirects are followed. GitHub and dl.k8s.io need one.
const REDIRECTS: usize = 10;

/// An https URL that has a host, and how it may be shown.
#[derive(Clone)]
pub(super) struct Address {
    url: Url,
    shown: String,
    /// Whether it comes from a mirror, whose paths and redirects may hold a token.
    private: bool,
}

impl Address {
    /// Where to get `artifact`: below the mirror if there is one, else from its publisher.
    pub(super) fn of(artifact: &Artifact, mirror: Option<&str>) -> Result<Self, FetchError> {
        match mirror {
            Some(mirror) => Self::below(mirror, &artifact.path),
            None => Self::parse(&artifact.url),
        }
    }

    /// What lies at a path below a mirror.
    pub(super) fn below(mirror: &str, path: &str) -> Result<Self, FetchError> {
        let refused = |why: String| FetchError::BadAddress { url: public_address(mirror), why };
        let base = Url::parse(mirror).map_err(|why| refused(why.to_string()))?;
        secure(&base).map_err(refused)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refused("a mirror has no `?` and no `#`".to_owned()));
        }
        let url = Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/')))
            .map_err(|why| refused(why.to_string()))?;
        Ok(Self { url, shown: format!("{}/{path}", origin(&base)), private: true })
    }

    /// The address of a publisher, which holds no secret.
    pub(super) fn parse(text: &str) -> Result<Self, FetchError> {
        let refused = |url: String, why: String| FetchError::BadAddress { url, why };
        let url = Url::parse(text).map_err(|why| refused(public_address(text), why.to_string()))?;
        let shown = shown(&url);
        match secure(&url) {
            Ok(()) => Ok(Self { url, shown, private: false }),
            Err(why) => Err(refused(shown, why)),
        }
    }

    /// The address that a redirect points to.
    fn redirected(&self, location: &str) -> Result<Self, FetchError> {
        let refused = |to: String, why: String| FetchError::Redirect { from: self.shown.clone(), to, why };
        let private = self.private;
        let url = self.url.join(location).map_err(|why| {
            // What cannot be parsed may still hold a password or a token, and be of any length.
            refused(public_address(location).chars().take(200).collect(), why.to_string())
        })?;
        let shown =
            if private || url.cannot_be_a_base() { public_address(url.as_str()) } else { shown(&url) };
        match secure(&url) {
            Ok(()) => Ok(Self { url, shown, private }),
            Err(why) => Err(refused(shown, why)),
        }
    }

    /// As it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

fn secure(url: &Url) -> Result<(), String> {
    if url.scheme() == "https" { Ok(()) } else { Err("only https is accepted".to_owned()) }
}

/// A publisher's URL as it may be shown: no password, and not the signed query that GitHub redirects to.
fn shown(url: &Url) -> String {
    if url.cannot_be_a_base() {
        return public_address(url.as_str());
    }
    let mut url = url.clone();
    // Both fail only for URLs that can have no user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// What may be shown of a mirror's URL: scheme, host and port; `/…` stands for a path.
fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let more = if matches!(url.path(), "" | "/") { "" } else { HIDDEN };
    format!("{}://{host}{port}{more}", url.scheme())
}

/// Stands for a path that may hold a token.
const HIDDEN: &str = "/…";

/// A mirror's address as it may be shown and written down: user, path and query may each hold a secret.
pub(super) fn public_address(text: &str) -> String {
    if let Ok(url) = Url::parse(text)
        && url.has_host()
    {
        return origin(&url);
    }
    // No address, or one without a host: of `me:secret@host/path` the user is read as a scheme.
    let bare = text.rsplit('@').next().unwrap_or(text);
    let (scheme, rest) =
        bare.split_once("://").map_or(("", bare), |(scheme, rest)| (&bare[..scheme.len() + 3], rest));
    let host = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let more = if rest.len() > host.len() { HIDDEN } else { "" };
    format!("{scheme}{host}{more}")
}

/// Whether this is the address of a mirror whose path was left out by [`public_address`].
pub(super) fn is_shortened(mirror: &str) -> bool {
    mirror.ends_with(HIDDEN)
}

/// An answer whose body is waiting to be read.
pub(super) struct Answer {
    response: Response,
    from: String,
    /// Of the whole file, as declared; asked later, the response tells what remains.
    length: Option<u64>,
    stall: Duration,
    /// When it must have ended, and how long that is from its beginning.
    end: (Instant, Duration),
}

impl Answer {
    /// The address that answered, as it may be shown.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// The length of the whole file that the server declares.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    fn new(response: Response, at: &Address, length: Option<u64>, source: &Source) -> Self {
        let end = (Instant::now() + source.total_timeout, source.total_timeout);
        Self { response, from: at.shown().to_owned(), length, stall: source.stall_timeout, end }
    }
}

/// What comes back when a file is asked for from some byte on.
pub(super) enum Reply {
    /// The file from its first byte on, whatever was asked for.
    Whole(Answer),
    /// The file from the byte on that was asked for.
    Rest(Answer),
    /// Some other bytes, or nobody knows which.
    Misplaced,
    /// The file has no such byte.
    Beyond,
}

/// Asks for `address`, following redirects as long as they stay on https.
pub(super) fn get(address: Address, source: &Source) -> Result<Answer, FetchError> {
    let (at, response) = ask(address, source, 0)?;
    match response.status() {
        StatusCode::OK => whole(response, &at, source),
        _ => Err(unwelcome(&at, &response)),
    }
}

/// Asks for `address` from byte `start` on.
pub(super) fn get_from(address: Address, source: &Source, start: u64) -> Result<Reply, FetchError> {
    if start == 0 {
        return get(address, source).map(Reply::Whole);
    }
    let (at, response) = ask(address, source, start)?;
    match response.status() {
        StatusCode::OK => whole(response, &at, source).map(Reply::Whole),
        StatusCode::PARTIAL_CONTENT => {
            uncoded(&at, &response)?;
            let stated = header(response.headers(), CONTENT_RANGE);
            Ok(match stated.as_deref().and_then(|stated| words::rest(stated, start)) {
                Some(rest) => Reply::Rest(Answer::new(response, &at, rest.total, source)),
                None => Reply::Misplaced,
            })
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Ok(Reply::Beyond),
        _ => Err(unwelcome(&at, &response)),
    }
}

fn whole(response: Response, at: &Address, source: &Source) -> Result<Answer, FetchError> {
    uncoded(at, &response)?;
    let length = response.content_length();
    Ok(Answer::new(response, at, length, source))
}

/// Refuses a body that is packed: what is hashed and kept is the file itself.
fn uncoded(at: &Address, response: &Response) -> Result<(), FetchError> {
    match header(response.headers(), CONTENT_ENCODING) {
        Some(coding) if !coding.trim().eq_ignore_ascii_case("identity") => {
            Err(FetchError::Encoded { url: at.shown().to_owned(), coding: coding.chars().take(40).collect() })
        }
        _ => Ok(()),
    }
}

/// The first answer that is no redirect, and who gave it.
fn ask(address: Address, source: &Source, start: u64) -> Result<(Address, Response), FetchError> {
    let client = client(source)?;
    let origin = address.shown().to_owned();
    let mut at = address;
    for _ in 0..=REDIRECTS {
        // A user and password in the mirror's URL are sent to that host alone: `at` is replaced as a whole.
        let mut request = client.get(at.url.clone());
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let response = request.send().map_err(|why| unanswered(&at, &why, source))?;
        let redirected = response.status().is_redirection();
        match header(response.headers(), LOCATION).filter(|_| redirected) {
            Some(location) => at = at.redirected(&location)?,
            None => return Ok((at, response)),
        }
    }
    Err(FetchError::RedirectLoop { url: origin, limit: REDIRECTS })
}

fn client(source: &Source) -> Result<Client, FetchError> {
    super::install_tls_provider();
    Client::builder()
        .user_agent(concat!("kind-wsl/", env!("CARGO_PKG_VERSION")))
        // We hash the file itself, so no coding of it may be negotiated.
        .default_headers([(ACCEPT_ENCODING, "identity")].into_iter().map(fixed).collect())
        .https_only(true)
        .redirect(redirect::Policy::none())
        // One request a connection: a server that closes an idle one just then cannot fail the next request.
        .pool_max_idle_per_host(0)
        .connect_timeout(source.connect_timeout)
        // In the blocking client this bounds the wait for the headers, and then each single read.
        .timeout(source.stall_timeout)
        .build()
        .map_err(|why| FetchError::Client { why: innermost(&why) })
}

fn fixed((name, value): (HeaderName, &'static str)) -> (HeaderName, reqwest::header::HeaderValue) {
    (name, reqwest::header::HeaderValue::from_static(value))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Names an answer that is neither the file nor the way to it.
fn unwelcome(at: &Address, response: &Response) -> FetchError {
    let status = response.status();
    FetchError::Status {
        url: at.shown().to_owned(),
        status: named(status),
        code: status.as_u16(),
        later: Later::asked(response.headers()),
    }
}

/// A status with its usual name: `404 Not Found`.
pub(super) fn named(status: StatusCode) -> String {
    let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    format!("{}{reason}", status.as_u16())
}

/// Names a request that got no answer.
fn unanswered(at: &Address, why: &reqwest::Error, source: &Source) -> FetchError {
    let host = at.host();
    if let Some(fault) = causes(why).into_iter().find_map(bad_certificate) {
        return FetchError::Certificate { host, why: fault };
    }
    if why.is_connect()
        && let Some(fault) = refused_by_proxy(at, why, source)
    {
        return fault;
    }
    match (why.is_connect(), why.is_timeout()) {
        (true, true) => {
            let seconds = source.connect_timeout.as_secs_f64();
            FetchError::Connect { host, why: format!("no connection within {seconds} s") }
        }
        (true, false) => FetchError::Connect { host, why: innermost(why) },
        (false, true) => FetchError::Stalled {
            from: at.shown().to_owned(),
            received: 0,
            expected: None,
            seconds: source.stall_timeout.as_secs_f64(),
            kept: false,
        },
        (false, false) => FetchError::BrokeOff {
            from: at.shown().to_owned(),
            received: 0,
            expected: None,
            why: innermost(why),
            kept: false,
        },
    }
}

/// Names a connection that a proxy did not make.
fn refused_by_proxy(at: &Address, why: &reqwest::Error, source: &Source) -> Option<FetchError> {
    let proxy = Proxy::before(&at.url)?;
    let patience = source.connect_timeout;
    let why = if why.is_timeout() {
        format!("no connection within {} s", patience.as_secs_f64())
    } else {
        let told: Vec<String> = causes(why).into_iter().map(ToString::to_string).collect();
        proxy.objection(&at.url, &told, patience)?
    };
    Some(FetchError::Proxy { proxy: proxy.name(), host: at.host(), why })
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.end.0 {
            let text = format!("it did not end within {} s", self.end.1.as_secs_f64());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        self.response.read(buffer)
    }
}

impl Supply for Answer {
    fn failed(&self, from: &str, why: io::Error, received: u64) -> FetchError {
        let (from, expected) = (from.to_owned(), self.length);
        let stalled = causes(&why)
            .into_iter()
            .any(|cause| cause.downcast_ref().is_some_and(reqwest::Error::is_timeout));
        if stalled {
            let seconds = self.stall.as_secs_f64();
            return FetchError::Stalled { from, received, expected, seconds, kept: false };
        }
        FetchError::BrokeOff { from, received, expected, why: innermost(&why), kept: false }
    }
}

/// An error and what lies below it, outermost first. An `io::Error` hides the error it wraps from `source()`,
/// so it is asked by name.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| -> &'a (dyn Error + 'static) { inner }).or_else(|| error.source())
    })
    .collect()
}

/// The cause that a person can use: the innermost. A connection closed too early has many names; it gets one.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let causes = causes(error);
    let closed = causes.iter().any(|cause| {
        cause.downcast_ref().is_some_and(|why: &io::Error| why.kind() == io::ErrorKind::UnexpectedEof)
    });
    match causes.last() {
        Some(last) if !closed => last.to_string(),
        _ => "the other side closed the connection".to_owned(),
    }
}

fn bad_certificate(error: &(dyn Error + 'static)) -> Option<String> {
    let rustls::Error::InvalidCertificate(fault) = error.downcast_ref()? else {
        return None;
    };
    Some(match fault {
        CertificateError::UnknownIssuer => "no root certificate of this system stands behind it".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it belongs to another name".to_owned()
        }
        other => other.to_string(),
    })
}
