//! podman's configuration: which file says what, and which of them wins.

mod refused;
mod storage;
mod types;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::edit::toml;
use crate::host::{Account, System};
pub use refused::{Encoding, Refused};
pub use storage::Storage;

/// The keys that decide whether kind works.
const KEYS: [&str; 6] = [
    "containers.log_driver",
    "containers.pids_limit",
    "engine.events_logger",
    "engine.cgroup_manager",
    "engine.runtime",
    "engine.runtimes.crun",
];

/// What podman will read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// The files in podman's order: a later one wins (containers.conf(5); common `pkg/config`, since podman 3.4).
    pub files: Vec<ConfFile>,
    /// `CONTAINERS_CONF` in the environment, which replaces all of them, or `CONTAINERS_CONF_OVERRIDE`, which is read
    /// after all of them (containers.conf(5)), as `NAME=FILE`.
    pub overridden_by: Option<String>,
    /// The storage.conf that counts.
    #[serde(default)]
    pub storage_conf: Storage,
    /// The files that podman, or some versions of it, cannot read.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// Whether the user's storage holds something already, so that its driver is settled.
    pub storage_used: bool,
    /// The driver of that storage; `None` if it has none yet or several.
    #[serde(default)]
    pub stored: Option<String>,
}

/// One file and the keys of ours that it sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfFile {
    pub path: Utf8PathBuf,
    /// Dotted keys and what they are set to.
    pub keys: BTreeMap<String, Setting>,
    /// Keys outside any table: podman ignores them without a word.
    pub ignored: Vec<String>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub value: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// The setting that counts, of several files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner<'c> {
    pub path: &'c Utf8Path,
    pub setting: &'c Setting,
}

/// The place, for people.
impl std::fmt::Display for Winner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (line {})", self.path, self.setting.line)
    }
}

impl Containers {
    /// Reads the files, in the order in which podman does.
    #[must_use]
    pub fn probe(system: &dyn System, user: &Account) -> Self {
        let paths = order(system, user);
        let refused = refused::probe(system, user, &paths);
        let files = paths.into_iter().filter_map(|path| ConfFile::probe(system, path)).collect();
        Self {
            files,
            overridden_by: ["CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"].into_iter().find_map(|name| {
                system.env(name).filter(|v| !v.is_empty()).map(|file| format!("{name}={file}"))
            }),
            storage_conf: Storage::probe(system, user),
            refused,
            storage_used: system.exists(storage_dir(user).as_str()),
            stored: stored(system, user),
        }
    }

    /// Whether the existing storage uses vfs: podman then keeps that driver, whatever storage.conf sets.
    #[must_use]
    pub fn is_on_vfs(&self) -> bool {
        self.stored.as_deref() == Some("vfs")
    }

    /// The value of a dotted key that counts.
    #[must_use]
    pub fn winner(&self, key: &str) -> Option<Winner<'_>> {
        self.files.iter().rev().find_map(|f| Some(Winner { path: &f.path, setting: f.keys.get(key)? }))
    }

    /// What is read after our file and sets the key to something else.
    #[must_use]
    pub fn beaten_by(&self, ours: &Utf8Path, key: &str, value: &str) -> Option<Winner<'_>> {
        let winner = self.winner(key)?;
        // Only the drop-ins beside it are; whether ours is there already plays no role.
        let is_later = winner.path.starts_with(format!("{ours}.d"));
        (winner.setting.value != value && is_later).then_some(winner)
    }
}

/// The user's own containers.conf, which is read after root's.
#[must_use]
pub fn containers_conf(user: &Account) -> Utf8PathBuf {
    user.home.join(".config/containers/containers.conf")
}

/// The user's own storage.conf.
#[must_use]
pub fn storage_conf(user: &Account) -> Utf8PathBuf {
    user.home.join(".config/containers/storage.conf")
}

/// Where podman keeps the user's images and containers by default.
#[must_use]
pub fn storage_dir(user: &Account) -> Utf8PathBuf {
    user.home.join(".local/share/containers/storage")
}

/// The driver that the storage was created with: it keeps a directory `DRIVER-images` there (containers/storage
/// `store.go`).
fn stored(system: &dyn System, user: &Account) -> Option<String> {
    let names = system.list(&storage_dir(user)).unwrap_or_default();
    let mut drivers = names.iter().filter_map(|name| name.strip_suffix("-images"));
    drivers.next().filter(|_| drivers.next().is_none()).map(ToOwned::to_owned)
}

fn order(system: &dyn System, user: &Account) -> Vec<Utf8PathBuf> {
    let own = user.home.join(".config/containers");
    let mut files: Vec<Utf8PathBuf> =
        vec!["/usr/share/containers/containers.conf".into(), "/etc/containers/containers.conf".into()];
    files.extend(drop_ins(system, "/etc/containers/containers.conf.d".into()));
    files.push(own.join("containers.conf"));
    files.extend(drop_ins(system, &own.join("containers.conf.d")));
    files
}

/// The files of a directory of drop-ins, in their order.
fn drop_ins(system: &dyn System, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let names = system.list(dir).unwrap_or_default();
    let is_one = |name: &String| Utf8Path::new(name).extension() == Some("conf");
    names.into_iter().filter(is_one).map(|name| dir.join(name)).collect()
}

impl ConfFile {
    fn probe(system: &dyn System, path: Utf8PathBuf) -> Option<Self> {
        let bytes = system.read(&path).ok().flatten()?;
        let Ok(read) = toml::Reader::of(&bytes) else {
            return Some(Self { keys: BTreeMap::new(), ignored: Vec::new(), path });
        };
        let value = |key: &&str| {
            let path: Vec<&str> = key.split('.').collect();
            let value = read.get(&path).ok().flatten()?.to_string();
            let line = read.line_of(&path).ok().flatten().unwrap_or_default();
            Some(((*key).to_owned(), Setting { value, line }))
        };
        Some(Self {
            keys: KEYS.iter().filter_map(value).collect(),
            ignored: read.keys_outside_tables(),
            path,
        })
    }
}
