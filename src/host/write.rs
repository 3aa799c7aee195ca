//! The writing half: every effect on files, each counted by the fuse and made so that a crash leaves the old or the new.

#![allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};

use super::fs::{failed, is_absent, missing_dirs, temporary};
use super::fuse::Blown;
use super::identity::AsUser;
use super::{Host, HostError, Kind, Owner, World};

/// What whoever decided on an effect saw at its place. Where something else is there by then, somebody wrote in
/// between, and nothing is put over it: [`HostError::Meanwhile`]. Between this look and the rename lie microseconds,
/// which no system call closes for a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'s> {
    /// It does not matter.
    Anything,
    /// Nothing was there.
    Nothing,
    /// A regular file with this SHA-256.
    File(&'s str),
    /// A link that leads there.
    Link(&'s str),
}

impl Host {
    /// One effect on a file or directory.
    fn effect(&self, action: &'static str, path: &Utf8Path) -> Result<(), HostError> {
        self.fuse.burn(|| format!("{action} {path}")).map_err(|blown| match blown {
            Blown::Crashed => HostError::Crashed(format!("{action} {path}")),
            Blown::Refused(source) => failed(action, path)(source),
        })
    }

    /// Whether what was seen is still there.
    fn still(&self, path: &Utf8Path, seen: Seen<'_>) -> Result<(), HostError> {
        let now = self.stat(path)?.map(|stat| stat.kind);
        let same = match (seen, now) {
            (Seen::Anything, _) | (Seen::Nothing, None) => true,
            (Seen::File(sha256), Some(Kind::File)) => self.sha256(path)?.as_deref() == Some(sha256),
            (Seen::Link(to), Some(Kind::Link(now))) => to == now,
            _ => false,
        };
        if same { Ok(()) } else { Err(HostError::Meanwhile(path.to_owned())) }
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
        self.write_over(Seen::Anything, path, mode, ids, act, body)
    }

    /// The same, where what was `seen` is still there when the new file takes its place.
    ///
    /// # Errors
    /// As [`Host::write`], and [`HostError::Meanwhile`].
    pub fn write_over<E: From<HostError>>(
        &self,
        seen: Seen<'_>,
        path: &Utf8Path,
        mode: u32,
        ids: (u32, u32),
        act: Owner,
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.effect("write", path)?;
        let temp = self.under(&temporary(path))?;
        let filled = {
            let _as_user = AsUser::new(self, act);
            Self::fill(path, &temp, mode, ids, body)
        };
        let result = filled.and_then(|()| {
            self.effect("replace", path)?;
            // Looked at as ourselves: what is in a home need not be readable for its user.
            self.still(path, seen)?;
            let _as_user = AsUser::new(self, act);
            let real = self.under(path)?;
            fs::rename(&temp, &real).map_err(failed("replace", path))?;
            Ok(self.sync_dir(path)?)
        });
        if result.is_err() && self.effect("remove", &temp).is_ok() {
            let _as_user = AsUser::new(self, act);
            let _ = fs::remove_file(&temp);
        }
        result
    }

    fn fill<E: From<HostError>>(
        path: &Utf8Path,
        temp: &Utf8Path,
        mode: u32,
        (uid, gid): (u32, u32),
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        // What an interrupted run left under this name goes first: create_new then never follows a link.
        match fs::remove_file(temp) {
            Err(e) if !is_absent(&e) => return Err(failed("write", path)(e).into()),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        options.mode(0o600);
        let mut file = options.open(temp).map_err(failed("write", path))?;
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

    fn sync_dir(&self, path: &Utf8Path) -> Result<(), HostError> {
        let dir = self.under(path)?;
        let dir = dir.parent().unwrap_or(&dir);
        let opened = fs::File::open(dir).map_err(failed("open", dir))?;
        // 9p and some network file systems do not sync directories; there is nothing more to be done there.
        match opened.sync_all() {
            Err(e) if e.raw_os_error() == Some(nix::libc::EINVAL) => Ok(()),
            other => other.map_err(failed("sync", dir)),
        }
    }

    /// Removes the file or link at `path`, if there is one.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn remove(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.remove_seen(Seen::Anything, path, owner)
    }

    /// The same, where what was `seen` is still there.
    ///
    /// # Errors
    /// As [`Host::remove`], and [`HostError::Meanwhile`].
    pub fn remove_seen(&self, seen: Seen<'_>, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("remove", path)?;
        self.still(path, seen)?;
        let _as_user = AsUser::new(self, owner);
        match fs::remove_file(self.under(path)?) {
            Err(e) if !is_absent(&e) => Err(failed("remove", path)(e)),
            _ => self.sync_dir(path),
        }
    }

    /// Renames the file or link at `path` to `to`, in the same directory, and whatever `to` was is gone.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn rename(&self, path: &Utf8Path, to: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("rename", path)?;
        let _as_user = AsUser::new(self, owner);
        fs::rename(self.under(path)?, self.under(to)?).map_err(failed("rename", path))?;
        self.sync_dir(to)
    }

    /// Makes a symbolic link in the place of what was `seen`.
    ///
    /// # Errors
    /// What the kernel refuses, among it a directory in the way, and [`HostError::Meanwhile`].
    pub fn link(&self, seen: Seen<'_>, path: &Utf8Path, to: &str, owner: Owner) -> Result<(), HostError> {
        self.effect("link", path)?;
        self.still(path, seen)?;
        let _as_user = AsUser::new(self, owner);
        let temp = self.under(&temporary(path))?;
        let _ = fs::remove_file(&temp);
        std::os::unix::fs::symlink(to, &temp).map_err(failed("link", path))?;
        fs::rename(&temp, self.under(path)?).map_err(failed("replace", path))?;
        self.sync_dir(path)
    }

    /// The directories above `path` that are not there yet, outermost first.
    ///
    /// # Errors
    /// When a directory above can not be examined, or something else is in its place.
    pub fn missing_dirs(&self, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, HostError> {
        missing_dirs(self, path)
    }

    /// Makes one directory, mode 0755, unless it is there.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn make_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.effect("make the directory", path)?;
        let _as_user = AsUser::new(self, owner);
        let real = self.under(path)?;
        match fs::create_dir(&real) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(failed("make the directory", path)(e)),
            Ok(()) => {
                // The umask may have taken bits away that a daemon needs to read our drop-in.
                let mode = PermissionsExt::from_mode(0o755);
                fs::set_permissions(&real, mode).map_err(failed("set the mode of", path))?;
                self.sync_dir(path)
            }
        }
    }

    /// Removes a directory that we made, where it is empty.
    ///
    /// # Errors
    /// What the kernel refuses, but not that it is in use or gone: what is in it, or mounted on it, is somebody's.
    pub fn remove_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        use io::ErrorKind::{DirectoryNotEmpty, ResourceBusy};
        self.effect("remove the directory", path)?;
        let _as_user = AsUser::new(self, owner);
        match fs::remove_dir(self.under(path)?) {
            Err(e) if is_absent(&e) || matches!(e.kind(), DirectoryNotEmpty | ResourceBusy) => Ok(()),
            other => other.map_err(failed("remove the directory", path)),
        }
    }

    /// Appends one record to an append-only file and syncs it: a crash leaves it whole, torn or absent, never mixed.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn append(&self, path: &Utf8Path, record: &str) -> Result<(), HostError> {
        let real = self.under(path)?;
        let torn = self.fuse.tears();
        let line = if torn { &record[..record.len() / 2] } else { record };
        let result = self.effect("append to", path);
        if result.is_err() && !torn {
            return result;
        }
        let is_new = self.stat(path)?.is_none();
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true);
        options.mode(0o644);
        let mut file = options.open(&real).map_err(failed("open", path))?;
        if file.metadata().is_ok_and(|meta| meta.len() == 0) {
            // The umask may have taken bits away that others need to read it.
            let mode = PermissionsExt::from_mode(0o644);
            file.set_permissions(mode).map_err(failed("set the mode of", path))?;
        }
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(failed("append to", path))?;
        // A file whose name is lost with the power is no record.
        if is_new {
            self.sync_dir(path)?;
        }
        result
    }

    /// Cuts a file to a length: takes the torn last record off the journal.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn truncate(&self, path: &Utf8Path, length: u64) -> Result<(), HostError> {
        self.effect("truncate", path)?;
        let file =
            fs::OpenOptions::new().write(true).open(self.under(path)?).map_err(failed("open", path))?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed("truncate", path))
    }
}
