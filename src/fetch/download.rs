//! The one download: resumes what an earlier run left, retries a broken connection, and verifies the whole file.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::http::{self, Address, Reply, Response};
use super::parse::RetryAfter;
use super::verify::Verifier;
use super::{Artifact, FetchError, Origin, Source, Transfer};
use crate::host::{DownloadDir, PartialFile};

/// The number of retries of a broken connection in one call, as long as each retry receives at least one byte.
const MAX_RETRIES: u32 = 5;
/// The pause before the first retry; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The number of waits that a server may request.
const MAX_WAITS: u32 = 2;
/// The longest such wait. For a longer one, the user may prefer another source.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// Downloads and verifies a file into `dir`, under `name`, and returns its path. Nothing is downloaded if it is there
/// already; what an earlier run kept of it is resumed as by [`resume`].
///
/// # Errors
/// As [`resume`]; [`FetchError::Unwritable`] also if another run is working on the file.
pub fn download(
    artifact: &Artifact,
    name: &str,
    source: &Source,
    dir: &DownloadDir,
    pause: &mut dyn FnMut(Duration) -> bool,
    progress: &mut dyn FnMut(Transfer),
) -> Result<Utf8PathBuf, FetchError> {
    if let Some(whole) = dir.whole(name, &artifact.sha256) {
        return Ok(whole);
    }
    let unwritable = |received| move |why| FetchError::unwritable(&artifact.name, received, why);
    let mut part = dir.part(name).map_err(unwritable(0))?;
    match resume(artifact, source, &mut part, pause, progress) {
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

/// Completes `part` from the mirror or the publisher. The checksum covers every byte of the completed part.
///
/// * What is kept is hashed, and only the rest is requested. If nothing is missing, no request is sent.
/// * If the server sends the whole file instead, the part is overwritten with it.
/// * If the bytes do not fit together (another range or size than expected, nothing after what is kept, a wrong checksum
///   of a file that came in several pieces), the part is discarded and the whole file requested, once.
/// * A connection that breaks or stalls is retried, up to five times, as long as each retry receives something.
/// * 429 and 503 are waited for as `Retry-After` requests: twice, and for 60 s at most.
///
/// `pause` waits that long and returns whether to continue; `false` ends the call with the error that led to the wait.
/// (The HTTP client parks this thread and may leave a token: a single `thread::park_timeout` may not wait at all.)
///
/// # Errors
/// If the connection, the proxy, the certificate, a redirect, the status, the size or the checksum is wrong, or the part
/// cannot be written. The part then holds what can be resumed: everything that arrived, if the connection broke. It is
/// empty if what arrived is not the file, or could not be written: a full disk is not the place to keep it.
pub fn resume(
    artifact: &Artifact,
    source: &Source,
    part: &mut PartialFile,
    pause: &mut dyn FnMut(Duration) -> bool,
    progress: &mut dyn FnMut(Transfer),
) -> Result<(), FetchError> {
    let address = Address::of(artifact, source.mirror.as_deref())?;
    let origin = Origin::Server(artifact.url.clone());
    let verifier = Verifier::new(artifact, origin, source.limits.max_bytes)?;
    let (multi_part, use_ranges, may_start_over) = (false, true, true);
    let mut download =
        Download { address, source, part, verifier, progress, multi_part, use_ranges, may_start_over };
    download.hash_existing();
    download.run(pause)
}

enum Attempt {
    /// The part stays as it is.
    Fatal(FetchError),
    /// The bytes are not those of the file, or cannot be written. The part is discarded.
    Corrupt(FetchError),
    /// The part is discarded, but the whole file from one response may be right.
    RangeMismatch(FetchError),
    /// The connection broke after so many new bytes, which are good.
    Interrupted { why: FetchError, new_bytes: u64 },
    /// The server does not support ranges.
    NoRanges,
}

struct Download<'a> {
    address: Address,
    source: &'a Source,
    part: &'a mut PartialFile,
    /// Has verified exactly the bytes that the part holds.
    verifier: Verifier<'a>,
    progress: &'a mut dyn FnMut(Transfer),
    /// Whether those come from more than one response.
    multi_part: bool,
    use_ranges: bool,
    may_start_over: bool,
}

impl Download<'_> {
    /// Hashes what is kept. A part that is too long or cannot be read is discarded.
    fn hash_existing(&mut self) {
        let kept = self.part.kept();
        self.multi_part = kept > 0;
        if kept > 0
            && kept <= self.verifier.max_size()
            && let Ok(reader) = self.part.reader()
        {
            // Whether it could be read to its end shows in the count.
            let _ = self.verifier.copy(&mut reader.take(kept), &mut io::sink(), &mut |_| {});
        }
        if self.verifier.received() != kept {
            self.discard();
        }
    }

    /// Empties the part. If that fails, the next write fails as well.
    fn discard(&mut self) {
        let _ = self.part.empty();
        self.verifier.reset();
        self.multi_part = false;
    }

    fn run(&mut self, pause: &mut dyn FnMut(Duration) -> bool) -> Result<(), FetchError> {
        let mut wait = |download: &mut Self, time| {
            (download.progress)(Transfer::Waiting(time));
            pause(time)
        };
        let (mut retries, mut waits, start) = (0, 0, Instant::now());
        loop {
            let Err(failed) = self.attempt() else { return Ok(()) };
            match failed {
                Attempt::NoRanges => {
                    self.use_ranges = false;
                    self.discard();
                }
                Attempt::RangeMismatch(_) if self.may_start_over => {
                    self.may_start_over = false;
                    self.discard();
                }
                Attempt::RangeMismatch(why) | Attempt::Corrupt(why) => {
                    self.discard();
                    return Err(why);
                }
                Attempt::Interrupted { why, new_bytes } => {
                    let may_retry = new_bytes > 0
                        && start.elapsed() < self.source.limits.total_timeout
                        && retries < MAX_RETRIES;
                    if !(may_retry && wait(self, FIRST_PAUSE * (1 << retries))) {
                        return Err(why.with_kept(self.part.kept()));
                    }
                    retries += 1;
                    self.multi_part = true;
                }
                Attempt::Fatal(why) => {
                    let time = requested_wait(&why).filter(|_| waits < MAX_WAITS);
                    if !time.is_some_and(|time| wait(self, time)) {
                        return Err(why.with_kept(self.part.kept()));
                    }
                    waits += 1;
                }
            }
        }
    }

    /// Requests what is missing, once, and takes what comes.
    fn attempt(&mut self) -> Result<(), Attempt> {
        let start = self.verifier.received();
        if start > 0 && self.verifier.size() == Some(start) {
            return self.nothing_missing();
        }
        let start = if self.use_ranges { start } else { 0 };
        match http::get_from(self.address.clone(), &self.source.limits, start).map_err(Attempt::Fatal)? {
            Reply::Whole(response) => self.receive_whole(response),
            Reply::Rest(response) => self.receive_rest(response),
            Reply::OtherRange => Err(Attempt::NoRanges),
            // The part is as long as the server's file, or longer: only the checksum can decide.
            Reply::NothingAfter => self.nothing_missing(),
        }
    }

    /// Reads the file from its first byte on. The kept bytes are overwritten only when the first byte is written, so
    /// a response that is refused before that, such as a login page of another size, costs nothing.
    fn receive_whole(&mut self, mut response: Response) -> Result<(), Attempt> {
        let kept = self.verifier.reset();
        let mut sink = TruncateOnWrite { part: self.part, started: false };
        let taken = self
            .verifier
            .declare(response.from(), response.length())
            .and_then(|()| self.verifier.copy(&mut response, &mut sink, self.progress));
        let started = sink.started;
        self.multi_part &= !started;
        let new_bytes = if started { self.verifier.received() } else { 0 };
        let result = taken.map_err(|why| classify(why, new_bytes, false)).and_then(|()| self.finish());
        if started {
            return result;
        }
        self.verifier.restore(kept);
        result.map_err(|failed| match failed {
            Attempt::Corrupt(why) | Attempt::RangeMismatch(why) => Attempt::Fatal(why),
            other => other,
        })
    }

    /// Takes what follows the bytes that are there.
    fn receive_rest(&mut self, mut response: Response) -> Result<(), Attempt> {
        let start = self.verifier.received();
        if let (Some(size), Some(now)) = (self.verifier.size(), response.length())
            && size != now
        {
            return Err(Attempt::RangeMismatch(self.verifier.wrong_size(size, now.to_string())));
        }
        self.verifier.declare(response.from(), response.length()).map_err(Attempt::Fatal)?;
        let taken = self.verifier.copy(&mut response, self.part, self.progress);
        let received = self.verifier.received();
        taken.map_err(|why| classify(why, received - start, true))?;
        if let Some(size) = self.verifier.size().filter(|&size| received < size) {
            // A server may send less than was requested.
            let why = "the server sent only a part of the requested range".to_owned();
            let why = FetchError::interrupted(response.from(), received, Some(size), why);
            return Err(Attempt::Interrupted { why, new_bytes: received - start });
        }
        self.finish()
    }

    fn nothing_missing(&mut self) -> Result<(), Attempt> {
        let kept = self.verifier.received();
        (self.progress)(Transfer::Started { total: Some(kept), kept });
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Attempt> {
        self.verifier.finish(self.part, self.progress).map_err(|why| match why {
            FetchError::Unwritable { .. } => Attempt::Corrupt(why),
            _ if self.multi_part => Attempt::RangeMismatch(why),
            _ => Attempt::Corrupt(why),
        })
    }
}

/// The effect of a failed copy on the part; `multi_part` is whether it had bytes before.
fn classify(why: FetchError, new_bytes: u64, multi_part: bool) -> Attempt {
    match why {
        FetchError::Interrupted { .. } | FetchError::TimedOut { .. } => {
            Attempt::Interrupted { why, new_bytes }
        }
        FetchError::WrongSize { .. } if multi_part => Attempt::RangeMismatch(why),
        _ => Attempt::Corrupt(why),
    }
}

/// The wait that the server requests, if it is short enough. Zero is taken for one second.
fn requested_wait(why: &FetchError) -> Option<Duration> {
    match why {
        FetchError::Status { code: 429 | 503, retry_after: Some(RetryAfter::In(time)), .. }
            if *time <= MAX_WAIT =>
        {
            Some((*time).max(FIRST_PAUSE))
        }
        _ => None,
    }
}

/// Empties the part when the first byte is written to it.
struct TruncateOnWrite<'a> {
    part: &'a mut PartialFile,
    started: bool,
}

impl Write for TruncateOnWrite<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.started {
            self.part.empty()?;
            self.started = true;
        }
        self.part.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}
