//! A pretended machine: apt, dpkg, systemctl, sysctl, podman and the rest, answering from files below a root.
//!
//! What each answers follows the real ones as far as we look at them; the whole-machine test under `tests/vm`
//! runs the real ones. State lies in the tree: packages in `/fake/packages`, what apt can install in `/fake/archive`,
//! the kernel's settings in `/proc/sys`, enabled units as links in `/etc/systemd/system`.

#![allow(dead_code, reason = "shared by several test programs, each of which uses a part")]
#![allow(
    clippy::disallowed_methods,
    clippy::format_collect,
    reason = "a test double, not part of the program"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a program answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    fn said(text: impl Into<String>) -> Self {
        Self { stdout: text.into(), ..Self::default() }
    }
    fn failed(code: i32, text: impl Into<String>) -> Self {
        Self { code, stderr: text.into(), ..Self::default() }
    }
}

/// The programs that the machine has.
pub(crate) const PROGRAMS: [&str; 15] = [
    "apt-get",
    "apt-cache",
    "dpkg",
    "dpkg-query",
    "systemctl",
    "sysctl",
    "uname",
    "wslinfo",
    "systemd-run",
    "podman",
    "getent",
    "crun",
    "modprobe",
    "newuidmap",
    "cut-off",
];

/// Runs one of them.
pub(crate) fn answer(root: &Path, program: &str, args: &[String]) -> Answer {
    note(root, program, args);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match program {
        "uname" => Answer::said("x86_64\n"),
        "wslinfo" => match fs::read_to_string(root.join("fake/wsl-version")) {
            Ok(version) => Answer::said(version),
            Err(_) => Answer::failed(127, ""),
        },
        "getent" => Answer::failed(2, ""),
        "dpkg-query" => listing(root),
        "apt-cache" => policy(root, &args),
        "apt-get" => apt(root, &args),
        "dpkg" => Answer::default(),
        "systemctl" => systemctl(root, &args),
        "sysctl" => sysctl(root, &args),
        "podman" if args.first() == Some(&"ps") => {
            Answer::said(fs::read_to_string(root.join("fake/nodes")).unwrap_or_default())
        }
        "systemd-run" | "podman" => podman_info(root),
        "crun" => Answer::said("crun version 1.8.1\ncommit: f8a096be060b22ccd3d5f3ebe44108517fbf6c30\n"),
        "wsl.exe" | "cmd.exe" | "kind-wsl-helper.exe" => windows(root, program, &args),
        _ => Answer::failed(127, format!("{program}: not played\n")),
    }
}

/// Keeps a list of what was run, for tests that ask whether anything was.
fn note(root: &Path, program: &str, args: &[String]) {
    use std::io::Write;
    let log = root.join("fake/commands");
    if let Ok(mut file) = fs::OpenOptions::new().create(true).append(true).open(log) {
        let _ = writeln!(file, "{program} {}", args.join(" "));
    }
}

/// Whether a test put the name of this hook and a part of this command line into `/fake`; it works once.
pub(crate) fn is_hooked(root: &Path, hook: &str, program: &str, args: &[String]) -> bool {
    let path = root.join("fake").join(hook);
    let Ok(wanted) = fs::read_to_string(&path) else { return false };
    let hit = format!("{program} {}", args.join(" ")).contains(wanted.trim());
    hit && fs::remove_file(path).is_ok()
}

/// A Windows program: what a test put into `/fake/windows/PROGRAM COMMAND`, the exit code in its first line; what is
/// not 0 says the rest on standard error. The helper's `restart` also leaves `/fake/windows/result` as its result.
fn windows(root: &Path, program: &str, args: &[&str]) -> Answer {
    let command = args.first().copied().unwrap_or_default();
    let said = fs::read_to_string(root.join("fake/windows").join(format!("{program} {command}")));
    let Ok(said) = said else { return Answer::failed(1, format!("{program} {command}: not played\n")) };
    if (program, command) == ("kind-wsl-helper.exe", "restart")
        && let Ok(result) = fs::read_to_string(root.join("fake/windows/result"))
    {
        let id = args[args.iter().position(|a| *a == "--id").map_or(0, |at| at + 1)];
        let place = root.join("mnt/c/Users/dev/AppData/Local/kind-wsl");
        let _ = fs::write(place.join(format!("{id}.result")), result.replace("[ID]", id));
    }
    let (code, rest) = said.split_once('\n').unwrap_or((&said, ""));
    match code.parse() {
        Ok(0) => Answer::said(rest),
        code => Answer::failed(code.unwrap_or(1), rest),
    }
}

fn packages(root: &Path, file: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root.join("fake").join(file)).unwrap_or_default();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn keep(root: &Path, packages: &BTreeMap<String, String>) {
    let lines: String = packages.iter().map(|(n, v)| format!("{n} {v}\n")).collect();
    let _ = fs::write(root.join("fake/packages"), lines);
}

fn listing(root: &Path) -> Answer {
    Answer::said(
        packages(root, "packages").iter().map(|(n, v)| format!("installed {n} {v}\n")).collect::<String>(),
    )
}

fn policy(root: &Path, args: &[&str]) -> Answer {
    let (installed, archive) = (packages(root, "packages"), packages(root, "archive"));
    let none = "(none)".to_owned();
    let entry = |name: &&str| {
        let has = installed.get(*name).unwrap_or(&none);
        let candidate = archive.get(*name).or_else(|| installed.get(*name)).unwrap_or(&none);
        format!("{name}:\n  Installed: {has}\n  Candidate: {candidate}\n  Version table:\n")
    };
    Answer::said(args[1..].iter().map(entry).collect::<String>())
}

/// Packages that come along with another, as dependencies do.
fn companions(name: &str) -> &'static [&'static str] {
    match name {
        "podman" => &["conmon", "golang-github-containers-common", "libsubid4"],
        "systemd-sysv" => &["libpam-systemd"],
        _ => &[],
    }
}

fn apt(root: &Path, args: &[&str]) -> Answer {
    let is_option = |a: &&&str| !a.starts_with('-') && !a.contains("::");
    let mut words = args.iter().filter(is_option).copied();
    let (verb, names): (_, Vec<&str>) = (words.next().unwrap_or_default(), words.collect());
    let mut installed = packages(root, "packages");
    let archive = packages(root, "archive");
    match verb {
        "update" => Answer::said("Reading package lists...\n"),
        "install" if args.contains(&"-s") => {
            let new = names
                .iter()
                .flat_map(|n| std::iter::once(n).chain(companions(n)))
                .filter(|n| !installed.contains_key(**n));
            Answer::said(new.map(|n| format!("Inst {n} (1.0 Debian:12 [amd64])\n")).collect::<String>())
        }
        "install" => {
            if let Some(missing) = names.iter().find(|n| !archive.contains_key(**n)) {
                return Answer::failed(100, format!("E: Unable to locate package {missing}\n"));
            }
            let all = names.iter().copied().chain(names.iter().flat_map(|n| companions(n)).copied());
            for name in all {
                let version = archive.get(name).cloned().unwrap_or_else(|| "1.0".to_owned());
                installed.entry(name.to_owned()).or_insert(version);
                if name == "systemd-sysv" {
                    let _ = std::os::unix::fs::symlink("/lib/systemd/systemd", root.join("sbin/init"));
                }
            }
            keep(root, &installed);
            Answer::said("dlstatus:1:50.0:Retrieving file 1 of 2\npmstatus:podman:100.0:Installed podman\n")
        }
        "purge" if args.contains(&"-s") => {
            Answer::said(names.iter().map(|n| format!("Purg {n} [1.0]\n")).collect::<String>())
        }
        "purge" => {
            for name in &names {
                installed.remove(*name);
                if *name == "systemd-sysv" {
                    let _ = fs::remove_file(root.join("sbin/init"));
                }
            }
            keep(root, &installed);
            Answer::default()
        }
        _ => Answer::failed(100, format!("E: Invalid operation {verb}\n")),
    }
}

fn systemctl(root: &Path, args: &[&str]) -> Answer {
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    let words: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with("--")).collect();
    match words[..] {
        ["is-enabled", unit] if wants.join(unit).is_symlink() => Answer::said("enabled\n"),
        ["is-enabled", unit] if root.join("etc/systemd/system").join(unit).exists() => {
            Answer { code: 1, stdout: "disabled\n".to_owned(), stderr: String::new() }
        }
        ["is-enabled", unit] => Answer::failed(
            1,
            format!("Failed to get unit file state for {unit}: No such file or directory\n"),
        ),
        ["enable", unit] => {
            let _ = fs::create_dir(&wants);
            let _ = std::os::unix::fs::symlink(format!("/etc/systemd/system/{unit}"), wants.join(unit));
            Answer::default()
        }
        ["disable", unit] => {
            let _ = fs::remove_file(wants.join(unit));
            // As systemctl does, it takes the empty directory with it.
            let _ = fs::remove_dir(&wants);
            Answer::default()
        }
        ["daemon-reload"] | ["restart", _] => Answer::default(),
        ["is-system-running"] => Answer { code: 1, stdout: "degraded\n".to_owned(), stderr: String::new() },
        ["is-active", _] => Answer::said("active\n"),
        ["show", ..] => Answer::said("\n"),
        _ => Answer::failed(1, format!("systemctl: {args:?} is not played\n")),
    }
}

fn setting(root: &Path, name: &str) -> PathBuf {
    root.join("proc/sys").join(name.replace('.', "/"))
}

fn sysctl(root: &Path, args: &[&str]) -> Answer {
    match args[..] {
        ["-n", name] => {
            fs::read_to_string(setting(root, name)).map_or_else(|_| Answer::failed(255, ""), Answer::said)
        }
        ["-q", "-w", pair] => {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let _ = fs::write(setting(root, name), format!("{value}\n"));
            Answer::default()
        }
        _ => Answer::default(),
    }
}

/// podman as it would be with the configuration that is there.
fn podman_info(root: &Path) -> Answer {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let conf = read("home/dev/.config/containers/containers.conf");
    let has = |text: &str| conf.contains(text);
    let controllers = if root.join("etc/systemd/system/user@.service.d/delegate.conf").exists() {
        r#"["cpuset","cpu","io","memory","pids"]"#
    } else {
        r#"["memory","pids"]"#
    };
    let (path, version) = if has("/home/dev/.local/bin/crun") {
        ("/home/dev/.local/bin/crun", "1.30.1")
    } else {
        ("/usr/bin/crun", "1.8.1")
    };
    let storage = read("home/dev/.config/containers/storage.conf");
    Answer::said(format!(
        r#"{{"host":{{"cgroupVersion":"v2","cgroupControllers":{controllers},"eventLogger":"{}","logDriver":"{}","cgroupManager":"{}",
        "ociRuntime":{{"name":"crun","path":"{path}","version":"crun version {version}\ncommit: 0\n"}}}},"store":{{"graphDriverName":"{}"}}}}"#,
        if has("events_logger = \"file\"") { "file" } else { "journald" },
        if has("log_driver = \"k8s-file\"") { "k8s-file" } else { "journald" },
        if has("cgroup_manager = \"cgroupfs\"") { "cgroupfs" } else { "systemd" },
        if storage.contains("overlay") { "overlay" } else { "vfs" },
    ))
}
