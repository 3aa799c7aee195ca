//! podman's configuration: its files, their settings and their precedence.

mod places;
mod refused;
mod storage;
mod types;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::change::has_mark;
use crate::compat::COMPAT;
use crate::edit::toml;
use crate::host::{Account, System};
use crate::version::Version;
pub use places::Place;
pub(crate) use refused::registries;
pub use refused::{Encoding, Refused};
pub use storage::Storage;

/// The keys that kind depends on.
const KEYS: [&str; 7] = [
    "containers.log_driver",
    "containers.pids_limit",
    "engine.events_logger",
    "engine.cgroup_manager",
    "engine.runtime",
    "engine.runtimes.crun",
    "network.firewall_driver",
];

/// The configuration that podman will read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// The podman that is installed or will be installed; its version decides on the precedence.
    #[serde(default)]
    pub podman: Option<Version>,
    /// The files that some podman version reads.
    pub files: Vec<ConfFile>,
    /// The settings that an earlier setup wrote to the user's containers.conf and that are now in a drop-in, the
    /// oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<Superseded>,
    /// `CONTAINERS_CONF` in the environment, which replaces all of them (containers.conf(5)), as `NAME=FILE`.
    pub overridden_by: Option<String>,
    /// The effective storage.conf.
    #[serde(default)]
    pub storage_conf: Storage,
    /// The files that podman, or some versions of it, cannot read.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// Whether the user's storage exists, so that its driver is fixed.
    pub storage_used: bool,
    /// The driver of that storage; `None` if it has none or several.
    #[serde(default)]
    pub stored: Option<String>,
}

/// One file and the relevant keys that it sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfFile {
    pub place: Place,
    pub path: Utf8PathBuf,
    /// Whether kind-wsl wrote it as a whole.
    pub is_ours: bool,
    /// Dotted keys and their values.
    pub keys: BTreeMap<String, Setting>,
    /// Keys outside any table, which podman silently ignores.
    pub ignored: Vec<String>,
}

/// A setting in the user's containers.conf that an earlier setup wrote there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// The stage that wrote it.
    pub stage: String,
    pub key: String,
    /// The value before the setup.
    pub before: Option<String>,
    /// The value that it wrote.
    pub after: Option<String>,
}

/// A value and its line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub value: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// The effective setting, of several files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner<'c> {
    pub path: &'c Utf8Path,
    pub setting: &'c Setting,
}

impl std::fmt::Display for Winner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (line {})", self.path, self.setting.line)
    }
}

impl Containers {
    /// Reads the files that some podman version reads.
    #[must_use]
    pub fn probe(system: &dyn System, user: &Account, podman: Option<Version>) -> Self {
        let paths = places::paths(system, user);
        let files: Vec<_> =
            paths.into_iter().filter_map(|(place, path)| ConfFile::probe(system, place, path)).collect();
        let oldest = COMPAT.podman.drop_ins.since();
        let read: Vec<_> = places::read_by(&files, podman.as_ref().unwrap_or(oldest));
        let refused = refused::probe(system, user, &read);
        let conf = system.env("CONTAINERS_CONF").filter(|file| !file.is_empty());
        Self {
            podman,
            files,
            superseded: Vec::new(),
            overridden_by: conf.map(|file| format!("CONTAINERS_CONF={file}")),
            storage_conf: Storage::probe(system, user),
            refused,
            storage_used: system.exists(storage_dir(user).as_str()),
            stored: stored(system, user),
        }
    }

    /// The podman whose precedence applies. An unknown version is taken for the oldest with drop-ins.
    fn reader(&self) -> &Version {
        self.podman.as_ref().unwrap_or_else(|| COMPAT.podman.drop_ins.since())
    }

    /// The files that podman reads; later ones win.
    #[must_use]
    pub fn read(&self) -> Vec<&ConfFile> {
        places::read_by(&self.files, self.reader())
    }

    /// Whether the existing storage uses vfs: podman then keeps that driver, whatever storage.conf sets.
    #[must_use]
    pub fn is_on_vfs(&self) -> bool {
        self.stored.as_deref() == Some("vfs")
    }

    /// The effective value of a dotted key.
    #[must_use]
    pub fn winner(&self, key: &str) -> Option<Winner<'_>> {
        winner_of(self.read(), key)
    }

    /// The value of a dotted key without this file and without the settings of an earlier setup in the user's
    /// containers.conf.
    #[must_use]
    pub fn value_without(&self, file: &Utf8Path, key: &str) -> Option<String> {
        self.read().into_iter().rev().filter(|f| f.path != file).find_map(|f| {
            let now = Some(f.keys.get(key)?.value.clone());
            let superseded = self.superseded.iter().rev().filter(|s| f.place == Place::User && s.key == key);
            superseded.fold(now, |value, s| if value == s.after { s.before.clone() } else { value })
        })
    }

    /// Whether podman reads drop-ins. An unknown version does.
    #[must_use]
    pub fn has_drop_ins(&self) -> bool {
        COMPAT.podman.drop_ins.is_true_of(self.reader())
    }

    /// The file at this path, if some podman version reads it.
    #[must_use]
    pub fn file(&self, path: &Utf8Path) -> Option<&ConfFile> {
        self.files.iter().find(|f| f.path == path)
    }

    /// The setting that is read after a file of the user, whether the file exists or not, and has another value.
    #[must_use]
    pub fn beaten_by(&self, own: &Utf8Path, key: &str, value: &str) -> Option<Winner<'_>> {
        let is_main = own.file_name() == Some(MAIN);
        let place = if is_main { Place::User } else { Place::UserDropIn };
        let rank = place.rank(own, self.reader());
        let is_later = |f: &&ConfFile| f.path != own && f.place.rank(&f.path, self.reader()) > rank;
        let later = self.read().into_iter().filter(is_later).collect();
        winner_of(later, key).filter(|winner| winner.setting.value != value)
    }
}

/// The setting of the last file that has it.
fn winner_of<'c>(files: Vec<&'c ConfFile>, key: &str) -> Option<Winner<'c>> {
    files.into_iter().rev().find_map(|f| Some(Winner { path: &f.path, setting: f.keys.get(key)? }))
}

const MAIN: &str = "containers.conf";

/// The configuration directory of the user.
fn conf_dir(user: &Account) -> Utf8PathBuf {
    user.config_dir().join("containers")
}

/// The user's containers.conf.
#[must_use]
pub fn containers_conf(user: &Account) -> Utf8PathBuf {
    conf_dir(user).join(MAIN)
}

/// The drop-in with the settings of a stage.
#[must_use]
pub fn drop_in(user: &Account, name: &str) -> Utf8PathBuf {
    conf_dir(user).join("containers.conf.d").join(name)
}

/// The user's storage.conf.
#[must_use]
pub fn storage_conf(user: &Account) -> Utf8PathBuf {
    conf_dir(user).join("storage.conf")
}

/// The default directory of the user's images and containers.
#[must_use]
pub fn storage_dir(user: &Account) -> Utf8PathBuf {
    user.home.join(".local/share/containers/storage")
}

/// The driver of the existing storage, which has a directory `DRIVER-images` (containers/storage `store.go`).
fn stored(system: &dyn System, user: &Account) -> Option<String> {
    let names = system.list(&storage_dir(user)).unwrap_or_default();
    let mut drivers = names.iter().filter_map(|name| name.strip_suffix("-images"));
    drivers.next().filter(|_| drivers.next().is_none()).map(ToOwned::to_owned)
}

/// The files of a directory of drop-ins, in order.
fn drop_ins(system: &dyn System, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let names = system.list(dir).unwrap_or_default();
    let is_one = |name: &String| Utf8Path::new(name).extension() == Some("conf");
    names.into_iter().filter(is_one).map(|name| dir.join(name)).collect()
}

impl ConfFile {
    fn probe(system: &dyn System, place: Place, path: Utf8PathBuf) -> Option<Self> {
        // Unreadable files are included: podman fails on them.
        let bytes = system.read(&path).unwrap_or_else(|_| Some(Vec::new()))?;
        let is_ours = has_mark(&bytes);
        let Ok(read) = toml::Reader::of(&bytes) else {
            return Some(Self { place, is_ours, keys: BTreeMap::new(), ignored: Vec::new(), path });
        };
        let value = |key: &&str| {
            let path: Vec<&str> = key.split('.').collect();
            let value = read.get(&path).ok().flatten()?.to_string();
            let line = read.line_of(&path).ok().flatten().unwrap_or_default();
            Some(((*key).to_owned(), Setting { value, line }))
        };
        Some(Self {
            place,
            is_ours,
            keys: KEYS.iter().filter_map(value).collect(),
            ignored: read.keys_outside_tables(),
            path,
        })
    }
}
