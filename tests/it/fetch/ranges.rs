//! Answers with a range of the file.

use kind_wsl::fetch::{Artifact, Source};

use crate::fetch::BODY;
use crate::fetch::parts::{Part, run};
use crate::fetch::pieces::assert_resumes;
use crate::fetch::server::{ok, partial, ranged, serve, short};
use crate::support::child::trusting;

#[test]
fn a_range_that_was_not_asked_for_is_not_taken() {
    trusting(|pki| {
        for range in [
            "bytes 4-19/20",
            "bytes 6-19/20",
            "bytes 5-20/20",
            "bytes 5-3/20",
            "bytes 5-/20",
            "lines 5-19/20",
            "bytes */20",
            "",
        ] {
            let server = serve(pki, "good", move |request| match request.start() {
                Some(_) => partial(range, &BODY[5..]),
                None => ok(BODY),
            });
            assert_resumes(&server, &BODY[..5], &[(Some(5), 15), (None, 20)], 1);
        }
        // Ranges are then no longer requested, even if the connection breaks.
        let server = serve(pki, "good", |request| match (request.start(), request.number) {
            (Some(_), _) => partial("bytes 0-19/20", BODY),
            (None, 1) => short(),
            (None, _) => ok(BODY),
        });
        assert_resumes(&server, &BODY[..5], &[(Some(5), 20), (None, 10), (None, 20)], 2);
    });
}

#[test]
fn a_range_of_a_file_of_another_size_is_not_taken() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.start() {
            Some(_) => partial("bytes 5-20/21", &BODY[4..]),
            None => ok(BODY),
        });
        assert_resumes(&server, &BODY[..5], &[(Some(5), 16), (None, 20)], 1);

        // The same if only the first answer has the size.
        let server = serve(pki, "good", |request| match request.number {
            0 => short(),
            1 => partial("bytes 10-20/21", &BODY[9..]),
            _ => ok(BODY),
        });
        let artifact = Artifact { size: None, ..server.artifact() };
        let mut part = Part::default();
        run(&artifact, &Source::default(), &mut part, 1).outcome.unwrap();
        assert_eq!(part.bytes(), BODY);
        assert_eq!(server.given(), [(None, 10), (Some(10), 11), (None, 20)]);
        assert_eq!(part.written, 30);
    });
}

#[test]
fn a_smaller_range_than_requested_is_kept_and_the_rest_requested() {
    trusting(|pki| {
        let server = serve(pki, "good", |request| match request.start() {
            Some(start) if start < 12 => partial("bytes 5-11/20", &BODY[5..12]),
            _ => ranged(request, BODY),
        });
        assert_resumes(&server, &BODY[..5], &[(Some(5), 7), (Some(12), 8)], 0);
    });
}

#[test]
fn a_range_of_unknown_total_is_taken() {
    trusting(|pki| {
        let server = serve(pki, "good", |_| partial("bytes 5-19/*", &BODY[5..]));
        assert_resumes(&server, &BODY[..5], &[(Some(5), 15)], 0);

        // The size in an earlier answer remains valid.
        let server = serve(pki, "good", |request| match request.start() {
            None => short(),
            Some(10) => partial("bytes 10-14/*", &BODY[10..15]),
            Some(start) => partial("bytes 15-19/*", &BODY[start..]),
        });
        let artifact = Artifact { size: None, ..server.artifact() };
        let mut part = Part::default();
        run(&artifact, &Source::default(), &mut part, 2).outcome.unwrap();
        assert_eq!(part.bytes(), BODY);
        assert_eq!(server.given(), [(None, 10), (Some(10), 5), (Some(15), 5)]);
    });
}
