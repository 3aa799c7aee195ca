//! The container engines that kind can run its nodes in, without root.

use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use crate::host::{Account, Cmd, FileKind, System};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    #[default]
    Podman,
    /// Rootless Docker Engine.
    Docker,
    /// Rootless nerdctl with containerd.
    Nerdctl,
}

impl Provider {
    /// The question that chooses one: its flag is `--provider`.
    pub const QUESTION: &str = "provider";

    /// All of them, the recommended one first.
    pub const ALL: [Self; 3] = [Self::Podman, Self::Docker, Self::Nerdctl];

    /// The name for kind, in answers and on the command line: a value of `KIND_EXPERIMENTAL_PROVIDER` (kind
    /// `pkg/internal/runtime/runtime.go`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::Nerdctl => "nerdctl",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The command that kind's documentation starts kind with.
const WRAPPER: [&str; 7] = ["systemd-run", "--user", "--scope", "-q", "-p", "Delegate=yes", "--"];

/// A shell variable that leads away from the session of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Correction {
    /// `XDG_RUNTIME_DIR` or `DBUS_SESSION_BUS_ADDRESS`.
    pub(crate) name: &'static str,
    /// The variable, its value in the shell, and what is wrong with it.
    pub(crate) fault: String,
    pub(crate) right: String,
}

/// Returns the faults in the shell's path to the systemd user manager: `XDG_RUNTIME_DIR` is another user's or
/// `WSLg`'s, or the bus is another one. Empty if `/run/user/UID` is not the user's, because then no correction is
/// possible.
pub(crate) fn corrections(system: &dyn System, user: &Account) -> Vec<Correction> {
    let run = user.runtime_dir();
    if !is_session_of(system, user) {
        return Vec::new();
    }
    let real = |path: &str| system.resolve(Utf8Path::new(path)).unwrap_or_else(|_| path.into());
    let value = |name: &str| system.env(name).filter(|value| !value.is_empty());
    let mut wrong = Vec::new();
    if let Some(dir) = value("XDG_RUNTIME_DIR").filter(|dir| real(dir) != real(&run)) {
        let why = match system.stat(&real(&dir)) {
            Ok(Some(stat)) if stat.kind != FileKind::Dir => "is not a directory",
            Ok(Some(stat)) if stat.uid != user.uid => "belongs to another user",
            Ok(Some(_)) => "is not the directory of the systemd user manager",
            _ => "does not exist",
        };
        wrong.push(Correction {
            name: "XDG_RUNTIME_DIR",
            fault: format!("XDG_RUNTIME_DIR={dir} {why}"),
            right: run.clone(),
        });
    }
    let bus = format!("{run}/bus");
    // The first address of a list, without its guid (D-Bus Specification, "Server Addresses").
    let is_bus = |address: &str| {
        let first = address.split([';', ',']).next().and_then(|a| a.strip_prefix("unix:path="));
        first.is_some_and(|path| real(path) == real(&bus))
    };
    if let Some(address) = value("DBUS_SESSION_BUS_ADDRESS").filter(|a| system.exists(&bus) && !is_bus(a)) {
        wrong.push(Correction {
            name: "DBUS_SESSION_BUS_ADDRESS",
            fault: format!("DBUS_SESSION_BUS_ADDRESS={address} is not the user's session bus"),
            right: format!("unix:path={bus}"),
        });
    }
    wrong
}

/// Whether a variable leads to the session of the user.
pub(crate) fn is_session_variable(name: &str) -> bool {
    name == "XDG_RUNTIME_DIR" || name == "DBUS_SESSION_BUS_ADDRESS"
}

/// Whether `/run/user/UID` exists and is the user's.
pub(crate) fn is_session_of(system: &dyn System, user: &Account) -> bool {
    let run = system.resolve(Utf8Path::new(&user.runtime_dir()));
    let stat = run.and_then(|run| system.stat(&run)).ok().flatten();
    stat.is_some_and(|stat| stat.kind == FileKind::Dir && stat.uid == user.uid)
}

/// A command line inside the wrapper.
pub(crate) fn in_wrapper<'w>(words: impl IntoIterator<Item = &'w str>) -> Cmd {
    Cmd::new(WRAPPER[0], WRAPPER[1..].iter().copied().chain(words))
}

/// Whether a systemd user manager can create the wrapper's scope. Without one, kind is started directly.
pub(crate) fn can_be_wrapped(system: &dyn System, user: &Account) -> bool {
    let init = system.text("/proc/1/comm").unwrap_or_default();
    init.trim() == "systemd" && system.exists(&format!("{}/bus", user.runtime_dir()))
}

/// A command in the wrapper, or without it if no systemd user manager can create its scope. With the cgroupfs manager,
/// podman can start and enter containers only from a delegated cgroup.
pub(crate) fn delegated(system: &dyn System, user: &Account, words: &[&str]) -> Cmd {
    if can_be_wrapped(system, user) {
        in_wrapper(words.iter().copied())
    } else {
        Cmd::new(words[0], words[1..].iter().copied())
    }
}

/// A command of the provider with the address of rootless Docker, unless the caller's environment has another one.
pub(crate) fn with_docker_host(cmd: Cmd, system: &dyn System, user: &Account, provider: Provider) -> Cmd {
    let is_unset = system.env("DOCKER_HOST").is_none_or(|host| host.is_empty());
    if provider == Provider::Docker && is_unset {
        cmd.with_env("DOCKER_HOST", &docker_host(user))
    } else {
        cmd
    }
}

/// The query for docker and nerdctl, as in kind (`pkg/cluster/internal/providers/{docker,nerdctl}/provider.go`).
pub(crate) const INFO: [&str; 3] = ["info", "--format", "{{json .}}"];

/// The address of rootless Docker.
#[must_use]
pub(crate) fn docker_host(user: &Account) -> String {
    format!("unix://{}/docker.sock", user.runtime_dir())
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider `{0}`")]
pub struct UnknownProvider(String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| UnknownProvider(name.to_owned()))
    }
}

/// The path with the directories of iptables and nsenter, which a user's shell on Debian lacks and nerdctl needs.
pub(crate) fn with_sbin(path: &str) -> String {
    let missing = ["/usr/sbin", "/sbin"].into_iter().filter(|dir| !path.split(':').any(|p| p == *dir));
    std::iter::once(path).chain(missing).filter(|p| !p.is_empty()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::with_sbin;

    #[test]
    fn a_directory_that_is_in_the_path_is_not_added_again() {
        assert_eq!(with_sbin("/usr/bin:/bin"), "/usr/bin:/bin:/usr/sbin:/sbin");
        assert_eq!(with_sbin("/usr/sbin:/sbin"), "/usr/sbin:/sbin");
    }
}
