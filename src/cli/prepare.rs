//! Prepares a command: the facts of the machine, and the answers to the questions of its stages.

use camino::Utf8PathBuf;

use super::answers::{read_named, read_own};
use super::session::Session;
use super::{Global, StageArgs};
use crate::checks::docker_desktop::{FOREIGN, USE_ANOTHER};
use crate::error::Failure;
use crate::facts::Facts;
use crate::fetch::{FetchError, Source, check_mirror};
use crate::host::{ASSUMED_WSL, directory};
use crate::journal::{JournalState, RunOptions};
use crate::plan::{Plan, StageSelection};
use crate::stage::{Answers, Question, Stage};
use crate::{stages, ui};

/// The hint for a wrong `--offline`.
const OFFLINE: &str = "`--offline` takes a directory with the files of `kind-wsl crun fetch --all --to DIR`";

/// A machine, its facts, and the answers of an earlier setup with the defaults for the rest.
pub(crate) struct Prepared {
    pub(crate) session: Session,
    pub(crate) facts: Facts,
    pub(crate) answers: Answers,
}

impl Prepared {
    pub(crate) fn new(session: Session) -> Self {
        let facts = session.facts();
        let answers = with_defaults(&facts, &Answers(session.journal_state.answers.clone()));
        Self { session, facts, answers }
    }
}

/// Plans the remaining changes, with defaults for the unanswered questions.
pub(crate) fn plan(
    session: &Session,
    facts: &Facts,
    answers: &Answers,
    selection: &StageSelection,
) -> Result<Plan, Failure> {
    if facts.is_docker_desktops() {
        return Err(Failure::new(FOREIGN, Some(USE_ANOTHER.to_owned())));
    }
    if let Some(error) = session.host.take_unanswered() {
        return Err(error.into());
    }
    Ok(Plan::make(&session.host, facts, &with_defaults(facts, answers), selection)?)
}

impl StageArgs {
    pub(crate) fn selection(&self) -> Result<StageSelection, Failure> {
        for id in self.only.iter().chain(&self.skip) {
            stages::by_id(id)?;
        }
        Ok(StageSelection { only: self.only.clone(), skip: self.skip.clone(), guide: self.guide })
    }

    /// Refuses an unusable mirror or offline directory before anything is changed.
    pub(crate) fn check_source(&self) -> Result<(), Failure> {
        if let Some(mirror) = &self.mirror {
            let hint = |e: &FetchError| e.hint().unwrap_or_default();
            check_mirror(mirror).map_err(|e| Failure::usage(format!("`--mirror`: {e}"), hint(&e)))?;
        }
        let Some(dir) = &self.offline else { return Ok(()) };
        match directory(dir) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Failure::usage(format!("`--offline`: `{dir}` is not a directory"), OFFLINE)),
            Err(e) => Err(Failure::usage(format!("`--offline`: cannot use `{dir}`: {e}"), OFFLINE)),
        }
    }

    /// Sets the WSL version of the system at `--root` to the one of `--assume`.
    pub(crate) fn make_assumptions(&self, session: &mut Session) -> Result<(), Failure> {
        if !self.assume.is_empty() && session.host.is_live() {
            let hint = "add `--root DIR`: `--assume` is for a system that is not running";
            return Err(Failure::usage("`--assume` requires `--root`", hint));
        }
        let Some(version) = self.assumed_wsl()? else { return Ok(()) };
        session.host.set_env(ASSUMED_WSL, version.as_str());
        Ok(())
    }

    /// The options that a resume needs. Options that this command line does not set come from the interrupted run.
    pub(crate) fn chosen(&self, journal_state: &JournalState) -> Result<RunOptions, Failure> {
        let selection = self.selection()?;
        let mine = RunOptions {
            selection,
            mirror: self.mirror.clone(),
            // A resume may run in another directory.
            offline: self.offline.as_ref().map(|d| directory(d).ok().flatten().unwrap_or_else(|| d.clone())),
            windows_profile: self.windows_profile.clone(),
            agreed: None,
            config_home: None,
        };
        if !journal_state.is_interrupted() {
            return Ok(mine);
        }
        let kept = journal_state.chosen.clone();
        let same_source = mine.mirror.is_none() && mine.offline.is_none();
        let (mirror, offline) =
            if same_source { (kept.mirror, kept.offline) } else { (mine.mirror, mine.offline) };
        let selection =
            if mine.selection == StageSelection::default() { kept.selection } else { mine.selection };
        Ok(RunOptions {
            selection,
            mirror,
            offline,
            windows_profile: mine.windows_profile.or(kept.windows_profile),
            agreed: None,
            config_home: None,
        })
    }

    /// The answers from flags, the environment, the `--answers` file, the user's answers file and the journal. An interrupted
    /// setup keeps its answers, so that it resumes the confirmed plan.
    pub(crate) fn answers(
        &self,
        global: &Global,
        session: &Session,
        facts: &Facts,
    ) -> Result<Answers, Failure> {
        let mut answers = self.earlier_answers(global, &session.journal_state, facts);
        let mut own = Answers::default();
        read_own(session, facts, &mut own)?;
        let is_interrupted = session.journal_state.is_interrupted();
        own.0.retain(|id, _| !is_interrupted || !answers.0.contains_key(id));
        answers.0.extend(own.0);
        if let Some(path) = &self.answers {
            read_named(session, facts, path, &mut answers)?;
        }
        for given in &global.given {
            given.accept(&mut answers, facts)?;
        }
        Ok(answers)
    }

    /// The answers of an earlier run that are still valid. The questions of a stage in `--only` are asked again, unless the
    /// same run is resumed: the earlier answer may be the reason why the stage has nothing to do.
    fn earlier_answers(&self, global: &Global, journal_state: &JournalState, facts: &Facts) -> Answers {
        let resumes = journal_state.is_interrupted() && self.only == journal_state.chosen.selection.only;
        let is_asked_again = |question: &Question| {
            let of = |stage: &&&Stage| stage.questions.iter().any(|q| q.id == question.id);
            let is_named =
                stages::STAGES.iter().find(of).is_some_and(|s| self.only.iter().any(|id| id == s.id));
            is_named && !resumes && question.is_always_asked(facts)
        };
        let mut answers = Answers::default();
        for (id, answer) in &journal_state.answers {
            match stages::questions().find(|q| q.id == id) {
                Some(question) if is_asked_again(question) => {}
                Some(question) if question.accept(answer, facts).is_ok() => answers.set(id, answer),
                // The question of an older or newer version.
                _ if global.verbose => ui::err(&format!(
                    "note: ignoring an earlier answer that this version does not support: {id} = {answer}"
                )),
                _ => {}
            }
        }
        answers
    }
}

/// Where downloads come from.
pub(crate) fn source(chosen: &RunOptions) -> Source {
    Source { mirror: chosen.mirror.clone(), offline: chosen.offline.clone(), ..Source::default() }
}

/// Returns these options as flags for the run as root. A mirror may contain a password, so [`MIRROR`] carries it.
pub(crate) fn args(chosen: &RunOptions) -> Vec<String> {
    let list = |values: &[String]| (!values.is_empty()).then(|| values.join(","));
    let path = |path: &Option<Utf8PathBuf>| path.as_ref().map(ToString::to_string);
    let options = [
        ("only", list(&chosen.selection.only)),
        ("skip", list(&chosen.selection.skip)),
        ("offline", path(&chosen.offline)),
        ("windows-profile", path(&chosen.windows_profile)),
    ];
    let options = options.into_iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", value?)));
    options.chain(chosen.selection.guide.then(|| "--guide".to_owned())).collect()
}

/// The questions that matter here and have no answer yet.
pub(crate) fn open_questions(
    facts: &Facts,
    answers: &Answers,
    selection: &StageSelection,
) -> Vec<&'static Question> {
    let stages = stages::STAGES.iter().filter(|s| !selection.skips(s));
    let open = |q: &&Question| answers.get(q).is_none() && (q.when)(facts, answers);
    stages.flat_map(|s| s.questions).copied().filter(open).collect()
}

/// The answers, with what Enter would mean for every question that matters here.
pub(crate) fn with_defaults(facts: &Facts, answers: &Answers) -> Answers {
    let mut answers = answers.clone();
    for question in open_questions(facts, &answers.clone(), &StageSelection::default()) {
        answers.set(question.id, (question.default)(facts));
    }
    answers
}
