//! Windows programs, started from here and bounded in time.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl_windows::text::names;

use crate::facts::wsl::{drives_root, windows_path};
use crate::host::{Account, Cmd, HostError, Output, System};

/// How long a Windows program may take to answer. Where interop is off but its entry is there, WSL gives up after 10 s
/// itself (WSL `src/linux/init/binfmt.cpp:27`).
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why Windows could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum InteropError {
    /// Neither this process nor an ancestor belongs to a session with interop.
    #[error(
        "Windows programs cannot be started from this shell: interop is off (`[interop] enabled=false` in /etc/wsl.conf), or it was not opened by wsl.exe"
    )]
    NoSession,
    /// The program could not be run, or did not answer.
    #[error("Windows programs cannot be started from here")]
    Unanswered(#[source] HostError),
    /// It ran and failed.
    #[error("`{program}` ended with exit code {code}: {message}")]
    Refused { program: String, code: i32, message: String },
}

/// Starts Windows programs, always as the user: the caller's environment chooses what `WSL_INTEROP` leads to, and a
/// program on a Windows drive can be exchanged by the user.
pub struct Interop<'w> {
    system: &'w dyn System,
    user: Account,
    mount_root: String,
}

impl std::fmt::Debug for Interop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interop").field("mount_root", &self.mount_root).finish_non_exhaustive()
    }
}

impl<'w> Interop<'w> {
    /// Finds the interop socket of this session.
    ///
    /// # Errors
    /// [`InteropError::NoSession`] if it cannot be used: WSL starts programs of such a caller in a job
    /// that ends with the virtual machine (WSL `src/windows/service/exe/WslCoreInstance.cpp:430`).
    pub fn new(system: &'w dyn System, user: &Account) -> Result<Self, InteropError> {
        system.env("WSL_INTEROP").filter(|v| !v.is_empty()).ok_or(InteropError::NoSession)?;
        Ok(Self { system, user: user.clone(), mount_root: drives_root(system) })
    }

    /// A command line for a Windows program, in this session.
    #[must_use]
    pub fn command<S: Into<String>>(&self, program: &Utf8Path, args: impl IntoIterator<Item = S>) -> Cmd {
        let session = self.system.env("WSL_INTEROP").unwrap_or_default();
        let crossing = self.system.env("WSLENV").unwrap_or_default();
        // wsl.exe then writes UTF-8 (WSL src/windows/common/wslutil.cpp:1497).
        let crossing = if crossing.is_empty() { String::new() } else { format!("{crossing}:") };
        let mut cmd = Cmd::new(program.as_str(), args).as_user(&self.user).timeout(TIMEOUT);
        cmd = cmd.with_env("WSL_INTEROP", &session).with_env("WSL_UTF8", "1");
        cmd.with_env("WSLENV", &format!("{crossing}WSL_UTF8/w"))
    }

    /// Runs a Windows program and returns its standard output.
    ///
    /// # Errors
    /// It cannot be started, does not end in time, or exits with another code than 0.
    pub fn ask(&self, program: &Utf8Path, args: &[&str]) -> Result<String, InteropError> {
        let cmd = self.command(program, args.iter().copied());
        let Output { code, stdout, stderr } =
            self.system.run_readonly(&cmd).map_err(InteropError::Unanswered)?;
        if code == 0 {
            return Ok(stdout);
        }
        let message = if stderr.trim().is_empty() { stdout } else { stderr };
        let program = program.file_name().unwrap_or_default().to_owned();
        Err(InteropError::Refused { program, code, message: message.trim().to_owned() })
    }

    /// A program of Windows' own. By its full path: what is called so in PATH may be another.
    #[must_use]
    pub fn system(&self, name: &str) -> Utf8PathBuf {
        format!("{}c/Windows/System32/{name}", self.mount_root).into()
    }

    /// The distributions that run.
    ///
    /// # Errors
    /// As [`Interop::ask`].
    pub fn running(&self) -> Result<Vec<String>, InteropError> {
        Ok(names(&self.ask_wsl(&["--list", "--running", "--quiet"])?))
    }

    /// The output of `wsl.exe`.
    fn ask_wsl(&self, args: &[&str]) -> Result<String, InteropError> {
        let message = self.ask(&self.system("wsl.exe"), args)?;
        // A wsl.exe that does not know WSL_UTF8 writes UTF-16: of a name, ASCII as it is, the zeros are too many.
        Ok(message.replace(['\0', '\u{feff}', '\u{fffd}'], ""))
    }

    /// The versions of WSL, its parts and Windows, one a line with its name in the language of Windows.
    ///
    /// # Errors
    /// As [`Interop::ask`]; the WSL that is a part of Windows does not know the flag.
    pub fn versions(&self) -> Result<String, InteropError> {
        self.ask_wsl(&["--version"])
    }

    /// The distribution that Windows opens if none is named: `--list --verbose` marks it with an asterisk.
    ///
    /// # Errors
    /// As [`Interop::ask`].
    pub fn default_distribution(&self) -> Result<Option<String>, InteropError> {
        let message = self.ask_wsl(&["--list", "--verbose"])?;
        let mut lines = message.lines().filter_map(|line| line.trim_start().strip_prefix('*'));
        Ok(lines.find_map(|line| line.split_ascii_whitespace().next()).map(ToOwned::to_owned))
    }

    /// The Linux path of a Windows path, from `wslpath` or by its drive letter.
    #[must_use]
    pub fn path(&self, windows: &str) -> Option<Utf8PathBuf> {
        let asked = self.system.stdout_if_ok(&Cmd::new("wslpath", ["-u", windows]).as_user(&self.user));
        asked
            .filter(|p| p.starts_with('/'))
            .map(Into::into)
            .or_else(|| windows_path(windows, &self.mount_root))
    }
}
