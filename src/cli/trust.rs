//! Which crun is meant, and by what it is trusted, settled before the plan is made: the newest release where that was
//! asked for, and of a release that is not in the catalogue its checksum, vouched for by the publisher's signature or
//! by the person.

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

/// Why a signature does not vouch for a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Distrust {
    /// It could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// gpgv is not there.
    #[error("{0} is not in the catalogue, and without `gpgv` its signature cannot be checked")]
    NoGpgv(String),
    #[error("{0} is not in the catalogue, and its publisher offers no signature of it")]
    NoSignature(String),
}

impl Distrust {
    /// Whether it speaks against the file itself.
    fn is_damning(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::BadSignature { .. } | FetchError::NotTheProgram { .. }))
    }
}

impl From<Distrust> for Failure {
    fn from(error: Distrust) -> Self {
        let text = error.to_string();
        let hint = match error {
            Distrust::Fetch(e) => return e.into(),
            Distrust::NoGpgv(_) => "install the package `gpgv`, or give its checksum: `--crun-sha256 HASH`",
            Distrust::NoSignature(_) => "give its checksum: `--crun-sha256 HASH`",
        };
        Self::new(text, Some(hint.to_owned()))
    }
}

/// Turns `latest` into a version, and sees that a version from outside the catalogue has a checksum.
///
/// Only the project's own list of releases may name a version that is newer than the catalogue's newest. A mirror or an
/// offline directory offers files, not versions: there `latest` is the newest of the catalogue, as the stage resolves it.
///
/// # Errors
/// If the newest version cannot be asked for, or nothing vouches for the file.
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
                "name a version (`kind-wsl crun list` shows them), or take `--crun-version recommended`";
            Failure {
                causes: vec![e.to_string()],
                ..Failure::new("cannot find out the newest crun version", Some(hint.to_owned()))
            }
        })?;
        // A list that is older than this program is no reason to go back.
        if catalogue.releases.first().is_none_or(|known| listed > known.version) {
            answers.set(CRUN_VERSION.id, listed.to_string());
        }
    }
    let Some(version) = answers.get(&CRUN_VERSION).and_then(|said| said.parse::<Version>().ok()) else {
        return Ok(());
    };
    let is_settled = catalogue.artifact(&version, arch).is_some()
        || answers.get(&CRUN_SHA256).is_some()
        || version < stages::crun_floor_here(facts);
    if is_settled {
        return Ok(());
    }
    match vouched(catalogue, &version, arch, source) {
        Ok(sha256) => answers.set(CRUN_SHA256.id, sha256),
        Err(why) if why.is_damning() => return Err(why.into()),
        Err(why) if may_ask && ui::is_interactive() => {
            ui::err(&format!("{}.", Failure::from(why).text));
            let said = ui::ask(&CRUN_SHA256, facts, "")?;
            answers.set(CRUN_SHA256.id, CRUN_SHA256.accept(&said, facts)?);
        }
        // The stage says what is missing, and which version may have been meant.
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

/// The checksum of a release that its publisher signed.
fn vouched(
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
