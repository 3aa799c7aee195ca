//! What `podman --version` answers when it cannot read its configuration: exit codes and messages as measured with Debian's
//! 4.3.1 and 5.4.2.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Answer;

/// A file as podman names it, and the line and words of its complaint.
struct Complaint {
    path: String,
    line: usize,
    why: String,
}

/// The answer to `--version`.
pub(super) fn version(root: &Path) -> Answer {
    let said = fs::read_to_string(root.join("fake/podman-version"));
    let said = said.unwrap_or_else(|_| "podman version 4.3.1\n".to_owned());
    let version = numbers(said.trim().trim_start_matches("podman version "));
    let own = &*format!("{}/storage.conf", own());
    let exists = |path: &&str| root.join(path.trim_start_matches('/')).exists();
    let system =
        ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"].into_iter().find(exists);
    let is_old = version < (5, 0);
    if let Some(path) = system.filter(|_| is_old || !exists(&own))
        && let Some(complaint) = complain(root, path, version)
    {
        return storage(&complaint, is_old, 1, "");
    }
    if let Some(Complaint { path, line, why }) =
        containers(root, version).iter().find_map(|path| complain(root, path, version))
    {
        let text = format!(
            "reading system config \"{path}\": decode configuration {path}: toml: line {line}: {why}"
        );
        return Answer::failed(
            1,
            if is_old { log(&text) } else { format!("Failed to obtain podman configuration: {text}\n") },
        );
    }
    match complain(root, own, version) {
        // Seen with 4.3.1: it resumes its defaults.
        Some(complaint) if is_old => storage(&complaint, is_old, 0, &said),
        Some(complaint) => storage(&complaint, is_old, 1, ""),
        None => Answer::said(said),
    }
}

fn log(text: &str) -> String {
    format!("time=\"2026-11-27T22:19:08Z\" level=error msg=\"{}\"\n", text.replace('"', "\\\""))
}

fn storage(Complaint { path, line, why }: &Complaint, is_old: bool, code: i32, said: &str) -> Answer {
    let text = format!("toml: line {line}: {why}");
    let read = format!("Failed to read {path} {text}");
    if is_old {
        return Answer {
            code,
            stdout: format!("{read}\n{said}"),
            stderr: if code == 0 { String::new() } else { log(&text) },
        };
    }
    Answer::failed(
        code,
        format!("{}Failed to obtain podman configuration: {text}\n", log(&format!("{read}\\n"))),
    )
}

/// The directory of the user's own files.
fn own() -> String {
    let config =
        std::env::var("XDG_CONFIG_HOME").unwrap_or_else(|_| format!("{}/.config", super::engines::home()));
    format!("{config}/containers")
}

fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.trim().split(['.', '+', '-']).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The files of containers.conf in the order of this podman (containers-config(5) from 6 on, containers.conf(5) before).
fn containers(root: &Path, version: (u32, u32)) -> Vec<String> {
    let (usr, etc, own) = ("/usr/share/containers", "/etc/containers", own());
    let drop_ins = |dir: String| {
        let entries = fs::read_dir(root.join(dir.trim_start_matches('/'))).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|e| format!("{dir}/{}", e.file_name().to_string_lossy())).collect();
        names.retain(|name| Path::new(name).extension().is_some_and(|end| end == "conf"));
        names.sort();
        names
    };
    let rootless = |base: &str| {
        let dir = format!("{base}/containers.rootless.conf.d");
        [drop_ins(dir.clone()), drop_ins(format!("{dir}/1000"))].concat()
    };
    let main = |base: &str| format!("{base}/containers.conf");
    if version >= (6, 0) {
        let exists = |path: &String| root.join(path.trim_start_matches('/')).exists();
        let first = [&*own, etc, usr].map(main).into_iter().find(exists);
        let mut by_name = std::collections::BTreeMap::new();
        for path in [
            rootless(usr).into_iter().rev().collect(),
            drop_ins(format!("{usr}/containers.conf.d")),
            rootless(etc).into_iter().rev().collect(),
            drop_ins(format!("{etc}/containers.conf.d")),
            drop_ins(format!("{own}/containers.conf.d")),
        ]
        .concat()
        {
            by_name.insert(path.rsplit('/').next().unwrap_or_default().to_owned(), path);
        }
        return first.into_iter().chain(by_name.into_values()).collect();
    }
    let mut paths = vec![main(usr), main(etc)];
    if version >= (3, 4) {
        paths.extend(drop_ins(format!("{etc}/containers.conf.d")));
    }
    if version >= (5, 7) {
        paths.push(format!("{etc}/containers.rootless.conf"));
        paths.extend(rootless(etc));
    }
    paths.push(main(&own));
    if version >= (3, 4) {
        paths.extend(drop_ins(format!("{own}/containers.conf.d")));
    }
    paths
}

/// The value that counts of a key, with its quotes.
pub(super) fn setting(root: &Path, version: &str, key: &str) -> Option<String> {
    let read = |path: &String| String::from_utf8(start_of(&root.join(path.trim_start_matches('/')))?).ok();
    containers(root, numbers(version)).iter().rev().find_map(|path| {
        let table: toml::Table = read(path)?.trim_start_matches('\u{feff}').parse().ok()?;
        let mut value = toml::Value::Table(table);
        for part in key.split('.') {
            value = value.get(part)?.clone();
        }
        Some(value.to_string())
    })
}

/// The first MiB of a file: a test plants one of a tebibyte, of which the real podman reads until it has no memory.
fn start_of(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(1 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn complain(root: &Path, path: &str, version: (u32, u32)) -> Option<Complaint> {
    let real = PathBuf::from(root).join(path.trim_start_matches('/'));
    let (line, why) = judge(&start_of(&real)?, version)?;
    Some(Complaint { path: path.to_owned(), line, why })
}

fn judge(bytes: &[u8], version: (u32, u32)) -> Option<(usize, String)> {
    if bytes.contains(&0) {
        let why = "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8";
        return Some((1, why.to_owned()));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let at = e.valid_up_to();
            let line = bytes[..at].split(|b| *b == b'\n').count();
            return Some((line, format!("invalid UTF-8 byte: {:#x}", bytes[at])));
        }
    };
    if text.starts_with('\u{feff}') && version < (4, 9) {
        return Some((1, "expected '.' or '=', but got '\\ufeff' instead".to_owned()));
    }
    let text = text.trim_start_matches('\u{feff}');
    if let Some(line) = broken_braces(text).filter(|_| version < (5, 8)) {
        return Some((line, "newlines not allowed within inline tables".to_owned()));
    }
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(e) => {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            return Some((1 + before.matches('\n').count(), "expected value".to_owned()));
        }
    };
    let wrong = |table_name: &str, key: &str, is_right: fn(&toml::Value) -> bool| {
        let value = table.get(table_name)?.get(key)?;
        let line = 1 + text.lines().position(|l| l.trim_start().starts_with(key))?;
        (!is_right(value))
            .then(|| (line, format!("incompatible types: TOML value has type {}", value.type_str())))
    };
    let no_table =
        ["containers", "engine"].into_iter().find(|name| table.get(*name).is_some_and(|v| !v.is_table()));
    if let Some(name) = no_table {
        let line = 1 + text.lines().position(|l| l.starts_with(name)).unwrap_or_default();
        let why = "type mismatch for config.EngineConfig: expected table but found int64";
        return Some((line, why.to_owned()));
    }
    wrong("containers", "pids_limit", toml::Value::is_integer)
        .or_else(|| wrong("containers", "log_driver", toml::Value::is_str))
        .or_else(|| wrong("storage", "driver", toml::Value::is_str))
}

/// The line that ends within the braces of an inline table.
fn broken_braces(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        for letter in code.split('#').next().unwrap_or_default().chars() {
            match letter {
                '{' | '[' => open.push(letter),
                '}' | ']' => drop(open.pop()),
                _ => {}
            }
        }
        if open.last() == Some(&'{') {
            return Some(number + 1);
        }
    }
    None
}
