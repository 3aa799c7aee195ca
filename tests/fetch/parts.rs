//! Parts: in memory, and in a file as the program has them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use kind_wsl::fetch::{Artifact, FetchError, Part, Progress, Source, resume};

/// A part in memory that remembers what was done to it.
#[derive(Debug, Default)]
pub struct Memory {
    pub bytes: Vec<u8>,
    /// How often it was thrown away.
    pub restarts: usize,
    /// Bytes that were written to it in all.
    pub written: usize,
    /// How many bytes there is room for.
    pub room: Option<usize>,
    /// After how many bytes reading it back fails.
    pub readable: Option<usize>,
    /// Whether it takes bytes that it can not flush.
    pub stuck: bool,
}

impl Memory {
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_owned(), ..Self::default() }
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.map_or(bytes.len(), |room| (room - self.bytes.len()).min(bytes.len()));
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..room]);
        self.written += room;
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.stuck { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// Reading it fails.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl Part for Memory {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        match self.readable {
            None => Ok(Box::new(&self.bytes[..])),
            Some(0) => Err(io::ErrorKind::PermissionDenied.into()),
            Some(some) => Ok(Box::new(self.bytes[..some].chain(Broken))),
        }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.bytes.clear();
        self.restarts += 1;
        Ok(())
    }
}

/// A part in a file, which is there from its first byte on.
pub struct InFile {
    pub path: PathBuf,
    file: Option<File>,
    /// At this length the program is killed.
    pub fatal: Option<u64>,
}

impl InFile {
    pub fn at(path: PathBuf) -> Self {
        Self { path, file: None, fatal: None }
    }

    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap_or_default()
    }
}

impl Write for InFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = Some(OpenOptions::new().append(true).create(true).open(&self.path)?);
        }
        let room = self.fatal.map_or(bytes.len(), |fatal| bytes.len().min((fatal - self.len()) as usize));
        if room == 0 {
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        self.file.as_mut().unwrap().write(&bytes[..room])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Part for InFile {
    fn len(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(&self.path)?))
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }
}

/// How often bytes have arrived in this process, and who waits for that: a server that must not break the line
/// before the client has read what was sent.
pub static ARRIVED: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// One call: how it ended, what it told, and how long it wanted to wait.
pub struct Ran {
    pub outcome: Result<(), FetchError>,
    pub told: Vec<Progress>,
    pub waits: Vec<u64>,
}

/// Downloads into `part`; nobody waits, but the first `patience` waits are taken as done.
pub fn run(artifact: &Artifact, source: &Source, part: &mut dyn Part, patience: usize) -> Ran {
    let (mut told, mut waits) = (Vec::new(), Vec::new());
    let mut open = |path: &camino::Utf8Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(File::open(path)?)) };
    let mut pause = |time: Duration| {
        waits.push(time.as_secs());
        waits.len() <= patience
    };
    let mut progress = |p| {
        told.push(p);
        if let Progress::Bytes(_) = p {
            *ARRIVED.0.lock().unwrap() += 1;
            ARRIVED.1.notify_all();
        }
    };
    let outcome = resume(artifact, source, &mut open, part, &mut pause, &mut progress);
    let waiting =
        told.iter().filter_map(|p| if let Progress::Waiting(t) = p { Some(t.as_secs()) } else { None });
    assert_eq!(waiting.collect::<Vec<_>>(), waits, "every wait is told");
    assert_eq!(told.iter().filter(|p| **p == Progress::Done).count(), usize::from(outcome.is_ok()));
    Ran { outcome, told, waits }
}
