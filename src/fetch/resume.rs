//! A download that goes on where it broke off.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::http::{self, Address, Answer, Reply};
use super::verify::{self, Verifier};
use super::wait::Later;
use super::{Artifact, FetchError, Opener, Part, Progress, Source, obtain};

/// How often a broken line is taken up again in one call, and only as long as each brings at least one byte.
const TAKEN_UP: u32 = 5;

/// The pause before the first time; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How often we wait because a server asks for it.
const WAITS: u32 = 2;

/// The longest such wait. Who asks for more is told to the user, who may know something better to do.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Gets a file from where `source` says, going on from what `part` already has of it. The checksum decides in
/// the end: it is taken over every byte that `part` then holds.
///
/// * What is kept is hashed, and only the rest is asked for. If nothing is missing, nobody is asked.
/// * A server that sends the whole file instead is taken at its word: the part is begun anew in that answer.
/// * Where the bytes do not fit together (another range or another size than expected, nothing beyond what is
///   kept, a wrong checksum of a file that came in more than one piece) the part is thrown away and the whole
///   file asked for, once.
/// * A line that breaks or stalls is taken up again, up to five times as long as each brings something.
/// * 429 and 503 are waited for as `Retry-After` says: twice, and 60 s at the longest.
/// * From `source.offline` a file is copied as a whole.
///
/// `pause` waits for so long and returns whether to go on; `false` ends the call with the error that led to
/// the wait. (The HTTP client parks this thread and may leave it unparked: one `thread::park_timeout` is then no
/// wait at all.)
///
/// # Errors
/// As [`obtain`]. `part` then holds what can be gone on from: everything that arrived, if the line broke or
/// nothing came at all. It is empty if what arrived was not the file, or if it could not be written: a full disk
/// is not the place to keep it.
pub fn resume(
    artifact: &Artifact,
    source: &Source,
    open: &mut Opener<'_>,
    part: &mut dyn Part,
    pause: &mut dyn FnMut(Duration) -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    if source.offline.is_some() {
        let mut sink = Anew::over(part);
        let copied = obtain(artifact, source, open, &mut sink, progress);
        if copied.is_err() && sink.begun {
            let _ = part.restart();
        }
        return copied;
    }
    let address = Address::of(artifact, source.mirror.as_deref())?;
    let verifier = Verifier::new(artifact, &artifact.url, source.max_bytes)?;
    let mut run =
        Run { address, source, part, verifier, progress, pieces: false, ranges: true, may_begin_anew: true };
    run.recall();
    run.finish(pause)
}

/// A failed try, and what may be done about it.
enum Failed {
    /// Nothing: what is in the part stays as it is.
    For(FetchError),
    /// What arrived is not the file, or cannot be written. It must go.
    Spoilt(FetchError),
    /// The same, but the whole file from one answer may be the right one.
    Mixed(FetchError),
    /// The line broke after `came` new bytes; those are good.
    Broken { why: FetchError, came: u64 },
    /// The server does not understand ranges.
    NoRanges,
}

struct Run<'a> {
    address: Address,
    source: &'a Source,
    part: &'a mut dyn Part,
    /// Has seen exactly the bytes that the part holds.
    verifier: Verifier<'a>,
    progress: &'a mut dyn FnMut(Progress),
    /// Whether those come from more than one answer.
    pieces: bool,
    /// Whether ranges are asked for.
    ranges: bool,
    may_begin_anew: bool,
}

impl Run<'_> {
    /// Hashes what is kept. What is too long, or cannot be read, is of no use.
    fn recall(&mut self) {
        let kept = self.part.len();
        self.pieces = kept > 0;
        if kept == 0 {
            return;
        }
        if kept <= self.verifier.limit()
            && let Ok(reader) = self.part.reader()
        {
            let mut reader = reader.take(kept);
            let supply: &mut dyn Read = &mut reader;
            // Whether it could be read to its end shows in the count.
            let _ = verify::copy(&mut self.verifier, supply, &mut io::sink(), &mut |_| {});
        }
        if self.verifier.received() != kept {
            self.discard();
        }
    }

    /// Empties the part. Where that fails, the next write will say so.
    fn discard(&mut self) {
        let _ = self.part.restart();
        self.verifier.renew();
        self.pieces = false;
    }

    fn finish(&mut self, pause: &mut dyn FnMut(Duration) -> bool) -> Result<(), FetchError> {
        let mut wait = |run: &mut Self, time| {
            (run.progress)(Progress::Waiting(time));
            pause(time)
        };
        let (mut taken_up, mut waits, begin) = (0, 0, Instant::now());
        loop {
            let Err(failed) = self.attempt() else { return Ok(()) };
            match failed {
                Failed::NoRanges => {
                    self.ranges = false;
                    self.discard();
                }
                Failed::Mixed(_) if self.may_begin_anew => {
                    self.may_begin_anew = false;
                    self.discard();
                }
                Failed::Mixed(why) | Failed::Spoilt(why) => {
                    self.discard();
                    return Err(why);
                }
                Failed::Broken { why, came } => {
                    let _ = self.part.flush();
                    let has_time = begin.elapsed() < self.source.total_timeout;
                    let again = came > 0
                        && has_time
                        && taken_up < TAKEN_UP
                        && wait(self, FIRST_PAUSE * (1 << taken_up));
                    if !again {
                        return Err(why.keeping(self.part.len()));
                    }
                    taken_up += 1;
                    self.pieces = true;
                }
                Failed::For(why) => {
                    let asked = patience(&why).filter(|_| waits < WAITS);
                    if !asked.is_some_and(|time| wait(self, time)) {
                        return Err(why.keeping(self.part.len()));
                    }
                    waits += 1;
                }
            }
        }
    }

    /// Asks once for what is missing, and takes what comes.
    fn attempt(&mut self) -> Result<(), Failed> {
        let start = self.verifier.received();
        if start > 0 && self.verifier.size() == Some(start) {
            return self.nothing_missing();
        }
        let start = if self.ranges { start } else { 0 };
        match http::get_from(self.address.clone(), self.source, start).map_err(Failed::For)? {
            Reply::Whole(answer) => self.whole(answer),
            Reply::Rest(answer) => self.rest(answer),
            Reply::Misplaced => Err(Failed::NoRanges),
            // As long as the server's file, or longer: only the checksum can tell.
            Reply::Beyond => self.nothing_missing(),
        }
    }

    /// Takes the file from its first byte on. Whatever was kept goes when the first byte is written: an answer
    /// that is refused before that, such as a login page of another size, costs nothing.
    fn whole(&mut self, mut answer: Answer) -> Result<(), Failed> {
        let old = self.verifier.renew();
        let mut sink = Anew::over(self.part);
        let taken = self
            .verifier
            .declared(answer.from(), answer.length())
            .and_then(|()| verify::copy(&mut self.verifier, &mut answer, &mut sink, self.progress));
        let begun = sink.begun;
        self.pieces &= !begun;
        let came = if begun { self.verifier.received() } else { 0 };
        let judged = taken.map_err(|why| sorted(why, came, false)).and_then(|()| self.conclude());
        if begun {
            return judged;
        }
        self.verifier = old;
        judged.map_err(|failed| match failed {
            Failed::Spoilt(why) | Failed::Mixed(why) => Failed::For(why),
            other => other,
        })
    }

    /// Takes what follows the bytes that are there.
    fn rest(&mut self, mut answer: Answer) -> Result<(), Failed> {
        let start = self.verifier.received();
        if let (Some(size), Some(now)) = (self.verifier.size(), answer.length())
            && size != now
        {
            return Err(Failed::Mixed(self.verifier.wrong_size(size, now.to_string())));
        }
        self.verifier.declared(answer.from(), answer.length()).map_err(Failed::For)?;
        let taken = verify::copy(&mut self.verifier, &mut answer, self.part, self.progress);
        let received = self.verifier.received();
        taken.map_err(|why| sorted(why, received - start, true))?;
        if let Some(size) = self.verifier.size().filter(|&size| received < size) {
            // A server may send less than was asked for.
            let why = FetchError::BrokeOff {
                from: answer.from().to_owned(),
                received,
                expected: Some(size),
                why: "the server sent only a piece of what was asked for".to_owned(),
                kept: true,
            };
            return Err(Failed::Broken { why, came: received - start });
        }
        self.conclude()
    }

    fn nothing_missing(&mut self) -> Result<(), Failed> {
        let kept = self.verifier.received();
        (self.progress)(Progress::Started { total: Some(kept), kept });
        self.conclude()
    }

    fn conclude(&mut self) -> Result<(), Failed> {
        verify::conclude(&self.verifier, self.part, self.progress).map_err(|why| match why {
            FetchError::Unwritable { .. } => Failed::Spoilt(why),
            _ if self.pieces => Failed::Mixed(why),
            _ => Failed::Spoilt(why),
        })
    }
}

/// What a failed copy means for the part, after `came` new bytes; `pieces` says whether others were there.
fn sorted(why: FetchError, came: u64, pieces: bool) -> Failed {
    match why {
        FetchError::BrokeOff { .. } | FetchError::Stalled { .. } => Failed::Broken { why, came },
        FetchError::WrongSize { .. } if pieces => Failed::Mixed(why),
        _ => Failed::Spoilt(why),
    }
}

/// How long the server asks us to wait, where that is worth it. At once is a second later.
fn patience(why: &FetchError) -> Option<Duration> {
    match why {
        FetchError::Status { code: 429 | 503, later: Some(Later::In(time)), .. } if *time <= LONGEST_WAIT => {
            Some((*time).max(FIRST_PAUSE))
        }
        _ => None,
    }
}

/// A part that is emptied by the first byte that is written to it.
struct Anew<'a> {
    part: &'a mut dyn Part,
    begun: bool,
}

impl<'a> Anew<'a> {
    fn over(part: &'a mut dyn Part) -> Self {
        Self { part, begun: false }
    }
}

impl Write for Anew<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.begun {
            if !self.part.is_empty() {
                self.part.restart()?;
            }
            self.begun = true;
        }
        self.part.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}
