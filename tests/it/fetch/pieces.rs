//! Files that arrive in pieces: resumed after an interrupted connection or a killed program.

use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::channel;
use std::time::Duration;

use kind_wsl::fetch::{Artifact, Limits, Source, Transfer};
use kind_wsl::host::digest;

use crate::fetch::parts::{Part, Ran, run, run_damaged};
use crate::fetch::server::{
    Given, Server, Then, answer, bare, ok, partial, ranged, serve, serve_then, short, status,
};
use crate::fetch::{BODY, artifact, attempt};
use crate::support::child::{again, trusting};

/// Resumes from `kept`, with every wait.
pub(super) fn resume(server: &Server, kept: &[u8]) -> (Ran, Part) {
    let mut part = Part::of(kept);
    (run(&server.artifact(), &Source::default(), &mut part, usize::MAX), part)
}

/// Asserts that resuming from `kept` gives the right file, with exactly these requests.
#[track_caller]
pub(super) fn assert_resumes(server: &Server, kept: &[u8], given: &[Given], restarts: usize) {
    let (ran, part) = resume(server, kept);
    ran.outcome.unwrap();
    assert_eq!((&part.bytes()[..], server.given(), part.restarts), (BODY, given.to_owned(), restarts));
}

#[test]
fn a_part_of_any_length_is_resumed_and_only_the_rest_is_sent() {
    trusting(|pki| {
        let body: Vec<u8> = (0..300_u32).flat_map(u32::to_be_bytes).take(301).collect();
        let of_body = |server: &Server, size| Artifact { sha256: digest(&body), size, ..server.artifact() };
        for kept in 0..=body.len() {
            for size in [Some(301), None] {
                let sent = body.clone();
                let server = serve(pki, "good", move |request| ranged(request, &sent));
                let mut part = Part::of(&body[..kept]);
                let ran = run(&of_body(&server, size), &Source::default(), &mut part, 0);
                ran.outcome.unwrap();
                assert!(part.bytes() == body, "{kept} bytes were kept");
                let asked = (kept > 0).then_some(kept);
                // Where the size is known, a whole part is only hashed.
                let expected = if kept == 301 && size.is_some() { vec![] } else { vec![(asked, 301 - kept)] };
                assert_eq!(server.given(), expected);
                assert_eq!((part.restarts, part.written), (0, 301 - kept));
                let started = Transfer::Started { total: Some(301), kept: kept as u64 };
                assert_eq!(ran.told.first(), Some(&started));
            }
        }
    });
}

#[test]
fn a_large_part_of_any_length_is_resumed() {
    trusting(|pki| {
        // Longer than what is read at once, which is 64 KiB.
        let body: Vec<u8> = (0..75_000_u32).flat_map(u32::to_be_bytes).collect();
        for kept in [1, 65_535, 65_536, 65_537, 131_072, 200_000, 299_999] {
            let sent = body.clone();
            let server = serve(pki, "good", move |request| ranged(request, &sent));
            let artifact = Artifact { sha256: digest(&body), size: None, ..server.artifact() };
            let mut part = Part::of(&body[..kept]);
            run(&artifact, &Source::default(), &mut part, 0).outcome.unwrap();
            assert!(part.bytes() == body, "{kept} bytes were kept");
            assert_eq!((part.restarts, part.written), (0, body.len() - kept));
        }
    });
}

#[test]
fn a_killed_download_resumes_at_the_same_byte() {
    trusting(|pki| {
        if let Ok(port) = std::env::var("KIND_WSL_TEST_KILLED") {
            // This is the program that is killed, while it waits for more.
            run(
                &artifact(&format!("https://localhost:{port}/crun")),
                &Source::default(),
                &mut Part::at(pki),
                0,
            );
            panic!("it was to be killed");
        }
        for kill in [0, 1, 9, 10, 19] {
            let (arrived, reached) = channel();
            let server = serve_then(pki, "good", move |request| match request.number {
                0 => {
                    arrived.send(()).unwrap();
                    (bare("Content-Length: 20\r\n", &BODY[..kill]), Then::Stall)
                }
                _ => (ranged(request, BODY), Then::Close),
            });
            let mut program = again("fetch::pieces::a_killed_download_resumes_at_the_same_byte")
                .env("KIND_WSL_TEST_KILLED", server.port.to_string())
                .spawn()
                .unwrap();
            reached.recv().unwrap();
            let mut part = Part::at(pki);
            while part.bytes().len() < kill {
                assert!(program.try_wait().unwrap().is_none(), "it ended by itself");
                std::thread::yield_now();
            }
            program.kill().unwrap();
            assert_eq!(program.wait().unwrap().signal(), Some(9));
            assert_eq!(part.bytes(), BODY[..kill]);
            run(&server.artifact(), &Source::default(), &mut part, 0).outcome.unwrap();
            assert_eq!(part.bytes(), BODY);
            assert_eq!(server.given().last(), Some(&((kill > 0).then_some(kill), 20 - kill)));
            part.clear();
        }
    });
}

#[test]
fn a_line_that_breaks_again_and_again_is_taken_up_as_long_as_something_comes() {
    trusting(|pki| {
        // Three bytes, and then a reset.
        let server = serve_then(pki, "good", |request| {
            let start = request.start().unwrap_or(0);
            let whole = ranged(request, BODY);
            let cut = whole.len() - (BODY.len() - start).saturating_sub(3);
            (whole[..cut].to_owned(), Then::Reset)
        });
        let (ran, part) = resume(&server, &BODY[..2]);
        ran.outcome.unwrap();
        assert_eq!(part.bytes(), BODY);
        assert_eq!(ran.waits, [1, 2, 4, 8, 16]);
        let given: Vec<Given> = (2..20).step_by(3).map(|start| (Some(start), 3)).collect();
        assert_eq!(server.given(), given);

        // From nothing it takes one time more, which is one too many; the next run has the rest.
        let (ran, mut part) = resume(&server, b"");
        let words = "the download of `https://localhost:PORT/crun` broke off after 18 of 20 bytes: \
                     Connection reset by peer (os error 104)";
        server.says(&ran.outcome.unwrap_err(), words);
        assert_eq!(part.bytes(), BODY[..18]);
        run(&server.artifact(), &Source::default(), &mut part, 0).outcome.unwrap();
        assert_eq!(part.bytes(), BODY);
    });
}

#[test]
fn a_line_without_new_text_is_not_added() {
    trusting(|pki| {
        let half = || partial("bytes 5-19/20", b"");
        let server = serve_then(pki, "good", move |_| (half(), Then::Reset));
        let (ran, part) = resume(&server, &BODY[..5]);
        assert!(ran.outcome.is_err());
        assert_eq!((ran.waits, &part.bytes()[..], server.given().len()), (vec![], &BODY[..5], 1));

        // No answer at all says nothing against what is kept.
        let server = serve(pki, "good", |_| Vec::new());
        let (ran, part) = resume(&server, &BODY[..5]);
        let error = ran.outcome.unwrap_err();
        let words = "the download of `https://localhost:PORT/crun` broke off after 5 bytes: \
                     connection closed before message completed";
        server.says(&error, words);
        let hint = "run the command again to resume the download; nothing was installed";
        assert_eq!((error.hint().as_deref(), &part.bytes()[..]), (Some(hint), &BODY[..5]));
    });
}

#[test]
fn a_stalled_download_resumes_at_the_same_byte() {
    trusting(|pki| {
        let server = serve_then(pki, "good", |request| match request.number {
            0 => (short(), Then::Stall),
            _ => (ranged(request, BODY), Then::Close),
        });
        let source = Source {
            limits: Limits { stall_timeout: Duration::from_millis(300), ..Limits::default() },
            ..Source::default()
        };
        let mut part = Part::default();
        run(&server.artifact(), &source, &mut part, 1).outcome.unwrap();
        assert_eq!((&part.bytes()[..], server.given()), (BODY, vec![(None, 10), (Some(10), 10)]));
    });
}

#[test]
fn a_server_that_ignores_the_range_is_taken_from_its_first_byte() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| ok(BODY));
        let (ran, part) = resume(&server, &BODY[..5]);
        ran.outcome.unwrap();
        assert_eq!((&part.bytes()[..], part.restarts, server.given()), (BODY, 1, vec![(Some(5), 20)]));
        let told = [
            Transfer::Started { total: Some(20), kept: 0 },
            Transfer::Bytes { done: 20, total: Some(20) },
            Transfer::Done,
        ];
        assert_eq!(ran.told, told);
    });
}

#[test]
fn a_refused_answer_costs_nothing_of_what_is_kept() {
    trusting(|pki| {
        for bytes in [
            ok(b"<html>Please log in</html>"),
            status("404 Not Found", ""),
            status("302 Found", "Location: http://login.test/\r\n"),
            bare("Content-Encoding: gzip\r\nContent-Length: 20\r\n", BODY),
            bare("", b""),
            answer(
                "206 Partial Content",
                "Content-Encoding: gzip\r\nContent-Range: bytes 5-19/20\r\nContent-Length: 15\r\n",
                &BODY[5..],
            ),
        ] {
            let server = serve(pki, "good", move |_| bytes.clone());
            let (ran, part) = resume(&server, &BODY[..5]);
            assert!(ran.outcome.is_err());
            assert_eq!((&part.bytes()[..], part.restarts, server.given().len()), (&BODY[..5], 0, 1));
        }
    });
}

#[test]
fn a_part_that_is_as_long_as_the_file_or_longer_is_judged_by_its_checksum() {
    trusting(|pki| {
        let good = || serve(pki, "good", |request| ranged(request, BODY));
        // Its size is known: no request, or one for the whole file.
        assert_resumes(&good(), BODY, &[], 0);
        assert_resumes(&good(), b"twenty bytes of CRUN", &[(None, 20)], 1);
        assert_resumes(&good(), &BODY.repeat(2), &[(None, 20)], 1);
        // It is not: the server answers 416.
        for (kept, given, restarts) in [
            (BODY.to_owned(), vec![(Some(20), 0)], 0),
            (BODY.repeat(2), vec![(Some(40), 0), (None, 20)], 1),
            (b"twenty bytes of CRUN".to_vec(), vec![(Some(20), 0), (None, 20)], 1),
        ] {
            let server = good();
            let mut part = Part::of(&kept);
            let artifact = Artifact { size: None, ..server.artifact() };
            let ran = run(&artifact, &Source::default(), &mut part, 0);
            ran.outcome.unwrap();
            assert_eq!((&part.bytes()[..], server.given(), part.restarts), (BODY, given, restarts));
        }
    });
}

#[test]
fn an_unreadable_part_is_downloaded_from_scratch() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| ranged(request, BODY));
        for readable in [0, 3] {
            let mut part = Part::of(&BODY[..5]);
            run_damaged(&server.artifact(), &mut part, readable).outcome.unwrap();
            assert_eq!((&part.bytes()[..], part.restarts), (BODY, 1));
        }
        assert_eq!(server.given(), [(None, 20), (None, 20)]);
    });
}

#[test]
fn a_file_that_changed_between_two_ranges_is_downloaded_again_once() {
    const OTHER: &[u8] = b"TWENTY BYTES OF CRUN";
    trusting(|pki| {
        // What is kept is of another file.
        let server = serve(pki, "good", |request| ranged(request, BODY));
        assert_resumes(&server, &OTHER[..5], &[(Some(5), 15), (None, 20)], 1);

        // It changes in one call, between a reset and what follows it.
        let server = serve_then(pki, "good", |request| match request.number {
            0 => (bare("Content-Length: 20\r\n", &OTHER[..10]), Then::Reset),
            _ => (ranged(request, BODY), Then::Close),
        });
        assert_resumes(&server, b"", &[(None, 10), (Some(10), 10), (None, 20)], 1);

        // It stays changed: one whole download, and no more.
        let server = serve(pki, "good", |request| ranged(request, OTHER));
        let (ran, part) = resume(&server, &BODY[..5]);
        let words = format!(
            "`https://localhost:PORT/crun` is not crun 1.21: its sha256 is {} instead of {}",
            digest(OTHER),
            digest(BODY)
        );
        server.says(&ran.outcome.unwrap_err(), &words);
        assert_eq!((&part.bytes()[..], server.given()), (&b""[..], vec![(Some(5), 15), (None, 20)]));

        // It changes whenever the line breaks: once again, and no more.
        let server = serve(pki, "good", |request| match request.start() {
            None => short(),
            Some(_) => ranged(request, OTHER),
        });
        let (ran, part) = resume(&server, b"");
        assert!(ran.outcome.unwrap_err().to_string().contains("its sha256 is "));
        let given = [(None, 10), (Some(10), 10), (None, 10), (Some(10), 10)];
        assert_eq!((&part.bytes()[..], &server.given()[..]), (&b""[..], &given[..]));
    });
}

#[test]
fn a_complete_file_with_a_wrong_checksum_is_not_requested_again() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| ok(b"twenty bytes of CRUN"));
        let (error, part) = attempt(&server.artifact(), &Source::default()).unwrap_err();
        assert!(error.to_string().contains("is not crun 1.21"), "{error}");
        assert_eq!((&part.bytes()[..], server.given().len()), (&b""[..], 1));

        // Not even where a part was given up for it.
        let (ran, part) = resume(&server, &BODY[..5]);
        assert!(ran.outcome.unwrap_err().to_string().contains("is not crun 1.21"));
        assert_eq!((&part.bytes()[..], server.given().len()), (&b""[..], 2));
    });
}

#[test]
fn a_rest_that_is_longer_than_it_can_be_is_not_taken() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.start() {
            Some(_) => {
                let head = "Content-Range: bytes 5-19/20\r\n";
                answer("206 Partial Content", head, &BODY.repeat(9000))
            }
            None => ok(BODY),
        });
        for size in [Some(20), None] {
            let artifact = Artifact { size, ..server.artifact() };
            let mut part = Part::of(&BODY[..5]);
            run(&artifact, &Source::default(), &mut part, 0).outcome.unwrap();
            assert_eq!(part.bytes(), BODY);
            assert!(part.written <= 35, "{} bytes were written", part.written);
        }
    });
}
