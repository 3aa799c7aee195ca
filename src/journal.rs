//! The journal: the intent of every effect, with the states before and after, recorded before the effect.
//!
//! It is an append-only file of JSON lines below `/var/lib/kind-wsl`. It contains primitives, not stages, so a newer
//! program can undo it. All users can read it, so that `plan` and `status` need no root. Saved bytes of files can
//! contain secrets and are readable only by root. An incomplete last line, as after a crash, is ignored and removed
//! before the next record. Each line ends with a checksum, so that a byte that a disk lost or an editor changed is
//! detected. An undo runs as root and trusts the journal, so a journal that another user can change is refused.

mod agreement;
mod checksum;
mod record;
mod state;
mod trust;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::change::SAVED;
use crate::host::{FileKind, Holder, HostError, LiveSystem, Lock, Owner, PROGRAM_ENV, System};
use crate::next_step::NextStep;

pub use agreement::Agreement;
use checksum::{ChecksumStatus, checksum_status, continues_after_its_end};
pub use record::{Intent, Record, RunOptions};
pub use state::{JournalEntry, JournalState, Phase, UserState, Waiting};

/// The version of this form of the journal. A reader refuses a newer one.
pub const VERSION: u32 = 2;
/// The version of a journal of one user, which earlier programs read too.
const OF_ONE_USER: u32 = 1;
/// The directory of everything that kind-wsl keeps beside the setup itself.
pub const DIR: &str = "/var/lib/kind-wsl";
pub const PATH: &str = "/var/lib/kind-wsl/journal.jsonl";

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another run has it: the process, and the user whose run it is.
    #[error("another kind-wsl is at work{}: {}", of_user(.user.as_ref()), held(.holder.as_ref()))]
    Locked { holder: Option<Holder>, user: Option<String> },
    /// A later program wrote it.
    #[error("`{PATH}` has version {found}, written by {tool}; this program reads up to version {VERSION}")]
    Newer { found: u32, tool: String },
    /// Another user can change it, and thus the actions of an undo as root.
    #[error("cannot trust `{path}`: {why}")]
    Untrusted {
        /// The journal, or a directory above it.
        path: Utf8PathBuf,
        why: String,
    },
    /// A line in the middle is damaged.
    #[error("line {line} of `{PATH}` is damaged: {why}")]
    Damaged {
        /// Counted from 1.
        line: usize,
        /// The message of the parser.
        why: String,
    },
    /// A change to the machine is half done, which only the run that began it can complete.
    #[error("the run for `{user}` was interrupted while it changed the machine: {what}")]
    Unfinished { user: String, what: String },
}

impl JournalError {
    /// Returns the next step for the user, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<NextStep> {
        Some(match self {
            Self::Host(e) => return e.hint(),
            Self::Locked { holder: Some(holder), .. } => {
                NextStep::Do(format!("wait until it has ended; `ps -fp {}` shows it", holder.pid))
            }
            Self::Locked { holder: None, .. } => {
                NextStep::Do("wait until it has ended; `ps -C kind-wsl` shows it".to_owned())
            }
            Self::Newer { tool, .. } => NextStep::Do(format!("use {tool} or later")),
            Self::Untrusted { .. } => NextStep::Do(
                "only root must be able to change it: find the program or user that did, then restore its owner and mode"
                    .to_owned(),
            ),
            Self::Damaged { .. } => NextStep::Do(format!(
                "keep a copy of {DIR} and report the problem: it lists every change in plain text"
            )),
            Self::Unfinished { user, .. } => NextStep::Do(format!(
                "resume it with `kind-wsl setup --user {user}`, or revert it with `kind-wsl undo --user {user}`"
            )),
        })
    }
}

fn of_user(user: Option<&String>) -> String {
    user.map_or_else(String::new, |user| format!(" for `{user}`"))
}

fn held(holder: Option<&Holder>) -> String {
    let Some(Holder { pid, name, since }) = holder else { return format!("it holds the lock in `{DIR}`") };
    let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
    format!("process {pid} (`{name}`) holds the lock in `{DIR}`{since}")
}

/// The open journal, locked.
#[derive(Debug)]
pub struct Journal<'h> {
    host: &'h LiveSystem,
    /// The state after all records.
    pub state: JournalState,
    lock: Lock,
}

/// Reads the journal without locking it; an absent one is empty.
///
/// # Errors
/// If it cannot be read, is damaged or has a newer version.
pub fn read(system: &dyn System) -> Result<JournalState, JournalError> {
    trust::check(system)?;
    let bytes = system.read(Utf8Path::new(PATH))?.unwrap_or_default();
    Ok(parse(&bytes)?.0)
}

/// Returns the state after all records, and the number of bytes in complete lines.
fn parse(bytes: &[u8]) -> Result<(JournalState, usize), JournalError> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    let mut records = Vec::new();
    for (index, line) in bytes[..whole].split(|b| *b == b'\n').filter(|l| !l.is_empty()).enumerate() {
        let checksum_status = checksum_status(line);
        if checksum_status != ChecksumStatus::Broken {
            check_version(line)?;
        }
        let broken = match checksum_status {
            ChecksumStatus::Holds => None,
            ChecksumStatus::Broken => Some("its checksum is wrong"),
            ChecksumStatus::Missing => Some("it has no checksum"),
        };
        if let Some(why) = broken {
            return Err(JournalError::Damaged { line: index + 1, why: why.to_owned() });
        }
        let damaged = |e: serde_json::Error| {
            // The parser's columns start after the beginning of the line.
            let message = e.to_string();
            let place = format!(" at line {} column {}", e.line(), e.column());
            let what = message.strip_suffix(&place).unwrap_or(&message);
            // The message quotes the journal; its control characters must not reach the terminal.
            let why = format!("{what} at column {}", e.column()).replace(char::is_control, " ");
            JournalError::Damaged { line: index + 1, why }
        };
        let record: Record = serde_json::from_slice(line).map_err(damaged)?;
        if let Record::Intent(intent) = &record
            && let Some(name) = intent.odd_name()
        {
            let why = format!("`{name}` is not a name of a package or unit");
            return Err(JournalError::Damaged { line: index + 1, why });
        }
        records.push(record);
    }
    if continues_after_its_end(&bytes[whole..]) {
        let why = "it continues after its end".to_owned();
        return Err(JournalError::Damaged { line: records.len() + 1, why });
    }
    Ok((JournalState::replay(records), whole))
}

/// Checks the version first: a newer form may not parse at all.
fn check_version(line: &[u8]) -> Result<(), JournalError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
        #[serde(default)]
        tool: String,
    }
    match serde_json::from_slice::<Head>(line) {
        Ok(head) if head.version > VERSION => {
            Err(JournalError::Newer { found: head.version, tool: head.tool })
        }
        _ => Ok(()),
    }
}

/// The number of attempts to take the lock. A run that was killed while it started a program leaves the lock to that
/// program until it exits.
const LOCK_TRIES: u32 = 20;
/// The pause between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Creates the directory and takes the lock in it. A run that finishes an undo removes both, so either step may have
/// to be repeated.
fn take_lock(host: &LiveSystem) -> Result<Lock, JournalError> {
    let dir = Utf8Path::new(DIR);
    for left in (0..LOCK_TRIES).rev() {
        for dir in host.missing_dirs(Utf8Path::new(PATH))? {
            host.make_dir(&dir, Owner::Root)?;
        }
        trust::check(host)?;
        match host.lock(dir) {
            Ok(Some(lock)) => return Ok(lock),
            Err(e) if left == 0 || !e.is_absent() => return Err(e.into()),
            _ if left > 0 => host.pause(LOCK_PAUSE),
            _ => {}
        }
    }
    let user = read(host).ok().and_then(|state| state.user);
    Err(JournalError::Locked { holder: host.directory_holder(dir), user })
}

impl<'h> Journal<'h> {
    /// Opens the journal for writing, creates it if needed, and removes an incomplete last line.
    ///
    /// # Errors
    /// As [`read`]; also if another run holds it, or another user's run left a change to the machine half done.
    pub fn open(host: &'h LiveSystem, user: &str) -> Result<Self, JournalError> {
        let lock = take_lock(host)?;
        let path = Utf8Path::new(PATH);
        let bytes = host.read(path)?.unwrap_or_default();
        let (state, whole) = parse(&bytes)?;
        if whole < bytes.len() {
            host.truncate(path, u64::try_from(whole).unwrap_or(u64::MAX))?;
        }
        let mut journal = Self { host, state, lock };
        let last = journal.state.user.clone();
        journal.state.view_as(user);
        journal.state.refuse_unfinished()?;
        let (tool, at) = (concat!("kind-wsl ", env!("CARGO_PKG_VERSION")).to_owned(), host.now());
        let name = user.to_owned();
        match last {
            None => {
                let program = host.env(PROGRAM_ENV);
                journal.append(Record::Begin { version: OF_ONE_USER, tool, at, user: name, program })?;
            }
            Some(last) if last != user => {
                journal.append(Record::User { version: VERSION, tool, at, user: name })?;
            }
            Some(_) => {}
        }
        Ok(journal)
    }

    /// Appends a record and syncs it.
    pub fn append(&mut self, record: Record) -> Result<(), JournalError> {
        self.host.append(Utf8Path::new(PATH), &record.line())?;
        self.state.apply(record);
        Ok(())
    }

    /// The number of the next intent.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.state.entries.iter().map(|e| e.intent.id).max().unwrap_or(0) + 1
    }

    /// Saves the bytes of a file under their hash, before it is changed.
    pub fn save(&self, sha256: &str, bytes: &[u8]) -> Result<(), JournalError> {
        let path = Utf8Path::new(SAVED).join(sha256);
        for dir in self.host.missing_dirs(&path)? {
            self.host.make_dir(&dir, Owner::Root)?;
        }
        if self.has_saved(sha256)? {
            return Ok(());
        }
        self.host.write(&path, 0o600, self.host.resolve_owner(Owner::Root), Owner::Root, |sink| {
            sink.write_all(bytes).map_err(|source| HostError::File {
                action: "save",
                path: path.clone(),
                source,
            })
        })?;
        Ok(())
    }

    /// Whether the bytes with this hash are saved.
    ///
    /// # Errors
    /// If the saved file cannot be read.
    pub fn has_saved(&self, sha256: &str) -> Result<bool, JournalError> {
        Ok(self.host.sha256(&Utf8Path::new(SAVED).join(sha256))?.as_deref() == Some(sha256))
    }

    /// Removes the journal and all saved bytes, at the end of an undo that left nothing in force.
    pub fn erase(self) -> Result<(), JournalError> {
        let saved = Utf8Path::new(SAVED);
        for name in self.host.list(saved)? {
            self.host.remove(&saved.join(name), Owner::Root)?;
        }
        self.host.remove_dir(saved, Owner::Root)?;
        self.host.remove(Utf8Path::new(PATH), Owner::Root)?;
        Ok(self.host.remove_locked(self.lock, Utf8Path::new(DIR))?)
    }
}

/// Whether a journal exists.
#[must_use]
pub fn exists(system: &dyn System) -> bool {
    matches!(system.stat(Utf8Path::new(DIR)), Ok(Some(stat)) if stat.kind == FileKind::Dir)
}

#[cfg(test)]
mod tests {
    use super::{JournalError, Record, checksum::with_checksum, parse};

    const BEGIN: &str = r#"{"record":"begin","version":1,"tool":"t","at":"now","user":"dev"}"#;

    #[test]
    fn a_torn_last_line_is_ignored() {
        let begin = with_checksum(BEGIN);
        let bytes = format!("{begin}{{\"record\":\"finis");
        let (state, whole) = parse(bytes.as_bytes()).unwrap();
        assert_eq!(state.user.as_deref(), Some("dev"));
        assert_eq!(whole, begin.len());
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error_that_names_it() {
        let line = Record::Restarted.line();
        let found = parse(format!("{line}rubbish\n{line}").as_bytes());
        assert!(matches!(found, Err(JournalError::Damaged { line: 2, .. })));
    }

    #[test]
    fn a_line_that_was_changed_or_has_no_checksum_is_refused() {
        let written = Record::Undone { id: 12 }.line();
        assert_eq!(written, "{\"record\":\"undone\",\"id\":12,\"sum\":\"8dd8e909166f8ae0\"}\n");
        assert!(parse(written.as_bytes()).is_ok());
        for (bad, why) in [
            (written.replace("12", "13"), "its checksum is wrong"),
            ("{\"record\":\"undone\",\"id\":13}\n".to_owned(), "it has no checksum"),
        ] {
            let found = parse(bad.as_bytes()).unwrap_err();
            assert_eq!(
                found.to_string(),
                format!("line 1 of `/var/lib/kind-wsl/journal.jsonl` is damaged: {why}")
            );
        }
    }

    #[test]
    fn a_newer_version_is_refused_with_a_message_even_if_its_form_is_unknown() {
        let found = parse(b"{\"entirely\":\"new\",\"version\":3,\"tool\":\"kind-wsl 3.0.0\"}\n").unwrap_err();
        assert_eq!(
            found.to_string(),
            "`/var/lib/kind-wsl/journal.jsonl` has version 3, written by kind-wsl 3.0.0; this program reads up to version 2"
        );
    }

    #[test]
    fn a_name_that_a_command_would_take_for_an_option_is_refused() {
        let intent = |change: &str| {
            let state = r#"{"is":"packages","has":{},"all":[]}"#;
            with_checksum(&format!(
                r#"{{"record":"intent","id":1,"stage":"x","change":{change},"before":{state},"after":{state}}}"#
            ))
        };
        let package =
            |name: &str| intent(&format!(r#"{{"kind":"package","manager":"apt","names":["{name}"]}}"#));
        let unit = |name: &str| intent(&format!(r#"{{"kind":"unit","name":"{name}"}}"#));
        for good in [package("libstdc++6"), package("podman"), unit("user-0.slice")] {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [package("-oDPkg::Pre-Invoke::=id"), package("x y"), unit("--root=/tmp/x.slice")] {
            assert!(matches!(parse(bad.as_bytes()), Err(JournalError::Damaged { .. })), "{bad}");
        }
    }
}
