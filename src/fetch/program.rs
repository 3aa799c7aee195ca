//! Whether a downloaded program is the one that was asked for: built for this machine, and of the right version.
//!
//! A checksum from the catalogue pins both. A signature pins neither: the publisher signed every old release as well, so
//! a mirror can serve one of them under a newer name.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::catalogue::Arch;
use super::{Artifact, FetchError};
use crate::host::{Account, Cmd, LiveSystem, Process, System, TempDir};
use crate::version::Version;

/// How long `--version` may take, in seconds.
const SECONDS: u64 = 10;
/// User and group `nobody` of every distribution that kind-wsl knows.
const NOBODY: u32 = 65534;

/// What a program must be if its checksum comes from a signature or from the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The first word that `--version` prints: `crun`.
    pub program: String,
    /// The version that `--version` must print after it.
    pub version: Version,
    /// What it must be built for.
    pub arch: Arch,
}

/// The system on which kind-wsl runs, whatever `--root` names: its programs judge what is downloaded.
pub(super) fn system() -> LiveSystem {
    let root = Utf8Path::new("/");
    LiveSystem::new(root, Box::new(Process::new(root)), [])
}

/// Checks that bytes whose checksum or signature is right are the program that the artifact names: an ELF executable for
/// its architecture that reports its version. Programs of the built-in catalogue, which have no [`Identity`], pass.
///
/// The program is run with `--version` only; as root, as `nobody`.
///
/// # Errors
/// [`FetchError::NotTheProgram`]; [`FetchError::Unwritable`] if there is no room to run it.
pub fn check_program(artifact: &Artifact, bytes: &[u8]) -> Result<(), FetchError> {
    let Some(identity) = &artifact.identity else { return Ok(()) };
    let wrong = |why| FetchError::NotTheProgram { name: artifact.name.clone(), why };
    let Identity { program, version, arch } = identity;
    if !is_executable_for(bytes, *arch) {
        return Err(wrong(format!("it is not an ELF executable for {arch}")));
    }
    let no_room = |why| FetchError::Unwritable { name: artifact.name.clone(), received: 0, why };
    let scratch = TempDir::new().map_err(no_room)?;
    let path = scratch.put("program", bytes).map_err(no_room)?;
    scratch.show("program").map_err(no_room)?;
    let cmd = Cmd { seconds: SECONDS, user: Some(nobody()), ..Cmd::new(path.as_str(), ["--version"]) };
    // crun makes its state directory there before it prints its version (crun 1.21), and in /run otherwise.
    let room = scratch.room_for("run", NOBODY).map_err(no_room)?;
    let cmd = cmd.with_env("XDG_RUNTIME_DIR", room.as_str());
    let printed =
        system().run_readonly(&cmd).map_err(|e| wrong(format!("its version cannot be read: {e}")))?;
    match reported(&printed.stdout, program).filter(|_| printed.code == 0) {
        Some(found) if found == *version => Ok(()),
        Some(found) => Err(wrong(format!("it reports version {}", found.release()))),
        None => Err(wrong(format!("it does not report a version of {program}"))),
    }
}

/// The version in the first line of `PROGRAM version 1.2.3`.
fn reported(printed: &str, program: &str) -> Option<Version> {
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
    }
}

#[cfg(test)]
mod tests {
    use super::{is_executable_for, reported};
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
    fn what_is_no_64_bit_executable_is_refused() {
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
        let read = |printed| reported(printed, "crun").map(|version| version.release());
        assert_eq!(read("crun version 1.31-dirty\ncommit: 0\n").as_deref(), Some("1.31"));
        for other in
            ["", "crun 1.31\n", "runc version 1.31\n", "\ncrun version 1.31\n", "crun version UNKNOWN\n"]
        {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
