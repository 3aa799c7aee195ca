//! The primitive changes. Each can read a state of the machine and set it.
//!
//! check = read · plan = compare with the desired state · apply = `set(desired)` · verify = read again · undo =
//! `set(before)`. None of these is implemented twice, and only the engine calls `set`. A change is plain data, so
//! that a newer program whose stages have other names can undo it.

mod edit_file;
mod error;
mod files;
mod kubeconfig;
mod link;
mod logon;
mod manager;
mod move_aside;
mod package;
mod restart;
mod setting;
mod state;
mod unit;
mod write_file;

use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::edit::{Form, cmdline};
use crate::fetch::Fetcher;
use crate::host::{Account, LiveSystem, Owner, System, temporary};

pub use edit_file::{Edit, EditFile};
pub use error::ChangeError;
pub use files::SAVED;
pub(crate) use files::{binary, expect_file, regular, restore, saved, seen, write_all};
pub use kubeconfig::{Kubeconfig, Merged};
pub use link::Link;
pub use logon::LogonEntry;
pub use manager::Manager;
pub use move_aside::MoveAside;
pub use package::{Package, PackageFile};
pub use restart::{PostRestartCheck, Restart};
pub use setting::{SettingCommands, SystemSetting};
pub use state::{Desired, FileState, Progress, RestartRequirement, RestartScope, State, Target, Trigger};
pub use unit::Unit;
pub(crate) use write_file::has_mark;
pub use write_file::{FileSource, WriteFile};

/// One change to the machine, and what it needs to take effect.
///
/// It is built from its kind: `Change::from(WriteFile::config(path, text)).with_trigger(Trigger::DaemonReload)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    #[serde(flatten)]
    pub kind: ChangeKind,
    #[serde(rename = "follow", default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartRequirement>,
    /// Whether it is undone at the end of the run that makes it.
    #[serde(rename = "passing", default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
}

/// The primitives. The journal keeps the tags of the first release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChangeKind {
    /// A whole file that belongs to kind-wsl.
    #[serde(rename = "put")]
    WriteFile(WriteFile),
    /// One entry in a file that belongs to another program or to the user.
    #[serde(rename = "entry")]
    EditFile(EditFile),
    Link(Link),
    /// A file of the user, renamed to make room.
    #[serde(rename = "aside")]
    MoveAside(MoveAside),
    /// Packages of the distribution.
    Package(Package),
    /// A systemd unit, enabled.
    Unit(Unit),
    /// A setting that commands read and write.
    #[serde(rename = "run")]
    Setting(Box<SystemSetting>),
    Restart(Restart),
    /// A kubeconfig on the Windows side.
    Kubeconfig(Kubeconfig),
    /// A program that Windows runs when its account signs in.
    Logon(LogonEntry),
}

macro_rules! changes_from {
    ($($kind:ident($primitive:ty)),*) => {$(
        impl From<$primitive> for Change {
            fn from(primitive: $primitive) -> Self {
                let kind = ChangeKind::$kind(primitive.into());
                Self { kind, trigger: None, restart: None, ephemeral: false }
            }
        }
    )*};
}
changes_from!(
    WriteFile(WriteFile),
    EditFile(EditFile),
    Link(Link),
    MoveAside(MoveAside),
    Package(Package),
    Unit(Unit),
    Setting(SystemSetting),
    Restart(Restart),
    Kubeconfig(Kubeconfig),
    Logon(LogonEntry)
);

/// The environment of `set`.
pub struct Context<'c> {
    pub host: &'c LiveSystem,
    pub fetcher: &'c mut Fetcher,
    /// Set by Ctrl-C: a change that is only waiting then ends.
    pub stop: &'c AtomicBool,
    pub progress: &'c mut dyn FnMut(Progress),
    /// The state at the decision. Only this state is overwritten.
    pub seen: &'c State,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The functions of a primitive.
pub(crate) trait Primitive {
    fn target(&self) -> Target;
    fn current(&self, system: &dyn System) -> Result<State, ChangeError>;
    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError>;
    /// During an undo, `applied` is the state that kind-wsl left. If the machine is still exactly in that state, the
    /// exact bytes are restored; otherwise only kind-wsl's part is removed.
    fn set(&self, context: &mut Context<'_>, to: &State, applied: Option<&State>) -> Result<(), ChangeError>;
    /// Whether the state `now` satisfies the state `wanted`.
    fn satisfies(&self, now: &State, wanted: &State) -> bool {
        now == wanted
    }
    /// Whether this edit can be reverted on its own after other programs changed the file. Dropped sections and
    /// commented-out lines can only be reverted by restoring the whole file.
    fn can_revert_partially(&self, _now: &State, _applied: &State) -> bool {
        true
    }
    /// Whether a part of the change remains although the state before is restored.
    fn has_leftovers(&self, _system: &dyn System) -> bool {
        false
    }
    /// The file that it creates, whose directories must exist, and its owner.
    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        None
    }
}

impl Change {
    /// Runs this command after the change and after its undo.
    #[must_use]
    pub fn with_trigger(self, trigger: Trigger) -> Self {
        Self { trigger: Some(trigger), ..self }
    }

    /// Takes effect only after this restart.
    #[must_use]
    pub fn with_restart(self, restart: impl Into<Option<RestartRequirement>>) -> Self {
        Self { restart: restart.into(), ..self }
    }

    /// Is undone at the end of the run that makes it.
    #[must_use]
    pub fn ephemeral(self) -> Self {
        Self { ephemeral: true, ..self }
    }

    fn primitive(&self) -> &dyn Primitive {
        match &self.kind {
            ChangeKind::WriteFile(c) => c,
            ChangeKind::EditFile(c) => c,
            ChangeKind::Link(c) => c,
            ChangeKind::MoveAside(c) => c,
            ChangeKind::Package(c) => c,
            ChangeKind::Unit(c) => c,
            ChangeKind::Setting(c) => c.as_ref(),
            ChangeKind::Restart(c) => c,
            ChangeKind::Kubeconfig(c) => c,
            ChangeKind::Logon(c) => c,
        }
    }

    /// The line of the plan.
    #[must_use]
    pub fn target(&self) -> Target {
        let target = self.primitive().target();
        if self.ephemeral { Target { detail: "until the setup ends".to_owned(), ..target } } else { target }
    }

    /// Reads the present state.
    pub fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        self.primitive().current(system)
    }

    /// Computes the desired state.
    ///
    /// # Errors
    /// The desired state cannot be computed, for example because a file does not parse.
    pub fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        self.primitive().desired(system)
    }

    /// Whether the state `now` satisfies the state `wanted`.
    #[must_use]
    pub fn satisfies(&self, now: &State, wanted: &State) -> bool {
        self.primitive().satisfies(now, wanted)
    }

    /// Whether `now`, which satisfies `applied`, can be reverted on its own after other programs wrote to the file.
    #[must_use]
    pub fn can_revert_partially(&self, now: &State, applied: &State) -> bool {
        self.primitive().can_revert_partially(now, applied)
    }

    /// Whether a part of the change remains although the state before is restored.
    #[must_use]
    pub fn has_leftovers(&self, system: &dyn System) -> bool {
        self.primitive().has_leftovers(system)
    }

    pub fn set(
        &self,
        context: &mut Context<'_>,
        to: &State,
        applied: Option<&State>,
    ) -> Result<(), ChangeError> {
        self.primitive().set(context, to, applied)
    }

    /// The file that it creates, if any, and its owner.
    #[must_use]
    pub fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        self.primitive().created_path()
    }

    /// Whether it changes the machine for every user, and not only what one user has.
    #[must_use]
    pub fn is_machine_wide(&self) -> bool {
        let owner = match &self.kind {
            ChangeKind::Package(_) | ChangeKind::Unit(_) | ChangeKind::Restart(_) => return true,
            ChangeKind::Setting(setting) => return setting.is_machine_wide(),
            ChangeKind::EditFile(file) => match &file.edit {
                // The profile is one user's, but every distribution of the Windows account reads the file.
                Edit::Wslconfig { .. } | Edit::KernelParams { .. } => return true,
                Edit::Subid { .. } => return false,
                _ => file.owner,
            },
            ChangeKind::WriteFile(file) => file.owner,
            ChangeKind::Link(link) => link.owner,
            ChangeKind::MoveAside(aside) => aside.owner,
            ChangeKind::Kubeconfig(file) => file.owner,
            ChangeKind::Logon(_) => return false,
        };
        owner == Owner::Root
    }

    /// Whether it is one that its user can revert without root: a file of theirs, or their own units.
    #[must_use]
    pub fn is_in_home(&self) -> bool {
        let is_theirs = |(_, owner): (_, Owner)| matches!(owner, Owner::User { .. });
        match &self.kind {
            ChangeKind::Setting(setting) => {
                matches!(**setting, SystemSetting::Installed { .. } | SystemSetting::Started { .. })
            }
            _ => !self.is_machine_wide() && self.created_path().is_some_and(is_theirs),
        }
    }

    /// Whether an older change cannot be reverted before this one: both set the same thing, or the older one can only be
    /// reverted with the whole file.
    #[must_use]
    pub fn covers(&self, older: &Self) -> bool {
        match (&self.kind, &older.kind) {
            (ChangeKind::Package(_), _) | (_, ChangeKind::Package(_)) => false,
            (ChangeKind::EditFile(new), ChangeKind::EditFile(old)) => {
                let is_same = new.edit.place().is_some() && new.edit.place() == old.edit.place();
                new.path == old.path && (is_same || !old.edit.is_reversible())
            }
            _ => self.target().object == older.target().object,
        }
    }

    /// Whether the machine can only be in the state before it, in the state after it, or changed by another program.
    /// An interrupted write of a file leaves no partial state; an interrupted installation does.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        matches!(
            self.kind,
            ChangeKind::WriteFile(_)
                | ChangeKind::EditFile(_)
                | ChangeKind::Link(_)
                | ChangeKind::Kubeconfig(_)
        )
    }

    /// Temporary files that an interruption may leave.
    #[must_use]
    pub fn leftovers(&self) -> Vec<Utf8PathBuf> {
        match &self.kind {
            ChangeKind::Package(package) => package.leftovers(),
            _ => self.created_path().map(|(path, _)| temporary(path)).into_iter().collect(),
        }
    }

    /// How its file is shown.
    #[must_use]
    pub fn form(&self) -> Form {
        match &self.kind {
            ChangeKind::EditFile(entry) => entry.edit.form(),
            _ => Form::Own,
        }
    }

    /// The value of an entry as it may be published.
    #[must_use]
    pub fn value_shown(&self, value: &str, user: &str) -> String {
        match &self.kind {
            ChangeKind::EditFile(EditFile { edit: Edit::KernelParams { .. }, .. }) => cmdline::shown(value),
            ChangeKind::EditFile(EditFile { edit: Edit::Fstab { .. }, .. }) => {
                Form::Fstab.shown(value.as_bytes(), user)
            }
            _ => value.to_owned(),
        }
    }

    /// Returns the directory on the Windows side that its file is in.
    #[must_use]
    pub fn windows_dir(&self) -> Option<&Utf8Path> {
        match &self.kind {
            ChangeKind::EditFile(EditFile {
                path,
                edit: Edit::Wslconfig { .. } | Edit::KernelParams { .. },
                ..
            }) => path.parent(),
            // The profile: kind-wsl may have created the directory of the file itself.
            ChangeKind::Kubeconfig(Kubeconfig { path, .. }) => path.parent()?.parent(),
            ChangeKind::Logon(logon) => Some(logon.dir()),
            _ => None,
        }
    }

    /// Whether it depends on the files of earlier changes, so that their triggers have to run first.
    #[must_use]
    pub fn needs_triggers_flushed(&self) -> bool {
        matches!(
            self.kind,
            ChangeKind::Package(_) | ChangeKind::Unit(_) | ChangeKind::Setting(_) | ChangeKind::Restart(_)
        )
    }

    /// Returns the file that this state refers to, if it refers to one.
    #[must_use]
    pub fn file_of(state: &State) -> Option<&FileState> {
        match state {
            State::File(file) | State::Entry { file: Some(file), .. } => Some(file),
            _ => None,
        }
    }
}

/// The owner of files that a command line of a user creates.
#[must_use]
pub fn user_owner(user: &Account) -> Owner {
    Owner::User { uid: user.uid, gid: user.gid }
}
