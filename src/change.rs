//! The primitives that an installer is made of: each a *lens* on the machine, with a state to observe and to set.
//!
//! check = observe · plan = observe against the goal · apply = `set(goal)` · verify = observe again ·
//! undo = `set(before)`. None of these is written twice, and only the engine calls `set`. A change is plain data,
//! so that a journal of primitives can be undone by a newer program whose stages have other names.

mod aside;
mod entry;
mod error;
mod files;
mod link;
mod manager;
mod package;
mod put;
mod restart;
mod run;
mod state;
mod unit;

use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::edit::{Form, cmdline};
use crate::fetch::Fetcher;
use crate::host::{Account, LiveSystem, Owner, System, temporary};

pub use aside::Aside;
pub use entry::{Edit, Entry};
pub use error::ChangeError;
pub use files::SAVED;
pub(crate) use files::{binary, expect_file, regular, restore, saved, seen, write_all};
pub use link::Link;
pub use manager::Manager;
pub use package::{Package, PackageFile};
pub use put::{Body, Put};
pub use restart::{Expect, Restart};
pub use run::{Lines, Run};
pub use state::{Desired, FileState, RestartRequirement, Scope, State, Target, Tick, Trigger};
pub use unit::Unit;

/// One thing that the installer makes true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A whole file that is ours.
    Put(Put),
    /// One entry in a file that others own.
    Entry(Entry),
    Link(Link),
    /// A file of the user's, renamed to make room.
    Aside(Aside),
    /// Packages of the distribution.
    Package(Package),
    /// A systemd unit, enabled.
    Unit(Unit),
    /// A setting that commands read and write.
    Run(Box<Run>),
    /// The machine, started again.
    Restart(Restart),
}

/// What `set` works with.
pub struct Context<'c> {
    pub host: &'c LiveSystem,
    /// What gets files from elsewhere.
    pub fetcher: &'c mut Fetcher,
    /// Set by Ctrl-C: what only waits may end.
    pub stop: &'c AtomicBool,
    /// Where signs of life go.
    pub tick: &'c mut dyn FnMut(Tick),
    /// What was there when it was decided on: nothing else is written over.
    pub seen: &'c State,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The four short functions of a primitive.
pub(crate) trait Primitive {
    fn target(&self) -> Target;
    fn current(&self, system: &dyn System) -> Result<State, ChangeError>;
    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError>;
    /// `applied` is the state in which we left the machine, when this is an undo: what is still exactly so goes back
    /// to the exact bytes; otherwise only our part is taken out.
    fn set(&self, context: &mut Context<'_>, to: &State, applied: Option<&State>) -> Result<(), ChangeError>;
    /// Whether what is there counts as what is wanted.
    fn satisfies(&self, now: &State, wanted: &State) -> bool {
        now == wanted
    }
    /// Whether this edit can be reverted on its own after others changed the file. Dropped sections and commented-out
    /// lines can only be reverted by restoring the whole file.
    fn can_revert_partially(&self, _now: &State, _applied: &State) -> bool {
        true
    }
    /// Whether something of ours is left although the state is the one before.
    fn has_leftovers(&self, _system: &dyn System) -> bool {
        false
    }
    /// The file it makes, for the directories above, and who owns it.
    fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        None
    }
}

impl Change {
    fn primitive(&self) -> &dyn Primitive {
        match self {
            Self::Put(c) => c,
            Self::Entry(c) => c,
            Self::Link(c) => c,
            Self::Aside(c) => c,
            Self::Package(c) => c,
            Self::Unit(c) => c,
            Self::Run(c) => c.as_ref(),
            Self::Restart(c) => c,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn target(&self) -> Target {
        self.primitive().target()
    }

    /// What is there now.
    ///
    /// # Errors
    /// When it can not be seen.
    pub fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        self.primitive().current(system)
    }

    /// What shall be there.
    ///
    /// # Errors
    /// When the goal can not be reached from what is there, for example because a file does not parse.
    pub fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        self.primitive().desired(system)
    }

    /// Whether `now` counts as `wanted`.
    #[must_use]
    pub fn satisfies(&self, now: &State, wanted: &State) -> bool {
        self.primitive().satisfies(now, wanted)
    }

    /// Whether `now`, which counts as what we `applied`, can go back without what others wrote since.
    #[must_use]
    pub fn can_revert_partially(&self, now: &State, applied: &State) -> bool {
        self.primitive().can_revert_partially(now, applied)
    }

    /// Whether something of ours is left although the state is the one before.
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

    /// The file that it makes, if any, and its owner.
    #[must_use]
    pub fn created_path(&self) -> Option<(&Utf8Path, Owner)> {
        self.primitive().created_path()
    }

    /// Whether what is there can only be what was before it, what it makes, or somebody else's doing: an interrupted
    /// write of a file leaves no fourth, as an interrupted installation does.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Entry(_) | Self::Link(_))
    }

    /// What it may leave behind when it is interrupted: nothing that anybody looks at.
    #[must_use]
    pub fn leftovers(&self) -> Vec<Utf8PathBuf> {
        match self {
            Self::Package(package) => package.leftovers(),
            _ => self.created_path().map(|(path, _)| temporary(path)).into_iter().collect(),
        }
    }

    /// How the file that it makes is shown.
    #[must_use]
    pub fn form(&self) -> Form {
        match self {
            Self::Entry(entry) => entry.edit.form(),
            _ => Form::Own,
        }
    }

    /// The value of an entry as it may be shown to others.
    #[must_use]
    pub fn value_shown(&self, value: &str, user: &str) -> String {
        match self {
            Self::Entry(Entry { edit: Edit::KernelParams { .. }, .. }) => cmdline::shown(value),
            Self::Entry(Entry { edit: Edit::Fstab { .. }, .. }) => Form::Fstab.shown(value.as_bytes(), user),
            _ => value.to_owned(),
        }
    }

    /// What has to follow it.
    #[must_use]
    pub fn follow(&self) -> Option<&Trigger> {
        match self {
            Self::Put(c) => c.follow.as_ref(),
            Self::Entry(c) => c.follow.as_ref(),
            _ => None,
        }
    }

    /// What has to be started again for it to count.
    #[must_use]
    pub fn restart(&self) -> Option<&RestartRequirement> {
        match self {
            Self::Put(c) => c.restart.as_ref(),
            Self::Entry(c) => c.restart.as_ref(),
            Self::Unit(c) => c.restart.as_ref(),
            _ => None,
        }
    }

    /// Returns the directory on the Windows side that its file is in.
    #[must_use]
    pub fn windows_dir(&self) -> Option<&Utf8Path> {
        let Self::Entry(Entry { path, edit: Edit::Wslconfig { .. } | Edit::KernelParams { .. }, .. }) = self
        else {
            return None;
        };
        path.parent()
    }

    /// Whether the run that makes it takes it back at its end.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        matches!(self, Self::Put(Put { passing: true, .. }))
    }

    /// Whether it acts on what earlier changes wrote, so that their follow-ups have to run before it.
    #[must_use]
    pub fn needs_triggers_flushed(&self) -> bool {
        matches!(self, Self::Package(_) | Self::Unit(_) | Self::Run(_) | Self::Restart(_))
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

/// The owner of what a user's own command line makes.
#[must_use]
pub fn user_owner(user: &Account) -> Owner {
    Owner::User { uid: user.uid, gid: user.gid }
}
