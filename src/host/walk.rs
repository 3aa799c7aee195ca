//! Paths below a directory descriptor: no component, and no link, leads out of the root.
//!
//! The kernel resolves a path without links in one call (`openat2(2)`: `RESOLVE_IN_ROOT`, `RESOLVE_NO_SYMLINKS`). A
//! path with links, and every path on a kernel without openat2 (before Linux 5.6, or below an old seccomp filter), is
//! walked here one directory at a time with `O_NOFOLLOW`, so that each link can be checked before it is followed.
//! Magic links (`/proc/PID/cwd`) are read as text, never followed by the kernel.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use nix::dir::{Dir, Entry, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::fs::failed;
use super::{FileKind, HostError, Stat};

/// The maximum number of links, as in the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;
/// The flags for a directory on the way.
const ON_THE_WAY: OFlag =
    OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// The flags for a file of unknown type: it neither blocks nor becomes the controlling terminal.
pub(super) const UNKNOWN: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// An object on the way of a walk.
pub(super) enum Met<'a> {
    Dir(&'a OwnedFd),
    /// A link that is about to be followed.
    Link(&'a FileStat),
}

/// Called for every object on the way; an error ends the walk.
pub(super) type Visitor<'a> = dyn FnMut(&Utf8Path, Met<'_>) -> io::Result<()> + 'a;

/// The directory that all paths are below.
#[derive(Debug)]
pub(super) struct Root {
    top: Result<OwnedFd, Errno>,
    has_openat2: bool,
}

impl Root {
    /// Opens the directory; an error of the kernel is reported by the first use.
    pub(super) fn at(path: &Utf8Path) -> Self {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat2(AT_FDCWD, path.as_str(), OpenHow::new().flags(flags)) {
            // An old seccomp filter returns EPERM for a call that it does not list.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                Self { top: openat(AT_FDCWD, path.as_str(), flags, Mode::empty()), has_openat2: false }
            }
            top => Self { top, has_openat2: true },
        }
    }

    /// The same root without openat2, as on an old kernel.
    #[cfg(test)]
    pub(super) fn without_openat2(self) -> Self {
        Self { has_openat2: false, ..self }
    }

    fn top(&self) -> io::Result<&OwnedFd> {
        self.top.as_ref().map_err(|errno| io::Error::from(*errno))
    }

    /// Opens the file at a path without links, in one call; [`Errno::ELOOP`] if the path has to be walked.
    pub(super) fn open(&self, path: &Utf8Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        let top = self.top.as_ref().map_err(|errno| *errno)?;
        // With `..` the kernel can return EAGAIN while other programs rename directories.
        if !self.has_openat2 || path.components().any(|c| c == Utf8Component::ParentDir) {
            return Err(Errno::ELOOP);
        }
        let inside = path.as_str().trim_start_matches('/');
        let inside = if inside.is_empty() { "." } else { inside };
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        openat2(top, inside, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve))
    }

    /// Returns the directory of `path` and the name in it. `follow` decides about a link in the last component.
    pub(super) fn walk(
        &self,
        path: &Utf8Path,
        follow: bool,
        watch: &mut Visitor<'_>,
    ) -> Result<Spot, HostError> {
        let top = self.top().map_err(failed("open", Utf8Path::new("/")))?;
        let mut todo = components(path);
        let mut dirs: Vec<OwnedFd> = Vec::new();
        let mut done = Utf8PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                dirs.pop();
                done.pop();
                continue;
            }
            let next = done.join(&name);
            let dir = dirs.last().unwrap_or(top);
            let is_last = todo.is_empty();
            let opened = match (is_last, follow) {
                (true, false) => return Spot::new(dirs.pop(), top, name, next),
                (true, true) => Err(Errno::ENOTDIR),
                (false, _) => openat(dir, name.as_str(), ON_THE_WAY, Mode::empty()),
            };
            match opened {
                Ok(opened) => {
                    watch(&next, Met::Dir(&opened)).map_err(failed("examine", &next))?;
                    dirs.push(opened);
                    done = next;
                    continue;
                }
                Err(Errno::ENOTDIR | Errno::ELOOP) => {}
                Err(Errno::ENOENT) => return Ok(Spot::absent(next, todo)),
                Err(e) => return Err(failed("examine", &next)(e.into())),
            }
            match readlinkat(dir, name.as_str()) {
                Ok(to) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(HostError::Loop(path.to_owned()));
                    }
                    fstatat(dir, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
                        .map_err(io::Error::from)
                        .and_then(|stat| watch(&next, Met::Link(&stat)))
                        .map_err(failed("examine", &next))?;
                    let to = to.to_string_lossy().into_owned();
                    if to.starts_with('/') {
                        dirs.clear();
                        done = Utf8PathBuf::from("/");
                    }
                    todo.extend(components(Utf8Path::new(&to)));
                }
                Err(Errno::EINVAL | Errno::ENOENT) if is_last => {
                    return Spot::new(dirs.pop(), top, name, next);
                }
                // A file at the path of a directory: no path exists below it.
                Err(Errno::EINVAL | Errno::ENOENT) => return Ok(Spot::absent(next, todo)),
                Err(e) => return Err(failed("examine", &next)(e.into())),
            }
        }
        Spot::new(dirs.pop(), top, ".".to_owned(), done)
    }

    /// Returns the directory of a path without links; as [`Root::walk`] without following the last component.
    pub(super) fn directory_of(&self, path: &Utf8Path) -> Result<Option<Spot>, Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let dir = match self.open(parent, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(dir) => Some(Arc::new(dir)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => None,
            Err(Errno::ELOOP) => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(Some(Spot { dir, name: name.to_owned(), real: path.to_owned() }))
    }
}

/// A name in an open directory, which stays the same even if other programs rename it.
#[derive(Debug)]
pub(super) struct Spot {
    /// `None` if the directory does not exist.
    dir: Option<Arc<OwnedFd>>,
    name: String,
    /// The path below the root with every link resolved.
    pub(super) real: Utf8PathBuf,
}

impl Spot {
    fn new(dir: Option<OwnedFd>, top: &OwnedFd, name: String, real: Utf8PathBuf) -> Result<Self, HostError> {
        let dir = dir.map_or_else(|| top.try_clone(), Ok).map_err(failed("open", &real))?;
        Ok(Self { dir: Some(Arc::new(dir)), name, real })
    }

    /// Below a missing directory, the rest of the path is taken as written.
    fn absent(mut real: Utf8PathBuf, mut todo: Vec<String>) -> Self {
        while let Some(name) = todo.pop() {
            if name == ".." {
                real.pop();
            } else {
                real.push(name);
            }
        }
        Self { dir: None, name: real.file_name().unwrap_or(".").to_owned(), real }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn has_dir(&self) -> bool {
        self.dir.is_some()
    }

    /// The directory as a root.
    pub(super) fn into_root(self) -> io::Result<Root> {
        let dir = self.dir()?.try_clone()?;
        Ok(Root { top: Ok(dir), has_openat2: false })
    }

    /// Another name in the same directory.
    pub(super) fn beside(&self, name: &str) -> Self {
        Self { dir: self.dir.clone(), name: name.to_owned(), real: self.real.with_file_name(name) }
    }

    fn dir(&self) -> io::Result<&OwnedFd> {
        self.dir.as_deref().ok_or_else(|| io::Error::from_raw_os_error(nix::libc::ENOENT))
    }

    /// The kernel's data about it; a link is not followed.
    pub(super) fn meta(&self) -> io::Result<FileStat> {
        Ok(fstatat(self.dir()?, self.name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// Its type and owner; an error if it does not exist.
    pub(super) fn stat(&self) -> io::Result<Stat> {
        let meta = self.meta()?;
        let kind = match SFlag::from_bits_truncate(meta.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFLNK => {
                FileKind::Link(readlinkat(self.dir()?, self.name.as_str())?.to_string_lossy().into_owned())
            }
            SFlag::S_IFDIR => FileKind::Dir,
            SFlag::S_IFREG => FileKind::File,
            _ => FileKind::Other,
        };
        let len = u64::try_from(meta.st_size).unwrap_or_default();
        Ok(Stat { kind, mode: meta.st_mode & 0o7777, uid: meta.st_uid, gid: meta.st_gid, len })
    }

    /// Opens it, unless it is a link, without blocking.
    pub(super) fn open(&self, flags: OFlag, mode: u32) -> io::Result<File> {
        let flags = flags | UNKNOWN | OFlag::O_NOFOLLOW;
        let mode = Mode::from_bits_truncate(mode);
        Ok(File::from(openat(self.dir()?, self.name.as_str(), flags, mode)?))
    }

    /// Renames it to `to`, which may exist.
    pub(super) fn rename(&self, to: &Self) -> io::Result<()> {
        Ok(renameat(self.dir()?, self.name.as_str(), to.dir()?, to.name.as_str())?)
    }

    /// Removes a file or link.
    pub(super) fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(self.dir()?, self.name.as_str(), UnlinkatFlags::NoRemoveDir)?)
    }

    pub(super) fn remove_dir(&self) -> io::Result<()> {
        Ok(unlinkat(self.dir()?, self.name.as_str(), UnlinkatFlags::RemoveDir)?)
    }

    /// Removes a directory with its content, without following links. A missing directory is not an error.
    pub(super) fn remove_tree(&self) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let dir = match self.open(flags, 0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => OwnedFd::from(opened?),
        };
        for name in names_in(dir.try_clone()?.into())? {
            match unlinkat(&dir, name.as_str(), UnlinkatFlags::NoRemoveDir) {
                Err(Errno::EISDIR) => {
                    let below =
                        Self { dir: Some(Arc::new(dir.try_clone()?)), real: self.real.join(&name), name };
                    below.remove_tree()?;
                }
                Err(Errno::ENOENT) => {}
                removed => removed?,
            }
        }
        self.remove_dir()
    }

    /// Creates a link to `to`.
    pub(super) fn link_to(&self, to: &str) -> io::Result<()> {
        Ok(symlinkat(to, self.dir()?, self.name.as_str())?)
    }

    /// Creates a directory; the mode is set whatever the umask, unless it existed.
    pub(super) fn make_dir(&self, mode: u32) -> io::Result<bool> {
        let mode = Mode::from_bits_truncate(mode);
        match mkdirat(self.dir()?, self.name.as_str(), mode) {
            Err(Errno::EEXIST) => return Ok(false),
            made => made?,
        }
        fchmodat(self.dir()?, self.name.as_str(), mode, FchmodatFlags::FollowSymlink)?;
        Ok(true)
    }

    /// Whether this is the open file `file`.
    pub(super) fn is(&self, file: &File) -> bool {
        match (self.meta(), nix::sys::stat::fstat(file)) {
            (Ok(named), Ok(open)) => (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino),
            _ => false,
        }
    }

    /// Syncs its directory.
    pub(super) fn sync_dir(&self) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | UNKNOWN;
        let dir = File::from(openat(self.dir()?, ".", flags, Mode::empty())?);
        match dir.sync_all() {
            // 9p and some network file systems do not support syncing directories.
            Err(e) if e.raw_os_error() == Some(nix::libc::EINVAL) => Ok(()),
            other => other,
        }
    }
}

/// The components of a path, last first, so that the next one is at the end.
fn components(path: &Utf8Path) -> Vec<String> {
    path.components()
        .rev()
        .filter(|c| !matches!(c, Utf8Component::RootDir | Utf8Component::CurDir))
        .map(|c| c.as_str().to_owned())
        .collect()
}

/// The sorted names in a directory.
pub(super) fn names_in(dir: File) -> io::Result<Vec<String>> {
    names_of(dir, |_| true)
}

/// The sorted names of the directories in a directory.
pub(super) fn dirs_in(dir: File) -> io::Result<Vec<String>> {
    let at = dir.try_clone()?;
    names_of(dir, |entry| match entry.file_type() {
        Some(kind) => kind == Type::Directory,
        // Some file systems do not report the type of an entry.
        None => fstatat(&at, entry.file_name(), AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR),
    })
}

fn names_of(dir: File, keep: impl Fn(&Entry) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(dir.into())?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." && keep(&entry) {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}
