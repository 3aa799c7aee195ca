//! Applies and reverts changes; the only caller of [`crate::change::Change::set`].
//!
//! Before every effect the journal records the state before and after. After a crash at any point a second run resumes,
//! and an undo restores every byte.

mod apply;
mod error;
mod event;
mod resume;
mod superseded;
mod undo;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::change::{Change, ChangeKind, PostRestartCheck, Restart, RestartScope, State};
use crate::checks::{self, CheckContext};
use crate::doctor::CheckReport;
use crate::facts::Facts;
use crate::fetch::Fetcher;
use crate::host::{Account, BootInstance, LiveSystem, Owner, Recorder, is_aborted};
use crate::journal::{Journal, JournalEntry, JournalState, Phase, Record, RunOptions};
use crate::plan::{Plan, Planned, Verdict, is_due, judge, pending};
use crate::stage::{Answers, Stage};
use crate::stages::{self, STAGES};

use apply::{Batch, MAX_ATTEMPTS, failed};

pub use error::EngineError;
pub use event::{Event, Reporter, StageEnd};
pub use undo::{
    Drift, DriftPolicy, Reach, Reversal, UndoOptions, Undone, Unreachable, Way, preview, refuse_unreachable,
    shared,
};

/// The dependencies of a run.
pub struct Engine<'e> {
    pub host: &'e LiveSystem,
    pub fetcher: &'e mut Fetcher,
    /// The user who is set up.
    pub user: &'e Account,
    pub reporter: &'e mut dyn Reporter,
    /// Set by Ctrl-C: the current change is finished, then the run ends.
    pub stop: &'e AtomicBool,
    pub steps: Steps,
}

/// The number of stages that change something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    number: usize,
    count: usize,
    /// Whether one has begun and not ended.
    is_running: bool,
}

impl Steps {
    /// All of them, as in the plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let works = |s: &&Planned| s.verdict == Verdict::Required;
        Self { count: plan.stages.iter().filter(works).count(), ..Self::default() }
    }

    /// Reports the start of a stage. A stage that the plan did not contain is counted too.
    fn announce(&mut self, reporter: &mut dyn Reporter, stage: &Stage, why: &str) {
        self.number += 1;
        self.count = self.count.max(self.number);
        self.is_running = true;
        reporter.event(&Event::Stage {
            number: self.number,
            count: self.count,
            id: stage.id,
            title: stage.title,
            why,
        });
    }
}

impl std::fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("host", self.host)
            .field("user", &self.user.name)
            .finish_non_exhaustive()
    }
}

/// The result of a run without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    Done {
        /// The number of changes of this run.
        changed: usize,
        /// The number of passed checks.
        verified: usize,
    },
    /// A restart is required; the next run then resumes.
    Restart(PendingRestart),
    Interrupted,
}

/// A restart that a run requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRestart {
    pub scope: RestartScope,
    pub why: Vec<String>,
    /// Whether an earlier run required it already, and it has not taken place.
    pub again: bool,
    /// Whether a smaller restart took place meanwhile: of the distribution, but not of the virtual machine.
    pub partial: bool,
    /// The ID in the journal.
    pub id: String,
    /// The number of changes of this run before it.
    pub changed: usize,
}

impl Engine<'_> {
    /// Sets up the machine, or resumes an interrupted run.
    ///
    /// # Errors
    /// [`EngineError`]; finished changes stay in the journal, and the next run resumes after them.
    pub fn setup(&mut self, answers: &Answers, chosen: &RunOptions) -> Result<RunOutcome, EngineError> {
        let result = match self.apply_all(answers, chosen) {
            Err(e) if e.is_stop() || is_aborted() => Ok(RunOutcome::Interrupted),
            other => other,
        };
        match &result {
            Ok(RunOutcome::Interrupted) => self.end_stage(StageEnd::Stopped),
            Err(_) => self.end_stage(StageEnd::Failed),
            Ok(_) => {}
        }
        result
    }

    fn end_stage(&mut self, end: StageEnd) {
        if std::mem::take(&mut self.steps.is_running) {
            self.reporter.event(&Event::StageEnd(end));
        }
    }

    /// Makes changes that belong to no setup, such as those of `kubeconfig --windows`; `name` takes the place of the stage
    /// in the journal and for `undo`. Returns how many were made.
    ///
    /// # Errors
    /// [`EngineError`]; finished changes stay in the journal.
    pub fn make(&mut self, name: &str, changes: &[Change]) -> Result<usize, EngineError> {
        let mut journal = Journal::open(self.host, &self.user.name)?;
        let verified = journal.state.verified.clone();
        self.sweep(&journal.state)?;
        self.complete_open_intents(&mut journal)?;
        let mut batch = Batch::default();
        let mut made = 0;
        for change in changes {
            made += usize::from(self.apply(&mut journal, &mut batch, name, change)?);
        }
        self.run_triggers(&mut journal, &mut batch)?;
        // A setup that was verified and finished stays so.
        if let Some(at) = verified {
            journal.append(Record::Verified { at })?;
        }
        if journal.state.finished.is_none() && journal.state.is_only(name) {
            let at = self.host.now();
            journal.append(Record::Finished { at })?;
        }
        Ok(made)
    }

    fn apply_all(&mut self, answers: &Answers, chosen: &RunOptions) -> Result<RunOutcome, EngineError> {
        let mut journal = Journal::open(self.host, &self.user.name)?;
        let selection = &chosen.selection;
        let kept = chosen.without_secrets();
        if journal.state.chosen != kept {
            journal.append(Record::RunOptions(kept))?;
        }
        if journal.state.answers != answers.0 {
            journal.append(Record::Answers { answers: answers.0.clone() })?;
        }
        self.sweep(&journal.state)?;
        self.complete_open_intents(&mut journal)?;
        if let Some(ended) = self.after_restart(&mut journal)? {
            return Ok(ended);
        }
        self.fetcher.start();
        let mut facts = self.facts(&journal.state)?;
        let mut changed = 0;
        let mut verified = 0;
        let mut applied = Vec::new();
        for stage in STAGES {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(RunOutcome::Interrupted);
            }
            let (verdict, why, hint) = judge(stage, &facts, answers, selection);
            if verdict == Verdict::Blocked {
                return Err(EngineError::Blocked {
                    stage: stage.id,
                    what: why,
                    hint: hint.unwrap_or_default(),
                });
            }
            if !matches!(verdict, Verdict::NotApplicable | Verdict::Skipped) {
                Self::rely(&mut journal, stage)?;
            }
            if !is_due(stage, verdict, &facts) {
                self.reporter.event(&Event::Passed { stage, verdict, why: &why });
                continue;
            }
            let made = match self.apply_stage(&mut journal, stage, &facts, answers, &why)? {
                StageOutcome::Made(made) => made,
                StageOutcome::RunOutcome(RunOutcome::Restart(awaited)) => {
                    return Ok(RunOutcome::Restart(PendingRestart { changed, ..awaited }));
                }
                StageOutcome::RunOutcome(ended) => return Ok(ended),
            };
            applied.push(stage.id);
            self.revert_superseded(&mut journal, &facts, &applied)?;
            if stage.id == stages::verify::STAGE.id {
                self.steps.announce(self.reporter, stage, &why);
                verified += self.verify(&mut journal, &facts, answers)?;
            } else if made == 0 {
                let why = facts.set_up_for.get(stage.id).unwrap_or(&why);
                self.reporter.event(&Event::Passed { stage, verdict: Verdict::Satisfied, why });
            }
            self.end_stage(StageEnd::Done);
            if made > 0 {
                changed += made;
                facts = self.facts(&journal.state)?;
            }
        }
        self.revert_ephemeral(&mut journal)?;
        self.clear_downloads();
        if journal.state.finished.is_none() || journal.state.is_undone {
            let at = self.host.now();
            journal.append(Record::Finished { at })?;
        }
        Ok(RunOutcome::Done { changed, verified })
    }

    /// Records that the user relies on what the stage changed of the machine for other users.
    fn rely(journal: &mut Journal<'_>, stage: &Stage) -> Result<(), EngineError> {
        if journal.state.users().len() < 2 {
            return Ok(());
        }
        let of_stage = |e: &&JournalEntry| {
            e.intent.stage == stage.id && e.intent.change.is_machine_wide() && !journal.state.is_relied_on(e)
        };
        let ids: Vec<u64> = journal.state.active().filter(of_stage).map(|e| e.intent.id).collect();
        for id in ids {
            journal.append(Record::Relies { id })?;
        }
        Ok(())
    }

    /// Reports the stage of the batch before its first change.
    fn head(&mut self, batch: &mut Batch) {
        if let Some((stage, why)) = batch.heading.take() {
            self.steps.announce(self.reporter, stage, &why);
        }
    }

    /// Removes partial downloads that no stage needs anymore.
    fn clear_downloads(&mut self) {
        if let Err(e) = self.fetcher.clear() {
            self.reporter.event(&Event::Warn(&format!("partial downloads cannot be removed: {e}")));
        }
    }

    /// Reads the facts again, with the pending restarts of the journal.
    fn facts(&self, journal_state: &JournalState) -> Result<Facts, EngineError> {
        let mut facts = Facts::probe(self.host, self.user.clone());
        with_journal(&mut facts, journal_state);
        match self.host.take_unanswered() {
            Some(error) => Err(EngineError::Unanswered(error)),
            None => Ok(facts),
        }
    }

    fn apply_stage(
        &mut self,
        journal: &mut Journal<'_>,
        stage: &'static Stage,
        facts: &Facts,
        answers: &Answers,
        why: &str,
    ) -> Result<StageOutcome, EngineError> {
        let mut batch = Batch { heading: Some((stage, why.to_owned())), ..Batch::default() };
        let mut made = 0;
        for change in (stage.changes)(facts, answers) {
            if self.stop.load(Ordering::Relaxed) {
                self.run_triggers(journal, &mut batch)?;
                return Ok(StageOutcome::RunOutcome(RunOutcome::Interrupted));
            }
            if let ChangeKind::Restart(restart) = &change.kind {
                self.run_triggers(journal, &mut batch)?;
                self.head(&mut batch);
                return self.restart(journal, restart).map(StageOutcome::RunOutcome);
            }
            if self.apply(journal, &mut batch, stage.id, &change)? {
                made += 1;
            }
        }
        self.run_triggers(journal, &mut batch)?;
        Ok(StageOutcome::Made(made))
    }

    fn restart(&mut self, journal: &mut Journal<'_>, restart: &Restart) -> Result<RunOutcome, EngineError> {
        let Restart { scope, why, verify } = restart.clone();
        let boot_instance = BootInstance::probe(self.host);
        let now = format!("{} {} {}", self.host.now(), boot_instance.boot_id, boot_instance.pid1_start);
        let id = crate::host::digest(now.as_bytes()).get(..12).unwrap_or_default().to_owned();
        journal.append(Record::Waiting { scope, why: why.clone(), verify, boot_instance, id: id.clone() })?;
        Ok(RunOutcome::Restart(PendingRestart { scope, why, again: false, partial: false, id, changed: 0 }))
    }

    /// Runs the checks after a setup; returns the number of passed ones.
    fn verify(
        &mut self,
        journal: &mut Journal<'_>,
        facts: &Facts,
        answers: &Answers,
    ) -> Result<usize, EngineError> {
        // Several checks run the same podman command; it runs once.
        let memo = Recorder::new(self.host);
        let context = CheckContext::new(&memo, facts, answers).that_may_create();
        let (mut failed, mut passed) = (Vec::new(), 0);
        for check in checks::verify(answers.provider()) {
            let report = CheckReport::of(&context, check);
            self.reporter.event(&Event::Check(&report));
            if report.is_error() {
                failed.push(report);
            } else if !report.is_warning() {
                passed += 1;
            }
        }
        if !failed.is_empty() {
            return Err(EngineError::ChecksFailed { failed });
        }
        let at = self.host.now();
        journal.append(Record::Verified { at })?;
        Ok(passed)
    }
}

/// The result of a stage.
enum StageOutcome {
    Made(usize),
    RunOutcome(RunOutcome),
}

/// Adds the journal's state to the facts: pending restarts, and whether all checks passed.
pub fn with_journal(facts: &mut Facts, journal_state: &JournalState) {
    let pending_of = |e: &JournalEntry| match &e.phase {
        Phase::Done(made) => {
            pending(&e.intent.change).filter(|p| !p.due.scope.was_restarted(made, &facts.boot_instance))
        }
        _ => None,
    };
    let mut all: Vec<_> = journal_state.active().filter_map(pending_of).collect();
    // The systemd user manager of another user need not run.
    for check in all.iter_mut().filter_map(|pending| pending.due.verify.as_mut()) {
        if let PostRestartCheck::Controllers { uid, .. } = check {
            *uid = facts.user.uid;
        }
    }
    facts.pending = all;
    facts.verified.clone_from(&journal_state.verified);
    facts.windows.logon = journal_state.active().find_map(|e| match &e.intent.change.kind {
        ChangeKind::Logon(logon) => Some(logon.program.clone()),
        _ => None,
    });
    facts.installed_by_us = journal_state.active().flat_map(installed_by_us).collect();
    facts.containers.superseded = superseded::superseded(journal_state, facts);
    facts.started_stages = journal_state.started_stages().map(ToOwned::to_owned).collect();
    facts.set_up_for = journal_state.active().filter_map(|e| set_up_for(journal_state, e)).collect();
}

/// The stage of a change to the machine that was made for another user, and for whom and when.
fn set_up_for(journal_state: &JournalState, entry: &JournalEntry) -> Option<(String, String)> {
    let user = journal_state.others_relying(entry).into_iter().next()?;
    let finished = journal_state.state_of(user)?.finished.as_ref()?;
    let is_done = matches!(entry.phase, Phase::Done(_)) && !journal_state.is_made_for(entry);
    let date = finished.get(..10)?;
    is_done.then(|| (entry.intent.stage.clone(), format!("set up for {user} on {date}")))
}

/// The packages that an entry requested and that were not installed before it.
fn installed_by_us(entry: &JournalEntry) -> Vec<String> {
    match (&entry.intent.before, &entry.intent.after) {
        (State::Packages { has: before, all, .. }, State::Packages { has, all: then }) => {
            let new = |name: &&String| !before.contains_key(*name) && !all.contains(name);
            has.keys().chain(then).filter(new).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// The owner of the directories of a change.
fn owner(change: &Change) -> Owner {
    change.created_path().map_or(Owner::Root, |(_, owner)| owner)
}
