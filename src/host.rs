//! The outside world: files under a root, commands, users, time.
//!
//! Everything that reads or changes the machine goes through here. [`System`] is the reading half: it is what
//! facts, previews and changes look at, and it has four forms: [`LiveSystem`] (the machine), [`Recorder`] (the
//! machine, writing down what was asked), [`Replay`] (someone else's machine, from a report) and
//! [`crate::plan::Overlay`] (any of them with planned writes laid over it). The writing half exists once, as
//! methods of [`LiveSystem`], and only the engine calls it.

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
pub use process::{Process, environment, program, replace, set_umask, words};
pub use record::{Bytes, Recorder, Recording, Replay};
pub use start::{PROGRAM_ENV, PROXY_ENV, SESSION_ENV, sudo};
pub use temp_dir::TempDir;
pub use time::{ASSUMED_WSL, BootInstance};
pub use trusted::is_roots_own;
pub use wait::{Wait, observe_waits, wait_for};
pub use write::Expected;

/// What is at a path, without following a link in its last component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// File, directory, link or something else.
    pub kind: FileKind,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub len: u64,
}

/// The kinds of file that matter to an installer.
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

/// Who shall own a file that a change makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// `root:root`.
    Root,
    /// The person whose cluster this is.
    User { uid: u32, gid: u32 },
}

/// The reading half of the outside world.
pub trait System {
    /// What is at `path`; `None` where nothing is. A link in the last component is not followed.
    ///
    /// # Errors
    /// When the path can not be examined, for example because a directory above it is not searchable.
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError>;

    /// The bytes of the regular file at `path`, links followed inside the root; `None` where nothing is.
    ///
    /// # Errors
    /// When something is there but can not be read.
    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError>;

    /// What is at a resolved path, and its bytes if it is a regular file; `None` if nothing is there.
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

    /// The SHA-256 of a regular file as lower-case hexadecimal digits; `None` where nothing is.
    ///
    /// # Errors
    /// As [`System::read`].
    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        Ok(self.read(path)?.map(|b| digest(&b)))
    }

    /// The sorted names in a directory; empty where there is no directory.
    ///
    /// # Errors
    /// When the directory exists but can not be read.
    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError>;

    /// The path that `path` stands for once every link is followed, as a chroot at the root would.
    ///
    /// # Errors
    /// When the links form a loop or a directory above can not be examined.
    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError>;

    /// Runs a command that changes nothing and answers what it printed.
    ///
    /// # Errors
    /// When the program can not be started or does not end in time. A non-zero exit is no error.
    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError>;

    /// A variable of the environment in which the user started us.
    fn env(&self, name: &str) -> Option<String>;

    /// The numeric owner that `owner` comes to on this machine: without root everything is the caller's.
    fn resolve_owner(&self, owner: Owner) -> (u32, u32);

    /// Whether something was asked since the last call that only the real machine could answer: this system then gave the
    /// best answer that it has. Never on a real machine.
    fn take_unanswered(&self) -> bool {
        false
    }

    /// The sorted names of the directories in a directory, links left out; empty if there is no directory.
    ///
    /// # Errors
    /// As [`System::list`].
    fn list_dirs(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let mut names = self.list(dir)?;
        names.retain(|name| matches!(self.stat(&dir.join(name)), Ok(Some(Stat { kind: FileKind::Dir, .. }))));
        Ok(names)
    }

    /// Whether a process sees something at an absolute path, which may be in another mount namespace; `None` if that
    /// cannot be examined.
    fn exists_in_process(&self, pid: u32, path: &str) -> Option<bool> {
        Some(self.exists(&format!("/proc/{pid}/root{path}")))
    }

    /// The text of a file, for readers of small system files: absent and unreadable are both `None`,
    /// bytes that are not UTF-8 are replaced.
    fn text(&self, path: &str) -> Option<String> {
        self.read(Utf8Path::new(path)).ok().flatten().map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    /// The standard output of a command that ended well, trimmed; `None` otherwise.
    fn stdout_if_ok(&self, cmd: &Cmd) -> Option<String> {
        match self.run_readonly(cmd) {
            Ok(output) => (output.code == 0).then(|| output.stdout.trim().to_owned()),
            Err(error) => {
                self.note_unanswered(cmd, error);
                None
            }
        }
    }

    /// Notes that a program could not be asked, which is another thing than a program that is not installed.
    fn note_unanswered(&self, _cmd: &Cmd, _error: HostError) {}

    /// The standard output of a command that has to end well.
    ///
    /// # Errors
    /// As [`System::run_readonly`], and where it ends badly.
    fn output_checked(&self, cmd: &Cmd) -> Result<String, HostError> {
        let Output { code, stdout, stderr } = self.run_readonly(cmd)?;
        if code == 0 {
            return Ok(stdout);
        }
        Err(HostError::Failed { command: Box::new(cmd.clone()), code, detail: fs::last_kib(&stderr) })
    }

    /// Whether anything is at `path`, links followed.
    fn exists(&self, path: &str) -> bool {
        let path = Utf8Path::new(path);
        self.resolve(path).and_then(|p| self.stat(&p)).ok().flatten().is_some()
    }
}

/// The machine: a root directory, a way to run commands, the caller's environment.
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
    /// Whether this run keeps other distributions away.
    is_alone: Rc<Cell<bool>>,
}

impl std::fmt::Debug for LiveSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("root", &self.root).field("uid", &self.uid).finish_non_exhaustive()
    }
}

/// What went wrong between us and the machine.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file operation that the kernel refused.
    #[error("cannot {action} `{path}`")]
    File {
        /// The verb: read, write, rename …
        action: &'static str,
        /// The path as the user would type it, without our root.
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    /// A program that could not be started.
    #[error("cannot run `{command}`")]
    Start { command: String, source: std::io::Error },
    /// A program that did not end in time.
    #[error("`{command}` did not end within {seconds} s")]
    TimedOut {
        command: String,
        /// The bound, in seconds.
        seconds: u64,
    },
    /// A program that ended badly although it had to succeed.
    #[error("`{command}` ended with exit code {code}{}", tail(.detail))]
    Failed {
        command: Box<Cmd>,
        code: i32,
        /// The last of what it wrote to standard error, at most 1 KiB.
        detail: String,
    },
    /// Links that lead to each other.
    #[error("`{0}` is a loop of symbolic links")]
    Loop(Utf8PathBuf),
    /// A path that is not in the recording that is replayed.
    #[error("the report does not say what `{0}` was on that machine")]
    NotRecorded(String),
    /// Between a look and a write somebody else wrote.
    #[error("`{0}` was changed by somebody else at this very moment")]
    ConcurrentModification(Utf8PathBuf),
    /// Another distribution of the same Windows account does not finish its write.
    #[error("cannot change `{0}`: another distribution has been changing files beside it for 60 s")]
    Busy(Utf8PathBuf),
}

fn tail(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

impl HostError {
    /// Whether something on the path does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::File { source, .. } if fs::is_absent(source))
    }

    /// The kernel's answer alone.
    #[must_use]
    pub fn into_source(self) -> std::io::Error {
        match self {
            Self::File { source, .. } | Self::Start { source, .. } => source,
            other => std::io::Error::other(other.to_string()),
        }
    }

    /// Whether what was decided on no longer fits what is there: whoever decided has to look again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::ConcurrentModification(_))
    }

    /// Whether a program is installed, as far as this failure tells, but could not be asked.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            // A program for another machine is none.
            Self::Start { source, .. } => {
                source.kind() != std::io::ErrorKind::NotFound
                    && source.raw_os_error() != Some(nix::libc::ENOEXEC)
            }
            _ => false,
        }
    }

    /// What a person can do about it, where we know.
    #[must_use]
    pub fn hint(&self) -> Option<NextStep> {
        use std::io::ErrorKind as K;
        let above = |path: &Utf8Path| path.parent().unwrap_or(path).to_owned();
        let (path, source) = match self {
            Self::File { path, source, .. } => (path, source),
            Self::Loop(path) => {
                return Some(NextStep::Do(format!(
                    "`namei -l {path}` shows the links; take one of them away"
                )));
            }
            Self::TimedOut { command, .. } => {
                return Some(NextStep::ThenRerun(format!(
                    "run `{command}` yourself to see what it waits for (`systemctl list-jobs` shows what systemd is at)"
                )));
            }
            Self::ConcurrentModification(path) => {
                return Some(NextStep::ThenRerun(format!("look at what is in `{path}` now")));
            }
            Self::Busy(path) => {
                return Some(NextStep::Do(format!(
                    "wait until kind-wsl has ended in the other distribution; if none runs, remove `{}`",
                    above(path).join(".kind-wsl.lock")
                )));
            }
            Self::Failed { command, .. } if command.program == "apt-get" => {
                let hint = "`sudo apt-get update` and `sudo apt-get check` show what is wrong with the packages here";
                return Some(NextStep::Do(hint.to_owned()));
            }
            _ => return None,
        };
        Some(match source.kind() {
            K::ReadOnlyFilesystem => NextStep::Do(format!(
                "the file system is mounted read-only (`findmnt -T {}` shows it); WSL does so after disk errors: `wsl --shutdown` in Windows, and if it stays so, repair the disk with e2fsck",
                above(path)
            )),
            K::StorageFull | K::QuotaExceeded => NextStep::ThenRerun(format!(
                "free some space (`df -h {}` shows how much there is)",
                above(path)
            )),
            K::NotADirectory => NextStep::ThenRerun(format!(
                "a directory has to be there: move what is in its place away (`mv {path} {path}.old`)"
            )),
            K::IsADirectory => NextStep::ThenRerun(format!(
                "a file has to be there: move the directory away (`mv {path} {path}.old`)"
            )),
            K::PermissionDenied if source.raw_os_error() == Some(nix::libc::EPERM) => NextStep::Do(format!(
                "`{path}` may be immutable: `lsattr {path}` shows an `i` then, and `sudo chattr -i {path}` takes it away"
            )),
            K::InvalidInput => NextStep::ThenRerun(format!(
                "a file has to be there: `ls -ld {path}` shows what is; move it away (`mv {path} {path}.old`)"
            )),
            K::FileTooLarge => NextStep::ThenRerun(format!(
                "`ls -ls {path}` shows how large it is; move it away (`mv {path} {path}.old`)"
            )),
            K::PermissionDenied => NextStep::Do(format!("`ls -ld {path}` shows who may use it")),
            _ if source.raw_os_error() == Some(nix::libc::EIO) => NextStep::Do(format!(
                "the disk below `{}` fails: `dmesg | tail` shows what the kernel says of it; once it is mended, run the same command again",
                above(path)
            )),
            _ => return None,
        })
    }
}
