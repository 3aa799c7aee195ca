//! The user that a setup is for.

use crate::host::{Account, FileKind, System, accounts, by_name};

/// Why there is nobody to set up a cluster for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserError {
    #[error("cannot set up for root: rootless containers need a regular user")]
    Root {
        /// An ordinary account of this machine.
        instead: Option<String>,
    },
    #[error("there is no user `{name}` on this machine")]
    Unknown {
        /// The name as given.
        name: String,
        /// An account with a similar name.
        near: Option<String>,
    },
    #[error("`{home}`, the home of `{name}`, is no directory")]
    Homeless {
        name: String,
        /// Their home in `/etc/passwd`.
        home: String,
    },
}

impl UserError {
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Root { instead: Some(name) } => format!("name the user: `kind-wsl setup --user {name}`"),
            Self::Root { instead: None } => {
                "make one with `adduser NAME`, then run `kind-wsl setup --user NAME`".to_owned()
            }
            Self::Unknown { near: Some(near), .. } => format!("did you mean `--user {near}`?"),
            Self::Unknown { near: None, .. } => "`getent passwd` lists the users".to_owned(),
            Self::Homeless { name, home } => {
                format!(
                    "make it: `sudo install -d -o {name} -g {name} {home}`, or correct it with `sudo usermod -d`"
                )
            }
        }
    }
}

/// Finds the user: the one that was named, the one who called sudo, or the caller.
///
/// # Errors
/// When that is nobody, or someone without a home.
pub fn find(system: &dyn System, named: Option<&str>, caller: u32) -> Result<Account, UserError> {
    let sudo = system.env("SUDO_USER").filter(|_| caller == 0);
    let name = named.map(ToOwned::to_owned).or(sudo).unwrap_or_else(|| caller.to_string());
    let Some(account) = by_name(system, &name) else {
        let all = accounts(system);
        let names = all.iter().filter(is_ordinary).map(|a| a.name.as_str());
        return Err(UserError::Unknown { near: crate::suggest::did_you_mean(&name, names), name });
    };
    // root is refused where it matters, for a better reason.
    let home = system.resolve(&account.home).and_then(|real| system.stat(&real)).ok().flatten();
    if account.uid != 0 && home.is_none_or(|stat| stat.kind != FileKind::Dir) {
        return Err(UserError::Homeless { name: account.name, home: account.home.to_string() });
    }
    Ok(account)
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

/// The range of people's accounts (login.defs(5), `UID_MIN` and `UID_MAX`).
#[allow(clippy::trivially_copy_pass_by_ref, reason = "a predicate of Iterator::filter")]
fn is_ordinary(account: &&Account) -> bool {
    (1000..60000).contains(&account.uid)
}
