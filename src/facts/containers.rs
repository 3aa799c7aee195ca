//! podman's configuration: which file says what, and which of them wins.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::edit::toml;
use crate::host::{Account, World};

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
    /// `CONTAINERS_CONF` in the environment: it replaces all of them.
    pub overridden_by: Option<String>,
    /// The file that sets the storage driver, and the driver.
    pub storage: Option<(Utf8PathBuf, String)>,
    /// Whether the user's storage holds something already, so that its driver is settled.
    pub storage_used: bool,
}

/// One file and the keys of ours that it sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfFile {
    /// Where.
    pub path: Utf8PathBuf,
    /// Dotted keys and their values as TOML.
    pub keys: BTreeMap<String, String>,
    /// Keys outside any table: podman ignores them without a word.
    pub ignored: Vec<String>,
}

impl Containers {
    pub(super) fn of(world: &dyn World, user: &Account) -> Self {
        let files = order(world, user).into_iter().filter_map(|path| ConfFile::of(world, path)).collect();
        let driver = |path: Utf8PathBuf| {
            let bytes = world.read(&path).ok().flatten()?;
            let driver = toml::read(&bytes, &["storage", "driver"]).ok().flatten()?;
            Some((path, driver.trim_matches('"').to_owned()))
        };
        let storage =
            ["/usr/share/containers/storage.conf", "/etc/containers/storage.conf"].map(Utf8PathBuf::from);
        let storage = storage.into_iter().chain([storage_conf(user)]).filter_map(driver).next_back();
        Self {
            files,
            overridden_by: world.env("CONTAINERS_CONF").filter(|v| !v.is_empty()),
            storage,
            storage_used: world.exists(user.home.join(".local/share/containers/storage").as_str()),
        }
    }

    /// The value of a dotted key that counts, and the file it is in.
    #[must_use]
    pub fn winner(&self, key: &str) -> Option<(&Utf8Path, &str)> {
        self.files.iter().rev().find_map(|f| Some((f.path.as_path(), f.keys.get(key)?.as_str())))
    }

    /// The files that are read after ours and set the key to something else.
    #[must_use]
    pub fn beaten_by(&self, ours: &Utf8Path, key: &str, value: &str) -> Option<&Utf8Path> {
        let (path, winning) = self.winner(key)?;
        let place = |p: &Utf8Path| self.files.iter().position(|f| f.path == p);
        (winning != value && place(path) > place(ours) && path != ours).then_some(path)
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

fn order(world: &dyn World, user: &Account) -> Vec<Utf8PathBuf> {
    let drop_ins = |dir: Utf8PathBuf| {
        let names = world.list(&dir).unwrap_or_default();
        names
            .into_iter()
            .filter(|n| Utf8Path::new(n).extension() == Some("conf"))
            .map(move |n| dir.join(n))
            .collect::<Vec<_>>()
    };
    let own = user.home.join(".config/containers");
    let mut files: Vec<Utf8PathBuf> =
        vec!["/usr/share/containers/containers.conf".into(), "/etc/containers/containers.conf".into()];
    files.extend(drop_ins("/etc/containers/containers.conf.d".into()));
    files.push(own.join("containers.conf"));
    files.extend(drop_ins(own.join("containers.conf.d")));
    files
}

impl ConfFile {
    fn of(world: &dyn World, path: Utf8PathBuf) -> Option<Self> {
        let bytes = world.read(&path).ok().flatten()?;
        let value = |key: &&str| {
            let path: Vec<&str> = key.split('.').collect();
            Some(((*key).to_owned(), toml::read(&bytes, &path).ok().flatten()?))
        };
        let ignored = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|t| toml::keys_outside_tables(t).ok())
            .unwrap_or_default();
        Some(Self { keys: KEYS.iter().filter_map(value).collect(), ignored, path })
    }
}
