//! User accounts, from the passwd file of the machine that is set up, which can differ from the running system.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::System;

/// One line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    /// Numeric primary group id.
    pub gid: u32,
    pub home: Utf8PathBuf,
    pub shell: String,
    /// `XDG_CONFIG_HOME` of the user's shell, if it is not `~/.config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_home: Option<Utf8PathBuf>,
}

impl Account {
    /// The configuration directory of the user (XDG Base Directory Specification).
    #[must_use]
    pub fn config_dir(&self) -> Utf8PathBuf {
        self.config_home.clone().unwrap_or_else(|| self.home.join(".config"))
    }

    /// The same account with this value of `XDG_CONFIG_HOME`. A relative path is ignored, as the specification
    /// requires.
    #[must_use]
    pub fn with_config_home(mut self, value: Option<Utf8PathBuf>) -> Self {
        self.config_home = value.filter(|dir| dir.is_absolute() && *dir != self.home.join(".config"));
        self
    }

    /// `/run/user/UID`, the directory of the user's sockets (`pam_systemd(8)`).
    #[must_use]
    pub fn runtime_dir(&self) -> String {
        format!("/run/user/{}", self.uid)
    }

    /// The environment of a login of this user, as far as podman and systemctl use it.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let run = self.runtime_dir();
        let config = self.config_home.iter().map(|dir| ("XDG_CONFIG_HOME", dir.to_string()));
        let login = [
            ("HOME", self.home.to_string()),
            ("USER", self.name.clone()),
            ("LOGNAME", self.name.clone()),
            ("SHELL", self.shell.clone()),
            ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={run}/bus")),
            ("XDG_RUNTIME_DIR", run),
        ];
        login.into_iter().chain(config).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let _password = fields.next()?;
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let _comment = fields.next()?;
        let home = Utf8PathBuf::from(fields.next()?);
        let shell = fields.next().unwrap_or("/bin/sh").to_owned();
        Some(Self { name, uid, gid, home, shell, config_home: None })
    }
}

/// Every account of the machine, in the file's order. Accounts of other name services (LDAP, systemd-homed) are
/// queried by [`by_name`] through `getent`.
#[must_use]
pub fn accounts(system: &dyn System) -> Vec<Account> {
    system.text("/etc/passwd").unwrap_or_default().lines().filter_map(Account::parse).collect()
}

/// The account with that name or number.
#[must_use]
pub fn by_name(system: &dyn System, name: &str) -> Option<Account> {
    let wanted = |a: &Account| a.name == name || name.parse().is_ok_and(|uid: u32| uid == a.uid);
    accounts(system).into_iter().find(wanted).or_else(|| {
        // getent would take the first for an option; the others are invalid in every name service.
        if name.is_empty() || name.starts_with('-') || name.contains(|c: char| c == ':' || c.is_control()) {
            return None;
        }
        let line = system.stdout_if_ok(&super::Cmd::new("getent", ["passwd", name]))?;
        Account::parse(&line)
    })
}
