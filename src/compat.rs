//! From which version on another program behaves in which way: `assets/compat.toml`.
//!
//! Each field is the fact of that name. The parser refuses a fact without a source or a date, the compiler one
//! without a reader.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::version::Version;

const EMBEDDED: &str = include_str!("../assets/compat.toml");

/// The facts. A test parses them, so that a program with a file that cannot be parsed is not released.
#[expect(clippy::expect_used, reason = "the file is embedded, and a test parses it")]
pub(crate) static COMPAT: LazyLock<Compat> =
    LazyLock::new(|| toml::from_str(EMBEDDED).expect("assets/compat.toml keeps its rules"));

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Compat {
    pub(crate) wsl: WslRules,
    pub(crate) kernel: KernelRules,
    pub(crate) systemd: SystemdRules,
    pub(crate) podman: PodmanRules,
    pub(crate) crun: CrunRules,
    pub(crate) kind: KindRules,
    /// The versions of the other programs that kind or podman works with.
    pub(crate) minimum: Minimum,
    pub(crate) debian: Debian,
    /// Package versions of distribution releases, for images whose package lists are still empty.
    pub(crate) carried: Vec<Carried>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct WslRules {
    pub(crate) systemd: Fact,
    pub(crate) kernel_params_for_v2: Fact,
    pub(crate) mounts_v1: Fact,
    pub(crate) v1_by_choice: Fact,
    pub(crate) terminate_ends_it: Fact,
    pub(crate) skips_bad_lines: Fact,
    pub(crate) isolates_cgroups: Fact,
    pub(crate) v1_fails_isolated: Fact,
    pub(crate) cgroup_namespace: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KernelRules {
    pub(crate) openat2: Fact,
    pub(crate) overlay_for_users: Fact,
    pub(crate) fib_in_wsl: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SystemdRules {
    pub(crate) accounts_by_itself: Fact,
    pub(crate) v2_only: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PodmanRules {
    pub(crate) minimum: Fact,
    pub(crate) rootless_cgroupfs: Fact,
    pub(crate) names_controllers: Fact,
    pub(crate) drop_ins: Fact,
    pub(crate) conf_override: Fact,
    pub(crate) rootless_drop_ins: Fact,
    pub(crate) rootless_main: Fact,
    pub(crate) one_main_file: Fact,
    pub(crate) byte_order_mark: Fact,
    pub(crate) toml_1_1: Fact,
    pub(crate) storage_in_usr: Fact,
    pub(crate) storage_in_etc: Fact,
    pub(crate) any_storage_driver: Fact,
    pub(crate) overlay_by_itself: Fact,
    pub(crate) one_storage_conf: Fact,
    pub(crate) netavark: Fact,
    pub(crate) cni_1_0: Fact,
    pub(crate) pasta: Fact,
    pub(crate) nftables: Fact,
    pub(crate) ports_without_listener: Fact,
    pub(crate) no_iptables: Fact,
    pub(crate) leaves_boltdb: Fact,
    pub(crate) no_cni: Fact,
    pub(crate) policy_in_usr: Fact,
    pub(crate) labels_as_list: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CrunRules {
    pub(crate) floors: Vec<Floor>,
    pub(crate) before_1_0: Fact,
    pub(crate) needs_openat2: Fact,
    pub(crate) faulty: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KindRules {
    pub(crate) podman_6: Fact,
    pub(crate) loads_from_docker: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Minimum {
    pub(crate) docker: Fact,
    pub(crate) nerdctl: Fact,
    pub(crate) containerd: Fact,
    pub(crate) cni_plugins: Fact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Debian {
    pub(crate) docker_cli_apart: Fact,
}

/// Something that is true of a program from one version on, up to another one, or both.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawFact")]
pub(crate) struct Fact {
    since: Version,
    before: Option<Version>,
}

impl Fact {
    /// Whether it is true of this version.
    pub(crate) fn is_true_of(&self, version: &Version) -> bool {
        *version >= self.since && self.before.as_ref().is_none_or(|before| version < before)
    }

    /// Whether it is known to be true; false for an unknown version.
    pub(crate) fn is_known_of(&self, version: Option<&Version>) -> bool {
        version.is_some_and(|version| self.is_true_of(version))
    }

    /// The first version of which it is true.
    pub(crate) fn since(&self) -> &Version {
        &self.since
    }

    /// The first two numbers of that version.
    pub(crate) fn since_pair(&self) -> [u64; 2] {
        [self.since.major(), self.since.minor()]
    }
}

/// A fact as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFact {
    since: Option<Version>,
    before: Option<Version>,
    what: String,
    source: String,
    date: String,
}

impl TryFrom<RawFact> for Fact {
    type Error = String;

    fn try_from(entry: RawFact) -> Result<Self, String> {
        let RawFact { since, before, what, source, date } = entry;
        attested(&what, &source, &date)?;
        if since.is_none() && before.is_none() {
            return Err(format!("`{what}` has neither `since` nor `before`"));
        }
        Ok(Self { since: since.unwrap_or_else(|| Version::from([0])), before })
    }
}

/// Refuses what has no source or no date.
fn attested(what: &str, source: &str, date: &str) -> Result<(), String> {
    if what.trim().is_empty() || source.trim().is_empty() {
        return Err(format!("`{what}` needs a text and a source"));
    }
    match date.parse::<jiff::civil::Date>() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{what}` has no date: {error}")),
    }
}

/// A lower bound for crun, and the machines that it concerns.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "FloorEntry")]
pub struct Floor {
    /// The lowest version that works.
    pub version: Version,
    /// Only on this kernel or later.
    kernel: Option<Version>,
    /// Only with this podman or later.
    podman: Option<Version>,
    /// The public thread or document that it is from.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FloorEntry {
    since: Version,
    kernel: Option<Version>,
    podman: Option<Version>,
    what: String,
    source: String,
    date: String,
}

impl TryFrom<FloorEntry> for Floor {
    type Error = String;

    fn try_from(entry: FloorEntry) -> Result<Self, String> {
        let FloorEntry { since, kernel, podman, what, source, date } = entry;
        attested(&what, &source, &date)?;
        Ok(Self { version: since, kernel, podman, source })
    }
}

impl Floor {
    fn concerns(&self, kernel: Option<&Version>, podman: Option<&Version>) -> bool {
        let is_met = |from: &Option<Version>, version: Option<&Version>| {
            from.as_ref().is_none_or(|from| version.is_some_and(|version| version >= from))
        };
        is_met(&self.kernel, kernel) && is_met(&self.podman, podman)
    }
}

/// Every lower bound for crun, in rising order.
#[must_use]
pub fn crun_floors() -> &'static [Floor] {
    &COMPAT.crun.floors
}

/// The highest floor that concerns a host with this kernel and this podman.
#[must_use]
pub fn crun_floor(kernel: Option<&Version>, podman: Option<&Version>) -> &'static Floor {
    let floors = crun_floors();
    floors.iter().rfind(|floor| floor.concerns(kernel, podman)).unwrap_or(&floors[0])
}

/// The version of a package in a release of a distribution.
#[derive(Debug, Deserialize)]
#[serde(try_from = "CarriedEntry")]
pub(crate) struct Carried {
    pub(crate) distro: String,
    pub(crate) release: Version,
    pub(crate) package: String,
    /// `None` if the release does not have it.
    pub(crate) version: Option<Version>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CarriedEntry {
    distro: String,
    release: Version,
    package: String,
    version: Option<Version>,
    source: String,
    date: String,
}

impl TryFrom<CarriedEntry> for Carried {
    type Error = String;

    fn try_from(entry: CarriedEntry) -> Result<Self, String> {
        let CarriedEntry { distro, release, package, version, source, date } = entry;
        attested(&package, &source, &date)?;
        Ok(Self { distro, release, package, version })
    }
}

/// Returns the package version in a release of a distribution, if it is known.
pub(crate) fn carried(distro: &str, release: Option<&Version>, package: &str) -> Option<&'static Carried> {
    COMPAT.carried.iter().find(|c| c.distro == distro && Some(&c.release) == release && c.package == package)
}

/// Returns the package version in the newest known release up to this one.
pub(crate) fn newest_carried(distro: &str, release: &Version, package: &str) -> Option<&'static Version> {
    let is_one = |c: &&Carried| c.distro == distro && c.package == package && c.release <= *release;
    let newest = COMPAT.carried.iter().filter(is_one).max_by(|a, b| a.release.cmp(&b.release))?;
    newest.version.as_ref()
}

#[cfg(test)]
mod tests {
    use super::{COMPAT, EMBEDDED, Fact, crun_floors};
    use crate::version::Version;

    #[test]
    fn every_embedded_fact_has_a_source_and_a_date() {
        assert!(COMPAT.podman.minimum.is_true_of(&Version::from([5, 4, 2])));
        assert!(crun_floors().iter().map(|floor| &floor.version).is_sorted());
        let mut entries = 0;
        let mut tables = vec![EMBEDDED.parse::<toml::Table>().unwrap()];
        while let Some(table) = tables.pop() {
            if table.contains_key("source") {
                entries += 1;
                for key in ["source", "date"] {
                    assert!(!table[key].as_str().unwrap().is_empty(), "{key} of {table:?}");
                }
                continue;
            }
            let nested = table.into_iter().flat_map(|(_, value)| match value {
                toml::Value::Array(values) => values,
                value => vec![value],
            });
            tables.extend(nested.filter_map(|value| value.try_into().ok()));
        }
        assert!(entries > 30, "{entries}");
    }

    #[test]
    fn a_fact_without_source_date_or_version_is_refused() {
        let whole = "since = \"1\"\nwhat = \"w\"\nsource = \"s\"\ndate = \"2026-11-27\"\n";
        assert!(toml::from_str::<Fact>(whole).is_ok());
        for (part, other) in [
            ("source = \"s\"", ""),
            ("source = \"s\"", "source = \" \""),
            ("date = \"2026-11-27\"", ""),
            ("2026-11-27", "2026-13-27"),
            ("since = \"1\"", ""),
            ("what = \"w\"", "what = \"\""),
            ("since", "sinse"),
        ] {
            assert!(toml::from_str::<Fact>(&whole.replace(part, other)).is_err(), "{part} -> {other}");
        }
    }

    #[test]
    fn a_fact_is_true_from_its_first_version_up_to_its_last() {
        let text = "since = \"3.4\"\nbefore = \"4\"\nwhat = \"w\"\nsource = \"s\"\ndate = \"2026-11-27\"\n";
        let fact: Fact = toml::from_str(text).unwrap();
        let is_true = |text: &str| fact.is_true_of(&text.parse().unwrap());
        assert!(is_true("3.4") && is_true("3.4.4+ds1") && is_true("3.99"));
        assert!(!is_true("3.3.9") && !is_true("4.0.0"));
        assert!(!fact.is_known_of(None));
    }
}
