//! Whose files we touch as whom: what is a user's is read and written as that user, so that what they put there leads
//! us, as root, nowhere.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use nix::unistd::{Gid, Uid, getgroups, setfsgid, setfsuid};

use super::{Account, Host, Owner};

/// The user, and where their files are.
#[derive(Debug, Default)]
pub(super) struct Theirs {
    owner: Option<(u32, u32)>,
    groups: Vec<Gid>,
    /// Directories with all that is below them.
    places: Vec<Utf8PathBuf>,
    /// Where links in those places led: a link to a file of root's makes it no file for root to read.
    led_to: BTreeSet<Utf8PathBuf>,
}

impl Theirs {
    fn has(&self, path: &Utf8Path) -> bool {
        self.places.iter().any(|place| path.starts_with(place)) || self.led_to.contains(path)
    }
}

impl Host {
    /// What is below `place` is this user's: from now on it is looked at as they would.
    pub fn belongs(&self, user: &Account, place: &Utf8Path) {
        let mut theirs = self.theirs.borrow_mut();
        if self.uid != 0 || user.uid == 0 || place == "/" {
            return;
        }
        if theirs.owner != Some((user.uid, user.gid)) {
            theirs.owner = Some((user.uid, user.gid));
            // Another tree's names say nothing about this system's groups.
            theirs.groups = if self.is_live() { groups(user) } else { Vec::new() };
        }
        theirs.places.push(place.to_owned());
    }

    /// The identity for a look at `path`: the user's where it is theirs, otherwise our own.
    pub(super) fn looking_at(&self, path: &Utf8Path) -> AsUser {
        let owner = self.theirs.borrow().owner;
        match owner.filter(|_| self.theirs.borrow().has(path)) {
            Some((uid, gid)) => AsUser::new(self, Owner::User { uid, gid }),
            None => AsUser(None),
        }
    }

    /// Notes that a path of theirs stands for another one.
    pub(super) fn leads(&self, from: &Utf8Path, to: &Utf8Path) {
        let mut theirs = self.theirs.borrow_mut();
        if theirs.has(from) && !theirs.has(to) {
            theirs.led_to.insert(to.to_owned());
        }
    }
}

/// Every group of the user; none where the system does not say.
fn groups(user: &Account) -> Vec<Gid> {
    let name = std::ffi::CString::new(user.name.as_str()).ok();
    name.and_then(|name| nix::unistd::getgrouplist(&name, Gid::from_raw(user.gid)).ok()).unwrap_or_default()
}

/// While it lives, this thread touches files as the given user. The kernel then refuses what that user may not
/// do, so that a link placed in a home directory can not lead us, as root, elsewhere (setfsuid(2)). The groups change
/// with it: root's own ones open what is `root:root` and 0770.
pub(super) struct AsUser(Option<(Uid, Gid, Vec<Gid>)>);

impl AsUser {
    pub(super) fn new(host: &Host, owner: Owner) -> Self {
        let Owner::User { uid: user, gid: group } = owner else { return Self(None) };
        if host.uid != 0 {
            return Self(None);
        }
        let was = getgroups().unwrap_or_default();
        let theirs = host.theirs.borrow();
        let known = theirs.owner.is_some_and(|(uid, _)| uid == user);
        set_groups_of_thread(if known { &theirs.groups } else { &[] });
        let was_gid = setfsgid(Gid::from_raw(group));
        let was_uid = setfsuid(Uid::from_raw(user));
        Self(Some((was_uid, was_gid, was)))
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        if let Some((uid, gid, groups)) = &self.0 {
            setfsuid(*uid);
            setfsgid(*gid);
            set_groups_of_thread(groups);
        }
    }
}

/// Sets the supplementary groups of this thread alone, as setfsuid(2) does with the user: the C library's `setgroups`
/// would change those of every thread (nptl(7)). Where a user namespace refuses it (`user_namespaces(7)`, "setgroups"),
/// its root is nobody's root outside of it.
fn set_groups_of_thread(groups: &[Gid]) {
    let ids: Vec<nix::libc::gid_t> = groups.iter().map(|g| g.as_raw()).collect();
    // SAFETY: the kernel reads as many ids as there are from a list that lives through the call.
    #[allow(unsafe_code, reason = "no crate of ours offers the bare system call")]
    unsafe {
        nix::libc::syscall(nix::libc::SYS_setgroups, ids.len(), ids.as_ptr());
    }
}
