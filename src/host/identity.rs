//! File-system identity: paths that the target user owns are read and written with that user's fsuid and fsgid, so
//! that symbolic links planted there cannot redirect root.

use std::cell::RefCell;
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use nix::sys::stat::FileStat;
use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setfsgid, setfsuid};

use super::{Account, LiveSystem, Owner};

/// The users, and where their files are.
#[derive(Debug, Default)]
pub(super) struct UserPaths {
    /// Directories, with all that is below them, and whose they are.
    places: Vec<(Utf8PathBuf, FsIdentity)>,
    /// Those among them that other distributions write to as well.
    shared: Vec<Utf8PathBuf>,
    /// Targets of links that do not belong to root, with the owner of the link: they are also accessed as that user.
    link_targets: BTreeMap<Utf8PathBuf, FsIdentity>,
}

impl UserPaths {
    /// Who a path belongs to, if not to the system: the owner of the innermost place.
    fn of(&self, path: &Utf8Path) -> Option<&FsIdentity> {
        let places = self.places.iter().filter(|(place, _)| path.starts_with(place));
        let innermost = places.max_by_key(|(place, _)| place.as_str().len());
        innermost.map(|(_, owner)| owner).or_else(|| self.link_targets.get(path))
    }

    fn known(&self, uid: u32, gid: u32) -> Option<&FsIdentity> {
        self.places.iter().map(|(_, owner)| owner).find(|owner| (owner.uid, owner.gid) == (uid, gid))
    }
}

impl LiveSystem {
    /// Marks everything below `place` as this user's: from now on it is accessed with the user's identity. The first user
    /// of a place stays.
    pub fn mark_user_owned(&self, user: &Account, place: &Utf8Path) {
        let mut user_paths = self.user_paths.borrow_mut();
        let is_marked = user_paths.places.iter().any(|(marked, _)| marked == place);
        if self.uid != 0 || user.uid == 0 || place == "/" || is_marked {
            return;
        }
        let owner = user_paths.known(user.uid, user.gid).cloned().unwrap_or_else(|| {
            // The names in another tree are unrelated to this system's groups.
            let groups = if self.is_live() { groups(&user.name, user.gid) } else { Vec::new() };
            FsIdentity { uid: user.uid, gid: user.gid, groups }
        });
        user_paths.places.push((place.to_owned(), owner));
    }

    /// Marks everything below `place` as the user's and as shared with other distributions of the same Windows
    /// account.
    pub fn mark_windows_owned(&self, user: &Account, place: &Utf8Path) {
        self.mark_user_owned(user, place);
        if place != "/" {
            self.user_paths.borrow_mut().shared.push(place.to_owned());
        }
    }

    /// Whether other distributions share any path.
    pub(super) fn has_shared(&self) -> bool {
        !self.user_paths.borrow().shared.is_empty()
    }

    /// Whether other distributions write to this path too.
    pub(super) fn is_shared(&self, path: &Utf8Path) -> bool {
        self.user_paths.borrow().shared.iter().any(|place| path.starts_with(place))
    }

    /// The identity for reading `path`: the user's if it belongs to the user, otherwise the process's own.
    pub(super) fn identity_for(&self, path: &Utf8Path) -> FsIdentityGuard {
        let owner = self.user_paths.borrow().of(path).cloned();
        owner.map_or_else(FsIdentityGuard::unchanged, FsIdentityGuard::new)
    }

    /// The identity for an effect on `path`: `act`, but never root in a directory of the user.
    pub(super) fn acting(&self, act: Owner, path: &Utf8Path) -> FsIdentityGuard {
        match act {
            Owner::User { uid, gid } => FsIdentityGuard::new(self.identity(uid, gid)),
            Owner::Root => self.identity_for(path),
        }
    }

    /// The identity for following a link: its owner, unless that is root.
    pub(super) fn following(&self, link: &FileStat) -> FsIdentityGuard {
        if link.st_uid == 0 || FsIdentityGuard::is_on() {
            return FsIdentityGuard::unchanged();
        }
        FsIdentityGuard::new(self.identity(link.st_uid, link.st_gid))
    }

    fn identity(&self, uid: u32, gid: u32) -> FsIdentity {
        let user_paths = self.user_paths.borrow();
        let known = user_paths.places.iter().map(|(_, owner)| owner).find(|owner| owner.uid == uid);
        FsIdentity { uid, gid, groups: known.map_or_else(Vec::new, |o| o.groups.clone()) }
    }

    /// Records that a path is a link to another one, with a link of `act` or of the user.
    pub(super) fn record_link_target(&self, from: &Utf8Path, to: &Utf8Path, act: &FsIdentityGuard) {
        let mut user_paths = self.user_paths.borrow_mut();
        let whose = act.whom().or_else(|| user_paths.of(from).cloned());
        if let Some(whose) = whose.filter(|_| user_paths.of(to).is_none()) {
            user_paths.link_targets.insert(to.to_owned(), whose);
        }
        let is_shared = |path: &Utf8Path| user_paths.shared.iter().any(|place| path.starts_with(place));
        if is_shared(from) && !is_shared(to) {
            user_paths.shared.push(to.to_owned());
        }
    }
}

/// Every group of the user; empty if the system reports none.
pub(super) fn groups(name: &str, gid: u32) -> Vec<Gid> {
    let name = std::ffi::CString::new(name).ok();
    name.and_then(|name| nix::unistd::getgrouplist(&name, Gid::from_raw(gid)).ok()).unwrap_or_default()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FsIdentity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<Gid>,
}

/// The identity of this thread without a guard.
struct Own {
    groups: Vec<Gid>,
    /// `None` if the kernel does not report them.
    capabilities: Option<Capabilities>,
}

thread_local! {
    static OWN: Own = Own { groups: getgroups().unwrap_or_default(), capabilities: capabilities() };
    /// The present identity of this thread.
    static ACTING: RefCell<Option<FsIdentity>> = const { RefCell::new(None) };
}

/// While it exists, this thread accesses files as the given user. The kernel then refuses what that user may not do,
/// so that a link in a home directory cannot lead root elsewhere (setfsuid(2)). The groups change too: root's groups
/// can open files that are `root:root` and 0770. So do all effective capabilities: setfsuid drops only those for
/// files, and with `CAP_SYS_PTRACE` the links below `/proc/PID` lead anywhere (`capabilities(7)`).
#[derive(Debug)]
pub(super) struct FsIdentityGuard {
    is_switched: bool,
    was: Option<FsIdentity>,
}

impl FsIdentityGuard {
    /// Keeps the present identity.
    pub(super) fn unchanged() -> Self {
        Self { is_switched: false, was: None }
    }

    /// Changes nothing unless the process is root, and nothing for root itself.
    pub(super) fn new(identity: FsIdentity) -> Self {
        let is_so = ACTING.with_borrow(|now| now.as_ref() == Some(&identity));
        if is_so || identity.uid == 0 || !geteuid().is_root() {
            return Self::unchanged();
        }
        Self { is_switched: true, was: become_(Some(identity)) }
    }

    /// Whether this thread acts as a user.
    pub(super) fn is_on() -> bool {
        ACTING.with_borrow(Option::is_some)
    }

    /// The present identity of this thread.
    pub(super) fn current() -> Option<FsIdentity> {
        ACTING.with_borrow(Clone::clone)
    }

    /// The identity since this guard was created; `None` if it changed nothing.
    pub(super) fn whom(&self) -> Option<FsIdentity> {
        Self::current().filter(|_| self.is_switched)
    }
}

impl Drop for FsIdentityGuard {
    fn drop(&mut self) {
        if self.is_switched {
            become_(self.was.take());
        }
    }
}

/// Sets the identity of this thread's file operations, and returns the previous one.
fn become_(whom: Option<FsIdentity>) -> Option<FsIdentity> {
    OWN.with(|own| {
        let effective = |keeps: bool| {
            if let Some(own) = &own.capabilities {
                let kept = |c: Capability| Capability { effective: c.effective * u32::from(keeps), ..c };
                set_capabilities(&own.map(kept));
            }
        };
        if FsIdentityGuard::is_on() {
            effective(true);
        }
        if let Some(FsIdentity { uid, gid, groups }) = &whom {
            set_groups_of_thread(groups);
            setfsgid(Gid::from_raw(*gid));
            setfsuid(Uid::from_raw(*uid));
            effective(false);
        } else {
            set_groups_of_thread(&own.groups);
            setfsgid(getegid());
            setfsuid(geteuid());
        }
        ACTING.replace(whom)
    })
}

/// Sets the supplementary groups of this thread alone, as setfsuid(2) does with the user: the C library's `setgroups`
/// would change those of every thread (nptl(7)). If a user namespace refuses it (`user_namespaces(7)`, "setgroups"),
/// its root has no rights outside of it.
fn set_groups_of_thread(groups: &[Gid]) {
    let ids: Vec<nix::libc::gid_t> = groups.iter().map(|g| g.as_raw()).collect();
    // SAFETY: the kernel reads the given number of IDs from a list that outlives the call.
    #[allow(unsafe_code, reason = "no dependency offers the bare system call")]
    unsafe {
        nix::libc::syscall(nix::libc::SYS_setgroups, ids.len(), ids.as_ptr());
    }
}

/// `struct __user_cap_header_struct` (`capget(2)`): version 3, this thread.
const HEADER: [u32; 2] = [0x2008_0522, 0];

/// `struct __user_cap_data_struct`: 32 capabilities, of which version 3 has two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Capability {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

type Capabilities = [Capability; 2];

fn capabilities() -> Option<Capabilities> {
    let (mut header, mut data) = (HEADER, Capabilities::default());
    // SAFETY: the kernel writes to two arrays that outlive the call.
    #[allow(unsafe_code, reason = "no dependency offers the system call")]
    let got = unsafe { nix::libc::syscall(nix::libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()) };
    (got == 0).then_some(data)
}

/// Sets the capabilities of this thread. The permitted ones stay, so that the effective ones can be raised again.
fn set_capabilities(data: &Capabilities) {
    let mut header = HEADER;
    // SAFETY: the kernel reads two arrays that outlive the call.
    #[allow(unsafe_code, reason = "no dependency offers the system call")]
    unsafe {
        nix::libc::syscall(nix::libc::SYS_capset, header.as_mut_ptr(), data.as_ptr());
    }
}
