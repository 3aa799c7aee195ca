//! Checks who can write the journal: an undo runs as root and trusts its content.

use camino::{Utf8Path, Utf8PathBuf};

use super::{DIR, JournalError, PATH};
use crate::host::{FileKind, Owner, Stat, System};

/// Writable by the group.
const GROUP: u32 = 0o020;
/// Writable by all users.
const OTHERS: u32 = 0o002;

/// Refuses a journal that another user than root can change, or that a link points to. A run without root works on a
/// tree of the caller, who then is the owner.
///
/// # Errors
/// [`JournalError::Untrusted`], or a directory that cannot be examined.
pub(super) fn check(system: &dyn System) -> Result<(), JournalError> {
    let (dir, path) = (Utf8Path::new(DIR), Utf8Path::new(PATH));
    match system.stat(dir)? {
        Some(stat) => examine(system, dir, &stat, false)?,
        None => return Ok(()),
    }
    // A link further up, such as /var on another disk, is as safe as the directories that contain it and its target.
    let real = system.resolve(dir)?;
    let mut places: Vec<Utf8PathBuf> =
        [dir, &real].iter().flat_map(|d| d.ancestors()).map(Into::into).collect();
    places.sort();
    places.dedup();
    for place in places {
        if let Some(stat) = system.stat(&place)? {
            examine(system, &place, &stat, true)?;
        }
    }
    match system.stat(path)? {
        Some(stat) => examine(system, path, &stat, false),
        None => Ok(()),
    }
}

fn examine(system: &dyn System, path: &Utf8Path, stat: &Stat, may_be_link: bool) -> Result<(), JournalError> {
    let untrusted = |why: String| Err(JournalError::Untrusted { path: path.to_owned(), why });
    let (uid, gid) = system.resolve_owner(Owner::Root);
    if stat.uid != 0 && stat.uid != uid {
        return untrusted(format!("it belongs to user ID {}, not to root", stat.uid));
    }
    if let FileKind::Link(to) = &stat.kind {
        // The mode of a link is meaningless.
        return if may_be_link { Ok(()) } else { untrusted(format!("it is a symbolic link to `{to}`")) };
    }
    let by_group = stat.mode & GROUP != 0 && stat.gid != 0 && stat.gid != gid;
    if by_group || stat.mode & OTHERS != 0 {
        return untrusted(format!("other users can write to it (mode {:o})", stat.mode));
    }
    Ok(())
}
