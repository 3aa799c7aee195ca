//! Limits of inotify and of kernel keys and, on request, low ports and the kernel log.

use std::fmt::Write;

use crate::change::{Change, SystemSetting, WriteFile};
use crate::facts::Facts;
use crate::facts::kernel::{INOTIFY, KEYS};
use crate::stage::{AnswerKind, Answers, Applicability, Prompting, Question, Stage};

pub(crate) static PRIVILEGED_PORTS: Question = Question {
    id: "privileged_ports",
    prompt: "Allow rootless nodes to use ports 80 and 443?",
    help: "Allow rootless nodes to use ports 80 and 443",
    form: AnswerKind::YesNo,
    when: |facts, _| facts.kernel.settings.get(PORTS).is_some_and(|v| *v > 80),
    default: |_| "no".to_owned(),
    weight: Prompting::Advanced,
};

pub(crate) static DMESG_RESTRICT: Question = Question {
    id: "dmesg",
    prompt: "Allow regular users to read the kernel log?",
    help: "Allow regular users to read the kernel log",
    form: AnswerKind::YesNo,
    when: |facts, _| facts.kernel.settings.get(DMESG) == Some(&1),
    default: |_| "no".to_owned(),
    weight: Prompting::Advanced,
};

pub(crate) static STAGE: Stage = Stage {
    id: "limits",
    title: "raise kernel limits",
    from: "kind docs",
    why: "All nodes share the host's inotify limits, and pods fail with `too many open files` when they \
          are used up (kind known-issues, kind#2586). A runtime creates a keyring per container, and a \
          user may own only 200 keys by default. Containers then fail with `create keyring: Disk quota \
          exceeded` (kind#3806, podman#23784). Optional: ports from 80 on for regular users, so that a \
          node can publish 80 and 443 (kind rootless page; otherwise map 8080 and 8443). Also optional: \
          read access to the kernel log for all users, from which the kubelet detects OOM events. A \
          value that is already higher is kept. inotify limits apply to the whole virtual machine, so to \
          other distributions too.",
    questions: &[&PRIVILEGED_PORTS, &DMESG_RESTRICT],
    needed,
    changes,
};

const PATH: &str = "/etc/sysctl.d/99-kind-wsl.conf";
const PORTS: &str = "net.ipv4.ip_unprivileged_port_start";
const DMESG: &str = "kernel.dmesg_restrict";

/// The settings that this stage writes, with their present values. One with a better value is skipped; one with this
/// value stays in, so that a resumed run writes the same file as an uninterrupted one.
fn desired(facts: &Facts, answers: &Answers) -> Vec<(&'static str, u64, u64)> {
    let now = |name: &'static str, value| facts.kernel.settings.get(name).map(|n| (name, value, *n));
    let raise = INOTIFY
        .into_iter()
        .chain(KEYS)
        .filter_map(|(name, value)| now(name, value))
        .filter(|(_, value, now)| now <= value);
    let lower = [(&PRIVILEGED_PORTS, PORTS, 80), (&DMESG_RESTRICT, DMESG, 0)]
        .into_iter()
        .filter(|(question, ..)| answers.is_true(question));
    let lower = lower.filter_map(|(_, name, value)| now(name, value)).filter(|(_, value, now)| now >= value);
    raise.chain(lower).collect()
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let settings = desired(facts, answers);
    let differ = settings.iter().filter(|(_, value, now)| value != now);
    let differ: Vec<_> = differ.map(|(name, value, now)| format!("{name} is {now} (need {value})")).collect();
    if differ.is_empty() {
        let now = INOTIFY
            .iter()
            .chain(&KEYS)
            .filter_map(|(name, _)| Some(format!("{name} is {}", facts.kernel.settings.get(*name)?)));
        let now: Vec<_> = now.collect();
        if now.is_empty() {
            return Applicability::not_applicable("this kernel has none of these settings");
        }
        return Applicability::satisfied(now.join(", "));
    }
    Applicability::needed(differ.join(", "))
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let mut text = "# Written by kind-wsl (`kind-wsl explain limits`).\n".to_owned();
    let mut now = Vec::new();
    for (name, value, _) in desired(facts, answers) {
        let _ = writeln!(text, "{name} = {value}");
        now.push(SystemSetting::Sysctl { name: name.to_owned(), value }.into());
    }
    // For the next start, and for this one.
    std::iter::once(Change::from(WriteFile::config(PATH, text))).chain(now).collect()
}
