//! Whether the changed files can still be reached. If a Windows drive is not mounted at its former place, a missing
//! file would look like a change that was reverted already.

use camino::{Utf8Path, Utf8PathBuf};

use crate::change::{Change, ChangeKind, SystemSetting};
use crate::engine::EngineError;
use crate::facts::wsl::{drive_mounts, drives_root};
use crate::host::System;
use crate::journal::{JournalEntry, JournalState};

/// A file that cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    pub path: Utf8PathBuf,
    /// The missing directory: the mount point of a drive, if it is one.
    pub missing: Utf8PathBuf,
    /// The letter of the Windows drive.
    pub drive: Option<char>,
    /// The present mount point of that drive.
    pub now: Option<Utf8PathBuf>,
}

impl Unreachable {
    #[must_use]
    pub fn hint(&self) -> String {
        let Self { missing, drive, now, .. } = self;
        let keep = "`--drift keep` leaves the file as it is";
        match (drive, now) {
            (Some(_), Some(now)) => format!(
                "run `sudo mkdir -p {missing} && sudo mount --bind {now} {missing}`, then the same command again, then \
                 `sudo umount {missing}`; {keep}"
            ),
            (Some(letter), None) => format!(
                "run `sudo mkdir -p {missing} && sudo mount -t drvfs {letter}: {missing}`, then the same command again; {keep}"
            ),
            (None, _) => {
                format!("mount the file system with `{missing}`, then run the same command again; {keep}")
            }
        }
    }
}

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, missing, drive, now } = self;
        match drive {
            Some(letter) => {
                write!(f, "cannot revert `{path}`: drive {letter}: is not mounted at `{missing}`")?;
            }
            None => {
                write!(f, "cannot revert `{path}`: `{missing}` does not exist")?;
            }
        }
        now.as_ref().map_or(Ok(()), |now| write!(f, " but at `{now}`"))
    }
}

/// The action of an undo in WSL's safe mode for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InSafeMode {
    Revert,
    /// The change ended with the last start of the machine.
    Nothing,
    /// It needs this, and waits for an undo outside of safe mode.
    Later(&'static str),
}

/// Refuses to revert files that cannot be reached, before the first change.
///
/// # Errors
/// [`EngineError::Unreachable`]
pub fn refuse_unreachable<'e>(
    system: &dyn System,
    state: &JournalState,
    whole: bool,
    mut entries: impl Iterator<Item = &'e JournalEntry>,
) -> Result<(), EngineError> {
    let places = || state.places.iter().filter(|_| whole).find_map(|place| unreachable_place(system, place));
    match entries.find_map(|entry| unreachable(system, entry)).or_else(places) {
        Some(gone) => Err(EngineError::Unreachable(Box::new(gone))),
        None => Ok(()),
    }
}

/// WSL's safe mode has neither systemd nor Windows drives, and mounts nothing of `/etc/fstab` (WSL
/// `src/linux/init/WslDistributionConfig.cpp:101-132`, `src/windows/common/WslCoreConfig.cpp`, `EnableSafeMode`).
pub(super) fn in_safe_mode(system: &dyn System, entry: &JournalEntry) -> InSafeMode {
    let change = &entry.intent.change;
    if matches!(change.kind, ChangeKind::Logon(_)) {
        return InSafeMode::Later("Windows");
    }
    if let ChangeKind::Setting(setting) = &change.kind
        && !system.exists("/run/systemd/system")
    {
        let ended = matches!(**setting, SystemSetting::Sysctl { .. } | SystemSetting::SharedRoot);
        return if ended { InSafeMode::Nothing } else { InSafeMode::Later("systemd") };
    }
    match unreachable(system, entry) {
        Some(_) if change.windows_dir().is_some() => InSafeMode::Later("the Windows drive"),
        Some(_) => InSafeMode::Later("a file system that is not mounted"),
        None => InSafeMode::Revert,
    }
}

/// Whether WSL or systemd reads the changed file when the distribution starts.
pub(super) fn decides_on_start(change: &Change) -> bool {
    let is_read = |path: &Utf8Path| {
        ["/etc/wsl.conf", "/etc/fstab", "/etc/systemd"].iter().any(|read| path.starts_with(read))
    };
    matches!(change.kind, ChangeKind::Unit(_)) || change.created_path().is_some_and(|(path, _)| is_read(path))
}

/// Returns why the file of a change cannot be reached, if it cannot.
///
/// A directory that its owner deleted does not count: only Windows drives and the targets of links are checked.
/// Without a home directory nothing starts.
pub(super) fn unreachable(system: &dyn System, entry: &JournalEntry) -> Option<Unreachable> {
    let intent = &entry.intent;
    let (path, _) = intent.change.created_path()?;
    let file = Change::file_of(&intent.after);
    let real = file.map_or(path, |file| &file.path);
    if let Some(dir) = intent.change.windows_dir() {
        return drive_gone(system, path, dir);
    }
    let dir = real
        .parent()
        .filter(|dir| file.is_some() && real != path && !intent.dirs.iter().any(|d| d == dir))?;
    let gone = is_missing(system, dir).then(|| dir.to_owned());
    Some(Unreachable { path: real.to_owned(), missing: gone?, drive: None, now: None })
}

/// Returns why a directory of kind-wsl in a Windows profile cannot be reached, if it cannot.
pub(super) fn unreachable_place(system: &dyn System, place: &Utf8Path) -> Option<Unreachable> {
    drive_gone(system, place, place.parent()?)
}

fn is_missing(system: &dyn System, dir: &Utf8Path) -> bool {
    system.resolve(dir).and_then(|real| system.stat(&real)).is_ok_and(|stat| stat.is_none())
}

/// This directory above a file on the Windows side always exists, as long as the drive is mounted.
fn drive_gone(system: &dyn System, path: &Utf8Path, dir: &Utf8Path) -> Option<Unreachable> {
    let mounts = drive_mounts(system);
    let real = system.resolve(dir).unwrap_or_else(|_| dir.to_owned());
    let is_elsewhere = !mounts.is_empty() && !mounts.iter().any(|mount| real.starts_with(mount));
    if !is_elsewhere && !is_missing(system, dir) {
        return None;
    }
    let letter = |dir: &Utf8Path| match dir.file_name().map(str::as_bytes) {
        Some(&[letter]) if letter.is_ascii_alphabetic() => Some(char::from(letter)),
        _ => None,
    };
    // The outermost directory with the name of a drive is its mount point.
    let drive = dir.ancestors().filter_map(|dir| Some((dir, letter(dir)?))).last();
    let Some((mount, letter)) = drive else {
        return Some(Unreachable { path: path.to_owned(), missing: dir.to_owned(), drive: None, now: None });
    };
    let below = dir.strip_prefix(mount).unwrap_or(Utf8Path::new(""));
    let name = letter.to_ascii_lowercase().to_string();
    let of_letter = mounts.into_iter().filter(|mount| mount.file_name() == Some(&name));
    let by_root = Utf8PathBuf::from(format!("{}{name}", drives_root(system)));
    let now = of_letter.chain([by_root]).find(|now| now != mount && !is_missing(system, &now.join(below)));
    let drive = Some(letter.to_ascii_uppercase());
    Some(Unreachable { path: path.to_owned(), missing: mount.to_owned(), drive, now })
}
