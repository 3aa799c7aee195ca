//! Looks at the kernel, the user's sub-ids, programs, and WSL.

use camino::Utf8Path;

use super::{Here, is_below, only_on_wsl};
use crate::facts::Facts;
use crate::facts::kernel::Module;
use crate::facts::subids::SUBIDS;
use crate::host::{Cmd, World};

pub(super) fn root_private(world: &dyn World, _: &Facts) -> Here {
    let table = world.text("/proc/self/mountinfo").unwrap_or_default();
    // proc_pid_mountinfo(5): the fifth field is the mount point, the optional fields end at a dash.
    let line = table.lines().rfind(|l| l.split(' ').nth(4) == Some("/"));
    let Some(line) = line else { return Here::unknown("/proc/self/mountinfo does not show `/`") };
    let shared = line.split(' ').skip(6).take_while(|f| *f != "-").any(|f| f.starts_with("shared:"));
    Here::when(!shared, format!("`/` is {}a shared mount", if shared { "" } else { "not " }))
}

pub(super) fn subids(world: &dyn World, facts: &Facts) -> Here {
    let (ids, user) = (&facts.subids, &facts.user.name);
    for (file, count) in [("/etc/subuid", ids.uids), ("/etc/subgid", ids.gids)] {
        if count < SUBIDS {
            return Here::Present(format!("{file} gives {count} ids to {user}; {SUBIDS} are needed"));
        }
    }
    let path = Utf8Path::new("/usr/bin/newuidmap");
    let mode = world.resolve(path).and_then(|p| world.stat(&p)).ok().flatten().map(|s| s.mode);
    match mode {
        None => Here::Present(format!("{path} is not there")),
        Some(mode) if mode & 0o4000 != 0 => {
            Here::Absent(format!("{user} has {SUBIDS} ids, and {path} is setuid"))
        }
        // A file capability serves as well, and is not among what we read.
        Some(_) => {
            Here::unknown(format!("{path} is not setuid; `getcap {path}` has to show cap_setuid then"))
        }
    }
}

pub(super) fn newuidmap(_: &dyn World, facts: &Facts) -> Here {
    let is_there = facts.subids.newuidmap;
    Here::when(!is_there, format!("/usr/bin/newuidmap is {}there", if is_there { "" } else { "not " }))
}

/// A number below `/proc/sys`.
fn setting(world: &dyn World, name: &str) -> Option<u64> {
    world.text(&format!("/proc/sys/{}", name.replace('.', "/")))?.trim().parse().ok()
}

pub(super) fn user_namespaces(world: &dyn World, facts: &Facts) -> Here {
    if matches!(facts.wsl, crate::facts::Wsl::One { .. }) {
        return Here::Present("this is WSL 1".to_owned());
    }
    for name in ["user.max_user_namespaces", "kernel.unprivileged_userns_clone"] {
        if setting(world, name) == Some(0) {
            return Here::Present(format!("{name} is 0"));
        }
    }
    match setting(world, "user.max_user_namespaces") {
        Some(most) => Here::Absent(format!("user.max_user_namespaces is {most}")),
        None => Here::unknown("user.max_user_namespaces can not be read"),
    }
}

pub(super) fn apparmor(world: &dyn World, _: &Facts) -> Here {
    let name = "kernel.apparmor_restrict_unprivileged_userns";
    let elsewhere = ["/usr/local/bin/podman", "/opt/podman/bin/podman"].into_iter().find(|p| world.exists(p));
    match (setting(world, name), elsewhere) {
        (Some(1), Some(path)) => Here::Present(format!("{name} is 1, and there is {path}")),
        (Some(1), None) => Here::unknown(format!("{name} is 1; it concerns a podman outside /usr/bin")),
        (Some(value), _) => Here::Absent(format!("{name} is {value}")),
        (None, _) => Here::Absent(format!("this kernel has no {name}")),
    }
}

pub(super) fn kernel_overlay(_: &dyn World, facts: &Facts) -> Here {
    let seen = format!("the kernel is {}", facts.kernel.release);
    match facts.kernel.major_minor() {
        (0, _) => Here::unknown("the kernel does not say its version"),
        version => Here::when(version < (5, 11), seen),
    }
}

pub(super) fn modules_missing(_: &dyn World, facts: &Facts) -> Here {
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

pub(super) fn modules_unloaded(_: &dyn World, facts: &Facts) -> Here {
    let loadable = facts.kernel.modules_that_are(Module::Loadable);
    let missing = facts.kernel.modules_that_are(Module::Missing);
    match (loadable.is_empty(), missing.is_empty()) {
        (false, _) => Here::Present(format!("{} could be loaded, and are not", loadable.join(", "))),
        (true, false) => Here::Present(format!("the kernel has no {}", missing.join(", "))),
        (true, true) => Here::Absent("all of them are loaded or built in".to_owned()),
    }
}

pub(super) fn iptables(world: &dyn World, _: &Facts) -> Here {
    match ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"].into_iter().find(|p| world.exists(p))
    {
        Some(path) => Here::Absent(format!("{path} is there")),
        None => Here::Present("there is no program `iptables`".to_owned()),
    }
}

pub(super) fn ipv6(world: &dyn World, _: &Facts) -> Here {
    let name = "net.ipv6.conf.all.disable_ipv6";
    match setting(world, name) {
        Some(value) => Here::when(value == 1, format!("{name} is {value}")),
        None => Here::Present(format!("there is no {name}: the kernel has no IPv6")),
    }
}

pub(super) fn xt_recent(world: &dyn World, facts: &Facts) -> Here {
    let dir = format!("/lib/modules/{}", facts.kernel.release);
    let listed = |file: &str| world.text(&format!("{dir}/{file}")).map(|t| t.contains("xt_recent"));
    let loaded = world.exists("/sys/module/xt_recent");
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

pub(super) fn low_ports(_: &dyn World, facts: &Facts) -> Here {
    let name = "net.ipv4.ip_unprivileged_port_start";
    match facts.kernel.settings.get(name) {
        Some(start) => Here::when(*start > 80, format!("{name} is {start}")),
        None => Here::unknown(format!("{name} can not be read")),
    }
}

pub(super) fn inotify(_: &dyn World, facts: &Facts) -> Here {
    let now = |name: &str| facts.kernel.settings.get(name).copied();
    let (watches, instances) = ("fs.inotify.max_user_watches", "fs.inotify.max_user_instances");
    match (now(watches), now(instances)) {
        (Some(w), Some(i)) => {
            Here::when(w < 524_288 || i < 512, format!("{watches} is {w}, {instances} is {i}"))
        }
        _ => Here::unknown("the inotify limits can not be read"),
    }
}

pub(super) fn pasta(world: &dyn World, _: &Facts) -> Here {
    let link = Utf8Path::new("/etc/resolv.conf");
    if world.stat(link).ok().flatten().is_some() && !world.exists(link.as_str()) {
        return Here::Present(format!("{link} is a link to nothing"));
    }
    let is_there = world.exists("/usr/bin/pasta");
    Here::when(!is_there, format!("/usr/bin/pasta is {}there", if is_there { "" } else { "not " }))
}

pub(super) fn old_wsl(_: &dyn World, facts: &Facts) -> Here {
    match &facts.wsl {
        crate::facts::Wsl::Two { version: Some(version), .. } => {
            Here::when(is_below(version, "1.0.1"), format!("this is {}", facts.wsl.name()))
        }
        crate::facts::Wsl::Two { version: None, .. } => Here::unknown("this WSL does not say its version"),
        _ => Here::Absent(format!("this machine is {}", facts.wsl.name())),
    }
}

pub(super) fn mirrored(world: &dyn World, facts: &Facts) -> Here {
    if let Some(absent) = only_on_wsl(facts) {
        return absent;
    }
    match world.answer(&Cmd::line("wslinfo --networking-mode").as_user(&facts.user)) {
        Some(mode) => Here::when(mode == "mirrored", format!("the networking mode is {mode}")),
        None => Here::unknown("this WSL does not say its networking mode"),
    }
}

pub(super) fn interop(world: &dyn World, facts: &Facts) -> Here {
    if let Some(absent) = only_on_wsl(facts) {
        return absent;
    }
    let dir = "/proc/sys/fs/binfmt_misc";
    match ["WSLInterop", "WSLInterop-late"].into_iter().find(|name| world.exists(&format!("{dir}/{name}"))) {
        Some(name) => Here::Absent(format!("{dir}/{name} is there")),
        None => Here::Present(format!("{dir} has no WSLInterop")),
    }
}

pub(super) fn pending(_: &dyn World, facts: &Facts) -> Here {
    match facts.pending.first() {
        Some(pending) => Here::Present(format!("waits for a restart: {}", pending.why)),
        None => Here::unknown("kind-wsl has changed nothing that waits for a restart; others may have"),
    }
}
