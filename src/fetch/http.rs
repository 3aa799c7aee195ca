//! One GET over https: address, redirects, status, and a name for each failure.

use std::error::Error;
use std::io::{self, Read};
use std::time::Instant;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE,
};
use reqwest::{StatusCode, Url, blocking, redirect};
use rustls::CertificateError;

use super::parse::{RetryAfter, content_range};
use super::proxy::Proxy;
use super::{Artifact, FetchError, Limits};

/// How many redirects are followed. GitHub and dl.k8s.io need one.
const MAX_REDIRECTS: usize = 10;

/// An https URL that has a host, and how it may be shown.
#[derive(Clone)]
pub(super) struct Address {
    url: Url,
    shown: String,
    /// Whether it is a mirror's, whose paths and redirects may hold a token.
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

    /// The address of a path below a mirror.
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
            // An unparsable address may still contain a password or a token, and have any length.
            refused(public_address(location).chars().take(200).collect(), why.to_string())
        })?;
        let shown =
            if private || url.cannot_be_a_base() { public_address(url.as_str()) } else { shown(&url) };
        match secure(&url) {
            Ok(()) => Ok(Self { url, shown, private }),
            Err(why) => Err(refused(shown, why)),
        }
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

/// The part of a mirror's URL for display: scheme, host and port; `/…` stands for a path.
fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let more = if matches!(url.path(), "" | "/") { "" } else { HIDDEN };
    format!("{}://{host}{port}{more}", url.scheme())
}

/// Replaces a path that may hold a token.
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

/// Whether this is the address of a mirror whose path [`public_address`] removed.
pub(super) fn is_shortened(mirror: &str) -> bool {
    mirror.ends_with(HIDDEN)
}

/// A response whose body has not been read yet.
pub(super) struct Response {
    body: blocking::Response,
    from: String,
    /// The size of the whole file, as declared; later the response states what remains.
    length: Option<u64>,
    limits: Limits,
    deadline: Instant,
}

impl Response {
    fn new(response: blocking::Response, at: &Address, length: Option<u64>, limits: &Limits) -> Self {
        let deadline = Instant::now() + limits.total_timeout;
        Self { body: response, from: at.shown.clone(), length, limits: limits.clone(), deadline }
    }

    /// The address that answered, as it may be shown.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// The size of the whole file that the server declares.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    fn failed(&self, why: &io::Error) -> FetchError {
        let is_timeout =
            |cause: &(dyn Error + 'static)| cause.downcast_ref().is_some_and(reqwest::Error::is_timeout);
        if causes(why).into_iter().any(is_timeout) {
            return FetchError::timed_out(&self.from, self.length, self.limits.stall_timeout);
        }
        FetchError::interrupted(&self.from, 0, self.length, innermost(why))
    }
}

impl Read for Response {
    /// A failed read is a [`FetchError`] inside the [`io::Error`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.deadline {
            let why = format!("it did not end within {} s", self.limits.total_timeout.as_secs_f64());
            return Err(io::Error::other(FetchError::interrupted(&self.from, 0, self.length, why)));
        }
        self.body.read(buffer).map_err(|why| match why.kind() {
            io::ErrorKind::Interrupted => why,
            _ => io::Error::other(self.failed(&why)),
        })
    }
}

/// The response to a request from some byte on.
pub(super) enum Reply {
    /// The file from its first byte on.
    Whole(Response),
    /// The file from the byte on that was requested.
    Rest(Response),
    /// Other bytes, or it does not state which.
    OtherRange,
    /// The file has no such byte.
    NothingAfter,
}

/// Requests `address`, following redirects as long as they stay on https.
pub(super) fn get(address: Address, limits: &Limits) -> Result<Response, FetchError> {
    let (at, response) = send(address, limits, 0)?;
    match response.status() {
        StatusCode::OK => whole(response, &at, limits),
        _ => Err(unexpected_status(&at, &response)),
    }
}

/// Requests `address` from byte `start` on.
pub(super) fn get_from(address: Address, limits: &Limits, start: u64) -> Result<Reply, FetchError> {
    if start == 0 {
        return get(address, limits).map(Reply::Whole);
    }
    let (at, response) = send(address, limits, start)?;
    match response.status() {
        StatusCode::OK => whole(response, &at, limits).map(Reply::Whole),
        StatusCode::PARTIAL_CONTENT => {
            refuse_encoded(&at, &response)?;
            let range = header(response.headers(), CONTENT_RANGE);
            Ok(match range.and_then(|range| content_range(&range, start)) {
                Some(range) => Reply::Rest(Response::new(response, &at, range.total, limits)),
                None => Reply::OtherRange,
            })
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Ok(Reply::NothingAfter),
        _ => Err(unexpected_status(&at, &response)),
    }
}

fn whole(response: blocking::Response, at: &Address, limits: &Limits) -> Result<Response, FetchError> {
    refuse_encoded(at, &response)?;
    let length = response.content_length();
    Ok(Response::new(response, at, length, limits))
}

/// Refuses an encoded body: what is hashed and kept is the file itself.
fn refuse_encoded(at: &Address, response: &blocking::Response) -> Result<(), FetchError> {
    match header(response.headers(), CONTENT_ENCODING) {
        Some(coding) if !coding.trim().eq_ignore_ascii_case("identity") => {
            let coding = coding.chars().take(40).collect();
            Err(FetchError::ContentEncoded { url: at.shown.clone(), coding })
        }
        _ => Ok(()),
    }
}

/// The first response that is not a redirect, and the address that sent it.
fn send(address: Address, limits: &Limits, start: u64) -> Result<(Address, blocking::Response), FetchError> {
    let client = client(limits)?;
    let first = address.shown.clone();
    let mut at = address;
    for _ in 0..=MAX_REDIRECTS {
        // A user and password in the mirror's URL are sent to that host alone: `at` is replaced as a whole.
        let mut request = client.get(at.url.clone());
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let response = request.send().map_err(|why| no_response(&at, &why, limits))?;
        let is_redirect = response.status().is_redirection();
        match header(response.headers(), LOCATION).filter(|_| is_redirect) {
            Some(location) => at = at.redirected(&location)?,
            None => return Ok((at, response)),
        }
    }
    Err(FetchError::RedirectLoop { url: first, limit: MAX_REDIRECTS })
}

fn client(limits: &Limits) -> Result<blocking::Client, FetchError> {
    super::install_tls_provider();
    // The file itself is hashed, so no encoding of it may be negotiated.
    let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    blocking::Client::builder()
        .user_agent(concat!("kind-wsl/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .https_only(true)
        .redirect(redirect::Policy::none())
        // One request per connection: a server that closes an idle one just then cannot fail the next request.
        .pool_max_idle_per_host(0)
        .connect_timeout(limits.connect_timeout)
        // In the blocking client this bounds the wait for the headers, and then each single read.
        .timeout(limits.stall_timeout)
        .build()
        .map_err(|why| FetchError::Client { why: innermost(&why) })
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn unexpected_status(at: &Address, response: &blocking::Response) -> FetchError {
    let status = response.status();
    FetchError::Status {
        url: at.shown.clone(),
        status: describe(status),
        code: status.as_u16(),
        retry_after: RetryAfter::from_headers(response.headers()),
    }
}

/// A status with its usual name: `404 Not Found`.
pub(super) fn describe(status: StatusCode) -> String {
    let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    format!("{}{reason}", status.as_u16())
}

/// Names the failure of a request that got no response.
fn no_response(at: &Address, why: &reqwest::Error, limits: &Limits) -> FetchError {
    let host = at.host();
    if let Some(fault) = causes(why).into_iter().find_map(bad_certificate) {
        return FetchError::Certificate { host, why: fault };
    }
    if why.is_connect()
        && let Some(proxy) = Proxy::before(&at.url)
        && let Some(fault) = proxy.fault(&at.url, why, limits.connect_timeout)
    {
        return FetchError::Proxy { proxy: proxy.name(), host, fault };
    }
    match (why.is_connect(), why.is_timeout()) {
        (true, true) => {
            let seconds = limits.connect_timeout.as_secs_f64();
            FetchError::Connect { host, why: format!("no connection within {seconds} s") }
        }
        (true, false) => FetchError::Connect { host, why: innermost(why) },
        (false, true) => FetchError::timed_out(&at.shown, None, limits.stall_timeout),
        (false, false) => FetchError::interrupted(&at.shown, 0, None, innermost(why)),
    }
}

/// An error and its causes, outermost first. An `io::Error` hides the error that it wraps from `source()`, so it is
/// asked by name.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| -> &'a (dyn Error + 'static) { inner }).or_else(|| error.source())
    })
    .collect()
}

/// The innermost cause. A connection that was closed too early has many names; it gets one.
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

/// Why a server's certificate is not accepted, if that is the error.
pub(super) fn bad_certificate(error: &(dyn Error + 'static)) -> Option<String> {
    let rustls::Error::InvalidCertificate(fault) = error.downcast_ref()? else {
        return None;
    };
    Some(match fault {
        CertificateError::UnknownIssuer => "it is not signed by a trusted certificate authority".to_owned(),
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
