//! Faults of a server, of the connection and of a proxy, for a download that begins.

use std::path::Path;
use std::time::Duration;

use kind_wsl::fetch::{Artifact, FetchError, Limits, Source};

use crate::fetch::server::{Server, Then, bare, ok, serve, serve_then, short, status};
use crate::fetch::{BODY, SHA256, artifact, attempt};
use crate::support::child::{Child, trusting};

const AGAIN: &str = "run the command again to resume the download; nothing was installed";
const CHANGED: &str = "nothing was installed; try again, and if it stays so, do not use this file: \
                       it may have been changed";

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
        assert_eq!(server.given().len(), 11);
    });
}

#[test]
fn http_statuses_are_reported_by_name_with_a_hint() {
    trusting(|pki| {
        for (line, hint) in [
            (
                "404 Not Found",
                "the file does not exist (anymore): choose another version, or check the layout of the mirror",
            ),
            ("503 Service Unavailable", "try again in a while, or use `--mirror`"),
            ("429 Too Many Requests", "try again in a while, or use `--mirror`"),
            ("403 Forbidden", "access is refused: check the proxy's or the mirror's rules and password"),
        ] {
            let server = serve(pki, "good", move |_| status(line, ""));
            server.fails(&format!("`https://localhost:PORT/crun` answers {line}"), Some(hint));
            assert_eq!(server.given().len(), 1);
        }
        for line in ["302 Found", "206 Partial Content", "416 Range Not Satisfiable"] {
            let server = serve(pki, "good", move |_| status(line, "Content-Range: bytes 0-19/20\r\n"));
            server.fails(&format!("`https://localhost:PORT/crun` answers {line}"), None);
        }
    });
}

#[test]
fn a_refused_connection_is_reported() {
    trusting(|_| {
        let hint = "check the network; behind a proxy set HTTPS_PROXY; \
                    without a network use `--mirror` or `--offline`";
        let words = "cannot connect to `localhost:PORT`: Connection refused (os error 111)";
        Server::nobody().fails(words, Some(hint));
    });
}

#[test]
fn certificates_are_checked() {
    trusting(|pki| {
        for (leaf, why) in [
            ("stranger", "it is not signed by a trusted certificate authority"),
            ("expired", "it has expired"),
            ("elsewhere", "it belongs to another name"),
        ] {
            let server = serve(pki, leaf, |_| ok(BODY));
            let words = format!("the certificate of `localhost:PORT` is not accepted: {why}");
            let hint = "if a company proxy opens TLS here, install its root certificate \
                        (/usr/local/share/ca-certificates, then `update-ca-certificates`); \
                        else check the clock with `date`";
            server.fails(&words, Some(hint));
            assert_eq!(server.given(), []);
        }
    });
}

#[test]
fn a_system_without_root_certificates_is_reported_with_the_missing_package() {
    let none = |_: &Path, root: &Path| std::fs::write(root, "").unwrap();
    Child { certificates: none, ..Child::default() }.run(|_| {
        let (error, _) = attempt(&artifact("https://localhost:1/crun"), &Source::default()).unwrap_err();
        let words = "cannot set up https: unexpected error: No CA certificates were loaded from the system";
        assert_eq!(error.to_string(), words);
        let hint = "install the package `ca-certificates`: it contains the root certificates";
        assert_eq!(error.hint().unwrap(), hint);
    });
}

#[test]
fn a_reset_connection_reports_its_progress_and_keeps_the_part() {
    trusting(|pki| {
        let server = serve_then(pki, "good", |_| (short(), Then::Reset));
        let words = "the download of `https://localhost:PORT/crun` broke off after 10 of 20 bytes: \
                     Connection reset by peer (os error 104)";
        server.leaves(&BODY[..10], words, Some(AGAIN));
    });
}

#[test]
fn a_closed_connection_reports_its_progress_and_keeps_the_part() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| short());
        let words = "the download of `https://localhost:PORT/crun` broke off after 10 of 20 bytes: \
                     the other side closed the connection";
        server.leaves(&BODY[..10], words, Some(AGAIN));
    });
}

#[test]
fn a_connection_closed_without_a_response_is_reported() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| Vec::new());
        let words = "the download of `https://localhost:PORT/crun` broke off after 0 bytes: \
                     connection closed before message completed";
        server.fails(words, Some("run the command again; nothing was installed"));
    });
}

#[test]
fn a_stall_ends_after_the_time_that_was_given_and_keeps_what_came() {
    trusting(|pki| {
        let source = Source {
            limits: Limits { stall_timeout: Duration::from_millis(300), ..Limits::default() },
            ..Source::default()
        };
        let server = serve_then(pki, "good", |_| (short(), Then::Stall));
        let (error, part) = attempt(&server.artifact(), &source).unwrap_err();
        let words = "the download of `https://localhost:PORT/crun` stalled: \
                     no data for 0.3 s after 10 of 20 bytes";
        server.says(&error, words);
        assert_eq!((error.hint().as_deref(), &part.bytes()[..]), (Some(AGAIN), &BODY[..10]));

        let server = serve_then(pki, "good", |_| (Vec::new(), Then::Stall));
        let (error, part) = attempt(&server.artifact(), &source).unwrap_err();
        let words = "the download of `https://localhost:PORT/crun` stalled: no data for 0.3 s after 0 bytes";
        server.says(&error, words);
        assert_eq!(part.bytes(), b"");
    });
}

#[test]
fn a_body_that_is_too_short_is_not_the_file() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| bare("", &BODY[..10]));
        let words = "`https://localhost:PORT/crun` is not crun 1.21: it has 10 bytes instead of 20";
        server.fails(words, Some(CHANGED));
        let server = serve(pki, "good", |_| ok(&BODY[..10]));
        server.fails(words, Some(CHANGED));
    });
}

#[test]
fn a_body_that_is_too_long_is_not_the_file_and_is_not_taken_to_its_end() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| bare("", &BODY.repeat(9000)));
        let words = "`https://localhost:PORT/crun` is not crun 1.21: it has more than 20 bytes instead of 20";
        server.fails(words, Some(CHANGED));

        let server = serve(pki, "good", |_| ok(&BODY.repeat(2)));
        server.fails("`https://localhost:PORT/crun` is not crun 1.21: it has 40 bytes instead of 20", None);
    });
}

/// What is said of these bytes where only the checksum is known, after `is not crun 1.21: its sha256 is … instead
/// of …`, and to be done.
#[track_caller]
fn looked_at(pki: &Path, body: &'static [u8]) -> (String, String) {
    let server = serve(pki, "good", move |_| ok(body));
    let (error, part) =
        attempt(&Artifact { size: None, ..server.artifact() }, &Source::default()).unwrap_err();
    let FetchError::WrongHash { actual, .. } = &error else { panic!("{error:?}") };
    let begins =
        format!("`{}` is not crun 1.21: its sha256 is {actual} instead of {SHA256}", server.url("crun"));
    assert_eq!((&part.bytes()[..], part.written), (&b""[..], body.len()));
    (error.to_string().strip_prefix(&begins).unwrap().to_owned(), error.hint().unwrap())
}

#[test]
fn a_wrong_checksum_is_an_error_that_describes_the_content() {
    trusting(|pki| {
        for (body, looks) in [
            (&b"twenty bytes of CRUN"[..], ""),
            (b"\x1f\x8b\x08 packed", "; it looks like gzip-compressed data"),
            (b"<?xml version='1.0'?><Error/>", "; it looks like an XML document"),
            (b"", "; it looks like an empty file"),
        ] {
            assert_eq!(looked_at(pki, body), (looks.to_owned(), CHANGED.to_owned()));
        }
    });
}

#[test]
fn an_html_page_in_the_place_of_the_file_is_called_so() {
    const HTML: &[u8] = b"\n<!DOCTYPE html><title>404</title>";
    trusting(|pki| {
        let hint = "a proxy or login page answered in the server's place: open the address in a browser";
        assert_eq!(looked_at(pki, HTML), ("; it looks like an HTML page".to_owned(), hint.to_owned()));
        let server = serve(pki, "good", |_| ok(HTML));
        let words = "`https://localhost:PORT/crun` is not crun 1.21: it has 34 bytes instead of 20; it looks like an HTML page";
        server.fails(words, Some(hint));
    });
}

#[test]
fn nothing_is_taken_beyond_the_bound() {
    trusting(|pki| {
        let source = Source { limits: Limits { max_bytes: 15, ..Limits::default() }, ..Source::default() };
        let words = "`https://localhost:PORT/crun` is larger than the 15 bytes that are accepted";
        for size in [None, Some(20)] {
            for declares in ["", "Content-Length: 20\r\n"] {
                let server = serve(pki, "good", move |_| bare(declares, BODY));
                let artifact = Artifact { size, ..server.artifact() };
                let (error, part) = attempt(&artifact, &source).unwrap_err();
                server.says(&error, words);
                assert_eq!(part.bytes(), b"");
            }
        }
    });
}

#[test]
fn a_packed_body_is_refused_by_the_name_of_its_packing() {
    trusting(|pki| {
        for coding in ["gzip", "br"] {
            let headers = format!("Content-Encoding: {coding}\r\nContent-Length: 20\r\n");
            let server = serve(pki, "good", move |_| bare(&headers, BODY));
            let words = format!(
                "`https://localhost:PORT/crun` sends the file packed (Content-Encoding: {coding}), \
                 which was not asked for"
            );
            let hint = "a proxy or mirror packs what passes through it: have that switched off for these files, \
                        or use `--mirror` or `--offline`";
            server.fails(&words, Some(hint));
        }
        let server =
            serve(pki, "good", |_| bare("Content-Encoding: identity\r\nContent-Length: 20\r\n", BODY));
        assert_eq!(attempt(&server.artifact(), &Source::default()).unwrap(), BODY);
    });
}
