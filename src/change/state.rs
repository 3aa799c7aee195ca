//! The words in which changes speak: what they are about, what they found and aim at, what has to follow.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::PostRestartCheck;
use crate::host::{BootInstance, Cmd, System};

/// What a change is about: the line in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The verb and the noun: "edit /etc/wsl.conf", "install packages".
    pub verb: String,
    pub object: String,
    /// What of it: a key and its value, a list of names.
    pub detail: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.object)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// What a change found, or aims at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    Absent,
    File(FileState),
    /// An entry and the file that holds it.
    Entry {
        /// The file; `None` where there is none.
        file: Option<FileState>,
        /// The entry's value as its editor shows it; `None` if it is not set.
        value: Option<String>,
    },
    Link {
        /// Where it leads, as stored.
        to: String,
    },
    /// A file that is renamed to make room.
    Place {
        /// Where it is; `None` if it is in neither place.
        at: Option<Utf8PathBuf>,
        /// Whether something else is in its own place meanwhile.
        is_taken: bool,
    },
    Packages {
        /// The wanted ones that are installed, with their versions.
        has: BTreeMap<String, String>,
        /// The names of all that are installed: what an undo may take out is the difference.
        all: Vec<String>,
    },
    Unit {
        /// Whether systemd starts it at boot.
        enabled: bool,
    },
    #[serde(rename = "text")]
    CommandOutput {
        /// The trimmed standard output; `None` if the command failed.
        value: Option<String>,
    },
    #[serde(rename = "restarted")]
    Restart {
        /// Descriptions of the checks that fail.
        #[serde(rename = "unmet")]
        failed_checks: Vec<String>,
    },
}

/// The description in error messages.
impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, what: &str, items: Vec<String>| match &items[..] {
            [] => write!(f, "{what} nothing"),
            _ => write!(f, "{what} {}", items.join(", ")),
        };
        match self {
            Self::Absent => f.write_str("nothing is there"),
            Self::File(file) => {
                write!(f, "mode {:o}, owner {}:{}, sha256 {}", file.mode, file.uid, file.gid, file.sha256)
            }
            Self::Entry { value: Some(value), .. } | Self::CommandOutput { value: Some(value) } => {
                write!(f, "it is {value}")
            }
            Self::Entry { value: None, .. } => f.write_str("it is not set"),
            Self::CommandOutput { value: None } => f.write_str("it can not be read"),
            Self::Link { to } => write!(f, "it leads to {to}"),
            Self::Place { at: Some(at), .. } => write!(f, "it is at {at}"),
            Self::Place { at: None, .. } => f.write_str("it does not exist"),
            Self::Packages { has, .. } => list(f, "installed is", has.keys().cloned().collect()),
            Self::Unit { enabled } => {
                f.write_str(if *enabled { "it is enabled" } else { "it is not enabled" })
            }
            Self::Restart { failed_checks } => list(f, "missing is", failed_checks.clone()),
        }
    }
}

/// A regular file, as far as we put it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Where it really is, once links are followed.
    pub path: Utf8PathBuf,
    /// SHA-256 of its bytes; also the name under which they are saved.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// What has to follow a change for it to take effect without a restart; in both directions, once a batch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// systemd reads its unit files again.
    DaemonReload,
    /// The modules of `/etc/modules-load.d` are loaded.
    LoadModules,
}

impl Trigger {
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::DaemonReload => "systemctl daemon-reload",
            Self::LoadModules => "load the modules now",
        }
    }

    /// The command; `None` if systemd does not run.
    #[must_use]
    pub fn command(&self, system: &dyn System) -> Option<Cmd> {
        let booted = system.exists("/run/systemd/system");
        match self {
            Self::DaemonReload => booted.then(|| Cmd::parse("systemctl daemon-reload")),
            // Fails as a whole where one module fails, after loading the others (systemd-modules-load.service(8)).
            Self::LoadModules => booted.then(|| Cmd::parse("systemctl restart systemd-modules-load.service")),
        }
    }
}

/// How much has to be started again for a change to count, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartScope {
    /// This distribution (`wsl --terminate`): wsl.conf, fstab, delegation to the user manager.
    Distro,
    /// The virtual machine of all distributions (`wsl --shutdown`): `.wslconfig`, the kernel.
    Vm,
    /// A machine that is not WSL.
    Machine,
}

impl RestartScope {
    /// The scope on the Windows side; `None` for a machine that is not WSL.
    #[must_use]
    pub fn of_wsl(self) -> Option<kind_wsl_windows::request::Scope> {
        use kind_wsl_windows::request::Scope as Wsl;
        match self {
            Self::Distro => Some(Wsl::Distro),
            Self::Vm => Some(Wsl::Vm),
            Self::Machine => None,
        }
    }

    /// Returns whether this much was restarted between `since` and `now`.
    ///
    /// `wsl --terminate` gives the distribution a new PID 1 and keeps the virtual machine, and with it the kernel, its boot
    /// ID and what WSL read from `.wslconfig` (WSL `LxssUserSession.cpp`, `_TerminateInstance`). So only a new boot ID
    /// proves a restart of the virtual machine or the host.
    #[must_use]
    pub fn was_restarted(self, since: &BootInstance, now: &BootInstance) -> bool {
        match self {
            Self::Distro => now != since,
            Self::Vm | Self::Machine => !now.boot_id.is_empty() && now.boot_id != since.boot_id,
        }
    }
}

/// A restart that a change waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRequirement {
    /// How much has to be started again.
    pub scope: RestartScope,
    /// How to verify, after the restart, that the setting took effect; `None` if that cannot be observed.
    #[serde(rename = "until", default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<PostRestartCheck>,
}

impl RestartRequirement {
    /// Counts after the next start of the distribution.
    #[must_use]
    pub fn distro(verify: Option<PostRestartCheck>) -> Self {
        Self { scope: RestartScope::Distro, verify }
    }

    /// Counts after the next start of the virtual machine.
    #[must_use]
    pub fn vm(verify: Option<PostRestartCheck>) -> Self {
        Self { scope: RestartScope::Vm, verify }
    }
}

/// The goal of a change: a state, and where it is a file the exact bytes, known before anything is written.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The state to reach.
    pub state: State,
    /// The resolved path and the bytes, where the change makes a file whose bytes are at hand.
    pub bytes: Option<(Utf8PathBuf, Vec<u8>)>,
}

/// What a change reports while it is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A line that a command printed.
    Line(String),
    /// Bytes of a download: so far, and in all where that is known.
    Bytes(u64, Option<u64>),
    /// Percent done, and of what.
    Percent(f32, String),
    /// Waits for the program named here.
    Waiting(String),
    /// Information that is not an error.
    Note(String),
}
