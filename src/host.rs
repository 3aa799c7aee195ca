//! Access to the machine: files under a root, commands, users, time.
//!
//! Everything that reads or changes the machine is here. [`System`] is the read-only half, for facts, previews and
//! changes. It has four implementations: [`LiveSystem`] (the machine), [`Recorder`] (the machine, with a record of
//! every query), [`Replay`] (another machine, from a report) and [`crate::plan::Overlay`] (any of them with planned
//! writes applied). The writing half exists only as methods of [`LiveSystem`], and only the engine calls it.

mod account;
mod cache;
mod cmd;
mod download_dir;
mod env_handoff;
mod fault;
mod fs;
mod identity;
mod interrupts;
mod locks;
mod open;
mod outputs;
mod outside;
mod pids;
mod process;
mod record;
mod start;
mod temp_dir;
mod time;
mod trusted;
mod wait;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use crate::next_step::NextStep;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

pub use account::{Account, accounts, by_name};
pub use cmd::{Cmd, Output, Runner, STATUS_FD, in_quotes, quote};
pub use download_dir::{DownloadDir, PartialFile};
pub use env_handoff::{BECOMES_ROOT, HANDOFF_PID, ancestors, forget_untrusted_files, import_env_from_parent};
pub use fault::{FaultInjector, InjectedCrash};
pub use fs::{digest, has_piped_input, hex, sha256_in, standard_input};
pub(crate) use fs::{missing_dirs, temporary};
pub use interrupts::{Interrupt, is_aborted, settle_signals, watch};
pub use locks::{Alone, Holder, Lock};
pub use outside::directory;
pub use pids::pids;
pub use process::{Process, environment, program, replace, set_umask, words};
pub use record::{Bytes, Recorder, Recording, Replay};
pub use start::{PROGRAM_ENV, PROXY_ENV, SESSION_ENV, sudo};
pub use temp_dir::{TempDir, free_space};
pub use time::{ASSUMED_WSL, BootInstance};
pub use trusted::is_roots_own;
pub use wait::{Wait, observe_waits, wait_for};
pub use write::Expected;

/// The file at a path. A link in the last component is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    pub kind: FileKind,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub len: u64,
}

/// The relevant kinds of file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    Dir,
    /// A symbolic link with its target as stored.
    Link(String),
    /// A device, socket or pipe.
    Other,
}

/// The owner of a created file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// `root:root`.
    Root,
    /// The user who is set up.
    User { uid: u32, gid: u32 },
}

/// The read-only half of the machine.
pub trait System {
    /// Returns the file at `path`, or `None` if it does not exist. A link in the last component is not followed.
    ///
    /// # Errors
    /// The path cannot be examined, for example because a directory above it is not searchable.
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError>;

    /// Returns the bytes of the regular file at `path`, or `None` if it does not exist. Links are followed inside the
    /// root.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError>;

    /// Returns the file at a resolved path, and its bytes if it is a regular file; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`System::read`].
    fn read_file(&self, path: &Utf8Path) -> Result<Option<(Stat, Vec<u8>)>, HostError> {
        let Some(stat) = self.stat(path)? else { return Ok(None) };
        if stat.kind != FileKind::File {
            return Ok(Some((stat, Vec::new())));
        }
        Ok(self.read(path)?.map(|bytes| (stat, bytes)))
    }

    /// Returns the SHA-256 of a regular file as lower-case hexadecimal digits; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`System::read`].
    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        Ok(self.read(path)?.map(|b| digest(&b)))
    }

    /// Returns the sorted names in a directory; empty if it does not exist.
    ///
    /// # Errors
    /// The directory exists but cannot be read.
    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError>;

    /// Returns the path after every link is followed, as a chroot at the root would.
    ///
    /// # Errors
    /// The links form a loop, or a directory above cannot be examined.
    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError>;

    /// Runs a command that changes nothing, and returns its output.
    ///
    /// # Errors
    /// The program cannot be started, or does not end in time. A non-zero exit code is not an error.
    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError>;

    /// Returns a variable of the caller's environment.
    fn env(&self, name: &str) -> Option<String>;

    /// Returns the numeric owner on this machine: without root, every file belongs to the caller.
    fn resolve_owner(&self, owner: Owner) -> (u32, u32);

    /// Whether a query since the last call could only be answered by the real machine, so that this system returned
    /// its best guess. Always `false` for a real machine.
    fn take_unanswered(&self) -> bool {
        false
    }

    /// Returns the sorted names of the directories in a directory, without links; empty if it does not exist.
    ///
    /// # Errors
    /// As [`System::list`].
    fn list_dirs(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let mut names = self.list(dir)?;
        names.retain(|name| matches!(self.stat(&dir.join(name)), Ok(Some(Stat { kind: FileKind::Dir, .. }))));
        Ok(names)
    }

    /// Whether a process sees a file at an absolute path, which may be in another mount namespace; `None` if that
    /// cannot be examined.
    fn exists_in_process(&self, pid: u32, path: &str) -> Option<bool> {
        Some(self.exists(&format!("/proc/{pid}/root{path}")))
    }

    /// Returns the text of a small system file. Missing and unreadable files are both `None`, and bytes that are not
    /// UTF-8 are replaced.
    fn text(&self, path: &str) -> Option<String> {
        self.read(Utf8Path::new(path)).ok().flatten().map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    /// Returns the trimmed standard output of a successful command; `None` otherwise.
    fn stdout_if_ok(&self, cmd: &Cmd) -> Option<String> {
        match self.run_readonly(cmd) {
            Ok(output) => (output.code == 0).then(|| output.stdout.trim().to_owned()),
            Err(error) => {
                self.note_unanswered(cmd, error);
                None
            }
        }
    }

    /// Records that a program could not be queried, as opposed to one that is not installed.
    fn note_unanswered(&self, _cmd: &Cmd, _error: HostError) {}

    /// Returns the standard output of a command that must succeed.
    ///
    /// # Errors
    /// As [`System::run_readonly`], and if the command fails.
    fn output_checked(&self, cmd: &Cmd) -> Result<String, HostError> {
        let Output { code, stdout, stderr } = self.run_readonly(cmd)?;
        if code == 0 {
            return Ok(stdout);
        }
        Err(HostError::Failed { command: Box::new(cmd.clone()), code, detail: fs::last_kib(&stderr) })
    }

    /// Whether a file exists at `path`, after links are followed.
    fn exists(&self, path: &str) -> bool {
        let path = Utf8Path::new(path);
        self.resolve(path).and_then(|p| self.stat(&p)).ok().flatten().is_some()
    }
}

/// The machine: a root directory, a command runner, the caller's environment.
pub struct LiveSystem {
    root: Utf8PathBuf,
    top: Arc<walk::Root>,
    runner: Box<dyn Runner>,
    env: BTreeMap<String, String>,
    uid: u32,
    gid: u32,
    fault: FaultInjector,
    cache: cache::FileCache,
    user_paths: RefCell<identity::UserPaths>,
    unanswered: RefCell<Option<HostError>>,
    /// Whether this run holds the lock against other distributions.
    is_alone: Rc<Cell<bool>>,
}

impl std::fmt::Debug for LiveSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("root", &self.root).field("uid", &self.uid).finish_non_exhaustive()
    }
}

/// Why an access to the machine failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file operation that the kernel refused.
    #[error("cannot {action} `{path}`")]
    File {
        /// The verb: read, write, rename …
        action: &'static str,
        /// The path for the user, without the root.
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    /// A program that could not be started.
    #[error("cannot run `{command}`")]
    Start { command: String, source: std::io::Error },
    /// A program that did not end in time.
    #[error("`{}` did not end within {seconds} s", shortened(.command))]
    TimedOut {
        command: String,
        /// The time limit, in seconds.
        seconds: u64,
    },
    /// A program that had to succeed but failed.
    #[error("`{command}` ended with exit code {code}{}", tail(.detail))]
    Failed {
        command: Box<Cmd>,
        code: i32,
        /// The end of its standard error, at most 1 KiB.
        detail: String,
    },
    /// Links that form a loop.
    #[error("`{0}` is a loop of symbolic links")]
    Loop(Utf8PathBuf),
    /// A query that the replayed recording does not contain.
    #[error("the report does not contain `{0}` of that machine")]
    NotRecorded(String),
    /// Another program wrote between a read and a write.
    #[error("`{0}` was changed by another program at the same time")]
    ConcurrentModification(Utf8PathBuf),
    /// Another distribution of the same Windows account does not finish its write.
    #[error("cannot change `{0}`: another distribution has been changing files beside it for 60 s")]
    Busy(Utf8PathBuf),
}

/// The first words of a long command; the hint has the whole one.
fn shortened(command: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut short = String::new();
    for word in command.split_inclusive(' ') {
        if !short.is_empty() && short.chars().count() + word.chars().count() > MAX_CHARS {
            return short + "…";
        }
        short.push_str(word);
    }
    short
}

fn tail(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

impl HostError {
    /// Whether a component of the path does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::File { source, .. } if fs::is_absent(source))
    }

    /// The kernel's error alone.
    #[must_use]
    pub fn into_source(self) -> std::io::Error {
        match self {
            Self::File { source, .. } | Self::Start { source, .. } => source,
            other => std::io::Error::other(other.to_string()),
        }
    }

    /// Whether the state changed since the decision, which has to be made again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::ConcurrentModification(_))
    }

    /// Whether a program is installed, according to this error, but could not be queried.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            // A program for another architecture counts as not installed.
            Self::Start { source, .. } => {
                source.kind() != std::io::ErrorKind::NotFound
                    && source.raw_os_error() != Some(nix::libc::ENOEXEC)
            }
            _ => false,
        }
    }

    #[must_use]
    pub fn hint(&self) -> Option<NextStep> {
        use std::io::ErrorKind as K;
        let above = |path: &Utf8Path| path.parent().unwrap_or(path).to_owned();
        let (path, source) = match self {
            Self::File { path, source, .. } => (path, source),
            Self::Loop(path) => {
                return Some(NextStep::Do(format!("`namei -l {path}` shows the links; remove one of them")));
            }
            Self::TimedOut { command, .. } => {
                return Some(NextStep::ThenRerun(format!(
                    "run `{command}` yourself to see why it does not end (`systemctl list-jobs` shows pending jobs)"
                )));
            }
            Self::ConcurrentModification(path) => {
                return Some(NextStep::ThenRerun(format!("check the present content of `{path}`")));
            }
            Self::Busy(path) => {
                return Some(NextStep::Do(format!(
                    "wait until kind-wsl has ended in the other distribution; if it is not running, remove `{}`",
                    above(path).join(".kind-wsl.lock")
                )));
            }
            Self::Failed { command, .. } if command.program == "apt-get" => {
                let hint =
                    "`sudo apt-get update` and `sudo apt-get check` show the problem with the packages";
                return Some(NextStep::Do(hint.to_owned()));
            }
            _ => return None,
        };
        Some(match source.kind() {
            K::ReadOnlyFilesystem => NextStep::Do(format!(
                "the file system is mounted read-only (`findmnt -T {}` shows it). WSL does so after disk errors: run `wsl --shutdown` in Windows. If it stays read-only, check the disk with e2fsck",
                above(path)
            )),
            K::StorageFull | K::QuotaExceeded => NextStep::ThenRerun(format!(
                "free some space (`df -h {}` shows how much there is)",
                above(path)
            )),
            K::NotADirectory => NextStep::ThenRerun(format!(
                "a directory is required: move the file away (`mv {path} {path}.old`)"
            )),
            K::IsADirectory => NextStep::ThenRerun(format!(
                "a file is required: move the directory away (`mv {path} {path}.old`)"
            )),
            K::PermissionDenied if source.raw_os_error() == Some(nix::libc::EPERM) => NextStep::Do(format!(
                "`{path}` may be immutable: `lsattr {path}` then shows an `i`, and `sudo chattr -i {path}` removes it"
            )),
            K::InvalidInput => NextStep::ThenRerun(format!(
                "a regular file is required: `ls -ld {path}` shows the present one; move it away (`mv {path} {path}.old`)"
            )),
            K::FileTooLarge => NextStep::ThenRerun(format!(
                "`ls -ls {path}` shows its size; move it away (`mv {path} {path}.old`)"
            )),
            K::PermissionDenied => NextStep::Do(format!("`ls -ld {path}` shows its owner and mode")),
            _ if source.raw_os_error() == Some(nix::libc::EIO) => NextStep::Do(format!(
                "the disk below `{}` fails: `dmesg | tail` shows the kernel's messages; fix the disk, then run the same command again",
                above(path)
            )),
            _ => return None,
        })
    }
}
