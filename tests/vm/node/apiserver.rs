//! A stand-in for the API server: plain HTTP on port 6443, nodes and their leases in memory. It answers `/readyz`, takes the heartbeats
//! of kubelets, and lists the nodes. Its state is lost with it: a node is Ready only if its kubelet has reached this server since.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const PORT: u16 = 6443;
/// The real one waits 40 s for a kubelet (`--node-monitor-grace-period`).
const GRACE: u64 = 40;
/// The last heartbeat of each node, in seconds since 1970.
static NODES: Mutex<Vec<(String, u64)>> = Mutex::new(Vec::new());

pub fn run() -> Result<(), String> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).map_err(|error| format!("port {PORT}: {error}"))?;
    for link in listener.incoming().flatten() {
        std::thread::spawn(move || answer(link));
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn answer(mut link: TcpStream) -> Option<()> {
    link.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(link.try_clone().ok()?);
    // the whole request: a connection that is closed with unread bytes is reset
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).ok()? > 0 {}
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let body = match (method.as_str(), path.split_once("/nodes/")) {
        ("POST", Some((_, name))) => {
            let mut nodes = NODES.lock().ok()?;
            nodes.retain(|(other, _)| other != name);
            nodes.push((name.to_owned(), now()));
            "ok".to_owned()
        }
        ("GET", None) if path == "/readyz" => "ok".to_owned(),
        ("GET", None) if path == "/nodes" => list(),
        _ => {
            return link
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .ok();
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    link.write_all(format!("{head}{body}").as_bytes()).ok()
}

/// As `kubectl get nodes,leases -o json` prints them, as far as they are read.
fn list() -> String {
    let nodes = NODES.lock().map(|nodes| nodes.clone()).unwrap_or_default();
    let mut items = Vec::new();
    for (name, seen) in nodes {
        let ready = if now() - seen <= GRACE { "True" } else { "Unknown" };
        items.push(format!(r#"{{"kind":"Node","metadata":{{"name":"{name}"}},"status":{{"conditions":[{{"type":"Ready","status":"{ready}"}}]}}}}"#));
        items.push(format!(
            r#"{{"kind":"Lease","metadata":{{"name":"{name}"}},"spec":{{"renewTime":"{}"}}}}"#,
            time(seen)
        ));
    }
    format!(r#"{{"kind":"List","items":[{}]}}"#, items.join(","))
}

/// RFC 3339 (the civil date of a day: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (date, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}.000000Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// One request to the API server of a kubeconfig: `https://NAME:PORT` there, without TLS here.
pub fn request(kubeconfig: &str, method: &str, path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(kubeconfig).map_err(|error| format!("{kubeconfig}: {error}"))?;
    let after = text.split("https://").nth(1).ok_or(format!("{kubeconfig} names no server"))?;
    let host = after.split(['"', '\n', ' ', ',']).next().unwrap_or_default();
    let refused = |error: std::io::Error| format!("The connection to the server {host} was refused: {error}");
    let mut link = TcpStream::connect(host).map_err(refused)?;
    link.set_read_timeout(Some(Duration::from_secs(10))).map_err(refused)?;
    write!(link, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").map_err(refused)?;
    let mut answer = String::new();
    link.read_to_string(&mut answer).map_err(refused)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => Err(format!("Error from server: {}", answer.lines().next().unwrap_or_default())),
    }
}
