//! Downloads against a real TLS server that misbehaves in every way we know.
//!
//! Each test asserts the whole message, that a file which is not the right one was never called done, and what
//! is left to resume from. `docs/dev/downloads.md` names the test of every fault.

mod disks;
mod faults;
mod parts;
mod pieces;
mod proxies;
mod ranges;
pub(crate) mod server;
mod waits;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::fetch::{
    Artifact, ChecksumSource, FetchError, Origin, Source, Transfer, check, missing_from, open_offline,
};
use kind_wsl::host::{LiveSystem, Process};

use self::parts::{Part, run};
use self::server::{ok, serve, status};
use crate::support::child::trusting;

const BODY: &[u8] = b"twenty bytes of crun";
const SHA256: &str = "940e214612f2fecf8593e1a9b3937fb987a805757d2b6c4ca19145e6843a7dc9";

fn artifact(url: &str) -> Artifact {
    Artifact {
        name: "crun 1.21".into(),
        file: "crun-1.21-linux-amd64".into(),
        path: "containers/crun/crun".into(),
        url: url.into(),
        sha256: SHA256.into(),
        size: Some(BODY.len() as u64),
        checksum_source: ChecksumSource::Catalogue { sources: 2 },
        has_signature: false,
        identity: None,
    }
}

/// A download into an empty part, without waits. It never takes more bytes than are allowed.
fn attempt(artifact: &Artifact, source: &Source) -> Result<Vec<u8>, (FetchError, Part)> {
    let mut part = Part::default();
    let outcome = run(artifact, source, &mut part, 0).outcome;
    let most = artifact.size.unwrap_or(source.limits.max_bytes);
    assert!(part.written as u64 <= most, "{} bytes were written", part.written);
    match outcome {
        Ok(()) => Ok(part.bytes()),
        Err(why) => Err((why, part)),
    }
}

/// A copy from an offline directory.
fn offline(artifact: &Artifact, dir: &Utf8Path) -> (Result<(), FetchError>, Vec<u8>) {
    let (root, mut sink) = (Utf8Path::new("/"), Vec::new());
    let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
    let outcome = open_offline(&host, artifact, dir)
        .and_then(|(from, mut file)| check(artifact, &mut file, from, &mut sink, &mut |_| {}));
    (outcome, sink)
}

#[test]
fn the_right_file_arrives_with_progress_and_is_done() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| {
            assert!(request.head.starts_with("GET /crun HTTP/1.1\r\n"), "{}", request.head);
            let head = request.head.to_ascii_lowercase();
            assert!(head.contains("\r\nuser-agent: kind-wsl/"), "{head}");
            assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
            assert!(!head.contains("\r\nrange:"), "{head}");
            ok(BODY)
        });
        let expected = [
            Transfer::Started { total: Some(20), kept: 0 },
            Transfer::Bytes { done: 20, total: Some(20) },
            Transfer::Done,
        ];
        let mut part = Part::default();
        let ran = run(&server.artifact(), &Source::default(), &mut part, 0);
        ran.outcome.unwrap();
        assert_eq!((&part.bytes()[..], part.restarts, &ran.told[..]), (BODY, 0, &expected[..]));
        assert_eq!(server.given(), [(None, 20)]);
    });
}

#[test]
fn a_mirror_stands_in_for_the_publisher() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.path() {
            "/mirror/containers/crun/crun" => ok(BODY),
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
        ("http://u:p@m.test/x", "`http://m.test/…` cannot be downloaded from: only https is accepted"),
        ("https://m.test/?a=b", "`https://m.test` cannot be downloaded from: a mirror has no `?` and no `#`"),
        ("m.test", "`m.test` cannot be downloaded from: relative URL without a base"),
        ("ftp:", "`ftp:` cannot be downloaded from: empty host"),
    ] {
        let source = Source { mirror: Some(mirror.into()), ..Source::default() };
        assert_eq!(attempt(&artifact, &source).unwrap_err().0.to_string(), words);
    }
}

#[test]
fn a_redirect_is_followed_on_https_and_keeps_its_query_out_of_messages() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.path() {
            "/crun" => status("302 Found", "Location: /asset?signature=secret\r\n"),
            "/asset?signature=secret" => ok(BODY),
            _ => status("400 Bad Request", ""),
        });
        assert_eq!(attempt(&server.artifact(), &Source::default()).unwrap(), BODY);
        let other = Artifact { size: Some(9), ..server.artifact() };
        let (error, _) = attempt(&other, &Source::default()).unwrap_err();
        server.says(&error, "`https://localhost:PORT/asset` is not crun 1.21: it has 20 bytes instead of 9");
    });
}

#[test]
fn an_offline_directory_is_verified_alike_and_never_asks_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let artifact = artifact("https://nowhere.invalid/crun");

    let error = offline(&artifact, dir).0.unwrap_err();
    assert_eq!(error.to_string(), format!("`crun-1.21-linux-amd64` is not in `{dir}`"));
    let hint = "put it there under this name (on GitHub, and below a mirror, it is `containers/crun/crun`), \
                or omit `--offline`";
    assert_eq!(error.hint().unwrap(), hint);

    let file = dir.join("crun-1.21-linux-amd64");
    std::fs::write(&file, b"twenty bytes of CRUN").unwrap();
    let error = offline(&artifact, dir).0.unwrap_err();
    assert!(error.to_string().starts_with(&format!("`{file}` is not crun 1.21: its sha256 is ")), "{error}");
    let missing = missing_from(dir, [&artifact]);
    assert_eq!(missing[0].why.to_string(), error.to_string());

    std::fs::write(&file, BODY).unwrap();
    let (outcome, bytes) = offline(&artifact, dir);
    outcome.unwrap();
    assert_eq!(bytes, BODY);
    assert!(missing_from(dir, [&artifact]).is_empty());
}

#[test]
fn the_hint_for_a_wrong_file_depends_on_where_it_was_read() {
    let artifact = artifact("https://github.com/crun");
    let hint = |from| {
        let error = check(&artifact, &mut &b"other"[..], from, &mut Vec::new(), &mut |_| {}).unwrap_err();
        error.hint().unwrap()
    };
    let path = Utf8PathBuf::from("/x/crun");
    let users = hint(Origin::File(path.clone()));
    assert_eq!(users, "this file is not what its publisher offers: put the right one in its place");
    let ours = hint(Origin::Cache(path));
    assert_eq!(
        ours,
        "the downloaded file was changed on the disk: run the command again to download it again"
    );
}

#[test]
fn every_fault_in_the_documents_names_its_test() {
    const TESTS: [&str; 7] = [
        include_str!("fetch.rs"),
        include_str!("fetch/disks.rs"),
        include_str!("fetch/faults.rs"),
        include_str!("fetch/pieces.rs"),
        include_str!("fetch/proxies.rs"),
        include_str!("fetch/ranges.rs"),
        include_str!("fetch/waits.rs"),
    ];
    let document = include_str!("../../docs/dev/downloads.md");
    let (_, faults) = document.split_once("## Faults").unwrap();
    let rows: Vec<&str> = faults.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 30, "the table was not found");
    for row in rows {
        let test = row.trim_end_matches(" |").rsplit("| ").next().unwrap().trim_matches('`');
        let declared = format!("#[test]\nfn {test}()");
        assert!(TESTS.iter().any(|text| text.contains(&declared)), "no test is called `{test}`: {row}");
    }
}
