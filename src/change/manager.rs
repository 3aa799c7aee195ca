//! Package managers: their command lines and their output.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::{Cmd, HostError, STATUS_FD, System};

/// The supported package managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    Apt,
    /// Fedora and its derivatives.
    Dnf,
    /// `openSUSE`, SLES.
    Zypper,
    Pacman,
}

/// The result of a simulation.
#[derive(Debug, Default)]
pub(super) struct Simulated {
    /// The packages that it would install.
    pub(super) installs: Vec<String>,
    /// The packages that it would remove.
    pub(super) removes: Vec<String>,
}

/// The time limit of an installation, in seconds: 30 MB and some hundred packages over a slow line.
pub(super) const INSTALL_SECONDS: u64 = 3600;

/// The time limit of a simulation by apt, in seconds: on a slow disk apt needs more than 30 s to read its lists.
const SIMULATE_SECONDS: u64 = 300;

impl Manager {
    /// Prints `name version` of each installed package, one per line.
    #[must_use]
    pub fn list(self) -> Cmd {
        match self {
            Self::Apt => Cmd::new("dpkg-query", ["-W", "-f=${db:Status-Status} ${Package} ${Version}\\n"]),
            Self::Dnf | Self::Zypper => Cmd::new("rpm", ["-qa", "--qf", "installed %{NAME} %{VERSION}\\n"]),
            Self::Pacman => Cmd::new("pacman", ["-Q"]),
        }
    }

    /// Parses the output of [`Manager::list`] by name.
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
    /// # Errors
    /// The packages cannot be listed. A missing name then proves nothing.
    pub fn installed(self, system: &dyn System) -> Result<BTreeMap<String, String>, HostError> {
        match system.output_checked(&self.list()) {
            Ok(listing) => Ok(self.parse(&listing)),
            // A command that was not recorded in a report counts as one without output.
            Err(HostError::NotRecorded(_)) => Ok(BTreeMap::new()),
            Err(e) => Err(e),
        }
    }

    /// The other packages that an installation would install and remove, if the package manager can simulate it. An
    /// interrupted installation is then undone by name, without packages that others installed meanwhile. The other
    /// managers remove nothing for an installation without an explicit option: dnf needs `--allowerasing`, and zypper
    /// and pacman ask first.
    pub(super) fn simulate(self, system: &dyn System, names: &[String]) -> Simulated {
        if self != Self::Apt {
            return Simulated::default();
        }
        let cmd = apt_simulation(&["install", "--no-install-recommends"], names);
        let simulated = system.stdout_if_ok(&cmd).unwrap_or_default();
        Simulated {
            installs: listed(&simulated, &["Inst "]),
            removes: listed(&simulated, &["Remv ", "Purg "]),
        }
    }

    /// The installed packages whose dependencies would be missing if `names` were removed.
    pub(super) fn dependents(self, system: &dyn System, names: &[String]) -> Result<Vec<String>, HostError> {
        let words = |args: &[&'static str]| {
            args.iter()
                .copied()
                .chain(names.iter().map(String::as_str))
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        };
        if self == Self::Apt {
            let simulated = system.output_checked(&apt_simulation(&["purge"], names))?;
            let gone = listed(&simulated, &["Purg ", "Remv "]);
            return Ok(gone.into_iter().filter(|n| !names.contains(n)).collect());
        }
        // rpm checks the same dependencies as dnf and zypper, with the same output in every version.
        let (cmd, between) = match self {
            Self::Pacman => (Cmd::new("pacman", words(&["-R", "--print"])), " required by "),
            _ => (Cmd::new("rpm", words(&["-e", "--test", "--allmatches"])), " is needed by (installed) "),
        };
        let simulated = system.run_readonly(&cmd)?;
        if simulated.code == 0 {
            return Ok(Vec::new());
        }
        // rpm(8): `podman is needed by (installed) toolbox-0.1-1.x86_64`; pacman: `removing podman breaks dependency 'podman'
        // required by podman-compose`.
        let all = format!("{}\n{}", simulated.stdout, simulated.stderr);
        let needed = |line: &str| Some(line.split_once(between)?.1.trim().to_owned());
        let needed: Vec<String> = all.lines().filter_map(needed).collect();
        if needed.is_empty() {
            let detail = simulated.stderr.trim().to_owned();
            return Err(HostError::Failed { command: Box::new(cmd), code: simulated.code, detail });
        }
        Ok(needed)
    }

    /// Whether a command with this exit code succeeded. zypper reports information by exit codes of 100 and more. Two
    /// of those are failures: 104, no package of that name, and 105, a signal (zypper(8), EXIT CODES).
    pub(super) fn is_done(self, code: i32) -> bool {
        self == Self::Zypper && matches!(code, 100..=103 | 106 | 107)
    }

    pub(super) fn refresh(self) -> Option<Cmd> {
        (self == Self::Apt).then(|| apt(&["update"]))
    }

    /// With `-y`, apt would remove packages that conflict with new ones without asking.
    pub(super) fn install(self, names: &[String], may_remove: bool) -> Cmd {
        let names = names.iter().map(String::as_str);
        let with = |program, args: &[&str]| Cmd::new(program, args.iter().copied().chain(names.clone()));
        match self {
            Self::Apt => {
                let kept = if may_remove { "--remove" } else { "--no-remove" };
                let args: Vec<&str> =
                    ["install", kept, "--no-install-recommends"].into_iter().chain(names).collect();
                apt(&args)
            }
            Self::Dnf => with("dnf", &["install", "-y", "--setopt=install_weak_deps=False"]),
            Self::Zypper => with("zypper", &["--non-interactive", "install", "--no-recommends"]),
            Self::Pacman => with("pacman", &["-S", "--noconfirm", "--needed"]),
        }
        .timeout(Duration::from_secs(INSTALL_SECONDS))
    }

    pub(super) fn remove(self, names: &[String]) -> Cmd {
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
        .timeout(Duration::from_secs(INSTALL_SECONDS))
    }
}

fn apt_simulation(args: &[&str], names: &[String]) -> Cmd {
    let names = names.iter().map(String::as_str);
    Cmd::new("apt-get", ["-s", "-q"].iter().chain(args).copied().chain(names))
        .timeout(Duration::from_secs(SIMULATE_SECONDS))
}

/// apt-get without prompts, with its progress lines on standard output (apt README.progress-reporting). Configuration
/// files that the user changed are kept. dpkg does not inherit the descriptor of the progress lines, so it must not
/// be standard output itself: package scripts that print something fail without one (docker.io's addgroup prints
/// `Unable to flush stdout`, observed on Debian 12).
fn apt(args: &[&str]) -> Cmd {
    let status = format!("APT::Status-Fd={STATUS_FD}");
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
        .with_status_fd()
        .timeout(Duration::from_secs(INSTALL_SECONDS))
}

/// Reads one of apt's progress lines: `pmstatus:podman:45.5:Unpacking podman` or `dlstatus:3:12.5:Retrieving …`.
pub(super) fn apt_progress(line: &str) -> Option<(f32, String)> {
    let rest = line.strip_prefix("pmstatus:").or_else(|| line.strip_prefix("dlstatus:"))?;
    let mut fields = rest.splitn(3, ':').skip(1);
    let percent = fields.next()?.parse().ok()?;
    Some((percent, fields.next().unwrap_or_default().trim().to_owned()))
}

/// The names in the lines of a simulation with one of these verbs, without their architecture.
fn listed(stdout: &str, verbs: &[&str]) -> Vec<String> {
    let name = |line: &str| {
        let rest = verbs.iter().find_map(|verb| line.strip_prefix(verb))?;
        let name = rest.split_ascii_whitespace().next()?;
        Some(name.split(':').next().unwrap_or(name).to_owned())
    };
    let names: BTreeSet<String> = stdout.lines().filter_map(name).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{apt_progress, apt_simulation};

    #[test]
    fn a_simulation_of_apt_has_more_time_than_a_query() {
        let cmd = apt_simulation(&["purge"], &["podman".to_owned()]);
        assert_eq!((cmd.to_string().as_str(), cmd.seconds), ("apt-get -s -q purge podman", 300));
    }

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
