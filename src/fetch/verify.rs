//! The one loop through which every byte goes: measured, hashed, written.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

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

    /// Takes note of the length that the server declares.
    pub(super) fn declared(mut self, length: Option<u64>) -> Result<Self, FetchError> {
        self.bound(length)?;
        self.declared = length;
        Ok(self)
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
        if let Some(size) = self.artifact.size {
            if let Some(declared) = self.declared.filter(|&declared| declared != size) {
                return Err(self.wrong_size(size, declared.to_string()));
            }
            if self.received > size {
                return Err(self.wrong_size(size, format!("more than {size}")));
            }
        }
        self.bound(Some(self.received))?;
        self.hash.update(piece);
        Ok(())
    }

    /// The verdict, once everything has passed by.
    fn finish(self) -> Result<(), FetchError> {
        if let Some(size) = self.artifact.size.filter(|&size| size != self.received) {
            return Err(self.wrong_size(size, self.received.to_string()));
        }
        let actual = format!("{:x}", Hex(&self.hash.finalize()));
        if actual == self.artifact.sha256 {
            return Ok(());
        }
        Err(FetchError::WrongHash {
            name: self.artifact.name.clone(),
            from: self.from,
            expected: self.artifact.sha256.clone(),
            actual,
            looks: looks(&self.head),
        })
    }

    fn wrong_size(&self, expected: u64, actual: String) -> FetchError {
        FetchError::WrongSize {
            name: self.artifact.name.clone(),
            from: self.from.clone(),
            expected,
            actual,
            looks: looks(&self.head),
        }
    }
}

/// Copies everything from `supply` to `sink` under the eyes of `verifier`, and flushes the sink.
pub(super) fn copy<S: Supply + ?Sized>(
    mut verifier: Verifier<'_>,
    supply: &mut S,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), FetchError> {
    let unwritable = |artifact: &Artifact, received, why| FetchError::Unwritable {
        name: artifact.name.clone(),
        received,
        why,
    };
    progress(Progress::Started { total: verifier.total() });
    let mut buffer = vec![0; PIECE];
    loop {
        let saved = verifier.received;
        let count = match supply.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(supply.failed(&verifier.from, why, saved)),
        };
        verifier.admit(&buffer[..count])?;
        sink.write_all(&buffer[..count]).map_err(|why| unwritable(verifier.artifact, saved, why))?;
        progress(Progress::Bytes(verifier.received));
    }
    sink.flush().map_err(|why| unwritable(verifier.artifact, verifier.received, why))?;
    verifier.finish()?;
    progress(Progress::Done);
    Ok(())
}

/// Bytes in lower-case hexadecimal.
struct Hex<'a>(&'a [u8]);

impl std::fmt::LowerHex for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
