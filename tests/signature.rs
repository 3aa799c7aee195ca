//! Signatures: made by a real gpg with keys of the test's own, judged by a real gpgv.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::fetch::signature::{CRUN_FINGERPRINT, CRUN_KEY, Signature, is_possible, judge};
use kind_wsl::host::{Host, Process};

/// A signer with a key of its own, as long as the test lasts.
struct Signer {
    dir: tempfile::TempDir,
    fingerprint: String,
}

impl Signer {
    /// `None`, and a word about it, where this machine has no gpg.
    fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: no gpg here (Debian: gnupg)");
            return None;
        }
        let mut signer = Self { dir: tempfile::tempdir().unwrap(), fingerprint: String::new() };
        signer.gpg(&["--passphrase", "", "--quick-gen-key", "test", "ed25519", "sign", "never"]);
        let keys = signer.gpg(&["--with-colons", "--list-keys"]);
        let line = keys.lines().find(|l| l.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().clone_into(&mut signer.fingerprint);
        Some(signer)
    }

    fn gpg(&self, args: &[&str]) -> String {
        let run = Command::new("gpg")
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--homedir"])
            .arg(self.dir.path())
            .args(args)
            .output()
            .unwrap();
        assert!(run.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    /// A file of these bytes with a detached, armoured signature beside it.
    fn signed(&self, name: &str, bytes: &[u8]) -> (Utf8PathBuf, Utf8PathBuf) {
        let (file, signature) = (self.path(name), self.path(&format!("{name}.asc")));
        fs::write(&file, bytes).unwrap();
        self.gpg(&["--armor", "--output", signature.as_str(), "--detach-sign", file.as_str()]);
        (file, signature)
    }

    /// The public key, as gpgv takes it.
    fn key(&self) -> Utf8PathBuf {
        let path = self.path("key.gpg");
        self.gpg(&["--output", path.as_str(), "--export"]);
        path
    }
}

/// The agent that gpg started has our directory for its home, and ends with it.
impl Drop for Signer {
    fn drop(&mut self) {
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(self.dir.path()).args(["--kill", "all"]).status();
    }
}

fn host() -> Host {
    Host::new(Utf8Path::new("/"), Box::new(Process::new(Utf8Path::new("/"))), [])
}

#[test]
fn a_signature_of_the_expected_key_is_good() {
    let Some(signer) = Signer::new() else { return };
    assert!(is_possible(&host()));
    let (file, signature) = signer.signed("crun", b"a crun");
    let seen = judge(&host(), &signer.key(), &signature, &file).unwrap();
    assert_eq!(seen, Signature::Good { fingerprint: signer.fingerprint.clone() });
}

#[test]
fn a_file_that_was_changed_after_it_was_signed_is_bad() {
    let Some(signer) = Signer::new() else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    fs::write(&file, b"A crun").unwrap();
    let seen = judge(&host(), &signer.key(), &signature, &file).unwrap();
    assert_eq!(seen, Signature::Bad { why: "BADSIG".to_owned() });
}

#[test]
fn a_signature_of_another_key_is_unknown_although_the_file_is_as_it_was_signed() {
    let (Some(signer), Some(other)) = (Signer::new(), Signer::new()) else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    let seen = judge(&host(), &other.key(), &signature, &file).unwrap();
    assert!(
        matches!(&seen, Signature::UnknownKey { id } if signer.fingerprint.ends_with(id.as_str())),
        "{seen:?}"
    );
}

#[test]
fn what_is_no_signature_is_no_verdict() {
    let Some(signer) = Signer::new() else { return };
    let (file, signature) = signer.signed("crun", b"a crun");
    fs::write(&signature, "<!DOCTYPE html>Not found").unwrap();
    let seen = judge(&host(), &signer.key(), &signature, &file).unwrap_err();
    assert!(seen.to_string().starts_with("`gpgv --homedir /nonexistent"), "{seen}");
}

#[test]
fn the_built_in_key_is_the_one_of_the_fingerprint_and_vouches_for_nobody_else() {
    let Some(signer) = Signer::new() else { return };
    let key = signer.path("crun.gpg");
    fs::write(&key, CRUN_KEY).unwrap();
    let shown = signer.gpg(&["--with-colons", "--show-keys", key.as_str()]);
    let primary = shown.lines().find(|l| l.starts_with("fpr:")).unwrap();
    assert_eq!(primary.split(':').nth(9), Some(CRUN_FINGERPRINT));
    let (file, signature) = signer.signed("crun", b"a crun");
    let seen = judge(&host(), &key, &signature, &file).unwrap();
    assert!(matches!(seen, Signature::UnknownKey { .. }), "{seen:?}");
}
