//! Kernel functions that the network of a container needs. Each is tried in separate user and network namespaces,
//! which end with the trial program.

use std::time::Duration;

use serde_json::Value;

use super::network::helper;
use super::podman::{PODMAN, with_version};
use super::{Check, CheckContext, Outcome, Scope, check};
use crate::compat::COMPAT;
use crate::fix::{Fix, command, setup, windows};
use crate::host::{Cmd, Output};
use crate::provider::Provider;
use crate::stages::packages;
use crate::version::Version;

const ONLY: &[Scope] = &[Scope::Provider(&[Provider::Podman])];
/// A trial takes a few system calls.
const TIMEOUT: Duration = Duration::from_secs(5);

enum Trial {
    Works,
    /// The kernel's error.
    Fails(String),
    /// The trial itself failed.
    Unknown(String),
}

/// Runs a program as the user, as root of a user namespace and in a separate network namespace. The trial fails if
/// the output contains one of these words. Any other error is inconclusive, such as a user namespace that `AppArmor`
/// denies.
fn attempt(c: &CheckContext<'_>, words: &[&str], failures: &[&str]) -> Trial {
    let words = ["--map-root-user", "--net", "--"].iter().chain(words).copied();
    let cmd = Cmd::new("unshare", words).as_user(&c.facts.user).timeout(TIMEOUT);
    match c.system.run_readonly(&cmd) {
        Ok(Output { code: 0, .. }) => Trial::Works,
        Ok(Output { stderr, .. }) => {
            let fails = |line: &&str| failures.iter().any(|words| line.contains(words));
            let is_forbidden = stderr.contains("Operation not permitted");
            match stderr.lines().find(fails).filter(|_| !is_forbidden) {
                Some(line) => Trial::Fails(line.trim().to_owned()),
                None => Trial::Unknown(stderr.lines().next().unwrap_or("no answer").trim().to_owned()),
            }
        }
        Err(error) => Trial::Unknown(error.to_string()),
    }
}

/// Whether the kernel has a module, according to its lists (modules.builtin, modules.dep); `None` if the lists are
/// incomplete.
pub(super) fn has_module(c: &CheckContext<'_>, name: &str) -> Option<bool> {
    if c.system.exists(&format!("/sys/module/{name}")) {
        return Some(true);
    }
    let file = |list: &str| c.system.text(&format!("/lib/modules/{}/{list}", c.facts.kernel.release));
    let (built_in, loadable) = (file("modules.builtin"), file("modules.dep"));
    let is_listed =
        |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(&format!("/{name}.ko")));
    if is_listed(&built_in) || is_listed(&loadable) {
        return Some(true);
    }
    (built_in.is_some() && loadable.is_some()).then_some(false)
}

/// The outcome of a trial; if it was inconclusive, that of the kernel's lists of modules.
fn judge(c: &CheckContext<'_>, trial: Trial, what: &str, module: &str, effect: &str, fix: Fix) -> Outcome {
    let kernel = &c.facts.kernel.release;
    match trial {
        Trial::Works => Outcome::ok(format!("{what} works on kernel {kernel}")),
        Trial::Fails(message) => {
            Outcome::error(format!("{what} fails on kernel {kernel}: {message}"), effect, fix)
        }
        Trial::Unknown(why) => match has_module(c, module) {
            Some(true) => Outcome::ok(format!("the kernel {kernel} has {module}")),
            Some(false) => Outcome::error(format!("the kernel {kernel} has no {module}"), effect, fix),
            None => Outcome::unknown(format!("{what} could not be tested: {why}")),
        },
    }
}

/// The fix that provides a kernel with a module.
fn kernel_with(c: &CheckContext<'_>, module: &str) -> Fix {
    if !c.facts.wsl.is_two() {
        return command(format!("sudo modprobe {module}"));
    }
    if c.facts.kernel.release.contains("microsoft-standard") {
        return windows("wsl.exe --update");
    }
    "remove `kernel=` and `kernelModules=` below [wsl2] in .wslconfig, or build that kernel with the option; then run `wsl.exe --shutdown` in Windows".into()
}

/// The rules that netavark adds for a container with a published port (netavark `src/firewall/nft.rs`), in nft's
/// syntax.
const RULES: &str = "add table inet kind_wsl; \
     add chain inet kind_wsl prerouting { type nat hook prerouting priority -100 ; }; \
     add chain inet kind_wsl postrouting { type nat hook postrouting priority 100 ; }; \
     add chain inet kind_wsl forward { type filter hook forward priority 0 ; }; \
     add rule inet kind_wsl prerouting fib daddr type local accept; \
     add rule inet kind_wsl forward ct state established,related accept; \
     add rule inet kind_wsl postrouting meta mark 0x2000 masquerade";

/// The firewall driver of netavark: the configured one, or its built-in default.
fn firewall(c: &CheckContext<'_>, podman: &Version) -> String {
    if COMPAT.podman.no_iptables.is_true_of(podman) {
        return "nftables".to_owned();
    }
    if let Some(winner) = c.facts.containers.winner("network.firewall_driver") {
        let driver = winner.setting.value.trim_matches('"');
        if !driver.is_empty() {
            return driver.to_owned();
        }
    }
    let built_with = helper(c, "netavark").and_then(|path| {
        let stdout = c.system.stdout_if_ok(&Cmd::new(&path, ["version"]).as_user(&c.facts.user))?;
        let info: Value = serde_json::from_str(&stdout).ok()?;
        Some(info.get("default_fw_driver")?.as_str()?.to_owned())
    });
    let usual = if COMPAT.podman.nftables.is_true_of(podman) { "nftables" } else { "iptables" };
    built_with.unwrap_or_else(|| usual.to_owned())
}

/// Whether rootless podman needs nft for a bridge network.
pub(super) fn uses_nftables(c: &CheckContext<'_>, podman: &Version) -> bool {
    c.answers.provider() == Provider::Podman && firewall(c, podman) == "nftables"
}

pub(crate) static NFT: Check = check("nft", "the kernel accepts netavark's nftables rules", |c| {
    with_version(c, |podman| {
        let driver = firewall(c, podman);
        if driver != "nftables" {
            return Outcome::ok(format!("netavark uses {driver}"));
        }
        let effect = "no container starts on a bridge network: \"netavark: nftables error\"";
        if !["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].iter().any(|path| c.system.exists(path)) {
            return Outcome::error("nft is not installed", effect, setup([&packages::STAGE]));
        }
        let mut trial = attempt(c, &["nft", RULES], &["Could not process rule"]);
        if let Trial::Unknown(_) = trial
            && is_wsl_kernel_without_fib(c)
        {
            let since = COMPAT.kernel.fib_in_wsl.since();
            trial = Trial::Fails(format!("WSL's kernel supports `fib` rules from {since} on"));
        }
        let fix = kernel_with(c, "nft_fib_inet");
        let outcome = judge(c, trial, "netavark's rule `fib daddr type local`", "nft_fib_inet", effect, fix);
        if COMPAT.podman.no_iptables.is_true_of(podman) {
            return outcome;
        }
        outcome.then("if that does not help, set `firewall_driver = \"iptables\"` below [network] in ~/.config/containers/containers.conf")
    })
})
.scope(ONLY)
.needs(const { &[&PODMAN] });

fn is_wsl_kernel_without_fib(c: &CheckContext<'_>) -> bool {
    let version = c.facts.kernel.release.split_once("-microsoft-standard").map(|(version, _)| version);
    version.and_then(|v| v.parse::<Version>().ok()).is_some_and(|v| !COMPAT.kernel.fib_in_wsl.is_true_of(&v))
}

pub(crate) static BRIDGE_DEVICE: Check = check("bridge-device", "the kernel can create a bridge", |c| {
    let words = ["ip", "link", "add", "kind-wsl0", "type", "bridge"];
    let trial = attempt(c, &words, &["Unknown device type", "Operation not supported"]);
    let effect = "no container starts on a bridge network: \"netavark: create bridge: Netlink error\"";
    judge(c, trial, "creating a bridge", "bridge", effect, kernel_with(c, "bridge"))
});

pub(crate) static TUN: Check = check("tun", "/dev/net/tun opens", |c| {
    let words = ["ip", "tuntap", "add", "dev", "kind-wsl0", "mode", "tun"];
    let trial = attempt(c, &words, &["open: ", "ioctl"]);
    let effect = "a rootless container has no network: pasta and slirp4netns open /dev/net/tun";
    let fix = match &trial {
        Trial::Fails(message) if message.contains("Permission denied") => {
            command("sudo chmod 0666 /dev/net/tun")
        }
        _ => kernel_with(c, "tun"),
    };
    judge(c, trial, "opening /dev/net/tun", "tun", effect, fix)
});
