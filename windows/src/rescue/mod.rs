//! Starts a distribution that no longer starts in WSL's safe mode, undoes what kind-wsl changed in it, and leaves safe mode.
//!
//! Every step can be repeated: the state and the bytes of .wslconfig are on the disk before the first one, and a second
//! rescue continues from there. Safe mode has no systemd, mounts nothing of fstab, and has no Windows drives, interop,
//! network, boot command or kernel of the user's (WSL src/windows/common/WslCoreConfig.cpp, EnableSafeMode;
//! src/linux/init/WslDistributionConfig.cpp:101-132). A virtual machine reads .wslconfig only when it starts
//! (LxssUserSession.cpp:2884-2897), hence the two shutdowns.

mod state;
mod texts;
pub mod wslconfig;

use crate::cli::Rescue;
use crate::request::{RestartRequest, Scope};
use crate::restart::{self, Answer, Wsl};
use crate::timeouts::Timeouts;
use crate::{exit, messages, names, text};
pub use state::{State, Undo};
pub use texts::HELP;

/// The files of a rescue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// .wslconfig
    Config,
    /// Its original bytes.
    Saved,
    State,
}

/// The files, processes and console that a rescue uses.
pub trait Machine: Wsl {
    fn read(&mut self, file: File) -> Result<Option<Vec<u8>>, String>;
    /// Replaces the file as a whole, on the disk when this returns; `None` deletes it.
    fn write(&mut self, file: File, bytes: Option<&[u8]>) -> Result<(), String>;
    /// Whether .wslconfig is read-only.
    fn is_read_only(&mut self) -> bool;
    fn set_read_only(&mut self);
    /// Runs a Linux program as root, with this console as its own; returns its exit code.
    fn run(&mut self, distribution: &str, program: &str, args: &[&str]) -> Result<i32, String>;
    /// Installs the Linux program that is beside this one; returns whether it is there then.
    fn install(&mut self, distribution: &str) -> bool;
    /// Asks whether to proceed; without an answer the user does not agree.
    fn confirm(&mut self) -> bool;
    fn say(&mut self, text: &str);
    fn complain(&mut self, text: &str);
}

/// Safe mode exists since this version (github.com/microsoft/WSL, release 0.66.2).
const FIRST: text::Version = (0, 66, 2);
/// Prints the path of the Linux program: the journal of setup names it, in its first line.
const FIND: &str = concat!(
    "p=$(sed -n '1s/.*\"program\":\"\\([^\"\\\\]*\\)\".*/\\1/p' /var/lib/kind-wsl/journal.jsonl 2>/dev/null); ",
    "for f in \"$p\" /usr/local/bin/kind-wsl /usr/bin/kind-wsl; do ",
    "if [ -f \"$f\" ] && [ -x \"$f\" ]; then printf '%s\\n' \"$f\"; exit 0; fi; done; exit 44"
);
const NOT_FOUND: i32 = 44;

/// One rescue.
struct Rescuer<'m, M> {
    machine: &'m mut M,
    timeouts: Timeouts,
    yes: bool,
    state: State,
}

/// The exit code after a message.
type Ended<T> = Result<T, i32>;

/// Rescues a distribution, or finishes an interrupted rescue. Returns the exit code.
pub fn rescue<M: Machine>(machine: &mut M, order: &Rescue, timeouts: Timeouts) -> i32 {
    let rescuer = Rescuer { machine, timeouts, yes: order.yes, state: State::default() };
    match rescuer.work(order) {
        Ok(code) | Err(code) => code,
    }
}

impl<M: Machine> Rescuer<'_, M> {
    fn work(mut self, order: &Rescue) -> Ended<i32> {
        let list = restart::installed(self.machine, &self.timeouts).map_err(|why| {
            self.machine.complain(&format!("kind-wsl: {}", messages::cannot_list(&text::one_line(&why))));
            exit::NO_WSL
        })?;
        let is_new = !self.resume(order, &list)?;
        if is_new {
            self.begin(order, &list)?;
        }
        if self.state.undo.is_none() {
            let undo = match self.undo_in_safe_mode() {
                Ok(undo) => undo,
                Err(why) => {
                    self.state.detail = Some(text::one_line(&why));
                    Undo::Failed
                }
            };
            self.state.undo = Some(undo);
            // Even on a full disk .wslconfig is restored; a second rescue then begins with the undo again.
            let _ = self.save();
        }
        self.leave()
    }

    /// Takes up a rescue that was interrupted. Returns whether there is one.
    fn resume(&mut self, order: &Rescue, list: &[String]) -> Ended<bool> {
        let bytes = self.machine.read(File::State).map_err(|why| self.failed(&why))?;
        let found = bytes.and_then(|bytes| State::parse(&String::from_utf8_lossy(&bytes)));
        let state = match found {
            Some(state) => state,
            None => return Ok(false),
        };
        let name = state.distribution.clone();
        if order.distribution.iter().any(|other| !names::same(other, &name)) {
            self.machine.complain(&texts::other_first(&name));
            return Err(exit::USAGE);
        }
        self.state = state;
        if self.state.undo == Some(Undo::Failed) {
            self.state.undo = None;
            self.state.detail = None;
        }
        if order.drift.is_some() {
            self.state.drift = order.drift.clone();
        }
        if order.program.is_some() {
            self.state.program = order.program.clone();
        }
        self.machine.say(&texts::resumes(&name));
        if names::installed(&name, list).is_none() {
            self.restore()?;
            self.clear()?;
            self.machine.complain(&format!("kind-wsl: {}", messages::no_distribution(&name, list)));
            return Err(exit::NO_DISTRIBUTION);
        }
        self.agree(false)?;
        Ok(true)
    }

    fn begin(&mut self, order: &Rescue, list: &[String]) -> Ended<()> {
        let named = order.distribution.clone().ok_or_else(|| {
            self.machine.complain(&texts::name_one(list));
            exit::USAGE
        })?;
        let name = names::installed(&named, list).map(String::from).ok_or_else(|| {
            self.machine.complain(&format!("kind-wsl: {}", messages::no_distribution(&named, list)));
            exit::NO_DISTRIBUTION
        })?;
        let version = self.machine.call(&["--version"], self.timeouts.list);
        let found = version.good().map(text::first_version);
        if found.map_or(true, |version| version.map_or(false, |version| version < FIRST)) {
            self.machine.complain(&texts::too_old(found.flatten()));
            return Err(exit::NOT_RESCUED);
        }
        self.state.distribution = name.clone();
        // The files of a rescue that was killed at its very end.
        let _ = self.machine.write(File::Saved, None);
        self.machine.say(&texts::checking(&name));
        let answer = self.start();
        if answer.good().is_some() {
            self.machine.say(&texts::starts_anyway(&name));
            return Err(0);
        }
        self.machine.say(&texts::does_not_start(&name, &answer.describe()));
        self.agree(true)?;
        let original = self.machine.read(File::Config).map_err(|why| self.failed(&why))?;
        self.state.had_no_file = original.is_none();
        self.state.was_read_only = self.machine.is_read_only();
        self.state.last = order.last;
        self.state.drift = order.drift.clone();
        self.state.program = order.program.clone();
        let saved = self.machine.write(File::Saved, original.as_deref());
        saved.map_err(|why| self.failed(&why))?;
        self.save()
    }

    /// Has the user agree to what stops. A rescue that is continued asks only if other distributions run.
    fn agree(&mut self, is_new: bool) -> Ended<()> {
        let running = restart::running(self.machine, &self.timeouts).unwrap_or_default();
        let others: Vec<String> =
            running.into_iter().filter(|name| !names::same(name, &self.state.distribution)).collect();
        if is_new {
            self.machine.say(&texts::plan(&self.state.distribution));
        }
        if !others.is_empty() {
            self.machine.say(&texts::stops(&others));
        }
        if self.yes || (!is_new && others.is_empty()) || self.machine.confirm() {
            return Ok(());
        }
        self.machine.complain(if is_new { texts::DECLINED } else { texts::STAYS });
        Err(exit::DECLINED)
    }

    fn undo_in_safe_mode(&mut self) -> Result<Undo, String> {
        let name = self.state.distribution.clone();
        self.enter()?;
        self.machine.say(&texts::starting_in_safe_mode(&name));
        self.shut_down()?;
        let answer = self.start();
        if answer.good().is_none() {
            return Err(texts::not_even_in_safe_mode(&name, &answer.describe()));
        }
        let program = self.find(&name)?;
        if self.state.last && self.state.since.is_none() {
            self.state.since = Some(self.last_setup(&name, &program)?);
        }
        self.state.program = Some(program.clone());
        let state = self.state.render();
        self.machine.write(File::State, Some(state.as_bytes()))?;
        match self.undo(&program, true)? {
            0 => Ok(Undo::Done),
            exit::RESTART => Ok(Undo::Left),
            code => Err(format!("undo ended with exit code {code}")),
        }
    }

    /// Turns safe mode on. Saves the present bytes of the file first.
    fn enter(&mut self) -> Result<(), String> {
        let (now, saved) = (self.machine.read(File::Config)?, self.original()?);
        let original = wslconfig::without_safe_mode(now.as_deref(), saved.as_deref());
        if original != saved {
            self.machine.write(File::Saved, original.as_deref())?;
            self.state.had_no_file = original.is_none();
            let state = self.state.render();
            self.machine.write(File::State, Some(state.as_bytes()))?;
        }
        let wanted = wslconfig::with_safe_mode(original.as_deref());
        if now.as_deref() == Some(&wanted[..]) { Ok(()) } else { self.machine.write(File::Config, Some(&wanted)) }
    }

    fn original(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.state.had_no_file { Ok(None) } else { self.machine.read(File::Saved) }
    }

    fn find(&mut self, name: &str) -> Result<String, String> {
        if let Some(program) = &self.state.program {
            return Ok(program.clone());
        }
        let find = ["-d", name, "-u", "root", "--exec", "/bin/sh", "-c", FIND];
        let mut answer = self.machine.call(&find, self.timeouts.question);
        if matches!(answer, Answer::Ended { code: NOT_FOUND, .. }) && self.machine.install(name) {
            answer = self.machine.call(&find, self.timeouts.question);
        }
        if matches!(answer, Answer::Ended { code: NOT_FOUND, .. }) {
            return Err(texts::no_program(name));
        }
        let found = answer.good().map(|path| path.trim().to_string()).filter(|path| names::is_program(path));
        found.ok_or_else(|| answer.describe())
    }

    fn last_setup(&mut self, name: &str, program: &str) -> Result<u64, String> {
        let ask = ["-d", name, "-u", "root", "--exec", program, "status", "--last"];
        let answer = self.machine.call(&ask, self.timeouts.question);
        let stdout = answer.good().ok_or_else(|| answer.describe())?;
        match text::value_of(stdout, "since") {
            Some(since) => since.parse().map_err(|_| answer.describe()),
            None => Ok(u64::MAX), // there was no setup, so nothing is undone
        }
    }

    fn undo(&mut self, program: &str, in_safe_mode: bool) -> Result<i32, String> {
        let since = self.state.since.map(|since| format!("--since={since}"));
        let drift = self.state.drift.as_ref().map(|how| format!("--drift={how}"));
        let mut args = vec!["undo", "--yes"];
        args.extend(if in_safe_mode { Some("--safe-mode") } else { None });
        args.extend(since.as_deref());
        args.extend(drift.as_deref());
        self.machine.run(&self.state.distribution.clone(), program, &args)
    }

    /// Leaves safe mode, starts the distribution and completes the undo.
    fn leave(mut self) -> Ended<i32> {
        let name = self.state.distribution.clone();
        self.restore()?;
        self.machine.say(&texts::starting(&name));
        if let Err(why) = self.shut_down() {
            self.machine.complain(&texts::still_in_safe_mode(&name, &why));
            return Err(exit::NOT_RESCUED);
        }
        let answer = self.start();
        let detail = self.state.detail.clone();
        let (undo, drift) = (self.state.undo, self.state.drift.is_some());
        if answer.good().is_none() {
            self.clear()?;
            let why = answer.describe();
            self.machine.complain(&texts::not_rescued(&name, &why, detail.as_deref(), drift));
            return Ok(exit::NOT_RESCUED);
        }
        let is_complete = match (undo, self.state.program.clone()) {
            (Some(Undo::Left), Some(program)) => self.undo(&program, false) == Ok(0),
            (Some(Undo::Failed), _) => false,
            _ => true,
        };
        self.clear()?;
        self.machine.say(&texts::rescued(&name, is_complete, detail.as_deref()));
        Ok(0)
    }

    fn start(&mut self) -> Answer {
        let name = self.state.distribution.clone();
        self.machine.call(&["-d", &name, "-u", "root", "--exec", "/bin/sh", "-c", "exit 0"], self.timeouts.session)
    }

    fn shut_down(&mut self) -> Result<(), String> {
        let (distribution, root) = (self.state.distribution.clone(), "root".to_string());
        let (id, program) = ("rescue".to_string(), "/bin/sh".to_string());
        let request = RestartRequest { id, distribution, scope: Scope::Vm, user: root, program, patience: None };
        let stop = restart::stop(self.machine, &request, &self.timeouts);
        if stop.result.can_resume() { Ok(()) } else { Err(stop.detail.unwrap_or_default()) }
    }

    /// Makes .wslconfig what it was.
    fn restore(&mut self) -> Ended<()> {
        match self.try_restore() {
            Ok(true) => self.machine.say(texts::RESTORED),
            Ok(false) => self.machine.say(texts::RESTORED_BESIDE_EDIT),
            Err(why) => return Err(self.failed(&why)),
        }
        Ok(())
    }

    /// Returns whether .wslconfig is byte for byte what it was before.
    fn try_restore(&mut self) -> Result<bool, String> {
        let (now, saved) = (self.machine.read(File::Config)?, self.original()?);
        let wanted = wslconfig::without_safe_mode(now.as_deref(), saved.as_deref());
        if wanted != now {
            self.machine.write(File::Config, wanted.as_deref())?;
        }
        if self.state.was_read_only && wanted.is_some() {
            self.machine.set_read_only();
        }
        Ok(wanted == saved)
    }

    fn save(&mut self) -> Ended<()> {
        let state = self.state.render();
        self.machine.write(File::State, Some(state.as_bytes())).map_err(|why| self.failed(&why))
    }

    fn clear(&mut self) -> Ended<()> {
        // The state goes first: without it, what is saved means nothing.
        let cleared = self.machine.write(File::State, None).and_then(|()| self.machine.write(File::Saved, None));
        cleared.map_err(|why| self.failed(&why))
    }

    fn failed(&mut self, why: &str) -> i32 {
        self.machine.complain(&texts::files(why));
        exit::FOLDER
    }
}

#[cfg(test)]
mod tests;
