//! The container engines that kind can run its nodes in, without root.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::stage::Answers;

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

    /// The one that was chosen; podman where nobody was asked.
    #[must_use]
    pub fn of(answers: &Answers) -> Self {
        answers.parse("provider").unwrap_or_default()
    }

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
