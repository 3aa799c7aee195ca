//! `kind-wsl-helper.exe`: where it is, what it answers, what it left for the run that goes on. Its own side of this is
//! windows/README.md.

use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Interop, InteropError};
use crate::change::Scope;
use crate::host::{Account, Cmd, HostError, Kind, LiveSystem, Owner, Stat, System, TempDir, is_roots_own};

const NAME: &str = "kind-wsl-helper.exe";
/// The directory of ours below a profile's local application data, on the drive that the profile is on: a program on
/// `\\wsl.localhost` would lose its file when the distribution stops.
const PLACE: &str = "AppData/Local/kind-wsl";
/// What the helper and we put there.
const ENDINGS: [&str; 4] = [".exe", ".log", ".result", ".ready"];
/// More than any result has; what is longer was not written by the helper.
const LONGEST_RESULT: usize = 8192;

/// The helper as it was built in, where it was.
#[cfg(kind_wsl_helper)]
const BUILT_IN: Option<&[u8]> = Some(include_bytes!(env!("KIND_WSL_HELPER_EXE")));
#[cfg(not(kind_wsl_helper))]
const BUILT_IN: Option<&[u8]> = None;

/// The program, not yet where it outlives the distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    bytes: Vec<u8>,
    file: Option<Utf8PathBuf>,
}

/// The helper where Windows can run it as long as the distribution runs.
#[derive(Debug)]
pub enum Lent {
    /// The file that it was found in.
    Found(Utf8PathBuf),
    /// One that goes away with this.
    Made(TempDir),
}

impl Lent {
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        match self {
            Self::Found(path) => path.clone(),
            Self::Made(scratch) => scratch.path(NAME),
        }
    }
}

impl Helper {
    /// The one beside this program, if only root can have put it there; otherwise the one that was built in.
    #[must_use]
    pub fn find(host: &LiveSystem) -> Option<Self> {
        let beside = || {
            let path = Utf8PathBuf::from(host.env("KIND_WSL_PROGRAM")?).with_file_name(NAME);
            is_roots_own(&path).then_some(path)
        };
        // Tests bring their own.
        #[cfg(feature = "test-seams")]
        let named = host.env("KIND_WSL_HELPER").map(Utf8PathBuf::from);
        #[cfg(not(feature = "test-seams"))]
        let named = None;
        let read = |path: Utf8PathBuf| {
            let mut bytes = Vec::new();
            host.open_host_path(&path).ok()?.read_to_end(&mut bytes).ok()?;
            Some(Self { bytes, file: Some(path) })
        };
        let found = named.and_then(read).or_else(|| beside().and_then(read));
        found.or_else(|| BUILT_IN.map(|bytes| Self { bytes: bytes.to_vec(), file: None }))
    }

    /// For a question that is answered at once: Windows reads it from inside the distribution.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn lend(self) -> std::io::Result<Lent> {
        if let Some(file) = self.file {
            return Ok(Lent::Found(file));
        }
        let scratch = TempDir::new()?;
        scratch.put(NAME, &self.bytes)?;
        scratch.show(NAME)?;
        Ok(Lent::Made(scratch))
    }

    /// Puts it into our directory on the Windows side, which is made. The journal has to name that directory already.
    pub fn place(
        &self,
        host: &LiveSystem,
        place: &Utf8Path,
        user: &Account,
    ) -> Result<Utf8PathBuf, HostError> {
        let owner = crate::change::user_owner(user);
        let path = place.join(NAME);
        for dir in host.missing_dirs(&path)? {
            host.make_dir(&dir, owner)?;
        }
        let there = host.sha256(&path)?;
        if there.as_deref() != Some(&crate::host::digest(&self.bytes)) {
            let refused = |source| HostError::File { action: "write", path: path.clone(), source };
            host.write(&path, 0o755, host.resolve_owner(owner), owner, |sink| {
                sink.write_all(&self.bytes).map_err(refused)
            })?;
        }
        Ok(path)
    }

    /// Whether it can be our directory on the Windows side: whatever the helper, or who stands in for it, says of its
    /// folder, in another one there is nothing of ours to write or to remove.
    #[must_use]
    pub fn is_place(place: &Utf8Path) -> bool {
        let own = Utf8Path::new(PLACE).file_name();
        let plain = |c| !matches!(c, camino::Utf8Component::ParentDir | camino::Utf8Component::CurDir);
        place.is_absolute() && place.file_name() == own && place.components().all(plain)
    }

    /// Our directory in a profile.
    #[must_use]
    pub fn place_in(profile: &Utf8Path) -> Utf8PathBuf {
        profile.join(PLACE)
    }
}

/// What the helper sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The profile of the Windows account that this session runs as, as Windows writes it.
    pub profile: String,
    /// Where the helper will write, as Windows writes it.
    pub folder: String,
    /// Why it can not restart WSL from this session, where it can not.
    pub unable: Option<String>,
    /// The distributions that run; `None` where wsl.exe did not say.
    pub running: Option<Vec<String>>,
}

impl Look {
    /// Asks the helper at `path`.
    ///
    /// # Errors
    /// When it can not be started from this session.
    pub fn of(interop: &Interop<'_>, path: &Utf8Path) -> Result<Self, InteropError> {
        Ok(Self::parse(&interop.ask(path, &["look"])?))
    }

    fn parse(said: &str) -> Self {
        let values = |key: &'static str| {
            pairs(said).filter(move |(k, _)| *k == key).map(|(_, value)| value.to_owned())
        };
        let one = |key| values(key).next();
        Self {
            profile: one("profile").unwrap_or_default(),
            folder: one("folder").unwrap_or_default(),
            unable: (one("able").as_deref() != Some("yes"))
                .then(|| one("why").unwrap_or_else(|| "it does not say why".to_owned())),
            running: one("listing").is_none().then(|| values("running").collect()),
        }
    }
}

/// How stopping WSL went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    Stopped {
        /// After how many milliseconds, where that is known.
        milliseconds: Option<u64>,
    },
    /// It did not come to an end, or came up again at once.
    StillRunning,
    /// `wsl.exe` did not answer and was ended.
    Hung,
    /// `wsl.exe` refused, or could not be started.
    Failed,
    /// The helper was never told to begin.
    Abandoned,
    /// It is still at it, or was ended itself.
    Unfinished,
}

/// What the helper wrote down about a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub stop: Stop,
    /// One line for people.
    pub detail: Option<String>,
    /// Whether this result is final: the helper will not stop WSL any more.
    pub is_last: bool,
}

impl Outcome {
    /// Reads the result of the restart `id` in one of our directories; `None` where the helper left none.
    #[must_use]
    pub fn probe(system: &dyn System, places: &[Utf8PathBuf], id: &str) -> Option<Self> {
        let read = |place: &Utf8PathBuf| {
            let path = place.join(format!("{id}.result"));
            // The helper writes a file; what a link there leads to is not what it wrote.
            let is_file = matches!(system.stat(&path), Ok(Some(Stat { kind: Kind::File, .. })));
            is_file.then(|| system.read(&path).ok().flatten()).flatten()
        };
        let bytes = places.iter().find_map(read)?;
        let text = String::from_utf8_lossy(bytes.get(..LONGEST_RESULT).unwrap_or(&bytes)).into_owned();
        let value = |key: &str| pairs(&text).find(|(k, _)| *k == key).map(|(_, value)| value.to_owned());
        if value("id").as_deref() != Some(id) {
            return None;
        }
        let state = value("state").unwrap_or_default();
        let stop = match value("stop").as_deref().unwrap_or(&state) {
            "stopped" => Stop::Stopped { milliseconds: value("stopped_ms").and_then(|ms| ms.parse().ok()) },
            "still-running" => Stop::StillRunning,
            "hung" => Stop::Hung,
            "failed" => Stop::Failed,
            "abandoned" => Stop::Abandoned,
            _ => Stop::Unfinished,
        };
        let is_last = matches!(state.as_str(), "hung" | "failed" | "abandoned" | "ended");
        Some(Self { stop, detail: value("detail").map(|line| printable(&line)), is_last })
    }

    #[must_use]
    pub fn name(&self) -> String {
        let stop = match &self.stop {
            Stop::Stopped { milliseconds: Some(ms) } => {
                format!("the helper stopped it in {}.{} s", ms / 1000, ms % 1000 / 100)
            }
            Stop::Stopped { .. } => "the helper stopped it".to_owned(),
            Stop::StillRunning => {
                "the helper asked for the stop, and it was running all the time or came up again at once"
                    .to_owned()
            }
            Stop::Hung => "wsl.exe did not answer and was ended by the helper".to_owned(),
            Stop::Failed => "wsl.exe refused to stop it".to_owned(),
            Stop::Abandoned => "the helper was never told to begin".to_owned(),
            Stop::Unfinished => "the helper did not come to an end".to_owned(),
        };
        match &self.detail {
            Some(detail) => format!("{stop} ({detail})"),
            None => stop,
        }
    }
}

/// A restart that the helper shall do.
#[derive(Clone, Debug)]
pub struct Order<'o> {
    /// Its name in the journal.
    pub id: &'o str,
    pub distro: &'o str,
    pub scope: Scope,
    /// Whose session is opened before the run goes on.
    pub user: &'o str,
    pub program: &'o str,
}

impl Order<'_> {
    /// The command line that starts the helper at `path`; it answers as soon as its detached copy runs.
    #[must_use]
    pub fn command(&self, interop: &Interop<'_>, path: &Utf8Path) -> Cmd {
        let scope = if self.scope == Scope::Distro { "distro" } else { "vm" };
        let flags = [
            ("--id", self.id),
            ("--distro", self.distro),
            ("--scope", scope),
            ("--user", self.user),
            ("--program", self.program),
        ];
        let args = flags.into_iter().flat_map(|(flag, value)| [flag, value]);
        interop.command(path, std::iter::once("restart").chain(args))
    }
}

/// Signals the helper that the journal is durable and that it may stop WSL.
pub fn give_the_word(host: &LiveSystem, place: &Utf8Path, id: &str, user: &Account) -> Result<(), HostError> {
    let owner = crate::change::user_owner(user);
    let path = place.join(format!("{id}.ready"));
    let refused = |source| HostError::File { action: "write", path: path.clone(), source };
    host.write(&path, 0o644, host.resolve_owner(owner), owner, |sink| {
        sink.write_all(b"ready\n").map_err(refused)
    })
}

/// Removes the files of an earlier attempt at the same restart: a stale `.ready` file would trigger it at once.
pub fn forget(host: &LiveSystem, place: &Utf8Path, id: &str, user: &Account) -> Result<(), HostError> {
    let left = ["ready", "result"].map(|ending| place.join(format!("{id}.{ending}")));
    for path in left {
        if host.stat(&path)?.is_some() {
            host.remove(&path, crate::change::user_owner(user))?;
        }
    }
    Ok(())
}

/// Removes what the helper and we put into one of our directories on the Windows side, and the directory.
///
/// # Errors
/// What the drive refuses: Windows keeps the file of a program that runs.
pub fn clear(host: &LiveSystem, place: &Utf8Path, owner: Owner) -> Result<(), HostError> {
    if !Helper::is_place(place) {
        return Ok(());
    }
    for name in host.list(place)? {
        if ENDINGS.iter().any(|ending| name.trim_end_matches(".kind-wsl").ends_with(ending)) {
            host.remove(&place.join(name), owner)?;
        }
    }
    if host.stat(place)?.is_some() { host.remove_dir(place, owner) } else { Ok(()) }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.trim_end().split_once('='))
}

/// Without the characters that move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::Look;

    #[test]
    fn the_helper_says_who_it_is_and_what_runs() {
        let said = "version=0.1.0\r\nprofile=C:\\Users\\J\u{fc}rgen\r\nfolder=C:\\x\r\nable=yes\r\nrunning=Debian\r\nrunning=b\r\n";
        let look = Look::parse(said);
        assert_eq!(look.profile, "C:\\Users\\J\u{fc}rgen");
        assert_eq!((look.unable, look.running), (None, Some(vec!["Debian".to_owned(), "b".to_owned()])));
    }

    #[test]
    fn a_helper_that_is_not_able_says_why() {
        let look = Look::parse("able=no\nwhy=in a job\nlisting=failed: no answer\n");
        assert_eq!((look.unable.as_deref(), look.running), (Some("in a job"), None));
    }
}
