//! `kind-wsl-helper.exe`: where it is, and the files that it shares with the Linux side. windows/README.md describes the
//! protocol; the crate there has its types.

use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl_windows::info::HelperInfo;
use kind_wsl_windows::logon::{self, Verdict};
use kind_wsl_windows::port::Answer;
use kind_wsl_windows::request::RestartRequest;
use kind_wsl_windows::result::{RestartResult, State, StopResult};

use super::{Interop, InteropError};
use crate::host::{
    Account, Cmd, FileKind, HostError, LiveSystem, PROGRAM_ENV, Stat, System, TempDir, is_roots_own,
};

const NAME: &str = "kind-wsl-helper.exe";
/// The program to start in Windows if the distribution no longer starts.
const DRIVER: &str = "kind-wsl.exe";
/// Below a Windows profile, on its drive: a program on `\\wsl.localhost` would lose its file when the distribution stops.
const DIR: &str = "AppData/Local/kind-wsl";
/// The files of kind-wsl and of the helper in that directory.
const SUFFIXES: [&str; 4] = [".exe", ".log", ".result", ".ready"];
/// More than any result has: what is longer was not written by the helper.
const MAX_RESULT_BYTES: usize = 8192;

/// The helper and `kind-wsl.exe`, if they were built in.
#[cfg(kind_wsl_helper)]
const BUILT_IN: Option<(&[u8], &[u8])> =
    Some((include_bytes!(env!("KIND_WSL_HELPER_EXE")), include_bytes!(env!("KIND_WSL_DRIVER_EXE"))));
#[cfg(not(kind_wsl_helper))]
const BUILT_IN: Option<(&[u8], &[u8])> = None;

/// The bytes of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    bytes: Vec<u8>,
    /// Those of `kind-wsl.exe`.
    driver: Option<Vec<u8>>,
    file: Option<Utf8PathBuf>,
}

/// The program in a file that Windows can run as long as the distribution runs.
#[derive(Debug)]
pub enum HelperExe {
    /// Where it was found.
    Found(Utf8PathBuf),
    Temporary(TempDir),
}

impl HelperExe {
    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        match self {
            Self::Found(path) => path.clone(),
            Self::Temporary(dir) => dir.path(NAME),
        }
    }
}

impl Helper {
    /// The one beside this program, if only root can have put it there; otherwise the one that was built in.
    #[must_use]
    pub fn find(host: &LiveSystem) -> Option<Self> {
        let beside = || {
            let path = Utf8PathBuf::from(host.env(PROGRAM_ENV)?).with_file_name(NAME);
            is_roots_own(&path).then_some(path)
        };
        // Tests bring their own.
        #[cfg(feature = "test-seams")]
        let named = host.env("KIND_WSL_HELPER").map(Utf8PathBuf::from);
        #[cfg(not(feature = "test-seams"))]
        let named = None;
        let bytes = |path: &Utf8Path| {
            let mut bytes = Vec::new();
            host.open_host_path(path).ok()?.read_to_end(&mut bytes).ok()?;
            Some(bytes)
        };
        let read = |path: Utf8PathBuf, is_trusted: fn(&Utf8Path) -> bool| {
            let driver = Some(path.with_file_name(DRIVER)).filter(|path| is_trusted(path));
            Some(Self {
                bytes: bytes(&path)?,
                driver: driver.and_then(|path| bytes(&path)),
                file: Some(path),
            })
        };
        let found = named.and_then(|path| read(path, |_| true));
        let found = found.or_else(|| beside().and_then(|path| read(path, is_roots_own)));
        found.or_else(|| {
            let (bytes, driver) = BUILT_IN?;
            Some(Self { bytes: bytes.to_vec(), driver: Some(driver.to_vec()), file: None })
        })
    }

    /// The program in a file, for a question that is answered at once: Windows reads it from inside the distribution.
    ///
    /// # Errors
    /// If the temporary directory cannot be written.
    pub fn materialize(self) -> std::io::Result<HelperExe> {
        if let Some(file) = self.file {
            return Ok(HelperExe::Found(file));
        }
        let dir = TempDir::new()?;
        dir.put(NAME, &self.bytes)?;
        dir.show(NAME)?;
        Ok(HelperExe::Temporary(dir))
    }

    /// Whether `kind-wsl.exe` is installed with it.
    #[must_use]
    pub fn has_driver(&self) -> bool {
        self.driver.is_some()
    }

    /// Installs it in a directory on the Windows side, which is created, with `kind-wsl.exe` beside it. The journal has to
    /// name that directory already.
    ///
    /// # Errors
    /// If the drive cannot be written.
    pub fn install(
        &self,
        host: &LiveSystem,
        dir: &Utf8Path,
        user: &Account,
    ) -> Result<Utf8PathBuf, HostError> {
        let owner = crate::change::user_owner(user);
        let path = dir.join(NAME);
        for missing in host.missing_dirs(&path)? {
            host.make_dir(&missing, owner)?;
        }
        let driver = self.driver.iter().map(|bytes| (dir.join(DRIVER), bytes));
        for (path, bytes) in std::iter::once((path.clone(), &self.bytes)).chain(driver) {
            if host.sha256(&path)?.as_deref() != Some(&crate::host::digest(bytes)) {
                let refused = |source| HostError::File { action: "write", path: path.clone(), source };
                host.write(&path, 0o755, host.resolve_owner(owner), owner, |sink| {
                    sink.write_all(bytes).map_err(refused)
                })?;
            }
        }
        Ok(path)
    }

    /// Whether it can be kind-wsl's directory on the Windows side. The helper names it, but another program may stand in for
    /// the helper: nothing is written or removed elsewhere.
    #[must_use]
    pub fn is_own_dir(dir: &Utf8Path) -> bool {
        let own = Utf8Path::new(DIR).file_name();
        let plain = |c| !matches!(c, camino::Utf8Component::ParentDir | camino::Utf8Component::CurDir);
        dir.is_absolute() && dir.file_name() == own && dir.components().all(plain)
    }

    /// The installed helper in a Windows profile.
    #[must_use]
    pub fn path_in(profile: &Utf8Path) -> Utf8PathBuf {
        Self::dir_in(profile).join(NAME)
    }

    /// kind-wsl's directory in a Windows profile.
    #[must_use]
    pub fn dir_in(profile: &Utf8Path) -> Utf8PathBuf {
        profile.join(DIR)
    }
}

/// Asks the helper at `path` about this session.
///
/// # Errors
/// If it cannot be started from this session.
pub fn ask(interop: &Interop<'_>, path: &Utf8Path) -> Result<HelperInfo, InteropError> {
    Ok(HelperInfo::parse(&interop.ask(path, &["look"])?))
}

/// Has the helper at `path` connect to a port of Windows; `None` if its answer is none.
///
/// # Errors
/// As [`ask`].
pub fn port(interop: &Interop<'_>, path: &Utf8Path, port: u16) -> Result<Option<Answer>, InteropError> {
    Ok(Answer::parse(&interop.ask(path, &["port", &port.to_string()])?))
}

/// The distributions that an entry starts when this account signs in to Windows, with the verdict on each.
///
/// # Errors
/// As [`ask`].
pub fn logon_entries(interop: &Interop<'_>, path: &Utf8Path) -> Result<Vec<(String, Verdict)>, InteropError> {
    Ok(logon::parse_list(&interop.ask(path, &["logon", "list"])?))
}

/// The command that starts the helper at `path`; it ends as soon as the helper's detached copy runs.
#[must_use]
pub fn restart_command(interop: &Interop<'_>, path: &Utf8Path, request: &RestartRequest) -> Cmd {
    interop.command(path, std::iter::once("restart".to_owned()).chain(request.arguments()))
}

/// Reads how the restart `id` went, from the first of kind-wsl's directories on the Windows side that has its result.
#[must_use]
pub fn read_result(system: &dyn System, dirs: &[Utf8PathBuf], id: &str) -> Option<RestartResult> {
    let read = |dir: &Utf8PathBuf| {
        let path = dir.join(format!("{id}.result"));
        // The helper writes a file, not a link.
        let is_file = matches!(system.stat(&path), Ok(Some(Stat { kind: FileKind::File, .. })));
        is_file.then(|| system.read(&path).ok().flatten()).flatten()
    };
    let bytes = dirs.iter().find_map(read)?;
    let text = String::from_utf8_lossy(bytes.get(..MAX_RESULT_BYTES).unwrap_or(&bytes)).into_owned();
    RestartResult::parse(&text).filter(|result| result.id == id)
}

/// How the restart went, in a sentence without an end.
#[must_use]
pub fn describe(result: &RestartResult) -> String {
    let stop = match (result.stop, result.stopped_ms) {
        (Some(StopResult::Stopped), Some(ms)) => {
            format!("WSL stopped after {}.{} s", ms / 1000, ms % 1000 / 100)
        }
        (Some(StopResult::Stopped), None) => "WSL stopped".to_owned(),
        (Some(StopResult::StillRunning), _) => "WSL did not stop, or it restarted immediately".to_owned(),
        (Some(StopResult::Hung), _) => "wsl.exe did not respond; the helper stopped it".to_owned(),
        (Some(StopResult::Failed), _) => "wsl.exe failed to stop WSL".to_owned(),
        (None, _) if result.state == Some(State::Abandoned) => {
            "the helper never received the start signal".to_owned()
        }
        (None, _) => "the helper did not finish".to_owned(),
    };
    match &result.detail {
        Some(detail) => format!("{stop} ({})", detail.chars().take(300).collect::<String>()),
        None => stop,
    }
}

/// Signals the helper that the journal is durable and that it may stop WSL.
///
/// # Errors
/// If the drive cannot be written.
pub fn signal_ready(host: &LiveSystem, dir: &Utf8Path, id: &str, user: &Account) -> Result<(), HostError> {
    let owner = crate::change::user_owner(user);
    let path = dir.join(format!("{id}.ready"));
    let refused = |source| HostError::File { action: "write", path: path.clone(), source };
    host.write(&path, 0o644, host.resolve_owner(owner), owner, |sink| {
        sink.write_all(b"ready\n").map_err(refused)
    })
}

/// Removes the files of an earlier attempt at the same restart: a stale `.ready` file would trigger it at once.
///
/// # Errors
/// If the drive cannot be written.
pub fn clear_stale_files(
    host: &LiveSystem,
    dir: &Utf8Path,
    id: &str,
    user: &Account,
) -> Result<(), HostError> {
    for path in ["ready", "result"].map(|suffix| dir.join(format!("{id}.{suffix}"))) {
        if host.stat(&path)?.is_some() {
            host.remove(&path, crate::change::user_owner(user))?;
        }
    }
    Ok(())
}

/// Removes the files of kind-wsl and of the helper from a directory on the Windows side, and the directory. A file that
/// cannot be removed does not keep the others. Programs stay if a logon entry starts them; returns the distributions that
/// have such an entry.
///
/// # Errors
/// If the drive refuses: Windows keeps the file of a program that runs.
pub fn clear(host: &LiveSystem, dir: &Utf8Path, user: &Account) -> Result<Vec<String>, HostError> {
    if !Helper::is_own_dir(dir) {
        return Ok(Vec::new());
    }
    let owner = crate::change::user_owner(user);
    let users = logon_users(host, &dir.join(NAME), user);
    let mut cleared = Ok(());
    for name in host.list(dir)? {
        let is_kept = !users.is_empty() && [NAME, DRIVER].contains(&name.as_str());
        if !is_kept && SUFFIXES.iter().any(|suffix| name.trim_end_matches(".kind-wsl").ends_with(suffix)) {
            cleared = cleared.and(host.remove(&dir.join(name), owner));
        }
    }
    cleared?;
    if users.is_empty() && host.stat(dir)?.is_some() {
        host.remove_dir(dir, owner)?;
    }
    Ok(users)
}

/// The distributions, other ones than this, that the helper at `path` starts at logon.
fn logon_users(host: &LiveSystem, path: &Utf8Path, user: &Account) -> Vec<String> {
    let interop = Interop::new(host, user).ok().filter(|_| host.exists(path.as_str()));
    let entries = interop.and_then(|interop| logon_entries(&interop, path).ok()).unwrap_or_default();
    let works = |(_, verdict): &(String, Verdict)| matches!(verdict, Verdict::Works | Verdict::Disabled);
    entries.into_iter().filter(works).map(|(name, _)| name).collect()
}
