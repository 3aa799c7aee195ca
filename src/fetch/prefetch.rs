//! Downloads that start before they are needed: in parallel, and while packages are installed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Artifact, FetchError, Source, Transfer, download};
use crate::host::{DownloadDir, LiveSystem};

/// Where files are that are not whole, or not in place yet: root's own, beside the journal.
const DOWNLOADS: &str = "/var/lib/kind-wsl/downloads";
/// How often progress is reported while we wait for a download.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Downloads files, each in a thread of its own. The threads end with the program; what they had is kept.
#[derive(Debug)]
pub struct Fetcher {
    source: Source,
    dir: DownloadDir,
    planned: Vec<Artifact>,
    jobs: BTreeMap<String, Receiver<Message>>,
}

/// The messages of a download thread.
#[derive(Debug)]
enum Message {
    Transfer(Transfer),
    Result(Result<Utf8PathBuf, FetchError>),
}

impl Fetcher {
    /// Creates a fetcher; the downloads of `planned` are started by [`Fetcher::start`].
    #[must_use]
    pub fn new(host: &LiveSystem, source: Source, planned: Vec<Artifact>) -> Self {
        Self { source, dir: host.download_dir(Utf8Path::new(DOWNLOADS)), planned, jobs: BTreeMap::new() }
    }

    /// Where files come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Starts the planned downloads, unless files come from an offline directory.
    pub fn start(&mut self) {
        let planned = std::mem::take(&mut self.planned);
        if self.source.offline.is_some() || planned.is_empty() || self.dir.make().is_err() {
            return;
        }
        for artifact in planned {
            // The same file for two purposes is one download.
            if let Entry::Vacant(place) = self.jobs.entry(artifact.sha256.clone()) {
                place.insert(spawn(artifact, self.source.clone(), self.dir.clone()));
            }
        }
    }

    /// Waits for a file and returns its path. `tick` gets the progress and returns whether to continue.
    ///
    /// # Errors
    /// As [`download`]; [`FetchError::Stopped`] if `tick` returns `false`.
    pub fn fetch(
        &mut self,
        artifact: &Artifact,
        tick: &mut dyn FnMut(Transfer) -> bool,
    ) -> Result<Utf8PathBuf, FetchError> {
        let job = if let Some(job) = self.jobs.remove(&artifact.sha256) {
            job
        } else {
            self.dir.make().map_err(|why| FetchError::unwritable(&artifact.name, 0, why))?;
            spawn(artifact.clone(), self.source.clone(), self.dir.clone())
        };
        wait_for(&job, tick, &artifact.name)
    }

    /// Removes a downloaded file that was installed, or is wrong.
    pub fn evict(&self, artifact: &Artifact) {
        // A remaining file is removed with the directory, at the end of the run.
        let _ = self.dir.remove(&artifact.sha256);
    }

    /// Removes the directory of downloads.
    pub fn clear(&self) -> io::Result<()> {
        self.dir.clear()
    }
}

fn spawn(artifact: Artifact, source: Source, dir: DownloadDir) -> Receiver<Message> {
    in_thread(move |messages| {
        let mut pause = |time| {
            wait(time);
            true
        };
        // At the end of the program, the receiver no longer exists.
        let mut progress = |p| drop(messages.send(Message::Transfer(p)));
        download(&artifact, &artifact.sha256, &source, &dir, &mut pause, &mut progress)
    })
}

/// Waits that long. A single call may not wait: the HTTP client may have left a token that ends it at once.
fn wait(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// Does the work in a thread of its own, which sends its result at the end.
fn in_thread(
    work: impl FnOnce(&Sender<Message>) -> Result<Utf8PathBuf, FetchError> + Send + 'static,
) -> Receiver<Message> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let result = work(&sender);
        let _ = sender.send(Message::Result(result));
    });
    receiver
}

/// Waits for the result of a download. A thread that panics closes its end of the channel.
fn wait_for(
    job: &Receiver<Message>,
    tick: &mut dyn FnMut(Transfer) -> bool,
    name: &str,
) -> Result<Utf8PathBuf, FetchError> {
    let (mut last, mut next) = (Transfer::Bytes { done: 0, total: None }, Instant::now());
    loop {
        match job.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Message::Result(result)) => return result,
            Ok(Message::Transfer(progress)) => last = progress,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(FetchError::Lost { name: name.to_owned() }),
        }
        if Instant::now() >= next {
            if !tick(last) {
                return Err(FetchError::Stopped { name: name.to_owned() });
            }
            next = Instant::now() + POLL_INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FetchError, Message, Transfer, in_thread, wait_for};

    #[test]
    fn a_download_whose_thread_panics_ends_with_an_error() {
        let job = in_thread(|messages| {
            let _ = messages.send(Message::Transfer(Transfer::Bytes { done: 7, total: None }));
            panic!("as a fault in the program would")
        });
        let mut ticks = 0;
        let mut tick = |_| {
            ticks += 1;
            ticks < 1000
        };
        let error = wait_for(&job, &mut tick, "crun 1.21").unwrap_err();
        assert!(matches!(&error, FetchError::Lost { name } if name == "crun 1.21"), "{error}");
    }

    #[test]
    fn progress_is_reported_until_the_download_ends() {
        const END: Transfer = Transfer::Bytes { done: 6, total: Some(9) };
        let job = in_thread(|messages| {
            let _ = messages.send(Message::Transfer(Transfer::Started { total: Some(9), kept: 2 }));
            // The receiver ends it.
            loop {
                if messages.send(Message::Transfer(END)).is_err() {
                    return Ok("/never".into());
                }
            }
        });
        let mut seen = None;
        let mut tick = |progress| {
            seen = Some(progress);
            progress != END
        };
        let result = wait_for(&job, &mut tick, "crun 1.21");
        assert!(matches!(result, Err(FetchError::Stopped { .. })));
        assert_eq!(seen, Some(END));
    }
}
