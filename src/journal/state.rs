//! The state after the journal's records: active changes, pending restarts, answers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use camino::Utf8PathBuf;

use super::{Intent, JournalError, Record, RunOptions};
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

/// A change, its phase, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The intent; once it is done, `after` is the observed state.
    pub intent: Intent,
    pub phase: Phase,
    /// The user for whom it was made.
    pub user: String,
    /// The users who rely on it, as long as their setup is not undone.
    users: BTreeSet<String>,
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

/// The state of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// When the first setup of this user began.
    pub began: Option<String>,
    pub answers: BTreeMap<String, String>,
    /// The options of the command line.
    pub chosen: RunOptions,
    /// The pending restart.
    pub waiting: Option<Waiting>,
    /// How many changes the present setup made, in all its runs.
    pub made: usize,
    /// The time at which all checks passed, unless something changed since.
    pub verified: Option<String>,
    /// The time at which the run ended, unless another began since.
    pub finished: Option<String>,
    /// Whether that run was an undo of everything but the packages.
    pub is_undone: bool,
    /// The number of the first change of each setup; a resumed run belongs to the setup that it resumes.
    setups: Vec<u64>,
    /// The setup that an undo which did not end was reverting.
    undoing: Option<u64>,
}

/// The journal from the point of view of one user: all changes, and the state of this user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// The user who is set up: the last one, unless [`Self::view_as`] chose another.
    pub user: Option<String>,
    /// The changes of all users in their order.
    pub entries: Vec<JournalEntry>,
    /// Our directories on the Windows side.
    pub places: Vec<Utf8PathBuf>,
    own: UserState,
    others: BTreeMap<String, UserState>,
}

impl Deref for JournalState {
    type Target = UserState;

    fn deref(&self) -> &UserState {
        &self.own
    }
}

impl DerefMut for JournalState {
    fn deref_mut(&mut self) -> &mut UserState {
        &mut self.own
    }
}

impl JournalState {
    pub(super) fn replay(records: impl IntoIterator<Item = Record>) -> Self {
        let mut journal_state = Self::default();
        for record in records {
            journal_state.apply(record);
        }
        journal_state
    }

    /// Chooses the user whose state this is.
    pub fn view_as(&mut self, user: &str) {
        if self.user.as_deref() == Some(user) {
            return;
        }
        let entry = self.others.remove(user);
        if let Some(before) = self.user.replace(user.to_owned()) {
            let before_state = std::mem::replace(&mut self.own, entry.unwrap_or_default());
            self.others.insert(before, before_state);
        }
    }

    /// The users for whom a setup began, by name.
    #[must_use]
    pub fn users(&self) -> BTreeSet<&str> {
        let own = self.user.as_deref().map(|user| (user, &self.own));
        let all = self.others.iter().map(|(user, state)| (user.as_str(), state)).chain(own);
        all.filter(|(_, state)| state.began.is_some()).map(|(user, _)| user).collect()
    }

    /// The same users, first those whose run left a change half done: it blocks the others.
    #[must_use]
    pub fn users_to_undo(&self) -> Vec<String> {
        let mut users: Vec<String> = self.users().into_iter().map(ToOwned::to_owned).collect();
        users.sort_by_key(|user| !self.entries.iter().any(|e| e.phase == Phase::Open && e.user == *user));
        users
    }

    /// The state of a user.
    #[must_use]
    pub fn state_of(&self, user: &str) -> Option<&UserState> {
        if self.user.as_deref() == Some(user) { Some(&self.own) } else { self.others.get(user) }
    }

    fn is_user(&self, user: &str) -> bool {
        self.user.as_deref().unwrap_or_default() == user
    }

    fn relies(&self, user: &str, entry: &JournalEntry) -> bool {
        entry.users.contains(user) && self.state_of(user).is_none_or(|state| !state.is_undone)
    }

    /// Whether this user relies on a change.
    #[must_use]
    pub fn is_relied_on(&self, entry: &JournalEntry) -> bool {
        self.relies(self.user.as_deref().unwrap_or_default(), entry)
    }

    /// The other users who rely on a change to the machine.
    #[must_use]
    pub fn others_relying<'s>(&'s self, entry: &'s JournalEntry) -> Vec<&'s str> {
        let is_other = |user: &&str| !self.is_user(user) && self.relies(user, entry);
        let users = entry.users.iter().map(String::as_str).filter(is_other);
        users.filter(|_| entry.intent.change.is_machine_wide()).collect()
    }

    /// Whether a change is this user's to undo: what was made for them, and of the machine what they rely on or no one does.
    #[must_use]
    pub fn is_own(&self, entry: &JournalEntry) -> bool {
        if entry.intent.change.is_machine_wide() {
            self.is_relied_on(entry) || self.others_relying(entry).is_empty()
        } else {
            self.is_made_for(entry)
        }
    }

    /// Whether a change was made for this user.
    #[must_use]
    pub fn is_made_for(&self, entry: &JournalEntry) -> bool {
        self.is_user(&entry.user)
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
            self.is_undone = false;
            let is_machine_wide = match &record {
                Record::Undone { id } => self.entry(*id).is_some_and(|e| e.intent.change.is_machine_wide()),
                Record::Intent(intent) => intent.change.is_machine_wide(),
                _ => false,
            };
            for state in self.others.values_mut().filter(|_| is_machine_wide) {
                state.verified = None;
            }
        }
        match record {
            Record::Begin { user, at, .. } | Record::User { user, at, .. } => {
                self.view_as(&user);
                self.began.get_or_insert(at);
            }
            Record::Relies { id } => {
                let user = self.user.clone().unwrap_or_default();
                if let Some(entry) = self.entry(id) {
                    entry.users.insert(user);
                }
            }
            Record::Released { id } => {
                let user = self.user.clone().unwrap_or_default();
                if let Some(entry) = self.entry(id) {
                    entry.users.remove(&user);
                }
            }
            Record::Answers { answers } => self.answers.extend(answers),
            Record::RunOptions(chosen) => self.chosen = chosen,
            Record::Intent(intent) => {
                let user = self.user.clone().unwrap_or_default();
                let mut users = BTreeSet::from([user.clone()]);
                if let Some(old) = intent.replaces.and_then(|id| self.entry(id)) {
                    old.phase = Phase::Closed;
                    users.extend(old.users.iter().cloned());
                }
                self.entries.push(JournalEntry { intent: *intent, phase: Phase::Open, user, users });
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
                self.is_undone = whole;
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
        let is_own = |e: &&JournalEntry| self.is_user(&e.user);
        let last = || self.active().filter(counts).filter(is_own).map(|e| e.intent.id).max();
        self.undoing.or_else(|| self.setup_of(last()?))
    }

    /// When the present setup began, if no other one was before it.
    #[must_use]
    pub fn setup_began(&self) -> Option<&str> {
        self.began.as_deref().filter(|_| self.setups.len() == 1)
    }

    fn setup_of(&self, id: u64) -> Option<u64> {
        self.entries.iter().find(|e| e.intent.id == id && self.is_user(&e.user))?;
        self.setups.iter().copied().filter(|first| *first <= id).max()
    }

    /// Whether the changes of the present run all have this name in place of a stage.
    #[must_use]
    pub fn is_only(&self, name: &str) -> bool {
        let first = self.setups.last().copied().unwrap_or_default();
        self.entries
            .iter()
            .filter(|e| e.intent.id >= first && self.is_user(&e.user))
            .all(|e| e.intent.stage == name)
    }

    /// The changes of this user that a crash interrupted.
    pub fn in_progress(&self) -> impl Iterator<Item = &JournalEntry> {
        self.entries.iter().filter(|e| e.phase == Phase::Open && self.is_user(&e.user))
    }

    /// Refuses to go beyond a change to the machine that another user's run began and did not complete.
    ///
    /// # Errors
    /// [`JournalError::Unfinished`].
    pub fn refuse_unfinished(&self) -> Result<(), JournalError> {
        let is_open = |e: &&JournalEntry| e.phase == Phase::Open && !self.is_made_for(e);
        let mut open = self.entries.iter().filter(is_open);
        match open.find(|e| e.intent.change.is_machine_wide()) {
            Some(JournalEntry { user, intent, .. }) => {
                let what = format!("stage `{}`, {}", intent.stage, intent.change.target());
                Err(JournalError::Unfinished { user: user.clone(), what })
            }
            None => Ok(()),
        }
    }

    /// The stages that an unfinished run of any user began.
    pub fn started_stages(&self) -> impl Iterator<Item = &str> {
        let is_over = |user: &str| self.state_of(user).is_some_and(|state| state.finished.is_some());
        self.active().filter(move |e| !is_over(&e.user)).map(|e| e.intent.stage.as_str())
    }

    /// Whether a run began and did not end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.began.is_some()
            && self.finished.is_none()
            && (self.waiting.is_some()
                || self.active().any(|e| self.is_user(&e.user) || self.is_relied_on(e)))
    }
}
