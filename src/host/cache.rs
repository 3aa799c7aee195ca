//! Caches configuration files: their bytes are reused as long as the kernel reports the same file.
//!
//! Facts, plan, changes and the saved copy read the same few files repeatedly, on Windows drives over 9p. A file
//! counts as the same if device, inode, size and both times agree. A write within one tick of the clock can escape
//! that, so a file that will be replaced is always read ([`super::Expected`]), and a mismatch there drops the entry.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, fstat};

use super::fs::failed;
use super::open::{Bounded, TEXT};
use super::{FileKind, HostError, LiveSystem, Stat};

/// Device, inode, size, and the times of the last change of bytes and of metadata.
type FileVersion = (u64, u64, i64, (i64, i64), (i64, i64));

fn version(meta: &FileStat) -> FileVersion {
    let (bytes, metadata) = ((meta.st_mtime, meta.st_mtime_nsec), (meta.st_ctime, meta.st_ctime_nsec));
    (meta.st_dev, meta.st_ino, meta.st_size, bytes, metadata)
}

#[derive(Debug, Default)]
pub(super) struct FileCache(RefCell<BTreeMap<Utf8PathBuf, (FileVersion, Vec<u8>)>>);

impl FileCache {
    fn get(&self, path: &Utf8Path, version: FileVersion) -> Option<Vec<u8>> {
        let files = self.0.borrow();
        files.get(path).filter(|(known, _)| *known == version).map(|(_, bytes)| bytes.clone())
    }

    pub(super) fn forget(&self, path: &Utf8Path) {
        self.0.borrow_mut().remove(path);
    }
}

impl LiveSystem {
    /// Returns the file at a resolved path, and its bytes if it is a regular file.
    pub(super) fn read_cached(&self, path: &Utf8Path) -> Result<(Stat, Vec<u8>), HostError> {
        let (spot, _act) = self.reach(path, false, self.identity_for(path))?;
        let stat = spot.stat().map_err(failed("examine", path))?;
        if stat.kind != FileKind::File {
            return Ok((stat, Vec::new()));
        }
        let meta = spot.meta().map_err(failed("examine", path))?;
        if let Some(bytes) = self.cache.get(path, version(&meta)) {
            return Ok((stat, bytes));
        }
        let read = || {
            let file = spot.open(OFlag::O_RDONLY, 0)?;
            // Taken before the first byte: a later write changes the times again.
            let version = version(&fstat(&file)?);
            Ok((version, Bounded::new(file, TEXT)?.whole()?))
        };
        let (version, bytes) = read().map_err(failed("read", path))?;
        self.cache.0.borrow_mut().insert(path.to_owned(), (version, bytes.clone()));
        Ok((stat, bytes))
    }

    /// Caches the bytes of a file that was just written, unless it was replaced already.
    pub fn remember(&self, path: &Utf8Path, bytes: &[u8]) {
        let meta = self.reach(path, false, self.identity_for(path)).map(|(spot, _act)| spot.meta());
        if let Ok(Ok(meta)) = meta
            && u64::try_from(meta.st_size).is_ok_and(|size| size == bytes.len() as u64)
        {
            self.cache.0.borrow_mut().insert(path.to_owned(), (version(&meta), bytes.to_vec()));
        }
    }
}
