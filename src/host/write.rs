//! The writing half. Every effect on files is counted by the fault injector, and a crash leaves either the old or the
//! new state.

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

/// The state on which an effect was decided. If the state is different by then, another program wrote in between, and
/// nothing is overwritten: [`HostError::ConcurrentModification`]. Between this check and the rename lie microseconds,
/// for which no system call exists if a file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'s> {
    /// Any state.
    Anything,
    Nothing,
    /// A regular file with this SHA-256.
    File(&'s str),
    /// A link with this target.
    Link(&'s str),
}

impl LiveSystem {
    /// One effect on a file or directory.
    fn effect(&self, action: &'static str, path: &Utf8Path) -> Result<(), HostError> {
        self.fault.hit(|| format!("{action} {path}")).map_err(failed(action, path))
    }

    /// Prepares an effect: its identity is chosen, and other distributions are locked out.
    fn place(&self, path: &Utf8Path, act: Owner) -> Result<Destination, HostError> {
        let (spot, act) = self.reach(path, false, self.acting(act, path))?;
        let shared = if self.is_shared(&spot.real) { self.hold(&spot, path)? } else { None };
        Ok(Destination { _shared: shared, spot, whom: act.whom() })
    }

    /// Whether the expected state is still present.
    fn still(&self, place: &Destination, path: &Utf8Path, seen: Expected<'_>) -> Result<(), HostError> {
        // Read with the process's own identity, unless the place belongs to the user: a user need not be able to read
        // every file in a home directory.
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

    /// Replaces the file at `path` with the output of `body`: writes a temporary file with a fixed name beside it,
    /// sets owner and mode through the descriptor, syncs, renames, and syncs the directory. `path` must be resolved.
    /// It is done as `act`, so that root has only the user's rights in a home directory; `ids` own the result as far
    /// as `act` may give it away.
    ///
    /// # Errors
    /// The kernel or `body` refuses it; the old file is then untouched and the temporary one removed.
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

    /// The same, if the expected state is still present when the new file replaces it.
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
        // Removes the temporary file of an interrupted run.
        match temp.remove() {
            Err(e) if !is_absent(&e) => return Err(failed("write", path)(e).into()),
            _ => {}
        }
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let mut file = temp.open(new, 0o600).map_err(failed("write", path))?;
        body(&mut file)?;
        let meta = file.metadata().map_err(failed("examine", path))?;
        // drvfs without metadata refuses owners and modes, and shows those of its mount options instead. The engine
        // checks the result when it reads the file again.
        if (meta.uid(), meta.gid()) != (uid, gid) {
            let _ = std::os::unix::fs::fchown(&file, Some(uid), Some(gid));
        }
        // The set-user-ID bits are only valid for the owner who set them.
        let is_kept = file.metadata().is_ok_and(|meta| (meta.uid(), meta.gid()) == (uid, gid));
        let mode = if is_kept { mode } else { mode & 0o1777 };
        let _ = file.set_permissions(PermissionsExt::from_mode(mode));
        file.sync_all().map_err(failed("sync", path))?;
        Ok(())
    }

    /// Removes the file or link at `path`, if it exists.
    pub fn remove(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.remove_if(Expected::Anything, path, owner)
    }

    /// The same, if the expected state is still present.
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

    /// Renames the file or link at `path` to `to`, in the same directory, and replaces `to`.
    pub fn rename(&self, path: &Utf8Path, to: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("rename", path)?;
        let (from, _act) = self.reach(path, false, self.acting(owner, path))?;
        let to = from.beside(to.file_name().unwrap_or_default());
        from.rename(&to).and_then(|()| to.sync_dir()).map_err(failed("rename", path))
    }

    /// Creates a symbolic link in place of the expected state.
    ///
    /// # Errors
    /// The kernel refuses it, for example because of a directory in the way, or
    /// [`HostError::ConcurrentModification`].
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

    /// Returns the missing directories above `path`, outermost first.
    ///
    /// # Errors
    /// A directory above cannot be examined, or is not a directory.
    pub fn missing_dirs(&self, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, HostError> {
        missing_dirs(self, path)
    }

    /// Creates one directory, mode 0755, unless it exists.
    pub fn make_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("create the directory", path)?;
        let (spot, _act) = self.reach(path, false, self.acting(owner, path))?;
        let made = spot.make_dir(0o755).map_err(failed("create the directory", path))?;
        if made { spot.sync_dir().map_err(failed("sync", path)) } else { Ok(()) }
    }

    /// Removes a directory that kind-wsl created, if it is empty.
    ///
    /// # Errors
    /// The kernel refuses it. A missing directory, or one in use, is not an error: its content or mount belongs to
    /// another program.
    pub fn remove_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("remove the directory", path)?;
        let (spot, _act) = self.reach(path, false, self.acting(owner, path))?;
        remove_empty(&spot).map_err(failed("remove the directory", path))
    }

    /// Removes a directory of kind-wsl with the lock in it, which this run holds. Files that another run has added
    /// stay.
    ///
    /// # Errors
    /// As [`LiveSystem::remove_dir`].
    pub fn remove_locked(&self, lock: Lock, path: &Utf8Path) -> Result<(), HostError> {
        self.effect("remove the directory", path)?;
        lock.give_up().map_err(failed("remove the lock in", path))?;
        let (spot, _act) = self.reach(path, false, self.acting(Owner::Root, path))?;
        remove_empty(&spot).map_err(failed("remove the directory", path))
    }

    /// Appends one record to an append-only file and syncs it: a crash leaves it complete, incomplete at the end, or
    /// absent, never mixed.
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
            // The umask may have removed bits that other users need to read it.
            let mode = PermissionsExt::from_mode(0o644);
            file.set_permissions(mode).map_err(failed("set the mode of", path))?;
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(failed("append to", path))?;
        // A file whose name is lost in a power failure is useless.
        if is_new {
            spot.sync_dir().map_err(failed("sync", path))?;
        }
        Ok(())
    }

    /// Truncates a file: removes the incomplete last record of the journal.
    pub fn truncate(&self, path: &Utf8Path, length: u64) -> Result<(), HostError> {
        self.effect("truncate", path)?;
        let file = self.open_at(path, OFlag::O_WRONLY)?;
        let file = regular(file).map_err(failed("open", path))?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed("truncate", path))
    }
}

/// The place and the identity of an effect.
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

/// Removes a directory and syncs its parent. A directory that is missing, not empty or in use is not an error.
fn remove_empty(spot: &Spot) -> io::Result<()> {
    use io::ErrorKind::{DirectoryNotEmpty, ResourceBusy};
    match spot.remove_dir() {
        Err(e) if is_absent(&e) || matches!(e.kind(), DirectoryNotEmpty | ResourceBusy) => Ok(()),
        removed => removed.and_then(|()| spot.sync_dir()),
    }
}
