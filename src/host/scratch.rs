//! Files for a moment, in a directory that nobody else may enter.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

/// A directory of our own below `/tmp`; it goes away with all that is in it when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: Utf8PathBuf,
}

impl Scratch {
    /// Makes it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new() -> io::Result<Self> {
        let dir = nix::unistd::mkdtemp("/tmp/kind-wsl.XXXXXX")?;
        let dir = Utf8PathBuf::from_path_buf(dir);
        Ok(Self { dir: dir.map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))? })
    }

    /// Puts a file into it, executable for us.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<Utf8PathBuf> {
        let path = self.path(name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
        Ok(path)
    }

    /// Where a file of that name is.
    #[must_use]
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.dir.join(name)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
