//! Opens files that other users may have created: only regular files, without blocking, and with a size limit.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use nix::libc::EISDIR;

/// The size limit of a text that is read as a whole: configuration files, and files of /proc. Parsed TOML takes a
/// hundred times as much memory.
pub(super) const TEXT: u64 = 4 << 20;
/// The size limit of a program: four times the largest one that kind-wsl installs.
pub(super) const LARGE: u64 = 256 << 20;

/// Refuses anything but a regular file: opening or reading anything else could block permanently.
pub(super) fn regular(file: File) -> io::Result<File> {
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::Error::from_raw_os_error(EISDIR));
    }
    if !meta.is_file() {
        return Err(no_file());
    }
    Ok(file)
}

pub(super) fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is a device, socket or pipe")
}

pub(super) fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {} MiB", most >> 20))
}

/// A reader that fails if the file exceeds its size limit.
pub(super) struct Bounded {
    file: io::Take<File>,
    most: u64,
}

impl Bounded {
    pub(super) fn new(file: File, most: u64) -> io::Result<Self> {
        let file = regular(file)?;
        // A file whose reported size exceeds the limit is not read; one without a size (in /proc), or still growing,
        // is.
        if file.metadata()?.len() > most {
            return Err(too_large(most));
        }
        Ok(Self { file: file.take(most + 1), most })
    }

    pub(super) fn whole(mut self) -> io::Result<Vec<u8>> {
        // Most files are smaller than a page, and /proc returns a page at a time.
        let mut bytes = Vec::with_capacity(4096);
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if self.file.limit() == 0 {
            return Err(too_large(self.most));
        }
        Ok(count)
    }
}

/// Refuses anything but a regular file, and a file with a second hard link.
pub(super) fn single(file: &File) -> io::Result<()> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(no_file());
    }
    if meta.nlink() > 1 {
        let text = "it has a second hard link; remove that or specify another file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}
