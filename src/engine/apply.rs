//! Applies one change: current and desired state, the intent in the journal, the effect, the state after it.

use std::collections::BTreeSet;

use super::{Engine, EngineError, Event};
use crate::change::{Change, ChangeError, ChangeKind, Context, State, Trigger};
use crate::host::{Alone, BootInstance, HostError, System};
use crate::journal::{Intent, Journal, JournalEntry, JournalError, Record};
use crate::stage::Stage;

/// The maximum number of attempts if another program writes to the same file at the same moment.
pub(super) const MAX_ATTEMPTS: usize = 5;

/// Changes whose triggers have not run yet.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) triggers: BTreeSet<Trigger>,
    pub(super) done: Vec<Record>,
    /// The stage, until it is reported, and the reason for it.
    pub(super) heading: Option<(&'static Stage, String)>,
}

impl Engine<'_> {
    /// Applies one change. If another program writes at that moment, reads the file again and decides from the new
    /// content.
    pub(super) fn apply(
        &mut self,
        journal: &mut Journal<'_>,
        batch: &mut Batch,
        stage: &str,
        change: &Change,
    ) -> Result<bool, EngineError> {
        let _alone = self.alone(stage, change)?;
        for _ in 1..MAX_ATTEMPTS {
            match self.try_apply(journal, batch, stage, change) {
                Err(e) if e.is_conflict() => {}
                other => return Self::settle(journal, change, other),
            }
        }
        let made = self.try_apply(journal, batch, stage, change);
        Self::settle(journal, change, made)
    }

    /// Closes an intent that was not carried out because a file of another author appeared at its path. An undo must
    /// not touch that file.
    fn settle(
        journal: &mut Journal<'_>,
        change: &Change,
        made: Result<bool, EngineError>,
    ) -> Result<bool, EngineError> {
        if made.as_ref().is_err_and(EngineError::is_foreign) {
            let of_it =
                |e: &&JournalEntry| same_thing(&e.intent.change, change) && e.intent.before == State::Absent;
            let ids: Vec<u64> = journal.state.in_progress().filter(of_it).map(|e| e.intent.id).collect();
            for id in ids {
                journal.append(Record::Undone { id })?;
            }
        }
        made
    }

    /// Locks the file of a change against other distributions.
    pub(super) fn alone(&self, stage: &str, change: &Change) -> Result<Option<Alone>, EngineError> {
        let Some((path, owner)) = change.created_path() else { return Ok(None) };
        self.host.alone(path, owner).map_err(|e| failed(stage, change, e.into()))
    }

    /// Applies one change, unless the machine is in the desired state: read, compute, save, record, set, read again.
    fn try_apply(
        &mut self,
        journal: &mut Journal<'_>,
        batch: &mut Batch,
        stage: &str,
        change: &Change,
    ) -> Result<bool, EngineError> {
        let failed = |source: ChangeError| failed(stage, change, source);
        let now = change.current(self.host).map_err(failed)?;
        let aim = change.desired(self.host).map_err(failed)?;
        let target = change.target();
        if change.satisfies(&now, &aim.state) {
            return Ok(false);
        }
        if change.needs_triggers_flushed() {
            self.run_triggers(journal, batch)?;
        }
        // An interrupted intent on the same target has the state before it; the present state may be partial.
        let open = journal.state.in_progress().find(|e| same_thing(&e.intent.change, change)).cloned();
        let mut dirs = match change.created_path() {
            Some((path, _)) => self.host.missing_dirs(path).map_err(|e| failed(e.into()))?,
            None => Vec::new(),
        };
        let before = match &open {
            Some(open) => {
                dirs.extend(
                    open.intent.dirs.iter().filter(|d| !dirs.contains(d)).cloned().collect::<Vec<_>>(),
                );
                dirs.sort_by_key(|d| d.as_str().len());
                // A file that matches neither the state before nor the desired state was changed by another program.
                if change.is_atomic() && !has_bytes_of(&now, &open.intent.after) {
                    now.clone()
                } else {
                    open.intent.before.clone()
                }
            }
            None => now.clone(),
        };
        self.save(journal, &before)?;
        let id = journal.next_id();
        let replaces = open.map(|e| e.intent.id);
        let intent = Intent {
            id,
            stage: stage.to_owned(),
            change: change.clone(),
            before,
            after: aim.state.clone(),
            dirs,
            replaces,
        };
        journal.append(Record::Intent(Box::new(intent.clone())))?;
        self.head(batch);
        self.reporter.event(&Event::Change { target: &target });
        let made = self.execute(&intent, &now);
        if matches!(made, Err(ChangeError::Stopped(_))) && intent.replaces.is_none() {
            // The installation had not started, and other programs may have installed packages since.
            journal.append(Record::Undone { id })?;
        }
        made.map_err(failed)?;
        let mut after = change.current(self.host).map_err(failed)?;
        if !change.satisfies(&after, &aim.state) {
            return Err(EngineError::NotApplied {
                stage: stage.to_owned(),
                target: target.to_string(),
                seen: after.to_string(),
            });
        }
        // Records the state as written, without later writes of other programs.
        if change.is_atomic() {
            after = aim.state;
        }
        self.reporter.event(&Event::Changed { target: &target });
        batch.triggers.extend(change.trigger.clone());
        batch.done.push(Record::Done { id, after, boot_instance: BootInstance::probe(self.host) });
        if change.trigger.is_none() {
            self.run_triggers(journal, batch)?;
        }
        Ok(true)
    }

    /// Creates the directories, then applies the change.
    fn execute(&mut self, intent: &Intent, seen: &State) -> Result<(), ChangeError> {
        if let Some((_, owner)) = intent.change.created_path() {
            for dir in &intent.dirs {
                self.host.make_dir(dir, owner)?;
            }
        }
        let reporter = &mut *self.reporter;
        let mut progress = |progress| reporter.event(&Event::Progress(&progress));
        let Self { host, stop, .. } = *self;
        let mut context = Context { host, fetcher: &mut *self.fetcher, stop, progress: &mut progress, seen };
        intent.change.set(&mut context, &intent.after, None)
    }

    /// Saves the bytes of a file before it is changed.
    fn save(&self, journal: &Journal<'_>, before: &State) -> Result<(), EngineError> {
        let Some(file) = Change::file_of(before) else { return Ok(()) };
        let read = match before {
            // The file of an entry was read just now; any other file may be a program.
            State::Entry { .. } => self.host.read_file(&file.path).map(|found| found.map(|(_, bytes)| bytes)),
            _ => self.host.read_large(&file.path),
        };
        let bytes = read.map_err(JournalError::from)?.unwrap_or_default();
        if crate::host::digest(&bytes) == file.sha256 {
            journal.save(&file.sha256, &bytes)?;
        } else if !journal.has_saved(&file.sha256)? {
            // Another program wrote the file since it was observed. An intent without the saved bytes could not be undone.
            return Err(JournalError::from(HostError::ConcurrentModification(file.path.clone())).into());
        }
        Ok(())
    }

    /// Runs the triggers of the batch, once each, then records the changes as done.
    pub(super) fn run_triggers(
        &mut self,
        journal: &mut Journal<'_>,
        batch: &mut Batch,
    ) -> Result<(), EngineError> {
        for trigger in std::mem::take(&mut batch.triggers) {
            let Some(cmd) = trigger.command(self.host) else { continue };
            self.reporter.event(&Event::Trigger { command: &cmd });
            match self.host.run(&cmd, &mut |_| {}) {
                Ok(_) => {}
                // Modules of other files may fail there; those of kind-wsl exist.
                Err(e @ HostError::Failed { .. }) if trigger == Trigger::LoadModules => {
                    self.reporter.event(&Event::Warn(&e.to_string()));
                }
                Err(e) => return Err(EngineError::Trigger(e)),
            }
        }
        for record in batch.done.drain(..) {
            journal.append(record)?;
        }
        Ok(())
    }
}

/// Whether two changes have the same target, so that one replaces the other.
fn same_thing(a: &Change, b: &Change) -> bool {
    if a == b {
        return true;
    }
    let (at, bt) = (a.target(), b.target());
    matches!(
        (&a.kind, &b.kind),
        (ChangeKind::WriteFile(_), ChangeKind::WriteFile(_))
            | (ChangeKind::Link(_), ChangeKind::Link(_))
            | (ChangeKind::Package(_), ChangeKind::Package(_))
            | (ChangeKind::Kubeconfig(_), ChangeKind::Kubeconfig(_))
    ) && at.object == bt.object
}

/// Whether a file has the desired bytes, whatever its mode and owner.
fn has_bytes_of(now: &State, wanted: &State) -> bool {
    match (Change::file_of(now), Change::file_of(wanted)) {
        (Some(now), Some(wanted)) => now.sha256 == wanted.sha256,
        _ => false,
    }
}

pub(super) fn failed(stage: &str, change: &Change, source: ChangeError) -> EngineError {
    EngineError::Change {
        stage: stage.to_owned(),
        target: change.target().to_string(),
        source: Box::new(source),
    }
}
