//! Downloads that begin before they are wanted: beside each other, and beside the installation of packages.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Artifact, FetchError, Part, Progress, Source, resume};
use crate::host::{DownloadDir, LiveSystem, PartialFile};

/// Where files are that are not whole, or not in place yet: root's own, beside the journal.
const DOWNLOADS: &str = "/var/lib/kind-wsl/downloads";
/// How often who waits for a download looks whether it shall stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Part for PartialFile {
    fn len(&self) -> u64 {
        self.kept()
    }

    fn reader(&mut self) -> io::Result<Box<dyn io::Read + '_>> {
        Ok(Box::new(PartialFile::reader(self)?))
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
    staging: &DownloadDir,
    pause: &mut dyn FnMut(Duration) -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Utf8PathBuf, FetchError> {
    if let Some(whole) = staging.whole(name, &artifact.sha256) {
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
            part.remove_if_empty();
            Err(e)
        }
    }
}

/// Gets files, one by one as they are wanted, and some of them ahead of that, each in a thread of its own. The threads
/// end with the program; what they had is kept.
#[derive(Debug)]
pub struct Fetcher {
    source: Source,
    staging: DownloadDir,
    planned: Vec<Artifact>,
    jobs: BTreeMap<String, Receiver<News>>,
}

/// What the thread of a download sends.
#[derive(Debug)]
enum News {
    Progress(Progress),
    Ended(Result<Utf8PathBuf, FetchError>),
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
    pub fn new(host: &LiveSystem, source: Source, planned: Vec<Artifact>) -> Self {
        Self { source, staging: host.download_dir(Utf8Path::new(DOWNLOADS)), planned, jobs: BTreeMap::new() }
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
            // The same file for two purposes is one download.
            let Entry::Vacant(place) = self.jobs.entry(artifact.sha256.clone()) else { continue };
            let (source, staging) = (self.source.clone(), self.staging.clone());
            place.insert(in_a_thread(move |news| {
                let mut pause = |length| {
                    wait(length);
                    true
                };
                // Nobody listens any more at the end of the program.
                let mut progress = |p| drop(news.send(News::Progress(p)));
                stage(&artifact, &artifact.sha256, &source, &staging, &mut pause, &mut progress)
            }));
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
        let name = || artifact.name.clone();
        let job = self.jobs.remove(&artifact.sha256).ok_or_else(|| FetchError::Lost { name: name() })?;
        follow(&job, tick, name)
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

/// Does the work in a thread of its own, which sends its result at the end.
fn in_a_thread(
    work: impl FnOnce(&Sender<News>) -> Result<Utf8PathBuf, FetchError> + Send + 'static,
) -> Receiver<News> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let ended = work(&sender);
        let _ = sender.send(News::Ended(ended));
    });
    receiver
}

/// Waits for the result of a download; a thread that panics closes its end of the channel.
fn follow(
    job: &Receiver<News>,
    tick: &mut dyn FnMut(Sign) -> bool,
    name: impl Fn() -> String,
) -> Result<Utf8PathBuf, FetchError> {
    let (mut sign, mut total, mut next) = (Sign::Bytes(0, None), None, Instant::now());
    loop {
        match job.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(News::Ended(ended)) => return ended,
            Ok(News::Progress(Progress::Started { total: t, kept })) => {
                (sign, total) = (Sign::Bytes(kept, t), t);
            }
            Ok(News::Progress(Progress::Bytes(done))) => sign = Sign::Bytes(done, total),
            Ok(News::Progress(Progress::Waiting(length))) => sign = Sign::Waiting(length),
            Ok(News::Progress(Progress::Done)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(FetchError::Lost { name: name() }),
        }
        if Instant::now() >= next {
            if !tick(sign) {
                return Err(FetchError::Stopped { name: name() });
            }
            next = Instant::now() + POLL_INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FetchError, News, Progress, Sign, follow, in_a_thread};

    #[test]
    fn a_download_whose_thread_panics_ends_with_an_error() {
        let job = in_a_thread(|news| {
            let _ = news.send(News::Progress(Progress::Bytes(7)));
            panic!("as a fault in the program would")
        });
        let mut ticks = 0;
        let ended = follow(
            &job,
            &mut |_| {
                ticks += 1;
                ticks < 1000
            },
            || "crun 1.21".to_owned(),
        );
        let error = ended.unwrap_err();
        assert!(matches!(&error, FetchError::Lost { name } if name == "crun 1.21"), "{error}");
    }

    #[test]
    fn progress_is_passed_on_until_the_download_ends() {
        let job = in_a_thread(|news| {
            let _ = news.send(News::Progress(Progress::Started { total: Some(9), kept: 2 }));
            let _ = news.send(News::Progress(Progress::Bytes(5)));
            // The listener ends it.
            loop {
                if news.send(News::Progress(Progress::Bytes(6))).is_err() {
                    return Ok("/never".into());
                }
            }
        });
        let mut told = None;
        let ended = follow(
            &job,
            &mut |sign| {
                told = Some(sign);
                !matches!(sign, Sign::Bytes(6, _))
            },
            || "crun 1.21".to_owned(),
        );
        assert!(matches!(ended, Err(FetchError::Stopped { .. })));
        assert_eq!(told, Some(Sign::Bytes(6, Some(9))));
    }
}
