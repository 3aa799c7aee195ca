//! WSL: its version, its configuration, and its Windows side.

mod conf;
mod drives;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::cgroup::Mounts;
use crate::compat::{COMPAT, Fact};
use crate::edit::wslconf::{Dialect, Document, Grammar, parse_number};
use crate::host::{Account, Cmd, System};
use crate::version::Version;

pub use conf::{CGROUP_WORDS, WSL_CONF, WslConf};
pub(crate) use drives::windows_path;
pub use drives::{drive_mounts, drives_root};

/// Whether this is WSL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Wsl {
    /// Another machine, or a container.
    No,
    /// WSL 1: no Linux kernel, so no containers.
    One {
        /// The distribution's name in Windows, if the environment has it.
        distro: Option<String>,
    },
    /// WSL 2.
    Two {
        /// From `wslinfo --version`, which older versions of WSL do not have.
        version: Option<Version>,
        /// The distribution's name in Windows, if the environment has it.
        distro: Option<String>,
    },
}

impl Wsl {
    /// Detects WSL. WSL 1 has `Microsoft` in its kernel release (WSL `src/linux/init/util.cpp:1567`,
    /// `UtilIsUtilityVm`), WSL 2 has the directory of its interop sockets. A container on WSL 2 has the release, but
    /// not that directory.
    #[must_use]
    pub fn probe(system: &dyn System, user: &Account) -> Self {
        let release = system.text("/proc/sys/kernel/osrelease").unwrap_or_default();
        if release.contains("Microsoft") {
            return Self::One { distro: distro(system) };
        }
        if !system.exists("/run/WSL") {
            return Self::No;
        }
        let version =
            system.stdout_if_ok(&Cmd::parse("wslinfo --version").as_user(user)).and_then(|v| v.parse().ok());
        Self::Two { version, distro: distro(system) }
    }

    /// Whether a WSL of this version also mounts cgroup v1. Later ones mount only v2 (WSL
    /// `src/linux/init/config.cpp`, from the first version with public source on).
    #[must_use]
    pub fn mounts_v1(version: &Version) -> bool {
        COMPAT.wsl.mounts_v1.is_true_of(version)
    }

    /// Whether it is WSL 2.
    #[must_use]
    pub fn is_two(&self) -> bool {
        matches!(self, Self::Two { .. })
    }

    /// Whether it is known to be older than the first version for which a fact is true.
    #[must_use]
    pub(crate) fn is_before(&self, fact: &Fact) -> bool {
        matches!(self, Self::Two { version: Some(version), .. } if version < fact.since())
    }

    /// Whether a fact is known to be true for it.
    #[must_use]
    pub(crate) fn has(&self, fact: &Fact) -> bool {
        matches!(self, Self::Two { version, .. } if fact.is_known_of(version.as_ref()))
    }

    /// The grammar by which it reads wsl.conf.
    #[must_use]
    pub fn grammar(&self) -> Grammar {
        match self {
            Self::Two { version: Some(_), .. } if !self.is_before(&COMPAT.wsl.skips_bad_lines) => {
                Grammar::Skip
            }
            Self::Two { version: None, .. } => Grammar::Unknown,
            _ => Grammar::Stop,
        }
    }

    /// The name with the version.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::No => "not WSL".to_owned(),
            Self::One { .. } => "WSL 1".to_owned(),
            Self::Two { version: Some(v), .. } => format!("WSL {v}"),
            Self::Two { version: None, .. } => "WSL 2 of unknown version".to_owned(),
        }
    }

    /// The name for `wsl.exe -d`, or a placeholder.
    #[must_use]
    pub fn distro(&self) -> &str {
        match self {
            Self::One { distro: Some(name) } | Self::Two { distro: Some(name), .. } => name,
            _ => "DISTRIBUTION",
        }
    }
}

/// Whether Docker Desktop creates a distribution with this name.
#[must_use]
pub fn is_docker_desktops(name: &str) -> bool {
    ["docker-desktop", "docker-desktop-data"].contains(&name)
}

/// The name in the environment, if it is valid: it becomes part of commands, and of lines to type.
fn distro(system: &dyn System) -> Option<String> {
    system.env("WSL_DISTRO_NAME").filter(|name| kind_wsl_windows::names::is_distribution(name))
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// The Windows user's profile directory, as the distribution sees it.
    pub profile: Option<Utf8PathBuf>,
    pub evidence: String,
    /// Whether this is only a guess, so that Windows should be queried.
    #[serde(default)]
    pub is_guess: bool,
    /// Whether Windows programs can be started from this session.
    pub interop: bool,
    /// `[wsl2] kernelCommandLine` of `.wslconfig`.
    pub kernel_command_line: Option<String>,
    /// `[general] instanceIdleTimeout` of `.wslconfig`, in milliseconds.
    pub instance_idle: Option<String>,
    /// The settings that a policy of Windows disables, if that was queried.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<Policy>,
    /// The program that the logon entry of this distribution starts, by the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logon: Option<Utf8PathBuf>,
    /// The keys of `[wsl2]` in `.wslconfig`, in lower case, and their effective values.
    #[serde(default)]
    pub wsl2: BTreeMap<String, String>,
}

/// Profiles that Windows itself creates.
const NOBODY: [&str; 6] = ["Public", "Default", "Default User", "All Users", "desktop.ini", "defaultuser0"];

impl Windows {
    /// Reads the Windows side, if this is WSL 2.
    #[must_use]
    pub fn probe(system: &dyn System, wsl: &Wsl, user: &Account) -> Self {
        if !wsl.is_two() {
            return Self::default();
        }
        let interop = system.env("WSL_INTEROP").is_some();
        let Some(Profile { path: profile, evidence, is_guess }) =
            Profile::probe(system, &drives_root(system))
        else {
            return Self { interop, is_guess: true, ..Self::default() };
        };
        let path = system.resolve(&profile.join(".wslconfig"));
        let file = path.and_then(|path| system.read_file(&path)).ok().flatten();
        let bytes = file.map(|(_, bytes)| bytes).unwrap_or_default();
        let doc = Document::parse(&bytes, Dialect::WslConfig);
        let value = |section, key| doc.get(section, key).map(ToOwned::to_owned);
        Self {
            kernel_command_line: value("wsl2", "kernelCommandLine"),
            instance_idle: value("general", "instanceIdleTimeout"),
            wsl2: doc.section("wsl2").0.into_iter().rev().map(|(k, v)| (k.to_ascii_lowercase(), v)).collect(),
            denied: policies(system, interop.then_some(user), &doc),
            profile: Some(profile),
            evidence,
            is_guess,
            interop,
            logon: None,
        }
    }

    /// `[general] instanceIdleTimeout`, if it keeps every distribution running: any negative number does (WSL
    /// `src/windows/service/exe/LxssUserSession.cpp:2704`).
    #[must_use]
    pub fn never_idle(&self) -> Option<&str> {
        self.instance_idle.as_deref().filter(|value| is_never(value))
    }

    /// Whether `[wsl2] vmIdleTimeout` keeps the virtual machine running (`LxssUserSession.cpp:3910`). Without the
    /// other key the distribution still stops.
    #[must_use]
    pub fn is_vm_never_idle(&self) -> bool {
        self.wsl2.get("vmidletimeout").is_some_and(|value| is_never(value))
    }

    /// The path of `.wslconfig`.
    #[must_use]
    pub fn wslconfig(&self) -> Option<Utf8PathBuf> {
        self.profile.as_ref().map(|p| p.join(".wslconfig"))
    }
}

/// A policy of Windows that disables a setting of `.wslconfig` (`HKLM\SOFTWARE\Policies\WSL`; WSL
/// `src/windows/inc/wslpolicies.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    KernelCommandLine,
    Kernel,
}

impl Policy {
    fn of_value(name: &str) -> Option<Self> {
        match name {
            "AllowKernelCommandLineUserSetting" => Some(Self::KernelCommandLine),
            "AllowKernelUserSetting" => Some(Self::Kernel),
            _ => None,
        }
    }
}

/// The policies that disable a setting. Windows is queried only if one of these settings is, or will be, in use: the
/// kernel runs with cgroup v1, or .wslconfig has one.
fn policies(system: &dyn System, user: Option<&Account>, doc: &Document) -> BTreeSet<Policy> {
    let is_set = ["kernelCommandLine", "kernel"].iter().any(|key| doc.get("wsl2", key).is_some());
    let Some(user) = user.filter(|_| is_set || Mounts::probe(system).has_v1()) else {
        return BTreeSet::new();
    };
    let reg = format!("{}c/Windows/System32/reg.exe", drives_root(system));
    if !system.exists(&reg) {
        return BTreeSet::new();
    }
    let query = Cmd::new(&reg, ["query", r"HKLM\SOFTWARE\Policies\WSL"]).as_user(user);
    let query = query.timeout(Duration::from_secs(10));
    denied(&system.stdout_if_ok(&query).unwrap_or_default())
}

/// Lines such as `    AllowKernelUserSetting    REG_DWORD    0x0`.
fn denied(text: &str) -> BTreeSet<Policy> {
    let line = |line: &str| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [name, "REG_DWORD", "0x0"] => Policy::of_value(name),
        _ => None,
    };
    text.lines().filter_map(line).collect()
}

/// Whether the kernel file of `.wslconfig` exists; `None` if its drive is not mounted.
#[must_use]
pub fn custom_kernel(system: &dyn System, path: &str) -> Option<bool> {
    let path = windows_path(path, &drives_root(system))?;
    let drive = path.as_str().strip_prefix(&drives_root(system))?.split('/').next()?.to_owned();
    system.exists(&format!("{}{drive}", drives_root(system))).then(|| system.exists(path.as_str()))
}

fn is_never(timeout: &str) -> bool {
    parse_number(timeout).is_some_and(|milliseconds| milliseconds < 0)
}

/// Whether a name in the directory of profiles is that of a person.
pub(crate) fn is_ordinary_profile(name: &str) -> bool {
    !NOBODY.contains(&name) && !name.starts_with('.')
}

/// The profile of the Windows account that owns this WSL: `.wslconfig` is read only from there (WSL
/// `src/windows/common/helpers.cpp:439`, from the token).
struct Profile {
    path: Utf8PathBuf,
    evidence: String,
    is_guess: bool,
}

impl Profile {
    fn probe(system: &dyn System, mount_root: &str) -> Option<Self> {
        let sure = |path, evidence: &str| Some(Self { path, evidence: evidence.to_owned(), is_guess: false });
        if let Some(value) = told_profile(system) {
            return sure(value, "from --windows-profile");
        }
        if let Some(value) = system.env(ASKED).filter(|value| !value.is_empty()) {
            return sure(value.into(), "from Windows");
        }
        let is_dir = |p: &Utf8PathBuf| system.exists(p.as_str());
        // WSL appends the PATH of Windows, which contains a directory of that profile.
        let path = system.env("PATH").unwrap_or_default();
        let apps = "/AppData/Local/Microsoft/WindowsApps";
        let above = path.split(':').find_map(|d| d.strip_suffix(apps)).map(Utf8PathBuf::from);
        if let Some(p) = above.filter(is_dir) {
            return sure(p, "from the Windows part of PATH");
        }
        // WSL's init has it in its environment, which root can read (WSL src/linux/init/main.cpp:1575).
        for pid in ["1", "2"] {
            let environ = system.text(&format!("/proc/{pid}/environ")).unwrap_or_default();
            let value = environ.split('\0').find_map(|v| v.strip_prefix("WSL2_USER_PROFILE="));
            if let Some(p) = value.and_then(|p| windows_path(p, mount_root)).filter(is_dir) {
                return sure(p, "from the environment of WSL's init");
            }
        }
        let users = Utf8PathBuf::from(format!("{mount_root}c/Users"));
        let names = system.list(&users).unwrap_or_default();
        let mut people = names.iter().filter(|n| is_ordinary_profile(n));
        match (people.next(), people.next()) {
            (Some(only), None) => {
                let evidence = format!("the only profile in {users}");
                Some(Self { path: users.join(only), evidence, is_guess: true })
            }
            _ => None,
        }
    }
}

/// The variable in which a session stores the answer of Windows about the profile.
pub const ASKED: &str = "KIND_WSL_ASKED_PROFILE";

/// The profile that [`Windows::probe`] will read.
#[must_use]
pub fn profile(system: &dyn System) -> Option<Utf8PathBuf> {
    Profile::probe(system, &drives_root(system)).map(|profile| profile.path)
}

/// Whether Windows has to be queried for the profile: the other sources are only guesses.
#[must_use]
pub fn is_profile_unsure(system: &dyn System) -> bool {
    Profile::probe(system, &drives_root(system)).is_none_or(|p| p.is_guess)
}

/// The profile that the user specified, as a Linux or Windows path.
#[must_use]
pub fn told_profile(system: &dyn System) -> Option<Utf8PathBuf> {
    let value = system.env(kind_wsl_windows::wslenv::PROFILE).filter(|value| !value.is_empty())?;
    windows_path(&value, &drives_root(system)).or_else(|| Some(value.into()))
}

#[cfg(test)]
mod tests {
    use super::{Policy, denied};

    #[test]
    fn a_policy_denies_a_setting_only_if_its_value_is_zero() {
        let text = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\WSL\r\n    AllowKernelCommandLineUserSetting    REG_DWORD    0x0\r\n    \
                    AllowKernelUserSetting    REG_DWORD    0x1\r\n";
        assert_eq!(denied(text), [Policy::KernelCommandLine].into());
    }
}
