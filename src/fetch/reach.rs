//! Whether a registry answers: one request of its API, without a download.

use std::io;
use std::time::Duration;

use reqwest::{Certificate, StatusCode, Url, blocking, redirect};
use rustls::CertificateError;

use super::der::issuer;
use super::http::{bad_certificate, causes, describe};
use super::proxy::Proxy;

/// The time limit of one request; podman waits longer, but such a slow registry is unusable.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a registry cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryFault {
    #[error("its name cannot be resolved")]
    NotResolved,
    #[error("the connection was refused")]
    Refused,
    #[error("it does not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    /// With the issuer's name if the certificate states it.
    #[error("its certificate is signed by {}, which is not a trusted CA", .0.as_deref().unwrap_or("an unnamed issuer"))]
    Untrusted(Option<String>),
    #[error("its certificate is not accepted: {0}")]
    Certificate(String),
    #[error("this system has no root certificates")]
    NoRoots,
    #[error("the proxy {name} does not connect to it: {why}")]
    Proxy { name: String, why: String },
    /// Neither 200 nor 401.
    #[error("it answers {0}")]
    Status(String),
    #[error("it does not use TLS")]
    NoTls,
    #[error("{0}")]
    Other(String),
}

/// Requests `https://PLACE/v2/` (OCI distribution-spec, "Determining Support"). It trusts the system's certificates and
/// these further ones in PEM, and uses the proxy variables.
///
/// # Errors
/// If the response is neither 200 nor 401, or if there is none.
pub fn reach(place: &str, roots: &[Vec<u8>]) -> Result<String, RegistryFault> {
    let other = |why: &dyn ToString| RegistryFault::Other(why.to_string());
    let url = Url::parse(&format!("https://{place}/v2/")).map_err(|why| other(&why))?;
    let roots: Vec<_> =
        roots.iter().filter_map(|pem| Certificate::from_pem_bundle(pem).ok()).flatten().collect();
    let client = builder().tls_certs_merge(roots).build().map_err(|_| RegistryFault::NoRoots)?;
    let response = client.get(url.clone()).send().map_err(|why| unreachable(&url, &why))?;
    match response.status() {
        status @ (StatusCode::OK | StatusCode::UNAUTHORIZED) => Ok(describe(status)),
        status => Err(RegistryFault::Status(describe(status))),
    }
}

/// A client that shows a redirect as such: only a login page redirects this request.
fn builder() -> blocking::ClientBuilder {
    super::install_tls_provider();
    blocking::Client::builder()
        .user_agent(concat!("kind-wsl/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT)
}

fn unreachable(url: &Url, why: &reqwest::Error) -> RegistryFault {
    let causes = causes(why);
    if let Some(fault) = causes.iter().find_map(|cause| match cause.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Some(RegistryFault::Untrusted(issuer_at(url)))
        }
        Some(rustls::Error::InvalidMessage(_)) => Some(RegistryFault::NoTls),
        _ => bad_certificate(*cause).map(RegistryFault::Certificate),
    }) {
        return fault;
    }
    if why.is_connect()
        && let Some(proxy) = Proxy::before(url)
        && let Some(fault) = proxy.fault(url, why, TIMEOUT)
    {
        return RegistryFault::Proxy { name: proxy.name(), why: without_number(&fault.to_string()) };
    }
    let is_kind =
        |kind| causes.iter().any(|c| c.downcast_ref().is_some_and(|e: &io::Error| e.kind() == kind));
    // hyper-util 0.1.21 `client/legacy/connect/http.rs` calls a failed look-up so; the type is private.
    if causes.iter().any(|cause| cause.to_string() == "dns error") {
        return RegistryFault::NotResolved;
    }
    if why.is_timeout() || is_kind(io::ErrorKind::TimedOut) {
        return RegistryFault::TimedOut;
    }
    if is_kind(io::ErrorKind::ConnectionRefused) {
        return RegistryFault::Refused;
    }
    if is_kind(io::ErrorKind::UnexpectedEof) {
        return RegistryFault::Other("it closes the connection".to_owned());
    }
    RegistryFault::Other(without_number(&causes.last().map_or_else(String::new, ToString::to_string)))
}

/// An error of the operating system without `(os error 111)`.
fn without_number(text: &str) -> String {
    text.split(" (os error").next().unwrap_or(text).to_owned()
}

/// Who signed the certificate at this address. Nothing but the request is sent there, and the response is not used.
fn issuer_at(url: &Url) -> Option<String> {
    let client = builder().tls_danger_accept_invalid_certs(true).tls_info(true).build().ok()?;
    let response = client.get(url.clone()).send().ok()?;
    let info: &reqwest::tls::TlsInfo = response.extensions().get()?;
    issuer(info.peer_certificate()?)
}
