//! Temporary files, in a private directory.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8PathBuf;

/// Returns the bytes that the caller can write to the file system of a directory.
pub fn free_space(dir: &str) -> io::Result<u64> {
    let fs = nix::sys::statvfs::statvfs(dir)?;
    Ok(fs.blocks_available().saturating_mul(fs.fragment_size()))
}

/// A directory below `/tmp` that only its owner can enter; it is removed with its files when it is dropped.
#[derive(Debug)]
pub struct TempDir {
    dir: Utf8PathBuf,
}

impl TempDir {
    pub fn new() -> io::Result<Self> {
        Self::within("/tmp")
    }

    /// The same in another directory than `/tmp`.
    pub fn within(parent: &str) -> io::Result<Self> {
        let dir = nix::unistd::mkdtemp(format!("{parent}/kind-wsl.XXXXXX").as_str())?;
        let dir = Utf8PathBuf::from_path_buf(dir);
        Ok(Self { dir: dir.map_err(|_| io::Error::from(io::ErrorKind::InvalidFilename))? })
    }

    /// Writes a file into it, executable for the owner.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<Utf8PathBuf> {
        let path = self.path(name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
        Ok(path)
    }

    /// Lets all users enter the directory, and read and run this file.
    pub fn show(&self, name: &str) -> io::Result<()> {
        fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o755))?;
        fs::set_permissions(&self.dir, PermissionsExt::from_mode(0o711))
    }

    /// Creates a directory in it that a program of this user can write to.
    pub fn room_for(&self, name: &str, user: u32) -> io::Result<Utf8PathBuf> {
        let path = self.path(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(user), Some(user))?;
        }
        Ok(path)
    }

    /// Writes files into a directory with that name that only a program of this user can enter.
    pub fn files_for(&self, name: &str, user: u32, files: &[(&str, &[u8])]) -> io::Result<Utf8PathBuf> {
        let room = self.room_for(name, user)?;
        for (name, bytes) in files {
            let path = room.join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
            if nix::unistd::geteuid().is_root() {
                std::os::unix::fs::chown(&path, Some(user), Some(user))?;
            }
        }
        fs::set_permissions(&self.dir, PermissionsExt::from_mode(0o711))?;
        Ok(room)
    }

    /// The path of a file with that name.
    #[must_use]
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.dir.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
