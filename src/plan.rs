//! The changes of a setup, as data: stages × facts × answers, applied to an overlay of the machine.

mod actions;
mod notes;
mod overlay;
mod start;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::change::{
    Change, ChangeError, ChangeKind, FileSource, RestartScope, State, Target, WriteFile, binary,
};
use crate::checks;
use crate::edit::shown::beside_own;
use crate::edit::{self, Form};
use crate::facts::wsl::WSL_CONF;
use crate::facts::{Facts, Packages, Pending, WslConf};
use crate::fetch::Source;
use crate::host::{System, missing_dirs};
pub use crate::stage::StageSelection;
use crate::stage::{Answers, Applicability, Stage};
use crate::stages::{self, STAGES};
pub use actions::actions;
pub use overlay::Overlay;
use start::{Refusal, StartRefused};

/// The verdict on a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It will change something.
    #[serde(rename = "needed")]
    Required,
    /// It is so already.
    Satisfied,
    /// This machine does it anyway.
    #[serde(rename = "no-effect")]
    Redundant,
    /// It is about another kind of machine, or was not asked for.
    #[serde(rename = "not-here")]
    NotApplicable,
    /// The user skips it.
    Skipped,
    /// It blocks the whole setup.
    Blocked,
}

impl Verdict {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "needed",
            Self::Satisfied => "done",
            Self::Redundant => "not needed",
            Self::NotApplicable | Self::Skipped => "skipped",
            Self::Blocked => "blocked",
        }
    }
}

/// A stage with its verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    pub id: &'static str,
    pub title: &'static str,
    pub verdict: Verdict,
    pub why: String,
    /// How to unblock it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Its changes, if it is required.
    pub changes: Vec<Change>,
    /// The effects of its changes, without the verb of the title.
    #[serde(skip)]
    pub actions: Vec<String>,
    /// All desired changes, including those that are satisfied already.
    #[serde(skip)]
    pub wanted: Vec<Change>,
    /// Those of them that do not show in the diff of a file.
    #[serde(skip)]
    pub besides: Vec<Target>,
}

/// A file before and after the whole plan, as far as it may be shown to others.
#[derive(Clone, Debug, Serialize)]
pub struct FileDiff {
    pub path: Utf8PathBuf,
    /// Its text now; `None` where there is none.
    pub before: Option<String>,
    pub after: String,
    /// Its encoding and line ends, unless they are UTF-8 and LF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// The changes of a setup.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub stages: Vec<Planned>,
    /// Every file whose bytes are known beforehand.
    pub files: Vec<FileDiff>,
    /// Notes on WSL's files: settings that will take effect, settings that WSL ignores.
    pub notes: Vec<String>,
    pub restart: Option<RestartScope>,
    /// A restart that changes require although its stage is skipped.
    pub left_to_you: Option<RestartScope>,
    /// Where downloads come from.
    #[serde(skip)]
    pub source: Source,
}

/// A change whose state cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("stage `{stage}` cannot be planned")]
pub struct PlanError {
    pub stage: &'static str,
    pub source: ChangeError,
}

impl PlanError {
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.source.hint().map(|step| step.to_string())
    }
}

impl Plan {
    /// Applies the stages to an overlay of `system`. A stage that would prevent the start of the distribution is
    /// blocked.
    ///
    /// # Errors
    /// The target of a change cannot be read, or is unsuitable for the change.
    pub fn make(
        system: &dyn System,
        facts: &Facts,
        answers: &Answers,
        selection: &StageSelection,
    ) -> Result<Self, PlanError> {
        let mut refused = StartRefused::new();
        loop {
            let (plan, reason) = Self::fold(system, facts, answers, selection, &refused)?;
            match reason {
                Some((stage, reason)) => refused.insert(stage, reason),
                None => return Ok(plan),
            };
        }
    }

    /// The plan, and a stage of it that must be refused, with the reason.
    fn fold(
        system: &dyn System,
        facts: &Facts,
        answers: &Answers,
        selection: &StageSelection,
        refused: &StartRefused,
    ) -> Result<(Self, Option<Refusal>), PlanError> {
        let view = Overlay::new(system);
        let mut facts = facts.clone();
        let mut plan = Self {
            stages: Vec::new(),
            files: Vec::new(),
            notes: Vec::new(),
            restart: None,
            left_to_you: None,
            source: Source::default(),
        };
        for stage in STAGES {
            let planned = match refused.get(stage.id) {
                Some(reason) => start::refuse(stage, reason),
                None => plan_stage(&view, stage, &facts, answers, selection)
                    .map_err(|source| PlanError { stage: stage.id, source })?,
            };
            for change in &planned.changes {
                facts.pending.extend(pending(change));
                if matches!(&change.kind, ChangeKind::EditFile(file) if file.path == WSL_CONF) {
                    facts.wsl_conf = WslConf::probe(&view, &facts.wsl);
                }
                foresee(&mut facts, change);
                if let ChangeKind::Restart(restart) = &change.kind {
                    plan.restart = Some(restart.scope);
                }
            }
            plan.stages.push(planned);
        }
        if plan.restart.is_none() {
            plan.left_to_you = facts.restart_due();
        }
        let reason = start::refused(system, &view, &facts, &plan);
        plan.notes = notes::probe(system, &view, &facts, &plan);
        let places = view.places.into_inner();
        for (path, (_, after, form)) in view.files.into_inner() {
            let stays = !matches!(places.get(&path), Some(None));
            let found = match form {
                Form::Own => system.read(&path),
                _ => system.read_file(&path).map(|found| found.map(|(_, bytes)| bytes)),
            };
            let before = found.ok().flatten().filter(|_| stays);
            let encoding = edit::shown::encoding(before.as_deref(), &after);
            let (before, after) = if form == Form::Own {
                let after = binary(&after).unwrap_or_else(|| String::from_utf8_lossy(&after).into_owned());
                let there = |bytes: Vec<u8>| binary(&bytes).unwrap_or_else(|| beside_own(&bytes, &after));
                (before.map(there), after)
            } else {
                let shown = |bytes: &[u8]| form.shown(bytes, &facts.user.name);
                (before.as_deref().map(shown), shown(&after))
            };
            plan.files.push(FileDiff { path, before, after, encoding });
        }
        Ok((plan, reason))
    }

    /// The same plan with downloads from somewhere else.
    #[must_use]
    pub fn from(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// The stage that stands in the way, if any.
    #[must_use]
    pub fn blocked(&self) -> Option<&Planned> {
        self.stages.iter().find(|s| s.verdict == Verdict::Blocked)
    }

    /// Whether there is anything to do but to look at the result.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.iter().all(|s| s.changes.is_empty())
    }

    /// Every change in its order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.stages.iter().flat_map(|s| &s.changes)
    }

    /// The files that will be downloaded.
    pub fn downloads(&self) -> impl Iterator<Item = &crate::fetch::Artifact> {
        self.changes().filter_map(|c| match &c.kind {
            ChangeKind::WriteFile(WriteFile { source: FileSource::Download(artifact), .. }) => Some(artifact),
            ChangeKind::Package(package) => package.file.as_ref().map(|f| &f.artifact),
            _ => None,
        })
    }
}

/// Updates the facts to the state after a change.
fn foresee(facts: &mut Facts, change: &Change) {
    facts.verified = None;
    let ChangeKind::Package(package) = &change.kind else { return };
    let Packages { installed, candidates, .. } = &mut facts.packages;
    for name in &package.names {
        facts.installed_by_us.insert(name.clone());
        installed.entry(name.clone()).or_insert_with(|| candidates.get(name).cloned().unwrap_or_default());
    }
}

/// The restart that a change will wait for.
#[must_use]
pub fn pending(change: &Change) -> Option<Pending> {
    Some(Pending { due: change.restart.as_ref()?.clone(), why: change.target().object })
}

fn plan_stage(
    view: &Overlay<'_>,
    stage: &Stage,
    facts: &Facts,
    answers: &Answers,
    selection: &StageSelection,
) -> Result<Planned, ChangeError> {
    let (verdict, why, hint) = judge(stage, facts, answers, selection);
    let due = is_due(stage, verdict, facts);
    let mut planned = Planned {
        id: stage.id,
        title: stage.title,
        verdict,
        why,
        hint,
        changes: Vec::new(),
        actions: Vec::new(),
        wanted: Vec::new(),
        besides: Vec::new(),
    };
    if !due {
        return Ok(planned);
    }
    let wanted = (stage.changes)(facts, answers);
    planned.wanted.clone_from(&wanted);
    let all = wanted.len();
    for change in wanted {
        let now = change.current(view)?;
        let aim = match change.desired(view) {
            Err(e @ ChangeError::Removes { .. }) => {
                planned.verdict = Verdict::Blocked;
                (planned.why, planned.hint) = (e.to_string(), e.hint().map(|step| step.to_string()));
                return Ok(planned);
            }
            aim => aim?,
        };
        if let Some((path, _)) = change.created_path() {
            // A file where a directory would have to be is seen now, not half-way.
            missing_dirs(view, path)?;
        }
        if !change.satisfies(&now, &aim.state) || matches!(change.kind, ChangeKind::Restart(_)) {
            match aim.bytes {
                Some((path, bytes)) => view.lay(path, &aim.state, bytes, change.form()),
                None => planned.besides.push(over(change.target(), &change, &now)),
            }
            if let ChangeKind::MoveAside(aside) = &change.kind {
                view.rename(aside)?;
            }
            planned.changes.push(change);
        }
    }
    planned.actions = actions(&planned.changes, facts);
    if verdict == Verdict::Satisfied {
        if !planned.changes.is_empty() {
            planned.verdict = Verdict::Required;
            "an interrupted setup began it".clone_into(&mut planned.why);
        }
        return Ok(planned);
    }
    // Everything that it would write is there; what it makes true may still wait for the restart.
    if all > 0 && planned.changes.is_empty() {
        planned.verdict = Verdict::Satisfied;
        let waits = (stage.changes)(facts, answers).iter().any(|c| c.restart.is_some());
        planned.why = if waits {
            "written; takes effect after the restart".to_owned()
        } else {
            facts.set_up_for.get(stage.id).cloned().unwrap_or_else(|| "already configured".to_owned())
        };
    }
    Ok(planned)
}

/// The line of the plan for a program: it replaces an existing file, until an undo restores that.
fn over(target: Target, change: &Change, now: &State) -> Target {
    match (&change.kind, now) {
        (ChangeKind::WriteFile(_), State::File(_)) => {
            let detail = format!("{}; undo restores the present file", target.detail);
            Target { verb: "replace".to_owned(), detail, ..target }
        }
        _ => target,
    }
}

/// Whether the changes of a stage are computed. A stage that an interrupted setup began looks satisfied as soon as
/// its first change is made.
#[must_use]
pub fn is_due(stage: &Stage, verdict: Verdict, facts: &Facts) -> bool {
    let resumes = || verdict == Verdict::Satisfied && facts.started_stages.contains(stage.id);
    verdict == Verdict::Required || resumes()
}

/// The stage's own word on whether it matters, as a verdict.
#[must_use]
pub fn judge(
    stage: &Stage,
    facts: &Facts,
    answers: &Answers,
    selection: &StageSelection,
) -> (Verdict, String, Option<String>) {
    if selection.skips(stage) {
        return (Verdict::Skipped, "by --only or --skip".to_owned(), None);
    }
    match (stage.needed)(facts, answers) {
        Applicability::Required(_) if stage.id == stages::verify::STAGE.id => {
            let checks = checks::verify(answers.provider()).count();
            (Verdict::Required, format!("will run {checks} checks at the end"), None)
        }
        Applicability::Required(why) => (Verdict::Required, why, None),
        Applicability::Satisfied(why) => {
            (Verdict::Satisfied, facts.set_up_for.get(stage.id).cloned().unwrap_or(why), None)
        }
        Applicability::Redundant(why) if selection.guide => {
            (Verdict::Required, format!("{why}; written because of --guide"), None)
        }
        Applicability::Redundant(why) => (Verdict::Redundant, why, None),
        Applicability::NotApplicable(why) => (Verdict::NotApplicable, why, None),
        Applicability::Blocked { what, hint } => (Verdict::Blocked, what, Some(hint)),
    }
}
