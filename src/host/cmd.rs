//! Commands as data, and the one method that runs them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Account;

/// The descriptor of [`Cmd::reports`]: one that nothing of ours has reached.
pub const STATUS_FD: i32 = 30;

/// A command line, who runs it and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cmd {
    /// The program: a name looked up on the system's own path, or an absolute path.
    pub program: String,
    pub args: Vec<String>,
    /// Variables on top of the environment it inherits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Runs as this user (their ids, `HOME` and `XDG_RUNTIME_DIR`) when we are root; otherwise as ourselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Account>,
    /// The longest it may take, in seconds; it is ended then.
    pub seconds: u64,
    /// Has its standard output as descriptor [`STATUS_FD`] as well: for a program that reports on a descriptor and keeps
    /// that one from the programs it starts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reports: bool,
    /// Changes the machine: it must be able to end its work without us.
    #[serde(skip)]
    pub changes: bool,
}

impl Cmd {
    /// A command with a bound of 30 s.
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

    /// Runs as `user` when we are root.
    #[must_use]
    pub fn as_user(mut self, user: &Account) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// Adds an argument that is a name: one that begins with `-` is not taken for an option.
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

    /// Gives it its standard output as descriptor [`STATUS_FD`] as well.
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

/// The command line as one would type it.
impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&quote(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quote(arg))?;
        }
        Ok(())
    }
}

/// A word of a shell's command line: as it is if it is plain, otherwise in single quotes.
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

/// What a command answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Exit code; 128 and the signal's number where a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The last line of its complaint that says something: programs end with what they could not do.
    #[must_use]
    pub fn complaint(&self) -> Option<&str> {
        self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty())
    }
}

/// Runs commands. The real one is [`super::Process`]; tests bring their own machine.
pub trait Runner {
    /// Runs `cmd` to its end, handing each line of its standard output to `out` as it comes.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::NotFound`] where there is no such program, [`std::io::ErrorKind::TimedOut`] where
    /// it did not end within its bound, and what the kernel says otherwise.
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
