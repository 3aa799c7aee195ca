//! What most commands begin with: the machine, the user, the facts, the answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Global, StageArgs};
use crate::engine::with_journal;
use crate::error::Failure;
use crate::facts::{self, Facts};
use crate::fetch::{FetchError, Source, check_mirror, public_address};
use crate::host::{
    ASSUMED_WSL, Account, BECOMES_ROOT, Cmd, HANDOFF_PID, Interrupt, Kind, LiveSystem, PROXY_ENV, Process,
    SESSION_ENV, System, directory, program, replace, sudo, watch,
};
use crate::journal::{self, JournalError, JournalState, RunOptions};
use crate::plan::{Plan, StageSelection};
use crate::stage::{Answers, Question, Stage, answers_in};
use crate::windows::{self, Helper, Interop};
use crate::{stages, ui};

/// The most bytes that a file of answers has.
const MOST_ANSWERS: u64 = 1 << 20;

/// Whether a variable is carried over to root on sudo's command line, which sudo has to allow as a whole.
fn is_carried(name: &str) -> bool {
    name == "PATH" || name == PROFILE || windows::DRIVER_ENV.contains(&name) || SESSION_ENV.contains(&name)
}

/// Variables that root takes over from the sudo that we became, because they may hold a password, which everybody could
/// read on a command line.
pub(crate) fn handed_over() -> Vec<&'static str> {
    PROXY_ENV.into_iter().chain([MIRROR]).collect()
}

/// The variable of `--windows-profile`.
const PROFILE: &str = "KIND_WSL_WINDOWS_PROFILE";
/// The variable in which a session notes its own path.
const PROGRAM: &str = "KIND_WSL_PROGRAM";

/// The machine and the user.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) host: LiveSystem,
    pub(crate) user: Account,
    pub(crate) journal_state: JournalState,
}

impl Session {
    /// For what looks at `.wslconfig`, which is in a directory that only Windows may know.
    pub(crate) fn new(global: &Global, windows_profile: Option<&Utf8PathBuf>) -> Result<Self, Failure> {
        let mut session = Self::begin(global, windows_profile)?;
        ask_for_profile(&mut session.host, &session.user);
        session.claim_profile();
        if let Some(profile) = windows_profile {
            session.check_profile(profile)?;
        }
        Ok(session)
    }

    /// For what has nothing to do with Windows: nobody is asked there.
    pub(crate) fn local(global: &Global, windows_profile: Option<&Utf8PathBuf>) -> Result<Self, Failure> {
        let session = Self::begin(global, windows_profile)?;
        session.claim_profile();
        Ok(session)
    }

    /// Has the Windows profile read and written as the user, before the first look into it.
    fn claim_profile(&self) {
        if let Some(profile) = facts::wsl::profile(&self.host) {
            self.host.mark_windows_owned(&self.user, &profile);
        }
    }

    fn begin(global: &Global, windows_profile: Option<&Utf8PathBuf>) -> Result<Self, Failure> {
        let root = absolute(&global.root)?;
        // A program in the tree at the root is found there by its path in the tree.
        let program = program()
            .map(|p| p.strip_prefix(&root).map_or_else(|_| p.clone(), |p| Utf8Path::new("/").join(p)));
        let program = program.map(|p| (PROGRAM.to_owned(), p.to_string()));
        // What a session notes for itself is not for the caller to choose.
        let own = [PROGRAM, facts::wsl::ASKED, ASSUMED_WSL];
        let env = global.env.clone().into_iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let env = env.chain(program);
        let mut host = LiveSystem::new(&root, Box::new(Process::new(&root)), env);
        windows::inherit(&mut host);
        let journal_state = journal::read(&host)?;
        let kept = journal_state.chosen.windows_profile.as_ref().filter(|_| journal_state.is_interrupted());
        if let Some(profile) = windows_profile.or(kept) {
            host.set_env(PROFILE, profile.as_str());
        }
        // Whoever types the command again goes on with the same user's set-up.
        let named = global.user.as_deref().or(journal_state.user.as_deref().filter(|_| host.uid() == 0));
        let user = facts::user::find(&host, named, host.uid())?;
        let run = user.runtime_dir();
        let home = host.resolve(&user.home)?;
        for place in [&user.home, &home, Utf8Path::new(&run)] {
            host.mark_user_owned(&user, place);
        }
        Ok(Self { host, user, journal_state })
    }

    /// Where [`crate::engine::Engine`] looks for Ctrl-C and for being ended: the current change is finished first.
    pub(crate) fn stop() -> Arc<AtomicBool> {
        let stop = Arc::new(AtomicBool::new(false));
        watch(Arc::clone(&stop), |interrupt| {
            ui::notice(match interrupt {
                Interrupt::Stop(true) => {
                    "Finishing this step, then stopping. Press Ctrl-C again to abort it."
                }
                Interrupt::Stop(false) => "Finishing this step, then stopping.",
                Interrupt::Abort => "Aborting this step.",
            });
        });
        stop
    }

    /// The absolute path of this program, as one can start it again.
    pub(crate) fn program(&self) -> String {
        self.host.env(PROGRAM).unwrap_or_else(|| "kind-wsl".to_owned())
    }

    /// Refuses a Windows profile that is not there: a `.wslconfig` in it would be read by nobody.
    fn check_profile(&self, told: &Utf8Path) -> Result<(), Failure> {
        let Some(path) = facts::wsl::told_profile(&self.host) else { return Ok(()) };
        let stat = self.host.resolve(&path).and_then(|real| self.host.stat(&real))?;
        if stat.is_some_and(|stat| stat.kind == Kind::Dir) {
            return Ok(());
        }
        let here = if *told == path { String::new() } else { format!(", here `{path}`,") };
        Err(Failure::usage(
            format!("the Windows profile `{told}`{here} is no directory"),
            "`--windows-profile` takes the directory that %USERPROFILE% is in Windows, such as /mnt/c/Users/NAME",
        ))
    }

    /// Refuses to change what is being set up for somebody else.
    pub(crate) fn refuse_other_user(&self) -> Result<(), JournalError> {
        match self.journal_state.user.as_ref().filter(|theirs| **theirs != self.user.name) {
            Some(theirs) => {
                Err(JournalError::OtherUser { theirs: theirs.clone(), yours: self.user.name.clone() })
            }
            None => Ok(()),
        }
    }

    /// Facts, with what the journal knows.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::probe(&self.host, self.user.clone());
        with_journal(&mut facts, &self.journal_state);
        facts
    }

    /// The plan of what is left to do, with the answers at hand and defaults for the rest.
    pub(crate) fn plan(
        &self,
        facts: &Facts,
        answers: &Answers,
        selection: &StageSelection,
    ) -> Result<Plan, Failure> {
        if let Some(error) = self.host.take_unanswered() {
            return Err(error.into());
        }
        Ok(Plan::make(&self.host, facts, &with_defaults(facts, answers), selection)?)
    }

    /// Becomes root, through sudo, with the same environment as far as we look at it.
    pub(crate) fn become_root(
        &self,
        global: &Global,
        args: Vec<String>,
        chosen: Option<&RunOptions>,
    ) -> Failure {
        let Some(sudo) = sudo() else {
            let hint = format!("run this as root: `{}`", self.same_as_root(global));
            return Failure::new("cannot become root: sudo is not installed", Some(hint));
        };
        let carried = global.env.iter().filter(|(name, _)| is_carried(name));
        let mut line = BECOMES_ROOT.map(ToOwned::to_owned).to_vec();
        line.extend(carried.map(|(name, value)| format!("{name}={value}")));
        line.push(self.program());
        line.extend(args);
        let mut handed = vec![(HANDOFF_PID.to_owned(), std::process::id().to_string())];
        handed.extend(chosen.and_then(|c| c.mirror.clone()).map(|mirror| (MIRROR.to_owned(), mirror)));
        let error = replace(sudo.as_str(), &line, &handed);
        let why = match error.kind() {
            std::io::ErrorKind::ArgumentListTooLong => "the environment is too large".to_owned(),
            std::io::ErrorKind::PermissionDenied => format!("`{sudo}` is not executable for this user"),
            kind => kind.to_string(),
        };
        let hint = format!("run this as root: `{}`", self.same_as_root(global));
        Failure::new(format!("cannot become root: cannot run `{sudo}`: {why}"), Some(hint))
    }

    /// What the user typed, as root would type it for them.
    fn same_as_root(&self, global: &Global) -> Cmd {
        let program = self.program();
        let is_in_path = ["/usr/local/bin/", "/usr/bin/"].iter().any(|dir| program.starts_with(dir));
        let program = if is_in_path { "kind-wsl" } else { &program };
        let words = without_secrets(&global.words).into_iter();
        let user = global.user.is_none().then(|| format!("--user={}", self.user.name));
        Cmd::new(program, words.chain(user))
    }
}

/// The words of a command line as they may be shown: of a mirror without its password and token.
fn without_secrets(words: &[String]) -> Vec<String> {
    let mut is_mirror = false;
    let shown = |word: &String| {
        let was_flag = std::mem::replace(&mut is_mirror, word == "--mirror");
        match word.strip_prefix("--mirror=") {
            Some(url) => format!("--mirror={}", public_address(url)),
            None if was_flag => public_address(word),
            None => word.clone(),
        }
    };
    words.iter().map(shown).collect()
}

/// Asks Windows for the profile of the account that this is, where nothing here says it for sure.
fn ask_for_profile(host: &mut LiveSystem, user: &Account) {
    if !host.is_live() || !host.exists("/run/WSL") || !facts::wsl::is_profile_unsure(host) {
        return;
    }
    let asked = Interop::new(host, user).ok().and_then(|interop| {
        let helper = Helper::find(host)?.materialize().ok()?;
        let info = windows::ask(&interop, &helper.path()).ok()?;
        interop.path(&info.profile?)
    });
    if let Some(profile) = asked {
        host.set_env(facts::wsl::ASKED, profile.as_str());
    }
}

/// The flags, among those that are on, that mean the same to the run as root.
pub(crate) fn switches(global: &Global, own: &[(&str, bool)]) -> impl Iterator<Item = String> {
    let color = |color| global.color == color;
    let general = [
        ("--verbose", global.verbose),
        ("--quiet", global.quiet),
        ("--color=always", color(ui::Color::Always)),
        ("--color=never", color(ui::Color::Never)),
    ];
    let on = general.iter().chain(own).filter(|(_, on)| *on).map(|(flag, _)| (*flag).to_owned());
    on.collect::<Vec<_>>().into_iter()
}

/// The variable of `--mirror`.
pub(crate) const MIRROR: &str = "KIND_WSL_MIRROR";
/// What `--offline` takes.
const OFFLINE: &str = "`--offline` takes a directory that holds the files under their own names";

fn absolute(path: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let refused = |why: String| {
        Failure::usage(format!("cannot use `{path}` as the root: {why}"), "`--root` takes a directory")
    };
    let found = directory(path).map_err(|e| refused(e.to_string()))?;
    found.ok_or_else(|| refused("it is no directory".to_owned()))
}

impl StageArgs {
    pub(crate) fn selection(&self) -> Result<StageSelection, Failure> {
        for id in self.only.iter().chain(&self.skip) {
            stages::by_id(id)?;
        }
        Ok(StageSelection { only: self.only.clone(), skip: self.skip.clone(), guide: self.guide })
    }

    /// Refuses a place for downloads from which nothing can come, before anything is changed.
    pub(crate) fn check_source(&self) -> Result<(), Failure> {
        if let Some(mirror) = &self.mirror {
            let hint = |e: &FetchError| e.hint().unwrap_or_default();
            check_mirror(mirror).map_err(|e| Failure::usage(format!("`--mirror`: {e}"), hint(&e)))?;
        }
        let Some(dir) = &self.offline else { return Ok(()) };
        match directory(dir) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Failure::usage(format!("`--offline`: `{dir}` is no directory"), OFFLINE)),
            Err(e) => Err(Failure::usage(format!("`--offline`: cannot use `{dir}`: {e}"), OFFLINE)),
        }
    }

    /// Has the facts of the system at `--root` be those that it has in the WSL of `--assume`.
    pub(crate) fn make_assumptions(&self, session: &mut Session) -> Result<(), Failure> {
        let Some(version) = &self.assume else { return Ok(()) };
        if session.host.is_live() {
            let hint = "`--assume` is for a system that is not running: add `--root DIR`";
            return Err(Failure::usage("`--assume` without `--root`", hint));
        }
        session.host.set_env(ASSUMED_WSL, version.as_str());
        Ok(())
    }

    /// What a resume has to know of this command line; what it does not say is as the interrupted run said it.
    pub(crate) fn chosen(&self, journal_state: &JournalState) -> Result<RunOptions, Failure> {
        let selection = self.selection()?;
        let mine = RunOptions {
            selection,
            mirror: self.mirror.clone(),
            // A resume may be typed in another directory.
            offline: self.offline.as_ref().map(|d| directory(d).ok().flatten().unwrap_or_else(|| d.clone())),
            windows_profile: self.windows_profile.clone(),
            agreed: None,
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
        })
    }

    /// The answers that need no asking: flag or environment, then file, then journal.
    pub(crate) fn answers(
        &self,
        global: &Global,
        session: &Session,
        facts: &Facts,
    ) -> Result<Answers, Failure> {
        let mut answers = self.earlier_answers(global, &session.journal_state, facts);
        if let Some(path) = &self.answers {
            for (key, said) in Self::read(session, path)? {
                let question = by_key(&key, path)?;
                let said = question.accept(&said, facts);
                answers.set(question.id, said.map_err(|e| e.at(format!("`{key}` in `{path}`")))?);
            }
        }
        for given in &global.given {
            given.accept(&mut answers, facts)?;
        }
        Ok(answers)
    }

    /// The answers of an earlier run, as far as they still are answers. A stage that `--only` names is asked again what it
    /// asks everybody, unless the very same run is resumed: its earlier answer may be why it has nothing to do.
    fn earlier_answers(&self, global: &Global, journal_state: &JournalState, facts: &Facts) -> Answers {
        let resumes = journal_state.is_interrupted() && self.only == journal_state.chosen.selection.only;
        let is_asked_again = |question: &Question| {
            let of = |stage: &&&Stage| stage.questions.iter().any(|q| q.id == question.id);
            let is_named =
                stages::STAGES.iter().find(of).is_some_and(|s| self.only.iter().any(|id| id == s.id));
            is_named && !resumes && question.is_always_asked(facts)
        };
        let mut answers = Answers::default();
        for (id, said) in &journal_state.answers {
            match stages::questions().find(|q| q.id == id) {
                Some(question) if is_asked_again(question) => {}
                Some(question) if question.accept(said, facts).is_ok() => answers.set(id, said),
                // An older or newer program asked it.
                _ if global.verbose => ui::err(&format!(
                    "ignored an earlier answer that this version does not know: {id} = {said}"
                )),
                _ => {}
            }
        }
        answers
    }

    fn read(session: &Session, path: &Utf8Path) -> Result<BTreeMap<String, String>, Failure> {
        let text = session.host.read_user_arg(path, MOST_ANSWERS).map_err(|e| {
            Failure::usage(
                format!("cannot read the answers in `{path}`: {e}"),
                "`--answers` takes a TOML file",
            )
        })?;
        answers_in(&text).map_err(|e| {
            let text = format!("line {} of the answers in `{path}` is no TOML: {}", e.line, e.why);
            Failure::usage(text, "one answer a line: `idle = \"yes\"`")
        })
    }
}

/// Where downloads come from.
pub(crate) fn source(chosen: &RunOptions) -> Source {
    Source { mirror: chosen.mirror.clone(), offline: chosen.offline.clone(), ..Source::default() }
}

/// The flags that say the same, for the run as root; a mirror, which may have a password, is handed over by [`MIRROR`].
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

fn by_key(key: &str, path: &Utf8Path) -> Result<&'static Question, Failure> {
    let keys = || stages::questions().map(|q| q.id);
    stages::questions().find(|q| q.id == key).ok_or_else(|| {
        let near = crate::near::closest(key, keys());
        let known = keys().collect::<Vec<_>>().join(", ");
        let hint =
            near.map_or_else(|| format!("the keys are: {known}"), |near| format!("did you mean `{near}`?"));
        Failure::usage(format!("`{key}` in `{path}` is no question"), hint)
    })
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

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn a_command_is_shown_without_the_token_of_its_mirror() {
        for url in ["https://me:pass@m.test/t0ken", "HTTPS://m.test/t0ken/x", "https:me:pass@m.test/t0ken"] {
            let typed = ["setup", "--mirror", url, "--skip", "idle", &format!("--mirror={url}")];
            let shown = without_secrets(&typed.map(ToOwned::to_owned));
            let right = "setup --mirror https://m.test/… --skip idle --mirror=https://m.test/…";
            assert_eq!(shown.join(" "), right);
        }
    }
}
