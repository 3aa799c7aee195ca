//! Opening files that others may have put there: regular ones alone, without waiting for anybody, and of a size that a
//! file of its kind has.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use nix::libc::{EISDIR, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

use super::identity::AsUser;
use super::{Host, Owner};

/// The most that a file may have that is read as a whole: four times the largest program that we install.
const MOST: u64 = 256 << 20;

/// Opens a regular file for reading. Of anything else one could wait for ever, or read for ever.
pub(super) fn regular(path: &Utf8Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::Error::from_raw_os_error(EISDIR));
    }
    if !meta.is_file() {
        return Err(no_file());
    }
    Ok(file)
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is a device, socket or pipe")
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {} MiB", MOST >> 20))
}

/// A file, until it has more than a file of ours ever has.
pub(super) struct Bounded {
    file: io::Take<File>,
}

impl Bounded {
    pub(super) fn open(path: &Utf8Path) -> io::Result<Self> {
        let file = regular(path)?;
        // What says so beforehand is not read to find out; what does not (in /proc, or still growing) is.
        if file.metadata()?.len() > MOST {
            return Err(too_large());
        }
        Ok(Self { file: file.take(MOST + 1) })
    }

    pub(super) fn whole(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if self.file.limit() == 0 {
            return Err(too_large());
        }
        Ok(count)
    }
}

impl Host {
    /// Opens a regular file that lies wherever our root is: the files of `--offline`, what we staged ourselves.
    ///
    /// # Errors
    /// What the kernel refuses; a device, socket or pipe.
    pub fn open_outside(&self, path: &Utf8Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(regular(path)?))
    }

    /// Opens what the caller named on the command line, wherever our root is. It may be a pipe of their shell's.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn open_given(&self, path: &Utf8Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    /// Writes a file that the caller named, wherever our root is. As root it is written as whoever owns the directory,
    /// and never through a link or over a file that has another name as well: what somebody put there in advance must
    /// not choose what root overwrites.
    ///
    /// # Errors
    /// What the kernel refuses; a link, or another thing that is no file.
    pub fn write_outside(&self, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
        let dir = path.parent().filter(|dir| !dir.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
        let dir = dir.canonicalize_utf8()?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let _as_user = self.as_owner_of(&dir)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).custom_flags(O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        let mut file = options.open(dir.join(name)).map_err(|e| match e.raw_os_error() {
            Some(nix::libc::ELOOP) => {
                io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link; name the file itself")
            }
            _ => e,
        })?;
        single(&file)?;
        file.set_len(0)?;
        file.write_all(bytes)
    }

    /// The identity of whoever owns a directory, where we are root.
    fn as_owner_of(&self, dir: &Utf8PathBuf) -> io::Result<AsUser> {
        let meta = fs::metadata(dir)?;
        let (uid, gid) = (meta.uid(), meta.gid());
        Ok(AsUser::new(self, if uid == 0 { Owner::Root } else { Owner::User { uid, gid } }))
    }
}

/// Refuses what is no regular file, or one with a second name elsewhere.
pub(super) fn single(file: &File) -> io::Result<()> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(no_file());
    }
    if meta.nlink() > 1 {
        let text = "it has a second name elsewhere (a hard link); take it away or name another file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}
