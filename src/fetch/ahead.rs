//! Downloads that begin before they are wanted: beside each other, and beside the installation of packages.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Artifact, FetchError, Part, Progress, Source, resume};
use crate::host::{PartFile, Staging};

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
/// it is.
///
/// # Errors
/// As [`resume()`]; [`FetchError::Unwritable`] where the directory takes nothing, or another run is at work on the file.
pub fn stage(
    artifact: &Artifact,
    source: &Source,
    staging: &Staging,
    pause: &mut dyn FnMut(Duration) -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Utf8PathBuf, FetchError> {
    // The checksum is a name that no other file has, and none that leads elsewhere.
    let name = artifact.sha256.as_str();
    if let Some(whole) = staging.whole(name) {
        return Ok(whole);
    }
    let unwritable = |received| {
        move |why| FetchError::Unwritable { name: artifact.name.clone(), received, why }
    };
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

/// Downloads under way, each in a thread of its own. They end with the program; what they had is kept.
#[derive(Debug, Default)]
pub struct Ahead {
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
    ended: Option<Result<Utf8PathBuf, FetchError>>,
}

impl Ahead {
    /// Begins with these.
    #[must_use]
    pub fn begin(artifacts: impl IntoIterator<Item = Artifact>, source: &Source, staging: &Staging) -> Self {
        let mut ahead = Self::default();
        for artifact in artifacts {
            let job = Arc::new(Job::default());
            // The same file for two purposes is one download.
            let std::collections::btree_map::Entry::Vacant(place) = ahead.jobs.entry(artifact.sha256.clone()) else {
                continue;
            };
            place.insert(Arc::clone(&job));
            let (source, staging) = (source.clone(), staging.clone());
            thread::spawn(move || {
                let mut pause = |length| {
                    thread::park_timeout(length);
                    true
                };
                let ended = stage(&artifact, &source, &staging, &mut pause, &mut |p| job.note(p));
                job.locked().ended = Some(ended);
                job.changed.notify_all();
            });
        }
        ahead
    }

    /// Waits for one that was begun, telling how far it is; `None` where it was not, or was asked for before, or where
    /// `tick` says that we shall stop.
    pub fn wait(
        &mut self,
        artifact: &Artifact,
        tick: &mut dyn FnMut(u64, Option<u64>) -> bool,
    ) -> Option<Result<Utf8PathBuf, FetchError>> {
        let job = self.jobs.remove(&artifact.sha256)?;
        let mut state = job.locked();
        loop {
            if let Some(ended) = state.ended.take() {
                return Some(ended);
            }
            if !tick(state.done, state.total) {
                return None;
            }
            state = job.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Job {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, progress: Progress) {
        let mut state = self.locked();
        match progress {
            Progress::Started { total, kept } => (state.done, state.total) = (kept, total),
            Progress::Bytes(done) => state.done = done,
            Progress::Waiting(_) | Progress::Done => {}
        }
    }
}
