//! Many small files in many directories: `/sys/fs/cgroup` and `/proc`.

#![allow(
    clippy::disallowed_methods,
    reason = "reads where World::read would resolve every name of every path again"
)]

use std::cell::OnceCell;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, fstat};

use super::walk::Root;
use super::{HostError, System};

/// A directory whose links were resolved once, so that each file in it costs an open, a read and a close.
pub struct DirHandle<'w> {
    path: Utf8PathBuf,
    place: Place<'w>,
}

enum Place<'w> {
    /// Where it really is, and the open directory once something in it was asked for: what is in it is then found by its
    /// name alone, and the kernel walks the long path once.
    Real(PathBuf, OnceCell<Option<OwnedFd>>),
    /// In a world that has no files of its own.
    System(&'w dyn System),
}

/// How a directory is opened.
const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Opens a directory in another one. A link to a neighbor is followed, for `/proc/self` is one.
fn open_in(above: &OwnedFd, name: &str) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let flags = DIRECTORY.difference(OFlag::O_NOFOLLOW);
    match openat2(above, name, OpenHow::new().flags(flags).resolve(resolve)) {
        // As in `walk`: an old kernel, or an old seccomp filter.
        Err(Errno::ENOSYS | Errno::EPERM) => openat(above, name, flags, Mode::empty()),
        opened => opened,
    }
}

impl Place<'_> {
    fn at(real: PathBuf) -> Self {
        Self::Real(real, OnceCell::new())
    }
}

impl std::fmt::Debug for DirHandle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Folder").field(&self.path).finish()
    }
}

impl DirHandle<'static> {
    /// A directory by where it is on this machine and by what it is called: what another thread may be given.
    #[must_use]
    pub fn at_host_path(path: Utf8PathBuf, real: PathBuf) -> Self {
        Self { path, place: Place::at(real) }
    }
}

impl<'w> DirHandle<'w> {
    /// The directory at `path`, be it there or not.
    #[must_use]
    pub fn new(system: &'w dyn System, path: &Utf8Path) -> Self {
        let place = system.host_path(path).map_or(Place::System(system), Place::at);
        Self { path: path.to_owned(), place }
    }

    /// A directory in it, be it there or not.
    #[must_use]
    pub fn open_dir(&self, name: &str) -> Self {
        let place = match &self.place {
            Place::Real(real, _) => {
                let dir = self.dir().and_then(|above| open_in(above, name).ok());
                Place::Real(real.join(name), OnceCell::from(dir))
            }
            Place::System(system) => Place::System(*system),
        };
        Self { path: self.path.join(name), place }
    }

    /// Where it is on this machine; `None` in a world that has no files of its own.
    #[must_use]
    pub fn host_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Real(real, _) => Some(real),
            Place::System(_) => None,
        }
    }

    /// Its path, without our root.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The bytes of a file in it, into a buffer that is used again; `None` where there is nothing that we may read, for
    /// example because the process or the cgroup has ended.
    #[must_use]
    pub fn bytes<'b>(&self, name: &str, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        match &self.place {
            Place::Real(..) => {
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | super::walk::UNKNOWN;
                let file = openat(self.dir()?, name, flags, Mode::empty()).ok()?;
                let end = read_small(&mut fs::File::from(file), buffer).ok()?;
                Some(&buffer[..end])
            }
            Place::System(system) => {
                *buffer = system.read(&self.path.join(name)).ok()??;
                Some(buffer)
            }
        }
    }

    /// As [`DirHandle::bytes`], as text.
    #[must_use]
    pub fn text<'b>(&self, name: &str, buffer: &'b mut Vec<u8>) -> Option<&'b str> {
        std::str::from_utf8(self.bytes(name, buffer)?).ok()
    }

    fn dir(&self) -> Option<&OwnedFd> {
        let Place::Real(real, dir) = &self.place else { return None };
        dir.get_or_init(|| open(real, DIRECTORY, Mode::empty()).ok()).as_ref()
    }

    /// Whether there is something of that name, which may be a path; links are followed.
    #[must_use]
    pub fn has(&self, name: &str) -> Option<bool> {
        let there = |found: std::io::Result<()>| match found {
            Ok(()) => Some(true),
            Err(e) if super::fs::is_absent(&e) => Some(false),
            Err(_) => None,
        };
        match &self.place {
            // A link of /proc leads into another mount namespace: only the kernel can follow it.
            Place::Real(real, _) if real == self.path.as_std_path() => {
                there(fs::metadata(real.join(name)).map(drop))
            }
            // In another root it leads nowhere else.
            Place::Real(real, _) => {
                let spot =
                    Root::at(Utf8Path::from_path(real)?).walk(Utf8Path::new(name), true, &mut |_, _| Ok(()));
                there(spot.map_err(HostError::into_source).and_then(|spot| spot.meta().map(drop)))
            }
            Place::System(system) => Some(system.exists(self.path.join(name).as_str())),
        }
    }

    /// The sorted names of the directories in it.
    #[must_use]
    pub fn dirs(&self) -> Vec<String> {
        let real = match &self.place {
            Place::Real(real, _) => real,
            Place::System(system) => return folders_by_path(*system, &self.path),
        };
        // Two links are its own name and its `.`; each directory in it adds its `..` (cgroupfs, ext4 and tmpfs count so;
        // file systems that do not count, such as btrfs, say 1).
        if self.dir().and_then(|dir| fstat(dir).ok()).is_none_or(|stat| stat.st_nlink == 2) {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir(real) else { return Vec::new() };
        let folders = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut names: Vec<String> = folders.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }
}

fn folders_by_path(system: &dyn System, path: &Utf8Path) -> Vec<String> {
    let mut names = system.list(path).unwrap_or_default();
    let is_dir = |name: &String| {
        let stat = system.stat(&path.join(name)).ok().flatten();
        stat.is_some_and(|stat| stat.kind == super::Kind::Dir)
    };
    names.retain(is_dir);
    names
}

/// Reads to the end, where the kernel answers a page at most at a time: what is well below a page was the last. Returns
/// how many bytes at the beginning of the buffer are the file's; the buffer only grows, so that it is cleared once.
fn read_small(file: &mut fs::File, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    const PAGE: usize = 4096;
    let mut end = 0;
    loop {
        if buffer.len() < end + PAGE {
            buffer.resize(end + PAGE, 0);
        }
        let read = match file.read(&mut buffer[end..]) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        end += read;
        if end as u64 > super::open::TEXT {
            return Err(super::open::too_large(super::open::TEXT));
        }
        if read < PAGE / 2 {
            return Ok(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::DirHandle;
    use crate::host::{LiveSystem, Process, System};

    #[test]
    fn a_long_file_is_read_whole_and_only_directories_are_folders() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let long = "12345\n".repeat(10_000);
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(root.join("a/a")).unwrap();
        std::fs::write(root.join("a/long"), &long).unwrap();
        std::os::unix::fs::symlink("long", root.join("a/link")).unwrap();
        let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
        let dir_handle = DirHandle::new(&host as &dyn System, Utf8Path::new("/a"));
        let mut buffer = Vec::new();
        assert_eq!(dir_handle.text("long", &mut buffer), Some(long.as_str()));
        assert_eq!(dir_handle.text("link", &mut buffer), None);
        assert_eq!(dir_handle.text("none", &mut buffer), None);
        assert_eq!(dir_handle.dirs(), ["a", "b"]);
        assert_eq!(dir_handle.open_dir("b").dirs(), [""; 0]);
        assert_eq!((dir_handle.has("long"), dir_handle.has("b/c")), (Some(true), Some(false)));
    }
}
