//! Files on the command line, which are outside of the root: `-o`, `--to`, `--offline`, `--answers`, `--facts`.
//!
//! Root writes there as the user who ran sudo. Without sudo it acts as itself only as long as every directory and
//! link on the way belongs to root. From the first other one on it has that owner's rights, so that a link in a home
//! directory leads no further than its owner could go.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

use super::identity::{FsIdentity, FsIdentityGuard, groups};
use super::open::{regular, single, too_large};
use super::walk::{Met, Root, Spot, UNKNOWN};
use super::{DownloadDir, HostError, LiveSystem};

/// The maximum pause of a pipe.
const SILENCE: Duration = Duration::from_mins(1);
/// The maximum total time of a pipe.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Returns a directory of the command line, absolute and without links; `None` if it is not a directory.
///
/// # Errors
/// The path does not exist, or cannot be reached.
pub fn directory(path: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
    let real = path.canonicalize_utf8()?;
    Ok(real.is_dir().then_some(real))
}

/// The purpose of an access.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
}

impl LiveSystem {
    /// Opens a regular file outside of the root: the files of `--offline`.
    ///
    /// # Errors
    /// The kernel refuses it, or it is a device, socket or pipe.
    pub fn open_host_path(&self, path: &Utf8Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(regular(self.opened(path)?)?))
    }

    /// Opens a file of the command line, outside of the root. It can be a pipe of the caller's shell, with at most a
    /// minute between two reads.
    ///
    /// # Errors
    /// The kernel refuses it, or it is a device or socket.
    pub fn open_user_arg(&self, path: &Utf8Path) -> io::Result<Box<dyn Read>> {
        // `<(command)` is a descriptor of this process: the shell has opened it.
        let is_own =
            ["/dev/fd/", "/proc/self/fd/", "/dev/stdin"].iter().any(|own| path.as_str().starts_with(own));
        let file = if is_own {
            OpenOptions::new().read(true).custom_flags(UNKNOWN.bits()).open(path)?
        } else {
            self.opened(path)?
        };
        let meta = file.metadata()?;
        let kind = meta.file_type();
        // /dev/null commonly means no content.
        let is_null = kind.is_char_device() && meta.rdev() == nix::sys::stat::makedev(1, 3);
        if kind.is_fifo() {
            return Ok(Box::new(Pipe { file, begin: Instant::now() }));
        }
        if is_null { Ok(Box::new(io::empty())) } else { Ok(Box::new(regular(file)?)) }
    }

    /// Reads the text of a file or pipe of the command line, at most `most` bytes.
    ///
    /// # Errors
    /// As [`LiveSystem::open_user_arg`]; the file is larger, or not UTF-8.
    pub fn read_user_arg(&self, path: &Utf8Path, most: u64) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.open_user_arg(path)?.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(too_large(most));
        }
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    }

    fn opened(&self, path: &Utf8Path) -> io::Result<File> {
        let (spot, _act) = self.outside(path, true, Purpose::Read)?;
        spot.open(OFlag::O_RDONLY, 0)
    }

    /// Writes a file of the command line, outside of the root, but never through a link in the last component or to a
    /// file with a second hard link: a file prepared by another user must not choose what root overwrites.
    ///
    /// # Errors
    /// The kernel refuses it, or the path is a link or not a regular file.
    pub fn write_host_path(&self, path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let written = self.outside(path, false, Purpose::Write).and_then(|(spot, _act)| {
            let mut file =
                spot.open(OFlag::O_WRONLY | OFlag::O_CREAT, mode).map_err(|e| match e.raw_os_error() {
                    Some(nix::libc::ELOOP) => io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "it is a symbolic link; specify the file itself",
                    ),
                    _ => e,
                })?;
            single(&file)?;
            let meta = file.metadata()?;
            let own = FsIdentityGuard::current().map_or(self.uid, |whom| whom.uid);
            if self.uid == 0 && ![0, own].contains(&meta.uid()) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it belongs to another user"));
            }
            if mode == 0o600 && meta.mode() & 0o077 != 0 {
                file.set_permissions(PermissionsExt::from_mode(mode))?;
            }
            file.set_len(0)?;
            file.write_all(bytes)
        });
        written.map_err(|e| self.explained(e))
    }

    /// Opens a directory of the command line, outside of the root, for new files; it is created if it does not exist.
    pub fn download_dir_at_host_path(&self, path: &Utf8Path) -> io::Result<DownloadDir> {
        let download_dir = self.made_outside(path).and_then(|(spot, act)| {
            let real = spot.real.parent().unwrap_or(&spot.real).to_owned();
            let whom = act.whom();
            drop(act);
            Ok(DownloadDir::of(spot.into_root()?, real, whom))
        });
        download_dir.map_err(|e| self.explained(e))
    }

    /// A path in a directory that is created if needed, with those above it.
    fn made_outside(&self, path: &Utf8Path) -> io::Result<(Spot, FsIdentityGuard)> {
        let inside = path.join("file");
        let (spot, act) = self.outside(&inside, false, Purpose::Write)?;
        if spot.has_dir() {
            return Ok((spot, act));
        }
        drop(act);
        let above = path.parent().filter(|above| !above.as_str().is_empty());
        if let Some(above) = above {
            self.made_outside(above)?;
        }
        let (spot, act) = self.outside(path, false, Purpose::Write)?;
        spot.make_dir(0o755)?;
        drop(act);
        let (spot, act) = self.outside(&inside, false, Purpose::Write)?;
        if spot.has_dir() { Ok((spot, act)) } else { Err(io::Error::from_raw_os_error(nix::libc::ENOTDIR)) }
    }

    /// The opened directory of a path of the command line, and the identity for it.
    fn outside(
        &self,
        path: &Utf8Path,
        follow: bool,
        purpose: Purpose,
    ) -> io::Result<(Spot, FsIdentityGuard)> {
        let here = || {
            Utf8PathBuf::try_from(std::env::current_dir()?).map_err(camino::FromPathBufError::into_io_error)
        };
        let path = if path.is_absolute() { path.to_owned() } else { here()?.join(path) };
        let caller = Some(purpose).filter(|p| *p == Purpose::Write).and_then(|_| self.caller());
        let mut act = caller.map_or_else(FsIdentityGuard::unchanged, FsIdentityGuard::new);
        let walked = Root::at("/".into()).walk(&path, follow, &mut |_, met| {
            if self.uid != 0 || FsIdentityGuard::is_on() {
                return Ok(());
            }
            act = match met {
                Met::Dir(dir) => self.following(&fstat(dir)?),
                Met::Link(link) => self.following(link),
            };
            Ok(())
        });
        let spot = walked.map_err(HostError::into_source)?;
        Ok((spot, act))
    }

    /// The user who ran sudo, if root was reached that way.
    fn caller(&self) -> Option<FsIdentity> {
        let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
        let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
        let name = std::env::var("SUDO_USER").ok()?;
        (self.uid == 0 && uid != 0).then(|| FsIdentity { uid, gid, groups: groups(&name, gid) })
    }

    /// Adds the identity with which an access was refused.
    fn explained(&self, error: io::Error) -> io::Error {
        if self.uid != 0 || error.kind() != io::ErrorKind::PermissionDenied || error.get_ref().is_some() {
            return error;
        }
        let text = match self.caller().and(std::env::var("SUDO_USER").ok()) {
            Some(name) => {
                format!("under sudo files are written as `{name}`, who has no write permission there")
            }
            None => "it leads through a directory or link of another user, who has no write permission there"
                .to_owned(),
        };
        io::Error::new(io::ErrorKind::PermissionDenied, text)
    }
}

/// A pipe of the command line.
struct Pipe {
    file: File,
    begin: Instant,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let silent = |text: &str| io::Error::new(io::ErrorKind::TimedOut, text.to_owned());
        loop {
            if self.begin.elapsed() > TIMEOUT {
                return Err(silent("the pipe did not end within 10 min"));
            }
            let wait = PollTimeout::try_from(SILENCE).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], wait) {
                Ok(0) => return Err(silent("nothing came out of the pipe for 60 s")),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(e) => return Err(e.into()),
            }
            match self.file.read(buffer) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                read => return read,
            }
        }
    }
}
