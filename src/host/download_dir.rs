//! A directory for partial downloads, which are kept from run to run until their checksum was verified.

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

/// The directory. Several threads can use it at once, for different files.
#[derive(Clone, Debug)]
pub struct DownloadDir {
    root: Arc<Root>,
    dir: Utf8PathBuf,
    /// The path of its files for users.
    shown: Utf8PathBuf,
    whom: Option<FsIdentity>,
}

impl DownloadDir {
    /// The directory at a path below a root; no other user may write to it.
    pub(super) fn below(root: Arc<Root>, dir: &Utf8Path) -> Self {
        Self { root, dir: dir.to_owned(), shown: dir.to_owned(), whom: None }
    }

    /// The directory `root` itself, in which files are created as `whom`.
    pub(super) fn of(root: Root, shown: Utf8PathBuf, whom: Option<FsIdentity>) -> Self {
        Self { root: Arc::new(root), dir: Utf8PathBuf::from("/"), shown, whom }
    }

    /// The path for users.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.shown
    }

    /// The file `name` in it. A link on the way is not followed out of it.
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

    /// Creates the directory, accessible only to the owner, unless it exists.
    ///
    /// # Errors
    /// The kernel refuses it, or something else is at its path.
    pub fn make(&self) -> io::Result<()> {
        let spot = Self::reach(&self.root, &self.dir)?;
        if spot.make_dir(0o700)? || spot.stat()?.kind == super::FileKind::Dir {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(nix::libc::ENOTDIR))
    }

    /// Removes the directory and its files.
    ///
    /// # Errors
    /// The kernel refuses it; a missing directory is not an error.
    pub fn clear(&self) -> io::Result<()> {
        Self::reach(&self.root, &self.dir)?.remove_tree()
    }

    /// Opens a partial file, which is empty if none was kept, and locks it against other runs.
    ///
    /// # Errors
    /// The kernel refuses it; [`io::ErrorKind::WouldBlock`] if another run uses it.
    pub fn part(&self, name: &str) -> io::Result<PartialFile> {
        let _as_user = self.as_whom();
        let part = self.spot(&format!("{name}.partial"))?;
        let file = part.open(OFlag::O_RDWR | OFlag::O_CREAT, 0o600)?;
        super::open::single(&file)?;
        file.try_lock().map_err(io::Error::from)?;
        // Another run may have completed the file between the two calls: then this is no longer a partial file.
        if !part.is(&file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = file.metadata()?.len();
        let whole = part.beside(name);
        let mut part = PartialFile { file, len, part, whole, download_dir: self.clone() };
        part.file.seek(SeekFrom::End(0))?;
        Ok(part)
    }

    /// Removes a complete file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let _as_user = self.as_whom();
        self.spot(name)?.remove()
    }

    /// Returns the path of a complete file with this sha256. A file with another checksum is damaged: it is removed,
    /// so that it can be downloaded again.
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

    /// Opens a complete file.
    pub fn open(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let _as_user = self.as_whom();
        Ok(Box::new(super::open::regular(self.spot(name)?.open(OFlag::O_RDONLY, 0)?)?))
    }

    /// Writes a small file into the directory, and replaces an existing one.
    ///
    /// # Errors
    /// The kernel refuses it, or the path is a link or not a regular file.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let _as_user = self.as_whom();
        let mut file = self.spot(name)?.open(OFlag::O_WRONLY | OFlag::O_CREAT, 0o644)?;
        super::open::single(&file)?;
        file.set_len(0)?;
        file.write_all(bytes)
    }
}

/// The bytes of an incomplete file.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    len: u64,
    part: Spot,
    whole: Spot,
    download_dir: DownloadDir,
}

impl PartialFile {
    /// The number of bytes.
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

    /// Marks the file as complete and verified: it is synced and renamed. Returns its path.
    pub fn finish(self) -> io::Result<Utf8PathBuf> {
        self.file.sync_all()?;
        let _as_user = self.download_dir.as_whom();
        self.part.rename(&self.whole)?;
        Ok(self.download_dir.shown.join(self.whole.name()))
    }

    /// Removes it if it is empty.
    pub fn remove_if_empty(self) {
        if self.len == 0 {
            let _as_user = self.download_dir.as_whom();
            let _ = self.part.remove();
        }
    }
}

/// Reads a file from its beginning, independently of the write position.
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
