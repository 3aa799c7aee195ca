//! Changes to the machine that several users rely on: an undo for one of them keeps what the others need.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reach, Reversal, UndoOptions, Undone};
use crate::change::{ChangeKind, State};
use crate::engine::{Engine, EngineError, Event, failed};
use crate::host::System;
use crate::journal::{Journal, JournalEntry, JournalState, Record};

/// The changes that an undo keeps because of other users, and those users: they rely on the change, or on a newer one that
/// covers it.
#[must_use]
pub fn shared(state: &JournalState, options: &UndoOptions) -> BTreeMap<u64, BTreeSet<String>> {
    let mut shared: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    if options.safe_mode || options.reach != Reach::User {
        return shared;
    }
    let chosen = state.active().rev().filter(|e| options.includes(state, e));
    for entry in chosen {
        let id = entry.intent.id;
        let mut users: BTreeSet<String> =
            state.others_relying(entry).into_iter().map(ToOwned::to_owned).collect();
        let covers = |e: &&JournalEntry| e.intent.id > id && e.intent.change.covers(&entry.intent.change);
        for newer in state.active().filter(covers) {
            users.extend(shared.get(&newer.intent.id).into_iter().flatten().cloned());
            users.extend((!state.is_own(newer)).then(|| newer.user.clone()));
        }
        if !users.is_empty() {
            shared.insert(id, users);
        }
    }
    shared
}

/// Why a change is kept.
fn relied_on_by(users: &BTreeSet<String>) -> String {
    let names: Vec<String> = users.iter().map(|user| format!("`{user}`")).collect();
    let verb = if names.len() == 1 { "relies" } else { "rely" };
    format!("{} {verb} on it", names.join(" and "))
}

impl Engine<'_> {
    /// Records that the user no longer relies on what stays for other users.
    pub(super) fn release(
        &mut self,
        journal: &mut Journal<'_>,
        shared: &BTreeMap<u64, BTreeSet<String>>,
    ) -> Result<Undone, EngineError> {
        let mut undone = Undone::default();
        let kept: Vec<JournalEntry> =
            journal.state.active().rev().filter(|e| shared.contains_key(&e.intent.id)).cloned().collect();
        for JournalEntry { intent, .. } in &kept {
            let users = &shared[&intent.id];
            let (target, reversal) = (intent.change.target(), Reversal::of(intent));
            self.reporter.event(&Event::Kept {
                target: &target,
                reversal: &reversal,
                why: &relied_on_by(users),
            });
            undone.kept.push(target.to_string());
            undone.kept_for.extend(users.iter().cloned());
            journal.append(Record::Released { id: intent.id })?;
        }
        Ok(undone)
    }

    /// Restores the end of files from which several users took their lines out: a file that did not exist is left empty, and
    /// a last line that had no line end has one.
    pub(super) fn restore_shared_files(&mut self, state: &JournalState) -> Result<(), EngineError> {
        if state.users().len() < 2 {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        for entry in &state.entries {
            let ChangeKind::EditFile(file) = &entry.intent.change.kind else { continue };
            let State::Entry { file: before, .. } = &entry.intent.before else { continue };
            let may_act = state.is_made_for(entry) || file.owner == crate::host::Owner::Root;
            if !may_act || !seen.insert(file.path.clone()) {
                continue;
            }
            let fail = |e| failed(&entry.intent.stage, &entry.intent.change, e);
            let now = entry.intent.change.current(self.host).map_err(fail)?;
            let bytes = self.host.resolve(&file.path).and_then(|path| self.host.read(&path));
            let bytes = bytes.map_err(|e| fail(e.into()))?;
            let is_like_before = match (before, &bytes) {
                (None, Some(bytes)) => bytes.is_empty(),
                (Some(before), Some(bytes)) => {
                    bytes.strip_suffix(b"\n").is_some_and(|bytes| crate::host::digest(bytes) == before.sha256)
                }
                _ => false,
            };
            if is_like_before {
                self.restore_whole_file(&entry.intent, &now).map_err(fail)?;
            }
        }
        Ok(())
    }
}
