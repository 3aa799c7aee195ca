//! Whether a port of this computer answers, as kubectl in Windows would find it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// For the connection and for each read.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A server of HTTP or HTTPS answers this; Kubernetes' API server with "Client sent an HTTP request to an HTTPS server"
/// (Go, net/http/server.go).
const REQUEST: &[u8] = b"GET /readyz HTTP/1.0\r\n\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A server answered.
    Yes,
    /// The connection was accepted and closed again: a relay without a server behind it.
    Closed,
    /// The connection was accepted, and nothing came.
    Silent,
    Refused,
    /// The connection was neither accepted nor refused: a firewall drops it.
    Timeout,
}

impl Answer {
    const ALL: [(Answer, &'static str); 5] = [
        (Answer::Yes, "yes"),
        (Answer::Closed, "closed"),
        (Answer::Silent, "silent"),
        (Answer::Refused, "refused"),
        (Answer::Timeout, "timeout"),
    ];

    /// The line that `port` prints.
    #[must_use]
    pub fn render(self) -> String {
        let name = Answer::ALL.iter().find(|(answer, _)| *answer == self).map_or("", |(_, name)| name);
        format!("answer={name}\n")
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Answer> {
        let word = text.lines().find_map(|line| line.strip_prefix("answer="))?;
        Answer::ALL.iter().find(|(_, name)| *name == word.trim_end()).map(|(answer, _)| *answer)
    }

    /// Connects to the port on 127.0.0.1. Takes at most twice [`TIMEOUT`].
    #[must_use]
    pub fn of(port: u16) -> Answer {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => stream,
            Err(e) if [ErrorKind::TimedOut, ErrorKind::WouldBlock].contains(&e.kind()) => return Answer::Timeout,
            Err(_) => return Answer::Refused,
        };
        let asked = stream.set_read_timeout(Some(TIMEOUT)).and_then(|()| stream.write_all(REQUEST));
        match asked.and_then(|()| stream.read(&mut [0; 64])) {
            Ok(1..) => Answer::Yes,
            Err(e) if [ErrorKind::TimedOut, ErrorKind::WouldBlock].contains(&e.kind()) => Answer::Silent,
            _ => Answer::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn an_answer_is_read_as_it_is_written() {
        for (answer, _) in Answer::ALL {
            assert_eq!(Answer::parse(&answer.render()), Some(answer));
        }
        assert_eq!(Answer::parse("answer=perhaps\n"), None);
    }

    #[test]
    fn a_server_that_answers_and_one_that_closes_are_different() {
        for (reply, expected) in [(&b"HTTP/1.0 400 Bad Request\r\n\r\n"[..], Answer::Yes), (b"", Answer::Closed)] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 64];
                assert!(stream.read(&mut asked).unwrap() > 0);
                stream.write_all(reply).unwrap();
            });
            assert_eq!(Answer::of(port), expected);
            server.join().unwrap();
            assert_eq!(Answer::of(port), Answer::Refused);
        }
    }
}
