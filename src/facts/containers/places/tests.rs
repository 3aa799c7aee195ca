use std::collections::BTreeMap;

use super::{PLACES, Place, read_by};
use crate::facts::containers::ConfFile;
use crate::version::Version;

const OWN: &str = "/home/dev/.config/containers";

fn file(path: &str) -> ConfFile {
    let place = match path.rsplit_once('/').unwrap() {
        ("/usr/share/containers", _) => Place::Usr,
        ("/usr/share/containers/containers.conf.d", _) => Place::UsrDropIn,
        ("/usr/share/containers/containers.rootless.conf.d", _) => Place::UsrRootless,
        ("/usr/share/containers/containers.rootless.conf.d/1000", _) => Place::UsrRootlessUser,
        ("/etc/containers", "containers.conf") => Place::Etc,
        ("/etc/containers", "containers.rootless.conf") => Place::EtcRootlessMain,
        ("/etc/containers/containers.conf.d", _) => Place::EtcDropIn,
        ("/etc/containers/containers.rootless.conf.d", _) => Place::EtcRootless,
        ("/etc/containers/containers.rootless.conf.d/1000", _) => Place::EtcRootlessUser,
        (OWN, _) => Place::User,
        ("/home/dev/.config/containers/containers.conf.d", _) => Place::UserDropIn,
        _ => Place::Override,
    };
    ConfFile { place, path: path.into(), is_ours: false, keys: BTreeMap::new(), ignored: Vec::new() }
}

/// The files that this podman reads, given in the order of the table.
fn read<'f>(files: &'f [ConfFile], podman: &str) -> Vec<&'f str> {
    let podman: Version = podman.parse().unwrap();
    read_by(files, &podman).into_iter().map(|file| file.path.as_str()).collect()
}

fn files(paths: &[&str]) -> Vec<ConfFile> {
    let mut files: Vec<_> = paths.iter().map(|path| file(path)).collect();
    files.sort_by_key(|file| file.place);
    files
}

#[test]
fn the_table_is_in_the_order_of_its_names() {
    assert!(PLACES.iter().enumerate().all(|(row, place)| place.0 as usize == row));
}

/// The same tree, read by podman up to 5 and from 6 on.
#[test]
fn podman_5_and_6_read_the_same_tree_in_their_own_order() {
    let all = files(&[
        "/usr/share/containers/containers.conf",
        "/usr/share/containers/containers.conf.d/10-vendor.conf",
        "/usr/share/containers/containers.rootless.conf.d/20-vendor.conf",
        "/usr/share/containers/containers.rootless.conf.d/1000/30-vendor.conf",
        "/etc/containers/containers.conf",
        "/etc/containers/containers.conf.d/90-site.conf",
        "/etc/containers/containers.rootless.conf",
        "/etc/containers/containers.rootless.conf.d/15-site.conf",
        "/etc/containers/containers.rootless.conf.d/1000/05-site.conf",
        "/home/dev/.config/containers/containers.conf",
        "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf",
        "/srv/override.conf",
    ]);
    let main_files = ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"];
    assert_eq!(
        read(&all, "3.0.1"),
        [main_files[0], main_files[1], "/home/dev/.config/containers/containers.conf"]
    );
    let old = [
        main_files[0],
        main_files[1],
        "/etc/containers/containers.conf.d/90-site.conf",
        "/home/dev/.config/containers/containers.conf",
        "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf",
    ];
    assert_eq!(read(&all, "3.4.4"), old);
    assert_eq!(read(&all, "4.3.1"), old);
    assert_eq!(read(&all, "5.4.2"), [&old[..], &["/srv/override.conf"]].concat());
    assert_eq!(
        read(&all, "5.7.0"),
        [
            main_files[0],
            main_files[1],
            "/etc/containers/containers.conf.d/90-site.conf",
            "/etc/containers/containers.rootless.conf",
            "/etc/containers/containers.rootless.conf.d/15-site.conf",
            "/etc/containers/containers.rootless.conf.d/1000/05-site.conf",
            "/home/dev/.config/containers/containers.conf",
            "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf",
            "/srv/override.conf",
        ]
    );
    assert_eq!(
        read(&all, "6.1.3"),
        [
            "/home/dev/.config/containers/containers.conf",
            "/etc/containers/containers.rootless.conf.d/1000/05-site.conf",
            "/usr/share/containers/containers.conf.d/10-vendor.conf",
            "/etc/containers/containers.rootless.conf.d/15-site.conf",
            "/usr/share/containers/containers.rootless.conf.d/20-vendor.conf",
            "/usr/share/containers/containers.rootless.conf.d/1000/30-vendor.conf",
            "/home/dev/.config/containers/containers.conf.d/50-kind-wsl.conf",
            "/etc/containers/containers.conf.d/90-site.conf",
            "/srv/override.conf",
        ]
    );
}

/// The examples of containers-config(5).
#[test]
fn podman_6_reads_the_examples_of_its_manual_as_the_manual_does() {
    let first = files(&[
        "/usr/share/containers/containers.conf",
        "/home/dev/.config/containers/containers.conf",
        "/usr/share/containers/containers.conf.d/00-vendor.conf",
        "/etc/containers/containers.conf.d/50-myconf.conf",
        "/home/dev/.config/containers/containers.conf.d/50-myconf.conf",
        "/usr/share/containers/containers.conf.d/99-conf.conf",
    ]);
    assert_eq!(
        read(&first, "6.0.0"),
        [
            "/home/dev/.config/containers/containers.conf",
            "/usr/share/containers/containers.conf.d/00-vendor.conf",
            "/home/dev/.config/containers/containers.conf.d/50-myconf.conf",
            "/usr/share/containers/containers.conf.d/99-conf.conf",
        ]
    );
    let second = files(&[
        "/usr/share/containers/containers.conf",
        "/etc/containers/containers.conf",
        "/usr/share/containers/containers.conf.d/10-vendor.conf",
        "/usr/share/containers/containers.conf.d/99-important.conf",
        "/usr/share/containers/containers.rootless.conf.d/50-my.conf",
        "/home/dev/.config/containers/containers.conf.d/10-vendor.conf",
        "/home/dev/.config/containers/containers.conf.d/33-opt.conf",
    ]);
    assert_eq!(
        read(&second, "6.0.0"),
        [
            "/etc/containers/containers.conf",
            "/home/dev/.config/containers/containers.conf.d/10-vendor.conf",
            "/home/dev/.config/containers/containers.conf.d/33-opt.conf",
            "/usr/share/containers/containers.rootless.conf.d/50-my.conf",
            "/usr/share/containers/containers.conf.d/99-important.conf",
        ]
    );
}

/// `readDropInsFromPaths`: the directory that is first in the list replaces the others.
#[test]
fn of_one_name_in_one_base_podman_6_reads_the_plain_drop_in() {
    let same = files(&[
        "/etc/containers/containers.conf.d/50-a.conf",
        "/etc/containers/containers.rootless.conf.d/50-a.conf",
        "/etc/containers/containers.rootless.conf.d/1000/50-a.conf",
        "/usr/share/containers/containers.conf.d/50-a.conf",
    ]);
    assert_eq!(read(&same, "6.0.0"), ["/etc/containers/containers.conf.d/50-a.conf"]);
    assert_eq!(read(&same, "5.8.4").len(), 3);
}
