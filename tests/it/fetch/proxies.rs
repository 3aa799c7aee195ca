//! A proxy between us and the server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kind_wsl::fetch::{FetchError, Limits, Source};

use crate::fetch::server::{Server, ok, serve};
use crate::fetch::{BODY, artifact, attempt};
use crate::support::child::{Child, again, is_child, trusting};

const NAMED: &str = "HTTPS_PROXY (or ALL_PROXY) names this proxy: correct it, or name in NO_PROXY the hosts \
                     that are reached without it";

const PASSWORD: &str = "give the proxy's user and password in HTTPS_PROXY, \
                        as `http://USER:PASSWORD@HOST:PORT`";

/// Runs `body` in a child whose environment is made from the port of a proxy, which this process plays: it
/// answers `CONNECT 403.test` with 403 and so on, and connects to everything else. What it was asked comes back;
/// the child sees nothing of that.
fn behind<F: FnOnce(&Path)>(
    env: impl FnOnce(u16) -> Vec<(&'static str, String)>,
    body: F,
) -> Option<Vec<String>> {
    if is_child() {
        Child::default().run(body);
        return None;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    thread::spawn(move || {
        for socket in listener.incoming() {
            // A client may go whenever it likes.
            let _ = connect(socket.unwrap(), &log);
        }
    });
    let env = [env(port), vec![("KIND_WSL_TEST_PROXY", port.to_string())]].concat();
    Child { env, ..Child::default() }.run(body);
    let asked = asked.lock().unwrap();
    Some(asked.clone())
}

fn connect(mut client: TcpStream, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let mut head = vec![first.clone()];
    for line in lines.by_ref() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let is_again = {
        let mut log = log.lock().unwrap();
        log.push(head.join("\n"));
        log.iter().filter(|asked| asked.starts_with(&first)).count() > 1
    };
    let target = first.split(' ').nth(1).unwrap_or_default();
    match target.split('.').next().unwrap() {
        // Asked what it has against it, it never comes to the end of a line.
        "trickle" if is_again => loop {
            client.write_all(b"x")?;
            thread::sleep(Duration::from_millis(50));
        },
        "trickle" => client.write_all(b"HTTP/1.1 403 Whatever\r\nContent-Length: 0\r\n\r\n"),
        "garbage" => client.write_all(b"220 this is a mail server\r\n"),
        "silent" => {
            // Until the client goes.
            let _ = lines.next();
            Ok(())
        }
        code if target.ends_with(".test:443") => {
            client.write_all(format!("HTTP/1.1 {code} Whatever\r\nContent-Length: 0\r\n\r\n").as_bytes())
        }
        _ => {
            let mut server = TcpStream::connect(target)?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
            thread::spawn(move || {
                let _ = io::copy(&mut from_server, &mut to_client);
                // Gone is gone.
                let _ = to_client.shutdown(Shutdown::Both);
            });
            io::copy(&mut client, &mut server).map(drop)
        }
    }
}

fn refused(url: &str) -> FetchError {
    let source = Source {
        limits: Limits { connect_timeout: Duration::from_millis(500), ..Limits::default() },
        ..Source::default()
    };
    let (error, part) = attempt(&artifact(url), &source).unwrap_err();
    assert_eq!(part.bytes(), b"");
    error
}

/// The words for a proxy of `host` that is at `proxy`.
fn words(host: &str, proxy: &str, why: &str) -> String {
    format!("cannot reach `{host}` through the proxy `{proxy}`: {why}")
}

#[test]
fn a_proxy_that_refuses_is_named_with_its_answer_and_without_its_password() {
    let env = |port| vec![("HTTPS_PROXY", format!("http://someone:secret@127.0.0.1:{port}"))];
    let asked = behind(env, |_| {
        let proxy = format!("127.0.0.1:{}", std::env::var("KIND_WSL_TEST_PROXY").unwrap());
        for (host, why, hint) in [
            ("403.test", "it answers 403 Forbidden", NAMED),
            ("407.test", "it answers 407 Proxy Authentication Required", PASSWORD),
            ("502.test", "it answers 502 Bad Gateway", NAMED),
            ("garbage.test", "it answers as no proxy does", NAMED),
            ("silent.test", "no connection within 0.5 s", NAMED),
            ("trickle.test", "it answers nothing within 0.5 s", NAMED),
        ] {
            let error = refused(&format!("https://{host}/crun"));
            assert_eq!(error.to_string(), words(host, &proxy, why));
            assert_eq!(error.hint().unwrap(), hint);
        }
    });
    for head in asked.iter().flatten() {
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\nproxy-authorization: basic c29tzw9uztpzzwnyzxq="), "{head}");
    }
}

#[test]
fn an_unreachable_proxy_is_named() {
    let nobody = Server::nobody().port;
    let env = |_| vec![("HTTPS_PROXY", format!("127.0.0.1:{nobody}")), ("NOBODY", nobody.to_string())];
    let asked = behind(env, |_| {
        let proxy = format!("127.0.0.1:{}", std::env::var("NOBODY").unwrap());
        let error = refused("https://localhost:7/crun");
        let why = "Connection refused (os error 111)";
        assert_eq!(error.to_string(), words("localhost:7", &proxy, why));
        assert_eq!(error.hint().unwrap(), NAMED);
    });
    assert!(asked.is_none_or(|asked| asked.is_empty()));
}

#[test]
fn a_socks_proxy_is_refused_with_a_message() {
    let env = |port| vec![("ALL_PROXY", format!("socks5://127.0.0.1:{port}"))];
    behind(env, |_| {
        let proxy = format!("127.0.0.1:{}", std::env::var("KIND_WSL_TEST_PROXY").unwrap());
        let error = refused("https://localhost:7/crun");
        let why = "only http and https proxies can be used";
        assert_eq!(error.to_string(), words("localhost:7", &proxy, why));
    });
}

#[test]
fn a_proxy_over_tls_that_refuses_is_named() {
    trusting(|pki| {
        if let Ok(port) = std::env::var("KIND_WSL_TEST_PROXY") {
            let error = refused("https://localhost:7/crun");
            let proxy = format!("localhost:{port}");
            assert_eq!(error.to_string(), words("localhost:7", &proxy, "proxy authorization required"));
            assert_eq!(error.hint().unwrap(), PASSWORD);
            return;
        }
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        let server = serve(pki, "good", move |_| refusal.into());
        let output = again("fetch::proxies::a_proxy_over_tls_that_refuses_is_named")
            .env("HTTPS_PROXY", format!("https://someone:secret@localhost:{}", server.port))
            .env("KIND_WSL_TEST_PROXY", server.port.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
fn a_proxy_is_gone_through_and_faults_behind_it_are_the_servers() {
    let env = |port| vec![("https_proxy", format!("http://127.0.0.1:{port}"))];
    let asked = behind(env, |pki| {
        let server = serve(pki, "good", |_| ok(BODY));
        assert_eq!(attempt(&server.artifact(), &Source::default()).unwrap(), BODY);
        let server = serve(pki, "expired", |_| ok(BODY));
        server.fails("the certificate of `localhost:PORT` is not accepted: it has expired", None);
        // No TLS is spoken there.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let plain = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let _ = socket.unwrap().write_all(b"220 this is a mail server\r\n");
            }
        });
        let error = refused(&format!("https://localhost:{}/crun", plain.port()));
        let words = format!("cannot connect to `localhost:{}`: ", plain.port());
        assert!(error.to_string().starts_with(&words), "{error}");
    });
    let Some(asked) = asked else { return };
    // For the last one it was asked once more whether it was its fault.
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|head| head.starts_with("CONNECT localhost:")), "{asked:?}");
}

#[test]
fn a_host_in_no_proxy_is_reached_without_the_proxy() {
    let env = |port| {
        vec![("HTTPS_PROXY", format!("http://127.0.0.1:{port}")), ("NO_PROXY", "other.test,localhost".into())]
    };
    let asked = behind(env, |pki| {
        let server = serve(pki, "good", |_| ok(BODY));
        assert_eq!(attempt(&server.artifact(), &Source::default()).unwrap(), BODY);
        // What fails there is not called the proxy's fault.
        let nobody = "cannot connect to `localhost:PORT`: Connection refused (os error 111)";
        Server::nobody().fails(nobody, None);
        assert!(refused("https://403.test/crun").to_string().contains("403 Forbidden"));
    });
    let Some(asked) = asked else { return };
    // The client asked once, and then we did, for the answer.
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|head| head.starts_with("CONNECT 403.test:443 ")), "{asked:?}");
}
