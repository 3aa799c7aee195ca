//! A directory for files that are not whole yet: a part is kept from run to run until its checksum was found right.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use nix::fcntl::OFlag;

use super::HostError;
use super::identity::{FsIdentity, FsIdentityGuard};
use super::walk::{Root, Spot};

/// The directory. It may be used from several threads at once, for different files.
#[derive(Clone, Debug)]
pub struct DownloadDir {
    root: Arc<Root>,
    dir: Utf8PathBuf,
    /// What its files are called to the outside.
    shown: Utf8PathBuf,
    whom: Option<FsIdentity>,
}

impl DownloadDir {
    /// The directory at a path below a root; nobody else may write to it.
    pub(super) fn below(root: Arc<Root>, dir: &Utf8Path) -> Self {
        Self { root, dir: dir.to_owned(), shown: dir.to_owned(), whom: None }
    }

    /// The directory `root` itself, in which files are made as `whom`.
    pub(super) fn of(root: Root, shown: Utf8PathBuf, whom: Option<FsIdentity>) -> Self {
        Self { root: Arc::new(root), dir: Utf8PathBuf::from("/"), shown, whom }
    }

    /// Where it is, as its user knows it.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.shown
    }

    /// What is called `name` in it. A link on the way leads to nothing of ours.
    fn spot(&self, name: &str) -> io::Result<Spot> {
        Self::reach(&self.root, &self.dir.join(name))
    }

    fn reach(root: &Root, path: &Utf8Path) -> io::Result<Spot> {
        if let Some(spot) = root.directory_of(path)? {
            return Ok(spot);
        }
        let walked = root.walk(path, false, &mut |_, _| Ok(()));
        walked.map_err(HostError::into_source)
    }

    fn as_whom(&self) -> FsIdentityGuard {
        self.whom.clone().map_or_else(FsIdentityGuard::unchanged, FsIdentityGuard::new)
    }

    /// Makes the directory, for us alone, unless it is there.
    ///
    /// # Errors
    /// What the kernel refuses; something else in its place.
    pub fn make(&self) -> io::Result<()> {
        let spot = Self::reach(&self.root, &self.dir)?;
        if spot.make_dir(0o700)? || spot.stat()?.kind == super::FileKind::Dir {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(nix::libc::ENOTDIR))
    }

    /// Removes the directory with all that is in it.
    ///
    /// # Errors
    /// What the kernel refuses, but not that it is gone.
    pub fn clear(&self) -> io::Result<()> {
        Self::reach(&self.root, &self.dir)?.remove_tree()
    }

    /// Opens the part of a file, which is empty where nothing was kept, and keeps other runs away from it.
    ///
    /// # Errors
    /// What the kernel refuses; [`io::ErrorKind::WouldBlock`] where another run is at work on it.
    pub fn part(&self, name: &str) -> io::Result<PartialFile> {
        let _as_user = self.as_whom();
        let part = self.spot(&format!("{name}.partial"))?;
        let file = part.open(OFlag::O_RDWR | OFlag::O_CREAT, 0o600)?;
        super::open::single(&file)?;
        file.try_lock().map_err(io::Error::from)?;
        // Another run may have finished the file between the two calls: then this is no part any more, but its whole.
        if !part.is(&file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = file.metadata()?.len();
        let whole = part.beside(name);
        let mut part = PartialFile { file, len, part, whole, download_dir: self.clone() };
        part.file.seek(SeekFrom::End(0))?;
        Ok(part)
    }

    /// Removes a whole file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let _as_user = self.as_whom();
        self.spot(name)?.remove()
    }

    /// Where a whole file of this sha256 is. One of other bytes is damaged: it is removed, so that it can be fetched again.
    #[must_use]
    pub fn whole(&self, name: &str, sha256: &str) -> Option<Utf8PathBuf> {
        let _as_user = self.as_whom();
        let found = self.open(name).and_then(|mut file| super::sha256_in(&mut *file)).ok()?;
        if found == sha256 {
            return Some(self.shown.join(name));
        }
        let _ = self.remove(name);
        None
    }

    /// Opens a whole file.
    pub fn open(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let _as_user = self.as_whom();
        Ok(Box::new(super::open::regular(self.spot(name)?.open(OFlag::O_RDONLY, 0)?)?))
    }

    /// Puts a small file beside them, in the place of one that may be there.
    ///
    /// # Errors
    /// What the kernel refuses; a link, or another thing that is no file.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let _as_user = self.as_whom();
        let mut file = self.spot(name)?.open(OFlag::O_WRONLY | OFlag::O_CREAT, 0o644)?;
        super::open::single(&file)?;
        file.set_len(0)?;
        file.write_all(bytes)
    }
}

/// Bytes of a file that is not whole yet.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    len: u64,
    part: Spot,
    whole: Spot,
    download_dir: DownloadDir,
}

impl PartialFile {
    /// How many bytes there are.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.len
    }

    /// Reads them from the beginning.
    pub fn reader(&self) -> io::Result<impl Read + '_> {
        Ok(FromStart { file: &self.file, at: 0 })
    }

    pub fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.len = 0;
        Ok(())
    }

    /// The file is whole, and right: it is synced and gets its name. Answers where it is.
    pub fn finish(self) -> io::Result<Utf8PathBuf> {
        self.file.sync_all()?;
        let _as_user = self.download_dir.as_whom();
        self.part.rename(&self.whole)?;
        Ok(self.download_dir.shown.join(self.whole.name()))
    }

    /// Removes it where nothing is worth being kept.
    pub fn remove_if_empty(self) {
        if self.len == 0 {
            let _as_user = self.download_dir.as_whom();
            let _ = self.part.remove();
        }
    }
}

/// Reads a file from its beginning, wherever it is being written.
struct FromStart<'f> {
    file: &'f File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.len += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
