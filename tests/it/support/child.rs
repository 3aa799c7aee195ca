//! Tests in a process of their own, which trusts a root that was made for that one test.
//!
//! This is how a company's root reaches the program, and no test needs to change its own environment.

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = "root-of-a-kind-wsl-test.pem";

/// Runs `body` in a child process that trusts a root made for this one test, besides no other.
pub fn trusting<F: FnOnce(&Path)>(body: F) {
    Child::default().run(body);
}

/// What a child process is like.
pub struct Child {
    /// Makes the certificates in a directory, and the file of root certificates.
    pub certificates: fn(&Path, &Path),
    /// What its environment has besides.
    pub env: Vec<(&'static str, String)>,
    /// A script that mounts something, in a namespace of the child's own; `$D` is its directory.
    pub mounts: Option<&'static str>,
}

impl Default for Child {
    fn default() -> Self {
        Self { certificates, env: Vec::new(), mounts: None }
    }
}

/// Whether this is the child.
pub fn is_child() -> bool {
    root().is_some()
}

fn root() -> Option<PathBuf> {
    std::env::var_os("SSL_CERT_FILE").map(PathBuf::from).filter(|path| path.ends_with(ROOT))
}

/// One test as a program of its own.
pub fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]);
    command
}

/// The test that holds a closure, which is named `fetch::a_module::a_test::{{closure}}`.
fn holder<F>(_: &F) -> &'static str {
    std::any::type_name::<F>().split_once("::").unwrap().1.strip_suffix("::{{closure}}").unwrap()
}

impl Child {
    /// Runs `body` in the child, with the directory of the certificates; nothing in the parent but to wait.
    pub fn run<F: FnOnce(&Path)>(self, body: F) {
        if let Some(root) = root() {
            return body(root.parent().unwrap());
        }
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(ROOT);
        (self.certificates)(dir.path(), &root);
        let mut child = again(holder(&body));
        if let Some(script) = self.mounts {
            if !may_mount() {
                println!("skipped: no mount namespace can be made here");
                return;
            }
            let test = child;
            child = Command::new("unshare");
            child.args(["-m", "--", "sh", "-ec"]).arg(format!("{script}\nexec \"$@\"")).arg("sh");
            child.arg(test.get_program()).args(test.get_args()).env("D", dir.path());
        }
        for proxy in
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_DIR"]
        {
            child.env_remove(proxy);
        }
        let output = child.env("SSL_CERT_FILE", root).envs(self.env).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let passed = output.status.success() && told.contains("1 passed");
        assert!(passed, "{told}{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["-m", "--", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// The root, and beside it a good certificate for `localhost` and those that must not be accepted.
pub fn certificates(dir: &Path, root: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(root, authority.self_signed(&root_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, root_key);
    let stranger_key = KeyPair::generate().unwrap();
    let mut nobody = CertificateParams::new([]).unwrap();
    nobody.distinguished_name.push(DnType::CommonName, "nobody that we know");
    let stranger = Issuer::new(nobody, stranger_key);
    let good = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let mut expired = good.clone();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let elsewhere = CertificateParams::new(["elsewhere.test".to_owned()]).unwrap();
    for (leaf, params, issuer) in [
        ("good", &good, &issuer),
        ("expired", &expired, &issuer),
        ("elsewhere", &elsewhere, &issuer),
        ("stranger", &good, &stranger),
    ] {
        std::fs::write(dir.join(format!("{leaf}.cert")), params.signed_by(&key, issuer).unwrap().der())
            .unwrap();
        std::fs::write(dir.join(format!("{leaf}.key")), key.serialize_der()).unwrap();
    }
}
