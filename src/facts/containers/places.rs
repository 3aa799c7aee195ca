//! The paths of containers.conf, and the order in which podman reads them.
//!
//! Up to podman 5: `common/pkg/config/new.go`, `systemConfigs` (containers/common, later container-libs). From 6 on:
//! `storage/pkg/configfile/parse.go` of container-libs, and containers-config(5).

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::ConfFile;
use crate::compat::{COMPAT, Fact};
use crate::host::{Account, System};
use crate::version::Version;

/// A path that podman reads, in the order of podman up to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    Usr,
    UsrDropIn,
    UsrRootless,
    UsrRootlessUser,
    Etc,
    EtcDropIn,
    EtcRootlessMain,
    EtcRootless,
    EtcRootlessUser,
    User,
    UserDropIn,
    /// The file in `CONTAINERS_CONF_OVERRIDE`.
    Override,
}

/// The owner of a directory. Of drop-ins with the same name, podman 6 reads the one of the last base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    Usr,
    Etc,
    User,
}

/// The kind of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlaceKind {
    /// One file. podman 6 reads only that of the last base.
    Main,
    /// Files that end in `.conf`. podman 6 sorts those of all directories by name and reads them after the main file.
    DropIns,
    /// The same, in a directory with the user's ID as its name.
    DropInsOfUser,
    /// One file, read after everything else.
    Last,
}

/// Every path, in the order in which podman up to 5 reads them. Of drop-ins of one base with the same name, podman 6
/// reads the one in the first row.
const PLACES: [(Place, Base, &str, PlaceKind, ReadBy); 12] = [
    (Place::Usr, Base::Usr, "containers.conf", PlaceKind::Main, ReadBy::Every),
    (Place::UsrDropIn, Base::Usr, "containers.conf.d", PlaceKind::DropIns, ReadBy::OneMainFile),
    (Place::UsrRootless, Base::Usr, "containers.rootless.conf.d", PlaceKind::DropIns, ReadBy::OneMainFile),
    (
        Place::UsrRootlessUser,
        Base::Usr,
        "containers.rootless.conf.d",
        PlaceKind::DropInsOfUser,
        ReadBy::OneMainFile,
    ),
    (Place::Etc, Base::Etc, "containers.conf", PlaceKind::Main, ReadBy::Every),
    (Place::EtcDropIn, Base::Etc, "containers.conf.d", PlaceKind::DropIns, ReadBy::DropIns),
    (Place::EtcRootlessMain, Base::Etc, "containers.rootless.conf", PlaceKind::Main, ReadBy::RootlessMain),
    (Place::EtcRootless, Base::Etc, "containers.rootless.conf.d", PlaceKind::DropIns, ReadBy::Rootless),
    (
        Place::EtcRootlessUser,
        Base::Etc,
        "containers.rootless.conf.d",
        PlaceKind::DropInsOfUser,
        ReadBy::Rootless,
    ),
    (Place::User, Base::User, "containers.conf", PlaceKind::Main, ReadBy::Every),
    (Place::UserDropIn, Base::User, "containers.conf.d", PlaceKind::DropIns, ReadBy::DropIns),
    (Place::Override, Base::User, "", PlaceKind::Last, ReadBy::Override),
];

/// The podman versions that read a path.
#[derive(Clone, Copy, Debug)]
enum ReadBy {
    Every,
    DropIns,
    Override,
    Rootless,
    RootlessMain,
    OneMainFile,
}

impl ReadBy {
    fn reads(self, podman: &Version) -> bool {
        let rules = &COMPAT.podman;
        let fact: &Fact = match self {
            Self::Every => return true,
            Self::DropIns => &rules.drop_ins,
            Self::Override => &rules.conf_override,
            Self::Rootless => &rules.rootless_drop_ins,
            Self::RootlessMain => &rules.rootless_main,
            Self::OneMainFile => &rules.one_main_file,
        };
        fact.is_true_of(podman)
    }
}

/// The position of a file; later ones win. With podman 6, a main file comes before every drop-in.
type ReadRank<'f> = (usize, Option<Place>, &'f str);

impl Place {
    fn row(self) -> (Base, PlaceKind, ReadBy) {
        let (_, base, _, form, reader) = PLACES[self as usize];
        (base, form, reader)
    }

    /// Whether this podman reads it.
    fn is_read_by(self, podman: &Version) -> bool {
        self.row().2.reads(podman)
    }

    /// The position of a file with that name in the order of this podman.
    pub(super) fn rank<'f>(self, path: &'f Utf8Path, podman: &Version) -> ReadRank<'f> {
        let name = path.file_name().unwrap_or_default();
        if !COMPAT.podman.one_main_file.is_true_of(podman) {
            return (0, Some(self), name);
        }
        match self.row().1 {
            PlaceKind::Main => (0, None, ""),
            PlaceKind::DropIns | PlaceKind::DropInsOfUser => (1, None, name),
            PlaceKind::Last => (2, None, ""),
        }
    }
}

/// The paths that some podman version reads, in the order of podman up to 5.
pub(super) fn paths(system: &dyn System, user: &Account) -> Vec<(Place, Utf8PathBuf)> {
    let mut paths = Vec::new();
    for (place, base, name, form, _) in PLACES {
        let dir = match base {
            Base::Usr => "/usr/share/containers".into(),
            Base::Etc => "/etc/containers".into(),
            Base::User => super::conf_dir(user),
        };
        match form {
            PlaceKind::Main => paths.push((place, dir.join(name))),
            PlaceKind::DropIns => {
                paths.extend(super::drop_ins(system, &dir.join(name)).into_iter().map(|path| (place, path)));
            }
            PlaceKind::DropInsOfUser => {
                let dir = dir.join(name).join(user.uid.to_string());
                paths.extend(super::drop_ins(system, &dir).into_iter().map(|path| (place, path)));
            }
            PlaceKind::Last => {
                let named = system.env("CONTAINERS_CONF_OVERRIDE").map(Utf8PathBuf::from);
                paths.extend(named.filter(|path| path.is_absolute()).map(|path| (place, path)));
            }
        }
    }
    paths
}

/// The files that this podman reads; the last one wins.
pub(super) fn read_by<'f>(files: &'f [ConfFile], podman: &Version) -> Vec<&'f ConfFile> {
    let read = || files.iter().filter(|file| file.place.is_read_by(podman));
    if !COMPAT.podman.one_main_file.is_true_of(podman) {
        return read().collect();
    }
    // Later entries of a map replace earlier ones: the last base wins, and in it the first row.
    let mut files: Vec<_> = read().collect();
    files.sort_by_key(|file| (file.place.row().0, std::cmp::Reverse(file.place)));
    let by_rank = files.into_iter().map(|file| (file.place.rank(&file.path, podman), file));
    by_rank.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[cfg(test)]
mod tests;
