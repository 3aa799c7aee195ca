//! Replaces names of people and machines.

use camino::Utf8Path;
use serde_json::Value;

use crate::facts::Facts;
use crate::host::{Account, System};

/// Words that are also names of programs, packages and distributions. They identify no person, and facts are read
/// from them.
const ORDINARY: [&str; 24] = [
    "root",
    "user",
    "other",
    "kind",
    "podman",
    "docker",
    "systemd",
    "crun",
    "wsl",
    "nerdctl",
    "containerd",
    "text",
    "file",
    "dir",
    "debian",
    "ubuntu",
    "fedora",
    "arch",
    "opensuse",
    "kali",
    "linux",
    "localhost",
    "microsoft",
    "host",
];

/// The names and their replacements.
pub(crate) struct Names {
    /// Paths: homes and profiles.
    paths: Vec<(String, &'static str)>,
    words: Vec<(String, &'static str)>,
}

impl Names {
    /// The names that this machine has.
    pub(crate) fn probe(system: &dyn System, facts: &Facts) -> Self {
        let mut names = Self { paths: Vec::new(), words: Vec::new() };
        names.path(facts.user.home.as_str(), "/home/user");
        if let Some(profile) = &facts.windows.profile {
            names.path(profile.as_str(), "/mnt/c/Users/user");
            let name = profile.file_name().unwrap_or_default();
            names.path(&format!("C:\\Users\\{name}"), "C:\\Users\\user");
            names.path(&format!("/Users/{name}"), "/Users/user");
            names.path(&format!("\\Users\\{name}"), "\\Users\\user");
            names.word(name, "user");
        }
        names.word(&facts.user.name, "user");
        let host = system.text("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        let is_distro = |name: &str| facts.distro.id == name || facts.wsl.distro() == name;
        for host in
            [host, host.split('.').next().unwrap_or_default()].into_iter().filter(|name| !is_distro(name))
        {
            names.word(host, "host");
        }
        names
    }

    fn path(&mut self, path: &str, to: &'static str) {
        if Utf8Path::new(path).components().count() > 1 || path.contains('\\') {
            self.paths.push((path.to_owned(), to));
        }
    }

    fn word(&mut self, name: &str, to: &'static str) {
        if name.len() > 1 && !ORDINARY.contains(&name) && name.parse::<u64>().is_err() {
            self.words.push((name.to_owned(), to));
        }
    }

    /// The account with its names replaced.
    pub(crate) fn account(&self, user: &Account) -> Account {
        let shell = user.shell.clone();
        let shell = if shell.starts_with("/bin/") || shell.starts_with("/usr/bin/") {
            shell
        } else {
            "/bin/sh".to_owned()
        };
        Account {
            name: self.text(&user.name),
            home: self.text(user.home.as_str()).into(),
            config_home: user.config_home.as_ref().map(|dir| self.text(dir.as_str()).into()),
            shell,
            ..user.clone()
        }
    }

    /// A value with every name in its texts and keys replaced.
    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(fields) => {
                // Keys, paths and command lines; kind-wsl itself writes the others.
                let key = |key: String| if key.contains(['/', ' ']) { self.text(&key) } else { key };
                Value::Object(
                    fields.into_iter().map(|(name, value)| (key(name), self.value(value))).collect(),
                )
            }
            other => other,
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let goes_on = |after: &str| after.starts_with(is_part);
        let paths = self.paths.iter().fold(text.to_owned(), |text, (from, to)| {
            replaced(&text, from, to, &|_, after| goes_on(after) || after.starts_with('.'))
        });
        // `/dev` belongs to no user.
        let is_top = |before: &str| before.strip_suffix('/').is_some_and(|above| !above.ends_with(is_part));
        self.words.iter().fold(paths, |text, (from, to)| {
            replaced(&text, from, to, &|before, after| {
                before.ends_with(is_part) || is_top(before) || goes_on(after)
            })
        })
    }
}

/// Replaces every occurrence, in any case, unless its surroundings make it part of another word.
fn replaced(text: &str, from: &str, to: &str, is_other: &dyn Fn(&str, &str) -> bool) -> String {
    let (lower, from) = (text.to_ascii_lowercase(), from.to_ascii_lowercase());
    let mut safe = String::with_capacity(text.len());
    let mut rest = 0;
    for (at, found) in lower.match_indices(&from) {
        let end = at + found.len();
        if !is_other(&text[..at], &text[end..]) {
            safe.push_str(&text[rest..at]);
            safe.push_str(to);
            rest = end;
        }
    }
    safe + &text[rest..]
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_replaced_in_paths_and_as_whole_words_whatever_their_case() {
        let names = Names {
            paths: vec![("/srv/people/jo".to_owned(), "/home/user")],
            words: vec![("jo".to_owned(), "user"), ("Box-7".to_owned(), "host")],
        };
        let seen = "/srv/people/jo/x:/srv/people/joe `Jo` jo:1:2 major /jo/null a/jo box-7.lan xbox-7";
        let safe = "/home/user/x:/srv/people/joe `user` user:1:2 major /jo/null a/user host.lan xbox-7";
        assert_eq!(names.text(seen), safe);
    }
}
