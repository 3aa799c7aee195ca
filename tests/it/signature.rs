//! Signatures: made by a real gpg with keys of the test's own, judged by a real gpgv.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::fetch::signature::{self, Signature, is_possible};
use kind_wsl::host::{HostError, LiveSystem, Process};

use crate::support::signer::Signer;

fn host() -> LiveSystem {
    LiveSystem::new(Utf8Path::new("/"), Box::new(Process::new(Utf8Path::new("/"))), [])
}

fn judge(signer: &Signer, signature: &Utf8Path, file: &Utf8Path) -> Result<Signature, HostError> {
    signature::judge(&host(), &signer.key(), &signer.fingerprint, signature, file)
}

#[track_caller]
fn is_bad(signer: &Signer, (file, signature): &(Utf8PathBuf, Utf8PathBuf), words: &str) {
    match judge(signer, signature, file).unwrap() {
        Signature::Bad { why } => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_of_the_expected_key_is_good() {
    let Some(signer) = Signer::new() else { return };
    assert!(is_possible(&host()));
    let (file, signature) = signer.signed("crun", b"a crun");
    assert_eq!(judge(&signer, &signature, &file).unwrap(), Signature::Good);
    for hash in ["SHA256", "SHA384", "SHA512"] {
        let (file, signature) = signer.signed_with(&["--digest-algo", hash], "crun", b"a crun");
        assert_eq!(judge(&signer, &signature, &file).unwrap(), Signature::Good, "{hash}");
    }
}

#[test]
fn a_signature_with_a_weak_hash_is_refused() {
    let Some(signer) = Signer::new() else { return };
    for hash in ["SHA1", "RIPEMD160", "SHA224"] {
        let signed = signer.signed_with(&["--digest-algo", hash], "crun", b"a crun");
        is_bad(&signer, &signed, "its hash algorithm is too weak");
    }
}

#[test]
fn a_signature_in_text_mode_is_refused() {
    let Some(signer) = Signer::new() else { return };
    let (file, signature) = signer.signed_with(&["--textmode"], "crun", b"a crun\n");
    is_bad(&signer, &(file.clone(), signature.clone()), "it is not over the exact bytes");
    // gpgv itself accepts it, over other bytes as well.
    fs::write(&file, b"a crun\r\n").unwrap();
    is_bad(&signer, &(file, signature), "it is not over the exact bytes");
}

#[test]
fn two_signatures_in_one_file_are_refused() {
    let Some(signer) = Signer::new() else { return };
    let (_, first) = signer.signed_with(&[], "first", b"a crun");
    let (file, second) = signer.signed_with(&[], "crun", b"a crun");
    let both = [fs::read(first).unwrap(), fs::read(&second).unwrap()].concat();
    fs::write(&second, both).unwrap();
    is_bad(&signer, &(file, second), "more than one signature");
}

#[test]
fn a_signature_of_a_key_that_has_expired_is_refused() {
    let Some(signer) = Signer::with(&["--faked-system-time", "20200101T000000"]) else { return };
    let signed = signer.signed_with(&["--faked-system-time", "20200101T010000"], "crun", b"a crun");
    is_bad(&signer, &signed, "its key has expired");
}

#[test]
fn a_signature_of_a_key_that_was_revoked_is_refused() {
    let Some(signer) = Signer::new() else { return };
    let signed = signer.signed("crun", b"a crun");
    let made = signer.path(&format!("openpgp-revocs.d/{}.rev", signer.fingerprint));
    // gpg puts a colon before the first line, against accidents.
    let certificate = fs::read_to_string(&made).unwrap().replace(":-----BEGIN", "-----BEGIN");
    fs::write(&made, certificate).unwrap();
    signer.gpg(&["--import", made.as_str()]);
    is_bad(&signer, &signed, "its key was revoked");
}

#[test]
fn a_good_signature_of_another_key_in_the_keyring_is_refused() {
    let (Some(signer), Some(other)) = (Signer::new(), Signer::new()) else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    let seen = signature::judge(&host(), &signer.key(), &other.fingerprint, &signature, &file).unwrap();
    assert_eq!(seen, Signature::UnknownKey { id: signer.fingerprint.clone() });
}

#[test]
fn a_file_that_was_changed_after_it_was_signed_is_bad() {
    let Some(signer) = Signer::new() else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    fs::write(&file, b"A crun").unwrap();
    is_bad(&signer, &(file, signature), "it is of other bytes");
}

#[test]
fn a_signature_of_another_key_is_unknown_although_the_file_is_as_it_was_signed() {
    let (Some(signer), Some(other)) = (Signer::new(), Signer::new()) else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    let seen = judge(&other, &signature, &file).unwrap();
    assert!(
        matches!(&seen, Signature::UnknownKey { id } if signer.fingerprint.ends_with(id.as_str())),
        "{seen:?}"
    );
}

#[test]
fn a_file_without_a_signature_gives_no_verdict() {
    let Some(signer) = Signer::new() else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    fs::write(&signature, "<!DOCTYPE html>Not found").unwrap();
    let seen = judge(&signer, &signature, &file).unwrap_err();
    assert!(seen.to_string().starts_with("`gpgv --homedir /nonexistent"), "{seen}");
}

#[test]
fn the_built_in_key_has_its_fingerprint_and_verifies_no_other_signature() {
    let Some(signer) = Signer::new() else { return };
    let crun = signature::CRUN;
    let key = signer.path("crun.gpg");
    fs::write(&key, crun.key).unwrap();
    let shown = signer.gpg(&["--with-colons", "--show-keys", key.as_str()]);
    let primary = shown.lines().find(|l| l.starts_with("fpr:")).unwrap();
    assert_eq!(primary.split(':').nth(9), Some(crun.fingerprint));
    let (file, signature) = signer.signed("crun", b"a crun");
    let seen = signature::judge(&host(), &key, crun.fingerprint, &signature, &file).unwrap();
    assert!(matches!(seen, Signature::UnknownKey { .. }), "{seen:?}");
}
