//! The user: their service manager, runtime directory, sub-ids and limits.

use camino::Utf8Path;

use super::{Examination, Finding, Patient};
use crate::explain::{Here, here};
use crate::facts::cgroup::{ESSENTIAL, WANTED};
use crate::facts::kernel::Propagation;
use crate::facts::subids::SUBIDS;
use crate::host::Kind;
use crate::provider::{Correction, corrections};

pub(super) static CHECKS: &[Examination] = &[
    Examination { id: "user", what: "the cluster is an ordinary user's", look: user },
    Examination {
        id: "runtime-dir",
        what: "the user has a runtime directory and a bus in it",
        look: runtime_dir,
    },
    Examination { id: "manager", what: "the user's service manager runs", look: manager },
    Examination { id: "controllers", what: "the user manager has cpu, memory and pids", look: controllers },
    Examination { id: "subids", what: "the user has sub-ids, and newuidmap works", look: subids },
    Examination { id: "shared-root", what: "mounts of the host reach containers", look: shared_root },
    Examination { id: "open-files", what: "a process may open 64000 files", look: open_files },
    Examination { id: "fuse", what: "/dev/fuse is there", look: fuse },
    Examination { id: "modules-dir", what: "/lib/modules is there", look: modules_dir },
];

fn user(patient: &Patient<'_>) -> Finding {
    let user = &patient.facts.user;
    if user.uid != 0 {
        return Finding::ok(format!("`{}`, user {}", user.name, user.uid));
    }
    let consequence = "its containers are root's own: nothing here is about them";
    Finding::doubtful(
        "the user is root",
        consequence,
        "run it as the user whose cluster it is, or with `--user NAME`",
    )
}

fn runtime_dir(patient: &Patient<'_>) -> Finding {
    let facts = patient.facts;
    let dir = facts.user.runtime_dir();
    let dir = Utf8Path::new(dir.as_str());
    let consequence = "podman can not start: \"mkdir /run/user/…: permission denied\", or falls back to another place for its state";
    let again = "open a new shell with `wsl.exe`; where that does not help: `loginctl enable-linger`, then restart the distribution";
    if !facts.systemd.is_running() {
        return Finding::not_applicable("without systemd there is none");
    }
    let real = patient.system.resolve(dir).unwrap_or_else(|_| dir.to_owned());
    let Ok(Some(stat)) = patient.system.stat(&real) else {
        return Finding::wrong(format!("{dir} is not there"), consequence, again);
    };
    if stat.kind != Kind::Dir || stat.uid != facts.user.uid {
        return Finding::wrong(format!("{dir} belongs to user {}", stat.uid), consequence, again);
    }
    if !patient.system.exists(dir.join("bus").as_str()) {
        let evidence = format!("{dir} has no `bus`");
        let consequence =
            "`systemd-run --user` can not reach the user manager, so no delegated scope can be made";
        return Finding::wrong(
            evidence,
            consequence,
            if facts.packages.installed.contains_key("dbus-user-session") {
                again
            } else {
                "run `kind-wsl setup --only packages`, which installs dbus-user-session, then open a new shell"
            },
        );
    }
    // Of a report, or as root, the variables of the shell are somebody else's.
    let is_own = patient.system.env("USER").is_none_or(|name| name.is_empty() || name == facts.user.name);
    let wrong = if is_own { corrections(patient.system, &facts.user) } else { Vec::new() };
    if !wrong.is_empty() {
        let list = |part: fn(&Correction) -> String| wrong.iter().map(part).collect::<Vec<_>>();
        return Finding::wrong(
            format!("{} in this shell", list(|c| c.fault.clone()).join(" and ")),
            "podman and kind use another session or fail in this shell; `kind-wsl kind` corrects it for itself",
            format!("`export {}`", list(|c| format!("{}={}", c.name, c.right)).join(" ")),
        );
    }
    Finding::ok(format!("{dir} with its bus"))
}

fn manager(patient: &Patient<'_>) -> Finding {
    let (system, facts) = (patient.system, patient.facts);
    if !facts.systemd.is_running() {
        return Finding::not_applicable("without systemd there is none");
    }
    Finding::of(here::session::user_manager(system, facts), |evidence| {
        let unit = format!("user@{}.service", facts.user.uid);
        let consequence = "no cgroup is delegated to the user: kind refuses, or podman falls back";
        let fix = match here::session::manager_refused(system, facts) {
            Here::Present(_) => "another distribution runs with systemd in the same cgroups: in Windows `wsl.exe --shutdown`, then start this one alone, or update WSL".to_owned(),
            _ => format!("run `systemctl status {unit}` and `journalctl -b -u {unit}` to see why; restart the distribution afterwards"),
        };
        Finding::wrong(evidence, consequence, fix)
    })
}

fn controllers(patient: &Patient<'_>) -> Finding {
    let Some(level) = &patient.facts.cgroup.manager else {
        return Finding::not_applicable("no user manager runs");
    };
    let missing = level.lacks(&ESSENTIAL);
    let evidence = format!(
        "{} has {}",
        level.path,
        if level.controllers.is_empty() { "none".to_owned() } else { level.controllers.join(", ") }
    );
    if !missing.is_empty() {
        let consequence =
            "kind refuses: \"requires setting systemd property \\\"Delegate=yes\\\"\"".replace("\\\"", "'");
        return Finding::wrong(
            format!("{evidence}, and lacks {}", missing.join(", ")),
            &consequence,
            "`kind-wsl setup --only controllers,delegation,restart`",
        );
    }
    let others = level.lacks(&WANTED);
    if others.is_empty() {
        return Finding::ok(evidence);
    }
    let fix = "`kind-wsl setup --only controllers,delegation,restart`";
    Finding::doubtful(
        format!("{evidence}, and lacks {}", others.join(", ")),
        "kind starts; limits of these are not kept",
        fix,
    )
}

fn subids(patient: &Patient<'_>) -> Finding {
    let ids = &patient.facts.subids;
    let setup = "`kind-wsl setup --only packages,subids`";
    let is_set_up = ids.uids >= SUBIDS && ids.gids >= SUBIDS && ids.newuidmap;
    let fix = if is_set_up { "`sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap`" } else { setup };
    let consequence = "podman cannot make a user namespace: \"cannot set up namespace using newuidmap\"";
    Finding::of(here::machine::subids(patient.system, patient.facts), |e| Finding::wrong(e, consequence, fix))
}

fn shared_root(patient: &Patient<'_>) -> Finding {
    let Some(table) = patient.system.text("/proc/self/mountinfo") else {
        return Finding::unknown("/proc/self/mountinfo can not be read");
    };
    let consequence = "podman warns, and mounts that are made later may be missing in containers";
    match Propagation::of_root(&table) {
        None => Finding::unknown("`/` is not in /proc/self/mountinfo"),
        Some(Propagation::Shared) => Finding::ok("`/` is a shared mount"),
        Some(Propagation::Private) => {
            Finding::doubtful("`/` is not a shared mount", consequence, "`kind-wsl setup --only shared-root`")
        }
        Some(Propagation::Slave) => {
            Finding::doubtful("`/` is not a shared mount", consequence, "`sudo mount --make-rshared /`")
        }
    }
}

fn open_files(patient: &Patient<'_>) -> Finding {
    let limits = patient.system.text("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"));
    // Soft, then hard.
    match line.and_then(|l| l.split_ascii_whitespace().nth(1)) {
        None => Finding::unknown("/proc/self/limits can not be read"),
        Some("unlimited") => Finding::ok("no limit"),
        Some(hard) if hard.parse::<u64>().is_ok_and(|n| n >= 64_000) => {
            Finding::ok(format!("the hard limit is {hard}"))
        }
        Some(hard) => {
            let consequence =
                "the node warns \"expected RLIMIT_NOFILE to be at least 64000\", and pods run out of files";
            Finding::doubtful(
                format!("the hard limit is {hard}"),
                consequence,
                "`DefaultLimitNOFILE=1024:524288` in /etc/systemd/system.conf and user.conf, then restart the distribution",
            )
        }
    }
}

fn fuse(patient: &Patient<'_>) -> Finding {
    if patient.system.exists("/dev/fuse") {
        return Finding::ok("/dev/fuse is there");
    }
    // kind gives it to every rootless node (providers/podman/provision.go).
    Finding::wrong("there is no /dev/fuse", "a rootless node can not be started", "`sudo modprobe fuse`")
}

fn modules_dir(patient: &Patient<'_>) -> Finding {
    if patient.system.exists("/lib/modules") {
        return Finding::ok("/lib/modules is there");
    }
    // kind mounts it into every node (providers/podman/provision.go).
    Finding::wrong(
        "there is no /lib/modules",
        "a node can not be started: podman finds nothing to mount",
        "`sudo mkdir /lib/modules`",
    )
}
