//! The one that changes the machine: run and undo, the only callers of [`crate::change::Change::set`].
//!
//! Before every effect the journal says what was there and what shall be. A crash anywhere leaves the machine in a
//! state from which a second run goes on, and from which an undo comes back to the byte.

mod error;
mod event;
mod resume;
mod undo;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::change::{Change, ChangeError, Context, Follow, Restart, Scope, State};
use crate::facts::Facts;
use crate::fetch::Fetcher;
use crate::host::{Account, Host, HostError, Owner, Recorder, Witness, World};
use crate::journal::{Chosen, Entry, Intent, Journal, JournalError, Ledger, Phase, Record};
use crate::plan::{Verdict, judge, pending};
use crate::stage::{Answers, Stage};
use crate::stages::STAGES;

pub use error::EngineError;
pub use event::{Event, Face};
pub use undo::{Drift, DriftPolicy, UndoOptions, Undone};

/// What a run is made from.
pub struct Engine<'e> {
    /// The machine.
    pub host: &'e Host,
    /// What gets files from elsewhere.
    pub fetcher: &'e mut Fetcher,
    /// Whose cluster it is.
    pub user: &'e Account,
    /// Whom to tell.
    pub face: &'e mut dyn Face,
    /// Set by Ctrl-C: the change at hand is finished, then the run ends.
    pub stop: &'e AtomicBool,
}

impl std::fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("host", self.host)
            .field("user", &self.user.name)
            .finish_non_exhaustive()
    }
}

/// How a run ended, when nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All is done.
    Done {
        /// How many changes this run made.
        changed: usize,
        /// How many things were verified.
        verified: usize,
    },
    /// The machine has to be started again, then the run goes on.
    Restart(Awaited),
    /// Ctrl-C.
    Interrupted,
}

/// A restart that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// How much of the machine.
    pub scope: Scope,
    /// Why.
    pub why: Vec<String>,
    /// Whether an earlier run asked for it already and it has not taken place.
    pub again: bool,
    /// Its name in the journal.
    pub id: String,
}

/// How often a change is looked at and made anew where others write to the same file at the same moment.
const TRIES: usize = 5;

/// Work that waits for the commands that have to follow it.
#[derive(Debug, Default)]
struct Batch {
    follow: BTreeSet<Follow>,
    done: Vec<Record>,
}

impl Engine<'_> {
    /// Sets the machine up, or goes on where an earlier run ended.
    ///
    /// # Errors
    /// [`EngineError`]; what was done stays done and in the journal, and the next run goes on from there.
    pub fn setup(&mut self, answers: &Answers, chosen: &Chosen) -> Result<Ended, EngineError> {
        match self.walk(answers, chosen) {
            Err(e) if e.is_stop() => Ok(Ended::Interrupted),
            other => other,
        }
    }

    fn walk(&mut self, answers: &Answers, chosen: &Chosen) -> Result<Ended, EngineError> {
        let mut journal = Journal::open(self.host, &self.user.name)?;
        let selection = &chosen.selection;
        let kept = chosen.without_secrets();
        if journal.ledger.chosen != kept {
            journal.append(Record::Chosen(kept))?;
        }
        if journal.ledger.answers != answers.0 {
            journal.append(Record::Answers { answers: answers.0.clone() })?;
        }
        self.sweep(&journal.ledger)?;
        self.finish_open(&mut journal)?;
        if let Some(ended) = self.after_restart(&mut journal)? {
            return Ok(ended);
        }
        self.fetcher.begin();
        let interrupted: Vec<String> = match journal.ledger.finished {
            None => journal.ledger.standing().map(|e| e.intent.stage.clone()).collect(),
            Some(_) => Vec::new(),
        };
        let mut facts = self.facts(&journal.ledger);
        let mut changed = 0;
        let mut verified = 0;
        let count = STAGES.len();
        for (index, stage) in STAGES.iter().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            let (verdict, why, hint) = judge(stage, &facts, answers, selection);
            if verdict == Verdict::Blocked {
                return Err(EngineError::Blocked {
                    stage: stage.id,
                    what: why,
                    hint: hint.unwrap_or_default(),
                });
            }
            self.face.event(&Event::Stage {
                number: index + 1,
                count,
                id: stage.id,
                title: stage.title,
                verdict,
                why: &why,
            });
            // What an interrupted run had begun looks done to the stage itself as soon as its first change is there;
            // it is walked to its end, where what is there already costs a look.
            let begun = interrupted.iter().any(|s| s == stage.id);
            if verdict != Verdict::Needed && !(begun && verdict == Verdict::Satisfied) {
                continue;
            }
            let made = match self.stage(&mut journal, stage, &facts, answers)? {
                Stepped::Made(made) => made,
                Stepped::Ended(ended) => return Ok(ended),
            };
            verified += self.check(&mut journal, stage, &facts, answers)?;
            if made > 0 {
                changed += made;
                facts = self.facts(&journal.ledger);
            }
        }
        self.take_back_leftovers(&mut journal)?;
        self.clear_downloads();
        if journal.ledger.finished.is_none() {
            let at = self.host.now();
            journal.append(Record::Finished { at })?;
        }
        Ok(Ended::Done { changed, verified })
    }

    /// Removes what is left of downloads that nothing waits for any more.
    fn clear_downloads(&mut self) {
        if let Err(e) = self.fetcher.clear() {
            self.face.event(&Event::Warn(&format!("what is left of downloads can not be removed: {e}")));
        }
    }

    /// Fresh facts, with what the journal knows of restarts.
    fn facts(&self, ledger: &Ledger) -> Facts {
        let mut facts = Facts::probe(self.host, self.user.clone());
        with_ledger(&mut facts, ledger);
        facts
    }

    fn stage(
        &mut self,
        journal: &mut Journal<'_>,
        stage: &Stage,
        facts: &Facts,
        answers: &Answers,
    ) -> Result<Stepped, EngineError> {
        let mut batch = Batch::default();
        let mut made = 0;
        for change in (stage.changes)(facts, answers) {
            if self.stop.load(Ordering::Relaxed) {
                self.flush(journal, &mut batch)?;
                return Ok(Stepped::Ended(Ended::Interrupted));
            }
            if let Change::Restart(restart) = change {
                self.flush(journal, &mut batch)?;
                return self.restart(journal, &restart).map(Stepped::Ended);
            }
            if self.make(journal, &mut batch, stage.id, &change)? {
                made += 1;
            }
        }
        self.flush(journal, &mut batch)?;
        Ok(Stepped::Made(made))
    }

    /// Makes one change; where somebody else writes at that very moment, looks again and goes by what is there now.
    fn make(
        &mut self,
        journal: &mut Journal<'_>,
        batch: &mut Batch,
        stage: &str,
        change: &Change,
    ) -> Result<bool, EngineError> {
        for _ in 1..TRIES {
            match self.make_once(journal, batch, stage, change) {
                Err(e) if e.is_meanwhile() => {}
                other => return other,
            }
        }
        self.make_once(journal, batch, stage, change)
    }

    /// Makes one change, unless it is so already: observe, aim, save, intend, set, observe again.
    fn make_once(
        &mut self,
        journal: &mut Journal<'_>,
        batch: &mut Batch,
        stage: &str,
        change: &Change,
    ) -> Result<bool, EngineError> {
        let failed = |source: ChangeError| failed(stage, change, source);
        let now = change.observe(self.host).map_err(failed)?;
        let aim = change.aim(self.host).map_err(failed)?;
        let target = change.target();
        if change.holds(&now, &aim.state) {
            return Ok(false);
        }
        if change.is_command() {
            self.flush(journal, batch)?;
        }
        // An interrupted intent on the same thing knows what was there before us; what is there now may be half done.
        let open = journal.ledger.open().find(|e| same_thing(&e.intent.change, change)).cloned();
        let mut dirs = match change.makes() {
            Some((path, _)) => self.host.missing_dirs(path).map_err(|e| failed(e.into()))?,
            None => Vec::new(),
        };
        let before = match &open {
            Some(open) => {
                dirs.extend(
                    open.intent.dirs.iter().filter(|d| !dirs.contains(d)).cloned().collect::<Vec<_>>(),
                );
                dirs.sort_by_key(|d| d.as_str().len());
                // Of a file that is neither as before nor as we wanted it, somebody else is the author since.
                if change.is_whole() && !has_bytes_of(&now, &open.intent.after) {
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
        self.face.event(&Event::Change { target: &target });
        let made = self.carry_out(&intent, &now);
        if matches!(made, Err(ChangeError::Stopped(_))) && intent.replaces.is_none() {
            // Nothing was begun, and what others install meanwhile is theirs.
            journal.append(Record::Undone { id })?;
        }
        made.map_err(failed)?;
        let mut after = change.observe(self.host).map_err(failed)?;
        if !change.holds(&after, &aim.state) {
            return Err(EngineError::DidNotTake {
                stage: stage.to_owned(),
                target: target.to_string(),
                seen: after.to_string(),
            });
        }
        // What we left is what we wrote: what others wrote since is no part of it.
        if change.is_whole() {
            after = aim.state;
        }
        self.face.event(&Event::Changed { target: &target });
        batch.follow.extend(change.follow().cloned());
        batch.done.push(Record::Done { id, after, witness: Witness::of(self.host) });
        if change.follow().is_none() {
            self.flush(journal, batch)?;
        }
        Ok(true)
    }

    /// Makes the directories, then the change itself.
    fn carry_out(&mut self, intent: &Intent, seen: &State) -> Result<(), ChangeError> {
        if let Some((_, owner)) = intent.change.makes() {
            for dir in &intent.dirs {
                self.host.make_dir(dir, owner)?;
            }
        }
        let face = &mut *self.face;
        let mut tick = |tick| face.event(&Event::Tick(&tick));
        let Self { host, stop, .. } = *self;
        let mut context = Context { host, fetcher: &mut *self.fetcher, stop, tick: &mut tick, seen };
        intent.change.set(&mut context, &intent.after, None)
    }

    /// Keeps the bytes of a file that is about to be changed.
    fn save(&self, journal: &Journal<'_>, before: &State) -> Result<(), EngineError> {
        let Some(file) = Change::file_of(before) else { return Ok(()) };
        let bytes = self.host.read(&file.path).map_err(JournalError::from)?.unwrap_or_default();
        // An interrupted intent saved them already, and the file may be another by now.
        if crate::host::digest(&bytes) == file.sha256 {
            journal.save(&file.sha256, &bytes)?;
        }
        Ok(())
    }

    /// Runs what has to follow the batch, once each, then writes that it is done.
    fn flush(&mut self, journal: &mut Journal<'_>, batch: &mut Batch) -> Result<(), EngineError> {
        for follow in std::mem::take(&mut batch.follow) {
            let Some(cmd) = follow.command(self.host) else { continue };
            self.face.event(&Event::Follow { command: &cmd });
            match self.host.run(&cmd, &mut |_| {}) {
                Ok(_) => {}
                // Other people's modules may fail there; ours were chosen because they exist.
                Err(e @ HostError::Failed { .. }) if follow == Follow::LoadModules => {
                    self.face.event(&Event::Warn(&e.to_string()));
                }
                Err(e) => return Err(EngineError::Follow(e)),
            }
        }
        for record in batch.done.drain(..) {
            journal.append(record)?;
        }
        Ok(())
    }

    fn restart(&mut self, journal: &mut Journal<'_>, restart: &Restart) -> Result<Ended, EngineError> {
        let Restart { scope, why, until } = restart.clone();
        let witness = Witness::of(self.host);
        let now = format!("{} {} {}", self.host.now(), witness.boot_id, witness.pid1_start);
        let id = crate::host::digest(now.as_bytes()).get(..12).unwrap_or_default().to_owned();
        journal.append(Record::Waiting { scope, why: why.clone(), until, witness, id: id.clone() })?;
        Ok(Ended::Restart(Awaited { scope, why, again: false, id }))
    }

    /// Looks at what must hold after a stage; answers how much did.
    fn check(
        &mut self,
        journal: &mut Journal<'_>,
        stage: &Stage,
        facts: &Facts,
        answers: &Answers,
    ) -> Result<usize, EngineError> {
        if stage.checks.is_empty() {
            return Ok(0);
        }
        // Several checks ask podman the same; it is asked once.
        let memo = Recorder::new(self.host);
        let mut faults = Vec::new();
        let checks = || stage.checks.iter().filter(|c| c.counts(answers));
        for check in checks() {
            let seen = (check.look)(&memo, facts, answers);
            self.face.event(&Event::Check { what: check.what, seen: &seen });
            if let Err(fault) = seen {
                faults.push((check.what, fault));
            }
        }
        if !faults.is_empty() {
            return Err(EngineError::Faults { faults });
        }
        let at = self.host.now();
        journal.append(Record::Verified { at })?;
        Ok(checks().count())
    }
}

/// What became of a stage.
enum Stepped {
    Made(usize),
    Ended(Ended),
}

/// Whether two changes are about the same thing, so that one takes the place of the other.
fn same_thing(a: &Change, b: &Change) -> bool {
    if a == b {
        return true;
    }
    let (at, bt) = (a.target(), b.target());
    matches!(
        (a, b),
        (Change::Put(_), Change::Put(_))
            | (Change::Link(_), Change::Link(_))
            | (Change::Package(_), Change::Package(_))
    ) && at.object == bt.object
}

/// Whether a file has the bytes that it was to get, whatever its mode and owner.
fn has_bytes_of(now: &State, wanted: &State) -> bool {
    match (Change::file_of(now), Change::file_of(wanted)) {
        (Some(now), Some(wanted)) => now.sha256 == wanted.sha256,
        _ => false,
    }
}

fn failed(stage: &str, change: &Change, source: ChangeError) -> EngineError {
    EngineError::Change {
        stage: stage.to_owned(),
        target: change.target().to_string(),
        source: Box::new(source),
    }
}

/// Puts what the journal knows into facts: which changes wait for a restart, and whether all was verified.
pub fn with_ledger(facts: &mut Facts, ledger: &Ledger) {
    let waits = |e: &&Entry| matches!(&e.phase, Phase::Done(witness) if *witness == facts.witness);
    facts.pending = ledger.standing().filter(waits).filter_map(|e| pending(&e.intent.change)).collect();
    facts.verified.clone_from(&ledger.verified);
    facts.brought = ledger.standing().flat_map(brought).collect();
}

/// The packages that an entry asked for and that were not there before it.
fn brought(entry: &Entry) -> Vec<String> {
    match (&entry.intent.before, &entry.intent.after) {
        (State::Packages { has: before, all, .. }, State::Packages { has, all: then }) => {
            let new = |name: &&String| !before.contains_key(*name) && !all.contains(name);
            has.keys().chain(then).filter(new).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// Who owns the directories of a change.
fn owner(change: &Change) -> Owner {
    change.makes().map_or(Owner::Root, |(_, owner)| owner)
}
