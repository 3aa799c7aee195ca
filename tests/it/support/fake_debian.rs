//! apt, dpkg and their list of packages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::managers::{conflicting, dependents};
use super::systemd::{DAEMONS, systemctl};
use super::{Answer, PACKAGED, write_at_once};

pub(super) fn packages(root: &Path, file: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root.join("fake").join(file)).unwrap_or_default();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

pub(super) fn keep(root: &Path, packages: &BTreeMap<String, String>) {
    let lines: String = packages.iter().map(|(n, v)| format!("{n} {v}\n")).collect();
    write_at_once(root, &root.join("fake/packages"), &lines);
}

pub(super) fn listing(root: &Path) -> Answer {
    Answer::said(
        packages(root, "packages").iter().map(|(n, v)| format!("installed {n} {v}\n")).collect::<String>(),
    )
}

pub(super) fn policy(root: &Path, args: &[&str]) -> Answer {
    let (installed, archive) = (packages(root, "packages"), packages(root, "archive"));
    let none = "(none)".to_owned();
    let entry = |name: &&str| {
        let has = installed.get(*name).unwrap_or(&none);
        let candidate = archive.get(*name).or_else(|| installed.get(*name)).unwrap_or(&none);
        format!("{name}:\n  Installed: {has}\n  Candidate: {candidate}\n  Version table:\n")
    };
    Answer::said(args[1..].iter().map(entry).collect::<String>())
}

pub(super) const PLUGINS: &str = "containernetworking-plugins";

/// Packages that come along with another, as dependencies do.
pub(super) fn companions(name: &str) -> &'static [&'static str] {
    match name {
        "podman" => &["conmon", "golang-github-containers-common", "libsubid4"],
        "systemd-sysv" => &["libpam-systemd"],
        "docker.io" => &["containerd", "runc", "tini"],
        "nerdctl" => &["runc"],
        _ => &[],
    }
}

/// `dpkg -i`: a test says in `/fake/deb` what the file installs, which is a real one.
pub(super) fn install_file(root: &Path, archive: &str) -> Answer {
    if !root.join(archive.trim_start_matches('/')).is_file() {
        let text = format!("dpkg: error: cannot access archive '{archive}': No such file or directory\n");
        return Answer::failed(2, text);
    }
    let file = packages(root, "deb");
    if file.is_empty() {
        return Answer::failed(2, "dpkg-deb: error: not a Debian format archive\n");
    }
    let mut installed = packages(root, "packages");
    installed.extend(file);
    keep(root, &installed);
    Answer::default()
}

/// A test puts the half of an installation into `/fake/apt-fails`: the names that are still unpacked before it fails.
pub(super) fn fails_half_way(root: &Path, names: &[&str]) -> Option<Answer> {
    let wanted = fs::read_to_string(root.join("fake/apt-fails")).ok()?;
    let half: Vec<&str> =
        names.iter().copied().filter(|n| wanted.split_ascii_whitespace().any(|w| w == *n)).collect();
    if half.is_empty() {
        return None;
    }
    let mut installed = packages(root, "packages");
    installed.extend(
        half.iter()
            .flat_map(|n| std::iter::once(n).chain(companions(n)))
            .map(|n| ((*n).to_owned(), "1.0".to_owned())),
    );
    keep(root, &installed);
    let text = "dpkg: error processing archive uidmap_4.13.deb (--unpack): cannot copy extracted data: unexpected end of file\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n";
    Some(Answer::failed(100, text))
}

pub(super) fn apt(root: &Path, args: &[&str]) -> Answer {
    let is_option = |a: &&&str| !a.starts_with('-') && !a.contains("::");
    let mut words = args.iter().filter(is_option).copied();
    let (verb, names): (_, Vec<&str>) = (words.next().unwrap_or_default(), words.collect());
    let mut installed = packages(root, "packages");
    let archive = packages(root, "archive");
    match verb {
        "update" => match fs::read_to_string(root.join("fake/stale")) {
            Ok(text) => Answer::failed(100, text),
            Err(_) => Answer::said("Reading package lists...\n"),
        },
        "install" if args.contains(&"-s") => {
            let new = names
                .iter()
                .flat_map(|n| std::iter::once(n).chain(companions(n)))
                .chain(
                    names
                        .iter()
                        .filter(|n| **n == "podman" && archive.contains_key(PLUGINS))
                        .map(|_| &PLUGINS),
                )
                .filter(|n| !installed.contains_key(**n));
            let new = new.map(|n| format!("Inst {n} (1.0 Debian:12 [amd64])\n"));
            let gone = conflicting(root, &names).into_iter().map(|n| format!("Remv {n} [1.0]\n"));
            Answer::said(gone.chain(new).collect::<String>())
        }
        "install" if names.iter().any(|n| n.contains('=')) => {
            for (name, version) in names.iter().filter_map(|n| n.split_once('=')) {
                if archive.get(name).is_none_or(|v| v != version) {
                    return Answer::failed(
                        100,
                        format!("E: Version '{version}' for '{name}' was not found\n"),
                    );
                }
                installed.insert(name.to_owned(), version.to_owned());
            }
            keep(root, &installed);
            Answer::default()
        }
        "install" => {
            if let Some(failed) = fails_half_way(root, &names) {
                return failed;
            }
            if let Some(missing) = names.iter().find(|n| !archive.contains_key(**n)) {
                return Answer::failed(100, format!("E: Unable to locate package {missing}\n"));
            }
            let conflicting = conflicting(root, &names);
            if !conflicting.is_empty() && args.contains(&"--no-remove") {
                return Answer::failed(100, "E: Packages need to be removed but remove is disabled.\n");
            }
            installed.retain(|name, _| !conflicting.contains(name));
            let all = names.iter().copied().chain(names.iter().flat_map(|n| companions(n)).copied());
            for name in all {
                let version = archive.get(name).cloned().unwrap_or_else(|| "1.0".to_owned());
                installed.entry(name.to_owned()).or_insert(version);
                // podman 3 depends on the plugins.
                if name == "podman"
                    && let Some(plugins) = archive.get(PLUGINS)
                {
                    installed.entry(PLUGINS.to_owned()).or_insert_with(|| plugins.clone());
                }
                if name == "systemd-sysv" {
                    let _ = std::os::unix::fs::symlink("/lib/systemd/systemd", root.join("sbin/init"));
                }
                unpack(root, name);
            }
            keep(root, &installed);
            Answer::said("dlstatus:1:50.0:Retrieving file 1 of 2\npmstatus:podman:100.0:Installed podman\n")
        }
        "purge" if args.contains(&"-s") => {
            let others =
                dependents(root, &names).into_iter().map(|(other, _)| format!("Remv {other} [1.0]\n"));
            let ours = names.iter().map(|n| format!("Purg {n} [1.0]\n"));
            Answer::said(others.chain(ours).collect::<String>())
        }
        "purge" => {
            // As apt does, with `-y` and without a word.
            for (other, _) in dependents(root, &names) {
                installed.remove(&other);
            }
            for name in &names {
                installed.remove(*name);
                if *name == "systemd-sysv" {
                    let _ = fs::remove_file(root.join("sbin/init"));
                }
                take_out(root, name);
            }
            keep(root, &installed);
            Answer::default()
        }
        _ => Answer::failed(100, format!("E: Invalid operation {verb}\n")),
    }
}

/// What a package puts there and its script starts.
pub(super) fn unpack(root: &Path, package: &str) {
    for (path, _) in PACKAGED.iter().filter(|(_, of)| *of == package) {
        let path = root.join(path);
        let _ = fs::create_dir_all(path.parent().unwrap_or(root));
        let _ = fs::copy(root.join("usr/bin/podman"), path);
    }
    for (unit, ..) in DAEMONS.iter().filter(|(_, of, _)| *of == package) {
        systemctl(root, &["enable", unit]);
    }
}

pub(super) fn take_out(root: &Path, package: &str) {
    for (unit, ..) in DAEMONS.iter().filter(|(_, of, _)| *of == package) {
        systemctl(root, &["disable", unit]);
    }
    for (path, _) in PACKAGED.iter().filter(|(_, of)| *of == package) {
        let path = root.join(path);
        let _ = fs::remove_file(&path);
        for dir in path.ancestors().skip(1).take(3).filter(|dir| !dir.ends_with("bin")) {
            let _ = fs::remove_dir(dir);
        }
        let _ = fs::remove_dir(root.join("usr/sbin"));
    }
}
