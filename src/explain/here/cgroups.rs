//! Looks at the cgroup hierarchy.

use super::{Here, not_for_root, only_on_wsl};
use crate::facts::Facts;
use crate::facts::cgroup::ESSENTIAL;
use crate::host::System;

pub(super) fn controllers(_: &dyn System, facts: &Facts) -> Here {
    if let Some(unknown) = not_for_root(facts) {
        return unknown;
    }
    let Some(level) = &facts.cgroup.manager else {
        return Here::unknown(format!("user@{}.service does not run", facts.user.uid));
    };
    let lacks = level.lacks(&ESSENTIAL);
    if !lacks.is_empty() {
        return Here::Present(format!("{} lacks {}", level.path, lacks.join(", ")));
    }
    let has = level.controllers.join(", ");
    Here::Absent(format!(
        "{} has {has}; a shell outside of it may still lack them, `kind-wsl kind` does not",
        level.path
    ))
}

pub(super) fn v1(_: &dyn System, facts: &Facts) -> Here {
    let mounts = &facts.cgroup.mounts;
    let evidence = format!("/sys/fs/cgroup is {mounts}");
    if mounts.has_v1() || mounts.is_pure_v2() {
        Here::when(mounts.has_v1(), evidence)
    } else {
        Here::unknown(evidence)
    }
}

pub(super) fn hybrid(system: &dyn System, facts: &Facts) -> Here {
    if facts.cgroup.mounts.unified {
        return Here::Present(format!("/sys/fs/cgroup is {}, cgroup v2 below it", facts.cgroup.mounts));
    }
    v1(system, facts)
}

pub(super) fn root(_: &dyn System, facts: &Facts) -> Here {
    let mounts = &facts.cgroup.mounts;
    Here::when(mounts.root.as_deref() != Some("cgroup2"), format!("/sys/fs/cgroup is {mounts}"))
}

pub(super) fn v1_memory(system: &dyn System, _: &Facts) -> Here {
    let Some(table) = system.text("/proc/cgroups") else {
        return Here::unknown("/proc/cgroups can not be read");
    };
    let has = table.lines().any(|l| l.split_ascii_whitespace().next() == Some("memory"));
    Here::when(!has, format!("/proc/cgroups has {} memory line", if has { "a" } else { "no" }))
}

pub(super) fn isolated(_: &dyn System, facts: &Facts) -> Here {
    if let Some(absent) = only_on_wsl(facts) {
        return absent;
    }
    let root = Some(&facts.cgroup.systemd_root).filter(|r| !r.is_empty()).unwrap_or(&facts.cgroup.own);
    if facts.cgroup.is_isolated() {
        return Here::Present(format!("the cgroups of this distribution are below /sys/fs/cgroup{root}"));
    }
    Here::Absent(format!("{} does not part the cgroups of distributions here", facts.wsl.name()))
}

pub(super) fn withheld(system: &dyn System, facts: &Facts) -> Here {
    let withheld = facts.cgroup.withheld();
    if !withheld.is_empty() {
        let above = facts.cgroup.chain.last().map_or("systemd's cgroup", |l| l.path.as_str());
        return Here::Present(format!("{} do not reach {above}", withheld.join(", ")));
    }
    match isolated(system, facts) {
        Here::Present(evidence) => Here::Absent(format!("{evidence}, but every controller reaches systemd")),
        other => other,
    }
}

pub(super) fn kernel_words(_: &dyn System, facts: &Facts) -> Here {
    if let Some(absent) = only_on_wsl(facts) {
        return absent;
    }
    if let Some(words) = facts.windows.kernel_words.as_ref().filter(|w| w.contains("cgroup_no_v1")) {
        let file = facts.windows.wslconfig().map_or_else(|| ".wslconfig".to_owned(), |p| p.to_string());
        return Here::Present(format!("{file} says kernelCommandLine = {words}"));
    }
    let booted = facts.kernel.cmdline.contains("cgroup_no_v1=");
    let how = if booted {
        "was started with cgroup_no_v1, though .wslconfig does not say so"
    } else {
        "was started without cgroup_no_v1"
    };
    Here::when(booted, format!("the kernel {how}"))
}
