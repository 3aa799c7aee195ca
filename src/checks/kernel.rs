//! The kernel features and settings that a node needs.

use super::{Check, CheckContext, Outcome, check, wsl};
use crate::compat::COMPAT;
use crate::facts::Wsl;
use crate::facts::apparmor::profile_command;
use crate::facts::kernel::{INOTIFY, KEYS, Module, OPEN_FILES, Propagation};
use crate::fix::{command, setup, setup_with};
use crate::provider::Provider;
use crate::stages::{limits, packages, shared_root};

pub(super) static CHECKS: &[&Check] = &[
    &USER_NAMESPACES,
    &APPARMOR,
    &SHARED_ROOT,
    &OPEN_FILES_LIMIT,
    &FUSE,
    &MODULES_DIR,
    &OVERLAY,
    &INOTIFY_LIMITS,
    &KEYRINGS,
    &LOW_PORTS,
    &DMESG,
    &MODULES,
    &XT_RECENT,
];

pub(crate) static USER_NAMESPACES: Check =
    check("user-namespaces", "the kernel allows user namespaces", |c| {
        let effect = "podman cannot create a container";
        if let Wsl::One { .. } = c.facts.wsl {
            return Outcome::error("this is WSL 1", effect, wsl::to_wsl_2(&c.facts.wsl));
        }
        let most = "user.max_user_namespaces";
        for (name, value) in [(most, 28_633), ("kernel.unprivileged_userns_clone", 1)] {
            if c.setting(name) == Some(0) {
                let fix = command(format!("sudo sysctl -w {name}={value}"));
                return Outcome::error(format!("{name} is 0"), effect, fix);
            }
        }
        match c.setting(most) {
            Some(value) => Outcome::ok(format!("{most} is {value}")),
            None => Outcome::unknown(format!("{most} cannot be read")),
        }
    });

pub(crate) static APPARMOR: Check = check("apparmor", "AppArmor allows the provider a user namespace", |c| {
    let name = "kernel.apparmor_restrict_unprivileged_userns";
    if !c.facts.apparmor.restricts {
        return Outcome::ok(format!("{name} does not restrict user namespaces"));
    }
    let (program, path) = match c.answers.provider() {
        Provider::Podman => {
            let other = c.facts.tools.podman.as_ref().map(|podman| podman.path.to_string());
            let other = other.or_else(|| {
                let path = "/opt/podman/bin/podman";
                c.system.exists(path).then(|| path.to_owned())
            });
            ("podman", Some(other.unwrap_or_else(|| "/usr/bin/podman".to_owned())))
        }
        // All processes of its daemon are its children.
        Provider::Docker | Provider::Nerdctl => {
            ("rootlesskit", c.facts.engines.rootlesskit.as_ref().map(ToString::to_string))
        }
    };
    let Some(path) = path else {
        return Outcome::unknown(format!("{name} is 1, and {program} is not installed"));
    };
    // The distribution's own podman and rootlesskit have profiles, if the directory is readable at all.
    let is_packaged = c.facts.apparmor.allowed.is_empty() && path.starts_with("/usr/bin/");
    if is_packaged || c.facts.apparmor.allows(&path) {
        return Outcome::ok(format!("{name} is 1, and AppArmor has a profile for {path}"));
    }
    let details = format!("{name} is 1, and no profile allows {path} a user namespace");
    let effect = format!("{program} cannot create a user namespace: \"permission denied\"");
    Outcome::error(details, effect, command(profile_command(&path)))
});

pub(crate) static SHARED_ROOT: Check = check("shared-root", "mounts of the host reach containers", |c| {
    let table = c.system.text("/proc/self/mountinfo").unwrap_or_default();
    let effect = "podman warns, and later mounts can be missing in containers";
    let fix = match Propagation::of_root(&table) {
        None => return Outcome::unknown("/proc/self/mountinfo does not show `/`"),
        Some(Propagation::Shared) => return Outcome::ok("`/` is a shared mount"),
        Some(Propagation::Private) => setup([&shared_root::STAGE]),
        Some(Propagation::Slave) => command("sudo mount --make-rshared /"),
    };
    Outcome::warning("`/` is not a shared mount", effect, fix)
});

pub(crate) static OPEN_FILES_LIMIT: Check = check("open-files", "a process may open 64000 files", |c| {
    let limits = c.system.text("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"));
    // The soft limit, then the hard limit.
    let Some(hard) = line.and_then(|l| l.split_ascii_whitespace().nth(1)) else {
        return Outcome::unknown("/proc/self/limits cannot be read");
    };
    let is_enough = hard == "unlimited" || hard.parse::<u64>().is_ok_and(|n| n >= OPEN_FILES);
    let effect = "the node warns \"expected RLIMIT_NOFILE to be at least 64000\", and pods run out of files";
    let fix = "set `DefaultLimitNOFILE=1024:524288` in /etc/systemd/system.conf and user.conf, then restart the distribution";
    Outcome::prefer(is_enough, format!("the hard limit is {hard}"), effect, fix)
});

// kind passes it to every rootless node (providers/podman/provision.go), but podman ignores `--device` with
// `--privileged` (`pkg/specgen/generate/oci_linux.go`): only fuse-overlayfs misses it.
pub(super) static FUSE: Check = check("fuse", "/dev/fuse exists", |c| {
    let fix = || command("sudo modprobe fuse");
    let is_podman = c.answers.provider() == Provider::Podman;
    match c.exists("/dev/fuse") {
        Err(details) if is_podman && mounts_overlay(c).is_some() => {
            Outcome::warning(details, "storage that uses fuse-overlayfs cannot be mounted", fix())
        }
        seen => Outcome::of(seen, "a rootless node cannot be started", fix()),
    }
});

// kind mounts it into every node (providers/podman/provision.go).
pub(super) static MODULES_DIR: Check = check("modules-dir", "/lib/modules exists", |c| {
    let effect = "a node cannot be started: podman finds nothing to mount";
    Outcome::of(c.exists("/lib/modules"), effect, command("sudo mkdir /lib/modules"))
});

/// The reason why a user can mount overlayfs here; `None` if the kernel refuses it.
fn mounts_overlay(c: &CheckContext<'_>) -> Option<String> {
    let kernel = format!("the kernel is {}", c.facts.kernel.release);
    if COMPAT.kernel.overlay_for_users.is_true_of(&c.facts.kernel.version()?) {
        return Some(kernel);
    }
    // kind's rootless page, "Restrictions": Debian's and Ubuntu's own kernels allowed it before.
    let is_own = ["debian", "ubuntu"].contains(&c.facts.distro.id.as_str()) && !c.facts.wsl.is_two();
    is_own.then(|| format!("{kernel}, whose distribution allows it"))
}

pub(crate) static OVERLAY: Check = check("overlay", "the kernel mounts overlayfs for a user", |c| {
    let kernel = format!("the kernel is {}", c.facts.kernel.release);
    if c.facts.kernel.version().is_none() {
        return Outcome::unknown("the release of the kernel cannot be read");
    }
    let seen = match mounts_overlay(c) {
        Some(details) => Ok(details),
        None if c.system.exists("/usr/bin/fuse-overlayfs") => {
            Ok(format!("{kernel}, which does not allow it; fuse-overlayfs is installed"))
        }
        None => Err(format!("{kernel}, and fuse-overlayfs is not installed")),
    };
    Outcome::of(seen, "a node's containerd cannot mount its images", setup([&packages::STAGE]))
});

const INSTANCES: &str = INOTIFY[1].0;
/// Below this not even one node is likely to start: with 3 instances its systemd does not (seen by the VM story `faults`).
/// The exact need depends on the node image.
const ONE_NODE: u64 = 16;

pub(crate) static INOTIFY_LIMITS: Check = check("inotify", "inotify limits suffice for several nodes", |c| {
    let now = INOTIFY.map(|(name, floor)| Some((name, floor, *c.facts.kernel.settings.get(name)?)));
    let now: Vec<_> = now.into_iter().flatten().collect();
    if now.len() < INOTIFY.len() {
        return Outcome::unknown("the inotify limits cannot be read");
    }
    let details = now.iter().map(|(name, _, now)| format!("{name} is {now}")).collect::<Vec<_>>().join(", ");
    let is_enough = now.iter().all(|(_, floor, now)| now >= floor);
    if now.iter().any(|(name, _, now)| *name == INSTANCES && *now < ONE_NODE) {
        let effect = "the systemd of a node does not start: \"could not find a log line that matches\"";
        return Outcome::error(details, effect, setup([&limits::STAGE]));
    }
    let effect = "with several nodes: \"too many open files\"";
    Outcome::prefer(is_enough, details, effect, setup([&limits::STAGE]))
});

pub(crate) static KEYRINGS: Check = check("keys", "the user may own enough kernel keys", |c| {
    let fix = || setup([&limits::STAGE]);
    let effect = "containers fail: \"create keyring: Disk quota exceeded\"";
    let user = &c.facts.user.name;
    let owned = owned_keys(c);
    if let Some([keys, bytes]) = &owned {
        let details =
            format!("{user} owns {} of {} keys and {} of {} bytes", keys.0, keys.1, bytes.0, bytes.1);
        // The keyring of a container takes one key, and its name some 30 bytes.
        if keys.0 >= keys.1 || bytes.0 + 30 > bytes.1 {
            return Outcome::error(details, effect, fix());
        }
    }
    let low = KEYS.iter().find_map(|(name, floor)| {
        let now = *c.facts.kernel.settings.get(*name)?;
        (now < *floor).then(|| format!("{name} is {now}, recommended {floor}"))
    });
    match (low, owned) {
        (Some(details), _) => Outcome::warning(details, format!("with many pods {effect}"), fix()),
        (None, Some([keys, _])) => Outcome::ok(format!("{user} owns {} of {} keys", keys.0, keys.1)),
        (None, None) if c.facts.kernel.settings.contains_key(KEYS[0].0) => {
            Outcome::ok(format!("{} is {}", KEYS[0].0, c.facts.kernel.settings[KEYS[0].0]))
        }
        (None, None) => Outcome::unknown("/proc/key-users does not show the user's keys"),
    }
});

/// The user's number of keys and their bytes, each with its limit, from `/proc/key-users` (keyrings(7)).
fn owned_keys(c: &CheckContext<'_>) -> Option<[(u64, u64); 2]> {
    let table = c.system.text("/proc/key-users")?;
    let uid = format!("{}:", c.facts.user.uid);
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(&uid))?;
    let pair = |text: &str| text.split_once('/').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let mut words = line.split_ascii_whitespace().skip(2).filter_map(pair);
    Some([words.next()?, words.next()?])
}

// Not an error: an ingress can be published on 8080 and 8443.
pub(crate) static LOW_PORTS: Check = check("ports", "a user may open the ports of an ingress", |c| {
    let name = "net.ipv4.ip_unprivileged_port_start";
    match c.facts.kernel.settings.get(name) {
        None => Outcome::unknown(format!("{name} cannot be read")),
        Some(start) if *start <= 80 => Outcome::ok(format!("{name} is {start}")),
        Some(start) => Outcome::limited(format!("{name} is {start}"))
            .then(setup_with([&limits::STAGE], "--privileged-ports yes")),
    }
});

// kind does not need it; without it, `kind export logs` does not include it.
static DMESG: Check = check("dmesg", "a user can read the kernel log", |c| {
    let name = "kernel.dmesg_restrict";
    match c.facts.kernel.settings.get(name) {
        None => Outcome::unknown(format!("{name} cannot be read")),
        Some(0) => Outcome::ok(format!("{name} is 0")),
        Some(value) => Outcome::limited(format!("{name} is {value}: only root can read it"))
            .then(setup_with([&limits::STAGE], "--dmesg yes")),
    }
});

pub(crate) static MODULES: Check = check("modules", "modprobe finds the modules of iptables", |c| {
    let (kernel, names) = (&c.facts.kernel.release, |state| c.facts.kernel.modules_that_are(state));
    let (missing, built_in) = (names(Module::Missing), names(Module::BuiltIn));
    if !missing.is_empty() {
        return Outcome::limited(format!("the kernel {kernel} has no {}", missing.join(", ")));
    }
    if !built_in.is_empty() {
        let built_in = built_in.join(", ");
        return Outcome::limited(format!("{built_in} are built into the kernel and need not be loaded"));
    }
    Outcome::ok("all of them are loaded, or can be")
});

// Only a Service with `sessionAffinity: ClientIP` needs it.
pub(crate) static XT_RECENT: Check = check("xt-recent", "kube-proxy can keep a client at its pod", |c| {
    let kernel = &c.facts.kernel.release;
    let dir = format!("/lib/modules/{kernel}");
    let listed = |file: &str| c.system.text(&format!("{dir}/{file}")).map(|t| t.contains("xt_recent"));
    let (built_in, dep) = (listed("modules.builtin"), listed("modules.dep"));
    if c.system.exists("/sys/module/xt_recent") || built_in == Some(true) || dep == Some(true) {
        return Outcome::ok(format!("the kernel {kernel} has xt_recent"));
    }
    if built_in.is_none() && dep.is_none() {
        return Outcome::unknown(format!("{dir} has no list of modules"));
    }
    Outcome::limited(format!("the kernel {kernel} has no xt_recent"))
});
