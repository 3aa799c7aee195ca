//! Files under the root: paths are resolved as in a chroot.

#![allow(clippy::disallowed_methods, reason = "the one place that touches files")]

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use super::cache::FileCache;
use super::identity::FsIdentityGuard;
use super::open::{Bounded, LARGE, TEXT, regular};
use super::walk::{Met, Root, Spot, UNKNOWN, dirs_in, names_in};
use super::{
    Cmd, DownloadDir, FaultInjector, FileKind, HostError, LiveSystem, Output, Owner, Runner, Stat, System,
};

/// Programs whose versions and candidates decide on the changes of a setup.
const DECIDING: [&str; 4] = ["crun", "systemctl", "wslinfo", "apt-cache"];

/// The SHA-256 of some bytes as 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the sha256 of a reader, as 64 lower-case hexadecimal digits.
///
/// # Errors
/// It cannot be read to its end.
pub fn sha256_in(reader: &mut dyn Read) -> io::Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Bytes in lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn failed<'p>(
    action: &'static str,
    path: &'p Utf8Path,
) -> impl FnOnce(io::Error) -> HostError + 'p {
    move |source| HostError::File { action, path: path.to_owned(), source }
}

impl LiveSystem {
    /// The machine itself, or the tree at `root`, with `runner` for commands and `env` as the caller's environment.
    #[must_use]
    pub fn new(
        root: &Utf8Path,
        runner: Box<dyn Runner>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            root: root.to_owned(),
            top: Arc::new(Root::at(root)),
            runner,
            env: env.into_iter().collect(),
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            fault: FaultInjector::default(),
            cache: FileCache::default(),
            user_paths: RefCell::default(),
            unanswered: RefCell::default(),
            is_alone: Rc::default(),
        }
    }

    /// Why a program that the setup depends on could not be queried, if one could not.
    #[must_use]
    pub fn take_unanswered(&self) -> Option<HostError> {
        self.unanswered.take()
    }

    /// Adds a variable to the caller's environment.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The same system with a fault injector.
    #[must_use]
    pub fn with_fault_injector(mut self, fault: FaultInjector) -> Self {
        self.fault = fault;
        self
    }

    /// The fault injector, to read the number of effects.
    #[must_use]
    pub fn fault_injector(&self) -> &FaultInjector {
        &self.fault
    }

    /// Whether this is the running system, not a tree below another root.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.root == "/"
    }

    /// Whether root-owned files can be changed.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// The numeric user ID of this process.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Runs a command that has an effect, and passes its output on line by line.
    ///
    /// # Errors
    /// It cannot be started, does not end in time, or exits with another code than 0.
    pub fn run(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> Result<Output, HostError> {
        self.fault
            .hit(|| format!("run {cmd}"))
            .map_err(|source| HostError::Start { command: cmd.to_string(), source })?;
        let output = self.start(&Cmd { changes: true, ..cmd.clone() }, out)?;
        if output.code == 0 {
            return Ok(output);
        }
        let text = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        Err(HostError::Failed { command: Box::new(cmd.clone()), code: output.code, detail: last_kib(text) })
    }

    fn start(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> Result<Output, HostError> {
        self.runner.run(cmd, out).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => HostError::TimedOut { command: cmd.to_string(), seconds: cmd.seconds },
            _ => HostError::Start { command: cmd.to_string(), source },
        })
    }

    /// Opens the directory of `path`, and returns the identity: `act`, or the owner of a link on the way.
    pub(super) fn reach(
        &self,
        path: &Utf8Path,
        follow: bool,
        mut act: FsIdentityGuard,
    ) -> Result<(Spot, FsIdentityGuard), HostError> {
        if !follow
            && let Some(spot) =
                self.top.directory_of(path).map_err(io::Error::from).map_err(failed("examine", path))?
        {
            return Ok((spot, act));
        }
        let spot = self.top.walk(path, follow, &mut |at, met| {
            if !FsIdentityGuard::is_on() {
                act = match met {
                    Met::Dir(_) => self.identity_for(at),
                    Met::Link(stat) => self.following(stat),
                };
            }
            Ok(())
        })?;
        Ok((spot, act))
    }

    /// Opens the file at `path`, after links are followed, without blocking; as the user if it belongs to the user.
    pub(super) fn open_at(&self, path: &Utf8Path, flags: OFlag) -> Result<fs::File, HostError> {
        let act = self.identity_for(path);
        match self.top.open(path, flags | UNKNOWN) {
            Err(Errno::ELOOP) => {}
            opened => {
                return opened.map(fs::File::from).map_err(io::Error::from).map_err(failed("read", path));
            }
        }
        let (spot, _act) = self.reach(path, true, act)?;
        spot.open(flags, 0).map_err(failed("read", path))
    }

    /// A directory of kind-wsl for partial downloads.
    #[must_use]
    pub fn download_dir(&self, dir: &Utf8Path) -> DownloadDir {
        DownloadDir::below(Arc::clone(&self.top), dir)
    }

    /// Opens a regular file for reading, as the user if it belongs to the user.
    ///
    /// # Errors
    /// The kernel refuses it, or it is a device, socket or pipe.
    pub fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read>, HostError> {
        let file = self.open_at(path, OFlag::O_RDONLY)?;
        Ok(Box::new(regular(file).map_err(failed("open", path))?))
    }

    /// Returns the bytes of a regular file that may be a program, to save them before a change.
    ///
    /// # Errors
    /// As [`System::read`].
    pub fn read_large(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        self.read_within(path, LARGE)
    }

    fn read_within(&self, path: &Utf8Path, most: u64) -> Result<Option<Vec<u8>>, HostError> {
        let opened = self.open_at(path, OFlag::O_RDONLY);
        absent_is_none(
            opened.and_then(|file| {
                Bounded::new(file, most).and_then(Bounded::whole).map_err(failed("read", path))
            }),
        )
    }
}

/// `None` if it does not exist.
fn absent_is_none<T>(found: Result<T, HostError>) -> Result<Option<T>, HostError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(HostError::File { source, .. }) if is_absent(&source) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether standard input is a pipe or a file, and thus may contain data.
#[must_use]
pub fn has_piped_input() -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata("/proc/self/fd/0").is_ok_and(|input| input.file_type().is_fifo() || input.is_file())
}

/// The standard input of the caller.
#[must_use]
pub fn standard_input() -> Box<dyn Read> {
    Box::new(io::stdin().lock())
}

/// The missing directories above `path`, outermost first.
pub(crate) fn missing_dirs(system: &dyn System, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, HostError> {
    let mut missing = Vec::new();
    for dir in path.ancestors().skip(1) {
        let real = system.resolve(dir)?;
        match system.stat(&real)? {
            Some(Stat { kind: FileKind::Dir, .. }) => break,
            Some(_) => return Err(failed("use", dir)(io::Error::from_raw_os_error(nix::libc::ENOTDIR))),
            None => missing.push(dir.to_owned()),
        }
    }
    missing.reverse();
    Ok(missing)
}

/// One fixed name per target: a crash leaves at most one temporary file, and the next run removes it.
pub(crate) fn temporary(path: &Utf8Path) -> Utf8PathBuf {
    let name = path.file_name().unwrap_or("file");
    path.with_file_name(format!(".{name}.kind-wsl"))
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn last_kib(text: &str) -> String {
    let text = text.trim();
    let from = text.len().saturating_sub(1024);
    let from = (from..text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    text[from..].to_owned()
}

impl System for LiveSystem {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let reached = self.reach(path, false, self.identity_for(path));
        absent_is_none(
            reached
                .and_then(|(spot, _act)| spot.stat().map_err(failed("examine", path)))
                .map_err(|e| relabel(e, path)),
        )
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        self.read_within(path, TEXT)
    }

    fn read_file(&self, path: &Utf8Path) -> Result<Option<(Stat, Vec<u8>)>, HostError> {
        absent_is_none(self.read_cached(path).map_err(|e| relabel(e, path)))
    }

    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        // Not as a whole: it can be a program of 50 MB.
        let opened = self.open_at(path, OFlag::O_RDONLY);
        absent_is_none(opened.and_then(|file| {
            Bounded::new(file, LARGE).and_then(|mut file| sha256_in(&mut file)).map_err(failed("read", path))
        }))
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let opened = self.open_at(dir, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
        let names = absent_is_none(opened.and_then(|opened| names_in(opened).map_err(failed("list", dir))))?;
        Ok(names.unwrap_or_default())
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        let act = self.identity_for(path);
        // Without opening it, which is slow on Windows drives.
        let found = self.top.directory_of(path).map_err(io::Error::from).map_err(failed("examine", path))?;
        if let Some(spot) = found {
            match spot.stat() {
                Ok(Stat { kind: FileKind::Link(_), .. }) => {}
                Err(e) if !is_absent(&e) => return Err(failed("examine", path)(e)),
                _ => return Ok(plain(path)),
            }
        }
        let (spot, act) = self.reach(path, true, act)?;
        self.record_link_target(path, &spot.real, &act);
        Ok(spot.real)
    }

    fn list_dirs(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let opened = self.open_at(dir, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
        let names = absent_is_none(opened.and_then(|opened| dirs_in(opened).map_err(failed("list", dir))))?;
        Ok(names.unwrap_or_default())
    }

    fn exists_in_process(&self, pid: u32, path: &str) -> Option<bool> {
        let path = format!("/proc/{pid}/root{path}");
        if !self.is_live() {
            return Some(self.exists(&path));
        }
        // The magic link `root` is in another mount namespace: only the kernel can follow it.
        match fs::metadata(path) {
            Ok(_) => Some(true),
            Err(e) if is_absent(&e) => Some(false),
            Err(_) => None,
        }
    }

    fn run_readonly(&self, cmd: &Cmd) -> Result<Output, HostError> {
        self.start(cmd, &mut |_| {})
    }

    fn note_unanswered(&self, cmd: &Cmd, error: HostError) {
        let program = Utf8Path::new(&cmd.program).file_name().unwrap_or_default();
        // A crun can have any name.
        let decides = DECIDING.contains(&program) || program.contains("crun");
        // Without root nothing is run in another tree; a plan then uses only its files.
        let is_refused = matches!(&error, HostError::Start { source, .. } if source.raw_os_error() == Some(nix::libc::EPERM));
        let is_outside = is_refused && !self.is_live();
        if decides && error.is_unanswered() && !is_outside {
            *self.unanswered.borrow_mut() = Some(error);
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn resolve_owner(&self, owner: Owner) -> (u32, u32) {
        match owner {
            _ if self.uid != 0 => (self.uid, self.gid),
            Owner::Root => (0, 0),
            Owner::User { uid, gid } => (uid, gid),
        }
    }
}

/// Replaces the path of an error by the path for users.
fn relabel(error: HostError, path: &Utf8Path) -> HostError {
    match error {
        HostError::File { action, source, .. } => HostError::File { action, path: path.to_owned(), source },
        other => other,
    }
}

/// The same path, absolute and without empty components.
fn plain(path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::from("/");
    plain.extend(path.components().filter(|c| matches!(c, Utf8Component::Normal(_))));
    plain
}
