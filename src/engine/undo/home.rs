//! An undo without root, and what is left of users who have no account.

use std::sync::atomic::Ordering;

use camino::Utf8Path;

use super::{Reversal, Reverted, UndoOptions, Undone};
use crate::change::Change;
use crate::engine::{Engine, EngineError, Event};
use crate::journal::{self, DIR, Journal, JournalEntry, JournalError, Record};

impl Engine<'_> {
    /// Reverts what lies in the user's home. The journal is root's, so nothing is recorded: an undo as root finds these
    /// changes as they were before.
    pub(super) fn undo_home(&mut self, options: &UndoOptions) -> Result<Undone, EngineError> {
        let mut state = journal::read(self.host)?;
        if let Some(holder) = self.host.directory_holder(Utf8Path::new(DIR)) {
            return Err(JournalError::Locked { holder: Some(holder), user: state.user }.into());
        }
        state.view_as(&self.user.name);
        let mut undone = Undone::default();
        for entry in state.active().rev().filter(|e| options.includes(&state, e)) {
            if self.stop.load(Ordering::Relaxed) {
                undone.interrupted = true;
                break;
            }
            let (target, reversal) = (entry.intent.change.target(), Reversal::of(&entry.intent));
            let why = if Change::file_of(&entry.intent.before).is_some() {
                Some("only root can read the saved original")
            } else {
                match self.revert(entry, options.drift)? {
                    Reverted::Back => {
                        undone.changes += 1;
                        self.reporter.event(&Event::Undone { target: &target, reversal: &reversal });
                        None
                    }
                    Reverted::Nothing => None,
                    Reverted::Kept => Some("another program changed it"),
                }
            };
            if let Some(why) = why {
                undone.keep(&entry.intent.change);
                self.reporter.event(&Event::Kept { target: &target, reversal: &reversal, why });
            }
        }
        Ok(undone)
    }

    /// Closes the changes of users whose undo was not possible, because they have no account any more.
    pub(super) fn give_up(
        &mut self,
        journal: &mut Journal<'_>,
        undone: &mut Undone,
    ) -> Result<(), EngineError> {
        let is_theirs =
            |e: &&JournalEntry| !journal.state.is_made_for(e) && !e.intent.change.is_machine_wide();
        let entries: Vec<JournalEntry> = journal.state.active().filter(is_theirs).cloned().collect();
        for JournalEntry { intent, user, .. } in &entries {
            let why = format!("`{user}` has no account");
            let (target, reversal) = (intent.change.target(), Reversal::of(intent));
            self.reporter.event(&Event::Kept { target: &target, reversal: &reversal, why: &why });
            undone.kept.push(target.to_string());
            journal.append(Record::Undone { id: intent.id })?;
        }
        Ok(())
    }
}
