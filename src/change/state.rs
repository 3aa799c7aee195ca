//! The vocabulary of changes: targets, states, triggers and restart requirements.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::PostRestartCheck;
use crate::host::{BootInstance, Cmd, System};

/// The object of a change: a line of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The verb and the noun: "edit /etc/wsl.conf", "install packages".
    pub verb: String,
    pub object: String,
    /// The details: a key and its value, or a list of names.
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

/// The state that a change observes or desires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    Absent,
    File(FileState),
    /// An entry and the file that contains it.
    Entry {
        /// The file; `None` if it does not exist.
        file: Option<FileState>,
        /// The entry's value as its editor shows it; `None` if it is not set.
        value: Option<String>,
    },
    Link {
        /// The target, as stored.
        to: String,
    },
    /// A file that is renamed to make room.
    Place {
        /// The present path; `None` if it is at neither path.
        at: Option<Utf8PathBuf>,
        /// Whether something else is at its original path.
        is_taken: bool,
    },
    Packages {
        /// The requested packages that are installed, with their versions.
        has: BTreeMap<String, String>,
        /// The names of all installed packages; an undo removes at most the difference.
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
            Self::Absent | Self::Place { at: None, .. } => f.write_str("it does not exist"),
            Self::File(file) => {
                write!(f, "mode {:o}, owner {}:{}, sha256 {}", file.mode, file.uid, file.gid, file.sha256)
            }
            Self::Entry { value: Some(value), .. } | Self::CommandOutput { value: Some(value) } => {
                write!(f, "it is {value}")
            }
            Self::Entry { value: None, .. } => f.write_str("it is not set"),
            Self::CommandOutput { value: None } => f.write_str("it cannot be read"),
            Self::Link { to } => write!(f, "it links to {to}"),
            Self::Place { at: Some(at), .. } => write!(f, "it is at {at}"),
            Self::Packages { has, .. } => list(f, "installed:", has.keys().cloned().collect()),
            Self::Unit { enabled } => {
                f.write_str(if *enabled { "it is enabled" } else { "it is not enabled" })
            }
            Self::Restart { failed_checks } => list(f, "missing:", failed_checks.clone()),
        }
    }
}

/// A regular file, with the properties that an undo restores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// The path after links are followed.
    pub path: Utf8PathBuf,
    /// SHA-256 of its bytes; also the name under which the bytes are saved.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A command that makes a change take effect without a restart. It runs once a batch, after changes and after undos.
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

    /// The command; `None` if systemd is not running.
    #[must_use]
    pub fn command(&self, system: &dyn System) -> Option<Cmd> {
        let booted = system.exists("/run/systemd/system");
        match self {
            Self::DaemonReload => booted.then(|| Cmd::parse("systemctl daemon-reload")),
            // If one module fails, the unit fails after loading the others (systemd-modules-load.service(8)).
            Self::LoadModules => booted.then(|| Cmd::parse("systemctl restart systemd-modules-load.service")),
        }
    }
}

/// The extent of the restart that a change requires, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartScope {
    /// This distribution (`wsl --terminate`): wsl.conf, fstab, delegation to the systemd user manager.
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

/// A restart that a change requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRequirement {
    pub scope: RestartScope,
    /// How to verify, after the restart, that the setting took effect; `None` if that cannot be observed.
    #[serde(rename = "until", default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<PostRestartCheck>,
}

impl RestartRequirement {
    /// Takes effect after the next start of the distribution.
    #[must_use]
    pub fn distro(verify: Option<PostRestartCheck>) -> Self {
        Self { scope: RestartScope::Distro, verify }
    }

    /// Takes effect after the next start of the virtual machine.
    #[must_use]
    pub fn vm(verify: Option<PostRestartCheck>) -> Self {
        Self { scope: RestartScope::Vm, verify }
    }
}

/// The desired result of a change: a state and, for a file, the exact bytes, known before anything is written.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The state to reach.
    pub state: State,
    /// The resolved path and the bytes, if the change writes a file whose bytes are available.
    pub bytes: Option<(Utf8PathBuf, Vec<u8>)>,
}

/// The progress of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A line that a command printed.
    Line(String),
    /// Bytes of a download: so far, and in total if that is known.
    Bytes(u64, Option<u64>),
    /// Percent done, and the current step.
    Percent(f32, String),
    /// Waiting for this program.
    Waiting(String),
    /// Information that is not an error.
    Note(String),
}
