//! The one loop through which every byte goes: measured, hashed, written.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use crate::host::hex;

use super::error::looks;
use super::{Artifact, FetchError, Progress};

/// Bytes read at once, and nearly all the memory a download takes.
const PIECE: usize = 64 << 10;

/// How much of the beginning is kept to tell what a wrong file looks like.
const HEAD: usize = 64;

/// Where bytes come from, which decides what a failed read is called.
pub(super) trait Supply: Read {
    /// Names a failed read, `received` bytes after the start.
    fn failed(&self, from: &str, why: io::Error, received: u64) -> FetchError;
}

impl Supply for dyn Read + '_ {
    fn failed(&self, from: &str, why: io::Error, _received: u64) -> FetchError {
        FetchError::Unreadable { from: from.to_owned(), why }
    }
}

/// Judges one file while it passes by.
pub(super) struct Verifier<'a> {
    artifact: &'a Artifact,
    from: String,
    max_bytes: u64,
    declared: Option<u64>,
    hash: Sha256,
    received: u64,
    head: Vec<u8>,
}

impl<'a> Verifier<'a> {
    /// Prepares to judge what comes `from` somewhere. A file that is known to be too large is refused at
    /// once.
    pub(super) fn new(artifact: &'a Artifact, from: &str, max_bytes: u64) -> Result<Self, FetchError> {
        let verifier = Self {
            artifact,
            from: from.to_owned(),
            max_bytes,
            declared: None,
            hash: Sha256::new(),
            received: 0,
            head: Vec::with_capacity(HEAD),
        };
        verifier.bound(artifact.size)?;
        Ok(verifier)
    }

    /// Forgets every byte; the one that comes back still knows them.
    pub(super) fn renew(&mut self) -> Self {
        let fresh = Self {
            artifact: self.artifact,
            from: self.from.clone(),
            max_bytes: self.max_bytes,
            declared: None,
            hash: Sha256::new(),
            received: 0,
            head: Vec::with_capacity(HEAD),
        };
        std::mem::replace(self, fresh)
    }

    /// Takes note of who answers, and of the length of the whole file that is declared there.
    pub(super) fn declared(&mut self, from: &str, length: Option<u64>) -> Result<(), FetchError> {
        from.clone_into(&mut self.from);
        self.bound(length)?;
        self.declared = length.or(self.declared);
        Ok(())
    }

    /// Bytes that have passed by, from the beginning of the file on.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The most bytes that can be right.
    pub(super) fn limit(&self) -> u64 {
        self.artifact.size.unwrap_or(self.max_bytes)
    }

    /// The size of the whole file, as far as anybody tells: the catalogue, or else the server.
    pub(super) fn size(&self) -> Option<u64> {
        self.artifact.size.or(self.declared)
    }

    /// Bytes to expect.
    fn total(&self) -> Option<u64> {
        self.declared.or(self.artifact.size)
    }

    fn bound(&self, size: Option<u64>) -> Result<(), FetchError> {
        match size {
            Some(size) if size > self.max_bytes => {
                Err(FetchError::TooLarge { from: self.from.clone(), limit: self.max_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Judges the next piece **before** it may be written.
    fn admit(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        self.received += piece.len() as u64;
        if let (Some(size), Some(declared)) = (self.artifact.size, self.declared)
            && size != declared
        {
            return Err(self.wrong_size(size, declared.to_string()));
        }
        if let Some(size) = self.size().filter(|&size| self.received > size) {
            return Err(self.wrong_size(size, format!("more than {size}")));
        }
        self.bound(Some(self.received))?;
        self.hash.update(piece);
        Ok(())
    }

    /// The verdict on everything that has passed by.
    pub(super) fn verdict(&self) -> Result<(), FetchError> {
        if let Some(size) = self.artifact.size.filter(|&size| size != self.received) {
            return Err(self.wrong_size(size, self.received.to_string()));
        }
        let actual = hex(&self.hash.clone().finalize());
        if actual == self.artifact.sha256 {
            return Ok(());
        }
        Err(FetchError::WrongHash {
            name: self.artifact.name.clone(),
            from: self.from.clone(),
            expected: self.artifact.sha256.clone(),
            actual,
            looks: looks(&self.head),
        })
    }

    /// What is wrong with a file of `actual` bytes.
    pub(super) fn wrong_size(&self, expected: u64, actual: String) -> FetchError {
        FetchError::WrongSize {
            name: self.artifact.name.clone(),
            from: self.from.clone(),
            expected,
            actual,
            looks: looks(&self.head),
        }
    }

    fn unwritable(&self, received: u64, why: io::Error) -> FetchError {
        FetchError::Unwritable { name: self.artifact.name.clone(), received, why }
    }
}

/// Copies everything that `supply` still has to `sink` under the eyes of `verifier`. It is left to
/// [`conclude`] to say whether that is the file.
///
/// A thread of its own for hashing would gain nothing: the HTTP client reads and decrypts in its own thread
/// already while this one hashes and writes (`tests/bench/run download`).
pub(super) fn copy<S: Supply + ?Sized>(
    verifier: &mut Verifier<'_>,
    supply: &mut S,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    progress(Progress::Started { total: verifier.total(), kept: verifier.received });
    let mut buffer = vec![0; PIECE];
    loop {
        let saved = verifier.received;
        let count = match supply.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(supply.failed(&verifier.from, why, saved)),
        };
        verifier.admit(&buffer[..count])?;
        sink.write_all(&buffer[..count]).map_err(|why| verifier.unwritable(saved, why))?;
        progress(Progress::Bytes(verifier.received));
    }
}

/// Flushes the sink and gives the verdict.
pub(super) fn conclude(
    verifier: &Verifier<'_>,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    sink.flush().map_err(|why| verifier.unwritable(verifier.received, why))?;
    verifier.verdict()?;
    progress(Progress::Done);
    Ok(())
}
