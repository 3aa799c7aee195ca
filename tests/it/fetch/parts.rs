//! A download into a directory of its own, as the program has it.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::fetch::{Artifact, FetchError, Source, Transfer, download, resume};
use kind_wsl::host::{DownloadDir, LiveSystem, Process};
use tempfile::TempDir;

/// The name under which a test downloads.
const NAME: &str = "crun";

/// The part of a file, and what was done to it.
#[derive(Debug)]
pub struct Part {
    dir: PathBuf,
    _temporary: Option<TempDir>,
    /// How often bytes of it were thrown away for others.
    pub restarts: usize,
    /// Bytes that were written to it in all.
    pub written: usize,
}

impl Default for Part {
    fn default() -> Self {
        Self::of(b"")
    }
}

impl Part {
    /// One of which an earlier run kept these bytes.
    pub fn of(kept: &[u8]) -> Self {
        // A whole file is synced before it gets its name, which takes longer than the download on a busy disk.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let part = Self { _temporary: None, ..Self::at(dir.path()) };
        if !kept.is_empty() {
            std::fs::write(part.partial(), kept).unwrap();
        }
        Self { _temporary: Some(dir), ..part }
    }

    /// The one in this directory.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), _temporary: None, restarts: 0, written: 0 }
    }

    /// Where its bytes are until it is whole.
    pub fn partial(&self) -> PathBuf {
        self.dir.join(format!("{NAME}.partial"))
    }

    /// What there is of the file: the whole, or what is kept.
    pub fn bytes(&self) -> Vec<u8> {
        let whole = std::fs::read(self.dir.join(NAME));
        whole.or_else(|_| std::fs::read(self.partial())).unwrap_or_default()
    }

    /// Removes it.
    pub fn clear(&self) {
        for path in [self.dir.join(NAME), self.partial()] {
            let _ = std::fs::remove_file(path);
        }
    }

    fn staging(&self) -> DownloadDir {
        let root = Utf8Path::new("/");
        let dir = Utf8PathBuf::from_path_buf(self.dir.clone()).unwrap();
        LiveSystem::new(root, Box::new(Process::new(root)), []).download_dir_at_host_path(&dir).unwrap()
    }
}

/// How often bytes have arrived in this process, and who waits for that: a server that must not break the line
/// before the client has read what was sent.
pub static ARRIVED: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// One call: how it ended, what it told, and how long it wanted to wait.
pub struct Ran {
    pub outcome: Result<(), FetchError>,
    pub told: Vec<Transfer>,
    pub waits: Vec<u64>,
}

type Pause<'a> = &'a mut dyn FnMut(Duration) -> bool;
type Told<'a> = &'a mut dyn FnMut(Transfer);

/// Downloads into `part`; the first `patience` waits are skipped.
pub fn run(artifact: &Artifact, source: &Source, part: &mut Part, patience: usize) -> Ran {
    let staging = part.staging();
    let mut work = |pause: Pause<'_>, progress: Told<'_>| {
        download(artifact, NAME, source, &staging, pause, progress).map(drop)
    };
    observed(part, patience, &mut work)
}

/// The same, where only the first bytes of what is kept can be read back.
pub fn run_damaged(artifact: &Artifact, part: &mut Part, readable: u64) -> Ran {
    let (staging, path) = (part.staging(), part.partial());
    let mut work = |pause: Pause<'_>, progress: Told<'_>| {
        let mut file = staging.part(NAME).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(readable).unwrap();
        resume(artifact, &Source::default(), &mut file, pause, progress)?;
        file.finish().unwrap();
        Ok(())
    };
    observed(part, 0, &mut work)
}

fn observed(
    part: &mut Part,
    patience: usize,
    work: &mut dyn FnMut(Pause<'_>, Told<'_>) -> Result<(), FetchError>,
) -> Ran {
    let (mut told, mut waits) = (Vec::new(), Vec::new());
    let mut pause = |time: Duration| {
        waits.push(time.as_secs());
        waits.len() <= patience
    };
    // What the part has, and what it has once the next byte of an answer is written to it.
    let (mut has, mut kept) = (part.bytes().len() as u64, 0);
    let mut progress = |p| {
        told.push(p);
        match p {
            Transfer::Started { kept: begin, .. } => kept = begin,
            Transfer::Bytes { done, .. } => {
                part.restarts += usize::from(kept < has);
                part.written += (done - kept) as usize;
                (has, kept) = (done, done);
                *ARRIVED.0.lock().unwrap() += 1;
                ARRIVED.1.notify_all();
            }
            _ => {}
        }
    };
    let outcome = work(&mut pause, &mut progress);
    let waiting =
        told.iter().filter_map(|p| if let Transfer::Waiting(t) = p { Some(t.as_secs()) } else { None });
    assert_eq!(waiting.collect::<Vec<_>>(), waits, "every wait is told");
    assert_eq!(told.iter().filter(|p| **p == Transfer::Done).count(), usize::from(outcome.is_ok()));
    Ran { outcome, told, waits }
}
