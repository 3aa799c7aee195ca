//! Records the queries of a machine, and answers them elsewhere from the recording: `report` and `plan --facts`. The
//! recording also caches answers, so that podman runs once for several checks.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Cmd, HostError, Output, Owner, Stat, System};

/// All queries of a machine, with their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Files by path.
    pub stats: BTreeMap<Utf8PathBuf, Option<Stat>>,
    pub files: BTreeMap<Utf8PathBuf, Option<Bytes>>,
    /// The hashes of files whose content was not read.
    pub hashes: BTreeMap<Utf8PathBuf, Option<String>>,
    /// The names in directories.
    pub lists: BTreeMap<Utf8PathBuf, Vec<String>>,
    pub links: BTreeMap<Utf8PathBuf, Utf8PathBuf>,
    /// The outputs of commands, by command line.
    pub commands: BTreeMap<String, Option<Output>>,
    /// Variables that were looked up.
    pub env: BTreeMap<String, Option<String>>,
    /// The user and group of the caller, unless that is root.
    pub caller: Option<(u32, u32)>,
}

/// File content, readable in the report if it is text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bytes {
    /// UTF-8.
    Text(String),
    Raw(Vec<u8>),
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|e| Self::Raw(e.into_bytes()), Self::Text)
    }
}

impl Bytes {
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Raw(raw) => raw.clone(),
        }
    }
}

/// Passes every query on and records the answer.
pub struct Recorder<'w> {
    system: &'w dyn System,
    notes: RefCell<Recording>,
}

impl std::fmt::Debug for Recorder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("notes", &self.notes).finish_non_exhaustive()
    }
}

impl<'w> Recorder<'w> {
    /// Records the queries of `system`.
    #[must_use]
    pub fn new(system: &'w dyn System) -> Self {
        let root = system.resolve_owner(Owner::Root);
        let caller = (root != (0, 0)).then_some(root);
        Self { system, notes: RefCell::new(Recording { caller, ..Recording::default() }) }
    }

    /// The recording so far.
    #[must_use]
    pub fn into_recording(self) -> Recording {
        self.notes.into_inner()
    }
}

impl System for Recorder<'_> {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let stat = self.system.stat(path)?;
        self.notes.borrow_mut().stats.insert(path.to_owned(), stat.clone());
        Ok(stat)
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        let bytes = self.system.read(path)?;
        self.notes.borrow_mut().files.insert(path.to_owned(), bytes.clone().map(Bytes::from));
        Ok(bytes)
    }

    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        let hash = self.system.sha256(path)?;
        self.notes.borrow_mut().hashes.insert(path.to_owned(), hash.clone());
        Ok(hash)
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let names = self.system.list(dir)?;
        self.notes.borrow_mut().lists.insert(dir.to_owned(), names.clone());
        Ok(names)
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        let to = self.system.resolve(path)?;
        if to != path {
            self.notes.borrow_mut().links.insert(path.to_owned(), to.clone());
        }
        Ok(to)
    }

    // Not recorded: the recording would query each name in a directory, and only the cgroup tree is read this way.
    fn list_dirs(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.system.list_dirs(dir)
    }

    fn exists_in_process(&self, pid: u32, path: &str) -> Option<bool> {
        self.system.exists_in_process(pid, path)
    }

    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError> {
        if let Some(Some(output)) = self.notes.borrow().commands.get(&cmd.to_string()) {
            return Ok(output.clone());
        }
        let output = self.system.run_readonly(cmd);
        self.notes.borrow_mut().commands.insert(cmd.to_string(), output.as_ref().ok().cloned());
        output
    }

    fn note_unanswered(&self, cmd: &Cmd, error: HostError) {
        self.system.note_unanswered(cmd, error);
    }

    fn env(&self, name: &str) -> Option<String> {
        let value = self.system.env(name);
        self.notes.borrow_mut().env.insert(name.to_owned(), value.clone());
        value
    }

    fn resolve_owner(&self, owner: Owner) -> (u32, u32) {
        self.system.resolve_owner(owner)
    }

    fn take_unanswered(&self) -> bool {
        self.system.take_unanswered()
    }
}

/// Another machine, from its recording: anything that was not queried there counts as missing.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    unanswered: Cell<bool>,
}

impl Replay {
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self { recording, unanswered: Cell::new(false) }
    }

    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The recorded answer, or that of an empty machine.
    fn recorded<'r, K: Ord + ?Sized, V>(
        &'r self,
        answers: &'r BTreeMap<impl Ord + Borrow<K>, V>,
        key: &K,
    ) -> Option<&'r V> {
        let found = answers.get(key);
        if found.is_none() {
            self.unanswered.set(true);
        }
        found
    }
}

impl System for Replay {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        Ok(self.recorded(&self.recording.stats, path).cloned().flatten())
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.recorded(&self.recording.files, path).cloned().flatten().map(|b| b.to_vec()))
    }

    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        Ok(self.recorded(&self.recording.hashes, path).cloned().flatten())
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        Ok(self.recorded(&self.recording.lists, dir).cloned().unwrap_or_default())
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        Ok(self.recording.links.get(path).map_or_else(|| path.to_owned(), Clone::clone))
    }

    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError> {
        let line = cmd.to_string();
        let output = self.recorded(&self.recording.commands, line.as_str()).cloned().flatten();
        // If no fact is read from an answer, a report contains only its length.
        if output
            .as_ref()
            .is_some_and(|output| output.stdout.starts_with('<') && output.stdout.ends_with("bytes>"))
        {
            self.unanswered.set(true);
        }
        output.ok_or(HostError::NotRecorded(line))
    }

    fn env(&self, name: &str) -> Option<String> {
        self.recording.env.get(name).cloned().flatten()
    }

    fn take_unanswered(&self) -> bool {
        self.unanswered.take()
    }

    fn resolve_owner(&self, owner: Owner) -> (u32, u32) {
        match (self.recording.caller, owner) {
            (Some(ids), _) => ids,
            (None, Owner::Root) => (0, 0),
            (None, Owner::User { uid, gid }) => (uid, gid),
        }
    }
}
