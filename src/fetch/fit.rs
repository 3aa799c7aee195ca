//! Which releases a host can use: by its architecture, and by the lowest crun that works there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::catalogue::{Build, Catalogue, Note, NoteKind, Release};
use crate::version::Version;

/// How many releases are offered without being asked for all of them.
const FEW: usize = 4;

/// A processor architecture for which releases are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
    /// 64-bit POWER, little endian.
    Ppc64le,
    /// 64-bit RISC-V.
    Riscv64,
    S390x,
}

/// A machine name that is not one of the architectures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no release is built for the architecture `{0}`")]
pub struct UnknownArch(String);

impl Arch {
    /// The name that release files carry: `amd64`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Ppc64le => "ppc64le",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
        }
    }

    /// The byte order and the machine that the header of an ELF file states (elf(5); `EI_DATA` and `e_machine` in
    /// Linux `include/uapi/linux/elf.h` and `elf-em.h`).
    pub(super) fn elf(self) -> (u8, u16) {
        match self {
            Self::Amd64 => (1, 62),
            Self::Arm64 => (1, 183),
            Self::Ppc64le => (1, 21),
            Self::Riscv64 => (1, 243),
            Self::S390x => (2, 22),
        }
    }

    /// A static ELF executable of one readable and executable segment that begins with this code (elf(5)). Its byte order
    /// is little endian, which is not that of s390x.
    #[must_use]
    pub fn executable(self, code: &[u8]) -> Vec<u8> {
        const BASE: u64 = 0x40_0000;
        const HEADERS: u64 = 64 + 56;
        let size = HEADERS + code.len() as u64;
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut put = |bytes: &[u8]| elf.extend_from_slice(bytes);
        // ET_EXEC, the machine, version 1, the entry, the program headers, no sections, no flags, then sizes and counts.
        for half in [2_u16, self.elf().1] {
            put(&half.to_le_bytes());
        }
        put(&1_u32.to_le_bytes());
        for long in [BASE + HEADERS, 64, 0] {
            put(&long.to_le_bytes());
        }
        put(&0_u32.to_le_bytes());
        for half in [64_u16, 56, 1, 0, 0, 0] {
            put(&half.to_le_bytes());
        }
        // One segment, PT_LOAD, readable and executable: the whole file.
        for word in [1_u32, 5] {
            put(&word.to_le_bytes());
        }
        for long in [0_u64, BASE, BASE, size, size, 0x1000] {
            put(&long.to_le_bytes());
        }
        put(code);
        elf
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Reads what `uname -m` or `dpkg --print-architecture` prints.
    fn from_str(machine: &str) -> Result<Self, UnknownArch> {
        Ok(match machine.trim() {
            "x86_64" | "amd64" => Self::Amd64,
            "aarch64" | "arm64" => Self::Arm64,
            "ppc64le" | "ppc64el" => Self::Ppc64le,
            "riscv64" => Self::Riscv64,
            "s390x" => Self::S390x,
            other => return Err(UnknownArch(other.to_owned())),
        })
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a host can use a release, and if not, the first reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It can be offered.
    Suits,
    /// Older than this host needs.
    TooOld {
        /// The lowest version that is accepted here.
        floor: Version,
    },
    /// Known to be broken in a way that later releases are not.
    Regression {
        text: String,
        /// Where that is discussed.
        thread: String,
    },
    /// The catalogue has no checksum of a build for this architecture: the user has to give it.
    NoBuild(Arch),
}

/// Checks `release` for a host of this architecture and floor.
#[must_use]
pub fn fit(release: &Release, arch: Arch, floor: &Version) -> Fit {
    if release.version < *floor {
        Fit::TooOld { floor: floor.clone() }
    } else if let Some(avoid) = &release.avoid {
        Fit::Regression { text: avoid.text.clone(), thread: avoid.thread.clone() }
    } else if !release.builds.contains_key(&arch) {
        Fit::NoBuild(arch)
    } else {
        Fit::Suits
    }
}

impl Release {
    /// The one thing to know about a release that a host can use, in a few words.
    #[must_use]
    pub fn advice(&self, arch: Arch, is_recommended: bool) -> String {
        let few = |text: &str| text.split([';', '(']).next().unwrap_or_default().trim().to_owned();
        if !self.builds.get(&arch).is_some_and(Build::has_quorum) {
            return "supported; checksum from a single source".to_owned();
        }
        let word = if is_recommended { "recommended" } else { "supported" };
        match self.notes.first() {
            Some(Note { kind: NoteKind::Fixed, text, .. }) => format!("{word}: fixes {}", few(text)),
            Some(Note { text, .. }) if !is_recommended => format!("known issue: {}", few(text)),
            _ => word.to_owned(),
        }
    }
}

impl Catalogue {
    /// The few releases to choose from on a host: the advised ones that it can use, and the newest others.
    #[must_use]
    pub fn advised(&self, arch: Arch, floor: &Version) -> Vec<&Release> {
        let fits = || self.releases.iter().filter(|release| fit(release, arch, floor) == Fit::Suits);
        let is_listed = |release: &&Release| self.recommended.contains(&release.version);
        let mut few: Vec<&Release> = fits().filter(is_listed).collect();
        few.extend(fits().filter(|release| !is_listed(release)).take(FEW.saturating_sub(few.len())));
        few.sort_by(|a, b| b.version.cmp(&a.version));
        few
    }
}
