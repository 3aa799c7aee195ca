//! The storage driver that rootless podman selects.
//!
//! containers/storage `types/options.go` (`getRootlessStorageOpts`, `defaultStoreOptionsIsolated`). Measured in 54 states
//! each with podman 3.0.1, 3.4.4, 4.3.1, 4.9.3, 5.4.2, 5.7.0 and 5.8.6.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Setting;
use crate::compat::COMPAT;
use crate::edit::toml::{Reader, Value};
use crate::host::{Account, System};
use crate::version::Version;

/// The drivers of a system's storage.conf that an older podman accepts for a user.
const ROOTLESS: [&str; 4] = ["btrfs", "overlay", "overlay2", "vfs"];
/// Every driver of some podman build. For another name in the user's file it reports "driver not supported".
const DRIVERS: [&str; 7] = ["aufs", "btrfs", "devicemapper", "overlay", "overlay2", "vfs", "zfs"];

/// The storage.conf from which podman reads the driver, and its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The user's file, otherwise the one in /etc, otherwise the one in /usr/share. It replaces the others.
    pub file: Option<Utf8PathBuf>,
    /// Whether it is the user's.
    pub is_users: bool,
    /// `[storage] driver`, unless it is empty.
    pub driver: Option<Setting>,
    /// The first of `[storage] driver_priority`.
    pub priority: Option<String>,
    /// `STORAGE_DRIVER` in the environment, which overrides every file.
    pub forced: Option<String>,
    /// `CONTAINERS_STORAGE_CONF` in the environment, which replaces all of them, as `NAME=FILE`.
    pub overridden_by: Option<String>,
}

impl Storage {
    pub(super) fn probe(system: &dyn System, user: &Account) -> Self {
        const OVERRIDE: &str = "CONTAINERS_STORAGE_CONF";
        let env = |name: &str| system.env(name).filter(|value| !value.is_empty());
        let users = super::storage_conf(user);
        let named = env(OVERRIDE);
        let is_users = named.is_none() && system.exists(users.as_str());
        let file = match &named {
            Some(file) => Some(file.into()),
            None if is_users => Some(users),
            None => SYSTEM.map(Utf8PathBuf::from).into_iter().find(|path| system.exists(path.as_str())),
        };
        let bytes = file.as_ref().and_then(|path| system.read(path).ok().flatten()).unwrap_or_default();
        let read = Reader::of(&bytes).ok();
        let get = |key| read.as_ref().and_then(|read| read.get(&["storage", key]).ok().flatten());
        let line = || read.as_ref().and_then(|read| read.line_of(&["storage", "driver"]).ok().flatten());
        let driver = match get("driver") {
            Some(Value::Str(value)) if !value.is_empty() => {
                Some(Setting { value, line: line().unwrap_or_default() })
            }
            _ => None,
        };
        let priority = match get("driver_priority") {
            Some(Value::StrList(drivers)) => drivers.into_iter().next(),
            _ => None,
        };
        let overridden_by = named.map(|file| format!("{OVERRIDE}={file}"));
        Self { is_users, driver, priority, forced: env("STORAGE_DRIVER"), overridden_by, file }
    }

    /// The driver with which this podman creates a storage; `None` if it falls back to vfs because none is set.
    #[must_use]
    pub fn chosen(&self, podman: &Version) -> Option<&str> {
        let rules = &COMPAT.podman;
        let is_read = match self.file.as_deref() {
            Some(file) if file.starts_with("/usr/share") => rules.storage_in_usr.is_true_of(podman),
            Some(file) if file.starts_with("/etc") => rules.storage_in_etc.is_true_of(podman),
            _ => true,
        };
        let is_any_taken = self.is_users || rules.any_storage_driver.is_true_of(podman);
        let is_taken = |driver: &&str| is_any_taken || ROOTLESS.contains(driver);
        let driver = self.driver.as_ref().map(|driver| driver.value.as_str()).filter(|_| is_read);
        let driver = self.forced.as_deref().or(driver.filter(is_taken));
        let by_itself = rules.overlay_by_itself.is_true_of(podman);
        match driver.or(self.priority.as_deref().filter(|_| by_itself)) {
            Some("overlay2") => Some("overlay"),
            // If a user's file sets no driver, every podman selects one itself.
            None if by_itself || self.is_users => Some("overlay"),
            driver => driver,
        }
    }

    /// The place with a driver that no podman has, and the driver.
    #[must_use]
    pub fn unknown_driver(&self) -> Option<(String, &str)> {
        if let Some(driver) = self.forced.as_deref() {
            return (!DRIVERS.contains(&driver))
                .then(|| ("STORAGE_DRIVER in the environment".to_owned(), driver));
        }
        let (file, driver) = (self.file.as_ref()?, self.driver.as_ref()?);
        let is_unknown = self.is_users && !DRIVERS.contains(&driver.value.as_str());
        is_unknown.then(|| (format!("`{file}` (line {})", driver.line), driver.value.as_str()))
    }

    /// The file that sets this driver.
    #[must_use]
    pub fn set_by(&self, driver: &str) -> Option<&Utf8Path> {
        self.file.as_deref().filter(|_| self.driver.as_ref().is_some_and(|d| d.value == driver))
    }
}

/// A system's storage.conf: the first that exists is read.
pub(super) const SYSTEM: [&str; 2] = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];

#[cfg(test)]
mod tests {
    use super::{Setting, Storage};
    use crate::version::Version;

    const SYSTEM: &str = "/etc/containers/storage.conf";
    const USER: &str = "/home/dev/.config/containers/storage.conf";

    fn conf(file: &str, driver: &str) -> Storage {
        let driver = Some(driver).filter(|d| !d.is_empty());
        Storage {
            file: (!file.is_empty()).then(|| file.into()),
            is_users: file == USER,
            driver: driver.map(|value| Setting { value: value.to_owned(), line: 2 }),
            ..Storage::default()
        }
    }

    /// The value of `.Store.GraphDriverName` in podman 4.3.1 and 5.4.2; vfs without a reason is the fallback.
    #[test]
    fn the_driver_is_the_one_that_podman_reported() {
        let fallback = None;
        let (overlay, vfs) = (Some("overlay"), Some("vfs"));
        for (file, driver, on_4, on_5) in [
            ("", "", fallback, overlay),
            (SYSTEM, "", fallback, overlay),
            (SYSTEM, "zfs", fallback, overlay),
            (SYSTEM, "OVERLAY", fallback, overlay),
            (SYSTEM, "vfs", vfs, vfs),
            (SYSTEM, "overlay", overlay, overlay),
            (SYSTEM, "overlay2", overlay, overlay),
            ("/usr/share/containers/storage.conf", "zfs", fallback, overlay),
            ("/usr/share/containers/storage.conf", "overlay", overlay, overlay),
            (USER, "", overlay, overlay),
            (USER, "vfs", vfs, vfs),
            (USER, "overlay", overlay, overlay),
            (USER, "zfs", Some("zfs"), Some("zfs")),
        ] {
            let conf = conf(file, driver);
            assert_eq!(conf.chosen(&Version::from([4, 3, 1])), on_4, "4.3.1, {file} {driver}");
            assert_eq!(conf.chosen(&Version::from([5, 4, 2])), on_5, "5.4.2, {file} {driver}");
        }
    }

    #[test]
    fn a_driver_in_the_environment_wins() {
        for forced in ["overlay", "vfs"] {
            let conf = Storage { forced: Some(forced.to_owned()), ..conf(USER, "zfs") };
            assert_eq!(conf.chosen(&Version::from([4, 3, 1])), Some(forced));
        }
    }

    #[test]
    fn a_priority_is_known_from_4_9_on() {
        let conf = Storage { priority: Some("vfs".to_owned()), ..conf(SYSTEM, "") };
        assert_eq!(conf.chosen(&Version::from([4, 3, 1])), None);
        assert_eq!(conf.chosen(&Version::from([4, 9, 3])), Some("vfs"));
    }

    #[test]
    fn old_podman_reads_fewer_files_and_new_podman_takes_any_driver() {
        assert_eq!(conf(SYSTEM, "overlay").chosen(&Version::from([3, 0, 1])), None);
        assert_eq!(conf(SYSTEM, "overlay").chosen(&Version::from([3, 4, 4])), Some("overlay"));
        let vendor = conf("/usr/share/containers/storage.conf", "overlay");
        assert_eq!(vendor.chosen(&Version::from([3, 4, 4])), None);
        assert_eq!(conf(SYSTEM, "zfs").chosen(&Version::from([5, 8, 6])), Some("zfs"));
    }

    #[test]
    fn a_driver_that_no_podman_has_is_named_with_its_place() {
        assert_eq!(conf(USER, "foo").unknown_driver(), Some((format!("`{USER}` (line 2)"), "foo")));
        assert_eq!(conf(USER, "zfs").unknown_driver(), None);
        assert_eq!(conf(SYSTEM, "foo").unknown_driver(), None);
    }
}
