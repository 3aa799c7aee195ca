//! Programs outside the package manager: kind, kubectl, the crun that podman will run, and kind-wsl.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Containers;
use crate::host::{Account, Cmd, FileKind, System};
use crate::version::Version;

/// The paths of crun if none is configured, in podman's order (containers-common `pkg/config/default.go`,
/// `OCIRuntimes`). podman does not search PATH.
const CRUN: [&str; 7] = [
    "/usr/bin/crun",
    "/usr/sbin/crun",
    "/usr/local/bin/crun",
    "/usr/local/sbin/crun",
    "/sbin/crun",
    "/bin/crun",
    "/run/current-system/sw/bin/crun",
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// The kind that `kind-wsl kind` runs.
    pub kind: Option<Utf8PathBuf>,
    /// The kubectl on the path.
    pub kubectl: Option<Utf8PathBuf>,
    /// The crun that podman will run, according to the files.
    pub crun: Option<Crun>,
    /// Whether `~/.local/bin/kind` is a wrapper of `kind-wsl kind`.
    pub wrapped: bool,
    /// Whether `~/.local/bin/kind` belongs to the user and will be renamed for the wrapper.
    #[serde(default)]
    pub own_kind: bool,
    /// A podman outside the directories of packages, which comes before a package's in PATH.
    #[serde(default)]
    pub podman: Option<Podman>,
    pub program: Option<Utf8PathBuf>,
}

/// A crun and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crun {
    pub path: Utf8PathBuf,
    pub version: Option<Version>,
}

/// A podman that was not installed as a package, and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Podman {
    pub path: Utf8PathBuf,
    pub version: Option<Version>,
}

/// The name of the user's kind while the wrapper has its place: in the same directory, so that a relative link still
/// has the same target.
#[must_use]
pub fn kept_kind(user: &Account) -> Utf8PathBuf {
    user.home.join(".local/bin/kind.kind-wsl-original")
}

/// The path of kind if `~/.local/bin/kind` is the wrapper.
#[must_use]
pub fn private_kind(user: &Account) -> Utf8PathBuf {
    user.home.join(".local/lib/kind-wsl/kind")
}

impl Tools {
    /// Finds the programs; the configuration decides on podman's crun.
    #[must_use]
    pub fn probe(
        system: &dyn System,
        user: &Account,
        containers: &Containers,
        podman: Option<Podman>,
    ) -> Self {
        let is_file = |path: &Utf8Path| is_program(system, path);
        let bins = [user.home.join(".local/bin"), "/usr/local/bin".into(), "/usr/bin".into()];
        let find =
            |name: &str| bins.iter().map(|d| d.join(name)).find(|p| is_file(p) && !is_wrapper(system, p));
        let plain = user.home.join(".local/bin/kind");
        let wrapped = is_wrapper(system, &plain);
        let own_kind = !wrapped
            && matches!(system.stat(&plain), Ok(Some(s)) if matches!(s.kind, FileKind::File | FileKind::Link(_)));
        // If the user has put a new kind in its place, the renamed one is obsolete.
        let kept = Some(kept_kind(user)).filter(|p| !own_kind && is_file(p));
        let private = || Some(private_kind(user)).filter(|p| is_file(p));
        Self {
            kind: kept.or_else(private).or_else(|| find("kind")),
            kubectl: find("kubectl"),
            wrapped,
            own_kind,
            podman,
            crun: crun(system, user, containers, &is_file),
            program: system.env("KIND_WSL_PROGRAM").map(Into::into),
        }
    }
}

fn is_program(system: &dyn System, path: &Utf8Path) -> bool {
    let stat = system.resolve(path).and_then(|p| system.stat(&p)).ok().flatten();
    stat.is_some_and(|s| s.kind == FileKind::File && s.mode & 0o111 != 0)
}

/// Whether it is the wrapper that the stage `tools` writes.
fn is_wrapper(system: &dyn System, path: &Utf8Path) -> bool {
    // Avoids reading a program of 50 MB, perhaps behind a link.
    let real = system.resolve(path).ok();
    let small = real.and_then(|p| system.stat(&p).ok().flatten()).is_some_and(|s| s.len < 4096);
    // A user's script that starts `kind-wsl kind` does the same.
    let is_one = |text: String| ["Written by kind-wsl", "kind-wsl kind"].iter().any(|m| text.contains(m));
    small && system.text(path.as_str()).is_some_and(is_one)
}

/// Searches the directories that come before /usr/bin in the PATH of a user and that no package writes to.
pub(super) fn podman(system: &dyn System, user: &Account) -> Option<Podman> {
    let dirs = [user.home.join(".local/bin"), user.home.join("bin"), "/usr/local/bin".into()];
    let path = dirs.iter().map(|d| d.join("podman")).find(|p| is_program(system, p))?;
    // podman prints this before it opens its storage. As the user: it may be a file of the user.
    let stdout =
        system.stdout_if_ok(&Cmd::new(path.as_str(), ["--version"]).as_user(user)).unwrap_or_default();
    let version = stdout.strip_prefix("podman version ").and_then(|v| v.trim().parse().ok());
    Some(Podman { path, version })
}

fn crun(
    system: &dyn System,
    user: &Account,
    containers: &Containers,
    is_file: &dyn Fn(&Utf8Path) -> bool,
) -> Option<Crun> {
    let configured =
        containers.winner("engine.runtimes.crun").map(|w| strings(&w.setting.value)).unwrap_or_default();
    // A runtime that is set as a path is used, whatever [engine.runtimes] contains (containers.conf(5)).
    let runtime = containers.winner("engine.runtime").map(|w| w.setting.value.trim_matches('"'));
    let runtime = runtime.filter(|runtime| runtime.starts_with('/'));
    let paths =
        runtime.into_iter().chain(configured.iter().map(String::as_str)).chain(CRUN).map(Utf8PathBuf::from);
    let path = paths.into_iter().find(|p| is_file(p))?;
    // As the user: it may be a file of the user.
    let stdout =
        system.stdout_if_ok(&Cmd::new(path.as_str(), ["--version"]).as_user(user)).unwrap_or_default();
    Some(Crun { version: crun_version(&stdout), path })
}

/// `crun version 1.21` is its first line.
fn crun_version(stdout: &str) -> Option<Version> {
    stdout.lines().next()?.strip_prefix("crun version ")?.parse().ok()
}

/// The strings of a TOML array of strings.
pub(crate) fn strings(array: &str) -> Vec<String> {
    array.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{crun_version, strings};

    #[test]
    fn the_version_of_crun_is_in_its_first_line() {
        let stdout = "crun version 1.14.1\ncommit: de537a7965bfbe9992e2cfae0baeb56a08128171\nspec: 1.0.0\n";
        assert_eq!(crun_version(stdout).unwrap().to_string(), "1.14.1");
    }

    #[test]
    fn an_array_of_paths_is_read() {
        assert_eq!(strings("[\"/a b/crun\", \"/usr/bin/crun\"]"), ["/a b/crun", "/usr/bin/crun"]);
    }
}
