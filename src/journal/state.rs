//! The state after the journal's records: active changes, pending restarts, answers.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{Intent, Record, RunOptions};
use crate::change::{ChangeKind, PostRestartCheck, RestartScope};
use crate::host::BootInstance;

/// The phase of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Intended; it may have been made or not.
    Open,
    /// Made, in that boot of the machine.
    Done(BootInstance),
    /// Undone, left as it is, or replaced.
    Closed,
}

/// A change and its phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The intent; once it is done, `after` is the observed state.
    pub intent: Intent,
    pub phase: Phase,
}

/// A pending restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub scope: RestartScope,
    pub why: Vec<String>,
    /// The checks that must pass after the restart.
    pub verify: Vec<PostRestartCheck>,
    /// The boot that must end.
    pub boot_instance: BootInstance,
    pub id: String,
    /// Whether a Windows program was asked to do it.
    pub handed: bool,
}

impl Waiting {
    /// Returns whether a restart of the required extent took place.
    #[must_use]
    pub fn took_place(&self, now: &BootInstance) -> bool {
        self.scope.was_restarted(&self.boot_instance, now)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// The user who is set up.
    pub user: Option<String>,
    pub began: Option<String>,
    /// The changes in their order.
    pub entries: Vec<JournalEntry>,
    pub answers: BTreeMap<String, String>,
    /// The options of the command line.
    pub chosen: RunOptions,
    /// The pending restart.
    pub waiting: Option<Waiting>,
    /// kind-wsl's directories on the Windows side.
    pub places: Vec<Utf8PathBuf>,
    /// The number of changes of the present setup, in all its runs.
    pub made: usize,
    /// The time at which all checks passed, unless something changed since.
    pub verified: Option<String>,
    /// The time at which the run ended, unless another began since.
    pub finished: Option<String>,
    /// Whether that run was an undo of everything but the packages.
    pub taken_back: bool,
    /// The number of the first change of each setup; a resumed run belongs to the setup that it resumes.
    setups: Vec<u64>,
    /// The setup that an undo which did not end was reverting.
    undoing: Option<u64>,
}

impl JournalState {
    pub(super) fn replay(records: impl IntoIterator<Item = Record>) -> Self {
        let mut journal_state = Self::default();
        for record in records {
            journal_state.apply(record);
        }
        journal_state
    }

    fn entry(&mut self, id: u64) -> Option<&mut JournalEntry> {
        self.entries.iter_mut().find(|e| e.intent.id == id)
    }

    pub(super) fn apply(&mut self, record: Record) {
        let changes = match &record {
            Record::Intent(_) => true,
            Record::Undone { id } => !self.entry(*id).is_some_and(|e| e.intent.change.ephemeral),
            _ => false,
        };
        if let Record::Intent(intent) = &record
            && (self.setups.is_empty() || self.finished.is_some())
        {
            self.setups.push(intent.id);
        }
        self.undoing = match &record {
            Record::Undone { id } => self.setup_of(*id),
            Record::Intent(_) | Record::Finished { .. } | Record::UndoFinished { .. } => None,
            _ => self.undoing,
        };
        if changes {
            if self.finished.is_some() {
                self.made = 0;
            }
            self.verified = None;
            self.finished = None;
            self.taken_back = false;
        }
        match record {
            Record::Begin { user, at, .. } => (self.user, self.began) = (Some(user), Some(at)),
            Record::Answers { answers } => self.answers.extend(answers),
            Record::RunOptions(chosen) => self.chosen = chosen,
            Record::Intent(intent) => {
                if let Some(old) = intent.replaces.and_then(|id| self.entry(id)) {
                    old.phase = Phase::Closed;
                }
                self.entries.push(JournalEntry { intent: *intent, phase: Phase::Open });
            }
            Record::Done { id, after, boot_instance } => {
                if let Some(entry) = self.entry(id) {
                    let counts = entry.phase == Phase::Open && !entry.intent.change.ephemeral;
                    entry.intent.after = after;
                    entry.phase = Phase::Done(boot_instance);
                    self.made += usize::from(counts);
                }
            }
            Record::Undone { id } => {
                if let Some(entry) = self.entry(id) {
                    entry.phase = Phase::Closed;
                }
            }
            Record::Waiting { scope, why, verify, boot_instance, id } => {
                self.waiting = Some(Waiting { scope, why, verify, boot_instance, id, handed: false });
            }
            Record::RestartDelegated { place } => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.handed = true;
                }
                self.places.extend(place.filter(|p| !self.places.contains(p)));
            }
            Record::RestartCancelled => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.handed = false;
                }
            }
            Record::Restarted => self.waiting = None,
            Record::Verified { at } => self.verified = Some(at),
            Record::UndoFinished { at, whole } => {
                if whole {
                    self.answers.clear();
                }
                self.waiting = None;
                self.finished = Some(at);
                self.taken_back = whole;
            }
            Record::Finished { at } => self.finished = Some(at),
        }
    }

    /// The changes that are or may be in force.
    #[must_use]
    pub fn active(&self) -> impl DoubleEndedIterator<Item = &JournalEntry> {
        self.entries.iter().filter(|e| e.phase != Phase::Closed)
    }

    /// Returns the number of the first change of the last setup of which something can be undone. While an undo is
    /// interrupted, that is the setup that it was reverting, even if nothing of it is left.
    #[must_use]
    pub fn last_setup(&self, packages: bool) -> Option<u64> {
        let counts = |e: &&JournalEntry| packages || !matches!(e.intent.change.kind, ChangeKind::Package(_));
        let last = || self.active().filter(counts).map(|e| e.intent.id).max();
        self.undoing.or_else(|| self.setup_of(last()?))
    }

    /// When the present setup began, if no other one was before it.
    #[must_use]
    pub fn setup_began(&self) -> Option<&str> {
        self.began.as_deref().filter(|_| self.setups.len() == 1)
    }

    fn setup_of(&self, id: u64) -> Option<u64> {
        self.setups.iter().copied().filter(|first| *first <= id).max()
    }

    /// Whether the changes of the present run all have this name in place of a stage.
    #[must_use]
    pub fn is_only(&self, name: &str) -> bool {
        let first = self.setups.last().copied().unwrap_or_default();
        self.entries.iter().filter(|e| e.intent.id >= first).all(|e| e.intent.stage == name)
    }

    /// The changes that a crash interrupted.
    pub fn in_progress(&self) -> impl Iterator<Item = &JournalEntry> {
        self.entries.iter().filter(|e| e.phase == Phase::Open)
    }

    /// Whether a run began and did not end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.began.is_some()
            && self.finished.is_none()
            && (self.active().next().is_some() || self.waiting.is_some())
    }
}
