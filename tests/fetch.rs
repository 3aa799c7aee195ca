//! Downloads against a real TLS server that misbehaves in every way we know.
//!
//! Each test asserts the whole message, and that a file which is not the right one was never called done. The
//! tests that need trust run once more as a child process whose `SSL_CERT_FILE` names a root made for that
//! test: this is how a company's root reaches the program, and no test needs to change its own environment.
#![allow(clippy::disallowed_methods, reason = "a test is its own outside world")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use camino::Utf8PathBuf;
use kind_wsl::fetch::{
    Artifact, FetchError, Progress, Source, Trust, check, download, install_tls_provider, obtain,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

const BODY: &[u8] = b"twenty bytes of crun";
const SHA256: &str = "940e214612f2fecf8593e1a9b3937fb987a805757d2b6c4ca19145e6843a7dc9";

#[test]
fn the_right_file_arrives_with_progress_and_is_done() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| {
            assert!(request.starts_with("GET /crun HTTP/1.1\r\n"), "{request}");
            let request = request.to_ascii_lowercase();
            assert!(request.contains("\r\nuser-agent: kind-wsl/"), "{request}");
            assert!(request.contains("\r\naccept-encoding: identity\r\n"), "{request}");
            ok(BODY)
        });
        let mut seen = Vec::new();
        let mut sink = Vec::new();
        download(&server.artifact(), &Source::default(), &mut sink, &mut |p| seen.push(p)).unwrap();
        assert_eq!(sink, BODY);
        assert_eq!(seen, [Progress::Started { total: Some(20) }, Progress::Bytes(20), Progress::Done]);
    });
}

#[test]
fn a_mirror_stands_in_for_the_publisher() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.split(' ').nth(1) {
            Some("/mirror/containers/crun/crun") => ok(BODY),
            _ => status("404 Not Found", ""),
        });
        let artifact = artifact("https://github.com/containers/crun/crun");
        for end in ["mirror", "mirror/"] {
            let mirror = Some(server.url(end).replace("//", "//someone:secret@"));
            let source = Source { mirror, ..Source::default() };
            assert_eq!(attempt(&artifact, &source).unwrap(), BODY);
        }
    });
}

#[test]
fn a_mirror_must_be_https() {
    let artifact = artifact("https://github.com/containers/crun/crun");
    for (mirror, words) in [
        ("http://u:p@m.test/x", "`http://m.test/x` cannot be downloaded from: only https is accepted"),
        (
            "https://m.test/?a=b",
            "`https://m.test/` cannot be downloaded from: a mirror has no `?` and no `#`",
        ),
        ("m.test", "`m.test` cannot be downloaded from: relative URL without a base"),
        ("ftp:", "`ftp:` cannot be downloaded from: empty host"),
    ] {
        let source = Source { mirror: Some(mirror.into()), ..Source::default() };
        assert_eq!(attempt(&artifact, &source).unwrap_err().to_string(), words);
    }
}

#[test]
fn a_redirect_is_followed_on_https_and_keeps_its_query_out_of_messages() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.split(' ').nth(1) {
            Some("/crun") => status("302 Found", "Location: /asset?signature=secret\r\n"),
            Some("/asset?signature=secret") => ok(BODY),
            _ => status("400 Bad Request", ""),
        });
        assert_eq!(attempt(&server.artifact(), &Source::default()).unwrap(), BODY);
        let other = Artifact { size: Some(9), ..server.artifact() };
        let error = attempt(&other, &Source::default()).unwrap_err();
        server.says(&error, "`https://localhost:PORT/asset` is not crun 1.21: it has 20 bytes instead of 9");
    });
}

#[test]
fn a_redirect_to_http_is_refused() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| status("302 Found", "Location: http://login.test/?next=x\r\n"));
        let words = "`https://localhost:PORT/crun` redirects to `http://login.test/`, which is refused: \
                     only https is accepted";
        let hint = "a proxy or login page may answer in the server's place: \
                    open the address in a browser, or use `--mirror`";
        server.fails(words, Some(hint));
    });
}

#[test]
fn a_redirect_loop_ends() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| status("301 Moved Permanently", "Location: /crun\r\n"));
        server.fails("`https://localhost:PORT/crun` redirects more than 10 times", None);
    });
}

#[test]
fn statuses_are_told_by_name_with_what_to_do() {
    trusting(|pki| {
        for (line, header, hint) in [
            (
                "404 Not Found",
                "",
                "the file is not there (any more): choose another version, or check the layout of the mirror",
            ),
            ("503 Service Unavailable", "", "try again in a while, or use `--mirror`"),
            ("429 Too Many Requests", "Retry-After: 120\r\n", "the server asks to come back after `120`"),
            ("403 Forbidden", "", "access is refused: check the proxy's or the mirror's rules and password"),
        ] {
            let server = serve(pki, "good", move |_| status(line, header));
            server.fails(&format!("`https://localhost:PORT/crun` answers {line}"), Some(hint));
        }
        let server = serve(pki, "good", |_| status("302 Found", ""));
        server.fails("`https://localhost:PORT/crun` answers 302 Found", None);
    });
}

#[test]
fn a_refused_connection_is_told() {
    trusting(|_| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nobody = Server { port };
        let hint = "check the network; behind a proxy set HTTPS_PROXY; \
                    without a network use `--mirror` or `--offline`";
        nobody.fails("cannot connect to `localhost:PORT`: Connection refused (os error 111)", Some(hint));
    });
}

#[test]
fn certificates_are_checked() {
    trusting(|pki| {
        for (leaf, why) in [
            ("stranger", "no root certificate of this system stands behind it"),
            ("expired", "it has expired"),
            ("elsewhere", "it belongs to another name"),
        ] {
            let server = serve(pki, leaf, |_| ok(BODY));
            let words = format!("the certificate of `localhost:PORT` is not accepted: {why}");
            let hint = "if a company proxy opens TLS here, install its root certificate \
                        (/usr/local/share/ca-certificates, then `update-ca-certificates`); \
                        else check the clock with `date`";
            server.fails(&words, Some(hint));
        }
    });
}

#[test]
fn a_system_without_root_certificates_is_told_what_it_lacks() {
    let none = |_: &Path, root: &Path| std::fs::write(root, "").unwrap();
    in_child(none, |_| {
        let error = attempt(&artifact("https://localhost:1/crun"), &Source::default()).unwrap_err();
        let words = "cannot set up https: unexpected error: No CA certificates were loaded from the system";
        assert_eq!(error.to_string(), words);
        let hint = "install the package `ca-certificates`: it brings the root certificates";
        assert_eq!(error.hint().unwrap(), hint);
    });
}

#[test]
fn a_broken_line_tells_how_far_it_came() {
    trusting(|pki| {
        let server = serve_then(pki, "good", Then::Reset, |_| short());
        let words = "the download of `https://localhost:PORT/crun` broke off after 10 of 20 bytes: \
                     Connection reset by peer (os error 104)";
        server.fails(words, Some("run the command again; nothing was installed"));

        let server = serve(pki, "good", |_| short());
        let words = "the download of `https://localhost:PORT/crun` broke off after 10 of 20 bytes: \
                     the other side closed the connection";
        server.fails(words, Some("run the command again; nothing was installed"));

        let server = serve(pki, "good", |_| Vec::new());
        let words = "the download of `https://localhost:PORT/crun` broke off after 0 bytes: \
                     connection closed before message completed";
        server.fails(words, None);
    });
}

#[test]
fn a_stall_ends_after_the_time_that_was_given() {
    trusting(|pki| {
        let source = Source { stall_timeout: Duration::from_millis(300), ..Source::default() };
        let server = serve_then(pki, "good", Then::Stall, |_| short());
        let error = attempt(&server.artifact(), &source).unwrap_err();
        let words = "the download of `https://localhost:PORT/crun` stands still: nothing for 0.3 s after 10 of 20 bytes";
        server.says(&error, words);

        let server = serve_then(pki, "good", Then::Stall, |_| Vec::new());
        let error = attempt(&server.artifact(), &source).unwrap_err();
        let words =
            "the download of `https://localhost:PORT/crun` stands still: nothing for 0.3 s after 0 bytes";
        server.says(&error, words);
    });
}

#[test]
fn a_body_that_is_too_short_or_too_long_is_not_the_file() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| bare("", &BODY[..10]));
        let hint = "nothing was installed; try again, and if it stays so, do not use this file: \
                    it may have been changed";
        server.fails(
            "`https://localhost:PORT/crun` is not crun 1.21: it has 10 bytes instead of 20",
            Some(hint),
        );

        let server = serve(pki, "good", |_| bare("", &BODY.repeat(9000)));
        server.fails(
            "`https://localhost:PORT/crun` is not crun 1.21: it has more than 20 bytes instead of 20",
            None,
        );

        let server = serve(pki, "good", |_| ok(&BODY.repeat(2)));
        server.fails("`https://localhost:PORT/crun` is not crun 1.21: it has 40 bytes instead of 20", None);
    });
}

#[test]
fn a_wrong_hash_is_not_the_file_and_what_it_looks_like_is_said() {
    const HTML: &[u8] = b"\n<!DOCTYPE html><title>404</title>";
    trusting(|pki| {
        let unsized_ = |server: &Server| Artifact { size: None, ..server.artifact() };
        for (body, looks) in [
            (&b"twenty bytes of CRUN"[..], ""),
            (HTML, "; it looks like an HTML page"),
            (b"\x1f\x8b\x08 packed", "; it looks like gzip-compressed data"),
            (b"<?xml version='1.0'?><Error/>", "; it looks like an XML document"),
            (b"", "; it looks like an empty file"),
        ] {
            let server = serve(pki, "good", move |_| ok(body));
            let error = attempt(&unsized_(&server), &Source::default()).unwrap_err();
            let FetchError::WrongHash { actual, .. } = &error else { panic!("{error:?}") };
            let words = format!(
                "`https://localhost:PORT/crun` is not crun 1.21: its sha256 is {actual} instead of {SHA256}{looks}"
            );
            server.says(&error, &words);
        }
        let server = serve(pki, "good", |_| ok(HTML));
        let words = "`https://localhost:PORT/crun` is not crun 1.21: it has 34 bytes instead of 20; it looks like an HTML page";
        server.fails(
            words,
            Some("a proxy or login page answered in the server's place: open the address in a browser"),
        );
    });
}

#[test]
fn nothing_is_taken_beyond_the_bound() {
    trusting(|pki| {
        let source = Source { max_bytes: 15, ..Source::default() };
        let words = "`https://localhost:PORT/crun` is larger than the 15 bytes that are accepted";
        for size in [None, Some(20)] {
            for declares in ["", "Content-Length: 20\r\n"] {
                let server = serve(pki, "good", move |_| bare(declares, BODY));
                let error = attempt(&Artifact { size, ..server.artifact() }, &source).unwrap_err();
                server.says(&error, words);
            }
        }
    });
}

#[test]
fn a_sink_that_is_full_is_told_with_its_cause() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let artifact = artifact("https://github.com/crun");
    let error = check(&artifact, &mut &BODY[..], "here", &mut Full, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "cannot save crun 1.21 after 0 bytes");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no storage space");
    assert_eq!(error.hint().unwrap(), "free some space, or check that the directory can be written to");
}

#[test]
fn an_offline_directory_is_verified_alike_and_never_asks_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let offline = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    let source = Source { offline: Some(offline.clone()), ..Source::default() };
    let artifact = artifact("https://nowhere.invalid/crun");

    let error = attempt(&artifact, &source).unwrap_err();
    assert_eq!(error.to_string(), format!("`crun-1.21-linux-amd64` is not in `{offline}`"));
    let hint = "put it there under this name (on GitHub, and below a mirror, it is `containers/crun/crun`), \
                or leave out `--offline`";
    assert_eq!(error.hint().unwrap(), hint);

    let file = offline.join("crun-1.21-linux-amd64");
    std::fs::write(&file, b"twenty bytes of CRUN").unwrap();
    let error = attempt(&artifact, &source).unwrap_err().to_string();
    assert!(error.starts_with(&format!("`{file}` is not crun 1.21: its sha256 is ")), "{error}");

    std::fs::write(&file, BODY).unwrap();
    assert_eq!(attempt(&artifact, &source).unwrap(), BODY);

    let error = download(&artifact, &source, &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("crun 1.21 is not downloaded: files are taken from `{offline}` only")
    );
}

fn artifact(url: &str) -> Artifact {
    Artifact {
        name: "crun 1.21".into(),
        file: "crun-1.21-linux-amd64".into(),
        path: "containers/crun/crun".into(),
        url: url.into(),
        sha256: SHA256.into(),
        size: Some(BODY.len() as u64),
        trust: Trust::Catalogue { sources: 2 },
        signed: false,
    }
}

/// What a caller does: keeps the bytes only if all went well. A failure was never called done, and took no
/// more bytes than one piece beyond what was allowed.
fn attempt(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, FetchError> {
    let (mut sink, mut done) = (Vec::new(), false);
    let mut open = |path: &camino::Utf8Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(File::open(path)?)) };
    let outcome = obtain(artifact, source, &mut open, &mut sink, &mut |p| done |= p == Progress::Done);
    assert_eq!(outcome.is_ok(), done);
    assert!(
        sink.len() as u64 <= artifact.size.unwrap_or(source.max_bytes),
        "{} bytes were written",
        sink.len()
    );
    outcome.map(|()| sink)
}

/// How the server goes away once it has answered.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Reset,
    Stall,
}

fn bare(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    bare(&format!("Content-Length: {}\r\n", body.len()), body)
}

fn short() -> Vec<u8> {
    bare("Content-Length: 20\r\n", &BODY[..10])
}

fn status(line: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n{headers}\r\n").into_bytes()
}

struct Server {
    port: u16,
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    fn artifact(&self) -> Artifact {
        artifact(&self.url("crun"))
    }

    #[track_caller]
    fn says(&self, error: &FetchError, words: &str) {
        assert_eq!(error.to_string().replace(&self.port.to_string(), "PORT"), words);
    }

    #[track_caller]
    fn fails(&self, words: &str, hint: Option<&str>) {
        let error = attempt(&self.artifact(), &Source::default()).unwrap_err();
        self.says(&error, words);
        if let Some(hint) = hint {
            assert_eq!(error.hint().as_deref(), Some(hint));
        }
    }
}

fn serve(pki: &Path, leaf: &str, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Server {
    serve_then(pki, leaf, Then::Close, answer)
}

fn serve_then(
    pki: &Path,
    leaf: &str,
    then: Then,
    answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
) -> Server {
    let read = |kind: &str| std::fs::read(pki.join(format!("{leaf}.{kind}"))).unwrap();
    let (cert, key) = (CertificateDer::from(read("cert")), PrivatePkcs8KeyDer::from(read("key")));
    install_tls_provider();
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key.into()).unwrap();
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            // A client that hangs up, as on a bad certificate, is no fault of the server.
            let _ = converse(tls.clone(), socket.unwrap(), then, &answer);
        }
    });
    Server { port }
}

fn converse(
    tls: Arc<ServerConfig>,
    socket: TcpStream,
    then: Then,
    answer: &impl Fn(&str) -> Vec<u8>,
) -> io::Result<()> {
    let mut connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut socket = ByteByByte(socket);
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    if let Then::Reset = then {
        // A socket that is closed with bytes unread in it sends a reset: leave the request where it is.
        socket.0.peek(&mut [0])?;
    }
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut request = Vec::new();
    while !matches!(then, Then::Reset) && !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    stream.write_all(&answer(&String::from_utf8_lossy(&request)))?;
    stream.flush()?;
    match then {
        Then::Close => {
            stream.conn.send_close_notify();
            stream.flush()
        }
        Then::Stall => stream.read(&mut [0]).map(drop),
        Then::Reset => {
            thread::sleep(Duration::from_millis(200));
            Ok(())
        }
    }
}

/// One byte a read, so that TLS never takes more from the socket than it needs.
struct ByteByByte(TcpStream);

impl Read for ByteByByte {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

impl Write for ByteByByte {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Runs `body` in a child process that trusts a root made for this one test, besides no other.
fn trusting<F: FnOnce(&Path)>(body: F) {
    in_child(make_certificates, body);
}

/// Runs `body` in a child process whose root certificates are in the file that `prepare` has filled.
fn in_child<F: FnOnce(&Path)>(prepare: fn(&Path, &Path), body: F) {
    const ROOT: &str = "root-of-a-kind-wsl-test.pem";
    let trusted = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    if let Some(root) = trusted.filter(|path| path.ends_with(ROOT)) {
        return body(root.parent().unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(ROOT);
    prepare(dir.path(), &root);
    // The closure is named after the test that holds it: `fetch::a_test::{{closure}}`.
    let test = std::any::type_name::<F>().split("::").nth(1).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]).env("SSL_CERT_FILE", root);
    for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"] {
        child.env_remove(proxy);
    }
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && told.contains("1 passed");
    assert!(passed, "{told}{}", String::from_utf8_lossy(&output.stderr));
}

fn make_certificates(dir: &Path, root: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(root, authority.self_signed(&root_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, root_key);
    let stranger_key = KeyPair::generate().unwrap();
    let mut nobody = CertificateParams::new([]).unwrap();
    nobody.distinguished_name.push(DnType::CommonName, "nobody that we know");
    let stranger = Issuer::new(nobody, stranger_key);
    let good = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let mut expired = good.clone();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let elsewhere = CertificateParams::new(["elsewhere.test".to_owned()]).unwrap();
    for (leaf, params, issuer) in [
        ("good", &good, &issuer),
        ("expired", &expired, &issuer),
        ("elsewhere", &elsewhere, &issuer),
        ("stranger", &good, &stranger),
    ] {
        std::fs::write(dir.join(format!("{leaf}.cert")), params.signed_by(&key, issuer).unwrap().der())
            .unwrap();
        std::fs::write(dir.join(format!("{leaf}.key")), key.serialize_der()).unwrap();
    }
}
