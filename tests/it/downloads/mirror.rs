//! A mirror that answers what it is given, and counts.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use kind_wsl::fetch::install_tls_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::support::Layout;
use crate::support::cli::Case;

/// A mirror with an authority of its own.
pub(crate) struct Mirror {
    port: u16,
    authority: tempfile::NamedTempFile,
    pub(crate) played: Arc<Played>,
}

#[derive(Default)]
pub(crate) struct Played {
    files: HashMap<&'static str, Vec<u8>>,
    /// The requests: path, and first byte asked for.
    asked: Mutex<Vec<(String, usize)>>,
    /// Where a body stands still, as long as there is such a place.
    pub(crate) stands_still: Mutex<Option<usize>>,
}

impl Mirror {
    pub(crate) fn new(files: &[(&'static str, Vec<u8>)]) -> Self {
        install_tls_provider();
        let names = ["localhost", "api.github.com", "github.com"].map(ToOwned::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        // Root trusts only a file that no other user can change, and so only below such directories.
        let place = if nix::unistd::geteuid().is_root() { "/run".into() } else { std::env::temp_dir() };
        let authority = tempfile::NamedTempFile::new_in(place).unwrap();
        fs::write(authority.path(), made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let cert: CertificateDer<'static> = made.cert.der().clone();
        let tls =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key.into()).unwrap();
        let (tls, listener) = (Arc::new(tls), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.local_addr().unwrap().port();
        let played = Arc::new(Played { files: files.iter().cloned().collect(), ..Played::default() });
        let serving = Arc::clone(&played);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (tls, played) = (Arc::clone(&tls), Arc::clone(&serving));
                // A client may go away whenever it likes.
                thread::spawn(move || played.answer(tls, socket.unwrap()));
            }
        });
        Self { port, authority, played }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<(String, usize)> {
        self.played.asked.lock().unwrap().clone()
    }

    /// A machine that trusts it, and reaches the publishers through it: it is a proxy as well.
    pub(crate) fn publisher(&self, layout: Layout) -> Case {
        self.case(layout).env("HTTPS_PROXY", &format!("http://localhost:{}", self.port))
    }

    /// A machine that trusts it.
    pub(crate) fn case(&self, layout: Layout) -> Case {
        Case::new(layout).env("SSL_CERT_FILE", self.authority.path().to_str().unwrap())
    }
}

impl Played {
    fn answer(&self, tls: Arc<ServerConfig>, mut socket: TcpStream) -> io::Result<()> {
        let mut first = [0];
        socket.peek(&mut first)?;
        if first == *b"C" {
            // `CONNECT HOST:443`: whoever that is, it is we.
            head_of(&mut socket)?;
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        }
        let mut connection = ServerConnection::new(tls).map_err(io::Error::other)?;
        let mut stream = Stream::new(&mut connection, &mut socket);
        let head = head_of(&mut stream)?;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let range = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|l| l.strip_prefix("range: bytes=").map(ToOwned::to_owned));
        let start: usize = range.and_then(|r| r.trim_end_matches('-').parse().ok()).unwrap_or(0);
        self.asked.lock().unwrap().push((path.clone(), start));
        let Some(bytes) = self.files.get(path.as_str()) else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        };
        let (total, rest) = (bytes.len(), &bytes[start..]);
        let status = if start == 0 {
            "200 OK".to_owned()
        } else {
            format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}", total - 1)
        };
        stream.write_all(
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len())
                .as_bytes(),
        )?;
        let stop = *self.stands_still.lock().unwrap();
        if let Some(stop) = stop {
            stream.write_all(&rest[..stop])?;
            stream.flush()?;
            // Until the client is gone.
            return stream.read(&mut [0]).map(|_| ());
        }
        stream.write_all(rest)
    }
}

/// Everything up to the empty line.
fn head_of(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}
