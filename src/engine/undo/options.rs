//! The options of an undo and its result.

use std::collections::BTreeSet;

use super::is_package;
use crate::change::{Change, RestartScope};
use crate::journal::{Intent, JournalEntry, JournalState};

/// The policy for files that another program changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftPolicy {
    /// Stop, and show the difference.
    Stop,
    /// Leave the file, and mark the change as undone.
    Keep,
    /// Restore the state before the change.
    Restore,
}

/// How much to undo.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// Only these stages; all if it is empty.
    pub stages: Vec<String>,
    /// The change with this number and those after it.
    pub since: Option<u64>,
    /// Also remove the packages that kind-wsl installed.
    pub packages: bool,
    pub drift: DriftPolicy,
    /// Skip changes that cannot be reverted in WSL's safe mode.
    pub safe_mode: bool,
    /// The changes that it may revert.
    pub reach: Reach,
}

/// The changes that an undo may revert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Those of the user, and those of the machine on which no other user relies.
    #[default]
    User,
    /// Those of the user, and all of the machine. Changes of users without an account are given up.
    Machine,
    /// All of all users, for a preview.
    Everyone,
    /// Those in the user's home, without root.
    Home,
}

impl UndoOptions {
    /// The changes of one stage, or of a command that takes the place of one, for the user of the run.
    #[must_use]
    pub fn of(stage: &str) -> Self {
        Self {
            stages: vec![stage.to_owned()],
            since: None,
            packages: false,
            drift: DriftPolicy::Stop,
            safe_mode: false,
            reach: Reach::User,
        }
    }

    /// Whether a change is this user's to undo, and is to be undone. In WSL's safe mode the distribution does not start for
    /// any user, so that all changes to the machine are.
    #[must_use]
    pub fn includes(&self, state: &JournalState, entry: &JournalEntry) -> bool {
        let Intent { id, stage, change, .. } = &entry.intent;
        let is_own = match self.since {
            _ if self.reach == Reach::Everyone => true,
            _ if self.reach == Reach::Home => state.is_made_for(entry) && change.is_in_home(),
            _ if self.safe_mode || self.reach == Reach::Machine => {
                change.is_machine_wide() || state.is_made_for(entry)
            }
            Some(_) => state.is_made_for(entry) && state.is_own(entry),
            None => state.is_own(entry),
        };
        let is_chosen = self.stages.is_empty() || self.stages.contains(stage);
        is_own && is_chosen && self.since.is_none_or(|since| *id >= since)
    }

    /// Whether it is an undo of everything.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stages.is_empty() && self.since.is_none()
    }
}

/// The result of an undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    pub changes: usize,
    /// Packages, unless their removal was requested, and files that another program changed.
    pub kept: Vec<String>,
    pub kept_packages: bool,
    /// The users who rely on what was kept of the machine.
    pub kept_for: BTreeSet<String>,
    /// Changes for an undo outside of WSL's safe mode.
    pub left: Vec<String>,
    /// The restart that the undo requires to take effect.
    pub restart: Option<RestartScope>,
    pub interrupted: bool,
}

impl Undone {
    pub(super) fn keep(&mut self, change: &Change) {
        self.kept.push(change.target().to_string());
        self.kept_packages |= is_package(change);
    }
}
