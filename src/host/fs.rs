//! Files under the root: paths as a chroot would see them, and what is there.

#![allow(clippy::disallowed_methods, reason = "the one place that touches files")]

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::fuse::Blown;
use super::open::{Bounded, regular};
use super::{Cmd, Fuse, Host, HostError, Kind, Output, Owner, Runner, Staging, Stat, World};

/// Programs whose versions and candidates decide what the setup changes.
const DECIDING: [&str; 4] = ["crun", "systemctl", "wslinfo", "apt-cache"];

/// Links followed before we call it a loop: the kernel's own bound (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// The SHA-256 of some bytes as 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The sha256 of what can be read, in 64 lower-case hexadecimal digits.
///
/// # Errors
/// When it can not be read to its end.
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

/// The lock that keeps two runs apart; freed when dropped.
#[derive(Debug)]
pub struct Lock {
    _dir: std::fs::File,
}

impl Host {
    /// The machine itself, or the tree at `root`, with `runner` to run commands and `env` as the caller's environment.
    #[must_use]
    pub fn new(
        root: &Utf8Path,
        runner: Box<dyn Runner>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            root: root.to_owned(),
            runner,
            env: env.into_iter().collect(),
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            fuse: Fuse::default(),
            theirs: RefCell::default(),
            unanswered: RefCell::default(),
        }
    }

    /// Why a program whose answer decides on the setup could not be asked, if one could not.
    #[must_use]
    pub fn take_unanswered(&self) -> Option<HostError> {
        self.unanswered.take()
    }

    /// Adds a variable to the caller's environment.
    pub fn tell(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// The same host with a fuse that blows before one of its effects.
    #[must_use]
    pub fn with_fuse(mut self, fuse: Fuse) -> Self {
        self.fuse = fuse;
        self
    }

    /// The fuse, to read how many effects there were.
    #[must_use]
    pub fn fuse(&self) -> &Fuse {
        &self.fuse
    }

    /// Whether this is the running system, not a tree below some other root.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.root == "/"
    }

    /// Whether we may change what root owns.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// The numeric user that runs us.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Runs a command that has an effect, handing its output on line by line.
    ///
    /// # Errors
    /// When it can not be started, does not end in time or ends with another exit code than 0.
    pub fn run(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> Result<Output, HostError> {
        self.fuse.burn(|| format!("run {cmd}")).map_err(|blown| match blown {
            Blown::Crashed => HostError::Crashed(format!("run {cmd}")),
            Blown::Refused(source) => HostError::Start { command: cmd.to_string(), source },
        })?;
        let output = self.start(&Cmd { changes: true, ..cmd.clone() }, out)?;
        if output.code == 0 {
            return Ok(output);
        }
        let text = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        Err(HostError::Failed { command: cmd.to_string(), code: output.code, detail: last_kib(text) })
    }

    fn start(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> Result<Output, HostError> {
        self.runner.run(cmd, out).map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => HostError::Slow { command: cmd.to_string(), seconds: cmd.seconds },
            _ => HostError::Start { command: cmd.to_string(), source },
        })
    }

    /// Our root in front of a path whose directories are resolved inside it.
    pub(super) fn under(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        if self.is_live() {
            return Ok(path.to_owned());
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(self.root.clone());
        };
        Ok(self.join(&self.resolve(parent)?).join(name))
    }

    fn join(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn lstat(resolved: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let meta = match fs::symlink_metadata(resolved) {
            Ok(meta) => meta,
            Err(e) if is_absent(&e) => return Ok(None),
            Err(e) => return Err(failed("examine", resolved)(e)),
        };
        let kind = if meta.is_symlink() {
            let to = fs::read_link(resolved).map_err(failed("read the link", resolved))?;
            Kind::Link(to.to_string_lossy().into_owned())
        } else if meta.is_dir() {
            Kind::Dir
        } else if meta.is_file() {
            Kind::File
        } else {
            Kind::Other
        };
        Ok(Some(Stat { kind, mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), len: meta.len() }))
    }

    /// A directory of ours for files that are not whole yet.
    #[must_use]
    pub fn staging(&self, dir: &Utf8Path) -> Staging {
        Staging::at(&self.join(dir))
    }

    /// Takes the lock on a directory, or answers `None` where another process holds it.
    ///
    /// # Errors
    /// When the directory can not be opened.
    pub fn lock(&self, dir: &Utf8Path) -> Result<Option<Lock>, HostError> {
        let opened = fs::File::open(self.under(dir)?).map_err(failed("open", dir))?;
        match opened.try_lock() {
            Ok(()) => Ok(Some(Lock { _dir: opened })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(failed("lock", dir)(e)),
        }
    }

    /// Opens a regular file for reading, as the user where it is theirs.
    ///
    /// # Errors
    /// What the kernel refuses; a device, socket or pipe.
    pub fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read>, HostError> {
        let _as_user = self.looking_at(path);
        let file = regular(&self.under(path)?).map_err(failed("open", path))?;
        Ok(Box::new(file))
    }

    /// Makes a directory that the caller named, wherever our root is, unless it is there.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn make_dir_outside(&self, path: &Utf8Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }
}

/// What the caller hands us on standard input.
#[must_use]
pub fn standard_input() -> Box<dyn Read> {
    Box::new(io::stdin().lock())
}

/// A directory that the caller named, absolute and without links; `None` where it is no directory.
///
/// # Errors
/// When nothing is there, or it can not be reached.
pub fn directory(path: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
    let real = path.canonicalize_utf8()?;
    Ok(real.is_dir().then_some(real))
}

/// The directories above `path` that are not there, outermost first.
pub(crate) fn missing_dirs(world: &dyn World, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, HostError> {
    let mut missing = Vec::new();
    for dir in path.ancestors().skip(1) {
        let real = world.resolve(dir)?;
        match world.stat(&real)? {
            Some(Stat { kind: Kind::Dir, .. }) => break,
            Some(_) => return Err(failed("use", dir)(io::Error::from_raw_os_error(nix::libc::ENOTDIR))),
            None => missing.push(dir.to_owned()),
        }
    }
    missing.reverse();
    Ok(missing)
}

/// One fixed name per target: a crash leaves at most one leftover, and the next run sweeps it.
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

impl World for Host {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let _as_user = self.looking_at(path);
        let real = self.under(path)?;
        Self::lstat(&real).map_err(|e| relabel(e, path))
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        let _as_user = self.looking_at(path);
        let real = self.join(&self.resolve(path)?);
        match Bounded::open(&real).and_then(Bounded::whole) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(failed("read", path)(e)),
        }
    }

    fn sha256(&self, path: &Utf8Path) -> Result<Option<String>, HostError> {
        let _as_user = self.looking_at(path);
        let real = self.join(&self.resolve(path)?);
        // Not as a whole: it may be a program of 50 MB.
        match Bounded::open(&real).and_then(|mut file| sha256_in(&mut file)) {
            Ok(hash) => Ok(Some(hash)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(failed("read", path)(e)),
        }
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
        let _as_user = self.looking_at(dir);
        let real = self.join(&self.resolve(dir)?);
        let entries = match fs::read_dir(&real) {
            Ok(entries) => entries,
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            Err(e) => return Err(failed("list", dir)(e)),
        };
        let mut names: Vec<String> =
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn resolve(&self, path: &Utf8Path) -> Result<Utf8PathBuf, HostError> {
        let _as_user = self.looking_at(path);
        let mut todo: Vec<String> = components(path);
        let mut done = Utf8PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&name);
            match Self::lstat(&self.join(&next)).map_err(|e| relabel(e, &next))? {
                Some(Stat { kind: Kind::Link(to), .. }) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(HostError::Loop(path.to_owned()));
                    }
                    if to.starts_with('/') {
                        done = Utf8PathBuf::from("/");
                    }
                    todo.extend(components(Utf8Path::new(&to)));
                }
                _ => done = next,
            }
        }
        self.leads(path, &done);
        Ok(done)
    }

    fn real(&self, dir: &Utf8Path) -> Option<std::path::PathBuf> {
        if self.is_live() {
            return Some(dir.into());
        }
        self.resolve(dir).ok().map(|real| self.join(&real).into())
    }

    fn query(&self, cmd: &Cmd) -> Result<Output, HostError> {
        self.start(cmd, &mut |_| {})
    }

    fn note_unanswered(&self, cmd: &Cmd, error: HostError) {
        let program = Utf8Path::new(&cmd.program).file_name().unwrap_or_default();
        // A crun may have any name.
        let decides = DECIDING.contains(&program) || program.contains("crun");
        // Without root nothing is started in another tree, and a plan is made from its files alone.
        let is_refused = matches!(&error, HostError::Start { source, .. } if source.raw_os_error() == Some(nix::libc::EPERM));
        let is_outside = is_refused && !self.is_live();
        if decides && error.is_unanswered() && !is_outside {
            *self.unanswered.borrow_mut() = Some(error);
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn ids(&self, owner: Owner) -> (u32, u32) {
        match owner {
            _ if self.uid != 0 => (self.uid, self.gid),
            Owner::Root => (0, 0),
            Owner::User { uid, gid } => (uid, gid),
        }
    }
}

/// Names the path as the user knows it.
fn relabel(error: HostError, path: &Utf8Path) -> HostError {
    match error {
        HostError::File { action, source, .. } => HostError::File { action, path: path.to_owned(), source },
        other => other,
    }
}

/// The names of a path, last first, so that the next one is at the end.
fn components(path: &Utf8Path) -> Vec<String> {
    path.components()
        .rev()
        .filter(|c| !matches!(c, Utf8Component::RootDir | Utf8Component::CurDir))
        .map(|c| c.as_str().to_owned())
        .collect()
}
