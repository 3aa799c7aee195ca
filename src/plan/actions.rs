//! The actions of a stage, for its row in the plan: `fs.inotify.max_user_watches 8192 -> 524288`.

use crate::change::{
    Change, ChangeKind, Edit, EditFile, FileSource, Package, RestartScope, SystemSetting, WriteFile,
};
use crate::edit::toml::Value;
use crate::facts::Facts;

/// Describes what changes do, without the verb, which is in the title of the stage. Files and their entries are named
/// only if nothing else is: the plan shows them with `--diff`.
#[must_use]
pub fn actions(changes: &[Change], facts: &Facts) -> Vec<String> {
    let described = changes.iter().filter(|change| !change.ephemeral);
    let mut described: Vec<_> = described.flat_map(|change| describe(change, facts)).collect();
    let is_package = |change: &Change| matches!(change.kind, ChangeKind::Package(_));
    // Only the title of the stage that installs nothing but packages has this verb.
    if let Some((_, first)) = described
        .first_mut()
        .filter(|_| changes.first().is_some_and(is_package) && !changes.iter().all(is_package))
    {
        first.insert_str(0, "install ");
    }
    let has_main = described.iter().any(|(is_main, _)| *is_main);
    let mut actions: Vec<String> = Vec::new();
    for (_, text) in described.into_iter().filter(|(is_main, _)| *is_main == has_main) {
        if !actions.contains(&text) {
            actions.push(text);
        }
    }
    actions
}

/// The descriptions of a change, each with whether it is shown before files and their entries.
fn describe(change: &Change, facts: &Facts) -> Vec<(bool, String)> {
    match &change.kind {
        ChangeKind::Package(package) => {
            packages(package, facts).into_iter().map(|name| (true, name)).collect()
        }
        ChangeKind::WriteFile(file) => match &file.source {
            FileSource::Download(artifact) | FileSource::LocalFile { artifact, .. } => {
                vec![(true, artifact.name.clone())]
            }
            FileSource::Inline(_) if file.mode & 0o111 != 0 => {
                vec![(true, format!("a wrapper at {}", file.path))]
            }
            FileSource::Inline(text) => written(file, text).into_iter().map(|line| (false, line)).collect(),
        },
        ChangeKind::EditFile(file) => vec![edited(file)],
        ChangeKind::Setting(setting) => set(setting, facts).into_iter().map(|text| (true, text)).collect(),
        ChangeKind::Unit(unit) => vec![(true, format!("enable {}", unit.name))],
        ChangeKind::MoveAside(aside) => vec![(true, format!("rename {} to {}", aside.path, aside.to))],
        ChangeKind::Restart(restart) => vec![(
            true,
            match restart.scope {
                RestartScope::Distro => format!("wsl --terminate {}", facts.wsl.distro()),
                RestartScope::Vm => "wsl --shutdown (stops every distribution)".to_owned(),
                RestartScope::Machine => "sudo reboot".to_owned(),
            },
        )],
        ChangeKind::Link(link) if link.path.parent().is_some_and(|dir| dir.extension() == Some("wants")) => {
            vec![(true, format!("enable {}", link.path.file_name().unwrap_or_default()))]
        }
        ChangeKind::Link(_) | ChangeKind::Kubeconfig(_) | ChangeKind::Logon(_) => {
            vec![(false, change.target().object)]
        }
    }
}

/// The names of packages, the first with its version: podman's or Docker's.
fn packages(package: &Package, facts: &Facts) -> Vec<String> {
    if let Some(file) = &package.file {
        return vec![file.artifact.name.clone()];
    }
    let upstream = |version: &str| {
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        version.split(['+', '~', '-']).next().unwrap_or_default().to_owned()
    };
    let mut names = package.names.clone();
    if let Some((name, version)) =
        names.first_mut().and_then(|name| facts.packages.candidates.get(name).map(|version| (name, version)))
    {
        name.extend([" ", &upstream(version)].map(ToOwned::to_owned));
    }
    names.extend(package.removes.iter().map(|name| format!("remove {name}")));
    names
}

/// The lines of a short file, otherwise its path.
fn written(file: &WriteFile, text: &str) -> Vec<String> {
    const SHORT: usize = 8;
    let is_content = |line: &&str| !line.is_empty() && !line.starts_with(['#', '[']);
    let lines: Vec<String> = text.lines().filter(is_content).map(|line| line.replace('"', "")).collect();
    if lines.len() > SHORT { vec![format!("write {}", file.path)] } else { lines }
}

fn edited(file: &EditFile) -> (bool, String) {
    let path = &file.path;
    match &file.edit {
        Edit::Toml { path, value } => {
            let value = if let Value::Str(text) = value { text.clone() } else { value.to_string() };
            (false, format!("{} = {value}", path.last().map_or("", String::as_str)))
        }
        Edit::Subid { start, count, .. } => {
            (true, format!("{start}-{} in {path}", u64::from(*start) + u64::from(*count) - 1))
        }
        Edit::Fstab { .. } => (true, format!("a line in {path}")),
        Edit::Repair { .. } => (true, format!("comment out the lines of {path} that WSL cannot read")),
        Edit::DropSection { section, .. } => (true, format!("remove [{section}] from {path}")),
        Edit::KernelParams { params } => {
            (true, format!("kernelCommandLine = {} in {path}", params.join(" ")))
        }
        Edit::WslConf { key, value, .. } | Edit::Wslconfig { key, value, .. } => {
            let text = match value {
                Some(value) => format!("{key} = {value} in {path}"),
                None => format!("remove {key} from {path}"),
            };
            (true, text)
        }
    }
}

fn set(setting: &SystemSetting, facts: &Facts) -> Option<String> {
    match setting {
        SystemSetting::Sysctl { name, value } => {
            let now = facts.kernel.settings.get(name.as_str());
            let now = now.map(|now| format!("{now} -> ")).unwrap_or_default();
            Some(format!("{name} {now}{value}"))
        }
        SystemSetting::SharedRoot => None,
        SystemSetting::Disabled { unit } => Some(format!("disable the rootful {unit}")),
        SystemSetting::Linger { user } => Some(format!("start services of {user} at boot")),
        SystemSetting::Installed { unit, .. } => Some(format!("install {unit}")),
        SystemSetting::Started { unit, .. } => Some(format!("start {unit}")),
    }
}
