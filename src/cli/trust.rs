//! Resolves the crun version and its checksum before planning: `latest` becomes a version, and a version outside of the
//! catalogue needs a checksum, from the publisher's signature or from the user.

use crate::error::Failure;
use crate::facts::Facts;
use crate::fetch::catalogue::{self, Arch, Catalogue};
use crate::fetch::signature::{self, SignatureStatus};
use crate::fetch::{FetchError, Source, newest_release};
use crate::stage::Answers;
use crate::stages;
use crate::stages::crun::{CRUN_SHA256, CRUN_VERSION};
use crate::ui::{self, DIM, out, styled};
use crate::version::Version;

/// Where crun is released.
const PROJECT: &str = "containers/crun";

/// Why a file cannot be trusted by its signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Distrust {
    /// The signature cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// gpgv is not installed.
    #[error("{0} is not in the catalogue, and its signature cannot be checked: gpgv is not installed")]
    NoGpgv(String),
    #[error("{0} is not in the catalogue and not signed by its publisher")]
    NoSignature(String),
}

impl Distrust {
    /// Whether the file itself is suspect.
    fn is_damning(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::BadSignature { .. } | FetchError::NotTheProgram { .. }))
    }
}

impl From<Distrust> for Failure {
    fn from(error: Distrust) -> Self {
        let text = error.to_string();
        let hint = match error {
            Distrust::Fetch(e) => return e.into(),
            Distrust::NoGpgv(_) => "install the package `gpgv`, or set its checksum: `--crun-sha256 HASH`",
            Distrust::NoSignature(_) => "set its checksum: `--crun-sha256 HASH`",
        };
        Self::new(text, Some(hint.to_owned()))
    }
}

/// Resolves `latest`, and the checksum of a version that is not in the catalogue.
///
/// Only the release list of the crun project may select a version newer than the catalogue. With a mirror or an offline
/// directory, `latest` is the newest version of the catalogue.
///
/// # Errors
/// If the newest version cannot be determined, or the file has no trusted checksum.
pub(crate) fn settle_crun(
    facts: &Facts,
    answers: &mut Answers,
    source: &Source,
    may_ask: bool,
) -> Result<(), Failure> {
    let (Some(arch), Ok(catalogue)) = (facts.arch, catalogue::crun()) else { return Ok(()) };
    let is_direct = source.offline.is_none() && source.mirror.is_none();
    if answers.get(&CRUN_VERSION) == Some("latest") && is_direct {
        let listed = newest_release(PROJECT, source).map_err(|e| {
            let hint =
                "select a version (`kind-wsl crun list` shows them), or use `--crun-version recommended`";
            Failure {
                causes: vec![e.to_string()],
                ..Failure::new("cannot determine the newest crun version", Some(hint.to_owned()))
            }
        })?;
        // A release list that is older than the catalogue must not cause a downgrade.
        if catalogue.releases.first().is_none_or(|known| listed > known.version) {
            answers.set(CRUN_VERSION.id, listed.to_string());
        }
    }
    let Some(version) = answers.get(&CRUN_VERSION).and_then(|value| value.parse::<Version>().ok()) else {
        return Ok(());
    };
    let is_settled = catalogue.artifact(&version, arch).is_some()
        || answers.get(&CRUN_SHA256).is_some()
        || version < stages::crun_floor_here(facts);
    if is_settled {
        return Ok(());
    }
    match signed_checksum(catalogue, &version, arch, source) {
        Ok(sha256) => answers.set(CRUN_SHA256.id, sha256),
        Err(why) if why.is_damning() => return Err(why.into()),
        Err(why) if may_ask && ui::is_interactive() => {
            ui::err(&format!("{}.", Failure::from(why).text));
            let value = ui::ask(&CRUN_SHA256, facts, "")?;
            answers.set(CRUN_SHA256.id, CRUN_SHA256.accept(&value, facts)?);
        }
        // The stage reports the error, with the nearest version.
        Err(Distrust::NoGpgv(_)) => {}
        Err(why) => {
            let mut failure = Failure::from(why);
            if let Some(near) = catalogue.near_match(version.as_str()) {
                let hint = failure.hint.map_or_else(String::new, |hint| format!(" Otherwise: {hint}"));
                failure.hint = Some(format!("did you mean `{near}`?{hint}"));
            }
            return Err(failure);
        }
    }
    Ok(())
}

/// Returns the checksum of a release from its publisher's signature.
fn signed_checksum(
    catalogue: &Catalogue,
    version: &Version,
    arch: Arch,
    source: &Source,
) -> Result<String, Distrust> {
    let name = format!("{} {version}", catalogue.name);
    let artifact = catalogue.unverified(version, arch).ok_or_else(|| Distrust::NoGpgv(name.clone()))?;
    let (found, sha256) = signature::verified_checksum(&artifact, source, &signature::CRUN)?;
    let fingerprint = match found {
        SignatureStatus::Good { fingerprint } => fingerprint,
        SignatureStatus::Missing => return Err(Distrust::NoSignature(name)),
        SignatureStatus::NoGpgv => return Err(Distrust::NoGpgv(name)),
    };
    out(&styled(DIM, &format!("{name} is signed by {fingerprint}; its sha256 is {sha256}")));
    Ok(sha256)
}
