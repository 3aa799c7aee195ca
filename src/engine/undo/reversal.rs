//! Describes the undo of a change, for the preview and during the undo.

use std::collections::BTreeMap;

use super::{DriftState, UndoOptions, is_package, packages_installed_by_us, shared};
use crate::change::{ChangeKind, State, Unit};
use crate::engine::Engine;
use crate::host::System;
use crate::journal::{Intent, JournalState};

/// The effect of undoing a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A file or link that did not exist is deleted.
    Delete,
    /// A file gets its former content.
    Restore,
    /// A setting gets its old value.
    Reset,
    Remove,
    Keep,
    /// Another user relies on it.
    KeepShared,
    /// Another program changed it since, so a decision is required.
    Drifted,
}

impl Way {
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Reset => "reset",
            Self::Remove => "remove",
            Self::Keep | Self::KeepShared => "keep",
            Self::Drifted => "decide",
        }
    }
}

/// The effect of undoing one change, and its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    pub way: Way,
    /// A path, a setting or a list of packages.
    pub object: String,
    /// Of a setting, its present and its former value.
    pub detail: String,
}

impl Reversal {
    /// The reversal of a change that is not yet undone.
    #[must_use]
    pub fn of(intent: &Intent) -> Self {
        let value = |state: &State| match state {
            State::CommandOutput { value: Some(value) } if !value.is_empty() => value.clone(),
            State::Unit { enabled: true } => "enabled".to_owned(),
            State::Unit { .. } => "disabled".to_owned(),
            _ => "unset".to_owned(),
        };
        let (way, object) = match &intent.change.kind {
            ChangeKind::Package(package) => (Way::Remove, package.names.join(", ")),
            ChangeKind::Setting(change) => (Way::Reset, change.commands().name),
            ChangeKind::Logon(_) => (Way::Reset, intent.change.target().object),
            ChangeKind::Unit(Unit { name, .. }) => (Way::Reset, name.clone()),
            _ => {
                let existed = match &intent.before {
                    State::Absent => false,
                    State::Entry { file, .. } => file.is_some(),
                    _ => true,
                };
                (if existed { Way::Restore } else { Way::Delete }, intent.change.target().object)
            }
        };
        let detail = match way {
            Way::Reset => format!("{} -> {}", value(&intent.after), value(&intent.before)),
            _ => String::new(),
        };
        Self { way, object, detail }
    }

    /// The description in the past tense.
    #[must_use]
    pub fn done(&self) -> String {
        let Self { way, object, detail } = self;
        match way {
            Way::Delete => format!("deleted {object}"),
            Way::Restore => format!("restored {object}"),
            Way::Reset => format!("reset {object}: {detail}"),
            Way::Remove => format!("removed packages: {object}"),
            Way::Keep | Way::KeepShared | Way::Drifted => format!("kept {object}"),
        }
    }
}

/// The effect of an undo: the number of changes, and the objects by kind. Entries in their former state are not
/// included.
#[must_use]
pub fn preview(
    system: &dyn System,
    state: &JournalState,
    options: &UndoOptions,
) -> (usize, BTreeMap<Way, Vec<String>>) {
    let shared = shared(state, options);
    let entries = state.active().filter(|e| options.includes(state, e));
    let mut groups: BTreeMap<Way, Vec<String>> = BTreeMap::new();
    // The first change at a path decides the final state.
    let mut paths: Vec<String> = Vec::new();
    let mut count = 0;
    for entry in entries {
        let change = &entry.intent.change;
        let now = change.current(system);
        // A state that cannot be read without root is taken to be unchanged.
        let standing = now.as_ref().map_or(DriftState::Unchanged, |now| Engine::drift_state(entry, now));
        if standing == DriftState::AlreadyReverted {
            continue;
        }
        let mut reversal = Reversal::of(&entry.intent);
        if shared.contains_key(&entry.intent.id) {
            reversal.way = Way::KeepShared;
            reversal.detail.clear();
        } else if is_package(change) {
            if let Ok(now) = &now {
                reversal.object = packages_installed_by_us(&entry.intent, now).join(", ");
            }
            if !options.packages {
                reversal.way = Way::Keep;
            }
        } else if standing == DriftState::Modified {
            reversal.way = Way::Drifted;
        }
        if !matches!(reversal.way, Way::Keep | Way::KeepShared) {
            count += 1;
        }
        let Reversal { way, object, detail } = reversal;
        let is_path = matches!(way, Way::Delete | Way::Restore | Way::Drifted | Way::KeepShared);
        if is_path && paths.contains(&object) {
            continue;
        }
        paths.extend(is_path.then(|| object.clone()));
        let shown = if detail.is_empty() { object } else { format!("{object} {detail}") };
        groups.entry(way).or_default().push(shown);
    }
    (count, groups)
}
