//! Settings that an earlier setup wrote to the user's containers.conf, and that this program keeps in drop-ins.
//!
//! The drop-ins are written first, so that podman is configured at all times. Then the edits are reverted, the last
//! one first, which restores the file to the byte. After an interruption, the journal has the rest.

use super::undo::{DriftPolicy, Reverted};
use super::{Engine, EngineError, Event, Reversal};
use crate::change::{Change, ChangeKind, Edit, EditFile, State};
use crate::facts::Facts;
use crate::facts::containers::{Superseded, containers_conf};
use crate::journal::{Journal, JournalEntry, JournalState, Record};

/// The key of an edit of the user's containers.conf.
fn key(change: &Change, facts: &Facts) -> Option<String> {
    match &change.kind {
        ChangeKind::EditFile(EditFile { path, edit: Edit::Toml { path: key, .. }, .. })
            if *path == containers_conf(&facts.user) =>
        {
            Some(key.join("."))
        }
        _ => None,
    }
}

/// The changes that drop-ins replace, the oldest first.
fn entries<'j>(journal_state: &'j JournalState, facts: &Facts) -> Vec<&'j JournalEntry> {
    let is_one = |entry: &&JournalEntry| key(&entry.intent.change, facts).is_some();
    journal_state.active().filter(|_| facts.containers.has_drop_ins()).filter(is_one).collect()
}

pub(super) fn superseded(journal_state: &JournalState, facts: &Facts) -> Vec<Superseded> {
    let value = |state: &State| match state {
        State::Entry { value, .. } => value.clone(),
        _ => None,
    };
    let of_entry = |entry: &JournalEntry| {
        let intent = &entry.intent;
        let key = key(&intent.change, facts)?;
        let stage = intent.stage.clone();
        Some(Superseded { stage, key, before: value(&intent.before), after: value(&intent.after) })
    };
    entries(journal_state, facts).into_iter().filter_map(of_entry).collect()
}

impl Engine<'_> {
    /// Reverts them after every stage with such changes was applied. Reverting them one after the other would leave
    /// an empty file if none existed before.
    pub(super) fn revert_superseded(
        &mut self,
        journal: &mut Journal<'_>,
        facts: &Facts,
        applied: &[&'static str],
    ) -> Result<(), EngineError> {
        let entries: Vec<JournalEntry> = entries(&journal.state, facts).into_iter().cloned().collect();
        if !entries.iter().all(|entry| applied.contains(&entry.intent.stage.as_str())) {
            return Ok(());
        }
        for entry in entries.iter().rev() {
            let (target, reversal) = (entry.intent.change.target(), Reversal::of(&entry.intent));
            match self.revert(entry, DriftPolicy::Keep)? {
                Reverted::Back => {
                    self.reporter.event(&Event::Undone { target: &target, reversal: &reversal });
                }
                Reverted::Nothing => {}
                Reverted::Kept => {
                    let why = "another program changed it";
                    self.reporter.event(&Event::Kept { target: &target, reversal: &reversal, why });
                }
            }
            journal.append(Record::Undone { id: entry.intent.id })?;
        }
        Ok(())
    }
}
