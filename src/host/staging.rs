//! A directory for files that are not whole yet: a part is kept from run to run until its checksum was found right.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};

/// The directory. It may be used from several threads at once, for different files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staging {
    dir: Utf8PathBuf,
}

impl Staging {
    /// The directory at this place of the file system; it has to be there, and nobody else may write to it.
    #[must_use]
    pub fn at(dir: &Utf8Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the directory, for us alone, unless it is there.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn make(&self) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Removes the directory with all that is in it.
    ///
    /// # Errors
    /// What the kernel refuses, but not that it is gone.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Opens the part of a file, which is empty where nothing was kept, and keeps other runs away from it.
    ///
    /// # Errors
    /// What the kernel refuses; [`io::ErrorKind::WouldBlock`] where another run is at work on it.
    pub fn part(&self, name: &str) -> io::Result<PartFile> {
        let (path, whole) = (self.dir.join(format!("{name}.partial")), self.dir.join(name));
        let mut options = OpenOptions::new();
        // A link of that name would be somebody else's doing.
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(nix::libc::O_NOFOLLOW).open(&path)?;
        super::open::single(&file)?;
        file.try_lock().map_err(io::Error::from)?;
        let (meta, named) = (file.metadata()?, fs::symlink_metadata(&path));
        // Another run may have finished the file between the two calls: then this is no part any more, but its whole.
        if named.map(|n| (n.dev(), n.ino())).ok() != Some((meta.dev(), meta.ino())) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = meta.len();
        let mut part = PartFile { file, len, path, whole };
        part.file.seek(SeekFrom::End(0))?;
        Ok(part)
    }

    /// Removes a whole file.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    /// Where a whole file of this sha256 is. One of other bytes is damaged: it is removed, so that it can be fetched again.
    #[must_use]
    pub fn whole(&self, name: &str, sha256: &str) -> Option<Utf8PathBuf> {
        let path = self.dir.join(name);
        let found = super::open::regular(&path).and_then(|mut file| super::sha256_in(&mut file)).ok()?;
        if found == sha256 {
            return Some(path);
        }
        let _ = self.remove(name);
        None
    }
}

/// Bytes of a file that is not whole yet.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    len: u64,
    path: Utf8PathBuf,
    whole: Utf8PathBuf,
}

impl PartFile {
    /// How many bytes there are.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.len
    }

    /// Reads them from the beginning.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn reread(&self) -> io::Result<impl Read + '_> {
        Ok(FromStart { file: &self.file, at: 0 })
    }

    /// Throws them away.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.len = 0;
        Ok(())
    }

    /// The file is whole, and right: it is synced and gets its name. Answers where it is.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn finish(self) -> io::Result<Utf8PathBuf> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.whole)?;
        Ok(self.whole)
    }

    /// Removes it where nothing is worth being kept.
    pub fn discard_if_empty(self) {
        if self.len == 0 {
            let _ = fs::remove_file(&self.path);
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

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.len += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
