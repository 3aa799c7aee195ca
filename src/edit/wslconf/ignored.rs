//! Settings that WSL ignores in a file, and the file that they belong in.
//!
//! WSL warns about all of them too, but only at the start of a virtual machine or distribution, in the window that
//! started it.

use std::fmt;

use super::scan::What;
use super::shown::value_shown;
use super::{Dialect, Document, Entry, Moved, ProblemKind, parse_bool, parse_number};
use crate::edit::EditError;
use crate::edit::shown::length;

/// The valid values of a key; WSL keeps its default for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueType {
    Text,
    /// [`parse_bool`].
    Bool,
    /// A number for `strtol` with base 0 (`configfile.cpp`, `ParseImpl`).
    Number,
    /// A number and a unit. Newer versions support more units, so only the number is checked.
    Memory,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
}

use ValueType::{Bool, Memory, Number, Text, Word};

/// The keys of wsl.conf (WSL `src/linux/init/WslDistributionConfig.cpp:25`).
const WSL_CONF: &[(&str, ValueType)] = &[
    ("automount.cgroups", Word(&["v1", "v2"])),
    ("automount.enabled", Bool),
    ("automount.ldconfig", Bool),
    ("automount.mountFsTab", Bool),
    ("automount.options", Text),
    ("automount.root", Text),
    ("boot.command", Text),
    ("boot.initTimeout", Number),
    ("boot.protectBinfmt", Bool),
    ("boot.systemd", Bool),
    ("fileServer.enabled", Bool),
    ("fileServer.logFile", Text),
    ("fileServer.logLevel", Number),
    ("fileServer.logTruncate", Bool),
    ("filesystem.umask", Number),
    ("general.guiApplications", Bool),
    ("gpu.appendLibPath", Bool),
    ("gpu.enabled", Bool),
    ("interop.appendWindowsPath", Bool),
    ("interop.enabled", Bool),
    ("network.generateHosts", Bool),
    ("network.generateResolvConf", Bool),
    ("network.hostname", Text),
    ("time.useWindowsTimezone", Bool),
    ("user.default", Text),
];

const NETWORKS: ValueType = Word(&["none", "nat", "bridged", "mirrored", "virtioproxy", "consomme"]);

/// The keys of .wslconfig (WSL `src/windows/common/WslCoreConfig.h`, `ConfigSetting`), and those of older versions
/// (MicrosoftDocs/WSL `wsl-config.md`).
const WSL_CONFIG: &[(&str, ValueType)] = &[
    ("experimental.autoMemoryReclaim", Word(&["disabled", "gradual", "dropcache"])),
    ("experimental.autoProxy", Bool),
    ("experimental.bestEffortDnsParsing", Bool),
    ("experimental.dnsTunneling", Bool),
    ("experimental.dnsTunnelingIpAddress", Text),
    ("experimental.firewall", Bool),
    ("experimental.hostAddressLoopback", Bool),
    ("experimental.ignoredPorts", Text),
    ("experimental.initialAutoProxyTimeout", Number),
    ("experimental.networkingMode", NETWORKS),
    ("experimental.setVersionDebug", Text),
    ("experimental.sparseVhd", Bool),
    ("experimental.swiotlb", Text),
    ("experimental.useWindowsDnsCache", Text),
    ("experimental.virtioFsAggregateShares", Text),
    ("general.distributionInstallPath", Text),
    ("general.instanceIdleTimeout", Number),
    ("wsl2.autoProxy", Bool),
    ("wsl2.crashDumpFolder", Text),
    ("wsl2.debugConsole", Bool),
    ("wsl2.debugConsoleLogFile", Text),
    ("wsl2.defaultVhdSize", Memory),
    ("wsl2.dhcp", Bool),
    ("wsl2.dhcpTimeout", Number),
    ("wsl2.distributionStartTimeout", Number),
    ("wsl2.dnsProxy", Bool),
    ("wsl2.dnsTunneling", Bool),
    ("wsl2.earlyBootLogging", Bool),
    ("wsl2.firewall", Bool),
    ("wsl2.gpuSupport", Bool),
    ("wsl2.guiApplications", Bool),
    ("wsl2.hardwarePerformanceCounters", Bool),
    ("wsl2.hostFileSystemAccess", Bool),
    ("wsl2.ipv6", Bool),
    ("wsl2.isolateDistroCgroup", Bool),
    ("wsl2.kernel", Text),
    ("wsl2.kernelBootTimeout", Number),
    ("wsl2.kernelCommandLine", Text),
    ("wsl2.kernelDebugPort", Number),
    ("wsl2.kernelModules", Text),
    ("wsl2.loadDefaultKernelModules", Bool),
    ("wsl2.loadKernelModules", Text),
    ("wsl2.localhostForwarding", Bool),
    ("wsl2.macAddress", Text),
    ("wsl2.maxCrashDumpCount", Number),
    ("wsl2.memory", Memory),
    ("wsl2.mountDeviceTimeout", Number),
    ("wsl2.nestedVirtualization", Bool),
    ("wsl2.networkingMode", NETWORKS),
    ("wsl2.pageReporting", Text),
    ("wsl2.processors", Number),
    ("wsl2.safeMode", Bool),
    ("wsl2.swap", Memory),
    ("wsl2.swapFile", Text),
    ("wsl2.systemDistro", Text),
    ("wsl2.telemetry", Bool),
    ("wsl2.virtio", Bool),
    ("wsl2.virtio9p", Bool),
    ("wsl2.virtiofs", Bool),
    ("wsl2.vmIdleTimeout", Number),
    ("wsl2.vmSwitch", Text),
];

/// Keys with two names in WSL, of which the first in the file wins (WSL `src/windows/common/WslCoreConfig.cpp`).
const ALIASES: [&str; 4] = ["networkingmode", "dnstunneling", "firewall", "autoproxy"];

impl Dialect {
    fn keys(self) -> &'static [(&'static str, ValueType)] {
        match self {
            Self::WslConf => WSL_CONF,
            Self::WslConfig => WSL_CONFIG,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::WslConf => Self::WslConfig,
            Self::WslConfig => Self::WslConf,
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::WslConf => "/etc/wsl.conf",
            Self::WslConfig => ".wslconfig",
        }
    }

    /// The key with this name, as documented.
    fn key(self, name: &str) -> Option<(&'static str, ValueType)> {
        self.keys().iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).copied()
    }

    fn has_section(self, name: &str) -> bool {
        let section = |key: &str| key.split('.').next().is_some_and(|known| known.eq_ignore_ascii_case(name));
        self.keys().iter().any(|(key, _)| section(key))
    }
}

impl ValueType {
    /// The valid form, instead of a value that WSL cannot read.
    fn wanted(self, value: &str) -> Option<String> {
        let is_readable = match self {
            Text => true,
            Bool => parse_bool(value).is_some(),
            Number => parse_number(value).is_some(),
            Memory => value.trim_start().starts_with(|first: char| first.is_ascii_digit()),
            Word(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
        };
        (!is_readable).then(|| match self {
            Bool => "true or false".to_owned(),
            Word(words) => words.join(", "),
            Memory => "a size such as 4GB".to_owned(),
            _ => "a whole number".to_owned(),
        })
    }
}

impl Moved {
    /// The refusal of an edit of `key` that would also change this one. Names and values that may be secrets are not
    /// shown.
    pub(super) fn refused(&self, key: &str, dialect: Dialect) -> EditError {
        let known = dialect.key(&self.name);
        let other = known.map_or_else(|| "another key".to_owned(), |(name, _)| format!("`{name}`"));
        let [before, after] = self.values.each_ref().map(|value| {
            let Some(value) = value else { return "unset".to_owned() };
            let text = String::from_utf8_lossy(value);
            let shown = known.filter(|(_, kind)| *kind != Text).and_then(|_| value_shown(&self.name, &text));
            shown.map_or_else(|| length(value), |shown| format!("`{shown}`"))
        });
        let change = format!("from {before} to {after}");
        EditError::SideEffect { line: self.line, key: key.to_owned(), other, change }
    }
}

impl Document {
    /// The settings that WSL reads from this document and did not read from `before`, except those that were `meant`;
    /// with their line, and their value if it has a known form.
    pub(crate) fn taking_effect_since(&self, before: &Self, meant: impl Fn(&str) -> bool) -> Vec<String> {
        let is_new = |entry: &Entry<'_>| {
            let then = before.counting(entry.name).map(|then| then.value);
            entry.counts && then != Some(entry.value) && !meant(entry.name)
        };
        let shown = |entry: Entry<'_>| {
            let (name, kind) = self.dialect.key(entry.name)?;
            let value = if kind == Text && name != "automount.root" {
                None
            } else {
                value_shown(entry.name, entry.text)
            };
            let value = value.map_or_else(String::new, |value| format!("={value}"));
            Some(format!("{name}{value} (line {})", entry.line))
        };
        self.entries().filter(is_new).filter_map(shown).collect()
    }

    /// The effective value, by the key's full name in lower case.
    pub(crate) fn value_of(&self, name: &str) -> Option<&[u8]> {
        self.counting(name).map(|entry| entry.value)
    }

    /// The settings that WSL ignores in this document, line by line. Undocumented names are not repeated: they may
    /// contain a secret.
    pub(crate) fn ignored(&self) -> Vec<Ignored> {
        if self.is_in_another_encoding() {
            let text = format!("{} is UTF-16 in a form that WSL cannot read", self.dialect.file());
            return vec![Ignored { line: 1, name: String::new(), text, belongs_elsewhere: false }];
        }
        let mut found: Vec<Ignored> = self.problems().iter().filter_map(|p| self.problem(p)).collect();
        let mut aliases: Vec<(&str, usize)> = Vec::new();
        let mut is_below_broken_header = false;
        for item in &self.scan.items {
            match &item.what {
                What::Header { .. } => is_below_broken_header = false,
                What::Invalid { header: true } => is_below_broken_header = true,
                _ => {}
            }
            let Some(entry) = Entry::of(item).filter(|entry| entry.counts) else { continue };
            let ignored = |text: String| {
                let name = entry.name.to_owned();
                Ignored { line: entry.line, name, text, belongs_elsewhere: false }
            };
            let mut push = |text: String| found.push(ignored(text));
            let Some((name, value)) = self.dialect.key(entry.name) else {
                match self.elsewhere(entry.name) {
                    Some(text) => found.push(Ignored { belongs_elsewhere: true, ..ignored(text) }),
                    // Reported with the header.
                    None if is_below_broken_header => {}
                    None => push(format!("not a setting that {} is known to have", self.dialect.file())),
                }
                continue;
            };
            if let Some(wanted) = value.wanted(entry.text) {
                push(format!("{name} has a value that WSL cannot read (needs {wanted})"));
            }
            let key = entry.name.rsplit('.').next().unwrap_or_default();
            if self.dialect == Dialect::WslConfig && ALIASES.contains(&key) {
                match aliases.iter().find(|(seen, _)| *seen == key) {
                    Some((_, first)) => push(already(name, *first)),
                    None => aliases.push((key, entry.line)),
                }
            }
        }
        found.sort_by_key(|ignored| ignored.line);
        found
    }

    /// The file of a key that this one does not have.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let other = self.dialect.other();
        let section = name.split('.').next().unwrap_or_default();
        let (key, _) = other.key(name)?;
        let is_whole_section = !self.dialect.has_section(section);
        let header = key.split('.').next().unwrap_or_default();
        let what = if is_whole_section {
            format!("[{header}] {}", &key[header.len() + 1..])
        } else {
            key.to_owned()
        };
        Some(format!("{what} belongs in {}", other.file()))
    }

    fn problem(&self, problem: &super::Problem) -> Option<Ignored> {
        let (name, text) = match &problem.kind {
            ProblemKind::Duplicate { key, first_line } => {
                let (name, _) = self.dialect.key(key)?;
                (key, already(name, *first_line))
            }
            ProblemKind::InvalidLine { why } => {
                let is_stop = !self.complete() && self.scan.stop() == Some(problem);
                // Meant as a comment, and versions that skip it treat it as one.
                if !is_stop && problem.text.trim_start().starts_with([';', '/']) {
                    return None;
                }
                let item = self.scan.items.iter().find(|item| item.line == problem.line);
                let is_header = item.is_some_and(|item| matches!(item.what, What::Invalid { header: true }));
                let text = match (is_stop, is_header) {
                    (true, _) => format!("WSL stops reading here ({why})"),
                    (_, true) => {
                        format!("not a header for WSL ({why}), so the keys below belong to the section above")
                    }
                    _ => format!("WSL cannot read it ({why})"),
                };
                (&problem.text, text)
            }
        };
        Some(Ignored { line: problem.line, name: name.clone(), text, belongs_elsewhere: false })
    }
}

fn already(name: &str, line: usize) -> String {
    format!("{name} is set on line {line} already, which takes effect")
}

/// A setting that WSL ignores in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    line: usize,
    /// The key, or the text of an invalid line; not for display.
    name: String,
    text: String,
    /// Whether it is a key of WSL's other file.
    pub(crate) belongs_elsewhere: bool,
}

impl Ignored {
    /// Whether both are about the same setting, on any line.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}
