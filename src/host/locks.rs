//! The locks between two runs and between two distributions, and the holder of a lock that kind-wsl has to wait for.

#![allow(clippy::disallowed_methods, reason = "part of host/")]

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::rc::Rc;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{SysconfVar, sysconf};

use super::fs::{failed, is_absent};
use super::identity::{FsIdentity, FsIdentityGuard};
use super::open::{regular, single};
use super::walk::Spot;
use super::{HostError, LiveSystem, Owner, System};

/// The lock file of a run. Only root can open it, so that no other user can hold it.
const LOCK: &str = "lock";
/// The file in a directory on the Windows side whose existence is the lock: drvfs may not support flock(2) across
/// distributions.
const SHARED: &str = ".kind-wsl.lock";
/// The age from which a lock of another distribution counts as stale: a write takes milliseconds.
const STALE: Duration = Duration::from_secs(30);
/// The maximum wait for other distributions.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The lock between two runs; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    spot: Spot,
}

impl Lock {
    /// Removes the file. A run that waits for the lock then finds it missing, and creates another one.
    pub(super) fn give_up(self) -> io::Result<()> {
        if self.spot.is(&self.file) { self.spot.remove() } else { Ok(()) }
    }
}

/// A process that holds a record lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    /// Its name, from `/proc/PID/comm`.
    pub name: String,
    /// When it was started, UTC.
    pub since: Option<String>,
}

impl LiveSystem {
    /// Takes the lock in a directory of kind-wsl; `None` if another process holds it or has just removed it.
    ///
    /// # Errors
    /// The file cannot be opened, or belongs to another user.
    pub fn lock(&self, dir: &Utf8Path) -> Result<Option<Lock>, HostError> {
        let path = dir.join(LOCK);
        let (spot, _act) = self.reach(&path, false, self.acting(Owner::Root, &path))?;
        let opened = spot.open(OFlag::O_RDONLY | OFlag::O_CREAT, 0o600);
        let file = opened.and_then(|file| self.own(file)).map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) if spot.is(&file) => Ok(Some(Lock { file, spot })),
            Ok(()) | Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(failed("lock", &path)(e)),
        }
    }

    /// Refuses a file that another user could have open.
    fn own(&self, file: File) -> io::Result<File> {
        single(&file)?;
        let meta = file.metadata()?;
        if meta.uid() != self.uid {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it belongs to another user"));
        }
        if meta.mode() & 0o077 != 0 {
            file.set_permissions(PermissionsExt::from_mode(0o600))?;
        }
        Ok(file)
    }

    /// Locks a file against other distributions while the returned value exists: from the read to the write. `None`
    /// if no other distribution writes it, or this run has the lock already.
    ///
    /// # Errors
    /// Another distribution does not finish.
    pub fn alone(&self, path: &Utf8Path, act: Owner) -> Result<Option<Alone>, HostError> {
        let held = self.shared_place(path, act).and_then(|place| {
            let Some((spot, _act)) = place else { return Ok(None) };
            self.hold(&spot, path)
        });
        match held {
            // The write itself reports the problem more precisely.
            Err(HostError::File { .. } | HostError::Loop(_)) => Ok(None),
            held => Ok(held?.map(Alone)),
        }
    }

    /// The path of a file that other distributions write to; `None` for any other.
    fn shared_place(
        &self,
        path: &Utf8Path,
        act: Owner,
    ) -> Result<Option<(Spot, FsIdentityGuard)>, HostError> {
        if !self.has_shared() {
            return Ok(None);
        }
        let real = self.resolve(path)?;
        if !self.is_shared(&real) {
            return Ok(None);
        }
        self.reach(&real, false, self.acting(act, &real)).map(Some)
    }

    /// Takes the lock on the directory of a shared file, unless this run has it.
    pub(super) fn hold(&self, spot: &Spot, path: &Utf8Path) -> Result<Option<Shared>, HostError> {
        if self.is_alone.get() { Ok(None) } else { Shared::hold(self, spot, path).map(Some) }
    }

    /// Removes leftovers of a killed run from a directory that other distributions write to.
    ///
    /// # Errors
    /// Another distribution does not finish its write.
    pub fn sweep_shared(&self, path: &Utf8Path, act: Owner) -> Result<(), HostError> {
        let Some((spot, _act)) = self.shared_place(path, act)? else { return Ok(()) };
        if spot.beside(SHARED).meta().is_ok() {
            drop(self.hold(&spot, path)?);
        }
        Ok(())
    }

    /// The process that holds the record lock on `path`, as dpkg and apt take it on `/var/lib/dpkg/lock-frontend`
    /// (apt `apt-pkg/contrib/fileutl.cc`, `GetLock`: `fcntl` with `F_SETLK`). `None` if the lock is free, or if it
    /// cannot be queried.
    #[must_use]
    pub fn lock_holder(&self, path: &Utf8Path) -> Option<Holder> {
        let file = regular(self.open_at(path, OFlag::O_RDWR).ok()?).ok()?;
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

    /// The process that holds kind-wsl's lock in a directory, as the kernel lists it (`proc_locks(5)`): no system
    /// call returns it. `None` if the list does not contain it, as for a process in another namespace.
    #[must_use]
    pub fn directory_holder(&self, dir: &Utf8Path) -> Option<Holder> {
        let path = dir.join(LOCK);
        let meta = self.reach(&path, false, FsIdentityGuard::unchanged()).ok()?.0.meta().ok()?;
        let (major, minor) = (nix::sys::stat::major(meta.st_dev), nix::sys::stat::minor(meta.st_dev));
        let place = format!("{major:02x}:{minor:02x}:{}", meta.st_ino);
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let pid = |line: &str| {
            // `1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF`; a waiting process has an arrow in the second place.
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let matches = words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&place.as_str());
            words.get(4).filter(|_| matches)?.parse().ok().filter(|pid| *pid > 0)
        };
        locks.lines().find_map(pid).map(holder)
    }
}

fn holder(pid: i32) -> Holder {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Holder { pid, name: comm.trim().to_owned(), since: u32::try_from(pid).ok().and_then(started) }
}

/// When a process was started, UTC: the start of the kernel and the ticks since then (`proc_stat(5)`, `proc_pid_stat(5)`).
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: i64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let ticks: i64 = start_of(pid)?.parse().ok()?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    Some(jiff::Timestamp::from_second(boot + ticks / per_second).ok()?.to_string())
}

/// The lock on a directory that several distributions of one Windows account write to; released when dropped. It is a
/// file with the name of its holder, for file systems without another lock.
#[derive(Debug)]
pub(super) struct Shared {
    spot: Spot,
    file: File,
    whom: Option<FsIdentity>,
    is_alone: Rc<Cell<bool>>,
}

/// No other distribution writes to a directory on the Windows side while this exists.
#[derive(Debug)]
#[allow(dead_code, reason = "freed when dropped")]
pub struct Alone(Shared);

impl Shared {
    /// Waits for it, in the directory of `of`.
    pub(super) fn hold(host: &LiveSystem, of: &Spot, path: &Utf8Path) -> Result<Self, HostError> {
        let spot = of.beside(SHARED);
        let whom = FsIdentityGuard::current();
        let begin = Instant::now();
        let mut seen: Option<(Held, Instant)> = None;
        loop {
            match spot.open(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, 0o600) {
                Ok(mut file) => {
                    file.write_all(Stamp::own().text().as_bytes()).map_err(failed("write", path))?;
                    host.is_alone.set(true);
                    return Ok(Self { spot, file, whom, is_alone: Rc::clone(&host.is_alone) });
                }
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(failed("write", path)(e)),
                Err(_) => {}
            }
            let Some(now) = holder_in(&spot).map_err(failed("write", path))? else { continue };
            let since = match &seen {
                Some((before, since)) if *before == now => *since,
                _ => seen.insert((now.clone(), Instant::now())).1,
            };
            if Stamp::parse(&now.text).is_some_and(|stamp| stamp.is_dead()) || since.elapsed() > STALE {
                take_away(&spot, &now).map_err(failed("write", path))?;
            } else if begin.elapsed() > TIMEOUT {
                return Err(HostError::Busy(path.to_owned()));
            } else {
                host.pause(POLL_INTERVAL);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.is_alone.set(false);
        let _as_user = self.whom.clone().map_or_else(FsIdentityGuard::unchanged, FsIdentityGuard::new);
        if self.spot.is(&self.file) {
            let _ = self.spot.remove();
        }
    }
}

/// A lock file: its content and identity.
#[derive(Clone, PartialEq, Eq)]
struct Held {
    text: String,
    file: (u64, i64, i64),
}

/// The lock file; `None` if it does not exist.
fn holder_in(spot: &Spot) -> io::Result<Option<Held>> {
    match spot.open(OFlag::O_RDONLY, 0).and_then(regular) {
        Ok(file) => {
            let mut text = Vec::new();
            let meta = file.metadata()?;
            file.take(256).read_to_end(&mut text)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            Ok(Some(Held { text, file: (meta.ino(), meta.mtime(), meta.mtime_nsec()) }))
        }
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes a stale lock. The file is renamed first: if another run has removed it and created its own in between,
/// that one is restored.
fn take_away(spot: &Spot, dead: &Held) -> io::Result<()> {
    let aside = spot.beside(&format!("{SHARED}.{}", std::process::id()));
    match spot.rename(&aside) {
        Err(e) if is_absent(&e) => return Ok(()),
        moved => moved?,
    }
    if holder_in(&aside)?.as_ref() == Some(dead) { aside.remove() } else { aside.rename(spot) }
}

/// The holder of a shared lock: all distributions of one account run on one kernel, each in its own PID namespace.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    boot: String,
    namespace: String,
    pid: u32,
    start: String,
}

impl Stamp {
    /// The stamp of this process. The kernel of a tree is the running one.
    fn own() -> Self {
        let pid = std::process::id();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            boot: boot.trim().to_owned(),
            namespace: namespace.to_string_lossy().into_owned(),
            pid,
            start: start_of(pid).unwrap_or_default(),
        }
    }

    fn text(&self) -> String {
        format!("{} {} {} {}\n", self.boot, self.namespace, self.pid, self.start)
    }

    /// `None` unless it is complete: it may be written at this very moment.
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.strip_suffix('\n')?.split(' ').filter(|word| !word.is_empty()).collect();
        let &[boot, namespace, pid, start] = words.as_slice() else { return None };
        let owned = ToOwned::to_owned;
        Some(Self {
            boot: owned(boot),
            namespace: owned(namespace),
            pid: pid.parse().ok()?,
            start: owned(start),
        })
    }

    /// Whether the holder has certainly ended.
    fn is_dead(&self) -> bool {
        let own = Self::own();
        if self.boot != own.boot {
            return !own.boot.is_empty();
        }
        self.namespace == own.namespace && start_of(self.pid).as_ref() != Some(&self.start)
    }
}

/// When a process began, in ticks since the boot.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.to_owned())
}
