//! What packages need and exclude, and dnf, zypper, pacman and rpm.

use std::fs;
use std::path::Path;

use super::Answer;
use super::debian::{companions, keep, listing, packages};

/// The installed packages that conflict with these: `/fake/conflicts` has two names a line.
pub(super) fn conflicting(root: &Path, names: &[&str]) -> Vec<String> {
    let installed = packages(root, "packages");
    let pairs = packages(root, "conflicts").into_iter().filter(|(name, _)| names.contains(&name.as_str()));
    pairs.map(|(_, other)| other).filter(|other| installed.contains_key(other)).collect()
}

/// The installed packages that need one of these, or one that does, and what each needs: `/fake/needs` has two names a
/// line, and a package needs its companions.
pub(super) fn dependents(root: &Path, names: &[&str]) -> Vec<(String, String)> {
    let installed = packages(root, "packages");
    let mut needs: Vec<(String, String)> = packages(root, "needs").into_iter().collect();
    needs.extend(installed.keys().flat_map(|n| companions(n).iter().map(|c| (n.clone(), (*c).to_owned()))));
    let mut gone: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut found = Vec::new();
    loop {
        let next = needs.iter().find(|(other, needed)| {
            installed.contains_key(other)
                && installed.contains_key(needed)
                && gone.contains(needed)
                && !gone.contains(other)
        });
        let Some((other, needed)) = next else { return found };
        found.push((other.clone(), needed.clone()));
        gone.push(other.clone());
    }
}

/// dnf, zypper and pacman, as far as their exit codes and their dependencies go. A test puts zypper's exit code into
/// `/fake/zypper-code`.
pub(super) fn other_manager(root: &Path, program: &str, args: &[&str]) -> Answer {
    let mut installed = packages(root, "packages");
    let names: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
    if program == "pacman" && args == ["-Q"] {
        return Answer::said(installed.iter().map(|(n, v)| format!("{n} {v}\n")).collect::<String>());
    }
    let is_removal = names.first() == Some(&"remove") || args.iter().any(|a| matches!(*a, "-R" | "-Rn"));
    let names = if program == "pacman" { &names[..] } else { &names[1..] };
    if program == "pacman" && is_removal {
        // Without -c and -s it refuses what others need.
        let needed: String = direct(root, names)
            .iter()
            .map(|(other, needed)| {
                format!(":: removing {needed} breaks dependency '{needed}' required by {other}\n")
            })
            .collect();
        if !needed.is_empty() {
            return Answer::failed(
                1,
                format!("error: failed to prepare transaction (could not satisfy dependencies)\n{needed}"),
            );
        }
        if args.contains(&"--print") {
            return Answer::said(names.join("\n"));
        }
    }
    if is_removal {
        for other in dependents(root, names).into_iter().map(|(other, _)| other) {
            installed.remove(&other);
        }
        installed.retain(|name, _| !names.contains(&name.as_str()));
    } else {
        let archive = packages(root, "archive");
        if let Some(missing) = names.iter().find(|n| !archive.contains_key(**n)) {
            let code = if program == "zypper" { 104 } else { 1 };
            return Answer::failed(code, format!("'{missing}' not found\n"));
        }
        for name in names.iter().copied().chain(names.iter().flat_map(|n| companions(n)).copied()) {
            installed.insert(name.to_owned(), archive.get(name).map_or("1.0", String::as_str).to_owned());
        }
    }
    keep(root, &installed);
    let code = fs::read_to_string(root.join("fake/zypper-code")).ok().filter(|_| program == "zypper");
    Answer { code: code.and_then(|c| c.trim().parse().ok()).unwrap_or(0), ..Answer::default() }
}

/// Those that need one of these themselves.
fn direct(root: &Path, names: &[&str]) -> Vec<(String, String)> {
    dependents(root, names).into_iter().filter(|(_, needed)| names.contains(&needed.as_str())).collect()
}

pub(super) fn rpm(root: &Path, args: &[&str]) -> Answer {
    if args.first() == Some(&"-qa") {
        return listing(root);
    }
    let names: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
    let needed: String = direct(root, &names)
        .iter()
        .map(|(other, needed)| format!("\t{needed} is needed by (installed) {other}-1.0-1.x86_64\n"))
        .collect();
    if needed.is_empty() {
        return Answer::default();
    }
    Answer::failed(1, format!("error: Failed dependencies:\n{needed}"))
}
