//! Notes of a plan: on WSL's two files, in addition to their diff, and on podman's configuration.

use camino::Utf8Path;

use super::{Overlay, Plan, Planned, Verdict};
use crate::change::{Change, ChangeKind, Edit};
use crate::compat::COMPAT;
use crate::edit::wslconf::{Dialect, Document};
use crate::facts::Facts;
use crate::facts::wsl::WSL_CONF;
use crate::host::System;
use crate::stages::{cgroup, cgroup_mount, podman};

/// The settings that take effect because of a repair, then those that WSL ignores in a file that the plan changes.
pub(super) fn probe(system: &dyn System, view: &Overlay<'_>, facts: &Facts, plan: &Plan) -> Vec<String> {
    let parse = |system: &dyn System, path: &Utf8Path, dialect| {
        let real = system.resolve(path).unwrap_or_else(|_| path.to_owned());
        let bytes = system.read_file(&real).ok().flatten().map(|(_, bytes)| bytes).unwrap_or_default();
        Document::parse_as(&bytes, dialect, facts.wsl.grammar())
    };
    let edits = || plan.changes().filter_map(edit_of);
    let is_edited = |path: &Utf8Path| edits().any(|(edited, _)| edited == path);
    let is_repaired = edits().any(|(_, edit)| matches!(edit, Edit::Repair { .. }));
    // A repair keeps the lines, so that lines are those of the file as it is now.
    let readable = |path: &Utf8Path, dialect| {
        let mut document = parse(system, path, dialect);
        if is_repaired && dialect == Dialect::WslConf {
            document.repair();
        }
        document
    };
    let mut notes = Vec::from_iter(update(facts, plan));
    let configures = |stage: &Planned| stage.id == podman::STAGE.id && stage.verdict == Verdict::Required;
    if plan.stages.iter().any(configures) {
        notes.extend(podman::warnings(facts));
    }
    let conf = Utf8Path::new(WSL_CONF);
    if is_repaired {
        let (now, after) = (readable(conf, Dialect::WslConf), parse(view, conf, Dialect::WslConf));
        let declared: Vec<_> =
            edits().filter(|(path, _)| *path == conf).filter_map(|(_, e)| e.place()).collect();
        let is_meant = |name: &str| {
            let mut names = declared.iter().map(|(section, key)| format!("{section}.{key}"));
            names.any(|declared| declared.eq_ignore_ascii_case(name))
                || now.value_of(name) != after.value_of(name)
        };
        let new = now.taking_effect_since(&parse(system, conf, Dialect::WslConf), is_meant);
        if !new.is_empty() {
            notes.push(format!("these settings in {WSL_CONF} will take effect: {}", new.join(", ")));
        }
    }
    let mut ignored = |path: &Utf8Path, dialect| {
        let left = parse(view, path, dialect).ignored();
        let now = readable(path, dialect).ignored();
        let stays = now.iter().filter(|now| left.iter().any(|left| left.is_same(now)));
        let lines: Vec<_> = stays.map(ToString::to_string).collect();
        if !lines.is_empty() {
            notes.push(format!("WSL ignores settings in {path}: {}", lines.join("; ")));
        }
    };
    if is_edited(conf) || !facts.wsl_conf.misplaced.is_empty() {
        ignored(conf, Dialect::WslConf);
    }
    if let Some(path) = facts.windows.wslconfig().filter(|path| is_edited(path)) {
        ignored(&path, Dialect::WslConfig);
    }
    notes
}

fn edit_of(change: &Change) -> Option<(&Utf8Path, &Edit)> {
    match &change.kind {
        ChangeKind::EditFile(file) => Some((&file.path, &file.edit)),
        _ => None,
    }
}

/// An update of WSL in the place of the stages that switch cgroup v1 off.
fn update(facts: &Facts, plan: &Plan) -> Option<String> {
    let is_due = |stage: &Planned| {
        stage.id == cgroup::STAGE.id && matches!(stage.verdict, Verdict::Required | Verdict::Blocked)
    };
    let is_old = facts.wsl.has(&COMPAT.wsl.mounts_v1) && facts.cgroup.mounts.has_v1();
    (is_old && plan.stages.iter().any(is_due)).then(|| {
        format!(
            "recommended first: run `wsl --update` in Windows. {} mounts cgroup v1. With a WSL that mounts only v2, \
             the stages `{}` and `{}` have nothing to do.",
            facts.wsl.name(),
            cgroup::STAGE.id,
            cgroup_mount::STAGE.id
        )
    })
}
