//! podman's configuration for the user.

use camino::Utf8Path;

use super::settings::{self, PodmanSetting};
use crate::change::{Change, Edit, EditFile};
use crate::compat::COMPAT;
use crate::edit::toml::Value;
use crate::facts::Facts;
use crate::facts::containers::{Containers, storage_conf};
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};
use crate::version::Version;

pub(crate) static CGROUP_MANAGER: Question = Question {
    id: "cgroup_manager",
    prompt: "Which cgroup manager should podman use?",
    help: "Cgroup manager of podman",
    form: AnswerKind::Choice(|_| {
        vec![
            Choice::new("cgroupfs", "recommended; works without a D-Bus session"),
            Choice::new("systemd", "one systemd scope for each container"),
        ]
    }),
    when: |_, answers| super::not_podman(answers).is_none(),
    default: |facts| default_manager(facts).to_owned(),
    weight: Prompting::Advanced,
};

/// The drop-in of this stage.
const DROP_IN: &str = "50-kind-wsl.conf";

pub(crate) static STAGE: Stage = Stage {
    id: "podman",
    title: "configure podman",
    from: "upstream guide, kind docs",
    why: "kind reads the node's log within 30 s (kind pkg/cluster/internal/providers/common/cgroups.go). \
          With the journald driver `podman logs -f` can return nothing or too late, for lack of read \
          permission (podman#26910, kind's rootless page). k8s-file and the file events logger belong \
          together. A node is one container, so podman's limit of 2048 processes applies to a whole node \
          (kind#3451); pids_limit raises it. With the cgroupfs manager rootless podman sets no limit at \
          all, so pids_limit is written only for the systemd manager. (Measured: HostConfig.PidsLimit is \
          0 and the node's pids.max is max.) The upstream guide writes its keys outside any table, where \
          podman silently ignores them, and replaces the previous content. kind-wsl writes them to a \
          drop-in of the user, 50-kind-wsl.conf. podman 6 reads one main file, and a new one would hide \
          the one in /etc. podman 3.0 does not support drop-ins, so the settings go into the user's \
          containers.conf there. podman before 4.9 falls back to the storage driver vfs, which copies \
          every layer, unless a storage.conf sets a driver that rootless podman accepts. The user's file \
          replaces root's (measured with seven versions). overlay is set if no storage exists yet. An \
          existing storage keeps its driver: kind also works on vfs, but needs more time and disk space. \
          A file that podman cannot read blocks setup. An installed podman is queried for its version, \
          which makes it read every containers.conf and storage.conf. The default cgroup manager is \
          cgroupfs. With a podman before 3.3, which cannot start a rootless container otherwise, it is \
          systemd.",
    questions: &[&CGROUP_MANAGER],
    needed,
    changes,
};

/// Whether podman puts a rootless container of the cgroupfs manager below the root cgroup, in which a user cannot
/// create cgroups.
fn needs_systemd(facts: &Facts) -> bool {
    facts.podman().is_some_and(|v| !COMPAT.podman.rootless_cgroupfs.is_true_of(v))
}

fn default_manager(facts: &Facts) -> &'static str {
    if needs_systemd(facts) { "systemd" } else { "cgroupfs" }
}

/// The cgroup manager that podman should use.
pub(crate) fn manager<'a>(facts: &Facts, answers: &'a Answers) -> &'a str {
    answers.get(&CGROUP_MANAGER).unwrap_or(default_manager(facts))
}

/// The settings that kind needs.
fn wanted(facts: &Facts, answers: &Answers) -> Vec<PodmanSetting> {
    let manager = manager(facts, answers);
    let text = |s: &str| Value::Str(s.to_owned());
    let mut settings = vec![
        ("containers.log_driver", text("k8s-file")),
        ("containers.pids_limit", Value::Int(PIDS)),
        ("engine.events_logger", text("file")),
        ("engine.cgroup_manager", text(manager)),
    ];
    if manager == "cgroupfs" {
        settings.retain(|(key, _)| *key != "containers.pids_limit");
    }
    settings
}

/// Whether a setting meets kind's requirement.
fn is_right(key: &str, now: &str, wanted: &Value) -> bool {
    let is_high = |now: i64| key == "containers.pids_limit" && is_enough(now);
    now == wanted.to_string() || now.parse().is_ok_and(is_high)
}

/// The settings that podman does not have.
fn differing(facts: &Facts, answers: &Answers) -> Vec<PodmanSetting> {
    let has = |(key, value): &PodmanSetting| {
        facts.containers.winner(key).is_some_and(|winner| is_right(key, &winner.setting.value, value))
    };
    wanted(facts, answers).into_iter().filter(|setting| !has(setting)).collect()
}

/// The settings that the drop-in needs, because no other file sets them as required.
fn desired_settings(facts: &Facts, answers: &Answers, file: &Utf8Path) -> Vec<PodmanSetting> {
    if !facts.containers.has_drop_ins() {
        return differing(facts, answers);
    }
    let is_set = |(key, value): &PodmanSetting| {
        facts.containers.value_without(file, key).is_some_and(|now| is_right(key, &now, value))
    };
    wanted(facts, answers).into_iter().filter(|setting| !is_set(setting)).collect()
}

/// Whether podman would fall back to the driver vfs because none is set.
fn falls_to_vfs(facts: &Facts) -> bool {
    let containers = &facts.containers;
    let falls = |podman: &Version| containers.storage_conf.chosen(podman).is_none();
    !containers.storage_used && facts.podman().is_some_and(falls)
}

/// The error that prevents podman from reading its configuration.
pub(super) fn refused(facts: &Facts) -> Option<Applicability> {
    let podman = facts.podman();
    let refused = facts.containers.refused.iter().find(|refused| refused.applies_to(podman))?;
    Some(Applicability::blocked(refused.to_string(), refused.hint()))
}

/// The setting that prevents podman from using overlay although the drop-in sets it, or from starting at all.
fn bad_storage(facts: &Facts) -> Option<Applicability> {
    let conf = &facts.containers.storage_conf;
    if let Some((place, driver)) = conf.unknown_driver() {
        let what = format!("{place} sets the storage driver `{driver}`, which podman does not have");
        return Some(Applicability::blocked(what, "set `overlay` there, then run the same command again"));
    }
    let file = conf.overridden_by.as_ref().filter(|_| falls_to_vfs(facts))?;
    let what = format!("{file} in the environment replaces every other storage.conf and sets no driver");
    Some(Applicability::blocked(what, "set `driver = \"overlay\"` there, then run the same command again"))
}

/// The process limit of a node, from kind's rootless page.
const PIDS: i64 = 65536;

/// Whether a `pids_limit` suffices for a node; 0 and less mean no limit (containers.conf(5)).
pub(crate) fn is_enough(limit: i64) -> bool {
    limit >= PIDS || limit <= 0
}

/// The process limit of the next node, as the files set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pids {
    Enough(String),
    /// Too low for a node.
    TooLow(String),
}

/// Reads the process limit of a node from the files.
pub(crate) fn pids_limit(containers: &Containers) -> Pids {
    let value = |key| containers.winner(key).map(|winner| (winner, winner.setting.value.trim_matches('"')));
    if let Some((winner, "cgroupfs")) = value("engine.cgroup_manager") {
        return Pids::Enough(format!("no limit: {winner} sets the cgroup manager cgroupfs"));
    }
    match value("containers.pids_limit") {
        Some((winner, limit)) => {
            let text = format!("{winner} sets containers.pids_limit to {limit}");
            if limit.parse().is_ok_and(is_enough) { Pids::Enough(text) } else { Pids::TooLow(text) }
        }
        // containers.conf(5).
        None => Pids::TooLow("containers.pids_limit is not set: podman's default is 2048".to_owned()),
    }
}

/// Warnings about a configuration that kind-wsl does not change.
pub(crate) fn warnings(facts: &Facts) -> Vec<String> {
    let file = facts.containers.read().into_iter().find(|file| !file.ignored.is_empty());
    let ignored = file.map(|file| {
        format!("podman ignores {} of {}, outside any table", file.ignored.join(", "), file.path)
    });
    let on_vfs = "the existing podman storage stays on vfs, so kind is slower and needs more disk space";
    ignored.into_iter().chain(facts.containers.is_on_vfs().then(|| on_vfs.to_owned())).collect()
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if let Some(elsewhere) = super::not_podman(answers) {
        return elsewhere;
    }
    if let Some(file) = &facts.containers.overridden_by {
        let what = format!("{file} in the environment makes that file override every other containers.conf");
        return Applicability::blocked(
            what,
            "remove it from your shell's start-up files, then open a new shell",
        );
    }
    if let Some(blocked) = refused(facts).or_else(|| bad_storage(facts)) {
        return blocked;
    }
    if needs_systemd(facts) && manager(facts, answers) == "cgroupfs" {
        let what = "podman before 3.3 cannot start rootless containers with the cgroupfs manager";
        return Applicability::blocked(what, "answer with `--cgroup-manager systemd`");
    }
    let file = settings::file(facts, DROP_IN);
    let differing = differing(facts, answers);
    if let Some(blocked) = settings::blocked(facts, &file, &differing) {
        return blocked;
    }
    let mut why: Vec<String> = Vec::new();
    if !differing.is_empty() {
        let keys: Vec<_> = differing.iter().map(|(key, _)| *key).collect();
        why.push(format!("not set: {}", keys.join(", ")));
    }
    let is_moved = settings::moved(facts, STAGE.id);
    if is_moved {
        if let Some(blocked) = settings::blocked(facts, &file, &desired_settings(facts, answers, &file)) {
            return blocked;
        }
        why.push(settings::moving(facts, &file));
    }
    if falls_to_vfs(facts) {
        let conf = &facts.containers.storage_conf;
        let ignored = conf.driver.as_ref().zip(conf.file.as_ref());
        why.push(ignored.map_or_else(
            || "podman would store layers with vfs".to_owned(),
            |(driver, file)| {
                let driver = &driver.value;
                format!("podman ignores the driver `{driver}` of {file} and would store layers with vfs")
            },
        ));
    }
    let is_needed = !differing.is_empty() || is_moved || falls_to_vfs(facts);
    if !is_needed {
        let path = facts.containers.winner("containers.log_driver").map_or(file.as_path(), |w| w.path);
        why.push(format!("{path} has every setting"));
    }
    why.extend(warnings(facts));
    if is_needed { Applicability::needed(why.join("; ")) } else { Applicability::satisfied(why.join("; ")) }
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let file = settings::file(facts, DROP_IN);
    let mut changes = settings::changes(facts, STAGE.id, &file, desired_settings(facts, answers, &file));
    let entry = |path, key: &str, value| {
        let edit = Edit::Toml { path: key.split('.').map(ToOwned::to_owned).collect(), value };
        Change::from(EditFile::new(path, edit, super::user(facts)))
    };
    if falls_to_vfs(facts) {
        let path = storage_conf(&facts.user);
        changes.push(entry(path.clone(), "storage.driver", Value::Str("overlay".to_owned())));
        // fuse-overlayfs mounts what the kernel cannot.
        if !COMPAT.kernel.overlay_for_users.is_known_of(facts.kernel.version().as_ref()) {
            let program = Value::Str("/usr/bin/fuse-overlayfs".to_owned());
            changes.push(entry(path, "storage.options.overlay.mount_program", program));
        }
    }
    changes
}
