//! A hostile release server: endless responses, too large ones, redirects. The faults of a line, and
//! a file that is not the right one, are in `tests/it/fetch.rs`.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use kind_wsl::fetch::catalogue::{self, Arch};
use kind_wsl::fetch::signature::{self, SignatureStatus};
use kind_wsl::fetch::{
    Artifact, ChecksumSource, FetchError, Limits, Source, Transfer, download, fetch_signature,
    fetch_unverified, install_tls_provider, newest_release,
};
use kind_wsl::host::{LiveSystem, Process, digest};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::child::trusting;
use crate::support::elf;
use crate::support::signer::Signer;

type Line = StreamOwned<ServerConnection, TcpStream>;

/// A server with an arbitrary response to each request; it keeps the request heads.
struct Hostile {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

fn hostile(
    pki: &Path,
    answer: impl Fn(&str, &mut Line) -> io::Result<()> + Send + Sync + 'static,
) -> Hostile {
    install_tls_provider();
    let read = |kind: &str| std::fs::read(pki.join(format!("good.{kind}"))).unwrap();
    let (cert, key) = (CertificateDer::from(read("cert")), PrivatePkcs8KeyDer::from(read("key")));
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key.into()).unwrap();
    let (tls, listener) = (Arc::new(tls), TcpListener::bind("127.0.0.1:0").unwrap());
    let server = Hostile { port: listener.local_addr().unwrap().port(), heads: Arc::default() };
    let (heads, answer) = (Arc::clone(&server.heads), Arc::new(answer));
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (tls, heads, answer) = (Arc::clone(&tls), Arc::clone(&heads), Arc::clone(&answer));
            // The client goes away whenever it has had enough: that is what is tested.
            thread::spawn(move || -> io::Result<()> {
                let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
                let mut line = StreamOwned::new(connection, socket?);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    line.read_exact(&mut byte)?;
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                heads.lock().unwrap().push(head.clone());
                answer(&head, &mut line)?;
                line.conn.send_close_notify();
                line.flush()
            });
        }
    });
    server
}

/// The same text without end, as long as the client reads.
fn endless(line: &mut Line, begin: &str, text: &[u8], pause: Duration) -> io::Result<()> {
    line.write_all(begin.as_bytes())?;
    loop {
        line.write_all(text)?;
        line.flush()?;
        if !pause.is_zero() {
            // The pace is what is hostile here.
            thread::sleep(pause);
        }
    }
}

impl Hostile {
    fn source(&self) -> Source {
        let mirror = Some(format!("https://me:hunter2@localhost:{}", self.port));
        let limits = Limits { stall_timeout: Duration::from_secs(1), ..Limits::default() };
        Source { mirror, limits, ..Source::default() }
    }

    fn artifact(&self) -> Artifact {
        Artifact {
            name: "crun 1.21".to_owned(),
            file: "crun".to_owned(),
            path: "crun".to_owned(),
            url: format!("https://localhost:{}/crun", self.port),
            sha256: "0".repeat(64),
            size: None,
            checksum_source: ChecksumSource::User,
            has_signature: true,
            identity: None,
        }
    }

    /// Everything that a server is asked for; each ends, soon and badly. Answers what was said.
    fn all_end(&self) -> Vec<String> {
        let begin = Instant::now();
        let (source, artifact) = (self.source(), self.artifact());
        let (fetched, taken) = fetched(&artifact, &within(1 << 20, &source));
        let errors = [
            newest_release("containers/crun", &source).map(drop),
            fetch_signature(&artifact, &source).map(drop),
            fetch_unverified(&artifact, &source).map(drop),
            fetched,
        ];
        assert!(begin.elapsed() < Duration::from_mins(1), "it took {:?}", begin.elapsed());
        assert!(taken <= 1 << 20, "{taken} bytes were taken");
        errors.into_iter().map(|e| told(&e.expect_err("a hostile answer was taken"))).collect()
    }
}

/// The message with its hint, which never has the mirror's password.
fn told(error: &FetchError) -> String {
    let text = format!("{error} / {}", error.hint().unwrap_or_default());
    assert!(!text.contains("hunter2") && !text.contains("me:"), "{text}");
    text
}

fn within(max_bytes: u64, source: &Source) -> Source {
    Source { limits: Limits { max_bytes, ..source.limits.clone() }, ..source.clone() }
}

/// Downloads a file once, and counts the bytes that were taken.
fn fetched(artifact: &Artifact, source: &Source) -> (Result<(), FetchError>, u64) {
    let (root, dir) = (Utf8Path::new("/"), tempfile::tempdir().unwrap());
    let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
    let staging = host.download_dir_at_host_path(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
    let mut taken = 0;
    let mut progress = |p| {
        if let Transfer::Bytes { done, .. } = p {
            taken = done;
        }
    };
    let fetched = download(artifact, "crun", source, &staging, &mut |_| false, &mut progress);
    (fetched.map(drop), taken)
}

#[test]
fn headers_without_end_end() {
    trusting(|pki| {
        let text = format!("X-Filler: {}\r\n", "x".repeat(8000));
        let server = hostile(pki, move |_, line| {
            endless(line, "HTTP/1.1 200 OK\r\n", text.as_bytes(), Duration::ZERO)
        });
        server.all_end();
        // One header that never ends.
        let server = hostile(pki, |_, line| {
            endless(line, "HTTP/1.1 200 OK\r\nX-Filler: ", &[b'x'; 8000], Duration::ZERO)
        });
        server.all_end();
    });
}

#[test]
fn bodies_without_end_are_taken_to_their_bound_and_no_further() {
    trusting(|pki| {
        for begin in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            let chunked = begin.contains("chunked");
            let text =
                if chunked { b"8\r\nabcdefgh\r\n".repeat(4000) } else { b"[{\"tag_name\":".repeat(4000) };
            let server = hostile(pki, move |_, line| endless(line, begin, &text, Duration::ZERO));
            // Time enough for a busy machine: it is the size that ends it.
            let limits =
                Limits { stall_timeout: Duration::from_secs(30), max_bytes: 1 << 20, ..Limits::default() };
            let (source, artifact) = (Source { limits, ..server.source() }, server.artifact());
            let (fetched, taken) = fetched(&artifact, &source);
            let said = told(&fetched.unwrap_err());
            assert!(said.contains("is larger than the 1048576 bytes that are accepted"), "{said}");
            assert!(taken <= 1 << 20, "{taken} bytes were taken");
            let said = told(&fetch_signature(&artifact, &source).unwrap_err());
            assert!(said.contains("is larger than the 65536 bytes that are accepted"), "{said}");
            if chunked {
                let said = told(&newest_release("containers/crun", &source).unwrap_err());
                assert!(said.contains("is larger than the 8388608 bytes that are accepted"), "{said}");
            }
        }
    });
}

#[test]
fn a_length_beyond_all_bounds_is_refused_or_ends_with_what_came() {
    trusting(|pki| {
        for length in ["9223372036854775807", "18446744073709551615", "99999999999999999999", "-1", "1, 2"] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nlittle");
            hostile(pki, move |_, line| line.write_all(head.as_bytes())).all_end();
        }
    });
}

#[test]
fn a_byte_now_and_then_does_not_hold_a_small_text_up_for_ever() {
    trusting(|pki| {
        let slow = |_: &str, line: &mut Line| {
            endless(line, "HTTP/1.1 200 OK\r\n\r\n", b"[", Duration::from_millis(100))
        };
        let server = hostile(pki, slow);
        let begin = Instant::now();
        let error = newest_release("containers/crun", &server.source()).unwrap_err();
        assert!(told(&error).contains("it did not end within 5 s"), "{error}");
        let error = fetch_signature(&server.artifact(), &server.source()).unwrap_err();
        assert!(told(&error).contains("it did not end within 5 s"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(40));
    });
}

#[test]
fn a_redirect_leaves_https_nowhere_and_takes_no_password_along() {
    trusting(|pki| {
        for location in [
            "file:///etc/shadow",
            "FILE:/etc/shadow",
            "http://localhost/",
            "ftp://localhost/crun",
            "data:text/plain,crun",
            "javascript:1",
            "https://",
            "//:hunter2@:x",
            "https://you:hunter2@[::1",
        ] {
            let head = format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n");
            let server = hostile(pki, move |_, line| line.write_all(head.as_bytes()));
            for said in server.all_end() {
                assert!(said.contains("redirects to") && said.contains("refused"), "{location}: {said}");
            }
            assert_eq!(server.heads.lock().unwrap().len(), 4, "{location}: it was followed");
        }
        let other =
            hostile(pki, |_, line| line.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        let head = format!(
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: https://localhost:{}/x\r\n\r\n",
            other.port
        );
        let server = hostile(pki, move |_, line| line.write_all(head.as_bytes()));
        server.all_end();
        let is_known = |head: &String| head.to_lowercase().contains("authorization");
        assert!(server.heads.lock().unwrap()[..3].iter().all(is_known), "the mirror asks for its password");
        assert!(!other.heads.lock().unwrap().iter().any(is_known), "another host got the mirror's password");
        assert_eq!(other.heads.lock().unwrap().len(), 4);
    });
}

#[test]
fn line_ends_and_escapes_in_an_answers_head_split_nothing() {
    trusting(|pki| {
        for head in [
            "HTTP/1.1 302 Found\r\nLocation: https://localhost/\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /%0d%0aX-Evil:%201\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: \u{1b}[2J\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 404 \u{1b}[2J\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: \u{1b}[2J\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 429 x\r\nRetry-After: \u{1b}[2J\r\nContent-Length: 0\r\n\r\n",
            "HTTP/9.9 200 OK\r\n\r\n",
            "\u{1b}[2J\r\n\r\n",
        ] {
            let server = hostile(pki, move |_, line| line.write_all(head.as_bytes()));
            for said in server.all_end() {
                assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{head:?}: {said:?}");
            }
            let heads = server.heads.lock().unwrap();
            assert!(!heads.iter().any(|head| head.lines().any(|l| l.starts_with("X-Evil"))), "{heads:?}");
        }
    });
}

#[test]
fn a_hostile_list_of_releases_names_no_release() {
    trusting(|pki| {
        let deep = "[".repeat(200_000);
        let long =
            format!("[{{\"tag_name\":\"{}\",\"draft\":false,\"prerelease\":false}}]", "9".repeat(100_000));
        let words = r#"[{"tag_name":"\u001b[2J../../x","draft":false,"prerelease":false}]"#;
        for list in [deep.as_str(), "{}", "null", "[{}]", words, "[1e999]", ""] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len());
            let server = hostile(pki, move |_, line| line.write_all(text.as_bytes()));
            let error = newest_release("containers/crun", &server.source()).unwrap_err();
            assert!(told(&error).len() < 1000, "{error}");
        }
        // A version outside the catalogue is parsed but not trusted.
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len());
        let server = hostile(pki, move |_, line| line.write_all(text.as_bytes()));
        if let Ok(version) = newest_release("containers/crun", &server.source()) {
            assert!(version.release().chars().all(|c| c.is_ascii_digit() || c == '.'));
        }
    });
}

/// What a mirror that serves these files says of crun 9.9.9, whose signer is the test's own.
fn checksum_of(pki: &Path, signer: &Signer, bytes: &[u8]) -> Result<(SignatureStatus, String), FetchError> {
    let (_, signature) = signer.signed("crun", bytes);
    let (program, signature) = (bytes.to_vec(), std::fs::read(signature).unwrap());
    let server = hostile(pki, move |head, line| {
        let path = "GET /containers/crun/releases/download/9.9.9/crun-9.9.9-linux-amd64";
        let body = match head.strip_prefix(path) {
            Some(rest) if rest.starts_with(".asc ") => &signature,
            Some(_) => &program,
            None => return line.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        };
        line.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())?;
        line.write_all(body)
    });
    let limits = Limits { stall_timeout: Duration::from_secs(30), ..Limits::default() };
    let source = Source { limits, ..server.source() };
    let artifact = catalogue::crun().unwrap().unverified(&"9.9.9".parse().unwrap(), Arch::Amd64).unwrap();
    let key = std::fs::read(signer.key()).unwrap();
    signature::verified_checksum(
        &artifact,
        &source,
        &signature::Signer { key: &key, fingerprint: &signer.fingerprint },
    )
}

#[test]
fn a_mirror_cannot_roll_crun_back_under_a_true_signature() {
    trusting(|pki| {
        let Some(signer) = Signer::new() else { return };
        let right = elf::crun("9.9.9");
        let (status, sha256) = checksum_of(pki, &signer, &right).unwrap();
        assert_eq!(status, SignatureStatus::Good { fingerprint: signer.fingerprint.clone() });
        assert_eq!(sha256, digest(&right));
        // The machine of the ELF header: 183 is AArch64.
        let mut foreign = right.clone();
        foreign[18] = 183;
        for (bytes, why) in [
            (elf::crun("1.14.3"), "it reports version 1.14.3"),
            (elf::printing("runc version 9.9.9\n"), "it does not report a version of crun"),
            (elf::printing(""), "it does not report a version of crun"),
            (foreign, "it is not an ELF executable for amd64"),
            (b"#!/bin/sh\necho crun version 9.9.9\n".to_vec(), "it is not an ELF executable for amd64"),
        ] {
            let error = checksum_of(pki, &signer, &bytes).unwrap_err();
            assert_eq!(error.to_string(), format!("this is not crun 9.9.9: {why}"));
        }
    });
}

#[test]
fn a_file_that_trickles_in_ends_with_what_came() {
    trusting(|pki| {
        let server =
            hostile(pki, |_, line| endless(line, "HTTP/1.1 200 OK\r\n\r\n", b"x", Duration::from_millis(50)));
        let limits = Limits { total_timeout: Duration::from_secs(1), ..server.source().limits };
        let source = Source { limits, ..server.source() };
        let (artifact, begin) = (server.artifact(), Instant::now());
        let (fetched, taken) = fetched(&artifact, &source);
        let error = fetched.unwrap_err();
        assert!(told(&error).contains("it did not end within 1 s"), "{error}");
        let error = fetch_unverified(&artifact, &source).unwrap_err();
        assert!(told(&error).contains("it did not end within 1 s"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(40) && taken > 0);
    });
}
