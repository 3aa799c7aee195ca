//! Packages of the distribution, or one from a verified file that the distribution lacks.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::manager::{INSTALL_SECONDS, Manager, Simulated, apt_progress};
use super::{ChangeError, Context, Desired, FileSource, Primitive, Progress, State, Target, WriteFile};
use crate::fetch::Artifact;
use crate::host::{Cmd, HostError, LiveSystem, Owner, System, temporary};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub manager: Manager,
    pub names: Vec<String>,
    /// A package file instead of the distribution's own package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PackageFile>,
    /// Packages that the user agreed to remove, because they conflict with these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
}

/// A package that is downloaded and identified by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    pub artifact: Artifact,
    /// The version that it installs.
    pub version: String,
}

/// The path of a downloaded package between its check and dpkg.
const FETCHED: &str = "/var/lib/kind-wsl/fetched.deb";
/// apt holds this lock while it works (apt 1.9.11, `DPkg::Lock`).
const LOCK: &str = "/var/lib/dpkg/lock-frontend";
/// The maximum wait for another package manager, in seconds: unattended-upgrades can take minutes.
const LOCK_SECONDS: u64 = 600;
/// apt-get's exit code for its own errors (apt-get(8), DIAGNOSTICS).
const APT_FAILED: i32 = 100;

impl Package {
    #[must_use]
    pub fn new(manager: Manager, names: Vec<String>) -> Self {
        Self { manager, names, file: None, removes: Vec::new() }
    }

    pub(super) fn leftovers(&self) -> Vec<Utf8PathBuf> {
        let fetched = Utf8Path::new(FETCHED);
        let left = self.file.as_ref().map(|_| [fetched.to_owned(), temporary(fetched)]);
        left.into_iter().flatten().collect()
    }

    fn command(&self, context: &mut Context<'_>, cmd: &Cmd) -> Result<(), ChangeError> {
        let progress = &mut *context.progress;
        let mut out = |line: &str| match apt_progress(line) {
            Some((percent, what)) => progress(Progress::Percent(percent, what)),
            None if line.trim().is_empty() => {}
            None => progress(Progress::Line(line.to_owned())),
        };
        match context.host.run(cmd, &mut out) {
            Err(HostError::Failed { command, code, .. }) if self.manager.is_done(code) => {
                (context.progress)(Progress::Note(format!(
                    "`{command}` ended with exit code {code}, which is not a failure"
                )));
                Ok(())
            }
            other => other.map(|_| ()).map_err(Into::into),
        }
    }

    /// Updates the package lists. A stale repository does not prevent the installation of packages from others.
    fn refresh(&self, context: &mut Context<'_>) -> Result<(), ChangeError> {
        let Some(cmd) = self.manager.refresh() else { return Ok(()) };
        match self.command(context, &cmd) {
            Err(ChangeError::Host(HostError::Failed { code, detail, .. })) if code == APT_FAILED => {
                let line = detail.lines().find(|l| l.starts_with("E: ")).unwrap_or(&detail).trim().to_owned();
                (context.progress)(Progress::Note(format!("warning: `apt-get update` failed: {line}")));
                Ok(())
            }
            other => other,
        }
    }

    /// Refuses removals that the user did not agree to.
    fn simulate(&self, system: &dyn System) -> Result<Simulated, ChangeError> {
        if self.file.is_some() || self.names.is_empty() {
            return Ok(Simulated::default());
        }
        let simulated = self.manager.simulate(system, &self.names);
        if simulated.removes.iter().all(|n| self.removes.contains(n)) {
            return Ok(simulated);
        }
        Err(ChangeError::Removes { wanted: self.names.join(" "), removes: simulated.removes.join(",") })
    }

    fn install(&self, context: &mut Context<'_>) -> Result<(), ChangeError> {
        if self.manager == Manager::Apt {
            wait_for_lock(context)?;
            // An interrupted dpkg refuses everything until this has run (dpkg(1)).
            if !context.host.list(Utf8Path::new("/var/lib/dpkg/updates"))?.is_empty() {
                self.command(
                    context,
                    &Cmd::parse("dpkg --configure -a").timeout(Duration::from_secs(INSTALL_SECONDS)),
                )?;
            }
        }
        if let Some(file) = &self.file {
            return self.install_file(context, file);
        }
        self.refresh(context)?;
        // With the updated lists, the result can differ from the plan's.
        let may_remove = !self.simulate(context.host)?.removes.is_empty();
        self.command(context, &self.manager.install(&self.names, may_remove))
    }

    fn install_file(&self, context: &mut Context<'_>, file: &PackageFile) -> Result<(), ChangeError> {
        let put = WriteFile {
            path: FETCHED.into(),
            source: FileSource::Download(file.artifact.clone()),
            mode: 0o600,
            owner: Owner::Root,
        };
        let goal = put.desired(context.host)?.state;
        put.set(context, &goal, None)?;
        // Below another root dpkg runs in a chroot.
        let result = self.command(
            context,
            &Cmd::new("dpkg", ["-i", FETCHED]).timeout(Duration::from_secs(INSTALL_SECONDS)),
        );
        context.host.remove(Utf8Path::new(FETCHED), Owner::Root)?;
        result
    }

    /// Removes the packages that are installed now, were not installed before, and were installed by kind-wsl.
    fn remove(
        &self,
        context: &mut Context<'_>,
        before: &[String],
        left: &[String],
    ) -> Result<(), ChangeError> {
        let before: BTreeSet<&String> = before.iter().collect();
        let now = self.manager.installed(context.host)?;
        let mut removable: Vec<String> =
            left.iter().filter(|n| !before.contains(n) && now.contains_key(*n)).cloned().collect();
        if removable.is_empty() {
            return Ok(());
        }
        if self.manager == Manager::Apt {
            wait_for_lock(context)?;
        }
        let (kept, others) = self.set_aside(context.host, &mut removable)?;
        if !kept.is_empty() {
            let note = format!("kept {}: needed by {}", kept.join(" "), others.join(" "));
            (context.progress)(Progress::Note(note));
        }
        if removable.is_empty() {
            return Ok(());
        }
        self.command(context, &self.manager.remove(&removable))
    }

    /// Splits `ours` into the packages that remaining packages depend on, and the others.
    fn set_aside(
        &self,
        host: &LiveSystem,
        removable: &mut Vec<String>,
    ) -> Result<(Vec<String>, Vec<String>), ChangeError> {
        let (mut kept, mut others): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        while !removable.is_empty() {
            let dependents = self.manager.dependents(host, removable)?;
            if dependents.is_empty() {
                break;
            }
            let mut needed = Vec::new();
            for name in &*removable {
                let alone = self.manager.dependents(host, std::slice::from_ref(name))?;
                if alone.iter().any(|other| dependents.contains(other)) {
                    needed.push(name.clone());
                }
            }
            if needed.is_empty() {
                return Err(ChangeError::Entangled {
                    packages: removable.join(" "),
                    others: dependents.join(" "),
                });
            }
            // In the second round, the remaining packages depend on more of the rest.
            others.extend(dependents.into_iter().filter(|_| kept.is_empty()));
            removable.retain(|n| !needed.contains(n));
            kept.extend(needed);
        }
        others.sort();
        others.dedup();
        Ok((kept, others))
    }

    /// Installs the packages again that were removed because of a conflict. Packages that no repository has anymore
    /// are lost.
    fn bring_back(&self, context: &mut Context<'_>, before: &[String]) -> Result<(), ChangeError> {
        let now = self.manager.installed(context.host)?;
        let gone = |n: &&String| before.contains(n) && !now.contains_key(*n);
        let gone: Vec<String> = self.removes.iter().filter(gone).cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        match self.command(context, &self.manager.install(&gone, false)) {
            Err(ChangeError::Host(HostError::Failed { code, .. })) if code == APT_FAILED => {
                (context.progress)(Progress::Note(format!(
                    "warning: cannot install {} again",
                    gone.join(" ")
                )));
                Ok(())
            }
            other => other,
        }
    }
}

/// Waits until no other package manager runs, and reports which one does. apt itself can wait too, but it reports
/// only a number, and Ctrl-C would interrupt it in the middle of its work.
fn wait_for_lock(context: &mut Context<'_>) -> Result<(), ChangeError> {
    let mut last = None;
    for _ in 0..LOCK_SECONDS {
        let Some(holder) = context.host.lock_holder(Utf8Path::new(LOCK)) else { return Ok(()) };
        if context.stop.load(Ordering::Relaxed) {
            return Err(ChangeError::Stopped(format!("`{}` (process {})", holder.name, holder.pid)));
        }
        if last.as_ref() != Some(&holder) {
            (context.progress)(Progress::Waiting(format!(
                "waiting for `{}` (process {}), which holds {LOCK}",
                holder.name, holder.pid
            )));
            last = Some(holder);
        }
        context.host.pause(Duration::from_secs(1));
    }
    Ok(())
}

impl Primitive for Package {
    fn target(&self) -> Target {
        let lost = self.removes.join(" ");
        let detail = self.file.as_ref().map_or_else(
            || {
                if lost.is_empty() {
                    self.names.join(" ")
                } else {
                    format!("{}; removes {lost}", self.names.join(" "))
                }
            },
            |f| format!("{}, sha256 {}…", f.artifact.name, f.artifact.sha256.get(..12).unwrap_or_default()),
        );
        Target { verb: "install".to_owned(), object: "packages".to_owned(), detail }
    }

    fn current(&self, system: &dyn System) -> Result<State, ChangeError> {
        let installed = self.manager.installed(system)?;
        let has = self.names.iter().filter_map(|n| Some((n.clone(), installed.get(n)?.clone()))).collect();
        Ok(State::Packages { has, all: installed.into_keys().collect() })
    }

    fn desired(&self, system: &dyn System) -> Result<Desired, ChangeError> {
        let installed = self.manager.installed(system)?;
        let coming = self.simulate(system)?.installs;
        // Empty if it is unknown in advance, as with package lists that were never downloaded.
        let all = if coming.is_empty() { coming } else { installed.keys().cloned().chain(coming).collect() };
        let version = |n: &String| {
            let file = self.file.as_ref().map(|f| f.version.clone());
            file.or_else(|| installed.get(n).cloned()).unwrap_or_default()
        };
        let has = self.names.iter().map(|n| (n.clone(), version(n))).collect();
        Ok(Desired { state: State::Packages { has, all }, bytes: None })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, left: Option<&State>) -> Result<(), ChangeError> {
        match (to, left) {
            (State::Packages { .. }, None) => self.install(context),
            (State::Packages { has, all }, Some(State::Packages { all: left, .. })) => {
                self.remove(context, all, left)?;
                self.bring_back(context, all)?;
                let back: Vec<String> = match &self.file {
                    Some(_) => has.iter().map(|(name, version)| format!("{name}={version}")).collect(),
                    None => Vec::new(),
                };
                if back.is_empty() {
                    return Ok(());
                }
                let mut cmd = self.manager.install(&back, false);
                cmd.args.push("--allow-downgrades".to_owned());
                self.command(context, &cmd)
            }
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    /// Any installed version is sufficient, unless a file of a given version is requested.
    fn satisfies(&self, now: &State, wanted: &State) -> bool {
        let (State::Packages { has: now, .. }, State::Packages { has: wanted, .. }) = (now, wanted) else {
            return false;
        };
        match self.file {
            Some(_) => now == wanted,
            // An interrupted change that this one replaces may have had other packages in its list.
            None => self.names.iter().all(|n| now.contains_key(n) == wanted.contains_key(n)),
        }
    }
}
