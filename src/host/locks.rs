//! Who holds a lock that we would have to wait for.

#![allow(clippy::disallowed_methods, reason = "part of host/")]

use std::os::fd::AsFd;

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
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", lock.l_pid)).unwrap_or_default();
        Some(Holder { pid: lock.l_pid, name: comm.trim().to_owned() })
    }
}
