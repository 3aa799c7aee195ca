//! WSL: is it one, which, what it reads, and where its Windows side is.

mod conf;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::cgroup::Mounts;
use crate::compat::{COMPAT, Fact};
use crate::edit::wslconf::{Dialect, Document, Grammar};
use crate::host::{Account, Cmd, System};
use crate::version::Version;

use conf::bytes;
pub use conf::{CGROUP_WORDS, WSL_CONF, WslConf};

/// Whether this is WSL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Wsl {
    /// No: another machine, or a container on one.
    No,
    /// WSL 1: no Linux kernel, so no containers.
    One {
        /// The distribution's name in Windows, where the environment says it.
        distro: Option<String>,
    },
    /// WSL 2.
    Two {
        /// From `wslinfo --version`; older WSL has no such program.
        version: Option<Version>,
        /// The distribution's name in Windows, where the environment says it.
        distro: Option<String>,
    },
}

impl Wsl {
    /// Looks: WSL 1 has `Microsoft` in its kernel release (WSL `src/linux/init/util.cpp:1567`, `UtilIsUtilityVm`),
    /// WSL 2 has the directory of its interop sockets. A container on WSL 2 has the release, but not that directory.
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

    /// Whether a WSL of this version mounts cgroup v1 beside v2. Later ones mount v2 alone (WSL `src/linux/init/config.cpp`,
    /// from the first version with public source on).
    #[must_use]
    pub fn mounts_v1(version: &Version) -> bool {
        COMPAT.wsl.mounts_v1.is_true_of(version)
    }

    /// Whether it is WSL 2.
    #[must_use]
    pub fn is_two(&self) -> bool {
        matches!(self, Self::Two { .. })
    }

    /// Whether it is known to be older than the first version of which a fact is true.
    #[must_use]
    pub(crate) fn is_before(&self, fact: &Fact) -> bool {
        matches!(self, Self::Two { version: Some(version), .. } if version < fact.since())
    }

    /// Whether a fact is known to be true of it.
    #[must_use]
    pub(crate) fn has(&self, fact: &Fact) -> bool {
        matches!(self, Self::Two { version, .. } if fact.is_known_of(version.as_ref()))
    }

    /// How it reads wsl.conf.
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

    /// The version in words.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::No => "not WSL".to_owned(),
            Self::One { .. } => "WSL 1".to_owned(),
            Self::Two { version: Some(v), .. } => format!("WSL {v}"),
            Self::Two { version: None, .. } => "WSL 2 of unknown version".to_owned(),
        }
    }

    /// The name that `wsl.exe -d` takes, or a word to replace.
    #[must_use]
    pub fn distro(&self) -> &str {
        match self {
            Self::One { distro: Some(name) } | Self::Two { distro: Some(name), .. } => name,
            _ => "DISTRIBUTION",
        }
    }
}

/// Whether Docker Desktop creates a distribution of this name.
#[must_use]
pub fn is_docker_desktops(name: &str) -> bool {
    ["docker-desktop", "docker-desktop-data"].contains(&name)
}

/// The name in the environment, if it is valid: it gets into commands, and into lines that people type.
fn distro(system: &dyn System) -> Option<String> {
    system.env("WSL_DISTRO_NAME").filter(|name| kind_wsl_windows::names::is_distribution(name))
}

/// The directory in which Windows drives are mounted, with a slash at its end: what the mount table shows; if it shows no
/// drive, `[automount] root` of wsl.conf, which may have been set only since the start.
#[must_use]
pub fn drives_root(system: &dyn System) -> String {
    let root_of = |mount: Utf8PathBuf| {
        let (root, letter) = mount.as_str().rsplit_once('/')?;
        let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_letter.then(|| format!("{root}/"))
    };
    if let Some(root) = drive_mounts(system).into_iter().find_map(root_of) {
        return root;
    }
    let bytes = bytes(system);
    let root = |grammar| {
        let doc = Document::parse_as(&bytes, Dialect::WslConf, grammar);
        let root = doc.get("automount", "root").filter(|root| !root.is_empty()).unwrap_or("/mnt");
        format!("{}/", root.trim_end_matches('/'))
    };
    let roots = [root(Grammar::Skip), root(Grammar::Stop), "/mnt/".to_owned()];
    // The directory of a drive stays when the drive is mounted elsewhere; what is on the drive does not.
    let has_drive = |root: &&String| system.exists(&format!("{root}c/Users"));
    let has_dir = |root: &&String| system.exists(&format!("{root}c"));
    roots.iter().find(has_drive).or_else(|| roots.iter().find(has_dir)).unwrap_or(&roots[1]).clone()
}

/// Where directories of Windows are mounted.
#[must_use]
pub fn drive_mounts(system: &dyn System) -> Vec<Utf8PathBuf> {
    let table = system.text("/proc/mounts").unwrap_or_default();
    table.lines().filter_map(drive_mount).collect()
}

/// `C:\134 /mnt/c 9p …,aname=drvfs;path=C:\;…` (WSL `src/linux/init/drvfs.cpp`).
fn drive_mount(line: &str) -> Option<Utf8PathBuf> {
    let mut columns = line.split_ascii_whitespace();
    let (source, dir, kind) = (columns.next()?, columns.next()?, columns.next()?);
    let is_of_windows =
        source.starts_with("drvfs") || source.get(1..2) == Some(":") || source.starts_with("\\134");
    let is_drive = matches!(kind, "9p" | "virtiofs" | "drvfs") && is_of_windows;
    is_drive.then(|| dir.replace("\\040", " ").into())
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// The Windows user's profile directory, as the distribution sees it.
    pub profile: Option<Utf8PathBuf>,
    pub evidence: String,
    /// Whether it only looks like it: Windows itself should be asked.
    #[serde(default)]
    pub is_guess: bool,
    /// Whether Windows programs can be started from this session.
    pub interop: bool,
    /// `[wsl2] kernelCommandLine` of `.wslconfig`.
    pub kernel_words: Option<String>,
    /// `[general] instanceIdleTimeout` of `.wslconfig`, in milliseconds.
    pub instance_idle: Option<String>,
    /// The settings that a policy of Windows turns off, as far as that was asked.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<Policy>,
    /// The keys of `[wsl2]` in `.wslconfig`, in lower case, and the values that WSL takes.
    #[serde(default)]
    pub wsl2: BTreeMap<String, String>,
}

/// Profiles that Windows makes for itself.
const NOBODY: [&str; 6] = ["Public", "Default", "Default User", "All Users", "desktop.ini", "defaultuser0"];

impl Windows {
    /// Looks, where it is WSL 2.
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
            kernel_words: value("wsl2", "kernelCommandLine"),
            instance_idle: value("general", "instanceIdleTimeout"),
            wsl2: doc.section("wsl2").0.into_iter().rev().map(|(k, v)| (k.to_ascii_lowercase(), v)).collect(),
            denied: policies(system, interop.then_some(user), &doc),
            profile: Some(profile),
            evidence,
            is_guess,
            interop,
        }
    }

    /// The path of `.wslconfig`.
    #[must_use]
    pub fn wslconfig(&self) -> Option<Utf8PathBuf> {
        self.profile.as_ref().map(|p| p.join(".wslconfig"))
    }
}

/// A policy of Windows that turns a setting of `.wslconfig` off (`HKLM\SOFTWARE\Policies\WSL`; WSL
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

/// The policies that deny a setting. Windows is asked only if one of these settings is in use or about to be: the kernel
/// runs with cgroup v1, or .wslconfig has one.
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

/// Whether the kernel that `.wslconfig` names exists; `None` if its drive is not mounted here.
#[must_use]
pub fn custom_kernel(system: &dyn System, path: &str) -> Option<bool> {
    let path = windows_path(path, &drives_root(system))?;
    let drive = path.as_str().strip_prefix(&drives_root(system))?.split('/').next()?.to_owned();
    system.exists(&format!("{}{drive}", drives_root(system))).then(|| system.exists(path.as_str()))
}

/// Whether a name in the directory of profiles is that of a person's.
pub(crate) fn is_ordinary_profile(name: &str) -> bool {
    !NOBODY.contains(&name) && !name.starts_with('.')
}

/// The profile of the Windows account whose WSL this is: `.wslconfig` is read from there and from nowhere else
/// (WSL `src/windows/common/helpers.cpp:439`, from the token).
struct Profile {
    path: Utf8PathBuf,
    evidence: String,
    is_guess: bool,
}

impl Profile {
    fn probe(system: &dyn System, mount_root: &str) -> Option<Self> {
        let sure = |path, evidence: &str| Some(Self { path, evidence: evidence.to_owned(), is_guess: false });
        if let Some(told) = told_profile(system) {
            return sure(told, "told by --windows-profile");
        }
        if let Some(said) = system.env(ASKED).filter(|said| !said.is_empty()) {
            return sure(said.into(), "as Windows itself says");
        }
        let is_dir = |p: &Utf8PathBuf| system.exists(p.as_str());
        // Windows' own PATH, which WSL appends to ours, holds a directory of that profile.
        let path = system.env("PATH").unwrap_or_default();
        let apps = "/AppData/Local/Microsoft/WindowsApps";
        let above = path.split(':').find_map(|d| d.strip_suffix(apps)).map(Utf8PathBuf::from);
        if let Some(p) = above.filter(is_dir) {
            return sure(p, "from the Windows part of PATH");
        }
        // WSL's init has it in its environment, for root to read (WSL src/linux/init/main.cpp:1575).
        for pid in ["1", "2"] {
            let environ = system.text(&format!("/proc/{pid}/environ")).unwrap_or_default();
            let said = environ.split('\0').find_map(|v| v.strip_prefix("WSL2_USER_PROFILE="));
            if let Some(p) = said.and_then(|p| windows_path(p, mount_root)).filter(is_dir) {
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

/// The variable in which a session notes what Windows said of the profile.
pub const ASKED: &str = "KIND_WSL_ASKED_PROFILE";

/// The profile that [`Windows::probe`] will look into.
#[must_use]
pub fn profile(system: &dyn System) -> Option<Utf8PathBuf> {
    Profile::probe(system, &drives_root(system)).map(|profile| profile.path)
}

/// Whether Windows has to be asked for the profile: nothing here says it for sure.
#[must_use]
pub fn is_profile_unsure(system: &dyn System) -> bool {
    Profile::probe(system, &drives_root(system)).is_none_or(|p| p.is_guess)
}

/// The profile that the user named, also as Windows writes it.
#[must_use]
pub fn told_profile(system: &dyn System) -> Option<Utf8PathBuf> {
    let told = system.env(kind_wsl_windows::wslenv::PROFILE).filter(|told| !told.is_empty())?;
    windows_path(&told, &drives_root(system)).or_else(|| Some(told.into()))
}

/// `C:\Users\dev` as the distribution mounts it; a path that is one already stays.
pub(crate) fn windows_path(path: &str, mount_root: &str) -> Option<Utf8PathBuf> {
    if path.starts_with('/') {
        return Some(path.into());
    }
    let (drive, rest) = path.split_once(":\\")?;
    Some(format!("{mount_root}{}/{}", drive.to_lowercase(), rest.replace('\\', "/")).into())
}

#[cfg(test)]
mod tests {
    use super::{Policy, denied, drive_mount, windows_path};

    #[test]
    fn the_mount_table_shows_where_drives_are_mounted() {
        let options = "rw,noatime,aname=drvfs;path=C:\\;uid=1000;gid=1000,mmap,trans=fd,rfd=5,wfd=5 0 0";
        for (line, dir) in [
            (format!("C:\\134 /mnt/c 9p {options}"), Some("/mnt/c")),
            (format!("drvfs /win/d 9p {options}"), Some("/win/d")),
            (format!("D:\\134 /d virtiofs {options}"), Some("/d")),
            ("drivers /usr/lib/wsl/drivers 9p ro,aname=drivers;fmask=222 0 0".to_owned(), None),
            ("/dev/sdb /mnt/c ext4 rw 0 0".to_owned(), None),
            (format!("\\134\\134server\\134share /mnt/my\\040share 9p {options}"), Some("/mnt/my share")),
        ] {
            assert_eq!(drive_mount(&line), dir.map(Into::into), "{line}");
        }
    }

    #[test]
    fn a_policy_denies_a_setting_only_if_its_value_is_zero() {
        let text = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\WSL\r\n    AllowKernelCommandLineUserSetting    REG_DWORD    0x0\r\n    \
                    AllowKernelUserSetting    REG_DWORD    0x1\r\n";
        assert_eq!(denied(text), [Policy::KernelCommandLine].into());
    }

    #[test]
    fn a_windows_path_is_found_below_the_mount_root() {
        assert_eq!(windows_path("C:\\Users\\dev", "/mnt/").unwrap(), "/mnt/c/Users/dev");
        assert_eq!(windows_path("D:\\p q", "/").unwrap(), "/d/p q");
    }
}
