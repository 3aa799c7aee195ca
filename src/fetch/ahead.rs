//! Downloads that begin before they are wanted: beside each other, and beside the installation of packages.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Artifact, FetchError, Part, Progress, Source, resume};
use crate::host::{Host, PartFile, Staging};

/// Where files are that are not whole, or not in place yet: root's own, beside the journal.
const DOWNLOADS: &str = "/var/lib/kind-wsl/downloads";
/// How often who waits for a download looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(100);

impl Part for PartFile {
    fn len(&self) -> u64 {
        self.kept()
    }

    fn reader(&mut self) -> io::Result<Box<dyn io::Read + '_>> {
        Ok(Box::new(self.reread()?))
    }

    fn restart(&mut self) -> io::Result<()> {
        self.empty()
    }
}

/// Has a file whole and right in a directory of ours, going on from what an earlier run kept of it there. Answers where
/// it is, under the name that it is given.
///
/// # Errors
/// As [`resume()`]; [`FetchError::Unwritable`] where the directory takes nothing, or another run is at work on the file.
pub fn stage(
    artifact: &Artifact,
    name: &str,
    source: &Source,
    staging: &Staging,
    pause: &mut dyn FnMut(Duration) -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Utf8PathBuf, FetchError> {
    if let Some(whole) = staging.whole(name) {
        return Ok(whole);
    }
    let unwritable =
        |received| move |why| FetchError::Unwritable { name: artifact.name.clone(), received, why };
    let mut part = staging.part(name).map_err(unwritable(0))?;
    let mut nothing_local = |_: &Utf8Path| Err(io::Error::from(io::ErrorKind::Unsupported));
    let fetched = resume(artifact, source, &mut nothing_local, &mut part, pause, progress);
    match fetched {
        Ok(()) => {
            let received = part.kept();
            part.finish().map_err(unwritable(received))
        }
        Err(e) => {
            part.discard_if_empty();
            Err(e)
        }
    }
}

/// Gets files, one by one as they are wanted, and some of them ahead of that, each in a thread of its own. The threads
/// end with the program; what they had is kept.
#[derive(Debug)]
pub struct Fetcher {
    source: Source,
    staging: Staging,
    planned: Vec<Artifact>,
    jobs: BTreeMap<String, Arc<Job>>,
}

#[derive(Debug, Default)]
struct Job {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    done: u64,
    total: Option<u64>,
    waiting: Option<Duration>,
    ended: Option<Result<Utf8PathBuf, FetchError>>,
}

/// What who waits for a file is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// So many bytes are there, of so many where that is known.
    Bytes(u64, Option<u64>),
    /// Nothing happens for so long: the line broke, or the server asked to be left alone.
    Waiting(Duration),
}

impl Fetcher {
    /// Takes files from where `source` says; what is planned is begun with when the work begins.
    #[must_use]
    pub fn new(host: &Host, source: Source, planned: Vec<Artifact>) -> Self {
        Self { source, staging: host.staging(Utf8Path::new(DOWNLOADS)), planned, jobs: BTreeMap::new() }
    }

    /// Where files come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Begins with what is planned, unless everything is at hand.
    pub fn begin(&mut self) {
        let planned = std::mem::take(&mut self.planned);
        if self.source.offline.is_some() || planned.is_empty() || self.staging.make().is_err() {
            return;
        }
        for artifact in planned {
            let job = Arc::new(Job::default());
            // The same file for two purposes is one download.
            let Entry::Vacant(place) = self.jobs.entry(artifact.sha256.clone()) else { continue };
            place.insert(Arc::clone(&job));
            let (source, staging) = (self.source.clone(), self.staging.clone());
            thread::spawn(move || {
                let mut pause = |length| {
                    wait(length);
                    true
                };
                let name = artifact.sha256.clone();
                let ended = stage(&artifact, &name, &source, &staging, &mut pause, &mut |p| job.note(p));
                job.locked().ended = Some(ended);
                job.changed.notify_all();
            });
        }
    }

    /// Has a file whole and right, and answers where; `tick` is told how far it is and says whether to go on.
    ///
    /// # Errors
    /// As [`resume()`]; [`FetchError::Stopped`] where `tick` says so.
    pub fn fetch(
        &mut self,
        artifact: &Artifact,
        tick: &mut dyn FnMut(Sign) -> bool,
    ) -> Result<Utf8PathBuf, FetchError> {
        if !self.jobs.contains_key(&artifact.sha256) {
            let unwritable = |why| FetchError::Unwritable { name: artifact.name.clone(), received: 0, why };
            self.staging.make().map_err(unwritable)?;
            self.planned.push(artifact.clone());
            self.begin();
        }
        let stopped = || FetchError::Stopped { name: artifact.name.clone() };
        let job = self.jobs.remove(&artifact.sha256).ok_or_else(stopped)?;
        let mut state = job.locked();
        loop {
            if let Some(ended) = state.ended.take() {
                return ended;
            }
            let sign = state.waiting.map_or(Sign::Bytes(state.done, state.total), Sign::Waiting);
            if !tick(sign) {
                return Err(stopped());
            }
            state = job.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Forgets a file that is where it belongs by now.
    pub fn forget(&self, artifact: &Artifact) {
        // What stays is removed with the directory, at the end of the run.
        let _ = self.staging.remove(&artifact.sha256);
    }

    /// Removes the directory with all that is in it: nothing is left to be fetched.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn clear(&self) -> io::Result<()> {
        self.staging.clear()
    }
}

/// Waits that long. One call is none: the HTTP client may have left a token that ends it at once.
fn wait(length: Duration) {
    let end = Instant::now() + length;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

impl Job {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, progress: Progress) {
        let mut state = self.locked();
        state.waiting = None;
        match progress {
            Progress::Started { total, kept } => (state.done, state.total) = (kept, total),
            Progress::Bytes(done) => state.done = done,
            Progress::Waiting(length) => state.waiting = Some(length),
            Progress::Done => {}
        }
    }
}
