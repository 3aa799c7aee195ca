//! 429 and 503: a server that asks to be left alone for a while.

use std::sync::Arc;

use kind_wsl::fetch::Source;

use crate::fetch::BODY;
use crate::fetch::parts::{Part, Ran, run};
use crate::fetch::server::{Server, ranged, serve, status};
use crate::support::child::trusting;

const DATE: &str = "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n";

/// A server that asks to be left alone so many times, and then is a good one.
fn busy(pki: &std::path::Path, times: usize, line: &'static str, headers: &str) -> Server {
    let headers: Arc<str> = headers.into();
    serve(
        pki,
        "good",
        move |request| {
            if request.number < times { status(line, &headers) } else { ranged(request, BODY) }
        },
    )
}

fn waiting(server: &Server, patience: usize) -> (Ran, Part) {
    let mut part = Part::of(&BODY[..5]);
    (run(&server.artifact(), &Source::default(), &mut part, patience), part)
}

#[test]
fn a_server_that_asks_for_time_gets_it_twice() {
    trusting(|pki| {
        for (line, headers, seconds) in [
            ("503 Service Unavailable", "Retry-After: 7\r\n".to_owned(), 7),
            ("429 Too Many Requests", "Retry-After: 60\r\n".to_owned(), 60),
            ("429 Too Many Requests", "Retry-After: 0\r\n".to_owned(), 1),
            // A date, by the server's own clock, which is not ours.
            ("503 Service Unavailable", format!("{DATE}Retry-After: Sun, 22 Nov 2026 10:00:09 GMT\r\n"), 9),
            ("503 Service Unavailable", format!("{DATE}Retry-After: Sun, 22 Nov 2026 09:00:00 GMT\r\n"), 1),
        ] {
            let server = busy(pki, 2, line, &headers);
            let (ran, part) = waiting(&server, 9);
            ran.outcome.unwrap();
            assert_eq!((ran.waits, &part.bytes()[..]), (vec![seconds, seconds], BODY));
            assert_eq!(server.given(), [(Some(5), 0), (Some(5), 0), (Some(5), 15)]);

            let server = busy(pki, 3, line, &headers);
            let (ran, part) = waiting(&server, 9);
            let words = format!("`https://localhost:PORT/crun` answers {line} and asks to come back in ");
            let said = ran.outcome.unwrap_err().to_string().replace(&server.port.to_string(), "PORT");
            assert!(said.starts_with(&words), "{said}");
            assert_eq!((server.given().len(), &part.bytes()[..]), (3, &BODY[..5]));
        }
    });
}

#[test]
fn an_interrupted_wait_is_reported_with_its_reason() {
    trusting(|pki| {
        let server = busy(pki, 1, "503 Service Unavailable", "Retry-After: 7\r\n");
        let (ran, part) = waiting(&server, 0);
        let error = ran.outcome.unwrap_err();
        let words = "`https://localhost:PORT/crun` answers 503 Service Unavailable \
                     and asks to come back in 7 s";
        server.says(&error, words);
        assert_eq!(error.hint().unwrap(), "try again then, or use `--mirror`");
        assert_eq!((server.given().len(), &part.bytes()[..]), (1, &BODY[..5]));
    });
}

#[test]
fn a_retry_after_that_is_too_long_or_invalid_is_reported_without_a_wait() {
    const THEN: &str = "try again then, or use `--mirror`";
    const LATER: &str = "try again in a while, or use `--mirror`";
    trusting(|pki| {
        for (headers, words, hint) in [
            ("Retry-After: 61\r\n", " and asks to come back in 61 s", THEN),
            ("Retry-After: 121\r\n", " and asks to come back in 3 min", THEN),
            ("Retry-After: 86400\r\n", " and asks to come back in 24 h", THEN),
            ("Retry-After: 18446744073709551615\r\n", " and asks to come back in 5124095576030432 h", THEN),
            (
                "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\nRetry-After: Mon, 23 Nov 2026 10:00:00 GMT\r\n",
                " and asks to come back in 24 h",
                THEN,
            ),
            // Without a clock the date means nothing.
            (
                "Retry-After: Mon, 23 Nov 2026 10:00:00 GMT\r\n",
                " and asks to come back at `Mon, 23 Nov 2026 10:00:00 GMT`",
                LATER,
            ),
            ("Retry-After: soon\r\n", " and asks to come back at `soon`", LATER),
            ("Retry-After: -1\r\n", " and asks to come back at `-1`", LATER),
            (
                "Retry-After: 99999999999999999999999999999999999999999999\r\n",
                " and asks to come back at `9999999999999999999999999999999999999999`",
                LATER,
            ),
        ] {
            let server = busy(pki, 1, "503 Service Unavailable", headers);
            let (ran, part) = waiting(&server, 9);
            let error = ran.outcome.unwrap_err();
            server.says(
                &error,
                &format!("`https://localhost:PORT/crun` answers 503 Service Unavailable{words}"),
            );
            assert_eq!(error.hint().unwrap(), hint);
            assert_eq!((ran.waits, &part.bytes()[..]), (vec![], &BODY[..5]));
        }
        // Other statuses mean something else by it.
        let server = busy(pki, 1, "404 Not Found", "Retry-After: 5\r\n");
        assert!(waiting(&server, 9).0.outcome.is_err());
        assert_eq!(server.given().len(), 1);
    });
}
