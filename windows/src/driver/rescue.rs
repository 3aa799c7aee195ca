//! `kind-wsl.exe rescue`: Windows' own files and console for `crate::rescue`.

use super::{ExitCode, Session, complain, say};
use crate::rescue::{self, File, Machine};
use crate::restart::{Answer, Wsl};
use crate::{cli, exit, sys};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rescues a distribution; returns the exit code.
pub(super) fn run(order: &cli::Rescue) -> i32 {
    let session = Session::new(cli::Run { patience: order.patience, ..cli::Run::default() });
    let windows = session.and_then(Windows::open);
    match windows {
        Ok(mut windows) => {
            let timeouts = windows.session.timeouts;
            let code = rescue::rescue(&mut windows, order, timeouts);
            drop(windows.lock);
            // Fails if another file is in it, which is then kept.
            let _ = fs::remove_dir(&windows.dir);
            code
        }
        Err(ExitCode(code)) => code,
    }
}

struct Windows {
    session: Session,
    dir: PathBuf,
    config: PathBuf,
    /// Held as long as the rescue runs.
    lock: fs::File,
}

impl Windows {
    fn open(session: Session) -> Result<Windows, ExitCode> {
        let files = || {
            let config = sys::profile()?.join(".wslconfig");
            let dir = sys::local_app_data()?.join("kind-wsl");
            fs::create_dir_all(&dir)?;
            let lock = lock(&dir.join("rescue.lock"))?;
            // .wslconfig can be a link: WSL reads its target.
            Ok((fs::canonicalize(&config).unwrap_or(config), dir, lock))
        };
        let found: io::Result<_> = files();
        found.map(|(config, dir, lock)| Windows { session, dir, config, lock }).map_err(|e| {
            const SHARING_VIOLATION: i32 = 32;
            complain(&match e.raw_os_error() {
                Some(SHARING_VIOLATION) => "kind-wsl: another rescue is running.".to_string(),
                _ => format!("kind-wsl: the directory for the files of a rescue cannot be used ({e})."),
            });
            ExitCode(exit::FOLDER)
        })
    }

    fn path(&self, file: File) -> PathBuf {
        match file {
            File::Config => self.config.clone(),
            File::Saved => self.dir.join("rescue.wslconfig"),
            File::State => self.dir.join("rescue.state"),
        }
    }
}

/// A lock file: one process can have it open, and Windows deletes it when that process ends.
fn lock(path: &Path) -> io::Result<fs::File> {
    const WRITE: u32 = 0x4000_0000;
    const DELETE: u32 = 0x1_0000;
    const DELETE_ON_CLOSE: u32 = 0x0400_0000;
    let mut options = OpenOptions::new();
    options.access_mode(WRITE | DELETE).write(true).create(true).share_mode(0).custom_flags(DELETE_ON_CLOSE);
    options.open(path)
}

fn set_read_only(path: &Path, is: bool) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(is);
    fs::set_permissions(path, permissions)
}

fn write(path: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
    if fs::metadata(path).map_or(false, |about| about.permissions().readonly()) {
        set_read_only(path, false)?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".kind-wsl-rescue");
    match bytes {
        Some(bytes) => {
            let mut file = fs::File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&new, path)?;
            OpenOptions::new().write(true).open(path)?.sync_all()
        }
        None => match fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        },
    }
}

impl Wsl for Windows {
    fn call(&mut self, args: &[&str], timeout: Duration) -> Answer {
        self.session.wsl.call(args, timeout)
    }
    fn now(&self) -> Duration {
        self.session.wsl.now()
    }
    fn pause(&mut self, time: Duration) {
        self.session.wsl.pause(time);
    }
    fn note(&mut self, line: &str) {
        self.session.wsl.note(line);
    }
}

impl Machine for Windows {
    fn read(&mut self, file: File) -> Result<Option<Vec<u8>>, String> {
        let path = self.path(file);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("{} cannot be read ({e})", path.display())),
        }
    }

    fn write(&mut self, file: File, bytes: Option<&[u8]>) -> Result<(), String> {
        let path = self.path(file);
        write(&path, bytes).map_err(|e| format!("{} cannot be written ({e})", path.display()))
    }

    fn is_read_only(&mut self) -> bool {
        fs::metadata(&self.config).map_or(false, |about| about.permissions().readonly())
    }

    fn set_read_only(&mut self) {
        let _ = set_read_only(&self.config, true);
    }

    fn run(&mut self, distribution: &str, program: &str, args: &[&str]) -> Result<i32, String> {
        self.session.distribution = distribution.to_string();
        self.session.linux(Some("root"), program, args).map_err(|_| "wsl.exe cannot be started".to_string())
    }

    fn install(&mut self, distribution: &str) -> bool {
        self.session.distribution = distribution.to_string();
        self.session.provide().is_ok()
    }

    fn confirm(&mut self) -> bool {
        let mut answer = String::new();
        let _ = io::stdout().write_all(b"Proceed? [y/N] ").and_then(|()| io::stdout().flush());
        let is_read = io::stdin().read_line(&mut answer).is_ok();
        if !answer.ends_with('\n') {
            say("");
        }
        is_read && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
    }

    fn say(&mut self, text: &str) {
        say(text);
    }

    fn complain(&mut self, text: &str) {
        complain(text);
    }
}
