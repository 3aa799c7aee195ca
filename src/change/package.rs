//! Packages of the distribution, or one that it lacks, from a verified file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Aim, Body, ChangeError, Context, Primitive, Put, State, Target, Tick};
use crate::fetch::Artifact;
use crate::host::{Cmd, Host, HostError, Owner, REPORTS, World, temporary};

/// Package managers that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// Debian, Ubuntu, Kali.
    Apt,
    /// Fedora and its kin.
    Dnf,
    /// `openSUSE`, SLES.
    Zypper,
    /// Arch.
    Pacman,
}

/// Installs packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// With what.
    pub manager: Manager,
    /// Their names.
    pub names: Vec<String>,
    /// A package file instead of the distribution's own package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PackageFile>,
}

/// A package that is fetched by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// The file.
    pub artifact: Artifact,
    /// The version that it installs.
    pub version: String,
}

/// Where a fetched package lies between its check and dpkg.
const FETCHED: &str = "/var/lib/kind-wsl/fetched.deb";
/// apt takes this lock first, for as long as it works (apt 1.9.11, `DPkg::Lock`).
const LOCK: &str = "/var/lib/dpkg/lock-frontend";
/// How long we wait for another package manager, in seconds: unattended-upgrades may take minutes.
const LOCK_SECONDS: u64 = 600;
/// How long an installation may take, in seconds: 30 MB and some hundred packages over a slow line.
const INSTALL_SECONDS: u64 = 3600;

impl Manager {
    /// Prints `name version` of each installed package, one a line.
    #[must_use]
    pub fn list(self) -> Cmd {
        match self {
            Self::Apt => Cmd::new("dpkg-query", ["-W", "-f=${db:Status-Status} ${Package} ${Version}\\n"]),
            Self::Dnf | Self::Zypper => Cmd::new("rpm", ["-qa", "--qf", "installed %{NAME} %{VERSION}\\n"]),
            Self::Pacman => Cmd::new("pacman", ["-Q"]),
        }
    }

    /// What [`Manager::list`] printed, by name.
    #[must_use]
    pub fn parse(self, listing: &str) -> BTreeMap<String, String> {
        let line = |line: &str| {
            let line = if self == Self::Pacman { line } else { line.strip_prefix("installed ")? };
            let (name, version) = line.split_once(' ')?;
            Some((name.to_owned(), version.to_owned()))
        };
        listing.lines().filter_map(line).collect()
    }

    /// The installed packages by name.
    ///
    /// # Errors
    /// When they can not be listed: nothing may then be concluded from what is not in the list.
    pub fn installed(self, world: &dyn World) -> Result<BTreeMap<String, String>, HostError> {
        match world.told(&self.list()) {
            Ok(listing) => Ok(self.parse(&listing)),
            // What was not asked on the machine of a report counts as absent.
            Err(HostError::NotRecorded(_)) => Ok(BTreeMap::new()),
            Err(e) => Err(e),
        }
    }

    /// What an installation would bring along, where the package manager says so beforehand: then an interrupted one
    /// is undone by name, and what others install meanwhile is theirs.
    fn coming(self, world: &dyn World, names: &[String]) -> Vec<String> {
        if self != Self::Apt {
            return Vec::new();
        }
        let args = ["-s", "-q", "install", "--no-install-recommends"].into_iter();
        let said = world.answer(&Cmd::new("apt-get", args.chain(names.iter().map(String::as_str))));
        let new = |line: &str| Some(line.strip_prefix("Inst ")?.split_ascii_whitespace().next()?.to_owned());
        said.unwrap_or_default().lines().filter_map(new).collect()
    }

    fn refresh(self) -> Option<Cmd> {
        (self == Self::Apt).then(|| apt(&["update"]))
    }

    fn install(self, names: &[String]) -> Cmd {
        let names = names.iter().map(String::as_str);
        let with = |program, args: &[&str]| Cmd::new(program, args.iter().copied().chain(names.clone()));
        match self {
            Self::Apt => {
                let args: Vec<&str> =
                    ["install", "--no-install-recommends"].into_iter().chain(names).collect();
                apt(&args)
            }
            Self::Dnf => with("dnf", &["install", "-y", "--setopt=install_weak_deps=False"]),
            Self::Zypper => with("zypper", &["--non-interactive", "install", "--no-recommends"]),
            Self::Pacman => with("pacman", &["-Sy", "--noconfirm", "--needed"]),
        }
        .within(Duration::from_secs(INSTALL_SECONDS))
    }

    fn remove(self, names: &[String]) -> Cmd {
        let names = names.iter().map(String::as_str);
        let with = |program, args: &[&str]| Cmd::new(program, args.iter().copied().chain(names.clone()));
        match self {
            Self::Apt => {
                let args: Vec<&str> = ["purge"].into_iter().chain(names).collect();
                apt(&args)
            }
            Self::Dnf => with("dnf", &["remove", "-y", "--noautoremove"]),
            Self::Zypper => with("zypper", &["--non-interactive", "remove"]),
            Self::Pacman => with("pacman", &["-Rn", "--noconfirm"]),
        }
        .within(Duration::from_secs(INSTALL_SECONDS))
    }
}

/// apt-get, asking nothing, its percentages on standard output among its lines (apt README.progress-reporting),
/// keeping configuration files that the user changed. apt keeps the descriptor of its percentages from dpkg, so it is not
/// that of standard output itself: scripts of packages that print something fail without one (docker.io's, whose
/// addgroup says `Unable to flush stdout`, seen on Debian 12).
fn apt(args: &[&str]) -> Cmd {
    let status = format!("APT::Status-Fd={REPORTS}");
    let options = [
        "-y",
        "-q",
        "-o",
        status.as_str(),
        "-o",
        "Dpkg::Use-Pty=0",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "DPkg::Lock::Timeout=600",
    ];
    Cmd::new("apt-get", options.into_iter().chain(args.iter().copied()))
        .with_env("DEBIAN_FRONTEND", "noninteractive")
        .with_env("NEEDRESTART_SUSPEND", "1")
        .reporting()
        .within(Duration::from_secs(INSTALL_SECONDS))
}

/// Reads one of apt's progress lines: `pmstatus:podman:45.5:Unpacking podman` or `dlstatus:3:12.5:Retrieving …`.
fn apt_progress(line: &str) -> Option<(f32, String)> {
    let rest = line.strip_prefix("pmstatus:").or_else(|| line.strip_prefix("dlstatus:"))?;
    let mut fields = rest.splitn(3, ':').skip(1);
    let percent = fields.next()?.parse().ok()?;
    Some((percent, fields.next().unwrap_or_default().trim().to_owned()))
}

impl Package {
    /// The distribution's own packages.
    #[must_use]
    pub fn new(manager: Manager, names: Vec<String>) -> Self {
        Self { manager, names, file: None }
    }

    pub(super) fn leftovers(&self) -> Vec<Utf8PathBuf> {
        let fetched = Utf8Path::new(FETCHED);
        let left = self.file.as_ref().map(|_| [fetched.to_owned(), temporary(fetched)]);
        left.into_iter().flatten().collect()
    }

    fn command(context: &mut Context<'_>, cmd: &Cmd) -> Result<(), ChangeError> {
        let tick = &mut *context.tick;
        let mut out = |line: &str| match apt_progress(line) {
            Some((percent, what)) => tick(Tick::Percent(percent, what)),
            None if line.trim().is_empty() => {}
            None => tick(Tick::Line(line.to_owned())),
        };
        context.host.run(cmd, &mut out)?;
        Ok(())
    }

    fn install(&self, context: &mut Context<'_>) -> Result<(), ChangeError> {
        if self.manager == Manager::Apt {
            wait_for_lock(context)?;
            // A dpkg that was cut off by power or a kill refuses everything until this is done (dpkg(1)).
            if !context.host.list(Utf8Path::new("/var/lib/dpkg/updates"))?.is_empty() {
                Self::command(
                    context,
                    &Cmd::line("dpkg --configure -a").within(Duration::from_secs(INSTALL_SECONDS)),
                )?;
            }
        }
        if let Some(file) = &self.file {
            return Self::install_file(context, file);
        }
        if let Some(refresh) = self.manager.refresh() {
            Self::command(context, &refresh)?;
        }
        Self::command(context, &self.manager.install(&self.names))
    }

    fn install_file(context: &mut Context<'_>, file: &PackageFile) -> Result<(), ChangeError> {
        let put = Put {
            path: FETCHED.into(),
            body: Body::Download(file.artifact.clone()),
            mode: 0o600,
            owner: Owner::Root,
            follow: None,
            restart: None,
            passing: false,
        };
        let goal = put.aim(context.host)?.state;
        put.set(context, &goal, None)?;
        // Below another root dpkg runs in a chroot.
        let result = Self::command(
            context,
            &Cmd::new("dpkg", ["-i", FETCHED]).within(Duration::from_secs(INSTALL_SECONDS)),
        );
        context.host.remove(Utf8Path::new(FETCHED), Owner::Root)?;
        result
    }

    /// Takes out what is installed now, was not before, and came with us.
    fn remove(
        &self,
        context: &mut Context<'_>,
        before: &[String],
        left: &[String],
    ) -> Result<(), ChangeError> {
        let before: BTreeSet<&String> = before.iter().collect();
        let now = self.manager.installed(context.host)?;
        let ours: Vec<String> =
            left.iter().filter(|n| !before.contains(n) && now.contains_key(*n)).cloned().collect();
        if ours.is_empty() {
            return Ok(());
        }
        if self.manager == Manager::Apt {
            wait_for_lock(context)?;
            refuse_entangled(context.host, &ours)?;
        }
        Self::command(context, &self.manager.remove(&ours))
    }
}

/// Asks apt what it would take out, and refuses where that is more than we brought.
fn refuse_entangled(host: &Host, ours: &[String]) -> Result<(), ChangeError> {
    let args: Vec<&str> = ["-s", "-q", "purge"].into_iter().chain(ours.iter().map(String::as_str)).collect();
    let said = host.told(&Cmd::new("apt-get", args))?;
    let gone = said.lines().filter_map(|l| l.strip_prefix("Purg ").or_else(|| l.strip_prefix("Remv ")));
    let names =
        gone.filter_map(|l| l.split_ascii_whitespace().next().map(|n| n.split(':').next().unwrap_or(n)));
    let others: BTreeSet<&str> = names.filter(|n| !ours.iter().any(|o| o == n)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let others: Vec<_> = others.into_iter().collect();
    Err(ChangeError::Entangled { ours: ours.join(" "), others: others.join(" ") })
}

/// Waits until nobody else installs packages, saying who does. apt itself waits as well, but names only a number, and
/// Ctrl-C would reach it in the middle of its work.
fn wait_for_lock(context: &mut Context<'_>) -> Result<(), ChangeError> {
    let mut told = None;
    for _ in 0..LOCK_SECONDS {
        let Some(holder) = context.host.lock_holder(Utf8Path::new(LOCK)) else { return Ok(()) };
        if context.stop.load(Ordering::Relaxed) {
            return Err(ChangeError::Stopped(format!("`{}` (process {})", holder.name, holder.pid)));
        }
        if told.as_ref() != Some(&holder) {
            (context.tick)(Tick::Wait(format!(
                "waiting for `{}` (process {}), which holds {LOCK}",
                holder.name, holder.pid
            )));
            told = Some(holder);
        }
        context.host.pause(Duration::from_secs(1));
    }
    Ok(())
}

impl Primitive for Package {
    fn target(&self) -> Target {
        let detail = self.file.as_ref().map_or_else(
            || self.names.join(" "),
            |f| format!("{}, sha256 {}…", f.artifact.name, f.artifact.sha256.get(..12).unwrap_or_default()),
        );
        Target { verb: "install".to_owned(), object: "packages".to_owned(), detail }
    }

    fn observe(&self, world: &dyn World) -> Result<State, ChangeError> {
        let installed = self.manager.installed(world)?;
        let has = self.names.iter().filter_map(|n| Some((n.clone(), installed.get(n)?.clone()))).collect();
        Ok(State::Packages { has, all: installed.into_keys().collect() })
    }

    fn aim(&self, world: &dyn World) -> Result<Aim, ChangeError> {
        let installed = self.manager.installed(world)?;
        let coming = if self.file.is_some() { Vec::new() } else { self.manager.coming(world, &self.names) };
        // Empty where it is not known beforehand, as with package lists that were never fetched.
        let all = if coming.is_empty() { coming } else { installed.keys().cloned().chain(coming).collect() };
        let version = |n: &String| {
            let file = self.file.as_ref().map(|f| f.version.clone());
            file.or_else(|| installed.get(n).cloned()).unwrap_or_default()
        };
        let has = self.names.iter().map(|n| (n.clone(), version(n))).collect();
        Ok(Aim { state: State::Packages { has, all }, bytes: None })
    }

    fn set(&self, context: &mut Context<'_>, to: &State, left: Option<&State>) -> Result<(), ChangeError> {
        match (to, left) {
            (State::Packages { .. }, None) => self.install(context),
            (State::Packages { has, all }, Some(State::Packages { all: left, .. })) => {
                self.remove(context, all, left)?;
                let back: Vec<String> = match &self.file {
                    Some(_) => has.iter().map(|(name, version)| format!("{name}={version}")).collect(),
                    None => Vec::new(),
                };
                if back.is_empty() {
                    return Ok(());
                }
                let mut cmd = self.manager.install(&back);
                cmd.args.push("--allow-downgrades".to_owned());
                Self::command(context, &cmd)
            }
            _ => Err(ChangeError::Mismatch(self.target().to_string())),
        }
    }

    /// Installed counts, whatever the version, unless a file of a given version is wanted.
    fn holds(&self, now: &State, wanted: &State) -> bool {
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

#[cfg(test)]
mod tests {
    use super::apt_progress;

    #[test]
    fn a_percentage_of_apt_is_read_and_its_other_lines_are_left_alone() {
        assert_eq!(
            apt_progress("pmstatus:podman:45.5:Unpacking podman (amd64)"),
            Some((45.5, "Unpacking podman (amd64)".into()))
        );
        assert_eq!(
            apt_progress("dlstatus:3:12.5:Retrieving file 3 of 40"),
            Some((12.5, "Retrieving file 3 of 40".into()))
        );
        assert_eq!(apt_progress("Setting up podman (4.3.1) ..."), None);
    }
}
