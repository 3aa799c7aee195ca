//! The records of the journal, one per line.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::Agreement;
use super::checksum::with_checksum;
use crate::change::{Change, ChangeKind, PostRestartCheck, RestartScope, State};
use crate::host::BootInstance;
use crate::stage::StageSelection;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Begin {
        /// [`VERSION`](super::VERSION).
        version: u32,
        /// The program that wrote it.
        tool: String,
        /// UTC.
        at: String,
        /// The user who is set up.
        user: String,
        /// The path of this program; `kind-wsl.exe rescue` starts it there if the distribution does not start
        /// anymore.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        program: Option<String>,
    },
    /// The records that follow are of a run for this user. A journal of one user has none. Programs that
    /// support one user refuse its version.
    User {
        /// [`VERSION`](super::VERSION).
        version: u32,
        /// The program that wrote it.
        tool: String,
        /// When, UTC.
        at: String,
        user: String,
    },
    /// The user also relies on a change to the machine that was made for another user.
    Relies { id: u64 },
    /// The user no longer relies on a change to the machine, which stays for other users.
    Released { id: u64 },
    /// Answers of the user, so that a resumed run does not ask again.
    Answers { answers: BTreeMap<String, String> },
    /// The options of the command line, so that a resumed run needs no flags.
    #[serde(rename = "chosen")]
    RunOptions(RunOptions),
    /// A change that is about to be made.
    Intent(Box<Intent>),
    /// The change was made, and its triggers ran.
    Done {
        id: u64,
        after: State,
        /// The boot of the machine in which it was made.
        #[serde(rename = "witness")]
        boot_instance: BootInstance,
    },
    /// It was undone, or left to the program that changed it.
    Undone { id: u64 },
    /// A restart is pending.
    Waiting {
        scope: RestartScope,
        why: Vec<String>,
        /// The checks that must pass afterwards.
        #[serde(rename = "until")]
        verify: Vec<PostRestartCheck>,
        /// The boot that must end.
        #[serde(rename = "witness")]
        boot_instance: BootInstance,
        /// Identifies this restart in the journal, in the helper's files and in the resumed run.
        #[serde(default)]
        id: String,
    },
    /// The pending restart was agreed to, and a Windows program will do it.
    #[serde(rename = "handed")]
    RestartDelegated {
        /// The directory that was created for it on the Windows side, as this distribution sees it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Utf8PathBuf>,
    },
    /// The user no longer wants Windows to do it.
    #[serde(rename = "withdrawn")]
    RestartCancelled,
    /// The restart took place and helped.
    Restarted,
    /// Every check of `verify` passed.
    Verified {
        /// UTC.
        at: String,
    },
    /// An undo ended and left something in force: packages, or other stages.
    #[serde(rename = "taken_back")]
    UndoFinished {
        /// UTC.
        at: String,
        /// Whether every stage was to be undone: setup then asks its questions again.
        whole: bool,
    },
    /// The run ended.
    Finished {
        /// UTC.
        at: String,
    },
}

impl Record {
    /// The line of the record, with its checksum and line end.
    #[must_use]
    pub fn line(&self) -> String {
        with_checksum(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// The options of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    pub selection: StageSelection,
    /// `--mirror`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// `--offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<Utf8PathBuf>,
    /// `--windows-profile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_profile: Option<Utf8PathBuf>,
    /// The plan that the user agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Agreement>,
    /// `XDG_CONFIG_HOME` of the user: a run that is resumed after a restart cannot read it from a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_home: Option<Utf8PathBuf>,
}

impl RunOptions {
    /// The options without secrets, for a file that all users can read: without the user, password and path of a
    /// mirror. A resumed run that still has to download needs the address again.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mirror = self.mirror.as_deref().map(crate::fetch::public_address);
        Self { mirror, ..self.clone() }
    }
}

/// A change that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its number in this journal.
    pub id: u64,
    /// The stage that requires it.
    pub stage: String,
    pub change: Change,
    /// The state before kind-wsl.
    pub before: State,
    /// The desired state.
    pub after: State,
    /// Directories that were created for it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirs: Vec<Utf8PathBuf>,
    /// An interrupted intent that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
}

impl Intent {
    /// Returns an invalid name that a package manager or systemctl could take for an option: an undo passes it to
    /// them as root.
    pub(super) fn odd_name(&self) -> Option<&str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+._:~^@\\-".contains(c);
        let is_odd = |name: &&str| !name.chars().all(plain) || name.is_empty() || name.starts_with('-');
        let mut names: Vec<&str> = match &self.change.kind {
            ChangeKind::Package(package) => {
                package.names.iter().chain(&package.removes).map(String::as_str).collect()
            }
            ChangeKind::Unit(unit) => vec![&unit.name],
            _ => Vec::new(),
        };
        if let State::Packages { has, .. } = &self.before {
            names.extend(has.iter().flat_map(|(name, version)| [name.as_str(), version.as_str()]));
        }
        names.into_iter().find(is_odd)
    }
}

#[cfg(test)]
mod tests {
    use super::RunOptions;

    #[test]
    fn neither_password_nor_token_of_a_mirror_is_written_down() {
        let kept = |mirror: &str| {
            RunOptions { mirror: Some(mirror.to_owned()), ..RunOptions::default() }
                .without_secrets()
                .mirror
                .unwrap()
        };
        assert_eq!(kept("https://me:pa@ss@mirror.test:8443/a@b"), "https://mirror.test:8443/…");
        assert_eq!(kept("https://mirror.test/a@b"), "https://mirror.test/…");
        assert_eq!(kept("https://me@mirror.test"), "https://mirror.test");
        // Addresses all the same.
        for mirror in [
            "https:me:pass@mirror.test/a",
            "https:\\\\me:pass@mirror.test/a",
            "ht\ttps:/me:pass@mirror.test/a",
        ] {
            assert_eq!(kept(mirror), "https://mirror.test/…");
        }
    }
}
