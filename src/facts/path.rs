//! Whether a terminal of the user finds the programs in `~/.local/bin`.

use std::time::Duration;

use super::user::is_caller;
use crate::facts::Facts;
use crate::host::{Account, Cmd, System};

/// How long a login shell may take to print its PATH, in seconds: its start files may do anything.
const SHELL_SECONDS: u64 = 10;

/// Why the user's terminals do not find `~/.local/bin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathHint {
    /// The login shell does not search it; this line adds it, if the shell is a known one.
    NotInLogin(Option<&'static str>),
    /// Only terminals that are opened from now on search it.
    NotInTerminal,
    /// The login shell did not print its PATH, and this terminal does not search it.
    Unknown,
}

impl PathHint {
    /// A sentence with the fact and, if there is no [`Self::command`], what to do.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotInLogin(Some(_)) => {
                "~/.local/bin is not in your PATH. Run this command, then open a new terminal."
            }
            Self::NotInLogin(None) => {
                "~/.local/bin is not in your PATH. Add it in a start file of your shell, then open a new terminal."
            }
            Self::NotInTerminal | Self::Unknown => {
                "Open a new terminal so that ~/.local/bin is in your PATH."
            }
        }
    }

    /// The line that adds it for the user's shell.
    #[must_use]
    pub fn command(self) -> Option<&'static str> {
        match self {
            Self::NotInLogin(line) => line,
            Self::NotInTerminal | Self::Unknown => None,
        }
    }
}

/// Whether a program that the user types is in `~/.local/bin`.
#[must_use]
pub fn needs_local_bin(facts: &Facts) -> bool {
    let bin = facts.user.home.join(".local/bin");
    let programs = [&facts.tools.kind, &facts.tools.kubectl];
    facts.tools.wrapped || programs.into_iter().flatten().any(|path| path.starts_with(&bin))
}

/// The hint for a user whose terminals do not find `~/.local/bin`; `None` if they do, or if nothing there is needed.
#[must_use]
pub fn path_hint(system: &dyn System, facts: &Facts) -> Option<PathHint> {
    if !needs_local_bin(facts) {
        return None;
    }
    let user = &facts.user;
    let bin = user.home.join(".local/bin");
    let has_bin = |path: &str| path.split(':').any(|dir| dir.trim_end_matches('/') == bin);
    // PATH is meaningless for another user. sudo passes the caller's PATH (`is_carried` in `cli::session`).
    let in_terminal = !is_caller(system, user) || system.env("PATH").is_some_and(|path| has_bin(&path));
    match login_path(system, user) {
        Some(path) if !has_bin(&path) => Some(PathHint::NotInLogin(line(system, user))),
        _ if in_terminal => None,
        Some(_) => Some(PathHint::NotInTerminal),
        None => Some(PathHint::Unknown),
    }
}

/// PATH of a new terminal of WSL, which runs the user's shell as a login shell.
fn login_path(system: &dyn System, user: &Account) -> Option<String> {
    // fish joins a quoted PATH with colons (fish `doc_src/language.rst`, "PATH variables").
    let print = Cmd::new(&user.shell, ["-l", "-i", "-c", "printf '\\nPATH=%s\\n' \"$PATH\""]);
    let printed = system.stdout_if_ok(&print.as_user(user).timeout(Duration::from_secs(SHELL_SECONDS)))?;
    printed.lines().rev().find_map(|line| line.strip_prefix("PATH=")).map(ToOwned::to_owned)
}

/// The line that adds `~/.local/bin` for this shell.
fn line(system: &dyn System, user: &Account) -> Option<&'static str> {
    match user.shell.rsplit('/').next()? {
        // `fish_add_path` came with fish 3.2; Debian 11 has 3.1.
        "fish" => Some("set -U fish_user_paths ~/.local/bin $fish_user_paths"),
        "zsh" => Some("echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/.zprofile"),
        // A login bash reads the first of these alone (bash(1), INVOCATION).
        "bash" if exists(system, user, ".bash_profile") => {
            Some("echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/.bash_profile")
        }
        "bash" if exists(system, user, ".bash_login") => {
            Some("echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/.bash_login")
        }
        "bash" | "sh" | "dash" | "ksh" => Some("echo 'export PATH=\"$HOME/.local/bin:$PATH\"' >> ~/.profile"),
        _ => None,
    }
}

fn exists(system: &dyn System, user: &Account, name: &str) -> bool {
    system.exists(user.home.join(name).as_str())
}
