//! `/etc/wsl.conf`, as this version of WSL reads it.

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::Wsl;
use crate::edit::cmdline;
use crate::edit::wslconf::{Dialect, Document, Grammar, parse_bool};
use crate::host::System;

/// Kernel parameters that leave only cgroup v2: the first is effective, the second has no effect on WSL's systemd but
/// is harmless.
pub const CGROUP_WORDS: [&str; 2] = ["cgroup_no_v1=all", "systemd.unified_cgroup_hierarchy=1"];

pub const WSL_CONF: &str = "/etc/wsl.conf";

/// `/etc/wsl.conf`, as far as this version of WSL reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WslConf {
    /// The handling of a line that WSL cannot read.
    #[serde(default)]
    pub grammar: Grammar,
    /// `[boot] systemd` as WSL reads it, with its line.
    pub systemd: Option<(bool, usize)>,
    /// `[automount] cgroups`.
    pub cgroups: Option<String>,
    /// The line of `[automount] cgroups`.
    #[serde(default)]
    pub cgroups_line: Option<usize>,
    /// `[automount] mountFsTab`.
    pub mount_fstab: bool,
    /// The line of `[automount] mountFsTab`.
    #[serde(default)]
    pub mount_fstab_line: Option<usize>,
    /// Whether the file has a `[wsl2]` section with only the kernel parameters that setup writes to `.wslconfig`. WSL
    /// ignores the section here and warns about it at each start.
    pub dead_block: bool,
    /// The other keys of `[wsl2]` and their values, which WSL ignores here as well: they belong in `.wslconfig`.
    #[serde(default)]
    pub misplaced: Vec<(String, String)>,
    /// Whether WSL reads the whole file.
    pub complete: bool,
    /// The lines that WSL cannot read, with line numbers.
    pub problems: Vec<String>,
    /// The same file after the repair that makes WSL read all of it, if it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Box<Self>>,
}

impl WslConf {
    fn of_bytes(bytes: &[u8], grammar: Grammar) -> Self {
        let doc = Document::parse_as(bytes, Dialect::WslConf, grammar);
        let systemd = doc.get("boot", "systemd").map(|v| {
            // An invalid boolean keeps WSL's default (configfile.cpp, ParseBool; default false).
            (parse_bool(v).unwrap_or(false), doc.line_of("boot", "systemd").unwrap_or_default())
        });
        let (keys, has_more) = doc.section("wsl2");
        let is_ours = |(key, value): &&(String, String)| {
            let words = cmdline::tokens(value);
            key.eq_ignore_ascii_case("kernelCommandLine")
                && !words.is_empty()
                && words.iter().all(|word| CGROUP_WORDS.contains(word))
        };
        let misplaced: Vec<_> = keys.iter().filter(|key| !is_ours(key)).cloned().collect();
        let repaired = (!doc.complete()).then(|| {
            let mut doc = doc.clone();
            doc.repair();
            Box::new(Self::of_bytes(&doc.to_bytes(), grammar))
        });
        Self {
            grammar,
            systemd,
            cgroups: doc.get("automount", "cgroups").map(ToOwned::to_owned),
            cgroups_line: doc.line_of("automount", "cgroups"),
            mount_fstab_line: doc.line_of("automount", "mountFsTab"),
            mount_fstab: doc.flag("automount", "mountfstab").unwrap_or(true),
            dead_block: !keys.is_empty() && misplaced.is_empty() && !has_more,
            misplaced,
            complete: doc.complete(),
            problems: doc.problems().iter().map(ToString::to_string).collect(),
            repaired,
        }
    }

    /// Reads the file; one that does not exist is empty.
    #[must_use]
    pub fn probe(system: &dyn System, wsl: &Wsl) -> Self {
        Self::of_bytes(&bytes(system), wsl.grammar())
    }

    /// Whether WSL 2.6.2 or later mounts cgroup v1 because of it.
    #[must_use]
    pub fn chooses_v1(&self) -> bool {
        self.cgroups.as_ref().is_some_and(|version| version.eq_ignore_ascii_case("v1"))
    }
}

pub(super) fn bytes(system: &dyn System) -> Vec<u8> {
    let real = system.resolve(Utf8Path::new(WSL_CONF)).unwrap_or_else(|_| WSL_CONF.into());
    system.read(&real).ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Grammar, WslConf};

    #[test]
    fn a_systemd_line_below_an_invalid_line_does_not_count() {
        let conf = WslConf::of_bytes(b"; note\n[boot]\nsystemd=true\n", Grammar::Stop);
        assert_eq!((conf.systemd, conf.complete), (None, false));
        assert_eq!(conf.repaired.unwrap().systemd, Some((true, 3)));
    }

    #[test]
    fn from_wsl_2_9_13_on_only_the_invalid_line_is_skipped() {
        let conf = WslConf::of_bytes(b"; note\n[boot]\nsystemd=true\n", Grammar::Skip);
        assert_eq!((conf.systemd, conf.complete, conf.repaired), (Some((true, 3)), true, None));
        let utf16: Vec<u8> = "[boot]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!WslConf::of_bytes(&utf16, Grammar::Skip).complete);
    }

    #[test]
    fn the_first_systemd_line_counts_even_if_it_is_not_a_boolean() {
        assert_eq!(
            WslConf::of_bytes(b"[boot]\nsystemd=yes\nsystemd=true\n", Grammar::Stop).systemd,
            Some((false, 2))
        );
    }
}
