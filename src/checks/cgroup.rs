//! PID 1 and the cgroup hierarchy above the user.

use super::{Check, Outcome, Scope, check};
use crate::cgroup::{ESSENTIAL, WANTED};
use crate::change::PostRestartCheck;
use crate::compat::COMPAT;
use crate::edit::cmdline;
use crate::facts::Facts;
use crate::fix::{Fix, setup, windows};
use crate::provider::Provider;
use crate::stages::{cgroup, cgroup_mount, controllers, delegation, restart, systemd};

pub(super) static CHECKS: &[&Check] = &[&SYSTEMD, &V2, &V1_MEMORY, &ISOLATION, &USER_SLICE];

/// The stages that leave only cgroup v2 mounted.
pub(super) fn to_v2() -> Fix {
    setup([&systemd::STAGE, &cgroup::STAGE, &cgroup_mount::STAGE, &restart::STAGE])
}

/// The fix for missing controllers: a setup, unless this system lacks some that kind requires.
pub(crate) fn delegate(facts: &Facts) -> Fix {
    if facts.cgroup.unavailable().iter().any(|name| ESSENTIAL.contains(&name.as_str())) {
        return controllers::from_outside(facts).into();
    }
    setup([&controllers::STAGE, &delegation::STAGE, &restart::STAGE])
}

pub(crate) static SYSTEMD: Check = check("systemd", "systemd is PID 1", |c| {
    if c.facts.systemd.pid1.is_empty() {
        return Outcome::unknown("the name of PID 1 cannot be read");
    }
    let effect = "no systemd user manager runs, so no cgroup is delegated to a user: kind refuses, or a node is never ready";
    let fix = if c.facts.wsl.is_two() {
        setup([&systemd::STAGE, &restart::STAGE])
    } else {
        "start this machine with systemd; without it rootless kind is not possible".into()
    };
    Outcome::of(PostRestartCheck::Systemd.check(c.system), effect, fix)
});

pub(crate) static V2: Check = check("cgroup", "only cgroup v2 is mounted", |c| {
    let effect =
        "kind refuses: \"running kind with rootless provider requires cgroup v2\", or finds no controller";
    let grub = "in GRUB_CMDLINE_LINUX in /etc/default/grub, then `sudo update-grub` and restart the machine";
    let is_wsl = c.facts.wsl.is_two();
    // The stages are not needed if WSL mounts only v2.
    let is_old = c.facts.wsl.has(&COMPAT.wsl.mounts_v1);
    let fix = if is_old {
        windows("wsl.exe --update")
    } else if is_wsl {
        to_v2()
    } else if cmdline::has(&c.facts.kernel.cmdline, "systemd.unified_cgroup_hierarchy=0") {
        format!("remove `systemd.unified_cgroup_hierarchy=0` {grub}").into()
    } else {
        format!("add `systemd.unified_cgroup_hierarchy=1` {grub}").into()
    };
    let outcome = Outcome::of(PostRestartCheck::CgroupV2.check(c.system), effect, fix);
    if is_old { outcome.then(to_v2()) } else { outcome }
});

pub(crate) static V1_MEMORY: Check = check("v1-memory", "/proc/cgroups has a memory controller", |c| {
    let Some(table) = c.system.text("/proc/cgroups") else {
        return Outcome::unknown("/proc/cgroups cannot be read");
    };
    if table.lines().any(|l| l.split_ascii_whitespace().next() == Some("memory")) {
        return Outcome::ok("/proc/cgroups has a memory line");
    }
    // WSL's 6.18 kernel has only the memory controller of v2, which is the required one.
    Outcome::limited("/proc/cgroups has no memory line")
});

pub(crate) static ISOLATION: Check = check("isolation", "every controller reaches this distribution", |c| {
    let cgroup = &c.facts.cgroup;
    let judge = |names: &[String], details: String, fix: Fix| {
        if names.iter().any(|name| ESSENTIAL.contains(&name.as_str())) {
            Outcome::error(details, "kind refuses and blames \"Delegate=yes\", which cannot fix this", fix)
        } else {
            Outcome::warning(details, "kind starts, but limits of these controllers are not enforced", fix)
        }
    };
    if let Some(details) = controllers::unavailable(c.facts) {
        return judge(&cgroup.unavailable(), details, controllers::from_outside(c.facts).into());
    }
    let withheld = cgroup.withheld();
    if withheld.is_empty() {
        let namespaced = "this distribution has a cgroup namespace, and its root has every controller";
        return Outcome::ok(if cgroup.is_isolated() {
            format!("systemd is below {} and has every controller", cgroup.systemd_root)
        } else if cgroup.is_namespaced {
            namespaced.to_owned()
        } else {
            "systemd runs directly below the root cgroup".to_owned()
        });
    }
    let mut levels = cgroup.chain.iter().zip(cgroup.chain.iter().skip(1));
    let above = levels.find(|(_, below)| !below.lacks(&WANTED).is_empty());
    let above = above.map_or("/sys/fs/cgroup", |(above, _)| above.path.as_str());
    let (names, root) = (withheld.join(", "), &cgroup.systemd_root);
    let details = format!("{above} does not enable {names} for systemd below {root}");
    judge(&withheld, details, setup([&controllers::STAGE, &restart::STAGE]))
});

pub(crate) static USER_SLICE: Check = check("user-slice", "docker finds systemd's cgroups", |c| {
    let cgroup = &c.facts.cgroup;
    if !cgroup.is_isolated() {
        let name = c.facts.wsl.name();
        return Outcome::ok(if cgroup.is_namespaced {
            format!("{name} gives this distribution a cgroup namespace, with user.slice at its root")
        } else {
            format!("{name} does not isolate the cgroups of distributions here")
        });
    }
    let root = Some(&cgroup.systemd_root).filter(|root| !root.is_empty()).unwrap_or(&cgroup.own);
    Outcome::warning(
        format!("the cgroups of this distribution are below /sys/fs/cgroup{root}"),
        "docker and nerdctl require /sys/fs/cgroup/user.slice",
        format!("{}, or use `kind-wsl setup --provider podman`", controllers::NOT_BELOW_WSL_USER),
    )
})
.scope(&[Scope::Wsl, Scope::Provider(&[Provider::Docker, Provider::Nerdctl])]);
