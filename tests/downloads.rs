//! Downloads through the real program, from a real TLS server: ahead of their stage, killed in the middle and gone on
//! with, from the list of releases, into a directory. The faults of a line are in `tests/fetch.rs`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

#[path = "support/cli.rs"]
mod cli;
mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kind_wsl::fetch::install_tls_provider;
use kind_wsl::host::digest;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::cli::Case;
use crate::support::Layout;

const CRUN_PATH: &str = "/containers/crun/releases/download/1.30.1/crun-1.30.1-linux-amd64";
const RELEASES: &str = "/api.github.com/repos/containers/crun/releases";

/// A mirror with an authority of its own.
struct Mirror {
    port: u16,
    authority: tempfile::NamedTempFile,
    played: Arc<Played>,
}

#[derive(Default)]
struct Played {
    files: HashMap<&'static str, Vec<u8>>,
    /// The requests: path, and first byte asked for.
    asked: Mutex<Vec<(String, usize)>>,
    /// Where a body stands still, as long as there is such a place.
    stands_still: Mutex<Option<usize>>,
}

impl Mirror {
    fn new(files: &[(&'static str, Vec<u8>)]) -> Self {
        install_tls_provider();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let authority = tempfile::NamedTempFile::new().unwrap();
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

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn asked(&self) -> Vec<(String, usize)> {
        self.played.asked.lock().unwrap().clone()
    }

    /// A machine that trusts it.
    fn case(&self, layout: Layout) -> Case {
        Case::new(layout).env("SSL_CERT_FILE", self.authority.path().to_str().unwrap())
    }
}

impl Played {
    fn answer(&self, tls: Arc<ServerConfig>, mut socket: TcpStream) -> io::Result<()> {
        let mut connection = ServerConnection::new(tls).map_err(io::Error::other)?;
        let mut stream = Stream::new(&mut connection, &mut socket);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
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

/// A program large enough to arrive in many pieces.
fn program() -> Vec<u8> {
    let mut bytes = b"#!/bin/sh\necho crun version 1.30.1\n#".to_vec();
    bytes.extend((0..400_000_u32).map(|n| b'a' + (n % 23) as u8));
    bytes
}

fn setup(mirror: &Mirror) -> String {
    let sha256 = digest(&program());
    format!(
        "setup --yes --tools none --kind-wrapper no --crun-version 1.30.1 --crun-sha256 {sha256} --mirror {}",
        mirror.url()
    )
}

const INSTALLED: &str = "/home/dev/.local/bin/crun";
const DOWNLOADS: &str = "/var/lib/kind-wsl/downloads";

#[test]
fn what_the_plan_needs_is_asked_for_once_and_nothing_of_it_stays_where_it_was_kept() {
    let mirror = Mirror::new(&[(CRUN_PATH, program())]);
    let case = mirror.case(Layout::Modern);
    case.run(&setup(&mirror)).expect(3, "");
    assert_eq!(fs::read(case.machine.path(INSTALLED)).unwrap(), program());
    assert_eq!(mirror.asked(), [(CRUN_PATH.to_owned(), 0)]);
    case.machine.boot(2);
    case.run("setup").expect(0, "");
    assert!(!case.machine.path(DOWNLOADS).exists());
}

#[test]
fn killed_in_the_middle_of_a_download_it_goes_on_from_there_and_nothing_was_executable_meanwhile() {
    let mirror = Mirror::new(&[(CRUN_PATH, program())]);
    let case = mirror.case(Layout::Modern);
    let half = program().len() / 2;
    *mirror.played.stands_still.lock().unwrap() = Some(half);
    let mut child = case.start(&setup(&mirror));
    let part = case.machine.path(&format!("{DOWNLOADS}/{}.partial", digest(&program())));
    let begin = Instant::now();
    while fs::metadata(&part).map_or(0, |m| m.len()) < half as u64 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begin.elapsed() < Duration::from_secs(30), "the part never had {half} bytes");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!case.machine.path(INSTALLED).exists());
    *mirror.played.stands_still.lock().unwrap() = None;
    case.run(&setup(&mirror)).expect(3, "");
    assert_eq!(fs::read(case.machine.path(INSTALLED)).unwrap(), program());
    assert_eq!(mirror.asked(), [(CRUN_PATH.to_owned(), 0), (CRUN_PATH.to_owned(), half)]);
}

#[test]
fn a_file_that_is_another_is_thrown_away_and_the_stage_says_so() {
    let mirror = Mirror::new(&[(CRUN_PATH, b"<!DOCTYPE html><p>Log in first".to_vec())]);
    let case = mirror.case(Layout::Modern);
    let seen = case.run(&setup(&mirror));
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("it looks like an HTML page"), "{}", seen.stderr);
    assert!(!case.machine.path(INSTALLED).exists());
    let left: Vec<_> = fs::read_dir(case.machine.path(DOWNLOADS)).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_newest_version_is_asked_for_only_when_it_is_wanted_and_one_outside_the_catalogue_needs_a_voucher() {
    let list = r#"[{"tag_name":"1.99","draft":false,"prerelease":true},{"tag_name":"1.98","draft":false,"prerelease":false},
        {"tag_name":"1.30.1","draft":false,"prerelease":false},{"tag_name":"2.0","draft":true,"prerelease":false}]"#;
    let mirror = Mirror::new(&[(RELEASES, list.as_bytes().to_vec())]);
    let case = mirror.case(Layout::Modern);
    case.refuses(
        &format!("setup --yes --crun-version latest --mirror {}", mirror.url()),
        1,
        "
        error: stage `crun` can not be set up: crun 1.98 for x86_64 is not in the catalogue, so its checksum is not known
        hint: did you mean `1.28`? `kind-wsl crun list` shows the versions; or add `--crun-sha256 HASH`, or install `gpgv`, which checks its signature
        ",
    );
    assert_eq!(mirror.asked(), [(RELEASES.to_owned(), 0)]);
    case.run(&format!("plan --mirror {}", mirror.url())).expect(0, "");
    assert_eq!(mirror.asked().len(), 1, "nobody asked for the newest");
}

#[test]
fn a_list_of_releases_that_is_none_is_said_to_be_strange() {
    let mirror = Mirror::new(&[(RELEASES, b"{\"message\":\"API rate limit exceeded\"}".to_vec())]);
    let seen =
        mirror.case(Layout::Modern).run(&format!("plan --crun-version latest --mirror {}", mirror.url()));
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("error: the newest crun can not be asked for"), "{}", seen.stderr);
    assert!(seen.stderr.contains("answers something strange"), "{}", seen.stderr);
}

#[test]
fn a_directory_is_filled_with_what_its_checksums_say_or_not_at_all() {
    let mirror = Mirror::new(&[(CRUN_PATH, program())]);
    let case = mirror.case(Layout::Modern);
    let seen = case.run(&format!("crun fetch 1.30.1 --to [ROOT]/usb --mirror {}", mirror.url()));
    assert_eq!(seen.code, 1);
    assert!(seen.stderr.contains("is not crun 1.30.1: its sha256 is"), "{}", seen.stderr);
    assert_eq!(fs::read_dir(case.machine.path("/usb")).unwrap().count(), 0);
    case.run("crun fetch 1.3O --to [ROOT]/usb").expect(
        2,
        "
        error: no checksum of crun `1.3O` for amd64 is known
        hint: did you mean `1.30`? `kind-wsl crun list` shows the versions
        ",
    );
    fs::write(case.machine.path("/usb/crun-1.30.1-linux-amd64"), "mine").unwrap();
    let seen = case.run(&format!("crun fetch 1.30.1 --to [ROOT]/usb --mirror {}", mirror.url()));
    assert!(seen.stderr.contains("is another file than crun 1.30.1"), "{}", seen.stderr);
    assert_eq!(fs::read_to_string(case.machine.path("/usb/crun-1.30.1-linux-amd64")).unwrap(), "mine");
}
