//! Which crun is meant, and by what it is trusted, settled before the plan is made: the newest release where that was
//! asked for, and of a release that is not in the catalogue its checksum, vouched for by the publisher's signature or
//! by the person.

use super::session::Session;
use crate::error::Failure;
use crate::facts::Facts;
use crate::fetch::catalogue::{self, Arch, Catalogue};
use crate::fetch::signature::{self, Look};
use crate::fetch::{FetchError, Source, newest_release, unverified};
use crate::host::{Scratch, digest};
use crate::stage::Answers;
use crate::stages;
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
    #[error("{0} is not in the catalogue, and without `gpgv` its signature can not be checked")]
    NoGpgv(String),
    /// There is none.
    #[error("{0} is not in the catalogue, and its publisher offers no signature of it")]
    NoSignature(String),
}

impl Distrust {
    /// Whether it speaks against the file itself.
    fn is_damning(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::BadSignature { .. }))
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
/// # Errors
/// When the newest version can not be asked for, or when nobody vouches for the file.
pub(crate) fn settle_crun(
    session: &Session,
    facts: &Facts,
    answers: &mut Answers,
    source: &Source,
    may_ask: bool,
) -> Result<(), Failure> {
    let (Some(arch), Ok(catalogue)) = (facts.arch, catalogue::crun()) else { return Ok(()) };
    if answers.get("crun_version") == Some("latest") && source.offline.is_none() {
        let newest = newest_release(PROJECT, source).map_err(|e| {
            let hint =
                "name a version (`kind-wsl crun list` shows them), or take `--crun-version recommended`";
            Failure {
                causes: vec![e.to_string()],
                ..Failure::new("the newest crun can not be asked for", Some(hint.to_owned()))
            }
        })?;
        answers.give("crun_version", newest.to_string());
    }
    let Some(version) = answers.get("crun_version").and_then(|said| said.parse::<Version>().ok()) else {
        return Ok(());
    };
    let is_settled = catalogue.artifact(&version, arch).is_some()
        || answers.get("crun_sha256").is_some()
        || version < stages::crun_floor_here(facts)
        || source.offline.is_some();
    if is_settled {
        return Ok(());
    }
    match vouched(session, catalogue, &version, arch, source) {
        Ok(sha256) => answers.give("crun_sha256", sha256),
        Err(why) if why.is_damning() => return Err(why.into()),
        Err(why) if may_ask && ui::is_interactive() => {
            ui::err(&format!("{}.", Failure::from(why).text));
            if let Some(question) = stages::questions().find(|q| q.id == "crun_sha256") {
                let said = ui::ask(question, facts, "")?;
                answers.give(question.id, question.accept(&said, facts)?);
            }
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
    session: &Session,
    catalogue: &Catalogue,
    version: &Version,
    arch: Arch,
    source: &Source,
) -> Result<String, Distrust> {
    let name = format!("{} {version}", catalogue.name);
    let artifact = catalogue.unattested(version, arch).ok_or_else(|| Distrust::NoGpgv(name.clone()))?;
    // What can not be judged is not fetched.
    if !signature::is_possible(&session.host) {
        return Err(Distrust::NoGpgv(name));
    }
    let bytes = unverified(&artifact, source)?;
    let scratch = Scratch::new().and_then(|dir| dir.put("file", &bytes).map(|file| (dir, file)));
    let (_dir, file) =
        scratch.map_err(|why| FetchError::Unwritable { name: name.clone(), received: 0, why })?;
    let fingerprint = match signature::look(&session.host, &artifact, source, &file)? {
        Look::Good { fingerprint } => fingerprint,
        Look::Missing => return Err(Distrust::NoSignature(name)),
        Look::NoGpgv => return Err(Distrust::NoGpgv(name)),
    };
    let sha256 = digest(&bytes);
    out(&styled(DIM, &format!("{name} is signed by {fingerprint}; its sha256 is {sha256}")));
    Ok(sha256)
}
