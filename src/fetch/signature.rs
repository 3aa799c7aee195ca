//! Detached signatures, as `gpgv` judges them.
//!
//! The key is built in. It is the one that Debian keeps to check crun's releases (`debian/upstream/signing-key.asc`
//! of its source package); primary and signing fingerprint are those of crun's own signed tags (assets/README.md).
//! What counts is what gpgv says on its status channel (`GnuPG`'s `doc/DETAILS`), never its words.

use std::io::Read;

use camino::Utf8Path;

use super::small::SIGNATURE;
use super::{Artifact, FetchError, Source, signature_of};
use crate::host::{Cmd, Host, HostError, Scratch, World};

/// The key of crun's releases as gpgv takes it.
pub const CRUN_KEY: &[u8] = include_bytes!("../../assets/crun-signing-key.gpg");
/// Its primary fingerprint.
pub const CRUN_FINGERPRINT: &str = "AC404C1C0BF735C63FF4D562263D6DF2E163E1EA";

/// What gpgv says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It is good, and of a key below this primary one.
    Good {
        /// The fingerprint of the primary key.
        fingerprint: String,
    },
    /// It is not of this file, or the key may not sign any more.
    Bad {
        /// What gpgv calls it: `BADSIG`, `EXPKEYSIG`, `REVKEYSIG` …
        why: String,
    },
    /// It is of a key that is not the built-in one.
    UnknownKey {
        /// Its id, as the signature names it.
        id: String,
    },
}

/// What a look at a release's signature came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is good.
    Good {
        /// The fingerprint of the primary key.
        fingerprint: String,
    },
    /// Its publisher offers none, or the offline directory has none.
    Missing,
    /// This machine has no gpgv.
    NoGpgv,
}

/// Looks at the signature of a file whose checksum was right: it comes from where the file comes from, under the
/// file's name and `.asc`.
///
/// # Errors
/// [`FetchError::BadSignature`], after which the file must not be used; otherwise when there is no verdict.
pub fn look(host: &Host, artifact: &Artifact, source: &Source, file: &Utf8Path) -> Result<Look, FetchError> {
    if !is_possible(host) {
        return Ok(Look::NoGpgv);
    }
    let signature = match offered(host, artifact, source) {
        Ok(Some(bytes)) => bytes,
        Ok(None) | Err(FetchError::Status { code: 404 | 410, .. }) => return Ok(Look::Missing),
        Err(e) => return Err(e),
    };
    let name = || artifact.name.clone();
    let no_room =
        |why| FetchError::Unwritable { name: format!("the signature of {}", name()), received: 0, why };
    let scratch = Scratch::new().map_err(no_room)?;
    let key = scratch.put("key.gpg", CRUN_KEY).map_err(no_room)?;
    let signature = scratch.put("file.asc", &signature).map_err(no_room)?;
    let bad = |why: String| Err(FetchError::BadSignature { name: name(), why });
    match judge(host, &key, &signature, file) {
        Ok(Signature::Good { fingerprint }) => Ok(Look::Good { fingerprint }),
        Ok(Signature::Bad { why }) => bad(format!("gpgv says {why}")),
        Ok(Signature::UnknownKey { id }) => bad(format!("it is of another key, {id}")),
        Err(e) => bad(format!("{e}")),
    }
}

fn offered(host: &Host, artifact: &Artifact, source: &Source) -> Result<Option<Vec<u8>>, FetchError> {
    let Some(dir) = &source.offline else { return signature_of(artifact, source).map(Some) };
    let path = dir.join(format!("{}.asc", artifact.file));
    let mut bytes = Vec::new();
    let unreadable = |why| FetchError::Unreadable { from: path.to_string(), why };
    match host.open_outside(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        opened => {
            opened.and_then(|file| file.take(SIGNATURE).read_to_end(&mut bytes)).map_err(unreadable)?;
            Ok(Some(bytes))
        }
    }
}

/// Whether this machine can judge signatures.
#[must_use]
pub fn is_possible(world: &dyn World) -> bool {
    world.answer(&Cmd::line("gpgv --version")).is_some()
}

/// Has gpgv judge the signature in one file of the bytes in another, by the keys in a third and no others.
///
/// # Errors
/// When gpgv can not be run, or says nothing that is understood: that is no verdict.
pub fn judge(
    world: &dyn World,
    key: &Utf8Path,
    signature: &Utf8Path,
    file: &Utf8Path,
) -> Result<Signature, HostError> {
    // No home: another keyring or configuration of the user's has no say.
    let args = ["--homedir", "/nonexistent", "--status-fd", "1", "--keyring"];
    let paths = [key, signature, file].map(Utf8Path::as_str);
    let cmd = Cmd::new("gpgv", args.into_iter().chain(paths));
    let output = world.query(&cmd)?;
    read(&output.stdout, output.code).ok_or_else(|| HostError::Failed {
        command: cmd.to_string(),
        code: output.code,
        detail: output.stderr.trim().to_owned(),
    })
}

/// The verdict in gpgv's status lines.
fn read(status: &str, code: i32) -> Option<Signature> {
    let lines = || status.lines().filter_map(|l| l.strip_prefix("[GNUPG:] "));
    let words = |name: &str| {
        lines().map(|l| l.split_ascii_whitespace().collect::<Vec<_>>()).find(|w| w.first() == Some(&name))
    };
    let bad = ["BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"].into_iter().find(|name| words(name).is_some());
    if let Some(why) = bad {
        return Some(Signature::Bad { why: why.to_owned() });
    }
    if let Some(words) = words("NO_PUBKEY") {
        let id = words.get(1).copied().unwrap_or("without an id").to_owned();
        return Some(Signature::UnknownKey { id });
    }
    // Of one that it can not check at all, whatever it says of others.
    if words("ERRSIG").is_some() {
        return Some(Signature::Bad { why: "ERRSIG".to_owned() });
    }
    // The last word of VALIDSIG is the fingerprint of the primary key.
    let fingerprint = words("VALIDSIG").filter(|w| w.len() >= 11)?.last().map(|f| (*f).to_owned())?;
    (code == 0 && words("GOODSIG").is_some()).then_some(Signature::Good { fingerprint })
}

#[cfg(test)]
mod tests {
    use super::{CRUN_FINGERPRINT, Signature, read};

    const VALID: &str = "[GNUPG:] VALIDSIG AF60FCA3CDAA6DEAD157EA3A67E38F7A8BA21772 2026-09-25 1790000000 0 4 0 1 10 00 AC404C1C0BF735C63FF4D562263D6DF2E163E1EA\n";

    #[test]
    fn a_good_signature_names_the_primary_key() {
        let said = format!("[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 67E38F7A8BA21772 G S\n{VALID}");
        assert_eq!(read(&said, 0), Some(Signature::Good { fingerprint: CRUN_FINGERPRINT.to_owned() }));
    }

    #[test]
    fn a_signature_is_not_good_when_gpgv_ends_badly_or_says_too_little() {
        let said = format!("[GNUPG:] GOODSIG 67E38F7A8BA21772 G S\n{VALID}");
        assert_eq!(read(&said, 1), None);
        assert_eq!(read("[GNUPG:] GOODSIG 67E38F7A8BA21772 G S\n", 0), None);
        assert_eq!(read("gpgv: Good signature from \"G S\"\n", 0), None);
    }

    #[test]
    fn one_good_signature_does_not_stand_for_another_that_can_not_be_checked() {
        let said = format!(
            "[GNUPG:] GOODSIG 67E38F7A8BA21772 G S\n{VALID}[GNUPG:] ERRSIG 67E38F7A8BA21772 99 10 00 1 4 -\n"
        );
        assert_eq!(read(&said, 0), Some(Signature::Bad { why: "ERRSIG".to_owned() }));
    }

    #[test]
    fn a_key_that_was_revoked_is_bad_however_valid_its_signature() {
        let said = format!("[GNUPG:] REVKEYSIG 67E38F7A8BA21772 G S\n{VALID}");
        assert_eq!(read(&said, 0), Some(Signature::Bad { why: "REVKEYSIG".to_owned() }));
    }
}
