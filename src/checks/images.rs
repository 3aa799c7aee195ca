//! Pulling images: podman's policy, and a proxy that nodes can reach.

use serde_json::Value;

use super::podman::{PODMAN, version};
use super::{Check, CheckContext, Outcome, Scope, check};
use crate::change::Manager;
use crate::compat::COMPAT;
use crate::fix::{Fix, command};
use crate::host::Cmd;
use crate::provider::Provider;

pub(super) static CHECKS: &[&Check] = &[&POLICY, &PROXY];

const SYSTEM_POLICY: &str = "/etc/containers/policy.json";

pub(crate) static POLICY: Check = check("policy", "podman has a policy for images", |c| {
    // containers/image `signature/policy_config.go`; podman 6 reads the directory of packages as well.
    let own = c.facts.user.home.join(".config/containers/policy.json").into_string();
    let mut paths = vec![own.as_str(), SYSTEM_POLICY];
    if version(c).is_some_and(|podman| COMPAT.podman.policy_in_usr.is_true_of(&podman)) {
        paths.push("/usr/share/containers/policy.json");
    }
    let no_image = "no image can be pulled or loaded: \"no policy.json file found\"";
    let Some(path) = paths.iter().find(|path| c.system.exists(path)) else {
        let details = format!("podman finds none of {}", paths.join(", "));
        return Outcome::error(details, no_image, restore_policy(c));
    };
    let Some(text) = c.system.text(path) else {
        return Outcome::unknown(format!("{path} cannot be read"));
    };
    let policy: Value = match serde_json::from_str(&text) {
        Ok(policy) => policy,
        Err(error) => {
            let details = format!("{path} is not JSON: {error}");
            return Outcome::error(
                details,
                "no image can be pulled: \"invalid policy\"",
                format!("correct {path}"),
            );
        }
    };
    let rejects = policy.pointer("/default/0/type").and_then(Value::as_str) == Some("reject");
    let has_exceptions = policy.pointer("/transports/docker").is_some();
    let effect = "kind's images are rejected: \"Source image rejected\"";
    let fix = format!("add the registries that you use below transports.docker in {path}");
    Outcome::require(!rejects || has_exceptions, format!("podman reads {path}"), effect, fix)
})
.scope(&[Scope::Provider(&[Provider::Podman])])
.needs(const { &[&PODMAN] });

/// The command that restores the package's policy. dpkg restores a deleted configuration file only with
/// `--force-confmiss` (dpkg(1)).
fn restore_policy(c: &CheckContext<'_>) -> Fix {
    let Some(manager) = c.facts.packages.manager else {
        return "write `{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}` to ~/.config/containers/policy.json".into();
    };
    command(match manager {
        Manager::Apt => {
            let owner = c.system.stdout_if_ok(&Cmd::new("dpkg-query", ["--search", SYSTEM_POLICY]));
            let owner = owner
                .and_then(|policy| Some(policy.strip_suffix(SYSTEM_POLICY)?.strip_suffix(": ")?.to_owned()));
            let package = owner.unwrap_or_else(|| "golang-github-containers-common".to_owned());
            format!("sudo apt-get install --reinstall -o Dpkg::Options::=--force-confmiss {package}")
        }
        Manager::Dnf => "sudo dnf reinstall containers-common".to_owned(),
        Manager::Zypper => "sudo zypper install --force libcontainers-common".to_owned(),
        Manager::Pacman => "sudo pacman -S containers-common".to_owned(),
    })
}

/// The variables that kind gives to its nodes (kind `pkg/cluster/internal/providers/common/proxy.go`).
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

pub(crate) static PROXY: Check = check("proxy", "a node can reach the proxy", |c| {
    let set: Vec<(&str, String)> =
        PROXIES.into_iter().filter_map(|name| Some((name, proxy(c, name)?))).collect();
    let Some((name, place)) = set.iter().find(|(_, place)| is_loopback(place)) else {
        return Outcome::ok(match set.first() {
            Some((name, place)) => format!("{name} is {place}"),
            None => "no proxy is set".to_owned(),
        });
    };
    let details = format!("{name} is {place}, which inside a node is the node itself");
    let effect =
        "kind sets it in its nodes, so images cannot be pulled: \"proxyconnect tcp: connection refused\"";
    let fix = format!("set {name} to an address of the proxy that containers can reach, or unset it");
    if !c.facts.wsl.is_two() {
        return Outcome::warning(details, effect, fix);
    }
    // With NAT, WSL itself prints "A localhost proxy configuration was detected but not mirrored into WSL".
    Outcome::warning(details, effect, fix).then(
        "let a proxy in Windows listen on the address that `ip route show default` prints, or set `autoProxy=false` below [wsl2] in .wslconfig",
    )
});

/// The host and port of a proxy variable, without a password: from the shell, or from the environment of every login.
fn proxy(c: &CheckContext<'_>, name: &str) -> Option<String> {
    let of_logins = || {
        let text = c.system.text("/etc/environment")?;
        let line = text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    let url = c.system.env(name).or_else(of_logins).filter(|url| !url.is_empty())?;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit('@').next()?.to_owned())
}

fn is_loopback(place: &str) -> bool {
    let host = match place.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => place.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_loopback_address_is_recognized_in_each_of_its_forms() {
        for place in ["127.0.0.1:3128", "127.1.2.3", "localhost:8080", "LOCALHOST", "[::1]:3128"] {
            assert!(is_loopback(place), "{place}");
        }
        for place in ["10.0.0.1:3128", "localhost.example.com:80", "[fe80::1]:3128", "proxy", ""] {
            assert!(!is_loopback(place), "{place}");
        }
    }
}
