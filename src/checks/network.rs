//! The network of a node: podman's helper programs, iptables, IPv6 and name resolution.

use super::container::CONTAINER;
use super::namespace::{BRIDGE_DEVICE, NFT, TUN, uses_nftables};
use super::podman::{PODMAN, with_version};
use super::{Check, CheckContext, Outcome, Scope, all, check};
use crate::compat::COMPAT;
use crate::edit::cmdline;
use crate::facts::kernel::Module;
use crate::fix::{command, setup};
use crate::host::Cmd;
use crate::provider::Provider;
use crate::stages::{cni, modules, packages};

pub(super) static CHECKS: &[&Check] =
    &[&NFT, &BRIDGE_DEVICE, &TUN, &NETWORK, &IPTABLES_AND_MODULES, &IPV6, &RESOLV, &PORTS, &CONTAINER];

const PODMAN_ONLY: &[Scope] = &[Scope::Provider(&[Provider::Podman])];

pub(crate) static NETWORK: Check = all(
    "network",
    "podman's network programs are installed",
    const { &[&ROOTLESS_NETWORK, &BRIDGE, &CNI_VERSION] },
)
.scope(PODMAN_ONLY)
.needs(const { &[&PODMAN] });

/// The directories in which podman finds its helpers (containers-common `pkg/config/config_linux.go`,
/// `defaultHelperBinariesDir`), and PATH.
const HELPERS: [&str; 7] = [
    "/usr/local/libexec/podman",
    "/usr/local/lib/podman",
    "/usr/libexec/podman",
    "/usr/lib/podman",
    "/usr/local/bin",
    "/usr/bin",
    "/usr/sbin",
];

pub(super) fn helper(c: &CheckContext<'_>, name: &str) -> Option<String> {
    HELPERS.iter().map(|dir| format!("{dir}/{name}")).find(|path| c.system.exists(path))
}

/// The first of the directories that has the program.
fn installed(c: &CheckContext<'_>, dirs: &[&str], name: &str) -> Option<String> {
    let path = dirs.iter().map(|dir| format!("{dir}/{name}")).find(|path| c.system.exists(path))?;
    Some(format!("{path} is installed"))
}

pub(crate) static ROOTLESS_NETWORK: Check =
    check("rootless-network", "a container can reach the network", |c| {
        let is_old = super::podman::version(c).is_some_and(|v| !COMPAT.podman.pasta.is_true_of(&v));
        let name = if is_old { "slirp4netns" } else { "pasta" };
        let seen = installed(c, &HELPERS, name).ok_or_else(|| format!("{name} is not installed"));
        let effect = format!("containers have no network: \"could not find {name}\"");
        Outcome::of(seen, effect, setup([&packages::STAGE]))
    })
    .scope(PODMAN_ONLY);

pub(crate) static BRIDGE: Check = check("bridge-network", "podman can create a bridge network", |c| {
    let dirs =
        ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin", "/usr/local/libexec/cni", "/usr/local/lib/cni"];
    let effect = "podman cannot create the network `kind`";
    let found = installed(c, &HELPERS, "netavark");
    if COMPAT.podman.no_cni.is_known_of(super::podman::version(c).as_ref()) {
        let missing = || "netavark is not installed, and this podman does not support CNI".to_owned();
        return Outcome::of(found.ok_or_else(missing), effect, setup([&packages::STAGE]));
    }
    let found = found.or_else(|| installed(c, &dirs, "bridge"));
    let missing = || "neither netavark nor the CNI plugin `bridge` is installed".to_owned();
    Outcome::of(found.ok_or_else(missing), effect, setup([&packages::STAGE, &cni::STAGE]))
})
.scope(PODMAN_ONLY);

pub(crate) static CNI_VERSION: Check = check("cni-version", "the CNI plugins read podman's files", |c| {
    with_version(c, |podman| {
        let name = "containernetworking-plugins";
        let (podman_is, plugins) =
            (format!("podman is {}", podman.release()), c.facts.packages.version(name));
        if !COMPAT.podman.cni_1_0.is_true_of(podman) {
            return Outcome::ok(format!("{podman_is}, which writes no network files of version 1.0.0"));
        }
        let Some(plugins) = plugins else {
            return Outcome::unknown(format!("{name} is not installed as a package"));
        };
        let effect = "a node cannot be started: \"plugin bridge does not support config version\"";
        let details = format!("{podman_is}, {name} is {}", plugins.release());
        let is_new = COMPAT.minimum.cni_plugins.is_true_of(&plugins);
        Outcome::require(is_new, details, effect, setup([&cni::STAGE]))
    })
})
.scope(PODMAN_ONLY)
.needs(const { &[&PODMAN] });

pub(crate) static IPTABLES_AND_MODULES: Check =
    all("iptables", "iptables is installed and has its modules", const { &[&IPTABLES, &IPTABLES_MODULES] });

const NO_NETWORK: &str = "a node's network cannot be set up";

/// The path of iptables and its version: `iptables v1.8.9 (nf_tables)`.
fn iptables(c: &CheckContext<'_>) -> Option<(&'static str, String)> {
    let paths = ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"];
    let path = paths.into_iter().find(|path| c.system.exists(path))?;
    let stdout = c.system.stdout_if_ok(&Cmd::new(path, ["--version"]));
    Some((path, stdout.filter(|stdout| !stdout.is_empty()).unwrap_or_else(|| "installed".to_owned())))
}

pub(crate) static IPTABLES: Check = check("iptables-program", "iptables is installed", |c| {
    if super::podman::version(c).is_some_and(|podman| uses_nftables(c, &podman)) {
        return Outcome::ok("netavark uses nftables and does not need iptables");
    }
    let found = iptables(c).map(|(path, version)| format!("{path} is {version}"));
    let seen = found.ok_or_else(|| "iptables is not installed".to_owned());
    Outcome::of(seen, NO_NETWORK, setup([&packages::STAGE]))
});

pub(crate) static IPTABLES_MODULES: Check = check("iptables-modules", "its modules are loaded", |c| {
    let loadable = c.facts.kernel.modules_that_are(Module::Loadable);
    let missing = c.facts.kernel.modules_that_are(Module::Missing);
    if !loadable.is_empty() {
        let details = format!("{} are not loaded, but available", loadable.join(", "));
        return Outcome::warning(
            details,
            "a rootless node cannot load them itself",
            setup([&modules::STAGE]),
        );
    }
    if missing.is_empty() {
        return Outcome::ok("all of them are loaded or built in");
    }
    let lacks = format!("the kernel has no {}", missing.join(", "));
    let seen = match iptables(c).filter(|(_, version)| version.contains("nf_tables")) {
        Some((path, _)) => Ok(format!("{lacks}; {path} uses nf_tables and does not need them")),
        None if super::podman::version(c).is_some_and(|podman| uses_nftables(c, &podman)) => {
            Ok(format!("{lacks}; netavark uses nftables and does not need them"))
        }
        None => Err(lacks),
    };
    let fix = command("sudo update-alternatives --set iptables /usr/sbin/iptables-nft");
    Outcome::of(seen, NO_NETWORK, fix)
});

pub(crate) static IPV6: Check = check("ipv6", "the kernel has IPv6", |c| {
    let names = ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"];
    let has = c.system.exists("/proc/net/if_inet6") || c.setting(names[0]).is_some();
    if !has || cmdline::has(&c.facts.kernel.cmdline, "ipv6.disable=1") {
        // kind itself retries without IPv6 (providers/podman/network.go).
        let effect = "kind creates its network without IPv6";
        let fix = "nothing has to be done for kind; if pods need IPv6, remove `ipv6.disable=1` from the kernel command line";
        return Outcome::warning("the kernel has no IPv6", effect, fix);
    }
    let Some(name) = names.into_iter().find(|name| c.setting(name) == Some(1)) else {
        return Outcome::ok("the kernel has IPv6, and it is not disabled");
    };
    let effect = "kind's network has an IPv6 subnet, and netavark can fail: \"failed to set ip address … Permission denied\"";
    Outcome::warning(format!("{name} is 1"), effect, command(format!("sudo sysctl -w {name}=0")))
});

pub(crate) static RESOLV: Check =
    all("resolv", "/etc/resolv.conf names a server", const { &[&RESOLV_FILE, &RESOLV_SERVER] });

const RESOLV_CONF: &str = "/etc/resolv.conf";
const NO_REGISTRY: &str =
    "a node cannot reach a registry: \"could not resolve host\", or podman cannot mount it";

pub(crate) static RESOLV_FILE: Check = check("resolv-file", "/etc/resolv.conf leads to a file", |c| {
    let fix = "`ls -l /etc/resolv.conf` shows where it leads; on WSL remove it and run `wsl.exe --shutdown` in Windows: WSL writes it again";
    let leads = c.system.text(RESOLV_CONF).is_some();
    let details = format!("{RESOLV_CONF} leads to {} file", if leads { "a" } else { "no" });
    Outcome::require(leads, details, NO_REGISTRY, fix)
});

static RESOLV_SERVER: Check = check("resolv-server", "/etc/resolv.conf has a server", |c| {
    let fix = "check `cat /etc/resolv.conf`; WSL writes it at its start unless `[network] generateResolvConf=false` is in /etc/wsl.conf";
    let text = c.system.text(RESOLV_CONF).unwrap_or_default();
    let has = text.lines().any(|line| line.trim_start().starts_with("nameserver"));
    let details = format!("{RESOLV_CONF} names {} server", if has { "a" } else { "no" });
    Outcome::prefer(has, details, NO_REGISTRY, fix)
})
.needs(const { &[&RESOLV_FILE] });

pub(crate) static PORTS: Check = check("podman-ports", "podman listens on published ports", |c| {
    with_version(c, |podman| {
        let listens = !COMPAT.podman.ports_without_listener.is_true_of(podman);
        let effect = "it reserves a published port without listening on it, so Windows cannot connect";
        let fix = "install podman 6.1.1 or later and set `force_port_listen`, or map the port with `listenAddress: \"0.0.0.0\"` in `extraPortMappings`";
        Outcome::prefer(listens, format!("podman is {}", podman.release()), effect, fix)
    })
})
.scope(&[Scope::Wsl, Scope::Provider(&[Provider::Podman])])
.needs(const { &[&PODMAN] });
