//! The machine with planned writes laid over it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use crate::change::{Change, MoveAside, State};
use crate::edit::Form;
use crate::host::{Cmd, FileKind, HostError, Output, Owner, Stat, System, digest};

/// A planned file: what it is, its bytes, how it is shown.
type Laid = (Stat, Vec<u8>, Form);

/// The machine with planned writes laid over it, so that a change sees what the changes before it will write.
pub struct Overlay<'w> {
    base: &'w dyn System,
    pub(super) files: RefCell<BTreeMap<Utf8PathBuf, Laid>>,
    /// The places of renamed files: nothing at the old one, at the new one what was there.
    pub(super) places: RefCell<BTreeMap<Utf8PathBuf, Option<Stat>>>,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("files", &self.files.borrow().keys()).finish_non_exhaustive()
    }
}

impl<'w> Overlay<'w> {
    /// Nothing laid over it yet.
    #[must_use]
    pub fn new(base: &'w dyn System) -> Self {
        Self { base, files: RefCell::default(), places: RefCell::default() }
    }

    pub(super) fn lay(&self, path: Utf8PathBuf, state: &State, bytes: Vec<u8>, form: Form) {
        let Some(file) = Change::file_of(state) else { return };
        let len = bytes.len() as u64;
        let stat = Stat { kind: FileKind::File, mode: file.mode, uid: file.uid, gid: file.gid, len };
        self.files.borrow_mut().insert(path, (stat, bytes, form));
    }

    pub(super) fn rename(&self, aside: &MoveAside) -> Result<(), HostError> {
        let real = |path: &Utf8Path| {
            let dir = path.parent().unwrap_or(Utf8Path::new("/"));
            self.resolve(dir).map(|dir| dir.join(path.file_name().unwrap_or_default()))
        };
        let (from, to) = (real(&aside.path)?, real(&aside.to)?);
        let stat = self.stat(&from)?;
        self.places.borrow_mut().extend([(from, None), (to, stat)]);
        Ok(())
    }

    /// Whether what is at this path will be elsewhere by then.
    fn is_left(&self, path: &Utf8Path) -> bool {
        matches!(self.places.borrow().get(path), Some(None))
    }
}

impl System for Overlay<'_> {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        match self.files.borrow().get(path) {
            Some((stat, ..)) => Ok(Some(stat.clone())),
            None => self.places.borrow().get(path).map_or_else(|| self.base.stat(path), |s| Ok(s.clone())),
        }
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        match self.files.borrow().get(path) {
            Some((_, bytes, _)) => Ok(Some(bytes.clone())),
            None if self.is_left(path) => Ok(None),
            None => self.base.read(path),
        }
    }

    fn read_file(&self, path: &Utf8Path) -> Result<Option<(Stat, Vec<u8>)>, HostError> {
        match self.files.borrow().get(path) {
            Some((stat, bytes, _)) => Ok(Some((stat.clone(), bytes.clone()))),
            None if self.is_left(path) => Ok(None),
            None => self.base.read_file(path),
        }
    }

    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        match self.files.borrow().get(path) {
            Some((_, bytes, _)) => Ok(Some(digest(bytes))),
            None if self.is_left(path) => Ok(None),
            None => self.base.sha256(path),
        }
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.base.list(dir)
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        self.base.resolve(path)
    }

    fn list_dirs(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        self.base.list_dirs(dir)
    }

    fn exists_in_process(&self, pid: u32, path: &str) -> Option<bool> {
        self.base.exists_in_process(pid, path)
    }

    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError> {
        self.base.run_readonly(cmd)
    }

    fn note_unanswered(&self, cmd: &Cmd, error: HostError) {
        self.base.note_unanswered(cmd, error);
    }

    fn env(&self, name: &str) -> Option<String> {
        self.base.env(name)
    }

    fn take_unanswered(&self) -> bool {
        self.base.take_unanswered()
    }

    fn resolve_owner(&self, owner: Owner) -> (u32, u32) {
        self.base.resolve_owner(owner)
    }
}
