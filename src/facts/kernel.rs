//! The kernel: release, command line, modules, settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::host::{Cmd, System};
use crate::version::Version;

/// The modules that kind's documentation requires: a rootless node cannot load them itself.
pub const MODULES: [&str; 4] = ["ip6_tables", "ip6table_nat", "ip_tables", "iptable_nat"];
/// The inotify limits of kind's known issues: all nodes share the host's.
pub const INOTIFY: [(&str, u64); 2] =
    [("fs.inotify.max_user_watches", 524_288), ("fs.inotify.max_user_instances", 512)];
/// The kernel keys that a user needs. A runtime creates a keyring per container, and each pod of a rootless cluster
/// counts for its user (keyrings(7); the values are those of LXD's "production setup").
pub const KEYS: [(&str, u64); 2] = [("kernel.keys.maxkeys", 2_000), ("kernel.keys.maxbytes", 2_000_000)];
/// The open files that kind's entrypoint requires (kind `images/base/files/usr/local/bin/entrypoint`).
pub const OPEN_FILES: u64 = 64_000;
/// The relevant kernel settings, as sysctl writes them.
const SETTINGS: [&str; 6] = [
    INOTIFY[0].0,
    INOTIFY[1].0,
    KEYS[0].0,
    KEYS[1].0,
    "net.ipv4.ip_unprivileged_port_start",
    "kernel.dmesg_restrict",
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -m`.
    pub machine: String,
    /// `/proc/cmdline`.
    pub cmdline: String,
    /// The modules of [`MODULES`].
    pub modules: BTreeMap<String, Module>,
    /// The settings that exist.
    pub settings: BTreeMap<String, u64>,
    /// The propagation of `/` to other mount namespaces; `None` if it is unknown.
    #[serde(default)]
    pub root_mount: Option<Propagation>,
}

/// The propagation of a mount (`mount_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// Mounts below it are propagated to other namespaces and received from them.
    Shared,
    Slave,
    Private,
}

impl Propagation {
    /// The propagation of `/`, from `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`). Field 5 is the mount point; the
    /// fields up to the one that is `-` are its options and its propagation.
    #[must_use]
    pub fn of_root(table: &str) -> Option<Self> {
        let line = table.lines().rfind(|l| l.split_ascii_whitespace().nth(4) == Some("/"))?;
        let has = |tag: &str| {
            line.split_ascii_whitespace().skip(6).take_while(|f| *f != "-").any(|f| f.starts_with(tag))
        };
        Some(match (has("shared:"), has("master:")) {
            (true, _) => Self::Shared,
            (false, true) => Self::Slave,
            (false, false) => Self::Private,
        })
    }
}

/// The state of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    Loaded,
    /// Built into the kernel: lsmod does not list it, and it need not be loaded.
    BuiltIn,
    Loadable,
    /// Missing: loading it at boot would only leave the system degraded.
    Missing,
}

impl Kernel {
    #[must_use]
    pub fn probe(system: &dyn System) -> Self {
        let release = system.text("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
        let settings = SETTINGS.into_iter().filter_map(|name| {
            let text = system.text(&format!("/proc/sys/{}", name.replace('.', "/")))?;
            Some((name.to_owned(), text.trim().parse().ok()?))
        });
        Self {
            machine: system.stdout_if_ok(&Cmd::parse("uname -m")).unwrap_or_default(),
            cmdline: system.text("/proc/cmdline").unwrap_or_default().trim().to_owned(),
            modules: modules(system, &release),
            settings: settings.collect(),
            root_mount: system.text("/proc/self/mountinfo").as_deref().and_then(Propagation::of_root),
            release,
        }
    }

    /// The release as a version; `None` if it is unknown.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.release.parse().ok()
    }

    /// The modules in that state.
    #[must_use]
    pub fn modules_that_are(&self, state: Module) -> Vec<String> {
        self.modules.iter().filter(|(_, s)| **s == state).map(|(n, _)| n.clone()).collect()
    }
}

fn modules(system: &dyn System, release: &str) -> BTreeMap<String, Module> {
    let dir = format!("/lib/modules/{release}");
    let loaded: BTreeSet<String> = first_words(&system.text("/proc/modules").unwrap_or_default());
    let built_in = file_names(&system.text(&format!("{dir}/modules.builtin")).unwrap_or_default());
    let unloaded = MODULES.iter().any(|m| !loaded.contains(*m) && !built_in.contains(*m));
    // modules.dep is large, so it is read only if it decides.
    let loadable = if unloaded {
        file_names(&system.text(&format!("{dir}/modules.dep")).unwrap_or_default())
    } else {
        BTreeSet::new()
    };
    let state = |name: &str| {
        if loaded.contains(name) {
            Module::Loaded
        } else if built_in.contains(name) || system.exists(&format!("/sys/module/{name}")) {
            Module::BuiltIn
        } else if loadable.contains(name) {
            Module::Loadable
        } else {
            Module::Missing
        }
    };
    MODULES.iter().map(|&m| (m.to_owned(), state(m))).collect()
}

fn first_words(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|l| l.split_ascii_whitespace().next()).map(ToOwned::to_owned).collect()
}

/// Module names of lines such as `kernel/net/ipv4/netfilter/ip_tables.ko.xz: …` (modules.dep(5)); files may be
/// compressed, and `-` in a file name is `_` in the module's.
fn file_names(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let path = line.split([':', ' ']).next()?;
        let file = path.rsplit('/').next()?;
        Some(file.split_once(".ko")?.0.replace('-', "_"))
    };
    text.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::{Kernel, file_names};
    use crate::version::Version;

    #[test]
    fn compressed_modules_are_found_by_their_names() {
        let names = file_names("kernel/net/ipv4/netfilter/ip_tables.ko.xz: kernel/a.ko.xz\nkernel/x-y.ko\n");
        assert!(names.contains("ip_tables") && names.contains("x_y"));
    }

    #[test]
    fn a_wsl_kernel_release_has_a_major_and_a_minor() {
        let kernel = Kernel { release: "6.6.87.2-microsoft-standard-WSL2".into(), ..Kernel::default() };
        assert_eq!(kernel.version(), Some(Version::from([6, 6, 87, 2])));
    }
}
