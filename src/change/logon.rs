//! The entry by which Windows starts this distribution when its account signs in.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl_windows::names;
use serde::{Deserialize, Serialize};

use super::{ChangeError, Context, Desired, Primitive, State, Target};
use crate::host::{Account, Cmd, System};

/// A Windows program may have to wait for a virus scanner.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The end of the program's path. The journal names the program, which runs as the user.
const PROGRAM: &str = "/kind-wsl/kind-wsl-helper.exe";

/// An entry in the `Run` key of the account, made, read and removed by kind-wsl-helper.exe (`windows/README.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogonEntry {
    /// kind-wsl-helper.exe on its Windows drive, which the entry starts.
    pub program: Utf8PathBuf,
    pub distribution: String,
    /// The owner of the session.
    pub user: Account,
}

impl LogonEntry {
    /// Returns the command, unless a name could be taken for something else.
    fn command(&self, system: &dyn System, action: &str, user: Option<&str>) -> Result<Cmd, ChangeError> {
        let is_valid = self.program.as_str().ends_with(PROGRAM)
            && self.user.uid != 0
            && names::is_distribution(&self.distribution)
            && user.is_none_or(names::is_user);
        if !is_valid {
            return Err(ChangeError::Mismatch(self.target().to_string()));
        }
        let args = ["logon", action, "--distro", &self.distribution].into_iter();
        let args = args.chain(user.into_iter().flat_map(|user| ["--user", user]));
        let cmd = Cmd::new(self.program.as_str(), args).as_user(&self.user).timeout(TIMEOUT);
        Ok(cmd.with_env("WSL_INTEROP", &system.env("WSL_INTEROP").unwrap_or_default()))
    }
}

impl Primitive for LogonEntry {
    fn target(&self) -> Target {
        let object = format!("logon entry of {}", self.distribution);
        Target { verb: "set".to_owned(), object, detail: format!("starts it for {}", self.user.name) }
    }

    /// The user for whom it starts the distribution, the command of another program's entry, or nothing.
    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let text = system.output_checked(&self.command(system, "get", None)?).map_err(|source| {
            ChangeError::NoWindows { entry: self.target().object, source: source.into() }
        })?;
        Ok(State::CommandOutput { value: Some(text.trim().to_owned()) })
    }

    fn desired(&self, _: &dyn System) -> Result<Desired, ChangeError> {
        Ok(Desired { state: State::CommandOutput { value: Some(self.user.name.clone()) }, bytes: None })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, _: Option<&State>) -> Result<(), ChangeError> {
        let State::CommandOutput { value: Some(value) } = to else {
            return Err(ChangeError::Mismatch(self.target().to_string()));
        };
        let cmd = match value.as_str() {
            "" => self.command(context.host, "remove", None)?,
            user => self.command(context.host, "add", Some(user))?,
        };
        context.host.run(&cmd, &mut |_| {})?;
        Ok(())
    }
}

impl LogonEntry {
    /// The directory of the program.
    #[must_use]
    pub fn dir(&self) -> &Utf8Path {
        self.program.parent().unwrap_or(&self.program)
    }
}
