//! Whether the registries that kind's node image comes from answer, on request alone: it is the one check that asks a
//! server.

use camino::Utf8PathBuf;
use toml::{Table, Value};

use super::{Check, CheckContext, Cost, Outcome, check};
use crate::change::Manager;
use crate::facts::containers::registries;
use crate::fetch::{RegistryFault, reach};
use crate::fix::Fix;

pub(super) static CHECKS: &[&Check] = &[&REGISTRY];

/// Where kind's node image is (kind `pkg/apis/config/defaults/image.go`).
pub(crate) const NODE_IMAGES: &str = "docker.io";
/// The name of that image below it.
const NODE_IMAGE: &str = "kindest/node";

pub(super) static REGISTRY: Check = check("registry", "the registry of kind's node image answers", |c| {
    let Some(asked) = &c.registry else {
        return Outcome::skipped("`kind-wsl doctor --registry` asks the registry");
    };
    let mut failed = Vec::new();
    for registry in in_order(c, asked) {
        match registry.ask(c) {
            Ok(answer) if failed.is_empty() => {
                return Outcome::ok(format!("{} answers {answer}", registry.host));
            }
            Ok(answer) => {
                let (first, why): (Registry, RegistryFault) = failed.remove(0);
                let details = format!("{}: {why}; {} answers {answer}", first.host, registry.host);
                return Outcome::warning(details, "podman tries it first", fix(c, &first, &why));
            }
            Err(why) => failed.push((registry, why)),
        }
    }
    let list: Vec<_> = failed.iter().map(|(registry, why)| format!("{}: {why}", registry.host)).collect();
    let (first, why) = &failed[0];
    Outcome::error(list.join("; "), "kind cannot pull its node image", fix(c, first, why))
})
.cost(Cost::OnRequest);

/// A registry as podman reaches it.
struct Registry {
    /// Host and port.
    host: String,
    /// Whether podman accepts any certificate, and none.
    is_insecure: bool,
}

impl Registry {
    /// `docker.io` has its API elsewhere (containers/image `docker/docker_client.go`, `dockerRegistry`).
    fn new(location: &str) -> Self {
        let host = location.split('/').next().unwrap_or(location);
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        Self { host: host.to_owned(), is_insecure: false }
    }

    fn of(entry: &Value) -> Option<Self> {
        let text = |key| entry.get(key).and_then(Value::as_str);
        Some(Self {
            is_insecure: is_true(entry, "insecure"),
            ..Self::new(text("location").or_else(|| text("prefix"))?)
        })
    }

    fn ask(&self, c: &CheckContext<'_>) -> Result<String, RegistryFault> {
        let answer = reach(&self.host, &certificates(c, &self.host));
        match answer {
            Err(RegistryFault::Untrusted(_) | RegistryFault::Certificate(_) | RegistryFault::NoTls)
                if self.is_insecure =>
            {
                Ok("without a trusted certificate, which registries.conf allows".to_owned())
            }
            answer => answer,
        }
    }
}

/// The mirrors of a registry in podman's registries.conf, then the registry itself, in the order in which podman tries
/// them (containers-registries.conf(5)).
fn in_order(c: &CheckContext<'_>, host: &str) -> Vec<Registry> {
    let image = if host == NODE_IMAGES { format!("{host}/{NODE_IMAGE}") } else { host.to_owned() };
    let mut best: Option<(usize, Vec<Registry>)> = None;
    let texts =
        registries(c.system, &c.facts.user).into_iter().filter_map(|path| c.system.text(path.as_str()));
    let tables: Vec<Table> = texts.filter_map(|text| text.parse().ok()).collect();
    for entry in tables.iter().flat_map(|table| array(table.get("registry"))) {
        let text = |key| entry.get(key).and_then(Value::as_str);
        let Some(prefix) = text("prefix").or_else(|| text("location")) else { continue };
        let is_for_it =
            image.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // The longest prefix wins; of the same, the one that is read last.
        if !is_for_it || best.as_ref().is_some_and(|(length, _)| *length > prefix.len()) {
            continue;
        }
        let mirrors = array(entry.get("mirror")).iter().filter_map(Registry::of);
        let own = Registry::of(entry).filter(|_| !is_true(entry, "blocked"));
        best = Some((prefix.len(), mirrors.chain(own).collect()));
    }
    let found = best.map(|(_, found)| found).unwrap_or_default();
    if found.is_empty() { vec![Registry::new(host)] } else { found }
}

fn array(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_true(entry: &Value, key: &str) -> bool {
    entry.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The certificates that podman trusts for this registry alone, in PEM (containers-certs.d(5)).
fn certificates(c: &CheckContext<'_>, host: &str) -> Vec<Vec<u8>> {
    let own = c.facts.user.home.join(".config/containers/certs.d");
    let dirs = [own, Utf8PathBuf::from("/etc/containers/certs.d"), Utf8PathBuf::from("/etc/docker/certs.d")];
    let mut found = Vec::new();
    for dir in dirs.map(|dir| dir.join(host)) {
        let names = c.system.list(&dir).unwrap_or_default();
        let is_authority = |name: &&String| name.strip_suffix(".crt").is_some();
        let texts =
            names.iter().filter(is_authority).filter_map(|name| c.system.text(dir.join(name).as_str()));
        found.extend(texts.map(String::into_bytes));
    }
    found
}

fn fix(c: &CheckContext<'_>, registry: &Registry, why: &RegistryFault) -> Fix {
    let host = &registry.host;
    match why {
        RegistryFault::NotResolved => format!("check the name, and the server in /etc/resolv.conf: `getent hosts {}`", name(host)),
        RegistryFault::Refused | RegistryFault::TimedOut | RegistryFault::Other(_) => {
            "check the network; behind a proxy set HTTPS_PROXY".to_owned()
        }
        RegistryFault::Untrusted(issuer) => {
            let whose = issuer.as_ref().map_or_else(|| "the issuer".to_owned(), |name| format!("\"{name}\""));
            format!("save the CA certificate of {whose} as company-ca.crt, then `{}`", trust(c))
        }
        RegistryFault::Certificate(_) => "check the clock with `date`, and the name of the registry".to_owned(),
        RegistryFault::NoRoots => "install the package `ca-certificates`".to_owned(),
        RegistryFault::Proxy { .. } => {
            "correct HTTPS_PROXY, or add the registry to NO_PROXY if it is reached without a proxy".to_owned()
        }
        RegistryFault::Status(_) => format!("a proxy or a login page can answer instead: open https://{host}/v2/ in a browser"),
        RegistryFault::NoTls => format!(
            "for a registry without TLS, add `[[registry]]` with `location = \"{host}\"` and `insecure = true` to ~/.config/containers/registries.conf"
        ),
    }
    .into()
}

/// A host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// The command that adds a CA to this distribution's trust store (update-ca-certificates(8), update-ca-trust(8),
/// trust(1)).
fn trust(c: &CheckContext<'_>) -> &'static str {
    match c.facts.packages.manager {
        Some(Manager::Dnf) => {
            "sudo cp company-ca.crt /etc/pki/ca-trust/source/anchors/ && sudo update-ca-trust"
        }
        Some(Manager::Zypper) => {
            "sudo cp company-ca.crt /etc/pki/trust/anchors/ && sudo update-ca-certificates"
        }
        Some(Manager::Pacman) => "sudo trust anchor --store company-ca.crt",
        Some(Manager::Apt) | None => {
            "sudo cp company-ca.crt /usr/local/share/ca-certificates/ && sudo update-ca-certificates"
        }
    }
}
