//! Sets `[boot] systemd=true` in `/etc/wsl.conf`, and installs systemd's init.

use crate::change::{Change, Edit, EditFile, Package, PostRestartCheck, RestartRequirement};
use crate::compat::COMPAT;
use crate::facts::Facts;
use crate::facts::wsl::{WSL_CONF, WslConf};
use crate::host::Owner;
use crate::stage::{AnswerKind, Answers, Applicability, Prompting, Question, Stage};

pub(crate) static REPAIR_WSL_CONF: Question = Question {
    id: "repair_wsl_conf",
    prompt: "Comment out the lines at which WSL stops reading?",
    help: "Comment out lines at which WSL stops reading wsl.conf",
    form: AnswerKind::YesNo,
    when: |facts, _| is_unreadable(facts),
    default: |_| "yes".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "systemd",
    title: "run systemd as PID 1",
    from: "upstream guide",
    why: "kind's node runs systemd, and rootless podman gets its cgroup from a systemd user manager. WSL \
          starts systemd only if /etc/wsl.conf has `systemd=true` under `[boot]` and /sbin/init is \
          executable (WSL src/linux/init/WslDistributionConfig.cpp:90). WSL uses the first occurrence of \
          a key (configfile.cpp:187), so a second `systemd=true` at the end of the file changes nothing. \
          WSL up to 2.9.12 also stops reading at the first invalid line, such as a `;` comment \
          (configfile.cpp:807); later versions skip that line.",
    questions: &[&REPAIR_WSL_CONF],
    needed,
    changes,
};

fn is_unreadable(facts: &Facts) -> bool {
    facts.wsl.is_two() && !facts.wsl_conf.complete && !is_on(facts)
}

/// wsl.conf after this stage, for the questions of later stages. An unanswered question counts as its default.
pub(super) fn wsl_conf_left<'f>(facts: &'f Facts, answers: &Answers) -> &'f WslConf {
    let is_repaired = is_unreadable(facts) && answers.get(&REPAIR_WSL_CONF) != Some("no");
    facts.wsl_conf.repaired.as_deref().filter(|_| is_repaired).unwrap_or(&facts.wsl_conf)
}

fn is_on(facts: &Facts) -> bool {
    facts.systemd.is_running() || facts.wsl_conf.systemd.is_some_and(|(on, _)| on)
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if matches!(facts.wsl, crate::facts::Wsl::One { .. }) {
        let name = facts.wsl.distro();
        let hint = format!("in Windows: `wsl --set-version {name} 2`, then run the same command again");
        return Applicability::blocked(
            "this distribution runs under WSL 1, which has no Linux kernel and so no containers",
            hint,
        );
    }
    if !facts.wsl.is_two() {
        if !facts.systemd.is_running() {
            let what =
                format!("PID 1 is `{}`, and rootless nodes need a systemd user manager", facts.systemd.pid1);
            return Applicability::blocked(
                what,
                "start this machine with systemd; kind cannot run in a container without it",
            );
        }
        return Applicability::not_applicable("not WSL, and PID 1 is systemd");
    }
    let with_systemd = &COMPAT.wsl.systemd;
    if facts.wsl.is_before(with_systemd) {
        let what =
            format!("{} cannot start systemd; need {} or later", facts.wsl.name(), with_systemd.since());
        return Applicability::blocked(what, "in Windows: `wsl --update`, then run the same command again");
    }
    if is_unreadable(facts) && answers.get(&REPAIR_WSL_CONF) == Some("no") {
        let problem = facts.wsl_conf.problems.first().cloned().unwrap_or_default();
        let what = format!("WSL does not read {WSL_CONF} to its end: {problem}");
        return Applicability::blocked(
            what,
            "correct that line by hand, or let `--repair-wsl-conf yes` do it",
        );
    }
    if facts.systemd.is_running() {
        let line = facts.wsl_conf.systemd.filter(|(on, _)| *on);
        let how = line.map_or_else(String::new, |(_, n)| format!(" ({WSL_CONF} line {n})"));
        return Applicability::satisfied(format!("PID 1 is systemd{how}"));
    }
    Applicability::needed(format!("PID 1 is `{}`", facts.systemd.pid1))
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let entry = |edit| {
        let restart = RestartRequirement::distro(Some(PostRestartCheck::Systemd));
        Change::from(EditFile::new(WSL_CONF, edit, Owner::Root)).with_restart(restart)
    };
    let mut changes = Vec::new();
    if let Some(manager) = facts.packages.manager.filter(|_| !facts.systemd.is_init()) {
        // Debian has /sbin/init in a separate package; other distributions have it in systemd's.
        let name = if facts.distro.is_debian() { "systemd-sysv" } else { "systemd" };
        changes.push(Package::new(manager, vec![name.to_owned()]).into());
    }
    if is_unreadable(facts) && answers.is_true(&REPAIR_WSL_CONF) {
        changes.push(entry(Edit::Repair { grammar: facts.wsl_conf.grammar }));
    }
    let value = Some("true".to_owned());
    let grammar = facts.wsl_conf.grammar;
    changes.push(entry(Edit::WslConf {
        section: "boot".to_owned(),
        key: "systemd".to_owned(),
        value,
        grammar,
    }));
    changes
}
