//! A message as others would paste it: other names, quotes, colors, prefixes, line breaks, encodings.

use kind_wsl::explain::diagnose;
use kind_wsl::explain::input::Input;

/// A message and the row that it belongs to.
#[derive(serde::Deserialize)]
pub(crate) struct Case {
    pub(crate) row: u32,
    pub(crate) text: String,
}

/// The messages of tests/data/symptoms.jsonl.
pub(crate) fn cases() -> Vec<Case> {
    let lines = include_str!("../../data/symptoms.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Output of programs that work, and of failures that have nothing to do with us.
pub(crate) const ORDINARY: &str = include_str!("../../data/ordinary.log");

/// The rows that a text shows, best first.
pub(crate) fn rows(text: &str) -> Vec<u32> {
    diagnose(text).iter().map(|m| m.symptom.id.0.into()).collect()
}

/// The same for bytes.
pub(crate) fn rows_of(mut bytes: &[u8]) -> Vec<u32> {
    rows(&Input::read(&mut bytes).unwrap().text)
}

/// The names that differ from machine to machine.
fn renamed(text: &str) -> String {
    let swaps = [
        ("/run/user/1000", "/run/user/60123"),
        ("user-1000", "user-60123"),
        ("user@1000", "user@60123"),
        ("podman-run-1000", "podman-run-60123"),
        ("kind-control-plane", "my.dev_cluster-worker2"),
        ("kind.conflist", "87-x.conflist"),
        ("podman1", "podman17"),
        ("/home/dev", "/home/anna maria"),
        ("'dev'", "'anna.b'"),
        ("distro-7", "distro-41234"),
        ("41895", "6443"),
        ("127.0.0.1:", "172.31.20.7:"),
        ("2113", "7"),
        ("3f1c0e5b8d2a", "ffffffffffff"),
        ("8d2a", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("localhost/app:dev", "registry.example.org:5000/team/app@sha256:12ab"),
        ("v1.8.7", "v1.8.11"),
        ("v1.8.9", "v1.4.7"),
        ("5.15.167.4", "6.1.21.2+"),
        ("@00012", "@f00ba"),
        ("[0000]", "[0007]"),
        ("/mnt/c/WINDOWS", "/c/Windows"),
        ("0.0.0.0:80", "[::]:443"),
        ("port 80,", "port 443,"),
    ];
    swaps.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn quoted(text: &str, open: &str, close: &str) -> String {
    let mut is_open = false;
    text.chars().fold(String::new(), |mut all, c| {
        if matches!(c, '\'' | '"' | '`') {
            is_open = !is_open;
            all.push_str(if is_open { open } else { close });
        } else {
            all.push(c);
        }
        all
    })
}

fn lines(text: &str, line: impl Fn(&str) -> String) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// As a terminal breaks it: at its edge, wherever that is.
pub(crate) fn wrapped(text: &str, width: usize, end: &str) -> String {
    lines(text, |line| {
        let chars: Vec<char> = line.chars().collect();
        chars.chunks(width).map(String::from_iter).collect::<Vec<_>>().join(end)
    })
}

fn colored(text: &str) -> String {
    text.split_inclusive(' ').flat_map(|word| ["\x1b[1;31m", word, "\x1b[0m"]).collect()
}

/// In the middle of 2,000 lines of other things.
fn surrounded(text: &str) -> String {
    let others: Vec<&str> = ORDINARY.lines().cycle().take(2000).collect();
    format!("{}\n{text}\n{}\n", others[..1000].join("\n"), others[1000..].join("\n"))
}

/// Every form of a text, with a name for it.
pub(crate) fn forms(text: &str) -> Vec<(String, String)> {
    let mut forms: Vec<(String, String)> = Vec::new();
    let mut form = |name: &str, text: String| forms.push((name.to_owned(), text));
    form("as it is", text.to_owned());
    form("renamed", renamed(text));
    for (open, close) in
        [("", ""), ("'", "'"), ("\"", "\""), ("`", "'"), ("“", "”"), ("«", "»"), ("‘", "’"), ("\\\"", "\\\"")]
    {
        form(&format!("quoted {open}{close}"), quoted(text, open, close));
    }
    form("colored", colored(text));
    form("colored and shown", colored(text).replace('\x1b', "^["));
    form("colored, ESC lost", colored(text).replace('\x1b', ""));
    form("colored in a journal", colored(text).replace('\x1b', "#033"));
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    form("logrus", format!("time=\"2026-11-22T10:00:00Z\" level=error msg=\"{escaped}\" pid=7"));
    form("JSON", serde_json::json!({ "level": "error", "msg": text }).to_string());
    form(
        "JSON in JSON",
        serde_json::json!({ "log": serde_json::json!({ "msg": text }).to_string() }).to_string(),
    );
    for prefix in [
        "Nov 22 10:00:00 DESKTOP-1AB2C3 podman[812]: ",
        "2026-11-22T10:00:00.123456789Z stderr F ",
        "ERRO[0000] ",
        "E1122 10:00:00.123456     213 kubelet.go:2291] ",
        "[   12.345678] ",
        " ✗ ",
        " • ",
        "wsl: ",
        "> ",
        "  1042  ",
        "ERROR: failed to create cluster: command \"podman run --name x\" failed with error: exit status 126\nCommand Output: ",
    ] {
        form(&format!("behind `{prefix}`"), lines(text, |line| format!("{prefix}{line}")));
    }
    for width in [80, 61, 37] {
        form(&format!("wrapped at {width}"), wrapped(text, width, "\n"));
    }
    form(
        "wrapped at 80 behind a prefix",
        wrapped(&lines(text, |l| format!("Nov 22 10:00:00 host kind[7]: {l}")), 80, "\n"),
    );
    form("with CRLF", text.replace('\n', "\r\n") + "\r\n");
    form("wrapped at 80 with CRLF", wrapped(text, 80, "\r\n"));
    form("in capitals", text.to_uppercase());
    form("in a log", surrounded(text));
    // A terminal counts the letters that one sees.
    let all = colored(&wrapped(&quoted(&renamed(text), "“", "”"), 80, "\r\n"));
    form("everything at once in a log", surrounded(&all));
    forms
}

#[test]
fn every_row_has_a_message() {
    let cases = cases();
    let missing: Vec<u32> = (1..=65).filter(|row| cases.iter().all(|c| c.row != *row)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_message_is_known_in_every_form() {
    let mut wrong = Vec::new();
    for Case { row, text } in cases() {
        for (name, form) in forms(&text) {
            let found = rows(&form);
            // The command that failed says more than what these print whatever the cause is.
            let is_fixed_text = [33, 49].contains(&row) && name.contains("podman run");
            if found.first() != Some(&row) && !is_fixed_text {
                let short: String = text.chars().take(60).collect();
                wrong.push(format!("row {row} {name}: {found:?} for {short}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_message_is_known_in_every_encoding() {
    for Case { row, text } in cases() {
        let utf16: Vec<u8> = text.replace('\n', "\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [b"\xff\xfe".as_slice(), &utf16].concat();
        let broken = [b"\xff\xc3\x28\0\x80 ", text.as_bytes(), b"\n\xf0\x9f\0\xfe"].concat();
        let mixed = [utf16.as_slice(), b"\n", ORDINARY.as_bytes()].concat();
        for (name, bytes) in [
            ("UTF-16", &utf16),
            ("UTF-16 with its mark", &marked),
            ("broken UTF-8", &broken),
            ("UTF-16, then UTF-8", &mixed),
        ] {
            assert_eq!(rows_of(bytes).first(), Some(&row), "{name}: {text}");
        }
    }
}
