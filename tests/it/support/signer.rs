//! A signer with a real gpg and a key of its own.

use std::fs;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

/// As long as the test lasts.
pub(crate) struct Signer {
    dir: tempfile::TempDir,
    pub(crate) fingerprint: String,
}

impl Signer {
    /// `None`, and a line that says so, if this machine has no gpg.
    pub(crate) fn new() -> Option<Self> {
        Self::with(&[])
    }

    /// The same, with options for the making of the key.
    pub(crate) fn with(options: &[&str]) -> Option<Self> {
        if Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: gpg is not installed (Debian: gnupg)");
            return None;
        }
        let mut signer = Self { dir: tempfile::tempdir().unwrap(), fingerprint: String::new() };
        let until = if options.is_empty() { "never" } else { "1d" };
        let make = ["--passphrase", "", "--quick-gen-key", "test", "rsa2048", "sign", until];
        signer.gpg(&[options, &make].concat());
        let keys = signer.gpg(&["--with-colons", "--list-keys"]);
        let line = keys.lines().find(|l| l.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().clone_into(&mut signer.fingerprint);
        Some(signer)
    }

    pub(crate) fn gpg(&self, args: &[&str]) -> String {
        let run = Command::new("gpg")
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--homedir"])
            .arg(self.dir.path())
            .args(args)
            .output()
            .unwrap();
        assert!(run.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    /// A file of these bytes with a detached, armored signature beside it.
    pub(crate) fn signed(&self, name: &str, bytes: &[u8]) -> (Utf8PathBuf, Utf8PathBuf) {
        self.signed_with(&["--armor"], name, bytes)
    }

    /// The same, with other options.
    pub(crate) fn signed_with(
        &self,
        options: &[&str],
        name: &str,
        bytes: &[u8],
    ) -> (Utf8PathBuf, Utf8PathBuf) {
        let (file, signature) = (self.path(name), self.path(&format!("{name}.asc")));
        fs::write(&file, bytes).unwrap();
        let sign = ["--output", signature.as_str(), "--detach-sign", file.as_str()];
        self.gpg(&[options, &sign].concat());
        (file, signature)
    }

    /// The public key, as gpgv takes it.
    pub(crate) fn key(&self) -> Utf8PathBuf {
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
