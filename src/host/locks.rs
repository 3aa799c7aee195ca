//! Who holds a lock that we would have to wait for.

#![allow(clippy::disallowed_methods, reason = "part of host/")]

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use camino::Utf8Path;
use nix::fcntl::{FcntlArg, fcntl};

use super::Host;

/// A process that holds a record lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: i32,
    /// Its name, from `/proc/PID/comm`.
    pub name: String,
}

impl Host {
    /// The process that holds the record lock on `path` against a writer, as dpkg and apt take it on
    /// `/var/lib/dpkg/lock-frontend` (apt `apt-pkg/contrib/fileutl.cc`, `GetLock`: `fcntl` with `F_SETLK`).
    /// `None` where nobody does, or where we may not look.
    #[must_use]
    pub fn lock_holder(&self, path: &Utf8Path) -> Option<Holder> {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(self.under(path).ok()?).ok()?;
        let mut lock = nix::libc::flock {
            l_type: i16::try_from(nix::libc::F_WRLCK).ok()?,
            l_whence: 0,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).ok()?;
        if i32::from(lock.l_type) == nix::libc::F_UNLCK {
            return None;
        }
        Some(holder(lock.l_pid))
    }

    /// The process that holds our own lock on a directory, as the kernel lists it (`proc_locks(5)`): there is no call that
    /// asks for it. `None` where the list does not say, as of a process in another namespace.
    #[must_use]
    pub fn directory_holder(&self, dir: &Utf8Path) -> Option<Holder> {
        let meta = std::fs::metadata(self.under(dir).ok()?).ok()?;
        let (major, minor) = (nix::sys::stat::major(meta.dev()), nix::sys::stat::minor(meta.dev()));
        let place = format!("{major:02x}:{minor:02x}:{}", meta.ino());
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let pid = |line: &str| {
            // `1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF`; who only waits has an arrow in the second place.
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let ours = words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&place.as_str());
            words.get(4).filter(|_| ours)?.parse().ok().filter(|pid| *pid > 0)
        };
        locks.lines().find_map(pid).map(holder)
    }
}

fn holder(pid: i32) -> Holder {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Holder { pid, name: comm.trim().to_owned() }
}
