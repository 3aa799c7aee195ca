//! The catalogue of downloads: releases, their checksums with the public sources of each, and the faults that each
//! fixed or introduced.
//!
//! The catalogues are `assets/*.toml`, embedded and parsed on first use; `assets/README.md` explains their fields.
//! They are pinned by a release of kind-wsl, and the parser enforces their rules: **no checksum without a source**,
//! every checksum well formed, no `-disable-systemd` build, and no recommended release that is known to be broken or
//! has a single source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::version::Version;

use super::{Artifact, ChecksumSource, ProgramIdentity, is_sha256, mirror_path};

pub use super::fit::{Arch, Fit, UnknownArch, fit};
pub use crate::compat::{Floor, crun_floor, crun_floors};

/// How many independent sources a checksum needs before its release may be recommended.
pub const QUORUM: usize = 2;

/// All known releases of one program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Version of this format; 1.
    schema: u32,
    /// The program: `crun`.
    pub name: String,
    /// When the facts were gathered: `2026-11-21`.
    pub collected: String,
    /// File name, with `{version}` and `{arch}`.
    file: String,
    /// Address, with `{version}` and `{arch}`.
    url: String,
    /// Whether the publisher signs its files, each with a detached signature under its name and `.asc`.
    #[serde(default)]
    signed: bool,
    /// The releases to recommend, best first.
    pub(super) recommended: Vec<Version>,
    /// Every release, newest first.
    #[serde(rename = "release")]
    pub releases: Vec<Release>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: Version,
    /// The day it was tagged (`2026-09-25`), if a public source has it.
    pub date: Option<String>,
    /// Why it should not be used although it is new enough.
    pub avoid: Option<Avoid>,
    /// For kind: the Kubernetes version of its default node image.
    pub kubernetes: Option<Version>,
    /// Relevant faults that it fixed or introduced.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// The builds whose checksum is known.
    #[serde(default)]
    pub builds: BTreeMap<Arch, Build>,
}

/// Why a release should not be used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Avoid {
    pub text: String,
    /// Where that is discussed: `containers/crun#1308`.
    pub thread: String,
}

/// One thing that a release changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// For better or worse.
    pub kind: NoteKind,
    pub text: String,
    /// Where that is discussed, if anywhere public.
    pub thread: Option<String>,
}

/// The description of the change.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.kind == NoteKind::Fixed { "fixed" } else { "broke" };
        write!(f, "{word}: {}", self.text)
    }
}

/// Whether a release made something better or worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// It works since this release.
    Fixed,
    /// It does not work in this release.
    Broke,
}

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// sha256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size in bytes, if a public source has it.
    pub size: Option<u64>,
    /// The public files in which this checksum was read.
    pub sources: Vec<String>,
}

impl Build {
    /// How many independent publishers give this checksum: sources in repositories of one GitHub owner count
    /// once.
    #[must_use]
    pub fn independent(&self) -> usize {
        let publisher = |source: &'_ String| -> String {
            let owner = source.strip_prefix("github:").and_then(|rest| rest.split('/').next());
            owner.map_or_else(|| source.clone(), str::to_owned)
        };
        self.sources.iter().map(publisher).collect::<BTreeSet<_>>().len()
    }
}

/// Why a catalogue is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// It does not have the form of a catalogue.
    #[error("catalogue `{name}` cannot be read: {why}")]
    Syntax { name: String, why: String },
    /// It breaks one of the rules.
    #[error("catalogue `{name}`: {what} {why}")]
    Rule {
        name: String,
        /// The entry: `1.21 for amd64`.
        what: String,
        /// The rule it breaks.
        why: &'static str,
    },
}

/// An invalid checksum from the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sha256: that has 64 hexadecimal digits")]
pub struct BadSha256(String);

impl Catalogue {
    /// Parses a catalogue and enforces its rules; `name` is for messages until its own name is known.
    ///
    /// # Errors
    /// [`CatalogueError`] names the entry and the rule it breaks.
    pub fn parse(name: &str, text: &str) -> Result<Self, CatalogueError> {
        let mut catalogue: Self = toml::from_str(text)
            .map_err(|why| CatalogueError::Syntax { name: name.to_owned(), why: why.to_string() })?;
        catalogue.releases.sort_by(|a, b| b.version.cmp(&a.version));
        catalogue.rules().map_err(|(what, why)| CatalogueError::Rule { name: name.to_owned(), what, why })?;
        Ok(catalogue)
    }

    fn rules(&self) -> Result<(), (String, &'static str)> {
        if self.schema != 1 {
            return Err((format!("schema {}", self.schema), "is not known to this program"));
        }
        if !self.url.starts_with("https://") {
            return Err((self.url.clone(), "is not https"));
        }
        can_be_offered(&self.file, &self.url)?;
        for pair in self.releases.windows(2) {
            if pair[0].version == pair[1].version {
                return Err((pair[0].version.to_string(), "is there twice"));
            }
        }
        for release in &self.releases {
            release.rules()?;
            // A version may bring what the forms alone do not have.
            for arch in release.builds.keys() {
                let filled = self.describe(release.version.as_str(), *arch, "", ChecksumSource::User);
                can_be_offered(&filled.file, &filled.url)?;
            }
        }
        self.recommended.iter().try_for_each(|version| {
            let why = match self.find(version) {
                None => "is recommended but not in the catalogue",
                Some(release) if release.avoid.is_some() => "is recommended and to be avoided",
                Some(release) if !release.builds.values().any(Build::has_quorum) => {
                    "is recommended although its checksum has a single source"
                }
                Some(_) => return Ok(()),
            };
            Err((version.to_string(), why))
        })
    }

    /// The release of this version; `1.28` finds `1.28.0` and `v1.28`, too.
    #[must_use]
    pub fn find(&self, version: &Version) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == *version)
    }

    /// The release to take unless there is a reason for another: the first recommended one whose checksum for
    /// this architecture is confirmed by at least [`QUORUM`] independent sources.
    #[must_use]
    pub fn recommended(&self, arch: Arch) -> Option<&Release> {
        let has_quorum = |release: &&Release| release.builds.get(&arch).is_some_and(Build::has_quorum);
        self.recommended.iter().filter_map(|version| self.find(version)).find(has_quorum)
    }

    /// The version in the catalogue that a mistyped one was probably meant to be: at most two letters away,
    /// the newer one where two are as near.
    #[must_use]
    pub fn near_match(&self, typed: &str) -> Option<&str> {
        let bare = |version: &str| version.trim().trim_start_matches('v').to_owned();
        let typed = bare(typed);
        let distance = |release: &&Release| strsim::osa_distance(&typed, &bare(release.version.as_str()));
        let nearest = self.releases.iter().min_by_key(distance)?;
        (distance(&nearest) <= 2.min(typed.len() / 2)).then(|| nearest.version.as_str())
    }

    /// The download for this version and architecture; `None` if no checksum is known.
    #[must_use]
    pub fn artifact(&self, version: &Version, arch: Arch) -> Option<Artifact> {
        let release = self.find(version)?;
        let build = release.builds.get(&arch)?;
        let checksum_source = ChecksumSource::Catalogue { sources: build.independent() };
        Some(Artifact {
            size: build.size,
            identity: None,
            ..self.describe(release.version.as_str(), arch, &build.sha256, checksum_source)
        })
    }

    /// The download for a version whose checksum the user gives.
    ///
    /// # Errors
    /// [`BadSha256`] if that is not 64 hexadecimal digits (of either case).
    pub fn user_artifact(&self, version: &Version, arch: Arch, sha256: &str) -> Result<Artifact, BadSha256> {
        let digits = sha256.trim().to_ascii_lowercase();
        if !is_sha256(&digits) {
            return Err(BadSha256(sha256.to_owned()));
        }
        // The numbers alone: what a user types after them has no business in a path.
        Ok(self.describe(&version.release(), arch, &digits, ChecksumSource::User))
    }

    /// The download for a version without a known checksum: its publisher's signature must verify it. `None` if this
    /// publisher signs nothing.
    #[must_use]
    pub fn unverified(&self, version: &Version, arch: Arch) -> Option<Artifact> {
        self.signed.then(|| self.describe(&version.release(), arch, "", ChecksumSource::User))
    }

    fn describe(&self, version: &str, arch: Arch, sha256: &str, checksum_source: ChecksumSource) -> Artifact {
        let fill = |form: &str| form.replace("{version}", version).replace("{arch}", arch.as_str());
        let url = fill(&self.url);
        Artifact {
            name: format!("{} {version}", self.name),
            file: fill(&self.file),
            path: mirror_path(&url).to_owned(),
            url,
            sha256: sha256.to_owned(),
            size: None,
            checksum_source,
            has_signature: self.signed,
            identity: version.parse().ok().map(|version| ProgramIdentity {
                program: self.name.clone(),
                version,
                arch,
            }),
        }
    }
}

/// Whether a build may have this name and this address: it is stored under the name, and no build without systemd is offered.
fn can_be_offered(file: &str, url: &str) -> Result<(), (String, &'static str)> {
    let is_name = !file.is_empty()
        && !file.starts_with('.')
        && file.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if is_name && ![file, url].into_iter().any(|text| text.contains("disable-systemd")) {
        return Ok(());
    }
    Err((file.to_owned(), "is not the name of a build that can be offered"))
}

impl Release {
    fn rules(&self) -> Result<(), (String, &'static str)> {
        // It becomes part of a file's name and of an address.
        if !self.version.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b".+~_-".contains(&b)) {
            return Err((self.version.to_string(), "is not a version that can be part of a file name"));
        }
        self.builds.iter().try_for_each(|(arch, build)| match build.fault() {
            Some(fault) => Err((format!("{} for {arch}", self.version), fault)),
            None => Ok(()),
        })
    }
}

impl Build {
    /// Whether enough independent sources agree on it.
    #[must_use]
    pub fn has_quorum(&self) -> bool {
        self.independent() >= QUORUM
    }

    fn fault(&self) -> Option<&'static str> {
        if !is_sha256(&self.sha256) {
            Some("has a sha256 that is not 64 lower-case hexadecimal digits")
        } else if self.sources.iter().all(|source| source.trim().is_empty()) {
            Some("has a sha256 without a source")
        } else {
            None
        }
    }
}

macro_rules! built_in {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`CatalogueError`] if the embedded file breaks a rule; a test keeps that from being released.
        pub fn $name() -> Result<&'static Catalogue, CatalogueError> {
            static READ: LazyLock<Result<Catalogue, CatalogueError>> = LazyLock::new(|| {
                Catalogue::parse(stringify!($name), include_str!(concat!("../../assets/", $file)))
            });
            READ.as_ref().map_err(Clone::clone)
        }
    };
}

built_in!(
    /// crun, the container runtime: every release from 1.9 on, `assets/crun.toml`.
    crun,
    "crun.toml"
);
built_in!(
    /// kind: the releases from 0.27 on, `assets/kind.toml`.
    kind,
    "kind.toml"
);
built_in!(
    /// kubectl: the newest of each minor version, `assets/kubectl.toml`.
    kubectl,
    "kubectl.toml"
);
built_in!(
    /// The CNI plugins as a Debian package, for podman 3.x, `assets/cni.toml`.
    cni,
    "cni.toml"
);
