//! Verification of a file: size, checksum, and for a program outside the catalogue what it reports.

use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::catalogue::Arch;
use super::error::guess_type;
use super::{Artifact, FetchError, Limits, Origin, Transfer};
use crate::host::{Account, Cmd, LiveSystem, Process, System, TempDir, hex};
use crate::version::Version;

/// Bytes that are read at once, and nearly all the memory that a download takes.
const CHUNK: usize = 64 << 10;
/// Bytes at the beginning from which the type of a wrong file is guessed.
const HEAD: usize = 64;

/// Verifies one file while its bytes pass by.
pub(super) struct Verifier<'a> {
    artifact: &'a Artifact,
    from: Origin,
    max_bytes: u64,
    passed: Passed,
}

/// The bytes that passed by, from the beginning of the file.
#[derive(Default)]
pub(super) struct Passed {
    count: u64,
    hash: Sha256,
    head: Vec<u8>,
    /// The size of the file that the server declared.
    declared: Option<u64>,
}

impl<'a> Verifier<'a> {
    /// Refuses a file that is known to be too large.
    pub(super) fn new(artifact: &'a Artifact, from: Origin, max_bytes: u64) -> Result<Self, FetchError> {
        let verifier = Self { artifact, from, max_bytes, passed: Passed::default() };
        verifier.check_bound(artifact.size)?;
        Ok(verifier)
    }

    /// Begins again, and returns what passed by until now.
    pub(super) fn reset(&mut self) -> Passed {
        std::mem::take(&mut self.passed)
    }

    /// Returns to an earlier state.
    pub(super) fn restore(&mut self, passed: Passed) {
        self.passed = passed;
    }

    /// Takes the address that answered, and the size of the whole file that it declares.
    pub(super) fn declare(&mut self, from: &str, size: Option<u64>) -> Result<(), FetchError> {
        self.from = Origin::Server(from.to_owned());
        self.check_bound(size)?;
        self.passed.declared = size.or(self.passed.declared);
        Ok(())
    }

    /// Bytes from the beginning of the file that passed by.
    pub(super) fn received(&self) -> u64 {
        self.passed.count
    }

    /// The largest size that can be right.
    pub(super) fn max_size(&self) -> u64 {
        self.artifact.size.unwrap_or(self.max_bytes)
    }

    /// The size of the whole file: the catalogue's, otherwise the server's.
    pub(super) fn size(&self) -> Option<u64> {
        self.artifact.size.or(self.passed.declared)
    }

    fn check_bound(&self, size: Option<u64>) -> Result<(), FetchError> {
        match size {
            Some(size) if size > self.max_bytes => {
                Err(FetchError::TooLarge { from: self.from.clone(), limit: self.max_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Checks the next chunk **before** it may be written.
    fn admit(&mut self, chunk: &[u8]) -> Result<(), FetchError> {
        let room = HEAD - self.passed.head.len();
        self.passed.head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.passed.count += chunk.len() as u64;
        if let (Some(size), Some(declared)) = (self.artifact.size, self.passed.declared)
            && size != declared
        {
            return Err(self.wrong_size(size, declared.to_string()));
        }
        if let Some(size) = self.size().filter(|&size| self.received() > size) {
            return Err(self.wrong_size(size, format!("more than {size}")));
        }
        self.check_bound(Some(self.received()))?;
        self.passed.hash.update(chunk);
        Ok(())
    }

    fn verdict(&self) -> Result<(), FetchError> {
        if let Some(size) = self.artifact.size.filter(|&size| size != self.received()) {
            return Err(self.wrong_size(size, self.received().to_string()));
        }
        let actual = hex(&self.passed.hash.clone().finalize());
        if actual == self.artifact.sha256 {
            return Ok(());
        }
        Err(FetchError::WrongHash {
            name: self.artifact.name.clone(),
            from: self.from.clone(),
            expected: self.artifact.sha256.clone(),
            actual,
            looks_like: guess_type(&self.passed.head),
        })
    }

    pub(super) fn wrong_size(&self, expected: u64, actual: String) -> FetchError {
        FetchError::WrongSize {
            name: self.artifact.name.clone(),
            from: self.from.clone(),
            expected,
            actual,
            looks_like: guess_type(&self.passed.head),
        }
    }

    /// Copies everything that `reader` still has to `sink`. Whether that is the file is for [`Verifier::finish`].
    ///
    /// A thread of its own for hashing would gain nothing: the HTTP client reads and decrypts in its own thread
    /// already while this one hashes and writes (`tests/bench/run download`).
    pub(super) fn copy(
        &mut self,
        reader: &mut dyn Read,
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(Transfer),
    ) -> Result<(), FetchError> {
        progress(Transfer::Started { total: self.size(), kept: self.received() });
        let mut buffer = vec![0; CHUNK];
        loop {
            let saved = self.received();
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => return Err(FetchError::unreadable(self.from.clone(), why, saved)),
            };
            self.admit(&buffer[..count])?;
            sink.write_all(&buffer[..count])
                .map_err(|why| FetchError::unwritable(&self.artifact.name, saved, why))?;
            progress(Transfer::Bytes { done: self.received(), total: self.size() });
        }
    }

    /// Flushes the sink and verifies what passed by.
    pub(super) fn finish(
        &self,
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(Transfer),
    ) -> Result<(), FetchError> {
        sink.flush().map_err(|why| FetchError::unwritable(&self.artifact.name, self.received(), why))?;
        self.verdict()?;
        progress(Transfer::Done);
        Ok(())
    }
}

/// Copies an open file to `sink`, whose content must not be used unless this returns `Ok`.
///
/// # Errors
/// If the file cannot be read, has the wrong size or checksum, or the sink refuses it.
pub fn check(
    artifact: &Artifact,
    reader: &mut dyn Read,
    from: Origin,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(Transfer),
) -> Result<(), FetchError> {
    let mut verifier = Verifier::new(artifact, from, Limits::default().max_bytes)?;
    verifier.copy(reader, sink, progress)?;
    verifier.finish(sink, progress)
}

/// Opens a file of an offline directory.
///
/// # Errors
/// [`FetchError::NotInDirectory`] or [`FetchError::Unreadable`].
pub fn open_offline(
    host: &LiveSystem,
    artifact: &Artifact,
    dir: &Utf8Path,
) -> Result<(Origin, Box<dyn Read>), FetchError> {
    let from = dir.join(&artifact.file);
    match host.open_host_path(&from) {
        Ok(file) => Ok((Origin::File(from), file)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Err(FetchError::NotInDirectory {
            file: artifact.file.clone(),
            dir: dir.to_owned(),
            path: artifact.path.clone(),
        }),
        Err(why) => Err(FetchError::Unreadable { from: Origin::File(from), why }),
    }
}

/// A file that an offline directory cannot provide.
#[derive(Debug)]
pub struct Missing<'a> {
    pub artifact: &'a Artifact,
    /// Why what is there cannot be used.
    pub why: FetchError,
}

/// The artifacts that cannot be installed from `dir`: missing, unreadable, or of another size or checksum.
#[must_use]
pub fn missing_from<'a>(
    dir: &Utf8Path,
    artifacts: impl IntoIterator<Item = &'a Artifact>,
) -> Vec<Missing<'a>> {
    let system = system();
    let verify = |artifact| {
        let (from, mut file) = open_offline(&system, artifact, dir)?;
        check(artifact, &mut file, from, &mut io::sink(), &mut |_| {})
    };
    let missing = |artifact| verify(artifact).err().map(|why| Missing { artifact, why });
    artifacts.into_iter().filter_map(missing).collect()
}

/// How long `--version` may take, in seconds.
const VERSION_SECONDS: u64 = 10;
/// User and group `nobody` of every supported distribution.
const NOBODY: u32 = 65534;

/// The required output of a program whose checksum comes from a signature or from the user. Neither pins the version:
/// the publisher signed every old release too, so a mirror could serve one of them under a newer name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramIdentity {
    /// The first word that `--version` prints: `crun`.
    pub program: String,
    /// The version that `--version` must print after it.
    pub version: Version,
    /// The architecture of its ELF header.
    pub arch: Arch,
}

/// The system on which kind-wsl runs, whatever `--root` is: its programs verify what is downloaded.
pub(super) fn system() -> LiveSystem {
    let root = Utf8Path::new("/");
    LiveSystem::new(root, Box::new(Process::new(root)), [])
}

/// Checks that bytes whose checksum or signature is right are the program that the artifact names: an ELF executable
/// for its architecture that reports its version. Programs of the catalogue, which have no [`ProgramIdentity`], pass.
///
/// The program is run with `--version` only; as root, as `nobody`.
///
/// # Errors
/// [`FetchError::NotTheProgram`]; [`FetchError::Unwritable`] if there is no room to run it.
pub fn check_program(artifact: &Artifact, bytes: &[u8]) -> Result<(), FetchError> {
    let Some(identity) = &artifact.identity else { return Ok(()) };
    let wrong = |why| FetchError::NotTheProgram { name: artifact.name.clone(), why };
    let ProgramIdentity { program, version, arch } = identity;
    if !is_executable_for(bytes, *arch) {
        return Err(wrong(format!("it is not an ELF executable for {arch}")));
    }
    let no_room = |why| FetchError::unwritable(&artifact.name, 0, why);
    let scratch = TempDir::new().map_err(no_room)?;
    let path = scratch.put("program", bytes).map_err(no_room)?;
    scratch.show("program").map_err(no_room)?;
    let cmd =
        Cmd { seconds: VERSION_SECONDS, user: Some(nobody()), ..Cmd::new(path.as_str(), ["--version"]) };
    // crun creates its state directory there before it prints its version (crun 1.21), and in /run otherwise.
    let room = scratch.room_for("run", NOBODY).map_err(no_room)?;
    let cmd = cmd.with_env("XDG_RUNTIME_DIR", room.as_str());
    let printed =
        system().run_readonly(&cmd).map_err(|e| wrong(format!("its version cannot be read: {e}")))?;
    match reported_version(&printed.stdout, program).filter(|_| printed.code == 0) {
        Some(found) if found == *version => Ok(()),
        Some(found) => Err(wrong(format!("it reports version {}", found.release()))),
        None => Err(wrong(format!("it does not report a version of {program}"))),
    }
}

/// The version in the first line of `PROGRAM version 1.2.3`.
fn reported_version(printed: &str, program: &str) -> Option<Version> {
    let rest = printed.lines().next()?.strip_prefix(program)?.strip_prefix(" version ")?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Reads the ELF header (elf(5)): 64 bits, byte order, type and machine.
fn is_executable_for(bytes: &[u8], arch: Arch) -> bool {
    let (order, machine) = arch.elf();
    let number = |at: usize| {
        let two = [*bytes.get(at)?, *bytes.get(at + 1)?];
        Some(if order == 1 { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    // ET_EXEC, or ET_DYN for a position-independent one.
    let runs = matches!(number(16), Some(2 | 3));
    bytes.starts_with(&[0x7f, b'E', b'L', b'F', 2, order]) && runs && number(18) == Some(machine)
}

fn nobody() -> Account {
    Account {
        name: "nobody".to_owned(),
        uid: NOBODY,
        gid: NOBODY,
        home: Utf8PathBuf::from("/"),
        shell: String::new(),
        config_home: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_executable_for, reported_version};
    use crate::fetch::catalogue::Arch;

    /// The first 20 bytes of an ELF file.
    fn header(class: u8, order: u8, kind: [u8; 2], machine: [u8; 2]) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(kind);
        bytes.extend(machine);
        bytes
    }

    #[test]
    fn an_executable_is_accepted_for_its_own_architecture_only() {
        let le = |machine: u16| header(2, 1, [3, 0], machine.to_le_bytes());
        let built = [
            (Arch::Amd64, le(62)),
            (Arch::Arm64, le(183)),
            (Arch::Ppc64le, le(21)),
            (Arch::Riscv64, le(243)),
            (Arch::S390x, header(2, 2, [0, 2], 22_u16.to_be_bytes())),
        ];
        for (arch, _) in &built {
            for (other, bytes) in &built {
                assert_eq!(is_executable_for(bytes, *arch), arch == other, "{other} on {arch}");
            }
        }
    }

    #[test]
    fn a_file_that_is_not_a_64_bit_executable_is_refused() {
        let amd64 = 62_u16.to_le_bytes();
        for bytes in [
            b"#!/bin/sh\necho crun version 1.30.1\n".to_vec(),
            Vec::new(),
            b"\x7fELF".to_vec(),
            header(1, 1, [2, 0], amd64),
            header(2, 2, [0, 2], 62_u16.to_be_bytes()),
            // An object file and a core dump.
            header(2, 1, [1, 0], amd64),
            header(2, 1, [4, 0], amd64),
            header(2, 1, [2, 0], amd64)[..19].to_vec(),
        ] {
            assert!(!is_executable_for(&bytes, Arch::Amd64), "{bytes:?}");
        }
    }

    #[test]
    fn the_version_is_read_from_the_first_line_of_the_right_program() {
        let read = |printed| reported_version(printed, "crun").map(|version| version.release());
        assert_eq!(read("crun version 1.31-dirty\ncommit: 0\n").as_deref(), Some("1.31"));
        for other in
            ["", "crun 1.31\n", "runc version 1.31\n", "\ncrun version 1.31\n", "crun version UNKNOWN\n"]
        {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
