//! Reverts changes: to the exact bytes if no other program wrote to the file since.

mod home;
mod options;
mod reach;
mod reversal;
mod shared;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::resume::is_package;
use super::{Batch, Engine, EngineError, Event, MAX_ATTEMPTS, failed};
use camino::Utf8PathBuf;

use crate::change::{
    Change, ChangeError, ChangeKind, Context, FileSource, RestartScope, State, Target, WriteFile, binary,
};
use crate::edit::shown::beside_own;
use crate::host::{BootInstance, System, is_aborted};
use crate::journal::{Intent, Journal, JournalEntry, Phase, Record};
use crate::windows;

pub use options::{DriftPolicy, Reach, UndoOptions, Undone};
use reach::{InSafeMode, decides_on_start, in_safe_mode, unreachable, unreachable_place};
pub use reach::{Unreachable, refuse_unreachable};
pub use reversal::{Reversal, Way, preview};
pub use shared::shared;

/// A file or setting that is neither as kind-wsl left it nor as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    pub target: String,
    /// The text that kind-wsl wrote, if it is known.
    pub left: Option<String>,
    pub now: Option<String>,
}

pub(super) enum Reverted {
    Back,
    /// It was never applied, or is reverted already.
    Nothing,
    /// Another program changed it since, and it stays so.
    Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriftState {
    Unchanged,
    AlreadyReverted,
    Modified,
}

impl Engine<'_> {
    /// Reverts changes, the last one first.
    ///
    /// # Errors
    /// [`EngineError::Drift`] on the first drift with [`DriftPolicy::Stop`]; what was reverted before stays so.
    pub fn undo(&mut self, options: &UndoOptions) -> Result<Undone, EngineError> {
        if !crate::journal::exists(self.host) {
            return Ok(Undone::default());
        }
        if options.reach == Reach::Home {
            return self.undo_home(options);
        }
        let mut journal = Journal::open(self.host, &self.user.name)?;
        let shared = shared(&journal.state, options);
        let chosen =
            |e: &&JournalEntry| options.includes(&journal.state, e) && !shared.contains_key(&e.intent.id);
        let entries: Vec<JournalEntry> = journal.state.active().filter(chosen).rev().cloned().collect();
        if options.drift != DriftPolicy::Keep && !options.safe_mode {
            refuse_unreachable(self.host, &journal.state, options.is_whole(), entries.iter())?;
        }
        self.sweep(&journal.state)?;
        let boot_instance = BootInstance::probe(self.host);
        let mut undone = self.release(&mut journal, &shared)?;
        let mut waits_for_systemd = false;
        let mut batch = Batch::default();
        for entry in entries {
            if self.stop.load(Ordering::Relaxed) {
                undone.interrupted = true;
                break;
            }
            let intent = &entry.intent;
            let target = intent.change.target();
            let reversal = Reversal::of(intent);
            if is_package(&intent.change) && !options.packages && self.is_standing(&entry) {
                let why = "`--packages` removes them";
                self.reporter.event(&Event::Kept { target: &target, reversal: &reversal, why });
                undone.keep(&intent.change);
                continue;
            }
            let possible = match options.safe_mode {
                // The uninstall of a setup tool needs what was set up before it: programs, subordinate IDs, modules.
                true if waits_for_systemd && !decides_on_start(&intent.change) => {
                    InSafeMode::Later("systemd")
                }
                true => in_safe_mode(self.host, &entry),
                false => InSafeMode::Revert,
            };
            match possible {
                InSafeMode::Revert => {}
                InSafeMode::Nothing => {
                    batch.done.push(Record::Undone { id: intent.id });
                    continue;
                }
                InSafeMode::Later(need) => {
                    waits_for_systemd |= matches!(intent.change.kind, ChangeKind::Setting(_));
                    let why = format!("it needs {need}");
                    self.reporter.event(&Event::Kept { target: &target, reversal: &reversal, why: &why });
                    undone.left.push(target.to_string());
                    continue;
                }
            }
            if let Some(gone) = unreachable(self.host, &entry) {
                self.reporter.event(&Event::Kept {
                    target: &target,
                    reversal: &reversal,
                    why: &gone.to_string(),
                });
                undone.keep(&intent.change);
                batch.done.push(Record::Undone { id: intent.id });
                continue;
            }
            if intent.change.needs_triggers_flushed() {
                self.run_triggers(&mut journal, &mut batch)?;
            }
            let taken = match self.revert(&entry, options.drift) {
                Err(e) if e.is_stop() || is_aborted() => {
                    undone.interrupted = true;
                    break;
                }
                other => other?,
            };
            match taken {
                Reverted::Back => {
                    undone.changes += 1;
                    self.reporter.event(&Event::Undone { target: &target, reversal: &reversal });
                    undone.restart = undone.restart.max(took_effect(&entry, &boot_instance));
                }
                Reverted::Nothing => {}
                Reverted::Kept => {
                    let why = "another program changed it";
                    self.reporter.event(&Event::Kept { target: &target, reversal: &reversal, why });
                    undone.keep(&intent.change);
                }
            }
            batch.triggers.extend(intent.change.trigger.clone());
            batch.done.push(Record::Undone { id: intent.id });
            if intent.change.trigger.is_none() {
                self.run_triggers(&mut journal, &mut batch)?;
            }
        }
        self.run_triggers(&mut journal, &mut batch)?;
        if undone.interrupted {
            return Ok(undone);
        }
        self.end_undo(journal, options, &mut undone)?;
        Ok(undone)
    }

    /// Deletes the journal if nothing is left, otherwise records the end of the undo.
    fn end_undo(
        &mut self,
        mut journal: Journal<'_>,
        options: &UndoOptions,
        undone: &mut Undone,
    ) -> Result<(), EngineError> {
        if options.reach == Reach::Machine {
            self.give_up(&mut journal, undone)?;
        }
        let places = &journal.state.places;
        let is_empty = journal.state.active().next().is_none();
        if options.is_whole() || is_empty {
            // A change that a drop-in replaced may have created the directories of other changes.
            for entry in journal.state.entries.iter().rev().filter(|entry| entry.phase == Phase::Closed) {
                let JournalEntry { intent, .. } = entry;
                if journal.state.is_made_for(entry) || intent.change.is_machine_wide() {
                    self.remove_dirs(intent).map_err(|e| failed(&intent.stage, &intent.change, e))?;
                }
            }
            let is_away = |place: &Utf8PathBuf| unreachable_place(self.host, place).is_some();
            if options.safe_mode && places.iter().any(is_away) {
                undone.left.extend(places.iter().map(|place| format!("delete {place}")));
            } else if journal.state.active().all(|e| journal.state.is_own(e)) {
                self.clear_places(places);
            }
        }
        if is_empty && undone.left.is_empty() {
            self.clear_downloads();
            self.restore_shared_files(&journal.state)?;
            journal.erase()?;
        } else {
            let at = self.host.now();
            let whole = options.is_whole() && undone.left.is_empty();
            journal.append(Record::UndoFinished { at, whole })?;
        }
        Ok(())
    }

    /// Removes kind-wsl's directories on the Windows side. Windows keeps the file of a running program: that of the
    /// helper, while its window is open.
    fn clear_places(&mut self, places: &[Utf8PathBuf]) {
        for place in places {
            let why = match windows::clear(self.host, place, self.user) {
                Ok(users) if users.is_empty() => continue,
                Ok(users) => format!("the logon entry of {} starts its program", users.join(", ")),
                Err(e) => format!("{e}; remove it after every program in it has ended"),
            };
            self.reporter.event(&Event::Warn(&format!("`{place}` cannot be removed: {why}")));
        }
    }

    /// Reverts one change; retries if another program writes at that moment.
    pub(super) fn revert(
        &mut self,
        entry: &JournalEntry,
        policy: DriftPolicy,
    ) -> Result<Reverted, EngineError> {
        let _alone = self.alone(&entry.intent.stage, &entry.intent.change)?;
        for _ in 1..MAX_ATTEMPTS {
            match self.try_revert(entry, policy) {
                Err(e) if e.is_conflict() => {}
                other => return other,
            }
        }
        self.try_revert(entry, policy)
    }

    fn try_revert(&mut self, entry: &JournalEntry, policy: DriftPolicy) -> Result<Reverted, EngineError> {
        let intent = &entry.intent;
        let fail = |e| failed(&intent.stage, &intent.change, e);
        let now = match intent.change.current(self.host) {
            // Without Windows, its entry can only be left.
            Err(ChangeError::NoWindows { .. }) if policy == DriftPolicy::Keep => return Ok(Reverted::Kept),
            now => now.map_err(fail)?,
        };
        let standing = Self::drift_state(entry, &now);
        match standing {
            // Another program removed only the line.
            DriftState::AlreadyReverted if intent.change.has_leftovers(self.host) => {
                self.restore_before(intent, &now).map_err(fail)?;
            }
            DriftState::AlreadyReverted => {}
            DriftState::Modified if policy == DriftPolicy::Keep => return Ok(Reverted::Kept),
            DriftState::Modified if policy == DriftPolicy::Stop => {
                return Err(EngineError::Drift(Box::new(self.drift(intent, &now))));
            }
            DriftState::Unchanged | DriftState::Modified => match self.restore_before(intent, &now) {
                // The saved bytes are lost, and the user chose to keep the file.
                Err(ChangeError::Lost { .. }) if policy == DriftPolicy::Keep => return Ok(Reverted::Kept),
                other => other.map_err(fail)?,
            },
        }
        self.remove_dirs(intent).map_err(fail)?;
        Ok(if standing == DriftState::AlreadyReverted { Reverted::Nothing } else { Reverted::Back })
    }

    /// Whether a change is not as before, as far as can be read.
    fn is_standing(&self, entry: &JournalEntry) -> bool {
        let now = entry.intent.change.current(self.host);
        now.map_or(true, |now| Self::drift_state(entry, &now) != DriftState::AlreadyReverted)
    }

    pub(super) fn drift_state(entry: &JournalEntry, now: &State) -> DriftState {
        let JournalEntry { intent, phase, .. } = entry;
        let change = &intent.change;
        // The state has only the requested packages, not those that were installed with them.
        if is_package(change) {
            let is_gone = packages_installed_by_us(&entry.intent, now).is_empty();
            let is_as_before = is_gone && change.satisfies(now, &entry.intent.before);
            return if is_as_before { DriftState::AlreadyReverted } else { DriftState::Unchanged };
        }
        if change.satisfies(now, &intent.after) {
            let can_revert_partially = change.can_revert_partially(now, &intent.after);
            return if can_revert_partially { DriftState::Unchanged } else { DriftState::Modified };
        }
        if change.satisfies(now, &intent.before) {
            return DriftState::AlreadyReverted;
        }
        // An interrupted setup tool leaves a partial state, which its uninstall command removes.
        let cut_off = *phase == Phase::Open
            && matches!(&change.kind, ChangeKind::Setting(setting) if setting.has_unset_command());
        if cut_off { DriftState::Unchanged } else { DriftState::Modified }
    }

    /// Sets the state before the change. Packages to remove are those installed now that were not installed before.
    pub(super) fn restore_before(&mut self, intent: &Intent, now: &State) -> Result<(), ChangeError> {
        let left =
            if is_package(&intent.change) && all(&intent.after).is_empty() { now } else { &intent.after };
        let reporter = &mut *self.reporter;
        let mut progress = |progress| reporter.event(&Event::Progress(&progress));
        let Self { host, stop, .. } = *self;
        let mut context =
            Context { host, fetcher: &mut *self.fetcher, stop, progress: &mut progress, seen: now };
        intent.change.set(&mut context, &intent.before, Some(left))
    }

    /// Restores the bytes of the file before a change, whatever is in it now.
    fn restore_whole_file(&mut self, intent: &Intent, now: &State) -> Result<(), ChangeError> {
        let left = Intent { after: now.clone(), ..intent.clone() };
        self.restore_before(&left, now)
    }

    fn drift(&self, intent: &Intent, now: &State) -> Drift {
        let written = match &intent.change.kind {
            ChangeKind::WriteFile(WriteFile { source: FileSource::Inline(text), .. }) => text.as_str(),
            _ => "",
        };
        let text = |state: &State| {
            let file = Change::file_of(state)?;
            let bytes = self.host.read(&file.path).ok().flatten();
            // Only the bytes that were hashed are shown: another program may have put a link there since.
            let seen = bytes.filter(|b| crate::host::digest(b) == file.sha256);
            seen.map(|b| binary(&b).unwrap_or_else(|| beside_own(&b, written)))
        };
        let shown = |state: &State| match state {
            State::Absent => Some(String::new()),
            State::Entry { value, .. } => {
                Some(intent.change.value_shown(value.as_deref().unwrap_or_default(), &self.user.name))
            }
            State::CommandOutput { value } => Some(value.clone().unwrap_or_default()),
            _ => text(state),
        };
        let left = match &intent.change.kind {
            ChangeKind::WriteFile(WriteFile { source: FileSource::Inline(text), .. }) => Some(text.clone()),
            ChangeKind::WriteFile(_) => None,
            _ => shown(&intent.after),
        };
        let Target { object, detail, .. } = intent.change.target();
        let target = if detail.is_empty() { format!("`{object}`") } else { format!("`{object}` ({detail})") };
        Drift { target, left, now: shown(now) }
    }
}

/// The restart by which a change took effect, which its undo requires too.
fn took_effect(entry: &JournalEntry, now: &BootInstance) -> Option<RestartScope> {
    let Phase::Done(made) = &entry.phase else { return None };
    let scope = entry.intent.change.restart.as_ref()?.scope;
    scope.was_restarted(made, now).then_some(scope)
}

/// The packages that a change installed and that are still installed.
fn packages_installed_by_us(intent: &Intent, now: &State) -> Vec<String> {
    let left = if all(&intent.after).is_empty() { now } else { &intent.after };
    let before: BTreeSet<&String> = all(&intent.before).iter().collect();
    let is_there: BTreeSet<&String> = all(now).iter().collect();
    all(left).iter().filter(|n| !before.contains(n) && is_there.contains(n)).cloned().collect()
}

fn all(state: &State) -> &[String] {
    match state {
        State::Packages { all, .. } => all,
        _ => &[],
    }
}
