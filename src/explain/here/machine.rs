//! Looks at the kernel, the user's sub-ids, programs, and WSL.

use camino::Utf8Path;

use super::{Here, is_below, only_on_wsl};
use crate::edit::cmdline;
use crate::facts::Facts;
use crate::facts::kernel::{Module, Propagation};
use crate::facts::subids::SUBIDS;
use crate::host::{Cmd, System};

pub(super) fn root_private(system: &dyn System, _: &Facts) -> Here {
    let table = system.text("/proc/self/mountinfo").unwrap_or_default();
    match Propagation::of_root(&table) {
        None => Here::unknown("/proc/self/mountinfo does not show `/`"),
        Some(Propagation::Shared) => Here::Absent("`/` is a shared mount".to_owned()),
        Some(Propagation::Slave | Propagation::Private) => {
            Here::Present("`/` is not a shared mount".to_owned())
        }
    }
}

pub(crate) fn subids(system: &dyn System, facts: &Facts) -> Here {
    let (ids, user) = (&facts.subids, &facts.user.name);
    for (file, count) in [("/etc/subuid", ids.uids), ("/etc/subgid", ids.gids)] {
        if count < SUBIDS {
            return Here::Present(format!("{user} has {count} subordinate IDs in {file} and needs {SUBIDS}"));
        }
    }
    let path = Utf8Path::new("/usr/bin/newuidmap");
    let mode = system.resolve(path).and_then(|p| system.stat(&p)).ok().flatten().map(|s| s.mode);
    match mode {
        None => Here::Present(format!("{path} is not installed")),
        Some(mode) if mode & 0o4000 != 0 => {
            Here::Absent(format!("{user} has {SUBIDS} subordinate IDs, and {path} is setuid"))
        }
        // A file capability serves as well.
        Some(_) => match system.stdout_if_ok(&Cmd::new("getcap", [path.as_str()])) {
            Some(said) if said.contains("cap_setuid") => {
                Here::Absent(format!("{user} has {SUBIDS} subordinate IDs, and {path} has cap_setuid"))
            }
            Some(_) => Here::Present(format!("{path} has neither the setuid bit nor cap_setuid")),
            None => {
                Here::unknown(format!("{path} is not setuid; without getcap its capability is not known"))
            }
        },
    }
}

pub(super) fn newuidmap(_: &dyn System, facts: &Facts) -> Here {
    let is_there = facts.subids.newuidmap;
    Here::when(!is_there, format!("/usr/bin/newuidmap is {}there", if is_there { "" } else { "not " }))
}

/// A number below `/proc/sys`.
fn setting(system: &dyn System, name: &str) -> Option<u64> {
    system.text(&format!("/proc/sys/{}", name.replace('.', "/")))?.trim().parse().ok()
}

pub(super) fn user_namespaces(system: &dyn System, facts: &Facts) -> Here {
    if matches!(facts.wsl, crate::facts::Wsl::One { .. }) {
        return Here::Present("this is WSL 1".to_owned());
    }
    for name in ["user.max_user_namespaces", "kernel.unprivileged_userns_clone"] {
        if setting(system, name) == Some(0) {
            return Here::Present(format!("{name} is 0"));
        }
    }
    match setting(system, "user.max_user_namespaces") {
        Some(most) => Here::Absent(format!("user.max_user_namespaces is {most}")),
        None => Here::unknown("user.max_user_namespaces can not be read"),
    }
}

pub(super) fn apparmor(system: &dyn System, _: &Facts) -> Here {
    let name = "kernel.apparmor_restrict_unprivileged_userns";
    let elsewhere =
        ["/usr/local/bin/podman", "/opt/podman/bin/podman"].into_iter().find(|p| system.exists(p));
    match (setting(system, name), elsewhere) {
        (Some(1), Some(path)) => Here::Present(format!("{name} is 1, and there is {path}")),
        (Some(1), None) => Here::unknown(format!("{name} is 1; it concerns a podman outside /usr/bin")),
        (Some(value), _) => Here::Absent(format!("{name} is {value}")),
        (None, _) => Here::Absent(format!("this kernel has no {name}")),
    }
}

pub(crate) fn kernel_overlay(system: &dyn System, facts: &Facts) -> Here {
    let seen = format!("the kernel is {}", facts.kernel.release);
    // kind's rootless page, "Restrictions": Debian's and Ubuntu's own kernels allowed it before.
    let is_own = ["debian", "ubuntu"].contains(&facts.distro.id.as_str()) && !facts.wsl.is_two();
    match facts.kernel.major_minor() {
        (0, _) => Here::unknown("the release of the kernel cannot be read"),
        version if version >= (5, 11) => Here::Absent(seen),
        _ if is_own => Here::Absent(format!("{seen}, whose distribution allows it")),
        _ if system.exists("/usr/bin/fuse-overlayfs") => {
            Here::Absent(format!("{seen}, which does not allow it; fuse-overlayfs is installed"))
        }
        _ => Here::Present(seen),
    }
}

pub(super) fn modules_missing(_: &dyn System, facts: &Facts) -> Here {
    let missing = facts.kernel.modules_that_are(Module::Missing);
    let built_in = facts.kernel.modules_that_are(Module::BuiltIn);
    match (missing.is_empty(), built_in.is_empty()) {
        (false, _) => {
            Here::Present(format!("the kernel {} has no {}", facts.kernel.release, missing.join(", ")))
        }
        (true, false) => {
            Here::Present(format!("{} need not be loaded: built into the kernel", built_in.join(", ")))
        }
        (true, true) => Here::Absent("all of them are loaded, or can be".to_owned()),
    }
}

pub(crate) fn modules_unloaded(system: &dyn System, facts: &Facts) -> Here {
    let loadable = facts.kernel.modules_that_are(Module::Loadable);
    let missing = facts.kernel.modules_that_are(Module::Missing);
    if !loadable.is_empty() {
        return Here::Present(format!("{} could be loaded, and are not", loadable.join(", ")));
    }
    if missing.is_empty() {
        return Here::Absent("all of them are loaded or built in".to_owned());
    }
    let lacks = format!("the kernel has no {}", missing.join(", "));
    match iptables_path(system).map(|path| (path, iptables_version(system, path))) {
        Some((path, version)) if version.contains("nf_tables") => {
            Here::Absent(format!("{lacks}; {path} uses nf_tables and does not need them"))
        }
        _ => Here::Present(lacks),
    }
}

fn iptables_path(system: &dyn System) -> Option<&'static str> {
    ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"].into_iter().find(|p| system.exists(p))
}

/// `iptables v1.8.9 (nf_tables)`.
fn iptables_version(system: &dyn System, path: &str) -> String {
    system.stdout_if_ok(&Cmd::new(path, ["--version"])).unwrap_or_default()
}

pub(crate) fn iptables(system: &dyn System, _: &Facts) -> Here {
    match iptables_path(system) {
        Some(path) => Here::Absent(match iptables_version(system, path) {
            version if version.is_empty() => format!("{path} is installed"),
            version => format!("{path} is {version}"),
        }),
        None => Here::Present("iptables is not installed".to_owned()),
    }
}

/// The setting that disables IPv6 in a kernel that has it.
pub(crate) fn ipv6_off(system: &dyn System) -> Option<&'static str> {
    let names = ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"];
    names.into_iter().find(|name| setting(system, name) == Some(1))
}

pub(crate) fn ipv6(system: &dyn System, facts: &Facts) -> Here {
    let has =
        system.exists("/proc/net/if_inet6") || setting(system, "net.ipv6.conf.all.disable_ipv6").is_some();
    if !has || cmdline::has(&facts.kernel.cmdline, "ipv6.disable=1") {
        return Here::Present("the kernel has no IPv6".to_owned());
    }
    match ipv6_off(system) {
        Some(name) => Here::Present(format!("{name} is 1")),
        None => Here::Absent("the kernel has IPv6, and no setting disables it".to_owned()),
    }
}

pub(super) fn xt_recent(system: &dyn System, facts: &Facts) -> Here {
    let dir = format!("/lib/modules/{}", facts.kernel.release);
    let listed = |file: &str| system.text(&format!("{dir}/{file}")).map(|t| t.contains("xt_recent"));
    let loaded = system.exists("/sys/module/xt_recent");
    match (listed("modules.builtin"), listed("modules.dep")) {
        (None, None) if !loaded => Here::unknown(format!("{dir} has no list of modules")),
        (built_in, dep) => {
            let has = loaded || built_in == Some(true) || dep == Some(true);
            Here::when(
                !has,
                format!("the kernel {} has {}xt_recent", facts.kernel.release, if has { "" } else { "no " }),
            )
        }
    }
}

pub(crate) fn low_ports(_: &dyn System, facts: &Facts) -> Here {
    let name = "net.ipv4.ip_unprivileged_port_start";
    match facts.kernel.settings.get(name) {
        Some(start) => Here::when(*start > 80, format!("{name} is {start}")),
        None => Here::unknown(format!("{name} cannot be read")),
    }
}

pub(crate) fn inotify(_: &dyn System, facts: &Facts) -> Here {
    let now = |name: &str| facts.kernel.settings.get(name).copied();
    let (watches, instances) = ("fs.inotify.max_user_watches", "fs.inotify.max_user_instances");
    match (now(watches), now(instances)) {
        (Some(w), Some(i)) => {
            Here::when(w < 524_288 || i < 512, format!("{watches} is {w}, {instances} is {i}"))
        }
        _ => Here::unknown("the inotify limits cannot be read"),
    }
}

pub(super) fn pasta(system: &dyn System, facts: &Facts) -> Here {
    let link = Utf8Path::new("/etc/resolv.conf");
    if system.stat(link).ok().flatten().is_some() && !system.exists(link.as_str()) {
        return Here::Present(format!("{link} is a link to nothing"));
    }
    super::podman::rootless_network(system, facts)
}

pub(super) fn old_wsl(_: &dyn System, facts: &Facts) -> Here {
    match &facts.wsl {
        crate::facts::Wsl::Two { version: Some(version), .. } => {
            Here::when(is_below(version, "1.0.1"), format!("this is {}", facts.wsl.name()))
        }
        crate::facts::Wsl::Two { version: None, .. } => Here::unknown("this WSL does not say its version"),
        _ => Here::Absent(format!("this machine is {}", facts.wsl.name())),
    }
}

pub(crate) fn mirrored(system: &dyn System, facts: &Facts) -> Here {
    if let Some(absent) = only_on_wsl(facts) {
        return absent;
    }
    match networking_mode(system, facts) {
        Some(mode) => Here::when(mode == "mirrored", format!("the networking mode is {mode}")),
        None => Here::unknown("the networking mode is not known: wslinfo did not report it"),
    }
}

/// `nat`, `mirrored`, `virtioproxy`, `bridged` or `none`.
pub(crate) fn networking_mode(system: &dyn System, facts: &Facts) -> Option<String> {
    system.stdout_if_ok(&Cmd::parse("wslinfo --networking-mode").as_user(&facts.user))
}

pub(crate) fn interop(system: &dyn System, facts: &Facts) -> Here {
    if let Some(absent) = only_on_wsl(facts) {
        return absent;
    }
    let dir = "/proc/sys/fs/binfmt_misc";
    // The first line is `enabled` or `disabled`.
    let is_enabled = |name: &&str| {
        system.text(&format!("{dir}/{name}")).is_some_and(|text| text.lines().next() == Some("enabled"))
    };
    match ["WSLInterop", "WSLInterop-late"].into_iter().find(is_enabled) {
        Some(name) => Here::Absent(format!("{dir}/{name} is enabled")),
        None if system.exists(&format!("{dir}/WSLInterop")) => {
            Here::Present(format!("{dir}/WSLInterop is disabled"))
        }
        None => Here::Present(format!("{dir} has no WSLInterop")),
    }
}

pub(super) fn pending(_: &dyn System, facts: &Facts) -> Here {
    match facts.pending.first() {
        Some(pending) => Here::Present(format!("waits for a restart: {}", pending.why)),
        None => Here::unknown("kind-wsl has changed nothing that waits for a restart; others may have"),
    }
}
