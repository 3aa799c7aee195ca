//! Which releases a host can use: its architecture, and the lowest crun that works there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::catalogue::Release;
use crate::version::Version;

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

/// A lower bound for crun, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    numbers: [u64; 3],
    /// Only on this kernel `(major, minor)` or later.
    kernel: Option<(u32, u32)>,
    /// Only with this major version of podman or later.
    podman: Option<u32>,
    /// What happens below it.
    pub why: &'static str,
    /// The public thread or document that says so.
    pub source: &'static str,
}

impl Floor {
    /// The lowest version that is accepted.
    #[must_use]
    pub fn version(&self) -> Version {
        match self.numbers {
            [major, minor, 0] => Version::from([major, minor]),
            numbers => Version::from(numbers),
        }
    }

    fn concerns(&self, kernel: (u32, u32), podman_major: Option<u32>) -> bool {
        self.kernel.is_none_or(|from| kernel >= from)
            && self.podman.is_none_or(|from| podman_major.is_some_and(|major| major >= from))
    }
}

/// Every floor, in rising order; the last one that concerns a host applies.
pub const CRUN_FLOORS: [Floor; 3] = [
    Floor {
        numbers: [1, 9, 0],
        kernel: None,
        podman: None,
        why: "the guide's own floor; idmapped mounts came with it",
        source: "the WSL2 podman guide (crun >= 1.9.0), containers/crun NEWS",
    },
    Floor {
        numbers: [1, 9, 1],
        kernel: Some((6, 6)),
        podman: None,
        why: "on Linux 6.6 an older one fails with \"chmod `run/shm`: Operation not supported\"",
        source: "containers/crun#1308, kubernetes-sigs/kind#3526",
    },
    Floor {
        numbers: [1, 14, 3],
        kernel: None,
        podman: Some(5),
        why: "with podman 5 an older one fails with \"unknown version specified\"",
        source: "containers/crun#1485, podman-container-tools/podman#27272",
    },
];

/// The lowest crun for a host: 1.9 always, 1.9.1 on kernel 6.6 and later, 1.14.3 with podman 5 and later.
#[must_use]
pub fn crun_floor(kernel: (u32, u32), podman_major: Option<u32>) -> Version {
    crun_floor_for(kernel, podman_major).version()
}

/// As [`crun_floor`], with the reason and its source.
#[must_use]
pub fn crun_floor_for(kernel: (u32, u32), podman_major: Option<u32>) -> &'static Floor {
    let [first, ..] = &CRUN_FLOORS;
    CRUN_FLOORS.iter().rfind(|floor| floor.concerns(kernel, podman_major)).unwrap_or(first)
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
