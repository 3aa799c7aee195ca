//! The proxy in the way: which one it is, and what it says.
//!
//! Whether a proxy is used is decided by the HTTP client, from `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`. Its
//! errors tell neither the proxy's address nor its answer, so both are found out here, once a connection has
//! failed: the address by the very rules that the client follows (`hyper_util`'s matcher), the answer by asking
//! the proxy once more.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{StatusCode, Url};

/// The most bytes of a proxy's first line that are read.
const LINE: usize = 256;

/// A proxy that stands between us and a server.
pub(super) struct Proxy(Intercept);

impl Proxy {
    /// The one through which `url` is reached, if there is one.
    pub(super) fn before(url: &Url) -> Option<Self> {
        Matcher::from_system().intercept(&url.as_str().parse().ok()?).map(Self)
    }

    /// Its host and port: never a user or password.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    fn host(&self) -> &str {
        self.0.uri().host().unwrap_or_default()
    }

    fn port(&self) -> u16 {
        let usual = if self.0.uri().scheme_str() == Some("https") { 443 } else { 80 };
        self.0.uri().port_u16().unwrap_or(usual)
    }

    /// What it has against connecting us to `url`; `told` is what the client said of the failure, outermost
    /// first. `None` if the proxy is not to blame.
    pub(super) fn objection(&self, url: &Url, told: &[String], patience: Duration) -> Option<String> {
        match self.0.uri().scheme_str() {
            Some("http") => match self.asked(url, patience) {
                Ok(Some(StatusCode::OK)) => None,
                Ok(Some(status)) => Some(format!("it answers {}", super::http::named(status))),
                Ok(None) => Some("it answers as no proxy does".to_owned()),
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    Some(format!("it answers nothing within {} s", patience.as_secs_f64()))
                }
                Err(why) => Some(why.to_string()),
            },
            // To ask it again would take TLS by hand. The client's own words are less, but they are there.
            Some("https") => told.iter().any(|cause| cause.starts_with("tunnel error")).then(|| {
                let last = told.last().map(String::as_str).unwrap_or_default();
                last.strip_prefix("tunnel error: ").unwrap_or(last).to_owned()
            }),
            _ => Some("only http and https proxies can be used".to_owned()),
        }
    }

    /// Asks for the connection once more; the answer's status, if it is an HTTP answer.
    fn asked(&self, url: &Url, patience: Duration) -> io::Result<Option<StatusCode>> {
        let mut stream = self.connect(patience)?;
        stream.set_write_timeout(Some(patience))?;
        let host = url.host_str().unwrap_or_default();
        let target = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(auth) = self.0.basic_auth() {
            request.extend([b"Proxy-Authorization: ", auth.as_bytes(), b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        stream.write_all(&request)?;
        let (mut line, mut piece, end) = (Vec::new(), [0; LINE], Instant::now() + patience);
        // One byte now and then must not hold us up either.
        while line.len() < LINE && !line.contains(&b'\n') {
            let left = end.saturating_duration_since(Instant::now());
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match stream.read(&mut piece)? {
                _ if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                0 => break,
                count => line.extend_from_slice(&piece[..count]),
            }
        }
        Ok(super::words::status(&line))
    }

    fn connect(&self, patience: Duration) -> io::Result<TcpStream> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        // An IPv6 address stands in brackets in an URL.
        let host = self.host().trim_matches(['[', ']']);
        for address in (host, self.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => return Ok(stream),
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }
}
