//! kind-wsl.exe: runs a command of the Linux program from Windows; for `setup` also the restarts.

mod rescue;

use crate::cli::{Driver, Run};
use crate::install::{self, Found, PROGRAM, SCRIPT};
use crate::process::WslExe;
use crate::request::RestartRequest;
use crate::restart::{self, Answer, Wsl};
use crate::timeouts::Timeouts;
use crate::waiting::{self, Waiting};
use crate::wslenv;
use crate::{VERSION, cli, exit, messages, names, sys, text};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;

const MAX_RESTARTS: u32 = 3;

/// The exit code, after the message was printed.
struct ExitCode(i32);

/// The whole program; returns its exit code.
#[must_use]
pub fn main(args: Result<Vec<String>, String>) -> i32 {
    sys::keep_standard_handles();
    let print = |text: &str| io::stdout().write_all(text.as_bytes()).map_or(1, |()| 0);
    match args.and_then(|args| cli::driver(&args)) {
        Ok(Driver::Help) => print(messages::DRIVER_HELP),
        Ok(Driver::Version) => print(&format!("kind-wsl.exe {VERSION}\n")),
        Ok(Driver::RescueHelp) => print(crate::rescue::HELP),
        Ok(Driver::Rescue(order)) => rescue::run(&order),
        Ok(Driver::Profile) => match sys::profile() {
            Ok(path) => print(&format!("{}\n", path.display())),
            Err(e) => {
                complain(&format!("kind-wsl: cannot find the profile directory of this account ({e})."));
                1
            }
        },
        Ok(Driver::Run(run)) => match Session::open(run).and_then(|mut session| session.work()) {
            Ok(code) | Err(ExitCode(code)) => code,
        },
        Err(error) => {
            complain(&messages::usage("kind-wsl.exe", &error));
            exit::USAGE
        }
    }
}

fn complain(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// One command in one distribution.
struct Session {
    run: Run,
    timeouts: Timeouts,
    wsl: WslExe<'static>,
    distribution: String,
}

impl Session {
    fn new(run: Run) -> Result<Session, ExitCode> {
        let path = sys::wsl_exe().ok().filter(|p| p.is_file());
        let path = path.ok_or_else(|| {
            complain(&format!("kind-wsl: {}. {}", messages::no_wsl("System32\\wsl.exe"), messages::NO_WSL_ADVICE));
            ExitCode(exit::NO_WSL)
        })?;
        let timeouts = Timeouts::with_patience(run.patience);
        Ok(Session { run, timeouts, wsl: WslExe::new(path, &|_| {}), distribution: String::new() })
    }

    fn open(run: Run) -> Result<Session, ExitCode> {
        let mut session = Session::new(run)?;
        session.distribution = match session.run.distribution.clone() {
            Some(name) => session.installed(&name)?,
            None => session.default()?,
        };
        Ok(session)
    }

    fn installed(&mut self, name: &str) -> Result<String, ExitCode> {
        let list = restart::installed(&mut self.wsl, &self.timeouts).map_err(|why| cannot_list(&why))?;
        names::installed(name, &list).map(String::from).ok_or_else(|| {
            complain(&format!("kind-wsl: {}", messages::no_distribution(name, &list)));
            ExitCode(exit::NO_DISTRIBUTION)
        })
    }

    /// Asks the default distribution for its name: the list marks it only in localized text.
    fn default(&mut self) -> Result<String, ExitCode> {
        let answer =
            self.wsl.call(&["--exec", "/bin/sh", "-c", "printf %s \"$WSL_DISTRO_NAME\""], self.timeouts.question);
        let name = answer.good().map(str::trim).filter(|name| names::is_distribution(name));
        name.map(String::from).ok_or_else(|| {
            complain(&format!(
                "kind-wsl: cannot find the default distribution of WSL ({}). Name one with -d NAME.",
                answer.describe()
            ));
            ExitCode(exit::NO_DISTRIBUTION)
        })
    }

    fn work(&mut self) -> Result<i32, ExitCode> {
        let command = self.run.args.clone();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        if !self.run.is_setup() {
            return self.linux(self.run.user.clone().as_deref(), PROGRAM, &command);
        }
        self.provide()?;
        let mut code = self.linux(self.run.user.clone().as_deref(), PROGRAM, &command)?;
        let mut last: Option<String> = None;
        let mut restarts = 0;
        while code == exit::RESTART && !self.run.no_restart() {
            let waiting = match self.waiting()? {
                Some(waiting) => waiting,
                None => break,
            };
            let scope = match waiting.scope {
                Some(scope) => scope,
                None => return fail(messages::MACHINE, exit::RESTART),
            };
            if last.as_ref() == Some(&waiting.id) {
                return fail(&messages::no_change(&waiting.id), exit::RESTART);
            }
            if restarts == MAX_RESTARTS {
                return fail(&messages::too_many(restarts), exit::RESTART);
            }
            restarts += 1;
            let Waiting { id, user, program, .. } = waiting;
            last = Some(id.clone());
            let request =
                RestartRequest { id, distribution: self.distribution.clone(), scope, user, program, patience: None };
            code = self.restart(&request)?;
        }
        Ok(code)
    }

    fn restart(&mut self, request: &RestartRequest) -> Result<i32, ExitCode> {
        say(&format!("kind-wsl: {} …", request.scope.stop_command(&request.distribution)));
        let stop = restart::stop(&mut self.wsl, request, &self.timeouts);
        let message = messages::stopped(request, stop.result, stop.took.as_secs_f32(), stop.detail.as_deref());
        if !stop.result.can_resume() {
            complain(&format!("kind-wsl: {message}\n\n{}", messages::by_hand(request)));
            return Err(ExitCode(exit::RESTART));
        }
        say(&format!("kind-wsl: {message}"));
        say(&format!("kind-wsl: {} starts, with a session of {} …", request.distribution, request.user));
        restart::open_session(&mut self.wsl, request, &self.timeouts);
        say(messages::resuming(request).trim_end());
        let code = self.linux(Some("root"), &request.program, &["setup", "--resume", &request.id])?;
        if code == exit::WSL_FAILED {
            complain(messages::rescue(request, "kind-wsl.exe").trim_end());
        }
        Ok(code)
    }

    /// A Linux program in this console; its exit code.
    fn linux(&mut self, user: Option<&str>, program: &str, args: &[&str]) -> Result<i32, ExitCode> {
        let running = restart::running(&mut self.wsl, &self.timeouts).map_err(|why| cannot_list(&why))?;
        let others: Vec<String> = running.into_iter().filter(|n| !names::same(n, &self.distribution)).collect();
        let mut words = vec!["-d", &self.distribution];
        words.extend(user.iter().flat_map(|name| ["-u", name]));
        words.extend(["--cd", "~", "--exec", program]);
        words.extend(args);
        let mut command = self.wsl.command(&words);
        let profile = sys::profile().map(PathBuf::into_os_string).unwrap_or_default();
        command.env(wslenv::DRIVER, "1").env(wslenv::PROFILE, profile).env(wslenv::RUNNING, others.join(","));
        command.env("WSLENV", wslenv::with_ours(&std::env::var("WSLENV").unwrap_or_default()));
        sys::set_ctrl_c_ignored(true);
        let ended = command.status();
        sys::set_ctrl_c_ignored(false);
        let code = ended.map(|status| status.code().unwrap_or(exit::WSL_FAILED)).map_err(|e| {
            complain(&format!("kind-wsl: wsl.exe cannot be started ({e})."));
            ExitCode(exit::NO_WSL)
        })?;
        if code == exit::WSL_FAILED {
            complain(messages::WSL_FAILED);
        }
        Ok(code)
    }

    fn waiting(&mut self) -> Result<Option<Waiting>, ExitCode> {
        let distribution = self.distribution.clone();
        let answer = self.wsl.call(
            &["-d", &distribution, "-u", "root", "--exec", PROGRAM, "status", "--waiting"],
            self.timeouts.question,
        );
        let parsed = answer.good().ok_or_else(|| answer.describe()).and_then(waiting::parse);
        parsed.map_err(|what| {
            complain(&messages::invalid_status(&what));
            ExitCode(exit::RESTART)
        })
    }

    /// Installs the Linux program if it is missing or older than this one.
    fn provide(&mut self) -> Result<(), ExitCode> {
        let before = match self.program() {
            Found::Good => return Ok(()),
            Found::Old(version) => version,
            Found::Unknown(why) => {
                complain(&format!("kind-wsl: {} cannot be started: {why}", self.distribution));
                return Err(ExitCode(exit::WSL_FAILED));
            }
        };
        let beside = std::env::current_exe().map(|exe| exe.with_file_name("kind-wsl")).unwrap_or_default();
        let opened = File::open(&beside).and_then(|file| file.metadata().map(|about| (file, about.len())));
        let (file, length) = match opened {
            Ok(found) => found,
            Err(_) => {
                return fail(
                    &messages::no_program(&self.distribution, before, &beside.display().to_string()),
                    exit::NO_PROGRAM,
                );
            }
        };
        let (distribution, length) = (self.distribution.clone(), length.to_string());
        let copy = ["-d", &distribution, "-u", "root", "--exec", "/bin/sh", "-c", SCRIPT, "sh", &length];
        let answer = self.wsl.call_with(&copy, Stdio::from(file), self.timeouts.copy);
        if answer.good().is_none() {
            return fail(&messages::not_installed(&distribution, &answer.describe()), exit::NO_PROGRAM);
        }
        match self.program() {
            Found::Good => say(&messages::installed(&distribution, before)),
            Found::Old(version) => {
                let why = version.map_or("it does not run".into(), |(a, b, c)| format!("its version is {a}.{b}.{c}"));
                return fail(
                    &format!("kind-wsl: {} was copied to {distribution} but is not usable: {why}.", beside.display()),
                    exit::NO_PROGRAM,
                );
            }
            Found::Unknown(why) => return fail(&messages::not_installed(&distribution, &why), exit::NO_PROGRAM),
        }
        Ok(())
    }

    fn program(&mut self) -> Found {
        let distribution = self.distribution.clone();
        let answer: Answer =
            self.wsl.call(&["-d", &distribution, "-u", "root", "--exec", PROGRAM, "--version"], self.timeouts.question);
        install::found(&answer)
    }
}

fn fail<T>(text: &str, code: i32) -> Result<T, ExitCode> {
    complain(text);
    Err(ExitCode(code))
}

fn cannot_list(why: &str) -> ExitCode {
    complain(&format!("kind-wsl: {}", messages::cannot_list(&text::one_line(why))));
    ExitCode(exit::NO_WSL)
}

fn say(line: &str) {
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}
