//! Whether the distribution starts with the planned files.
//!
//! [`will_it_start`] is pure: it judges a [`FutureState`], which has the facts of the machine and the bytes of
//! wsl.conf, .wslconfig and fstab. The plan blocks the stages that prevent the start, and `doctor` checks the present
//! files.

mod fstab;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::cgroup::Mounts;
use crate::compat::carried;
use crate::edit::table::decode;
use crate::edit::wslconf::{Dialect, Document, Grammar};
pub use crate::facts::wsl::Policy;
use crate::facts::wsl::{WSL_CONF, custom_kernel};
use crate::facts::{Facts, Wsl};
use crate::host::System;
use crate::version::Version;

pub(crate) const FSTAB: &str = "/etc/fstab";

/// The inputs of the decision whether the distribution starts.
#[derive(Clone, Debug)]
pub struct FutureState {
    pub wsl: Wsl,
    /// The version of systemd that will be installed.
    pub systemd: Option<Version>,
    pub init: Init,
    /// Whether systemd is PID 1 now, so that fstab has been used in a start with systemd.
    pub systemd_runs: bool,
    pub wsl_conf: Vec<u8>,
    pub wslconfig: Vec<u8>,
    /// The path of .wslconfig, if the Windows profile is known.
    pub wslconfig_path: Option<Utf8PathBuf>,
    pub fstab: Vec<u8>,
    /// The present wsl.conf and fstab.
    pub now: Now,
    /// The parameters of the running kernel.
    pub cmdline: String,
    /// The mounted cgroup hierarchy.
    pub mounts: Mounts,
    /// All mount points.
    pub mounted: BTreeSet<String>,
    /// Settings of .wslconfig that a policy of Windows disables.
    pub denied: BTreeSet<Policy>,
    /// The names in `/etc/passwd`.
    pub users: BTreeSet<String>,
    /// File systems in fstab that this kernel cannot mount.
    pub unknown_types: BTreeSet<String>,
    /// Whether the device of each line of fstab exists, by the name in that line.
    pub devices: BTreeMap<String, bool>,
    /// Whether the file of `kernel=` in .wslconfig exists, if that can be determined.
    pub kernel_exists: Option<bool>,
}

/// The files with which the distribution may have started.
#[derive(Clone, Debug, Default)]
pub struct Now {
    pub wsl_conf: Vec<u8>,
    pub fstab: Vec<u8>,
}

/// The type of `/sbin/init`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    Systemd,
    Other(String),
    Missing,
}

/// Why the distribution does not start, or starts incompletely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub rule: Rule,
    pub effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Utf8PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The cause, with the file and the line.
    pub what: String,
    pub way_out: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    NoStart,
    /// It starts, but systemd is not running, or stops in emergency mode.
    NoSystemd,
    /// It starts late or incompletely.
    Degraded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    SystemdNeedsV2,
    V1WithIsolation,
    NoV1OnOldWsl,
    CustomKernel,
    KernelModules,
    SafeMode,
    UnreadLine,
    Init,
    BootCommand,
    User,
    FstabDevice,
    FstabType,
    FstabNetwork,
    FstabCgroup,
}

impl Reason {
    /// Whether setup must not cause it.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        self.effect != Effect::Degraded
    }

    fn at(self, file: impl Into<Utf8PathBuf>, line: Option<usize>) -> Self {
        Self { file: Some(file.into()), line, ..self }
    }
}

fn reason(rule: Rule, effect: Effect, what: impl Into<String>, way_out: impl Into<String>) -> Reason {
    Reason { rule, effect, file: None, line: None, what: what.into(), way_out: way_out.into() }
}

/// Whether the distribution starts, and with systemd if that is enabled.
///
/// # Errors
/// The reasons why not, the worst first.
pub fn will_it_start(future: &FutureState) -> Result<(), Vec<Reason>> {
    if !future.wsl.is_two() {
        return Ok(());
    }
    let mut found: Vec<Reason> = Vec::new();
    // For an unknown version, the faults of both grammars count.
    for grammar in future.grammars() {
        let new = rules::judge(&Files::read(future, grammar));
        found.extend(new.into_iter().filter(|reason| !found.contains(reason)).collect::<Vec<_>>());
    }
    found.sort_by_key(|reason| reason.effect);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Whether only cgroup v2 is mounted at `/sys/fs/cgroup` at the next start.
#[must_use]
pub fn mounts_v2(future: &FutureState) -> bool {
    future.grammars().into_iter().all(|grammar| rules::mounts_v2(&Files::read(future, grammar)))
}

impl FutureState {
    /// The state after the plan: `then` is `now` with the planned writes applied, and `facts` are those after the
    /// plan.
    #[must_use]
    pub fn probe(now: &dyn System, then: &dyn System, facts: &Facts) -> Self {
        let read = |system: &dyn System, path: &Utf8Path| {
            let real = system.resolve(path).unwrap_or_else(|_| path.to_owned());
            system.read(&real).ok().flatten().unwrap_or_default()
        };
        let wslconfig_path = facts.windows.wslconfig();
        let wslconfig = wslconfig_path.as_deref().map(|path| read(then, path)).unwrap_or_default();
        let fstab = read(then, FSTAB.into());
        let kernel = Document::parse(&wslconfig, Dialect::WslConfig);
        let kernel = kernel.get("wsl2", "kernel").filter(|path| !path.is_empty());
        let passwd = now.text("/etc/passwd").unwrap_or_default();
        let mounts = now.text("/proc/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split_ascii_whitespace().nth(1));
        let entries = fstab::entries(&fstab);
        Self {
            systemd: systemd_version(facts),
            init: init(facts),
            systemd_runs: facts.systemd.is_running(),
            wsl_conf: read(then, WSL_CONF.into()),
            now: Now { wsl_conf: read(now, WSL_CONF.into()), fstab: read(now, FSTAB.into()) },
            cmdline: facts.kernel.cmdline.clone(),
            mounts: facts.cgroup.mounts.clone(),
            mounted: points.map(decode).collect(),
            denied: facts.windows.denied.clone(),
            users: passwd.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect(),
            unknown_types: fstab::unknown_types(now, &entries, &facts.kernel.release),
            devices: fstab::devices(now, &entries),
            kernel_exists: kernel.and_then(|path| custom_kernel(now, path)),
            wsl: facts.wsl.clone(),
            wslconfig,
            wslconfig_path,
            fstab,
        }
    }

    /// The present state.
    #[must_use]
    pub fn present(system: &dyn System, facts: &Facts) -> Self {
        Self::probe(system, system, facts)
    }

    fn grammars(&self) -> Vec<Grammar> {
        match &self.wsl {
            Wsl::Two { version: None, .. } => vec![Grammar::Stop, Grammar::Skip],
            wsl => vec![wsl.grammar()],
        }
    }
}

fn init(facts: &Facts) -> Init {
    let comes = ["systemd-sysv", "systemd"]
        .iter()
        .any(|name| facts.packages.installed.contains_key(*name) && facts.installed_by_us.contains(*name));
    match &facts.systemd.init {
        _ if facts.systemd.is_init() || comes => Init::Systemd,
        Some(path) => Init::Other(path.clone()),
        None => Init::Missing,
    }
}

fn systemd_version(facts: &Facts) -> Option<Version> {
    let known = facts.systemd.version.clone().or_else(|| facts.packages.coming("systemd"));
    known.or_else(|| carried(&facts.distro.id, facts.distro.version.as_ref(), "systemd")?.version.clone())
}

/// The files as this WSL reads them.
struct Files<'f> {
    future: &'f FutureState,
    conf: Document,
    config: Document,
    /// Whether WSL mounts fstab.
    mounts_fstab: bool,
    /// Whether it mounts fstab at present.
    mounted_fstab: bool,
    fstab: Vec<crate::edit::table::FstabEntry>,
    fstab_now: Vec<crate::edit::table::FstabEntry>,
}

impl<'f> Files<'f> {
    fn read(future: &'f FutureState, grammar: Grammar) -> Self {
        let parse = |bytes: &[u8]| Document::parse_as(bytes, Dialect::WslConf, grammar);
        let (conf, now) = (parse(&future.wsl_conf), parse(&future.now.wsl_conf));
        let mounts = |conf: &Document| conf.flag("automount", "mountFsTab").unwrap_or(true);
        Self {
            mounts_fstab: mounts(&conf),
            mounted_fstab: mounts(&now),
            config: Document::parse(&future.wslconfig, Dialect::WslConfig),
            fstab: fstab::entries(&future.fstab),
            fstab_now: fstab::entries(&future.now.fstab),
            future,
            conf,
        }
    }
}
