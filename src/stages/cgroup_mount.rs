//! cgroup2 at `/sys/fs/cgroup`, by the guide's line in fstab.

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
    help: "set mountFsTab=true in /etc/wsl.conf, so that WSL mounts /etc/fstab with the line for cgroup v2",
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
    from: "guide",
    why: "With v1 switched off, a WSL before 2.5.7 still leaves its tmpfs at /sys/fs/cgroup with v2 below it in `unified`, \
          and systemd takes the hierarchy that it finds. The guide's fstab line is mounted by WSL's own `mount -a`, \
          after the cgroups and before systemd (WSL src/linux/init/config.cpp:574, :711), and so puts v2 where \
          everybody looks. The source must be exactly `cgroup2`: under another name `mount -a` would mount it once \
          more on a WSL that did so already, fail, and warn at each start.",
    questions: &[&MOUNT_FSTAB],
    needed,
    changes,
};

/// The options that WSL itself uses (WSL test/windows/UnitTests.cpp:6946), and the guide.
const LINE: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let seen = &facts.cgroup.mounts;
    if !facts.wsl.is_two() {
        return Applicability::not_applicable(format!("{}: fstab plays no part in it", facts.wsl.name()));
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
            "mountFsTab=false in {WSL_CONF} line {line} keeps WSL from mounting what /etc/fstab lists"
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
