//! Which crun a host needs, and whether a release suits it.

use crate::version::Version;

use super::catalogue::{Arch, Release};

/// A lower bound for crun, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    numbers: [u64; 3],
    /// The kernels it is about, from `(major, minor)` on.
    kernel: Option<(u32, u32)>,
    /// The podmans it is about, from this major version on.
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

/// Every floor, rising; the last one that concerns a host is the one that counts there.
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

/// Whether a release suits a host, and if not, the first reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It can be offered.
    Suits,
    /// Below what this host needs.
    TooOld {
        /// The lowest version that is accepted here.
        floor: Version,
    },
    /// Known to be broken in a way that later releases are not.
    Regression {
        /// What it broke.
        text: String,
        /// Where that is discussed.
        thread: String,
    },
    /// No checksum is known of a build for this architecture, so it can only be had with a checksum from the
    /// user.
    NoBuild(Arch),
}

/// Judges `release` for a host of this architecture and floor.
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
