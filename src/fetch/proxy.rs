//! The proxy before a server: its address, and the reason of a failed connection.
//!
//! The HTTP client chooses the proxy, from `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`. Its errors state neither the
//! proxy's address nor its response, so both are determined here after a connection failed: the address by the client's
//! own rules (`hyper_util`'s matcher), the response by asking the proxy once more.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{StatusCode, Url};

use super::http::{causes, describe};
use super::parse;

/// The longest first line of a response, in bytes.
const MAX_LINE: usize = 256;
/// The start of the client's error for a failed connection through a proxy, and the rest if a password is required
/// (hyper-util 0.1.21, `TunnelError`, a private type).
const TUNNEL_FAILED: &str = "tunnel error: ";
const AUTH_REQUIRED: &str = "proxy authorization required";

/// Why a proxy did not connect to a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// It refused with this status.
    #[error("it answers {}", describe(*.0))]
    Refused(StatusCode),
    /// It requires a user and password, or other ones.
    #[error("{AUTH_REQUIRED}")]
    AuthRequired,
    /// The response is not HTTP.
    #[error("it answers as no proxy does")]
    NotHttp,
    /// It accepted the connection but sent no response in this time.
    #[error("it answers nothing within {} s", .0.as_secs_f64())]
    NoResponse(Duration),
    /// There was no connection in this time.
    #[error("no connection within {} s", .0.as_secs_f64())]
    NoConnection(Duration),
    #[error("{0}")]
    Failed(String),
    /// It is neither an http nor an https proxy.
    #[error("only http and https proxies can be used")]
    Unsupported,
}

impl ProxyFault {
    /// Whether the proxy wants a user and password.
    #[must_use]
    pub fn needs_password(&self) -> bool {
        matches!(self, Self::AuthRequired | Self::Refused(StatusCode::PROXY_AUTHENTICATION_REQUIRED))
    }
}

/// A proxy before a server.
pub(super) struct Proxy(Intercept);

impl Proxy {
    /// The one through which `url` is reached, if there is one.
    pub(super) fn before(url: &Url) -> Option<Self> {
        Matcher::from_system().intercept(&url.as_str().parse().ok()?).map(Self)
    }

    /// Its host and port, without user and password.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    fn host(&self) -> &str {
        self.0.uri().host().unwrap_or_default()
    }

    fn port(&self) -> u16 {
        let default = if self.0.uri().scheme_str() == Some("https") { 443 } else { 80 };
        self.0.uri().port_u16().unwrap_or(default)
    }

    /// Why it did not connect to `url`, after the client failed with `why`. `None` if the proxy is not the cause.
    pub(super) fn fault(&self, url: &Url, why: &reqwest::Error, timeout: Duration) -> Option<ProxyFault> {
        if why.is_timeout() {
            return Some(ProxyFault::NoConnection(timeout));
        }
        match self.0.uri().scheme_str() {
            Some("http") => match self.status(url, timeout) {
                Ok(Some(StatusCode::OK)) => None,
                Ok(Some(status)) => Some(ProxyFault::Refused(status)),
                Ok(None) => Some(ProxyFault::NotHttp),
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    Some(ProxyFault::NoResponse(timeout))
                }
                Err(why) => Some(ProxyFault::Failed(why.to_string())),
            },
            Some("https") => tunnel_fault(why),
            _ => Some(ProxyFault::Unsupported),
        }
    }

    /// The status with which the proxy answers a `CONNECT`, if the response is HTTP.
    fn status(&self, url: &Url, timeout: Duration) -> io::Result<Option<StatusCode>> {
        let mut stream = self.connect(timeout)?;
        stream.set_write_timeout(Some(timeout))?;
        let host = url.host_str().unwrap_or_default();
        let target = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(auth) = self.0.basic_auth() {
            request.extend([b"Proxy-Authorization: ", auth.as_bytes(), b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        stream.write_all(&request)?;
        let (mut line, mut chunk, end) = (Vec::new(), [0; MAX_LINE], Instant::now() + timeout);
        // Slow single bytes must not block the run.
        while line.len() < MAX_LINE && !line.contains(&b'\n') {
            let left = end.saturating_duration_since(Instant::now());
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match stream.read(&mut chunk)? {
                _ if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                0 => break,
                count => line.extend_from_slice(&chunk[..count]),
            }
        }
        Ok(parse::status_line(&line))
    }

    fn connect(&self, timeout: Duration) -> io::Result<TcpStream> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        // An IPv6 address is in brackets in a URL.
        let host = self.host().trim_matches(['[', ']']);
        for address in (host, self.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => return Ok(stream),
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }
}

/// Why an https proxy did not connect. Another query would need TLS by hand, so the text of the client's error is
/// parsed, only here.
fn tunnel_fault(why: &reqwest::Error) -> Option<ProxyFault> {
    let texts: Vec<String> = causes(why).into_iter().map(ToString::to_string).collect();
    texts.iter().find(|text| text.starts_with(TUNNEL_FAILED))?;
    let last = texts.last()?;
    let last = last.strip_prefix(TUNNEL_FAILED).unwrap_or(last);
    Some(if last == AUTH_REQUIRED { ProxyFault::AuthRequired } else { ProxyFault::Failed(last.to_owned()) })
}
