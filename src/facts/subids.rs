//! The user's subordinate IDs, and a range that could be added.
//!
//! A range gives its owner every ID in it, through `newuidmap`. A range with another account's ID would give access
//! to that account's files. So a new range overlaps no ID of an account or group and no other range.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::edit::table::{c_number, subid_free_start, subid_ranges};
use crate::host::{Account, Cmd, System};

/// The number of subordinate IDs that a user namespace needs to map every regular ID (subuid(5); podman's rootless
/// tutorial).
pub const SUBIDS: u32 = 65536;

/// IDs that no range may contain (systemd `docs/UIDS-GIDS.md`): system accounts, `DynamicUser=`, `nobody` and other
/// IDs of 16 bits, and the range of foreign images.
const RESERVED: [Range<u64>; 2] = [0..65_536, 2_147_352_576..2_147_418_112];

/// The IDs that SSSD assigns to accounts of a domain (sssd-ldap(5), `ldap_idmap_range_min` and `_max`). By default it
/// does not list these accounts (sssd.conf(5), `enumerate`).
const SSSD: Range<u64> = 200_000..2_000_200_000;

/// Subordinate IDs of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subids {
    /// The number of user IDs in all ranges of the user.
    pub uids: u32,
    /// The number of group IDs in all ranges of the user.
    pub gids: u32,
    /// First ID and length of the range to add to `/etc/subuid`; `None` if the user has enough, or if none can be
    /// added.
    pub new_uids: Option<(u32, u32)>,
    /// The same for `/etc/subgid`.
    pub new_gids: Option<(u32, u32)>,
    /// Why none can be added.
    pub obstacle: Option<Obstacle>,
    /// Whether `newuidmap` is installed.
    pub newuidmap: bool,
}

/// Why no range can be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Obstacle {
    /// This source of `/etc/nsswitch.conf` provides the ranges; the files are not read.
    Source {
        /// Its name: `sss`.
        name: String,
    },
    /// The accounts cannot be listed.
    Unlisted {
        /// The command that failed.
        command: String,
    },
    /// No range is free between the bounds of `/etc/login.defs`.
    Full,
}

/// The ranges of a file, with their owners.
type Ranges = Vec<(String, u64, u64)>;

impl Subids {
    /// Reads the ranges and, if they are too short, also the accounts and the bounds of a new range.
    #[must_use]
    pub fn probe(system: &dyn System, user: &Account) -> Self {
        let newuidmap = system.exists("/usr/bin/newuidmap");
        let switch = system.text("/etc/nsswitch.conf").unwrap_or_default();
        if let Some(name) = subid_source(&switch) {
            let [uids, gids] = [&[][..], &["-g"]].map(|flags| granted(system, flags, &user.name));
            let obstacle = Some(Obstacle::Source { name: name.to_owned() });
            return Self { uids, gids, obstacle, newuidmap, ..Self::default() };
        }
        let files =
            ["/etc/subuid", "/etc/subgid"].map(|file| subid_ranges(&system.text(file).unwrap_or_default()));
        let is_own = |owner: &str| owner == user.name || owner == user.uid.to_string();
        let own = |ranges: &Ranges| -> Vec<Range<u64>> {
            ranges.iter().filter(|(owner, ..)| is_own(owner)).map(spanned).collect()
        };
        let owns = files.each_ref().map(own);
        let [uids, gids] = owns.each_ref().map(|own| total(own));
        let mut subids = Self { uids, gids, newuidmap, ..Self::default() };
        if uids >= SUBIDS && gids >= SUBIDS {
            return subids;
        }
        let mut taken = match accounts(system, &switch) {
            Ok(taken) => taken,
            Err(command) => {
                subids.obstacle = Some(Obstacle::Unlisted { command });
                return subids;
            }
        };
        taken.extend(RESERVED);
        let others = files.iter().flatten().filter(|(owner, ..)| !is_own(owner)).map(spanned);
        taken.extend(others);
        let bounds = Bounds::probe(system);
        let [of_uids, of_gids] = &bounds;
        let with = |owns: &[&Vec<Range<u64>>]| {
            [taken.clone(), owns.iter().flat_map(|own| own.iter().cloned()).collect()].concat()
        };
        let all = with(&[&owns[0], &owns[1]]);
        // A whole range in one file is the one to add to the other, if it is free there.
        let same = |here: usize, there: usize| {
            let (bounds, taken) = (&bounds[here], with(&[&owns[here]]));
            owns[there].iter().find_map(|range| {
                let start = u32::try_from(range.start).ok()?;
                let count = u32::try_from(range.end - range.start).ok()?;
                let is_free =
                    start >= bounds.min && subid_free_start(&taken, count, start, bounds.max) == Some(start);
                (count >= SUBIDS && is_free).then_some((start, count))
            })
        };
        if uids < SUBIDS && gids < SUBIDS {
            let both = of_uids.and(of_gids).free(&all);
            subids.new_uids = both.or_else(|| of_uids.free(&all));
            subids.new_gids = both.or_else(|| of_gids.free(&all));
        } else if uids < SUBIDS {
            subids.new_uids = same(0, 1).or_else(|| of_uids.free(&all));
        } else {
            subids.new_gids = same(1, 0).or_else(|| of_gids.free(&all));
        }
        let lacks = |count, new: Option<_>| count < SUBIDS && new.is_none();
        if lacks(uids, subids.new_uids) || lacks(gids, subids.new_gids) {
            (subids.new_uids, subids.new_gids) = (None, None);
            subids.obstacle = Some(Obstacle::Full);
        }
        subids
    }
}

/// Bounds of a new range (login.defs(5)).
struct Bounds {
    min: u32,
    max: u32,
    count: u32,
}

impl Bounds {
    /// The bounds of user IDs and of group IDs, with shadow's defaults (`lib/find_new_sub_uids.c`).
    fn probe(system: &dyn System) -> [Self; 2] {
        // openSUSE has its defaults in /usr/etc; a file in /etc replaces them (libeconf).
        let text = ["/etc/login.defs", "/usr/etc/login.defs"].into_iter().find_map(|path| system.text(path));
        let text = text.unwrap_or_default();
        ["UID", "GID"].map(|kind| {
            let get = |key: &str, default| number(&text, &format!("SUB_{kind}_{key}")).unwrap_or(default);
            Self { min: get("MIN", 100_000), max: get("MAX", 600_100_000), count: get("COUNT", SUBIDS) }
        })
    }

    fn and(&self, other: &Self) -> Self {
        let (min, max) = (self.min.max(other.min), self.max.min(other.max));
        Self { min, max, count: self.count.max(other.count) }
    }

    /// A range of `count` IDs, but at least as many as a container needs.
    fn free(&self, taken: &[Range<u64>]) -> Option<(u32, u32)> {
        let counts = [self.count.max(SUBIDS), SUBIDS];
        counts
            .into_iter()
            .find_map(|count| Some((subid_free_start(taken, count, self.min, self.max)?, count)))
    }
}

/// A number of login.defs as shadow reads it (`lib/getdef.c`): the last line with the key wins.
fn number(text: &str, key: &str) -> Option<u32> {
    let value = |line: &str| {
        let (name, value) = line.trim_start_matches([' ', '\t']).split_once([' ', '\t'])?;
        let value = value.trim_matches([' ', '\t', '"', '\r']);
        (name == key).then(|| c_number(value)).flatten()
    };
    text.lines().filter_map(value).next_back().map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// The IDs of every account and group, from the files and from the other sources of `/etc/nsswitch.conf`, as far as
/// they list theirs.
///
/// # Errors
/// The command that failed although such a source is configured.
fn accounts(system: &dyn System, switch: &str) -> Result<Vec<Range<u64>>, String> {
    let ids = |text: &str| -> Vec<Range<u64>> {
        // passwd(5): user ID and group ID; group(5): the group ID, then names.
        let columns = text.lines().flat_map(|line| line.split(':').skip(2).take(2));
        columns.filter_map(|id| id.parse::<u64>().ok()).map(|id| id..id.saturating_add(1)).collect()
    };
    let mut taken = Vec::new();
    for database in ["passwd", "group"] {
        taken.extend(ids(&system.text(&format!("/etc/{database}")).unwrap_or_default()));
        let command = Cmd::new("getent", [database]);
        let sources = sources(switch, database);
        match system.output_checked(&command) {
            Ok(text) => taken.extend(ids(&text)),
            // Every source except these has accounts that are in no file (nsswitch.conf(5)).
            Err(_) if sources.iter().all(|s| ["files", "compat", "systemd", "db"].contains(s)) => {}
            Err(_) => return Err(command.to_string()),
        }
        if sources.contains(&"sss") {
            taken.push(SSSD);
        }
    }
    Ok(taken)
}

/// The sources of a database, without the actions for failures.
fn sources<'s>(switch: &'s str, database: &str) -> Vec<&'s str> {
    let of = |line: &'s str| {
        let (name, sources) = line.split('#').next()?.split_once(':')?;
        (name.trim() == database).then_some(sources)
    };
    let words = switch.lines().find_map(of).unwrap_or_default().split_ascii_whitespace();
    words.filter(|word| !word.starts_with('[') && !word.ends_with(']')).collect()
}

/// The source that provides the ranges instead of the files: shadow uses only the first (`lib/nss.c`).
fn subid_source(switch: &str) -> Option<&str> {
    sources(switch, "subid").first().copied().filter(|name| !name.eq_ignore_ascii_case("files"))
}

/// The number of IDs that a source grants: `getsubids` prints `0: dev 100000 65536`.
fn granted(system: &dyn System, flags: &[&str], user: &str) -> u32 {
    let cmd = Cmd::new("getsubids", flags.iter().copied()).operand(user);
    let text = system.stdout_if_ok(&cmd).unwrap_or_default();
    let range = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(2).map(|n| n.parse::<u64>().ok());
        let (start, count) = (words.next()??, words.next()??);
        Some(start..start.saturating_add(count))
    };
    total(&text.lines().filter_map(range).collect::<Vec<_>>())
}

fn spanned((_, start, count): &(String, u64, u64)) -> Range<u64> {
    *start..start.saturating_add(*count)
}

/// The number of IDs in these ranges; an ID in two of them counts once.
fn total(ranges: &[Range<u64>]) -> u32 {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut sum, mut end) = (0_u64, 0);
    for range in ranges {
        sum = sum.saturating_add(range.end.saturating_sub(range.start.max(end)));
        end = end.max(range.end);
    }
    u32::try_from(sum).unwrap_or(u32::MAX)
}
