//! podman's settings as a stage writes them: in a drop-in of that stage, or in the user's containers.conf if podman
//! does not support drop-ins.

use std::collections::BTreeMap;
use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};

use crate::change::{Change, Edit, EditFile, WriteFile};
use crate::edit::toml::Value;
use crate::facts::Facts;
use crate::facts::containers::{Winner, containers_conf, drop_in};
use crate::stage::Applicability;

/// A dotted key and its value.
pub(super) type PodmanSetting = (&'static str, Value);

/// The file that has the settings of a stage.
pub(super) fn file(facts: &Facts, drop_in_name: &str) -> Utf8PathBuf {
    if facts.containers.has_drop_ins() {
        drop_in(&facts.user, drop_in_name)
    } else {
        containers_conf(&facts.user)
    }
}

/// The settings in the user's containers.conf that an earlier setup wrote for this stage and that move to its drop-in.
pub(super) fn moved(facts: &Facts, stage: &str) -> bool {
    facts.containers.superseded.iter().any(|superseded| superseded.stage == stage)
}

pub(super) fn moving(facts: &Facts, file: &Utf8Path) -> String {
    format!("kind-wsl's settings move from {} to {file}", containers_conf(&facts.user))
}

/// The reason why these settings cannot take effect in this file.
pub(super) fn blocked(facts: &Facts, file: &Utf8Path, settings: &[PodmanSetting]) -> Option<Applicability> {
    let is_foreign =
        facts.containers.has_drop_ins() && facts.containers.file(file).is_some_and(|f| !f.is_ours);
    if is_foreign && !settings.is_empty() {
        return Some(Applicability::blocked(
            format!("{file} exists and was not written by kind-wsl"),
            format!("rename it (`mv {file} {file}.old`), then run the same command again"),
        ));
    }
    settings.iter().find_map(|(key, value)| {
        let winner = facts.containers.beaten_by(file, key, &value.to_string())?;
        Some(beaten(file, key, winner))
    })
}

/// A file that is read later and overrides the drop-in.
fn beaten(file: &Utf8Path, key: &str, winner: Winner<'_>) -> Applicability {
    let what = format!("{winner} is read after {file} and sets {key} to {}", winner.setting.value);
    Applicability::blocked(
        what,
        format!("remove {key} from {}, then run the same command again", winner.path),
    )
}

/// The changes that write these settings.
pub(super) fn changes(
    facts: &Facts,
    stage: &str,
    file: &Utf8Path,
    settings: Vec<PodmanSetting>,
) -> Vec<Change> {
    let owner = super::user(facts);
    if settings.is_empty() {
        return Vec::new();
    }
    if facts.containers.has_drop_ins() {
        let write = WriteFile { owner, ..WriteFile::config(file.as_str(), text(stage, settings)) };
        return vec![write.into()];
    }
    let edit = |(key, value): PodmanSetting| {
        let edit = Edit::Toml { path: key.split('.').map(ToOwned::to_owned).collect(), value };
        EditFile::new(file.to_owned(), edit, owner).into()
    };
    settings.into_iter().map(edit).collect()
}

/// The text of a drop-in.
fn text(stage: &str, settings: Vec<PodmanSetting>) -> String {
    let mut tables: BTreeMap<&str, Vec<(&str, Value)>> = BTreeMap::new();
    for (key, value) in settings {
        let (table, key) = key.rsplit_once('.').unwrap_or(("", key));
        tables.entry(table).or_default().push((key, value));
    }
    let mut text =
        format!("# Written by kind-wsl (`kind-wsl explain {stage}`). `kind-wsl undo {stage}` removes it.\n");
    for (table, settings) in tables {
        let _ = writeln!(text, "\n[{table}]");
        for (key, value) in settings {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    text
}
