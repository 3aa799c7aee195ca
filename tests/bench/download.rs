//! The two ends of `tests/bench/run download`: a fast TLS server, and a download by the library.
//!
//! `serve DIR SIZE` makes a certificate (`DIR/root.pem`), prints its port and the sha256 of what it serves, and
//! answers every request with `SIZE` bytes. `get URL SHA256 SIZE` downloads, keeps nothing, and prints the peak of
//! its memory in KiB.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a bench"
)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use camino::Utf8Path;
use kind_wsl::fetch::{Artifact, ChecksumSource, Limits, Source, download, install_tls_provider};
use kind_wsl::host::{LiveSystem, Process};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest, Sha256};

/// What is served is this many bytes again and again; they need not be different for TLS or SHA-256.
const BLOCK: usize = 1 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", directory, size] => serve(Path::new(directory), size.parse().unwrap()),
        ["get", url, sha256, size] => get(url, sha256, size.parse().unwrap()),
        _ => panic!("serve DIR SIZE, or get URL SHA256 SIZE"),
    }
}

fn serve(directory: &Path, size: u64) {
    let block: Arc<[u8]> = (0..=250).cycle().take(BLOCK).collect();
    let mut hash = Sha256::new();
    let mut left = size;
    while left > 0 {
        let piece = &block[..usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
        hash.update(piece);
        left -= piece.len() as u64;
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("root.pem"), made.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    install_tls_provider();
    let chain = vec![made.cert.der().clone()];
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key.into()).unwrap();
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    print!("{} ", listener.local_addr().unwrap().port());
    hash.finalize().iter().for_each(|byte| print!("{byte:02x}"));
    println!();
    for socket in listener.incoming() {
        let (tls, block) = (tls.clone(), block.clone());
        thread::spawn(move || answer(tls, socket.unwrap(), &block, size));
    }
}

fn answer(tls: Arc<ServerConfig>, socket: TcpStream, block: &[u8], size: u64) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(tls).map_err(io::Error::other)?, socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")?;
    let mut left = size;
    while left > 0 {
        let piece = &block[..usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
        stream.write_all(piece)?;
        left -= piece.len() as u64;
    }
    stream.conn.send_close_notify();
    stream.flush()
}

fn get(url: &str, sha256: &str, size: u64) {
    let artifact = Artifact {
        name: "1 GiB".into(),
        file: "file".into(),
        path: "file".into(),
        url: url.into(),
        sha256: sha256.into(),
        size: Some(size),
        checksum_source: ChecksumSource::User,
        has_signature: false,
        identity: None,
    };
    let limits = Limits { max_bytes: size, ..Limits::default() };
    let source = Source { limits, ..Source::default() };
    let (root, dir) = (Utf8Path::new("/"), tempfile::tempdir_in("/dev/shm").unwrap());
    let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
    let staging = host.download_dir_at_host_path(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
    download(&artifact, "file", &source, &staging, &mut |_| false, &mut |_| {}).unwrap();
    // Not ru_maxrss, which a process inherits from the one that started it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.trim().trim_end_matches(" kB"));
}
