//! Files under the root: read, and written so that a crash leaves the old file or the new one.

#![allow(clippy::disallowed_methods, reason = "the one place that touches files")]

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use sha2::{Digest, Sha256};

use super::{Cmd, Fuse, Host, HostError, Kind, Output, Owner, Runner, Stat, World};

/// Links followed before we call it a loop: the kernel's own bound (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// The SHA-256 of some bytes as 64 lower-case hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn failed<'p>(action: &'static str, path: &'p Utf8Path) -> impl FnOnce(io::Error) -> HostError + 'p {
    move |source| HostError::File { action, path: path.to_owned(), source }
}

/// While it lives, this thread touches files as the given user. The kernel then refuses what that user may not
/// do, so that a link placed in a home directory can not lead us, as root, elsewhere (setfsuid(2)).
struct AsUser(Option<(Uid, Gid)>);

impl AsUser {
    fn new(host: &Host, owner: Owner) -> Self {
        let Owner::User { uid: user, gid: group } = owner else { return Self(None) };
        if host.uid != 0 {
            return Self(None);
        }
        let was_gid = setfsgid(Gid::from_raw(group));
        let was_uid = setfsuid(Uid::from_raw(user));
        Self(Some((was_uid, was_gid)))
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        if let Some((uid, gid)) = self.0 {
            setfsuid(uid);
            setfsgid(gid);
        }
    }
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
        }
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
        self.fuse.burn(|| format!("run {cmd}"))?;
        let output = self.start(cmd, out)?;
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

    /// Replaces the file at `path` by what `body` writes: a temporary file of a fixed name beside it, its owner and
    /// mode set through the descriptor, synced, renamed, the directory synced. `path` must be resolved already.
    /// It is done as `act`, so that in a home directory root can do no more than the user may; `ids` own the result
    /// as far as `act` may give it away.
    ///
    /// # Errors
    /// What the kernel or `body` refuses; the old file is then untouched and the temporary one gone.
    pub fn write<E: From<HostError>>(
        &self,
        path: &Utf8Path,
        mode: u32,
        ids: (u32, u32),
        act: Owner,
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.fuse.burn(|| format!("create {}", temporary(path)))?;
        let _as_user = AsUser::new(self, act);
        let temp = self.under(&temporary(path))?;
        let result = Self::fill(path, &temp, mode, ids, body).and_then(|()| {
            self.fuse.burn(|| format!("rename {path}"))?;
            let real = self.under(path)?;
            fs::rename(&temp, &real).map_err(failed("replace", path))?;
            Ok(self.sync_dir(path)?)
        });
        if result.is_err() && self.fuse.burn(|| format!("remove {temp}")).is_ok() {
            let _ = fs::remove_file(&temp);
        }
        result
    }

    fn fill<E: From<HostError>>(
        path: &Utf8Path,
        temp: &Utf8Path,
        mode: u32,
        (uid, gid): (u32, u32),
        body: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        // What an interrupted run left under this name goes first: create_new then never follows a link.
        match fs::remove_file(temp) {
            Err(e) if !is_absent(&e) => return Err(failed("write", path)(e).into()),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        options.mode(0o600);
        let mut file = options.open(temp).map_err(failed("write", path))?;
        body(&mut file)?;
        let meta = file.metadata().map_err(failed("examine", path))?;
        // drvfs without metadata refuses owners and modes, and shows the ones of its mount options instead. Whether
        // what is there is what was wanted, the engine sees when it looks again.
        if (meta.uid(), meta.gid()) != (uid, gid) {
            let _ = std::os::unix::fs::fchown(&file, Some(uid), Some(gid));
        }
        let _ = file.set_permissions(PermissionsExt::from_mode(mode));
        file.sync_all().map_err(failed("sync", path))?;
        Ok(())
    }

    fn sync_dir(&self, path: &Utf8Path) -> Result<(), HostError> {
        let dir = self.under(path)?;
        let dir = dir.parent().unwrap_or(&dir);
        let opened = fs::File::open(dir).map_err(failed("open", dir))?;
        // 9p and some network file systems do not sync directories; there is nothing more to be done there.
        match opened.sync_all() {
            Err(e) if e.raw_os_error() == Some(nix::libc::EINVAL) => Ok(()),
            other => other.map_err(failed("sync", dir)),
        }
    }

    /// Removes the file or link at `path`, if there is one.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn remove(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.fuse.burn(|| format!("remove {path}"))?;
        let _as_user = AsUser::new(self, owner);
        match fs::remove_file(self.under(path)?) {
            Err(e) if !is_absent(&e) => Err(failed("remove", path)(e)),
            _ => self.sync_dir(path),
        }
    }

    /// Makes a symbolic link, replacing a link that is there.
    ///
    /// # Errors
    /// What the kernel refuses, among it a file or directory in the way.
    pub fn link(&self, path: &Utf8Path, to: &str, owner: Owner) -> Result<(), HostError> {
        self.fuse.burn(|| format!("link {path}"))?;
        let _as_user = AsUser::new(self, owner);
        let temp = self.under(&temporary(path))?;
        let _ = fs::remove_file(&temp);
        std::os::unix::fs::symlink(to, &temp).map_err(failed("link", path))?;
        fs::rename(&temp, self.under(path)?).map_err(failed("replace", path))?;
        self.sync_dir(path)
    }

    /// The directories above `path` that are not there yet, outermost first.
    ///
    /// # Errors
    /// When a directory above can not be examined, or something else is in its place.
    pub fn missing_dirs(&self, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, HostError> {
        missing_dirs(self, path)
    }

    /// Makes one directory, mode 0755, unless it is there.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn make_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.fuse.burn(|| format!("make directory {path}"))?;
        let _as_user = AsUser::new(self, owner);
        let real = self.under(path)?;
        match fs::create_dir(&real) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(failed("make the directory", path)(e)),
            Ok(()) => {
                // The umask may have taken bits away that a daemon needs to read our drop-in.
                let mode = PermissionsExt::from_mode(0o755);
                fs::set_permissions(&real, mode).map_err(failed("set the mode of", path))?;
                self.sync_dir(path)
            }
        }
    }

    /// Removes a directory that we made, where it is empty.
    ///
    /// # Errors
    /// What the kernel refuses, but not that it is in use or gone.
    pub fn remove_dir(&self, path: &Utf8Path, owner: Owner) -> Result<(), HostError> {
        self.fuse.burn(|| format!("remove directory {path}"))?;
        let _as_user = AsUser::new(self, owner);
        match fs::remove_dir(self.under(path)?) {
            Err(e) if is_absent(&e) || e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other.map_err(failed("remove the directory", path)),
        }
    }

    /// Appends one record to an append-only file and syncs it: a crash leaves it whole, torn or absent, never mixed.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn append(&self, path: &Utf8Path, record: &str) -> Result<(), HostError> {
        let real = self.under(path)?;
        let torn = self.fuse.about_to_blow();
        let line = if torn { &record[..record.len() / 2] } else { record };
        let result = self.fuse.burn(|| format!("append to {path}"));
        if result.is_err() && !torn {
            return result;
        }
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true);
        options.mode(0o644);
        let mut file = options.open(&real).map_err(failed("open", path))?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(failed("append to", path))?;
        result
    }

    /// Cuts a file to a length: takes the torn last record off the journal.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn truncate(&self, path: &Utf8Path, length: u64) -> Result<(), HostError> {
        self.fuse.burn(|| format!("truncate {path}"))?;
        let file =
            fs::OpenOptions::new().write(true).open(self.under(path)?).map_err(failed("open", path))?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed("truncate", path))
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

    /// Opens a file for reading as the user whose file it is.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read>, HostError> {
        let file = fs::File::open(self.under(path)?).map_err(failed("open", path))?;
        Ok(Box::new(file))
    }

    /// Writes a file that the caller named, wherever our root is.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn write_outside(&self, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    /// Opens a file that the caller named, wherever our root is: the files of `--offline`.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn open_outside(&self, path: &Utf8Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(fs::File::open(path)?))
    }
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

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn last_kib(text: &str) -> String {
    let text = text.trim();
    let from = text.len().saturating_sub(1024);
    let from = (from..text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    text[from..].to_owned()
}

impl World for Host {
    fn stat(&self, path: &Utf8Path) -> Result<Option<Stat>, HostError> {
        let real = self.under(path)?;
        Self::lstat(&real).map_err(|e| relabel(e, path))
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, HostError> {
        let real = self.join(&self.resolve(path)?);
        match fs::read(&real) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(failed("read", path)(e)),
        }
    }

    fn list(&self, dir: &Utf8Path) -> Result<Vec<String>, HostError> {
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
        Ok(done)
    }

    fn query(&self, cmd: &Cmd) -> Result<Output, HostError> {
        self.start(cmd, &mut |_| {})
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
