//! Back to the state before, byte for byte where nobody else wrote.

mod reversal;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::resume::is_package;
use super::{Batch, Engine, EngineError, Event, TRIES, failed};
use camino::Utf8PathBuf;

use crate::change::{Body, Change, ChangeError, Context, Put, Scope, State, Target, binary, user_owner};
use crate::edit::shown::beside_own;
use crate::host::{Witness, World, is_aborted};
use crate::journal::{Entry, Intent, Journal, JournalError, Phase, Record};
use crate::windows;

pub use reversal::{Reversal, Way, preview};

/// What to do with what others changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftPolicy {
    /// End, and show it.
    Stop,
    /// Leave it as it is, and forget our part in it.
    Keep,
    /// Put back what was there before us.
    Restore,
}

/// How much to undo.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// These stages alone, where it is not empty.
    pub stages: Vec<String>,
    /// Also take out the packages that we brought.
    pub packages: bool,
    /// What others changed.
    pub drift: DriftPolicy,
}

/// What an undo did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// How many changes were taken back.
    pub changes: usize,
    /// What was left: packages, unless asked for, and what others changed.
    pub kept: Vec<String>,
    /// What has to be started again for it to count.
    pub restart: Option<Scope>,
    /// Ended by Ctrl-C.
    pub interrupted: bool,
}

/// Something that is neither as we left it nor as it was before us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What.
    pub target: String,
    /// Its text as we left it, where it is a text that we know.
    pub left: Option<String>,
    /// Its text now.
    pub now: Option<String>,
}

/// What became of a change.
enum Taken {
    /// It was undone.
    Back,
    /// It was never made, or is undone already.
    Nothing,
    /// It is left to whoever changed it since.
    Kept,
}

/// How a change stands to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    AsLeft,
    AsBefore,
    Drifted,
}

impl Engine<'_> {
    /// Takes changes back, the last one first.
    ///
    /// # Errors
    /// [`EngineError::Drift`] where others changed something and `drift` says stop; what was taken back until then
    /// stays so.
    pub fn undo(&mut self, options: &UndoOptions) -> Result<Undone, EngineError> {
        if !crate::journal::exists(self.host) {
            return Ok(Undone::default());
        }
        let mut journal = Journal::open(self.host, &self.user.name)?;
        self.sweep(&journal.ledger)?;
        let chosen = |e: &&Entry| options.stages.is_empty() || options.stages.contains(&e.intent.stage);
        let entries: Vec<Entry> = journal.ledger.standing().filter(chosen).rev().cloned().collect();
        let witness = Witness::of(self.host);
        let mut undone = Undone::default();
        let mut batch = Batch::default();
        for entry in entries {
            if self.stop.load(Ordering::Relaxed) {
                undone.interrupted = true;
                break;
            }
            let intent = &entry.intent;
            let target = intent.change.target();
            let reversal = Reversal::of(intent);
            let is_there = || {
                let now = intent.change.observe(self.host);
                now.is_err() || now.is_ok_and(|now| Self::standing(&entry, &now) != Standing::AsBefore)
            };
            if is_package(&intent.change) && !options.packages && is_there() {
                let why = "`--packages` removes them";
                self.face.event(&Event::Kept { target: &target, reversal: &reversal, why });
                undone.kept.push(target.to_string());
                continue;
            }
            if intent.change.is_command() {
                self.flush(&mut journal, &mut batch)?;
            }
            let taken = match self.take_back(&entry, options.drift) {
                Err(e) if e.is_stop() || is_aborted() => {
                    undone.interrupted = true;
                    break;
                }
                other => other?,
            };
            match taken {
                Taken::Back => {
                    undone.changes += 1;
                    self.face.event(&Event::Undone { target: &target, reversal: &reversal });
                    undone.restart = undone.restart.max(took_effect(&entry, &witness));
                }
                Taken::Nothing => {}
                Taken::Kept => {
                    let why = "another program changed it";
                    self.face.event(&Event::Kept { target: &target, reversal: &reversal, why });
                    undone.kept.push(target.to_string());
                }
            }
            batch.follow.extend(intent.change.follow().cloned());
            batch.done.push(Record::Undone { id: intent.id });
            if intent.change.follow().is_none() {
                self.flush(&mut journal, &mut batch)?;
            }
        }
        self.flush(&mut journal, &mut batch)?;
        if undone.interrupted {
            return Ok(undone);
        }
        if options.stages.is_empty() {
            self.clear_places(&journal.ledger.places)?;
        }
        if journal.ledger.standing().next().is_none() {
            self.clear_downloads();
            journal.erase()?;
        } else {
            let at = self.host.now();
            journal.append(Record::TakenBack { at, whole: options.stages.is_empty() })?;
        }
        Ok(undone)
    }

    /// Removes what is ours on the Windows side. Windows keeps the file of a program that runs: the helper's, while
    /// the window that it opened is open.
    fn clear_places(&mut self, places: &[Utf8PathBuf]) -> Result<(), EngineError> {
        for place in places {
            match windows::clear(self.host, place, user_owner(self.user)) {
                Err(e) if e.is_crash() => return Err(JournalError::from(e).into()),
                Err(e) => self.face.event(&Event::Warn(&format!(
                    "`{place}` is left behind: {e}; it can be removed once the window of the restart is closed"
                ))),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Takes one change back; where somebody else writes at that very moment, looks again.
    fn take_back(&mut self, entry: &Entry, policy: DriftPolicy) -> Result<Taken, EngineError> {
        let _alone = self.alone(&entry.intent.stage, &entry.intent.change)?;
        for _ in 1..TRIES {
            match self.take_back_once(entry, policy) {
                Err(e) if e.is_meanwhile() => {}
                other => return other,
            }
        }
        self.take_back_once(entry, policy)
    }

    /// Undoes one change.
    fn take_back_once(&mut self, entry: &Entry, policy: DriftPolicy) -> Result<Taken, EngineError> {
        let intent = &entry.intent;
        let fail = |e| failed(&intent.stage, &intent.change, e);
        let now = intent.change.observe(self.host).map_err(fail)?;
        let standing = Self::standing(entry, &now);
        match standing {
            Standing::AsBefore => {}
            Standing::Drifted if policy == DriftPolicy::Keep => return Ok(Taken::Kept),
            Standing::Drifted if policy == DriftPolicy::Stop => {
                return Err(EngineError::Drift(Box::new(self.drift(intent, &now))));
            }
            Standing::AsLeft | Standing::Drifted => match self.put_back(intent, &now) {
                // What was there before can not be had any more, and the user knows it.
                Err(ChangeError::Lost { .. }) if policy == DriftPolicy::Keep => return Ok(Taken::Kept),
                other => other.map_err(fail)?,
            },
        }
        self.remove_dirs(intent).map_err(fail)?;
        Ok(if standing == Standing::AsBefore { Taken::Nothing } else { Taken::Back })
    }

    pub(super) fn standing(entry: &Entry, now: &State) -> Standing {
        let Entry { intent, phase } = entry;
        let change = &intent.change;
        // Companions that came along do not show in the state of the packages that were asked for.
        if is_package(change) {
            let is_gone = brought_packages(&entry.intent, now).is_empty();
            let is_as_before = is_gone && change.holds(now, &entry.intent.before);
            return if is_as_before { Standing::AsBefore } else { Standing::AsLeft };
        }
        if change.holds(now, &intent.after) {
            let goes_back = change.goes_back(now, &intent.after);
            return if goes_back { Standing::AsLeft } else { Standing::Drifted };
        }
        if change.holds(now, &intent.before) {
            return Standing::AsBefore;
        }
        // A set-up tool that was cut off leaves something in between, which its way back knows how to take away.
        let cut_off = *phase == Phase::Open && matches!(change, Change::Run(run) if run.has_way_back());
        if cut_off { Standing::AsLeft } else { Standing::Drifted }
    }

    /// Sets the state before. Of packages, what came is what is there now and was not before.
    pub(super) fn put_back(&mut self, intent: &Intent, now: &State) -> Result<(), ChangeError> {
        let left =
            if is_package(&intent.change) && all(&intent.after).is_empty() { now } else { &intent.after };
        let face = &mut *self.face;
        let mut tick = |tick| face.event(&Event::Tick(&tick));
        let Self { host, stop, .. } = *self;
        let mut context = Context { host, fetcher: &mut *self.fetcher, stop, tick: &mut tick, seen: now };
        intent.change.set(&mut context, &intent.before, Some(left))
    }

    fn drift(&self, intent: &Intent, now: &State) -> Drift {
        let ours = match &intent.change {
            Change::Put(Put { body: Body::Text(text), .. }) => text.as_str(),
            _ => "",
        };
        let text = |state: &State| {
            let file = Change::file_of(state)?;
            let bytes = self.host.read(&file.path).ok().flatten();
            // Shown is only what was looked at: between the two looks a link may have been put there.
            let seen = bytes.filter(|b| crate::host::digest(b) == file.sha256);
            seen.map(|b| binary(&b).unwrap_or_else(|| beside_own(&b, ours)))
        };
        let shown = |state: &State| match state {
            State::Absent => Some(String::new()),
            State::Entry { value, .. } => {
                Some(intent.change.value_shown(value.as_deref().unwrap_or_default(), &self.user.name))
            }
            State::Text { value } => Some(value.clone().unwrap_or_default()),
            _ => text(state),
        };
        let left = match &intent.change {
            Change::Put(Put { body: Body::Text(text), .. }) => Some(text.clone()),
            Change::Put(_) => None,
            _ => shown(&intent.after),
        };
        let Target { object, detail, .. } = intent.change.target();
        let target = if detail.is_empty() { format!("`{object}`") } else { format!("`{object}` ({detail})") };
        Drift { target, left, now: shown(now) }
    }
}

/// The restart by which a change took effect, which is the one by which its undo does.
fn took_effect(entry: &Entry, now: &Witness) -> Option<Scope> {
    let Phase::Done(made) = &entry.phase else { return None };
    let scope = entry.intent.change.restart()?.scope;
    scope.was_restarted(made, now).then_some(scope)
}

/// The packages that came with a change and are still installed.
fn brought_packages(intent: &Intent, now: &State) -> Vec<String> {
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
