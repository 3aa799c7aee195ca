//! The user that a setup is for.

use crate::host::{Account, FileKind, System, accounts, by_name};

/// Why no user can be set up.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserError {
    #[error("cannot set up for root: rootless containers need a regular user")]
    Root {
        /// A regular account of this machine.
        instead: Option<String>,
    },
    #[error("user `{name}` does not exist")]
    Unknown {
        /// The given name.
        name: String,
        /// An account with a similar name.
        near: Option<String>,
    },
    #[error("`{home}`, the home of `{name}`, is not a directory")]
    Homeless {
        name: String,
        /// The home directory in `/etc/passwd`.
        home: String,
    },
}

impl UserError {
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Root { instead: Some(name) } => format!("specify the user: `kind-wsl setup --user {name}`"),
            Self::Root { instead: None } => {
                "create one with `adduser NAME`, then run `kind-wsl setup --user NAME`".to_owned()
            }
            Self::Unknown { near: Some(near), .. } => format!("did you mean `--user {near}`?"),
            Self::Unknown { near: None, .. } => "`getent passwd` lists the users".to_owned(),
            Self::Homeless { name, home } => {
                format!(
                    "create it: `sudo install -d -o {name} -g {name} {home}`, or correct it with `sudo usermod -d`"
                )
            }
        }
    }
}

/// Finds the user: the given one, the one who ran sudo, or the caller.
///
/// # Errors
/// The user does not exist, or has no home directory.
pub fn find(system: &dyn System, named: Option<&str>, caller: u32) -> Result<Account, UserError> {
    let sudo = system.env("SUDO_USER").filter(|_| caller == 0);
    let name = named.map(ToOwned::to_owned).or(sudo).unwrap_or_else(|| caller.to_string());
    let Some(account) = by_name(system, &name) else {
        let all = accounts(system);
        let names = all.iter().filter(is_ordinary).map(|a| a.name.as_str());
        return Err(UserError::Unknown { near: crate::suggest::did_you_mean(&name, names), name });
    };
    // root is refused later, with a more precise reason.
    let home = system.resolve(&account.home).and_then(|real| system.stat(&real)).ok().flatten();
    if account.uid != 0 && home.is_none_or(|stat| stat.kind != FileKind::Dir) {
        return Err(UserError::Homeless { name: account.name, home: account.home.to_string() });
    }
    Ok(account)
}

/// Whether the caller is this user, or used sudo.
pub(crate) fn is_caller(system: &dyn System, user: &Account) -> bool {
    ["SUDO_USER", "USER"].iter().find_map(|name| system.env(name)).is_none_or(|name| name == user.name)
}

/// Refuses root, whose containers would not be rootless.
///
/// # Errors
/// [`UserError::Root`].
pub fn refuse_root(system: &dyn System, account: &Account) -> Result<(), UserError> {
    if account.uid != 0 {
        return Ok(());
    }
    Err(UserError::Root { instead: accounts(system).iter().find(is_ordinary).map(|a| a.name.clone()) })
}

/// The range of regular accounts (login.defs(5), `UID_MIN` and `UID_MAX`).
#[allow(clippy::trivially_copy_pass_by_ref, reason = "a predicate of Iterator::filter")]
fn is_ordinary(account: &&Account) -> bool {
    (1000..60000).contains(&account.uid)
}
