//! kind-wsl-helper.exe: `look`, `restart`, and the detached copy that does the work.

use crate::cli::{Helper, Start};
use crate::info::HelperInfo;
use crate::job::Job;
use crate::logon::{self, Entry, Verdict};
use crate::port::Answer;
use crate::process::WslExe;
use crate::quote::command_line;
use crate::request::RestartRequest;
use crate::restart::{self, Wsl};
use crate::result::{RestartResult, State};
use crate::timeouts::Timeouts;
use crate::window::{Log, Window};
use crate::{VERSION, cli, exit, messages, names, sys};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Why the restart cannot be done: the exit code and the message.
struct Refusal(i32, String);

/// The whole program; returns its exit code.
#[must_use]
pub fn main(args: Result<Vec<String>, String>) -> i32 {
    sys::keep_standard_handles();
    let (code, text) = match args.and_then(|args| cli::helper(&args)) {
        Ok(Helper::Look) => (0, look()),
        Ok(Helper::Help) => (0, messages::HELPER_HELP.to_string()),
        Ok(Helper::Version) => (0, format!("kind-wsl-helper {VERSION}\n")),
        Ok(Helper::Restart(request)) => answered(start(&request)),
        Ok(Helper::Work(request)) => return Work::run(request),
        Ok(Helper::Port(port)) => (0, Answer::of(port).render()),
        Ok(Helper::LogonList) => answered(logon_list()),
        Ok(Helper::LogonGet(name)) => answered(logon_get(&name)),
        Ok(Helper::LogonAdd(start)) => answered(logon_add(&start)),
        Ok(Helper::LogonRemove(name)) => answered(logon_remove(&name)),
        Ok(Helper::Start(start)) => answered(start_distribution(&start)),
        Err(error) => (exit::USAGE, messages::usage("kind-wsl-helper.exe", &error) + "\n"),
    };
    // println! panics on a closed pipe, and the panic of a program without a window is silent.
    let _ = if code == 0 { io::stdout().write_all(text.as_bytes()) } else { io::stderr().write_all(text.as_bytes()) };
    code
}

fn answered(result: Result<String, Refusal>) -> (i32, String) {
    match result {
        Ok(text) => (0, text),
        Err(Refusal(code, text)) => (code, text + "\n"),
    }
}

fn no_registry(e: io::Error) -> Refusal {
    Refusal(exit::NO_ENTRY, messages::no_registry(&e.to_string()))
}

/// The text of the entry of a distribution.
fn entry(name: &str) -> Result<Option<String>, Refusal> {
    sys::run_key::get(&logon::value_name(name)).map_err(no_registry)
}

/// The entry of a distribution, unless another program wrote it.
fn own_entry(name: &str) -> Result<Option<Entry>, Refusal> {
    let foreign = |text: &str| Refusal(exit::NO_ENTRY, messages::foreign_entry(&logon::value_name(name), text));
    entry(name)?.map(|text| Entry::parse(&text).ok_or_else(|| foreign(&text))).transpose()
}

fn logon_list() -> Result<String, Refusal> {
    let installed = restart::installed(&mut WslExe::new(wsl_exe()?, &|_| {}), &Timeouts::NORMAL);
    let installed = installed.map_err(|why| Refusal(exit::NO_WSL, messages::cannot_list(&why)))?;
    let mut text = String::new();
    for value in sys::run_key::names().map_err(no_registry)? {
        let name = match logon::distribution(&value) {
            Some(name) => name,
            None => continue,
        };
        let is_disabled = logon::is_disabled(sys::run_key::approval(&value).map_err(no_registry)?.as_deref());
        let command = entry(name)?.unwrap_or_default();
        text += &logon::render(name, Verdict::of(name, &command, is_disabled, &installed));
    }
    Ok(text)
}

/// Prints the user of an entry of this program, the text of any other entry, or nothing.
fn logon_get(name: &str) -> Result<String, Refusal> {
    let text = entry(name)?.unwrap_or_default();
    let this = std::env::current_exe().unwrap_or_default().display().to_string().to_lowercase();
    let is_ours = |e: &Entry| names::same(&e.distribution, name) && e.program.to_lowercase() == this;
    Ok(Entry::parse(&text).filter(is_ours).map_or(text, |entry| entry.user) + "\n")
}

fn logon_add(start: &Start) -> Result<String, Refusal> {
    own_entry(&start.distribution)?;
    let program = std::env::current_exe().map_err(|e| Refusal(exit::NO_ENTRY, e.to_string()))?;
    let program = program.display().to_string();
    if program.starts_with("\\\\") {
        return Err(Refusal(exit::USAGE, format!("{}. {}", messages::ON_LINUX_DISK, messages::ON_LINUX_DISK_ADVICE)));
    }
    let Start { distribution, user } = start.clone();
    let entry = Entry { program, distribution, user };
    let command = entry.command();
    if command.chars().count() > logon::MAX_LENGTH {
        return Err(Refusal(exit::NO_ENTRY, messages::too_long(&command, logon::MAX_LENGTH)));
    }
    sys::run_key::set(&logon::value_name(&entry.distribution), &command).map_err(no_registry)?;
    Ok(String::new())
}

fn logon_remove(name: &str) -> Result<String, Refusal> {
    own_entry(name)?;
    sys::run_key::delete(&logon::value_name(name)).map_err(no_registry)?;
    Ok(String::new())
}

/// Starts the distribution and opens the user's session. WSL's service may not be ready so early after the logon.
fn start_distribution(start: &Start) -> Result<String, Refusal> {
    const TRIES: u32 = 3;
    const PAUSE: Duration = Duration::from_secs(5);
    let exe = wsl_exe()?;
    let mut wsl = WslExe::new(exe, &|_| {});
    let call = ["-d", &start.distribution, "-u", &start.user, "--exec", "/bin/true"];
    let mut answer = wsl.call(&call, Timeouts::NORMAL.session);
    for _ in 1..TRIES {
        if answer.good().is_some() {
            break;
        }
        thread::sleep(PAUSE);
        answer = wsl.call(&call, Timeouts::NORMAL.session);
    }
    answer
        .good()
        .map(|_| String::new())
        .ok_or_else(|| Refusal(exit::WSL_FAILED, messages::not_started(&start.distribution, &answer.describe())))
}

fn look() -> String {
    let path = |found: io::Result<PathBuf>| found.ok().map(|p| p.display().to_string());
    let why = |Refusal(_, why)| why;
    let running =
        wsl_exe().map_err(why).and_then(|exe| restart::running(&mut WslExe::new(exe, &|_| {}), &Timeouts::NORMAL));
    let (profile, folder) = (path(sys::profile()), path(folder()));
    HelperInfo { profile, folder, unable: able().err().map(why), running }.render()
}

fn folder() -> io::Result<PathBuf> {
    Ok(sys::local_app_data()?.join("kind-wsl"))
}

fn wsl_exe() -> Result<PathBuf, Refusal> {
    let refused =
        |what: &str| Refusal(exit::NO_WSL, format!("{}. {}", messages::no_wsl(what), messages::NO_WSL_ADVICE));
    let path = sys::wsl_exe().map_err(|e| refused(&format!("System32\\wsl.exe ({e})")))?;
    if path.is_file() { Ok(path) } else { Err(refused(&path.display().to_string())) }
}

/// Whether a copy of this process can outlive WSL and call wsl.exe. Returns the job that it is in and the way out of it.
fn able() -> Result<(Job, PathBuf), Refusal> {
    let job = Job::of(sys::job_limits());
    if job.kills_children() {
        return Err(Refusal(exit::JOB, sentence(messages::KILLING_JOB, messages::KILLING_JOB_ADVICE)));
    }
    let network = std::env::current_exe().map_or(false, |exe| exe.as_os_str().to_string_lossy().starts_with("\\\\"));
    if network {
        return Err(Refusal(exit::USAGE, sentence(messages::ON_LINUX_DISK, messages::ON_LINUX_DISK_ADVICE)));
    }
    wsl_exe().map(|exe| (job, exe))
}

fn sentence(what: &str, advice: &str) -> String {
    format!("cannot restart WSL: {what}. {advice}")
}

/// The files of one restart.
#[derive(Debug, Clone)]
struct Files {
    log: PathBuf,
    result: PathBuf,
    ready: PathBuf,
}

impl Files {
    fn of(folder: &Path, id: &str) -> Files {
        let file = |end: &str| folder.join(format!("{id}.{end}"));
        Files { log: file("log"), result: file("result"), ready: file("ready") }
    }

    /// Removes the files of an earlier restart with this ID. Fails while its copy runs, because the log is then open.
    fn clear(&self) -> io::Result<()> {
        for file in [&self.log, &self.result, &self.ready] {
            match fs::remove_file(file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Replaces the result atomically: a temporary file, then MoveFileExW. The Linux side may have the old file open.
    fn write(&self, result: &RestartResult) -> io::Result<()> {
        let new = self.result.with_extension("result.new");
        let mut file = File::create(&new)?;
        file.write_all(result.render().as_bytes())?;
        file.sync_all()?;
        drop(file);
        let mut tries = 0;
        loop {
            match fs::rename(&new, &self.result) {
                Err(e) if tries == 20 => return Err(e),
                Err(_) => thread::sleep(Duration::from_millis(50)),
                Ok(()) => return Ok(()),
            }
            tries += 1;
        }
    }
}

/// `restart`: checks everything while the caller still reads the output, then starts the copy.
fn start(request: &RestartRequest) -> Result<String, Refusal> {
    let timeouts = Timeouts::with_patience(request.patience);
    let (job, wsl) = able()?;
    let list = restart::installed(&mut WslExe::new(wsl, &|_| {}), &timeouts);
    let list = list.map_err(|why| Refusal(exit::NO_WSL, messages::cannot_list(&why)))?;
    let name = names::installed(&request.distribution, &list);
    let name =
        name.ok_or_else(|| Refusal(exit::NO_DISTRIBUTION, messages::no_distribution(&request.distribution, &list)))?;
    let request = RestartRequest { distribution: name.to_string(), ..request.clone() };

    let place =
        folder().map_err(|e| Refusal(exit::FOLDER, messages::folder("AppData\\Local\\kind-wsl", &e.to_string())))?;
    let refused = |e: io::Error| Refusal(exit::FOLDER, messages::folder(&place.display().to_string(), &e.to_string()));
    let files = Files::of(&place, &request.id);
    fs::create_dir_all(&place)
        .and_then(|()| files.clear())
        .and_then(|()| files.write(&RestartResult::new(&request)))
        .map_err(refused)?;

    let failed = |e: io::Error| {
        Refusal(
            exit::JOB,
            sentence(&format!("a copy of this program cannot be started ({e})"), messages::KILLING_JOB_ADVICE),
        )
    };
    let exe = std::env::current_exe().map_err(failed)?;
    let arguments = request.arguments();
    let head = [exe.to_string_lossy().into_owned(), "work".to_string()];
    let line = command_line(head.iter().chain(&arguments).map(String::as_str));
    let started = match sys::start_detached(&exe, &line, &place, job.inside()) {
        Err(_) if job.inside() && job.is_safe() => sys::start_detached(&exe, &line, &place, false),
        Err(_) if job.inside() => {
            return Err(Refusal(exit::JOB, sentence(messages::KILLING_JOB, messages::KILLING_JOB_ADVICE)));
        }
        other => other,
    };
    let copy = started.map_err(failed)?;
    // Wait until it has opened its log: only then does a second start with this ID fail.
    let limit = Instant::now() + timeouts.start;
    while !files.log.is_file() && Instant::now() < limit {
        if sys::wait(&copy, Duration::from_millis(20)) && !files.log.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::Other, "it ended immediately")));
        }
    }
    let show = |key: &str, path: &Path| format!("{key}={}\n", path.display());
    Ok(format!(
        "started={}\n{}{}{}",
        copy.id,
        show("log", &files.log),
        show("result", &files.result),
        show("ready", &files.ready)
    ))
}

/// The detached copy.
struct Work {
    request: RestartRequest,
    timeouts: Timeouts,
    files: Files,
    log: Log,
    result: RestartResult,
}

impl Work {
    fn run(request: RestartRequest) -> i32 {
        let place = match folder() {
            Ok(place) => place,
            Err(_) => return exit::FOLDER,
        };
        let files = Files::of(&place, &request.id);
        let log = match Log::open(&files.log) {
            Ok(log) => log,
            Err(_) => return exit::FOLDER, // another copy runs with this ID
        };
        let last_words = log.clone();
        std::panic::set_hook(Box::new(move |what| last_words.line(&format!("internal error: {what}"))));
        let (timeouts, result) = (Timeouts::with_patience(request.patience), RestartResult::new(&request));
        Work { request, timeouts, files, log, result }.all()
    }

    fn all(mut self) -> i32 {
        self.log.line(&format!(
            "kind-wsl-helper {VERSION}, process {}: {}",
            std::process::id(),
            self.request.arguments().join(" ")
        ));
        if Job::of(sys::job_limits()).kills_children() {
            self.log.line(messages::KILLING_JOB); // it may be killed at any moment; until then it proceeds
        }
        let path = match wsl_exe() {
            Ok(path) => path,
            Err(Refusal(code, why)) => {
                self.enter(State::Abandoned, Some(&why));
                return code;
            }
        };
        let log = self.log.clone();
        let log = move |line: &str| log.line(line);
        let mut wsl = WslExe::new(path, &log);
        if !self.wait_until_ready() {
            return 1;
        }
        self.enter(State::Stopping, None);
        let stop = restart::stop(&mut wsl, &self.request, &self.timeouts);
        let message = messages::stopped(&self.request, stop.result, stop.took.as_secs_f32(), stop.detail.as_deref());
        self.result.stopped(
            stop.result,
            u64::try_from(stop.took.as_millis()).unwrap_or(u64::MAX),
            stop.detail.as_deref(),
        );
        self.publish(&message);
        let mut window = Window::open(&self.log);
        if !stop.result.can_resume() {
            window.say(&format!("{message}\n\n{}", messages::by_hand(&self.request)));
            window.wait_for_enter();
            return 1;
        }
        window.say(&messages::resuming(&self.request));
        restart::open_session(&mut wsl, &self.request, &self.timeouts);
        self.resume(&mut wsl, &mut window)
    }

    fn enter(&mut self, state: State, detail: Option<&str>) {
        self.result.enter(state, detail);
        let detail = detail.map(|d| format!(": {d}")).unwrap_or_default();
        self.publish(&format!("{}{detail}", state.name()));
    }

    fn publish(&self, line: &str) {
        self.log.line(line);
        if let Err(e) = self.files.write(&self.result) {
            self.log.line(&format!("{} cannot be written: {e}", self.files.result.display()));
        }
    }

    fn wait_until_ready(&mut self) -> bool {
        self.enter(State::Waiting, None);
        let limit = Instant::now() + self.timeouts.ready;
        while !self.files.ready.is_file() {
            if Instant::now() >= limit {
                let seconds = self.timeouts.ready.as_secs();
                self.enter(
                    State::Abandoned,
                    Some(&format!("the setup was not ready for the restart within {seconds} s; nothing was stopped")),
                );
                return false;
            }
            thread::sleep(Duration::from_millis(100));
        }
        true
    }

    fn resume(&mut self, wsl: &mut WslExe<'_>, window: &mut Window) -> i32 {
        let args = self.request.resume();
        let mut command = wsl.command(&args);
        let line = format!("wsl.exe {}", args.join(" "));
        self.enter(State::Resuming, None);
        let ended = window.attach(&mut command).and_then(|()| command.spawn()).and_then(|child| window.watch(child));
        let code = match ended {
            Ok(code) => code,
            Err(e) => {
                let why = format!("{line} could not be started: {e}");
                wsl.note(&why);
                window.say(&format!("{why}\n"));
                exit::WSL_FAILED
            }
        };
        let message = messages::resumed(&self.request, code);
        self.enter(State::Ended(code), if code == 0 { None } else { message.lines().next() });
        self.log.line(&format!("{line}: exit code {code}"));
        window.say(&message);
        let driver =
            std::env::current_exe().map(|exe| exe.with_file_name("kind-wsl.exe")).ok().filter(|exe| exe.is_file());
        if let (exit::WSL_FAILED, Some(driver)) = (code, driver) {
            window.say(&format!("\n{}", messages::rescue(&self.request, &driver.to_string_lossy())));
        }
        window.wait_for_enter();
        0
    }
}
