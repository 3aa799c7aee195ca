//! The configuration files that podman cannot read.
//!
//! An installed podman is queried. `podman --version` reads every effective containers.conf and storage.conf, exits
//! with 1, reports file and line, and creates nothing (measured with 3.0.1, 3.4.4, 4.3.1, 4.9.3, 5.4.2, 5.7.0 and
//! 5.8.6). Only commands that open the storage read registries.conf, such as `podman info`, so it is always checked
//! here. If podman is not installed, every file is checked here.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{ConfFile, types};
use crate::compat::COMPAT;
use crate::edit::toml::{Flaw, flaws};
use crate::host::{Account, Cmd, Output, System};
use crate::version::Version;

/// A file that podman cannot read, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The file; `None` if podman reports none.
    pub path: Option<Utf8PathBuf>,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// The reason, from podman or from kind-wsl.
    pub why: String,
    /// A fault of the file as a whole.
    pub encoding: Option<Encoding>,
    /// Only podman before this version cannot read it; `None` for every version.
    pub before: Option<[u64; 2]>,
}

/// A text that is not plain UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8 after a byte order mark.
    Mark,
    /// UTF-16, of either byte order.
    Utf16,
    /// Another one, such as Latin-1.
    Other,
}

impl Encoding {
    fn detect(bytes: &[u8]) -> Option<Self> {
        if bytes.contains(&0) {
            return Some(Self::Utf16);
        }
        match std::str::from_utf8(bytes) {
            Err(_) => Some(Self::Other),
            Ok(text) => text.starts_with('\u{feff}').then_some(Self::Mark),
        }
    }
}

impl Refused {
    /// Whether this podman cannot read it; an unknown version is taken for the oldest.
    #[must_use]
    pub fn applies_to(&self, podman: Option<&Version>) -> bool {
        match (self.before, podman) {
            (Some(before), Some(podman)) => *podman < Version::from(before),
            _ => true,
        }
    }

    #[must_use]
    pub fn hint(&self) -> String {
        let Some(path) = &self.path else {
            return "correct that setting, then run the same command again".to_owned();
        };
        match (self.encoding, self.line) {
            (Some(Encoding::Mark), _) => {
                format!("save {path} as UTF-8 without a byte order mark, then run the same command again")
            }
            (Some(_), _) => {
                format!("save {path} as UTF-8 (`iconv` converts it), then run the same command again")
            }
            (None, Some(line)) => format!("correct line {line} of {path}, then run the same command again"),
            (None, None) => format!("correct {path}, then run the same command again"),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "podman cannot read {path}: line {line}: {}", self.why),
            (Some(path), None) => write!(f, "podman cannot read {path}: {}", self.why),
            (None, _) => write!(f, "podman refuses its configuration: {}", self.why),
        }
    }
}

/// Checks every file that podman reads for this user; `containers` are its containers.conf files.
pub(super) fn probe(system: &dyn System, user: &Account, containers: &[&ConfFile]) -> Vec<Refused> {
    let judged = || -> Vec<Refused> {
        let containers = containers.iter().flat_map(|file| judge(system, &file.path, types::CONTAINERS));
        containers.chain(storage(system, user)).collect()
    };
    let mut refused = match ask(system, user) {
        // For an invalid value, podman reports neither file nor line.
        Some(asked) if asked.iter().any(|refused| refused.path.is_none()) => {
            Some(judged()).filter(|judged| !judged.is_empty()).unwrap_or(asked)
        }
        Some(asked) => asked,
        None => judged(),
    };
    refused.extend(registries(system, user).iter().flat_map(|path| judge(system, path, types::REGISTRIES)));
    refused
}

fn ask(system: &dyn System, user: &Account) -> Option<Vec<Refused>> {
    let own = [user.home.join(".local/bin/podman"), user.home.join("bin/podman")];
    let paths = own.into_iter().chain(["/usr/local/bin/podman", "/usr/bin/podman"].map(Utf8PathBuf::from));
    let podman = paths.into_iter().find(|path| system.exists(path.as_str()))?;
    let mut cmd = Cmd::new(podman.as_str(), ["--version"]).as_user(user);
    let config = user.config_dir();
    if !system.exists(config.as_str()) {
        // podman 5 creates the directory unless it is configured.
        cmd = cmd.with_env("XDG_CONFIG_HOME", config.as_str());
    }
    match system.run_readonly(&cmd) {
        Ok(output) => answer(&output).map(|refused| {
            let with_encoding = |refused: Refused| {
                let bytes = refused.path.as_deref().and_then(|path| system.read(path).ok().flatten());
                Refused { encoding: bytes.and_then(|bytes| Encoding::detect(&bytes)), ..refused }
            };
            refused.into_iter().map(with_encoding).collect()
        }),
        Err(error) => {
            system.note_unanswered(&cmd, error);
            None
        }
    }
}

/// The files that `podman --version` reported; `None` if it failed for another reason.
///
/// 4.3.1 prints `Failed to read FILE …` for the user's storage.conf but exits with 0.
fn answer(output: &Output) -> Option<Vec<Refused>> {
    let mut refused: Vec<Refused> = Vec::new();
    for line in output.stdout.lines().chain(output.stderr.lines()) {
        let message = message(line);
        let decoded = message.split_once("decode configuration ").and_then(|(_, rest)| rest.split_once(": "));
        let read = || {
            let (_, rest) = message.split_once("Failed to read ")?;
            rest.split_once(" toml: ").or_else(|| rest.split_once(" read "))
        };
        match decoded.or_else(read) {
            Some((path, why)) if refused.iter().all(|r| r.path.as_deref() != Some(path.into())) => {
                refused.push(Refused { path: Some(path.into()), ..flaw(path, why) });
            }
            Some(_) => {}
            None => {
                let invalid = message.split_once("validating ").and_then(|(_, rest)| rest.split_once(": "));
                refused.extend(invalid.map(|(_, why)| flaw("", why)));
            }
        }
    }
    (output.code == 0 || !refused.is_empty()).then_some(refused)
}

/// The text of a line of logrus (`time="…" level=error msg="…"`), or the line.
fn message(line: &str) -> String {
    let quoted = line.split_once(" msg=\"").and_then(|(_, rest)| rest.strip_suffix('"'));
    quoted.map_or_else(
        || line.to_owned(),
        |text| text.replace("\\n", " ").replace("\\\"", "\"").replace("\\\\", "\\").trim_end().to_owned(),
    )
}

/// Parses podman's message: `toml: line 2 (last key "engine.x"): WHY`, before 4.0 `Near line 2 (last key parsed
/// 'engine.x'): WHY`, or `read FILE: WHY`.
fn flaw(path: &str, text: &str) -> Refused {
    let text = text.trim_start_matches("toml: ").trim_start_matches("Near ");
    let text = text.trim_start_matches("read ").trim_start_matches(&format!("{path}: "));
    let number: String =
        text.strip_prefix("line ").unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    let line = number.parse().ok();
    let why = if line.is_some() { text.split_once(": ").map_or(text, |(_, why)| why) } else { text };
    let key =
        text.split_once("(last key ").and_then(|(_, rest)| rest.split(['"', '\'']).nth(1)).unwrap_or("");
    let why = if why.starts_with("type mismatch for ") { "a table is required" } else { why };
    // For a wrong type, the key is clearer than the Go types.
    let is_of_type = why.contains("type") && !key.is_empty();
    let why = if is_of_type { format!("`{key}`: {why}") } else { why.to_owned() };
    Refused { path: None, line, why, encoding: None, before: None }
}

/// The faults of a file for some podman version.
fn judge(system: &dyn System, path: &Utf8Path, types: types::Types) -> Vec<Refused> {
    let refused =
        |line, why, before| Refused { path: Some(path.to_owned()), line, why, encoding: None, before };
    let bytes = match system.resolve(path).and_then(|real| system.read(&real)) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![refused(None, error.to_string(), None)],
    };
    let mut found = flaws(&bytes);
    if found.iter().all(|flaw| flaw.before.is_some()) {
        found.extend(types::wrong(&bytes, types));
    }
    // Faults for every version come first.
    found.sort_by_key(|flaw| flaw.before.is_some());
    let encoding = Encoding::detect(&bytes);
    found
        .into_iter()
        .map(|Flaw { line, why, before }| Refused {
            encoding: encoding.filter(|e| {
                (*e == Encoding::Mark) == (before == Some(COMPAT.podman.byte_order_mark.since_pair()))
            }),
            ..refused(Some(line), why, before)
        })
        .collect()
}

/// The user's storage.conf and the system's. podman 5 does not read the system's if the user has one.
fn storage(system: &dyn System, user: &Account) -> Vec<Refused> {
    let own = super::storage_conf(user);
    let has_own = system.exists(own.as_str());
    let shared = super::storage::SYSTEM.into_iter().find(|path| system.exists(path));
    let shared = shared.map(|path| judge(system, path.into(), types::STORAGE)).unwrap_or_default();
    let older = |refused: Refused| {
        let before = if has_own {
            let reads_one = COMPAT.podman.one_storage_conf.since_pair();
            Some(refused.before.map_or(reads_one, |before| before.min(reads_one)))
        } else {
            refused.before
        };
        Refused { before, ..refused }
    };
    judge(system, &own, types::STORAGE).into_iter().chain(shared.into_iter().map(older)).collect()
}

/// The user's registries.conf or else the system's, and the drop-ins of both (containers-registries.conf.d(5)).
pub(crate) fn registries(system: &dyn System, user: &Account) -> Vec<Utf8PathBuf> {
    let own = super::conf_dir(user);
    let shared = Utf8PathBuf::from("/etc/containers");
    let name = "registries.conf";
    let main = [own.join(name), shared.join(name)].into_iter().find(|path| system.exists(path.as_str()));
    let drop_ins = [shared, own].map(|dir| super::drop_ins(system, &dir.join("registries.conf.d")));
    main.into_iter().chain(drop_ins.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Refused, answer};
    use crate::host::Output;

    const CONF: &str = "/etc/containers/containers.conf";
    const STORAGE: &str = "/etc/containers/storage.conf";

    fn refusals(code: i32, stdout: &str, stderr: &str) -> Option<Vec<Parts>> {
        let output = Output { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        let taken = |r: Refused| (r.path.map(String::from).unwrap_or_default(), r.line, r.why);
        answer(&output).map(|refused| refused.into_iter().map(taken).collect())
    }

    type Parts = (String, Option<usize>, String);

    fn one(path: &str, line: usize, why: &str) -> Vec<Parts> {
        vec![(path.to_owned(), Some(line), why.to_owned())]
    }

    #[test]
    fn the_answers_of_real_podmans_are_taken_apart() {
        let why = "expected '.' or '=', but got '/' instead";
        // 3.4.4, 4.3.1, 5.4.2
        let old = format!(
            r#"time="2026-11-27T22:19:08Z" level=error msg="reading system config \"{CONF}\": decode configuration {CONF}: Near line 1 (last key parsed ''): {why}""#
        );
        let middle = old.replace("Near line 1 (last key parsed '')", "toml: line 1");
        let new = format!(
            "Failed to obtain podman configuration: reading system config \"{CONF}\": decode configuration {CONF}: toml: line 1: {why}"
        );
        for text in [old, middle, new] {
            assert_eq!(refusals(1, "", &text), Some(one(CONF, 1, why)), "{text}");
        }
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key() {
        let text = format!(
            "Failed to obtain podman configuration: reading system config \"{CONF}\": decode configuration {CONF}: toml: line 2 (last key \"containers.pids_limit\"): incompatible types: TOML value has type string; destination has type integer"
        );
        let why = "`containers.pids_limit`: incompatible types: TOML value has type string; destination has type integer";
        assert_eq!(refusals(1, "", &text), Some(one(CONF, 2, why)));
    }

    #[test]
    fn a_storage_conf_is_named_once_however_often_podman_does() {
        let why = "unexpected EOF; expected value";
        let tail = format!("toml: line 2 (last key \"engine.x\"): {why}");
        // 4.3.1 with the user's file ends with 0.
        let stdout = format!("Failed to read {STORAGE} {tail}\npodman version 4.3.1\n");
        assert_eq!(refusals(0, &stdout, ""), Some(one(STORAGE, 2, why)));
        let quoted = tail.replace('"', "\\\"");
        let stderr = format!(
            "time=\"2026\" level=warning msg=\"Failed to read {STORAGE} {quoted}\\n\"\nFailed to obtain podman configuration: {tail}\n"
        );
        assert_eq!(refusals(1, "", &stderr), Some(one(STORAGE, 2, why)));
    }

    #[test]
    fn a_value_that_podman_does_not_accept_has_no_file() {
        let stderr = "time=\"2026\" level=error msg=\"validating containers config: not a valid umask 9\"\n";
        assert_eq!(
            refusals(1, "", stderr),
            Some(vec![(String::new(), None, "not a valid umask 9".to_owned())])
        );
    }

    #[test]
    fn a_podman_that_fails_for_another_reason_has_refused_nothing() {
        assert_eq!(refusals(127, "", "podman: error while loading shared libraries: libgpgme.so.11\n"), None);
        assert_eq!(refusals(0, "podman version 4.3.1\n", ""), Some(Vec::new()));
    }
}
