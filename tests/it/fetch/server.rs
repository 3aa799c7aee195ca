//! A real TLS server that answers what a test tells it to, and goes away as it is told.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kind_wsl::fetch::{Artifact, FetchError, Source, install_tls_provider};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use socket2::SockRef;

use crate::fetch::parts::ARRIVED;
use crate::fetch::{BODY, artifact, attempt};

/// One request.
pub struct Request {
    /// Everything up to the empty line.
    pub head: String,
    /// How many came before it.
    pub number: usize,
}

impl Request {
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The first byte of the requested range, if any.
    pub fn start(&self) -> Option<usize> {
        let head = self.head.to_ascii_lowercase();
        let range = head.lines().find_map(|line| line.strip_prefix("range: "))?;
        Some(range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap())
    }
}

/// How the server goes away once it has answered.
#[derive(Clone, Copy)]
pub enum Then {
    Close,
    Reset,
    Stall,
}

pub type Reply = (Vec<u8>, Then);

/// One answer as the server gave it: the first byte that was asked for, and how many bytes of a body were sent.
pub type Given = (Option<usize>, usize);

pub struct Server {
    pub port: u16,
    given: Arc<Mutex<Vec<Given>>>,
}

impl Server {
    /// A port without a listener.
    pub fn nobody() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { port, given: Arc::default() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    pub fn artifact(&self) -> Artifact {
        artifact(&self.url("crun"))
    }

    /// Every answer so far.
    pub fn given(&self) -> Vec<Given> {
        self.given.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn says(&self, error: &FetchError, words: &str) {
        assert_eq!(error.to_string().replace(&self.port.to_string(), "PORT"), words);
    }

    /// A download into an empty part fails with these words and, where one is given, this hint, and leaves
    /// nothing.
    #[track_caller]
    pub fn fails(&self, words: &str, hint: Option<&str>) {
        self.leaves(b"", words, hint);
    }

    /// The same, and it keeps these bytes to resume from.
    #[track_caller]
    pub fn leaves(&self, left: &[u8], words: &str, hint: Option<&str>) {
        let (error, part) = attempt(&self.artifact(), &Source::default()).unwrap_err();
        self.says(&error, words);
        assert_eq!(part.bytes(), left);
        if let Some(hint) = hint {
            assert_eq!(error.hint().as_deref(), Some(hint));
        }
    }
}

/// Answers, and closes as is proper.
pub fn serve(pki: &Path, leaf: &str, answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Server {
    serve_then(pki, leaf, move |request| (answer(request), Then::Close))
}

pub fn serve_then(pki: &Path, leaf: &str, answer: impl Fn(&Request) -> Reply + Send + 'static) -> Server {
    let read = |kind: &str| std::fs::read(pki.join(format!("{leaf}.{kind}"))).unwrap();
    let (cert, key) = (CertificateDer::from(read("cert")), PrivatePkcs8KeyDer::from(read("key")));
    install_tls_provider();
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key.into()).unwrap();
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server { port: listener.local_addr().unwrap().port(), given: Arc::default() };
    let given = server.given.clone();
    thread::spawn(move || {
        for socket in listener.incoming() {
            // A client that hangs up, as on a bad certificate, is not a fault of the server.
            let _ = converse(tls.clone(), socket.unwrap(), &given, &answer);
        }
    });
    server
}

fn converse(
    tls: Arc<ServerConfig>,
    mut socket: TcpStream,
    given: &Mutex<Vec<Given>>,
    answer: &impl Fn(&Request) -> Reply,
) -> io::Result<()> {
    let mut connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let number = given.lock().unwrap().len();
    let request = Request { head: String::from_utf8(head).unwrap(), number };
    let (bytes, then) = answer(&request);
    let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| bytes.len() - at - 4);
    given.lock().unwrap().push((request.start(), body));
    let arrived = *ARRIVED.0.lock().unwrap();
    stream.write_all(&bytes)?;
    stream.flush()?;
    match then {
        Then::Close => {
            stream.conn.send_close_notify();
            stream.flush()
        }
        // Until the client goes.
        Then::Stall => stream.read(&mut [0]).map(drop),
        Then::Reset => {
            if body > 0 {
                // A reset may overtake what was sent before it.
                let count = ARRIVED.0.lock().unwrap();
                let long = Duration::from_secs(20);
                drop(ARRIVED.1.wait_timeout_while(count, long, |count| *count == arrived).unwrap());
            }
            // A socket that does not linger sends a reset when it is closed.
            SockRef::from(&socket).set_linger(Some(Duration::ZERO))
        }
    }
}

/// A 200 with these headers, whose body ends with the connection unless they say more.
pub fn bare(headers: &str, body: &[u8]) -> Vec<u8> {
    answer("200 OK", headers, body)
}

pub fn answer(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {line}\r\n{headers}\r\n").as_bytes(), body].concat()
}

pub fn ok(body: &[u8]) -> Vec<u8> {
    bare(&format!("Content-Length: {}\r\n", body.len()), body)
}

/// Half of what it promises.
pub fn short() -> Vec<u8> {
    bare("Content-Length: 20\r\n", &BODY[..10])
}

pub fn status(line: &str, headers: &str) -> Vec<u8> {
    answer(line, &format!("Content-Length: 0\r\n{headers}"), b"")
}

/// A 206 that says it has this range.
pub fn partial(range: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("Content-Length: {}\r\nContent-Range: {range}\r\n", body.len());
    answer("206 Partial Content", &headers, body)
}

/// What a good server answers about a file.
pub fn ranged(request: &Request, body: &[u8]) -> Vec<u8> {
    match request.start() {
        None => ok(body),
        Some(start) if start < body.len() => {
            partial(&format!("bytes {start}-{}/{}", body.len() - 1, body.len()), &body[start..])
        }
        Some(_) => status("416 Range Not Satisfiable", &format!("Content-Range: bytes */{}\r\n", body.len())),
    }
}
