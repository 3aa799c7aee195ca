//! The iptables modules, loaded at boot.

use crate::change::{Change, Trigger, WriteFile};
use crate::facts::Facts;
use crate::facts::kernel::Module;
use crate::stage::{Answers, Applicability, Stage};

pub(crate) static STAGE: Stage = Stage {
    id: "modules",
    title: "load the iptables modules at boot",
    from: "kind docs",
    why: "A rootless node cannot load kernel modules, so kube-proxy and Ingress fail unless the host has \
          loaded ip_tables and its companions (kind#3234). lsmod, which kind's documentation uses, does \
          not list modules that are built into the kernel; WSL kernels up to 5.15 have all four built \
          in. A module that does not exist is never listed, because systemd-modules-load would fail and \
          leave the system degraded.",
    questions: &[],
    needed,
    changes,
};

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    let missing = facts.kernel.modules_that_are(Module::Missing);
    let loadable = facts.kernel.modules_that_are(Module::Loadable);
    let built_in = facts.kernel.modules_that_are(Module::BuiltIn);
    let kernel = &facts.kernel.release;
    if !facts.is_running() {
        return Applicability::not_applicable("this system is not running");
    }
    if !loadable.is_empty() {
        return Applicability::needed(format!("{} not loaded", loadable.join(", ")));
    }
    if !missing.is_empty() {
        return Applicability::redundant(format!(
            "kernel {kernel} has no {}: iptables has to use nftables here",
            missing.join(", ")
        ));
    }
    if built_in.is_empty() {
        return Applicability::satisfied("all four are loaded");
    }
    Applicability::redundant(format!("built into kernel {kernel}: {}", built_in.join(", ")))
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    // Also modules that something else loaded this time: only this file loads them at the next boot.
    let mut names = facts.kernel.modules_that_are(Module::Loadable);
    names.extend(facts.kernel.modules_that_are(Module::Loaded));
    names.sort();
    if names.is_empty() {
        return Vec::new();
    }
    let text = format!("# Written by kind-wsl (`kind-wsl explain modules`).\n{}\n", names.join("\n"));
    let file = WriteFile::config("/etc/modules-load.d/kind-wsl.conf", text);
    vec![Change::from(file).with_trigger(Trigger::LoadModules)]
}
