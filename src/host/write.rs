//! The writing half: every effect on files, each counted by the fuse and made so that a crash leaves the old or the new.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use nix::fcntl::OFlag;

use super::fs::{failed, is_absent, missing_dirs, sha256_in, temporary};
use super::identity::{FsIdentity, FsIdentityGuard};
use super::locks::{Lock, Shared};
use super::open::{Bounded, LARGE, regular};
use super::walk::Spot;
use super::{FileKind, HostError, LiveSystem, Owner};

/// What whoever decided on an effect saw at its place. Where something else is there by then, somebody wrote in
/// between, and nothing is put over it: [`HostError::ConcurrentModification`]. Between this look and the rename lie microseconds,
/// which no system call closes for a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'s> {
    /// It does not matter.
    Anything,
    Nothing,
    /// A regular file with this SHA-256.
    File(&'s str),
    /// A link that leads there.
    Link(&'s str),
}

impl LiveSystem {
    /// One effect on a file or directory.
    fn effect(&self, action: &'static str, path: &Utf8Path) -> Result<(), HostError> {
        self.fault.hit(|| format!("{action} {path}")).map_err(failed(action, path))
    }

    /// The place of an effect: as whom it is made is settled, and other distributions are kept away from it.
    fn place(&self, path: &Utf8Path, act: Owner) -> Result<Destination, HostError> {
        let (spot, act) = self.reach(path, false, self.acting(act, path))?;
        let shared = if self.is_shared(&spot.real) { self.hold(&spot, path)? } else { None };
        Ok(Destination { _shared: shared, spot, whom: act.whom() })
    }

    /// Whether what was seen is still there.
    fn still(&self, place: &Destination, path: &Utf8Path, seen: Expected<'_>) -> Result<(), HostError> {
        // Looked at as ourselves, unless the place is theirs: what is in a home need not be readable for its user.
        let _as_user = self.identity_for(path);
        let now = match place.spot.stat() {
            Err(e) if is_absent(&e) => None,
            found => Some(found.map_err(failed("examine", path))?.kind),
        };
        let same = match (seen, now) {
            (Expected::Anything, _) | (Expected::Nothing, None) => true,
            (Expected::File(sha256), Some(FileKind::File)) => {
                let opened = place.spot.open(OFlag::O_RDONLY, 0).and_then(|file| Bounded::new(file, LARGE));
                opened.and_then(|mut file| sha256_in(&mut file)).map_err(failed("read", path))? == sha256
            }
            (Expected::Link(to), Some(FileKind::Link(now))) => to == now,
            _ => false,
        };
        if same {
            return Ok(());
        }
        self.cache.forget(path);
        Err(HostError::ConcurrentModification(path.to_owned()))
    }

    /// Replaces the file at `path` by what `body` writes: a temporary file of a fixed name beside it, its owner and
    /// mode set through the descriptor, synced, renamed, the directory synced. `path` must be resolved already.
    /// It is done as `act`, so that in a home directory root can do no more than the user may; `ids` own the result
    /// as far as `act` may give it away.
    ///
    /// # Errors
    /// What the kernel or `body` refuses; the old file is then untouched and the temporary one gone.
    pub fn write<E: From<HostError>>(
        &self,
        path: &Utf8Path,
        mode: u32,
        ids: (u32, u32),
        act: Owner,
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.replace_if(Expected::Anything, path, mode, ids, act, body)
    }

    /// The same, where what was `seen` is still there when the new file takes its place.
    ///
    /// # Errors
    /// As [`LiveSystem::write`], and [`HostError::ConcurrentModification`].
    pub fn replace_if<E: From<HostError>>(
        &self,
        seen: Expected<'_>,
        path: &Utf8Path,
        mode: u32,
        ids: (u32, u32),
        act: Owner,
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.effect("write", path)?;
        let place = self.place(path, act)?;
        let temp = place.temporary();
        let filled = {
            let _as_user = place.as_whom();
            Self::fill(path, &temp, mode, ids, body)
        };
        let result = filled.and_then(|()| {
            self.effect("replace", path)?;
            self.still(&place, path, seen)?;
            let _as_user = place.as_whom();
            temp.rename(&place.spot).map_err(failed("replace", path))?;
            Ok(place.spot.sync_dir().map_err(failed("sync", path))?)
        });
        if result.is_err() && self.effect("remove", &temp.real).is_ok() {
            let _as_user = place.as_whom();
            let _ = temp.remove();
        }
        result
    }

    fn fill<E: From<HostError>>(
        path: &Utf8Path,
        temp: &Spot,
        mode: u32,
        (uid, gid): (u32, u32),
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        // What an interrupted run left under this name goes first.
        match temp.remove() {
            Err(e) if !is_absent(&e) => return Err(failed("write", path)(e).into()),
            _ => {}
        }
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let mut file = temp.open(new, 0o600).map_err(failed("write", path))?;
        body(&mut file)?;
        let meta = file.metadata().map_err(failed("examine", path))?;
        // drvfs without metadata refuses owners and modes, and shows the ones of its mount options instead. Whether
        // what is there is what was wanted, the engine sees when it looks again.
        if (meta.uid(), meta.gid()) != (uid, gid) {
            let _ = std::os::unix::fs::fchown(&file, Some(uid), Some(gid));
        }
        // The bits that run a program as its owner are for the owner that they were given by.
        let is_kept = file.metadata().is_ok_and(|meta| (meta.uid(), meta.gid()) == (uid, gid));
        let mode = if is_kept { mode } else { mode & 0o1777 };
        let _ = file.set_permissions(PermissionsExt::from_mode(mode));
        file.sync_all().map_err(failed("sync", path))?;
        Ok(())
    }

    /// Removes the file or link at `path`, if there is one.
    pub fn remove(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.remove_if(Expected::Anything, path, owner)
    }

    /// The same, where what was `seen` is still there.
    ///
    /// # Errors
    /// As [`LiveSystem::remove`], and [`HostError::ConcurrentModification`].
    pub fn remove_if(&self, seen: Expected<'_>, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("remove", path)?;
        let place = self.place(path, owner)?;
        self.still(&place, path, seen)?;
        let _as_user = place.as_whom();
        match place.spot.remove() {
            Err(e) if is_absent(&e) => Ok(()),
            removed => removed.and_then(|()| place.spot.sync_dir()).map_err(failed("remove", path)),
        }
    }

    /// Renames the file or link at `path` to `to`, in the same directory, and whatever `to` was is gone.
    pub fn rename(&self, path: &Utf8Path, to: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("rename", path)?;
        let (from, _act) = self.reach(path, false, self.acting(owner, path))?;
        let to = from.beside(to.file_name().unwrap_or_default());
        from.rename(&to).and_then(|()| to.sync_dir()).map_err(failed("rename", path))
    }

    /// Makes a symbolic link in the place of what was `seen`.
    ///
    /// # Errors
    /// What the kernel refuses, among it a directory in the way, and [`HostError::ConcurrentModification`].
    pub fn link(&self, seen: Expected<'_>, path: &Utf8Path, to: &str, owner: Owner) -> Result<(), HostError> {
        self.effect("link", path)?;
        let place = self.place(path, owner)?;
        self.still(&place, path, seen)?;
        let _as_user = place.as_whom();
        let temp = place.temporary();
        let _ = temp.remove();
        temp.link_to(to).map_err(failed("link", path))?;
        temp.rename(&place.spot).map_err(failed("replace", path))?;
        place.spot.sync_dir().map_err(failed("sync", path))
    }

    /// The directories above `path` that are not there yet, outermost first.
    ///
    /// # Errors
    /// When a directory above can not be examined, or something else is in its place.
    pub fn missing_dirs(&self, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, HostError> {
        missing_dirs(self, path)
    }

    /// Makes one directory, mode 0755, unless it is there.
    pub fn make_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("make the directory", path)?;
        let (spot, _act) = self.reach(path, false, self.acting(owner, path))?;
        let made = spot.make_dir(0o755).map_err(failed("make the directory", path))?;
        if made { spot.sync_dir().map_err(failed("sync", path)) } else { Ok(()) }
    }

    /// Removes a directory that we made, where it is empty.
    ///
    /// # Errors
    /// What the kernel refuses, but not that it is in use or gone: what is in it, or mounted on it, is somebody's.
    pub fn remove_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("remove the directory", path)?;
        let (spot, _act) = self.reach(path, false, self.acting(owner, path))?;
        remove_empty(&spot).map_err(failed("remove the directory", path))
    }

    /// Removes a directory of ours with the lock in it, which this run holds. What another run has put there since stays.
    ///
    /// # Errors
    /// As [`LiveSystem::remove_dir`].
    pub fn remove_locked(&self, lock: Lock, path: &Utf8Path) -> Result<(), HostError> {
        self.effect("remove the directory", path)?;
        lock.give_up().map_err(failed("remove the lock in", path))?;
        let (spot, _act) = self.reach(path, false, self.acting(Owner::Root, path))?;
        remove_empty(&spot).map_err(failed("remove the directory", path))
    }

    /// Appends one record to an append-only file and syncs it: a crash leaves it whole, torn or absent, never mixed.
    pub fn append(&self, path: &Utf8Path, record: &str) -> Result<(), HostError> {
        if self.fault.tears_next_write() {
            self.append_now(path, &record[..record.len() / 2])?;
        }
        self.effect("append to", path)?;
        self.append_now(path, record)
    }

    fn append_now(&self, path: &Utf8Path, text: &str) -> Result<(), HostError> {
        let (spot, _act) = self.reach(path, false, self.identity_for(path))?;
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND;
        let (file, is_new) = match spot.open(flags, 0) {
            Err(e) if is_absent(&e) => (spot.open(flags | OFlag::O_CREAT, 0o644), true),
            opened => (opened, false),
        };
        let mut file = file.and_then(regular).map_err(failed("open", path))?;
        if file.metadata().is_ok_and(|meta| meta.len() == 0) {
            // The umask may have taken bits away that others need to read it.
            let mode = PermissionsExt::from_mode(0o644);
            file.set_permissions(mode).map_err(failed("set the mode of", path))?;
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(failed("append to", path))?;
        // A file whose name is lost with the power is no record.
        if is_new {
            spot.sync_dir().map_err(failed("sync", path))?;
        }
        Ok(())
    }

    /// Cuts a file to a length: takes the torn last record off the journal.
    pub fn truncate(&self, path: &Utf8Path, length: u64) -> Result<(), HostError> {
        self.effect("truncate", path)?;
        let file = self.open_at(path, OFlag::O_WRONLY)?;
        let file = regular(file).map_err(failed("open", path))?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed("truncate", path))
    }
}

/// Where an effect takes place, and as whom it is made.
struct Destination {
    _shared: Option<Shared>,
    spot: Spot,
    whom: Option<FsIdentity>,
}

impl Destination {
    fn as_whom(&self) -> FsIdentityGuard {
        self.whom.clone().map_or_else(FsIdentityGuard::unchanged, FsIdentityGuard::new)
    }

    fn temporary(&self) -> Spot {
        self.spot.beside(temporary(&self.spot.real).file_name().unwrap_or_default())
    }
}

/// Removes a directory and syncs the one above; one that is gone, not empty or in use is no error.
fn remove_empty(spot: &Spot) -> io::Result<()> {
    use io::ErrorKind::{DirectoryNotEmpty, ResourceBusy};
    match spot.remove_dir() {
        Err(e) if is_absent(&e) || matches!(e.kind(), DirectoryNotEmpty | ResourceBusy) => Ok(()),
        removed => removed.and_then(|()| spot.sync_dir()),
    }
}
