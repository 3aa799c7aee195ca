//! The start of most commands: the machine, the user, the facts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};

use super::Global;
use crate::engine::{Engine, Reporter, Steps, with_journal};
use crate::error::Failure;
use crate::facts::{self, Facts};
use crate::fetch::{Fetcher, Source, public_address};
use crate::host::{
    ASSUMED_WSL, Account, BECOMES_ROOT, Cmd, FileKind, HANDOFF_PID, Interrupt, LiveSystem, Owner,
    PROGRAM_ENV, PROXY_ENV, Process, SESSION_ENV, System, ancestors, directory, program, replace, sudo,
    watch,
};
use crate::journal::{self, JournalState, RunOptions};
use crate::ui;
use crate::windows::{self, Helper, Interop};

/// Whether a variable is carried over to root on sudo's command line, which sudo has to allow as a whole.
fn is_carried(name: &str) -> bool {
    name == "PATH" || name == PROFILE || windows::DRIVER_ENV.contains(&name) || SESSION_ENV.contains(&name)
}

/// Variables that root reads from the environment of sudo. They may contain a password, which all users could read on the
/// command line.
pub(crate) fn handed_over() -> Vec<&'static str> {
    PROXY_ENV.into_iter().chain([MIRROR]).collect()
}

/// The variable of `--windows-profile`.
const PROFILE: &str = "KIND_WSL_WINDOWS_PROFILE";

/// The machine and the user.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) host: LiveSystem,
    pub(crate) user: Account,
    pub(crate) journal_state: JournalState,
}

impl Session {
    /// For commands that read `.wslconfig`: queries Windows for its directory if needed.
    pub(crate) fn new(global: &Global, windows_profile: Option<&Utf8PathBuf>) -> Result<Self, Failure> {
        let mut session = Self::begin(global, windows_profile)?;
        ask_for_profile(&mut session.host, &session.user);
        session.claim_profile();
        if let Some(profile) = windows_profile {
            session.check_profile(profile)?;
        }
        Ok(session)
    }

    /// For commands that do not need Windows; it is not queried.
    pub(crate) fn local(global: &Global, windows_profile: Option<&Utf8PathBuf>) -> Result<Self, Failure> {
        let session = Self::begin(global, windows_profile)?;
        session.claim_profile();
        Ok(session)
    }

    /// Makes the Windows profile be read and written as the user, before it is first read.
    fn claim_profile(&self) {
        if let Some(profile) = facts::wsl::profile(&self.host) {
            self.host.mark_windows_owned(&self.user, &profile);
        }
        // An earlier run, possibly for another user, may have used another profile.
        for entry in self.journal_state.active() {
            let change = &entry.intent.change;
            let Some(dir) = change.windows_dir() else { continue };
            let user = match change.created_path() {
                Some((_, Owner::User { uid, gid })) => {
                    Account { name: entry.user.clone(), uid, gid, ..self.user.clone() }
                }
                _ if self.journal_state.is_made_for(entry) => self.user.clone(),
                _ => continue,
            };
            self.host.mark_windows_owned(&user, dir);
        }
    }

    fn begin(global: &Global, windows_profile: Option<&Utf8PathBuf>) -> Result<Self, Failure> {
        let root = absolute(&global.root)?;
        // A program in the tree at the root is found there by its path in the tree.
        let program = program()
            .map(|p| p.strip_prefix(&root).map_or_else(|_| p.clone(), |p| Utf8Path::new("/").join(p)));
        let program = program.map(|p| (PROGRAM_ENV.to_owned(), p.to_string()));
        // The caller must not set these variables: they are internal to a session.
        let own = [PROGRAM_ENV, facts::wsl::ASKED, ASSUMED_WSL];
        let env = global.env.clone().into_iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let env = env.chain(program);
        let mut host = LiveSystem::new(&root, Box::new(Process::new(&root)), env);
        windows::inherit(&mut host);
        let mut journal_state = journal::read(&host)?;
        let user = Self::find_user(global, &host, &journal_state)?;
        journal_state.view_as(&user.name);
        let kept = journal_state.chosen.windows_profile.as_ref().filter(|_| journal_state.is_interrupted());
        if let Some(profile) = windows_profile.or(kept) {
            host.set_env(PROFILE, profile.as_str());
        }
        let config_home = config_home(&host, &user, &journal_state);
        let user = user.with_config_home(config_home);
        ui::set_home(user.home.as_str());
        let run = user.runtime_dir();
        let home = host.resolve(&user.home)?;
        let containers = user.config_dir().join("containers");
        for place in [&user.home, &home, &containers, Utf8Path::new(&run)] {
            host.mark_user_owned(&user, place);
        }
        Ok(Self { host, user, journal_state })
    }

    /// The user to set up for: `--user`, otherwise the calling user; for root without sudo, the last user that was set up.
    fn find_user(
        global: &Global,
        host: &LiveSystem,
        journal_state: &JournalState,
    ) -> Result<Account, Failure> {
        let last = || {
            let calls_sudo = host.env("SUDO_USER").is_some_and(|user| journal_state.users().contains(&*user));
            journal_state.user.as_deref().filter(|_| host.uid() == 0 && !calls_sudo)
        };
        Ok(facts::user::find(host, global.user.as_deref().or_else(last), host.uid())?)
    }

    /// The flag that Ctrl-C and SIGTERM set for [`crate::engine::Engine`], which finishes the current change first.
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

    /// Calls `work` with an engine for the user of this session. Drops `reporter` before it returns.
    pub(crate) fn with_engine<T>(
        &self,
        mut fetcher: Fetcher,
        mut reporter: Box<dyn Reporter>,
        stop: &AtomicBool,
        steps: Steps,
        work: impl FnOnce(&mut Engine<'_>) -> T,
    ) -> T {
        work(&mut Engine {
            host: &self.host,
            fetcher: &mut fetcher,
            user: &self.user,
            reporter: &mut *reporter,
            stop,
            steps,
        })
    }

    /// The same for work without downloads and steps.
    pub(crate) fn with_local_engine<T>(
        &self,
        reporter: Box<dyn Reporter>,
        work: impl FnOnce(&mut Engine<'_>) -> T,
    ) -> T {
        let fetcher = Fetcher::new(&self.host, Source::default(), Vec::new());
        self.with_engine(fetcher, reporter, &Self::stop(), Steps::default(), work)
    }

    /// The absolute path of this program, to run it again.
    pub(crate) fn program(&self) -> String {
        self.host.env(PROGRAM_ENV).unwrap_or_else(|| "kind-wsl".to_owned())
    }

    /// Refuses a Windows profile that does not exist: WSL would not read a `.wslconfig` in it.
    fn check_profile(&self, given: &Utf8Path) -> Result<(), Failure> {
        let Some(path) = facts::wsl::told_profile(&self.host) else { return Ok(()) };
        let stat = self.host.resolve(&path).and_then(|real| self.host.stat(&real))?;
        if stat.is_some_and(|stat| stat.kind == FileKind::Dir) {
            return Ok(());
        }
        let here = if *given == path { String::new() } else { format!(" (here `{path}`)") };
        Err(Failure::usage(
            format!("the Windows profile `{given}`{here} is not a directory"),
            "`--windows-profile` takes the Windows directory %USERPROFILE%, such as /mnt/c/Users/NAME",
        ))
    }

    /// The facts, with the entries of the journal.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::probe(&self.host, self.user.clone());
        with_journal(&mut facts, &self.journal_state);
        facts
    }

    /// Runs this program as root through sudo, with the variables that it reads.
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
        ui::clear_spinner();
        let error = replace(sudo.as_str(), &line, &handed);
        let why = match error.kind() {
            std::io::ErrorKind::ArgumentListTooLong => "the environment is too large".to_owned(),
            std::io::ErrorKind::PermissionDenied => format!("`{sudo}` is not executable for this user"),
            kind => kind.to_string(),
        };
        let hint = format!("run this as root: `{}`", self.same_as_root(global));
        Failure::new(format!("cannot become root: cannot run `{sudo}`: {why}"), Some(hint))
    }

    /// Runs a command of this program as root, for the same user.
    pub(crate) fn repeat_as_root(&self, global: &Global, words: &[&str]) -> Failure {
        let user = format!("--user={}", self.user.name);
        let args = words.iter().map(|word| (*word).to_owned()).chain([user]).chain(switches(global, &[]));
        self.become_root(global, args.collect(), None)
    }

    /// The command line of the user, for root.
    fn same_as_root(&self, global: &Global) -> Cmd {
        let program = self.program();
        let is_in_path = ["/usr/local/bin/", "/usr/bin/"].iter().any(|dir| program.starts_with(dir));
        let program = if is_in_path { "kind-wsl" } else { &program };
        let words = without_secrets(&global.words).into_iter();
        let user = global.user.is_none().then(|| format!("--user={}", self.user.name));
        Cmd::new(program, words.chain(user))
    }
}

/// `XDG_CONFIG_HOME` of the user's shell.
///
/// sudo removes it, so root reads it from the environment of the sudo process. Without a sudo, as after a restart, the value
/// is in the journal.
fn config_home(host: &LiveSystem, user: &Account, journal_state: &JournalState) -> Option<Utf8PathBuf> {
    const NAME: &str = "XDG_CONFIG_HOME";
    let is_set = |value: &String| !value.is_empty();
    if host.uid() != 0 {
        return host.env(NAME).filter(is_set).map(Into::into);
    }
    if host.env("SUDO_UID").and_then(|uid| uid.parse().ok()) != Some(user.uid) {
        return journal_state.chosen.config_home.clone();
    }
    // sudo, and its monitor process if it allocated a terminal.
    let environ = |pid: String| host.text(&format!("/proc/{pid}/environ"));
    let environs = ancestors(host).take(2).filter_map(environ);
    let value = environs.filter_map(|environ| {
        environ.split('\0').find_map(|pair| pair.strip_prefix(NAME)?.strip_prefix('=').map(str::to_owned))
    });
    value.filter(is_set).map(Utf8PathBuf::from).next()
}

/// The arguments of a command line, without the password and the token of a mirror.
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

/// Queries Windows for the profile of the account if this distribution does not show it reliably.
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

/// The switches to pass to the run as root.
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
fn absolute(path: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let refused = |why: String| {
        Failure::usage(format!("cannot use `{path}` as the root: {why}"), "`--root` takes a directory")
    };
    let found = directory(path).map_err(|e| refused(e.to_string()))?;
    found.ok_or_else(|| refused("it is not a directory".to_owned()))
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
