//! Detached signatures, verified by `gpgv`.
//!
//! The key is built in. It is the one with which Debian verifies crun's releases (`debian/upstream/signing-key.asc` of its
//! source package); primary and signing fingerprint are those of crun's own signed tags (assets/README.md). The verdict
//! is taken from gpgv's status lines (`GnuPG`'s `doc/DETAILS`), never from its messages.

use camino::Utf8Path;

use super::verify::{check_program, system};
use super::{Artifact, FetchError, Source, fetch_signature, fetch_unverified};
use crate::host::{Cmd, HostError, System, TempDir, digest};

/// The hash algorithms that a signature may use: SHA-256, SHA-384 and SHA-512 (RFC 9580, section 9.5). gpgv itself still
/// accepts SHA-1 and RIPEMD-160.
const HASHES: [&str; 3] = ["8", "9", "10"];
/// The class of a signature over the bytes of a file as they are (RFC 9580, section 5.2.1). Class 01 is over text, whose
/// line ends do not count.
const BINARY: &str = "00";

/// A signer whose signatures are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer<'k> {
    /// The public key, as gpgv takes it.
    pub key: &'k [u8],
    /// The fingerprint of the primary key.
    pub fingerprint: &'k str,
}

/// The signer of crun's releases.
pub const CRUN: Signer<'static> = Signer {
    key: include_bytes!("../../assets/crun-signing-key.gpg"),
    fingerprint: "AC404C1C0BF735C63FF4D562263D6DF2E163E1EA",
};

/// The verdict of gpgv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It is good, and of the expected primary key.
    Good,
    /// It is not of this file, is made in a way that is not accepted, or its key may not sign any more.
    Bad { why: String },
    /// It is of another key.
    UnknownKey {
        /// Its ID, as the signature names it, or the fingerprint of its primary key.
        id: String,
    },
}

/// The signature of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureStatus {
    Good {
        /// The fingerprint of the primary key.
        fingerprint: String,
    },
    /// The publisher offers none, or the offline directory has none.
    Missing,
    /// gpgv is not installed.
    NoGpgv,
}

/// Verifies the signature of a file. It is fetched from where the file comes from, under the file's name and `.asc`.
///
/// # Errors
/// [`FetchError::BadSignature`], after which the file must not be used; otherwise if there is no verdict.
pub fn verify(
    artifact: &Artifact,
    source: &Source,
    signer: &Signer<'_>,
    file: &Utf8Path,
) -> Result<SignatureStatus, FetchError> {
    let system = system();
    if !is_possible(&system) {
        return Ok(SignatureStatus::NoGpgv);
    }
    let signature = match fetch_signature(artifact, source) {
        Ok(bytes) => bytes,
        Err(FetchError::NotInDirectory { .. } | FetchError::Status { code: 404 | 410, .. }) => {
            return Ok(SignatureStatus::Missing);
        }
        Err(e) => return Err(e),
    };
    let no_room = |why| FetchError::unwritable(&format!("the signature of {}", artifact.name), 0, why);
    let scratch = TempDir::new().map_err(no_room)?;
    let key = scratch.put("key.gpg", signer.key).map_err(no_room)?;
    let signature = scratch.put("file.asc", &signature).map_err(no_room)?;
    let why = match judge(&system, &key, signer.fingerprint, &signature, file) {
        Ok(Signature::Good) => {
            return Ok(SignatureStatus::Good { fingerprint: signer.fingerprint.to_owned() });
        }
        Ok(Signature::Bad { why }) => why,
        Ok(Signature::UnknownKey { id }) => format!("it is of another key, {id}"),
        Err(e) => e.to_string(),
    };
    Err(FetchError::BadSignature { name: artifact.name.clone(), why })
}

/// Fetches a release whose checksum is not known, and returns its sha256 if its publisher signed it and it is the
/// program that was asked for; the sha256 is empty unless the signature is good.
///
/// # Errors
/// As [`verify`] and [`check_program`]; otherwise if the file cannot be fetched.
pub fn verified_checksum(
    artifact: &Artifact,
    source: &Source,
    signer: &Signer<'_>,
) -> Result<(SignatureStatus, String), FetchError> {
    // A file that cannot be verified is not fetched.
    if !is_possible(&system()) {
        return Ok((SignatureStatus::NoGpgv, String::new()));
    }
    let bytes = fetch_unverified(artifact, source)?;
    let no_room = |why| FetchError::unwritable(&artifact.name, 0, why);
    let scratch = TempDir::new().map_err(no_room)?;
    let file = scratch.put("file", &bytes).map_err(no_room)?;
    let status = verify(artifact, source, signer, &file)?;
    if !matches!(status, SignatureStatus::Good { .. }) {
        return Ok((status, String::new()));
    }
    check_program(artifact, &bytes)?;
    Ok((status, digest(&bytes)))
}

/// Whether gpgv is installed.
#[must_use]
pub fn is_possible(system: &dyn System) -> bool {
    system.stdout_if_ok(&Cmd::parse("gpgv --version")).is_some()
}

/// Has gpgv judge the signature in one file of the bytes in another, by the keys in a third and no others; the primary
/// key must have this fingerprint.
///
/// # Errors
/// If gpgv cannot be run, or its output is not understood: that is not a verdict.
pub fn judge(
    system: &dyn System,
    key: &Utf8Path,
    fingerprint: &str,
    signature: &Utf8Path,
    file: &Utf8Path,
) -> Result<Signature, HostError> {
    // Without a home directory, no keyring or configuration of the user is read.
    let args = ["--homedir", "/nonexistent", "--status-fd", "1", "--keyring"];
    let paths = [key, signature, file].map(Utf8Path::as_str);
    let cmd = Cmd::new("gpgv", args.into_iter().chain(paths));
    let output = system.run_readonly(&cmd)?;
    read(&output.stdout, output.code, fingerprint).ok_or_else(|| HostError::Failed {
        command: Box::new(cmd),
        code: output.code,
        detail: output.stderr.trim().to_owned(),
    })
}

/// The verdict in gpgv's status lines. They must be about one signature: a second one might be about another file.
fn read(status: &str, code: i32, fingerprint: &str) -> Option<Signature> {
    let lines: Vec<Vec<&str>> = status
        .lines()
        .filter_map(|l| l.strip_prefix("[GNUPG:] "))
        .map(|l| l.split_ascii_whitespace().collect())
        .collect();
    let all = |name: &str| lines.iter().filter(|w| w.first() == Some(&name)).collect::<Vec<_>>();
    let bad = |why: &str| Some(Signature::Bad { why: why.to_owned() });
    for (name, why) in [
        ("BADSIG", "it is of other bytes"),
        ("EXPSIG", "it has expired"),
        ("EXPKEYSIG", "its key has expired"),
        ("REVKEYSIG", "its key was revoked"),
    ] {
        if !all(name).is_empty() {
            return bad(why);
        }
    }
    if let Some(words) = all("NO_PUBKEY").first() {
        let id = words.get(1).copied().unwrap_or("without an ID").to_owned();
        return Some(Signature::UnknownKey { id });
    }
    // A signature that it cannot check at all is bad, whatever the status of others.
    if !all("ERRSIG").is_empty() {
        return bad("gpgv cannot check it");
    }
    let (valid, good) = (all("VALIDSIG"), all("GOODSIG"));
    if valid.len() > 1 || good.len() > 1 || all("NEWSIG").len() > 1 {
        return bad("there is more than one signature");
    }
    if code != 0 || good.is_empty() {
        return None;
    }
    // Fingerprint, date, timestamp, expiry, version, reserved, public key and hash algorithm, class, primary fingerprint.
    let [_, _, _, _, _, _, _, _, hash, class, primary] = valid.first()?.as_slice() else { return None };
    if *primary != fingerprint {
        return Some(Signature::UnknownKey { id: (*primary).to_owned() });
    }
    if !HASHES.contains(hash) {
        return bad("its hash algorithm is too weak (only SHA-256, SHA-384 and SHA-512 are accepted)");
    }
    if *class != BINARY {
        return bad("it is not over the exact bytes of the file (text-mode or other class)");
    }
    Some(Signature::Good)
}

#[cfg(test)]
mod tests {
    use super::{CRUN, Signature, read as judged};

    const VALID: &str = "[GNUPG:] VALIDSIG AF60FCA3CDAA6DEAD157EA3A67E38F7A8BA21772 2026-09-25 1790000000 0 4 0 1 10 00 AC404C1C0BF735C63FF4D562263D6DF2E163E1EA\n";
    const GOOD: &str = "[GNUPG:] GOODSIG 67E38F7A8BA21772 G S\n";

    fn read(status: &str, code: i32) -> Option<Signature> {
        judged(status, code, CRUN.fingerprint)
    }

    #[test]
    fn a_good_signature_is_of_the_expected_primary_key() {
        let status = format!("[GNUPG:] NEWSIG\n{GOOD}{VALID}");
        assert_eq!(read(&status, 0), Some(Signature::Good));
        let other = "0".repeat(40);
        let id = CRUN.fingerprint.to_owned();
        assert_eq!(judged(&status, 0, &other), Some(Signature::UnknownKey { id }));
    }

    #[test]
    fn a_signature_is_bad_if_gpgv_fails_or_its_status_is_incomplete() {
        assert_eq!(read(&format!("{GOOD}{VALID}"), 1), None);
        assert_eq!(read(GOOD, 0), None);
        assert_eq!(read(VALID, 0), None);
        assert_eq!(read("gpgv: Good signature from \"G S\"\n", 0), None);
    }

    #[test]
    fn weak_hashes_and_text_mode_are_refused() {
        for hash in ["1", "2", "3", "11", "0", "x"] {
            let status = format!("{GOOD}{}", VALID.replace(" 10 00 ", &format!(" {hash} 00 ")));
            assert!(matches!(read(&status, 0), Some(Signature::Bad { .. })), "hash {hash}");
        }
        for class in ["01", "02", "10", "0"] {
            let status = format!("{GOOD}{}", VALID.replace(" 10 00 ", &format!(" 10 {class} ")));
            assert!(matches!(read(&status, 0), Some(Signature::Bad { .. })), "class {class}");
        }
    }

    #[test]
    fn one_good_signature_does_not_stand_for_another() {
        for other in ["[GNUPG:] ERRSIG 67E38F7A8BA21772 99 10 00 1 4 -\n", VALID, GOOD] {
            let status = format!("{GOOD}{VALID}{other}");
            assert!(matches!(read(&status, 0), Some(Signature::Bad { .. })), "{other}");
        }
    }

    #[test]
    fn a_key_that_was_revoked_is_bad_however_valid_its_signature() {
        let status = format!("[GNUPG:] REVKEYSIG 67E38F7A8BA21772 G S\n{VALID}");
        assert_eq!(read(&status, 0), Some(Signature::Bad { why: "its key was revoked".to_owned() }));
    }
}
