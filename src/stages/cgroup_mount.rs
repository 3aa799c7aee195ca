//! Mounts cgroup2 at `/sys/fs/cgroup` with a line in fstab.

use super::cgroup::is_v1_by_choice;
use super::systemd::wsl_conf_left;
use crate::change::{Change, Edit, EditFile, PostRestartCheck, RestartRequirement};
use crate::compat::COMPAT;
use crate::facts::Facts;
use crate::facts::wsl::WSL_CONF;
use crate::host::Owner;
use crate::stage::{AnswerKind, Answers, Applicability, Prompting, Question, Stage};

pub(crate) static MOUNT_FSTAB: Question = Question {
    id: "mount_fstab",
    prompt: "Set mountFsTab=true? (WSL mounts all of /etc/fstab.)",
    help: "Let WSL mount /etc/fstab (mountFsTab=true)",
    form: AnswerKind::YesNo,
    when: |facts, answers| {
        let conf = wsl_conf_left(facts, answers);
        let is_v1_chosen = conf.chooses_v1() && !facts.wsl.is_before(&COMPAT.wsl.v1_by_choice);
        let needs_fstab = facts.wsl.is_two() && facts.cgroup.mounts.has_v1() && !is_v1_by_choice(facts);
        needs_fstab && !is_v1_chosen && !conf.mount_fstab
    },
    default: |_| "no".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "cgroup-mount",
    title: "mount cgroup v2 at /sys/fs/cgroup",
    from: "upstream guide",
    why: "With v1 disabled, a WSL before 2.5.7 still mounts a tmpfs at /sys/fs/cgroup, with v2 below it \
          in `unified`. systemd then uses the hierarchy that it finds. WSL runs `mount -a` after it \
          mounts the cgroups and before it starts systemd (WSL src/linux/init/config.cpp:574, :711). A \
          line in /etc/fstab, which the upstream guide adds, thus mounts v2 at its usual place. The \
          source must be exactly `cgroup2`. Under another name `mount -a` would mount it a second time \
          if WSL did so already, fail, and cause a warning at each start.",
    questions: &[&MOUNT_FSTAB],
    needed,
    changes,
};

/// The options of WSL itself (WSL test/windows/UnitTests.cpp:6946) and of the upstream guide.
const LINE: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let seen = &facts.cgroup.mounts;
    if !facts.wsl.is_two() {
        return Applicability::not_applicable(format!(
            "{}: fstab does not mount its cgroups",
            facts.wsl.name()
        ));
    }
    if !seen.has_v1() || is_v1_by_choice(facts) {
        return Applicability::redundant(format!(
            "{} mounts cgroup v2 at /sys/fs/cgroup by itself",
            facts.wsl.name()
        ));
    }
    if !facts.wsl_conf.mount_fstab && !answers.is_true(&MOUNT_FSTAB) {
        let line = facts.wsl_conf.mount_fstab_line.unwrap_or_default();
        let what = format!(
            "mountFsTab=false in {WSL_CONF} line {line} prevents WSL from mounting the file systems of /etc/fstab"
        );
        let hint =
            "`--mount-fstab yes` sets it to true; WSL then mounts every line of /etc/fstab at each start";
        return Applicability::blocked(what, hint);
    }
    Applicability::needed(format!("/sys/fs/cgroup is {seen}"))
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let entry = |path: &str, edit, check| {
        Change::from(EditFile::new(path, edit, Owner::Root)).with_restart(RestartRequirement::distro(check))
    };
    let mut changes = Vec::new();
    if !facts.wsl_conf.mount_fstab && answers.is_true(&MOUNT_FSTAB) {
        let edit = Edit::WslConf {
            section: "automount".to_owned(),
            key: "mountFsTab".to_owned(),
            value: Some("true".to_owned()),
            grammar: facts.wsl_conf.grammar,
        };
        changes.push(entry(WSL_CONF, edit, None));
    }
    let edit = Edit::Fstab { mount_point: "/sys/fs/cgroup".to_owned(), line: LINE.to_owned() };
    changes.push(entry("/etc/fstab", edit, Some(PostRestartCheck::CgroupV2)));
    changes
}
