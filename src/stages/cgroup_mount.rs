//! cgroup2 at `/sys/fs/cgroup`, by the guide's line in fstab.

use crate::change::{Change, Edit, Entry, Expect, RestartRequirement};
use crate::facts::Facts;
use crate::host::Owner;
use crate::stage::{Answers, Applicability, Stage};

pub(super) static STAGE: Stage = Stage {
    id: "cgroup-mount",
    title: "cgroup v2 at /sys/fs/cgroup",
    from: "guide",
    why: "With v1 switched off, a WSL up to 2.4 still leaves its tmpfs at /sys/fs/cgroup with v2 below it in `unified`, \
          and systemd takes the hierarchy that it finds. The guide's fstab line is mounted by WSL's own `mount -a`, \
          after the cgroups and before systemd (WSL src/linux/init/config.cpp:574, :711), and so puts v2 where \
          everybody looks. The source must be exactly `cgroup2`: under another name `mount -a` would mount it once \
          more on a WSL that did so already, fail, and warn at each start.",
    questions: &[],
    needed,
    changes,
    checks: &[],
};

/// The options that WSL itself uses (WSL test/windows/UnitTests.cpp:6946), and the guide.
const LINE: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    let seen = &facts.cgroup.mounts;
    if !facts.wsl.is_two() {
        return Applicability::not_applicable(format!("{}: fstab plays no part in it", facts.wsl.name()));
    }
    // Told to mount v1, a WSL from 2.6.2 on mounts v2 alone again as soon as it is no longer told.
    let by_choice = facts.wsl_conf.cgroups.as_deref() == Some("v1") && !facts.wsl.is_before("2.6.2");
    if !seen.has_v1() || by_choice {
        return Applicability::redundant(format!(
            "{} mounts cgroup v2 at /sys/fs/cgroup by itself",
            facts.wsl.name()
        ));
    }
    if !facts.wsl_conf.mount_fstab {
        let hint =
            "take `mountFsTab=false` out of [automount] in /etc/wsl.conf, then run the same command again";
        return Applicability::blocked("/etc/wsl.conf keeps WSL from mounting what /etc/fstab lists", hint);
    }
    Applicability::needed(format!("/sys/fs/cgroup is {seen}"))
}

fn changes(_: &Facts, _: &Answers) -> Vec<Change> {
    let edit = Edit::Fstab { mount_point: "/sys/fs/cgroup".to_owned(), line: LINE.to_owned() };
    let path = "/etc/fstab".into();
    vec![Change::Entry(Entry {
        path,
        edit,
        owner: Owner::Root,
        follow: None,
        restart: RestartRequirement::distro(Some(Expect::CgroupV2)),
    })]
}
