//! Commands as data, and the trait that runs them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Account;

/// The descriptor of [`Cmd::reports`], higher than any descriptor in use.
pub const STATUS_FD: i32 = 30;

/// A command line, the user who runs it and its time limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cmd {
    /// The program: a name in the system's own path, or an absolute path.
    pub program: String,
    pub args: Vec<String>,
    /// Variables in addition to the inherited environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Runs as this user (their ids, `HOME` and `XDG_RUNTIME_DIR`) when we are root; otherwise as ourselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Account>,
    /// The time limit, in seconds; then it is killed.
    pub seconds: u64,
    /// Whether descriptor [`STATUS_FD`] is its standard output too: for a program that reports progress on a
    /// descriptor that it does not pass to its children.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reports: bool,
    /// Whether it changes the machine: then it must be able to finish after kind-wsl has ended.
    #[serde(skip)]
    pub changes: bool,
}

impl Cmd {
    /// A command with a time limit of 30 s.
    pub fn new<I, S>(program: &str, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            user: None,
            seconds: 30,
            reports: false,
            changes: false,
        }
    }

    /// Splits a plain command line at blanks: for constants without quoting.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let mut words = line.split_ascii_whitespace();
        Self::new(words.next().unwrap_or_default(), words)
    }

    /// Runs as `user` if kind-wsl runs as root.
    #[must_use]
    pub fn as_user(mut self, user: &Account) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// Adds a name as an argument: one that begins with `-` is not taken for an option.
    #[must_use]
    pub fn operand(mut self, name: &str) -> Self {
        if name.starts_with('-') {
            self.args.push("--".to_owned());
        }
        self.args.push(name.to_owned());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes descriptor [`STATUS_FD`] its standard output too.
    #[must_use]
    pub fn with_status_fd(self) -> Self {
        Self { reports: true, ..self }
    }

    #[must_use]
    pub fn timeout(mut self, bound: Duration) -> Self {
        self.seconds = bound.as_secs();
        self
    }
}

/// The command line as typed.
impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&quote(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quote(arg))?;
        }
        Ok(())
    }
}

/// A word of a shell's command line, in single quotes if needed.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { in_quotes(word) }
}

/// The word in single quotes.
#[must_use]
pub fn in_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The output of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Exit code; 128 plus the signal's number if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The last informative line of standard error: programs end with the reason of their failure.
    #[must_use]
    pub fn complaint(&self) -> Option<&str> {
        self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty())
    }
}

/// Runs commands. The real implementation is [`super::Process`]; tests have fake ones.
pub trait Runner {
    /// Runs `cmd` to its end and passes each line of its standard output to `out` at once.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::NotFound`] if the program does not exist, [`std::io::ErrorKind::TimedOut`] if it does
    /// not end in time, and other errors of the kernel.
    fn run(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> std::io::Result<Output>;
}

#[cfg(test)]
mod tests {
    use super::Cmd;

    #[test]
    fn a_name_that_begins_with_a_dash_follows_the_end_of_the_options() {
        let line = |name| Cmd::new("loginctl", ["enable-linger"]).operand(name).to_string();
        assert_eq!(line("dev"), "loginctl enable-linger dev");
        assert_eq!(line("-eve"), "loginctl enable-linger -- -eve");
    }
}
