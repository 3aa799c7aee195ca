//! A file for a moment, in a directory that nobody else may enter.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

/// A program in a directory of its own below `/tmp`; both go away when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: Utf8PathBuf,
}

impl Scratch {
    /// Writes it, executable for us.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let dir = nix::unistd::mkdtemp("/tmp/kind-wsl.XXXXXX")?;
        let dir =
            Utf8PathBuf::from_path_buf(dir).map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))?;
        let scratch = Self { path: dir.join(name) };
        fs::write(&scratch.path, bytes)?;
        fs::set_permissions(&scratch.path, PermissionsExt::from_mode(0o700))?;
        Ok(scratch)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = self.path.parent().map(fs::remove_dir);
    }
}
