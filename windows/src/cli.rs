//! Command lines of both programs.

use crate::names;
use crate::request::{RestartRequest, Scope};

/// A command of kind-wsl-helper.exe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Helper {
    /// `look`
    Look,
    /// `restart …`
    Restart(RestartRequest),
    /// `work …`: the detached copy.
    Work(RestartRequest),
    /// `port N`
    Port(u16),
    /// `logon list`
    LogonList,
    /// `logon get --distro NAME`
    LogonGet(String),
    /// `logon add --distro NAME --user USER`
    LogonAdd(Start),
    /// `logon remove --distro NAME`
    LogonRemove(String),
    /// `start --distro NAME --user USER`: what an entry runs at logon.
    Start(Start),
    /// `--help`
    Help,
    /// `--version`
    Version,
}

/// A distribution to start, with the session of a Linux user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub distribution: String,
    pub user: String,
}

/// The command line of kind-wsl-helper.exe, without its name.
pub fn helper(args: &[String]) -> Result<Helper, String> {
    let (command, rest) = args.split_first().ok_or("missing command: look, restart, port or logon")?;
    let alone = |what: Helper| match rest.first() {
        None => Ok(what),
        Some(more) => Err(format!("unexpected argument \"{more}\" after {command}")),
    };
    match command.as_str() {
        "look" => alone(Helper::Look),
        "restart" => request(rest).map(Helper::Restart),
        "work" => request(rest).map(Helper::Work),
        "port" => port(rest).map(Helper::Port),
        "logon" => logon(rest),
        "start" => start(command, rest).map(Helper::Start),
        "--help" | "-h" | "help" => alone(Helper::Help),
        "--version" | "-V" => alone(Helper::Version),
        other => Err(format!("unknown command \"{other}\"; commands are look, restart, port and logon")),
    }
}

/// Options with values, each given at most once.
struct Options<'a> {
    command: &'a str,
    found: Vec<(&'static str, Option<&'a str>)>,
}

impl<'a> Options<'a> {
    fn parse(command: &'a str, flags: &[&'static str], args: &'a [String]) -> Result<Options<'a>, String> {
        let mut found: Vec<(&str, Option<&str>)> = flags.iter().map(|flag| (*flag, None)).collect();
        let mut rest = args.iter();
        while let Some(flag) = rest.next() {
            let place = found.iter_mut().find(|(known, _)| known == flag);
            let place = place.ok_or_else(|| format!("unknown option \"{flag}\" of {command}"))?;
            let value = rest.next().ok_or_else(|| format!("{flag} needs a value"))?;
            if place.1.replace(value).is_some() {
                return Err(format!("{flag} is given twice"));
            }
        }
        Ok(Options { command, found })
    }

    fn get(&self, flag: &str) -> Option<&'a str> {
        self.found.iter().find(|(known, _)| *known == flag).and_then(|(_, value)| *value)
    }

    fn checked(&self, flag: &str, holds: fn(&str) -> bool, what: &str) -> Result<String, String> {
        let value = self.get(flag).ok_or_else(|| format!("{flag} is missing after {}", self.command))?;
        if holds(value) { Ok(value.to_string()) } else { Err(format!("{flag} \"{value}\" is not {what}")) }
    }

    fn distribution(&self) -> Result<String, String> {
        self.checked("--distro", names::is_distribution, DISTRIBUTION)
    }

    fn user(&self) -> Result<String, String> {
        self.checked("--user", names::is_user, USER)
    }
}

fn request(args: &[String]) -> Result<RestartRequest, String> {
    let flags = ["--id", "--distro", "--scope", "--user", "--program", "--patience"];
    let options = Options::parse("restart", &flags, args)?;
    Ok(RestartRequest {
        id: options.checked("--id", names::is_id, "1 to 64 letters, digits and hyphens")?,
        distribution: options.distribution()?,
        scope: options
            .checked("--scope", |s| Scope::parse(s).is_some(), "distro or vm")
            .map(|s| Scope::parse(&s).unwrap_or(Scope::Vm))?,
        user: options.user()?,
        program: options.checked("--program", names::is_program, "the absolute path of a Linux program")?,
        patience: options.get("--patience").map(patience).transpose()?,
    })
}

fn port(args: &[String]) -> Result<u16, String> {
    let number = |text: &String| text.parse().ok().filter(|port| *port > 0);
    match args {
        [port] => number(port).ok_or_else(|| format!("\"{port}\" is not a port")),
        _ => Err("port takes one number".into()),
    }
}

fn logon(args: &[String]) -> Result<Helper, String> {
    let (action, rest) = args.split_first().ok_or("missing action: logon list, get, add or remove")?;
    let distribution = || Options::parse("logon", &["--distro"], rest)?.distribution();
    match action.as_str() {
        "list" if rest.is_empty() => Ok(Helper::LogonList),
        "get" => distribution().map(Helper::LogonGet),
        "add" => start("logon", rest).map(Helper::LogonAdd),
        "remove" => distribution().map(Helper::LogonRemove),
        other => Err(format!("unknown action \"{other}\" of logon; actions are list, get, add and remove")),
    }
}

fn start(command: &str, args: &[String]) -> Result<Start, String> {
    let options = Options::parse(command, &["--distro", "--user"], args)?;
    Ok(Start { distribution: options.distribution()?, user: options.user()? })
}

fn patience(seconds: &str) -> Result<u32, String> {
    let number = seconds.parse().ok().filter(|s| *s > 0);
    number.ok_or_else(|| format!("--patience \"{seconds}\" is not a number of seconds"))
}

/// A command of kind-wsl.exe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// `profile`
    Profile,
    /// `--help`, or no argument
    Help,
    /// `--version`
    Version,
    /// `rescue …`
    Rescue(Rescue),
    /// `rescue --help`
    RescueHelp,
    /// A command of the Linux program.
    Run(Run),
}

/// A rescue of a distribution that does not start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescue {
    /// `-d`; none: the one whose rescue was interrupted.
    pub distribution: Option<String>,
    pub last: bool,
    pub drift: Option<String>,
    /// The Linux program.
    pub program: Option<String>,
    pub yes: bool,
    /// Upper bound of each step in seconds (tests).
    pub patience: Option<u32>,
}

/// The values of `--drift`.
pub const DRIFT: [&str; 3] = ["stop", "keep", "restore"];

/// A command for the Linux program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// `-d`; none: the default distribution.
    pub distribution: Option<String>,
    /// `-u`; none: the distribution's default user.
    pub user: Option<String>,
    /// The command and its arguments, unchanged.
    pub args: Vec<String>,
    /// Upper bound of each step in seconds (tests).
    pub patience: Option<u32>,
}

impl Run {
    /// `setup`, the one command that may need a restart.
    #[must_use]
    pub fn is_setup(&self) -> bool {
        self.args.first().map_or(false, |c| c == "setup")
    }

    /// The user restarts WSL.
    #[must_use]
    pub fn no_restart(&self) -> bool {
        self.args.iter().any(|a| a == "--no-restart")
    }
}

/// The command line of kind-wsl.exe, without its name. `-d` and `-u` are accepted anywhere before a `--`.
pub fn driver(args: &[String]) -> Result<Driver, String> {
    let mut run = Run::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{arg} needs a name"));
        if let Some(name) = arg.strip_prefix("--distribution=") {
            take(&mut run.distribution, "--distribution", name, names::is_distribution, DISTRIBUTION)?;
        } else if ["-d", "--distribution"].contains(&arg.as_str()) {
            take(&mut run.distribution, arg, value()?, names::is_distribution, DISTRIBUTION)?;
        } else if arg == "-u" {
            take(&mut run.user, arg, value()?, names::is_user, USER)?;
        } else if arg == "--patience" && run.args.is_empty() {
            run.patience = Some(patience(value()?)?);
        } else if arg == "--" {
            run.args.push(arg.clone());
            run.args.extend(rest.by_ref().cloned());
        } else {
            run.args.push(arg.clone());
        }
    }
    match run.args.first().map(String::as_str) {
        None if run == Run::default() => Ok(Driver::Help),
        None => Err("missing command, such as setup".into()),
        Some("--help" | "-h" | "help") => Ok(Driver::Help),
        Some("--version" | "-V") => Ok(Driver::Version),
        Some("profile") if run.args.len() == 1 => Ok(Driver::Profile),
        Some("rescue") => rescue(run),
        Some(option) if option.starts_with('-') => Err(format!("expected a command before \"{option}\"")),
        Some(_) => Ok(Driver::Run(run)),
    }
}

fn rescue(run: Run) -> Result<Driver, String> {
    if run.user.is_some() {
        return Err("rescue always runs as root: remove -u".into());
    }
    let mut order = Rescue { distribution: run.distribution, patience: run.patience, ..Rescue::default() };
    let mut rest = run.args.iter().skip(1);
    while let Some(arg) = rest.next() {
        let (flag, joined) = arg.split_once('=').map_or((&arg[..], None), |(flag, value)| (flag, Some(value)));
        let mut value =
            || joined.or_else(|| rest.next().map(|v| &v[..])).ok_or_else(|| format!("{flag} needs a value"));
        match flag {
            "--help" | "-h" => return Ok(Driver::RescueHelp),
            "--last" if joined.is_none() => order.last = true,
            "--yes" | "-y" if joined.is_none() => order.yes = true,
            "--drift" => {
                take(&mut order.drift, flag, value()?, |how| DRIFT.contains(&how), "stop, keep or restore")?;
            }
            "--program" => {
                take(&mut order.program, flag, value()?, names::is_program, "the absolute path of a Linux program")?;
            }
            _ => return Err(format!("unknown option \"{arg}\" of rescue")),
        }
    }
    Ok(Driver::Rescue(order))
}

const DISTRIBUTION: &str = "the name of a distribution (letters, digits, . _ -)";
const USER: &str = "the name of a Linux user";

fn take(
    place: &mut Option<String>,
    flag: &str,
    value: &str,
    holds: fn(&str) -> bool,
    what: &str,
) -> Result<(), String> {
    if !holds(value) {
        return Err(format!("{flag} \"{value}\" is not {what}"));
    }
    match place.replace(value.to_string()) {
        None => Ok(()),
        Some(_) => Err(format!("{flag} is given twice")),
    }
}

#[cfg(test)]
mod tests;
