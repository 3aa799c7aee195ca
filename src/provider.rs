//! The container engines that kind can run its nodes in, without root.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::host::{Account, Cmd, World};

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// podman, as in the guide.
    #[default]
    Podman,
    /// Docker Engine, with a daemon of the user's own.
    Docker,
    /// nerdctl on a containerd of the user's own.
    Nerdctl,
}

impl Provider {
    /// All of them, the recommended one first.
    pub const ALL: [Self; 3] = [Self::Podman, Self::Docker, Self::Nerdctl];

    /// As kind, the answers and the command line write it: `KIND_EXPERIMENTAL_PROVIDER` takes it
    /// (kind `pkg/internal/runtime/runtime.go`).
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

/// What kind reads, in the words that start it.
const WRAPPER: [&str; 7] = ["systemd-run", "--user", "--scope", "-q", "-p", "Delegate=yes", "--"];

/// A command line inside the wrapper.
pub(crate) fn in_wrapper<'w>(words: impl IntoIterator<Item = &'w str>) -> Cmd {
    Cmd::new(WRAPPER[0], WRAPPER[1..].iter().copied().chain(words))
}

/// Whether there is a user manager to ask for the wrapper's scope; without one kind is started as it is.
pub(crate) fn can_be_wrapped(world: &dyn World, user: &Account) -> bool {
    let init = world.text("/proc/1/comm").unwrap_or_default();
    init.trim() == "systemd" && world.exists(&format!("{}/bus", user.runtime_dir()))
}

/// What docker and nerdctl are asked, in kind's words (kind `pkg/cluster/internal/providers/{docker,nerdctl}/provider.go`).
pub(crate) const INFO: [&str; 3] = ["info", "--format", "{{json .}}"];

/// The address of the user's own Docker.
#[must_use]
pub(crate) fn docker_host(user: &Account) -> String {
    format!("unix://{}/docker.sock", user.runtime_dir())
}

/// No such provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no provider")]
pub struct UnknownProvider(String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(said: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|p| p.name() == said).ok_or_else(|| UnknownProvider(said.to_owned()))
    }
}
