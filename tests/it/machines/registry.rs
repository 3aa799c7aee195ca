//! `doctor --registry` against real servers: what each fault is called, and what to do about it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::fetch::server::{Server, answer, serve};
use crate::support::Layout;
use crate::support::child::certificates;
use crate::support::cli::{Case, is_root};

/// A machine, and the certificates that its servers have; it trusts their root.
fn machine() -> (Case, tempfile::TempDir) {
    // Root trusts only a file that no other user can change, and so only below such directories.
    let place = if is_root() { "/run".into() } else { std::env::temp_dir() };
    let dir = tempfile::tempdir_in(place).unwrap();
    let root = dir.path().join("root.pem");
    certificates(dir.path(), &root);
    let case =
        Case::new(Layout::Modern).env("SSL_CERT_FILE", root.to_str().unwrap()).env("NO_PROXY", "localhost");
    (case, dir)
}

fn registry(pki: &Path, leaf: &str, status: &'static str) -> Server {
    serve(pki, leaf, move |request| match request.path() {
        "/v2/" => answer(status, "Content-Length: 0\r\n", b""),
        _ => answer("404 Not Found", "Content-Length: 0\r\n", b""),
    })
}

fn host(server: &Server) -> String {
    server.url("").trim_start_matches("https://").trim_end_matches('/').to_owned()
}

/// The verdict, the details and the fix of the one check.
fn asked(case: &Case, args: &str) -> [String; 3] {
    let seen = case.run(&format!("doctor --json --only registry {args}"));
    let document: Value = serde_json::from_str(&seen.stdout).unwrap_or_else(|_| panic!("{seen:?}"));
    let checks = document["checks"].as_array().unwrap();
    assert_eq!((checks.len(), checks[0]["id"].as_str()), (1, Some("registry")));
    ["verdict", "evidence", "fix"].map(|name| checks[0][name].as_str().unwrap().to_owned())
}

#[track_caller]
fn fails(case: &Case, host: &str, why: &str, fix: &str) {
    let [verdict, details, advice] = asked(case, &format!("--registry {host}"));
    assert_eq!((verdict.as_str(), details), ("wrong", format!("{host}: {why}")));
    assert!(advice.contains(fix), "{advice}");
}

#[test]
fn a_registry_that_answers_200_or_401_is_reachable_and_anything_else_is_not() {
    let (case, pki) = machine();
    for status in ["200 OK", "401 Unauthorized"] {
        let host = host(&registry(pki.path(), "good", status));
        let [verdict, details, _] = asked(&case, &format!("--registry {host}"));
        assert_eq!((verdict.as_str(), details), ("ok", format!("{host} answers {status}")));
        let [verdict, ..] = asked(&case, &format!("--registry https://{host}/"));
        assert_eq!(verdict, "ok");
    }
    for status in ["302 Found", "403 Forbidden", "404 Not Found"] {
        let host = host(&registry(pki.path(), "good", status));
        fails(&case, &host, &format!("it answers {status}"), "a login page");
    }
}

#[test]
fn a_registry_with_the_certificate_of_an_unknown_ca_is_an_error_that_names_the_issuer() {
    let (case, pki) = machine();
    let host = host(&registry(pki.path(), "stranger", "200 OK"));
    let why = "its certificate is signed by nobody that we know, which is not a trusted CA";
    let fix = "save the CA certificate of \"nobody that we know\" as company-ca.crt, then \
               `sudo cp company-ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates`";
    fails(&case, &host, why, fix);
}

#[test]
fn a_ca_that_podman_trusts_for_one_registry_is_enough_for_it() {
    let (case, pki) = machine();
    let host = host(&registry(pki.path(), "good", "401 Unauthorized"));
    let root = std::fs::read_to_string(pki.path().join("root.pem")).unwrap();
    let other = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap().cert.pem();
    std::fs::write(pki.path().join("root.pem"), other).unwrap();
    assert_eq!(asked(&case, &format!("--registry {host}"))[0], "wrong");
    let case = case.file(&format!("/home/dev/.config/containers/certs.d/{host}/ca.crt"), &root);
    assert_eq!(asked(&case, &format!("--registry {host}"))[0], "ok");
}

#[test]
fn other_faults_of_a_registry_are_distinguished() {
    let (case, pki) = machine();
    for (leaf, why) in [("expired", "it has expired"), ("elsewhere", "it belongs to another name")] {
        let host = host(&registry(pki.path(), leaf, "200 OK"));
        fails(&case, &host, &format!("its certificate is not accepted: {why}"), "`date`");
    }
    fails(&case, &host(&Server::nobody()), "the connection was refused", "set HTTPS_PROXY");
    // RFC 6761: no server knows it. resolv.conf(5): without a network one second is enough to see that.
    let case = case.env("RES_OPTIONS", "timeout:1 attempts:1");
    fails(&case, "nowhere.invalid", "its name cannot be resolved", "`getent hosts nowhere.invalid`");
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("localhost:{}", plain.local_addr().unwrap().port());
    let answers = |listener: TcpListener, text: &'static [u8]| {
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.write_all(text);
            }
        });
    };
    answers(plain, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    fails(&case, &host, "it does not use TLS", "`insecure = true`");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    answers(proxy, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let behind = case.env("HTTPS_PROXY", &format!("http://me:hunter2@127.0.0.1:{port}")).env("NO_PROXY", "");
    let why = format!("the proxy 127.0.0.1:{port} does not connect to it: it answers 403 Forbidden");
    fails(&behind, "registry.test", &why, "NO_PROXY");
}

#[test]
fn without_a_host_the_mirrors_of_docker_hub_are_asked_in_podmans_order() {
    let (case, pki) = machine();
    let (good, stranger) =
        (registry(pki.path(), "good", "401 Unauthorized"), registry(pki.path(), "stranger", "200 OK"));
    let conf = |mirrors: &str| {
        format!("[[registry]]\nprefix = \"docker.io\"\nlocation = \"{}/hub\"\n{mirrors}", host(&good))
    };
    let path = "/etc/containers/registries.conf";
    let case = case.file(path, conf(""));
    let answers = format!("{} answers 401 Unauthorized", host(&good));
    assert_eq!(asked(&case, "")[..2], ["ok".to_owned(), answers.clone()]);
    let mirror = format!("[[registry.mirror]]\nlocation = \"{}\"\n", host(&stranger));
    let case = case.file(path, conf(&mirror));
    let [verdict, details, fix] = asked(&case, "");
    assert_eq!(verdict, "doubtful", "podman goes on to the registry itself");
    assert!(details.starts_with(&host(&stranger)) && details.ends_with(&answers), "{details}");
    assert!(fix.contains("company-ca.crt"), "{fix}");
    let case = case.file(path, conf(&format!("{mirror}insecure = true\n")));
    assert_eq!(asked(&case, "")[0], "ok", "podman accepts any certificate there");
}

#[test]
fn no_registry_is_asked_unless_the_user_asks_for_it() {
    let (case, _) = machine();
    let seen = case.run("doctor --json");
    assert!(!seen.stdout.contains("\"registry\""), "{}", seen.stdout);
    assert!(case.run("doctor --list").stdout.contains("registry "));
    for args in ["--registry x/y", "--registry=", "--registry --facts x"] {
        assert_eq!(case.run(&format!("doctor {args}")).code, 2, "{args}");
    }
}
