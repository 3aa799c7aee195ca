//! A fake machine: apt, dpkg, systemctl, sysctl, podman and the rest, answering from files below a root.
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

#[path = "fake_managers.rs"]
mod managers;
#[path = "fake_podman.rs"]
mod podman;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use managers::{conflicting, dependents, other_manager, rpm};

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
pub(crate) const PROGRAMS: [&str; 21] = [
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
    "getsubids",
    "crun",
    "modprobe",
    "newuidmap",
    "loginctl",
    "findmnt",
    "mount",
    "cut-off",
    "unshare",
    "sh",
];

/// Package managers of other distributions: a test that wants one puts a file of its name into `/usr/bin`.
const MANAGERS: [&str; 4] = ["dnf", "zypper", "pacman", "rpm"];

/// The programs that come and go with a package: where each is, and whose it is (Debian's own lists of files).
pub(crate) const PACKAGED: [(&str, &str); 8] = [
    ("usr/sbin/dockerd", "docker.io"),
    ("usr/bin/docker", "docker.io"),
    ("usr/share/docker.io/contrib/dockerd-rootless-setuptool.sh", "docker.io"),
    ("usr/share/docker.io/contrib/dockerd-rootless.sh", "docker.io"),
    ("usr/bin/rootlesskit", "rootlesskit"),
    ("usr/bin/nerdctl", "nerdctl"),
    ("usr/bin/containerd-rootless-setuptool.sh", "nerdctl"),
    ("usr/bin/containerd", "containerd"),
];

/// Whether a program is on the machine.
pub(crate) fn is_there(root: &Path, program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    let packaged = PACKAGED.iter().map(|(path, _)| *path).find(|path| path.rsplit('/').next() == Some(name));
    match packaged {
        Some(path) => root.join(path).exists(),
        None => {
            (PROGRAMS.contains(&name) || MANAGERS.contains(&name)) && root.join("usr/bin").join(name).exists()
        }
    }
}

/// Runs one of them.
pub(crate) fn answer(root: &Path, program: &str, args: &[String]) -> Answer {
    note(root, program, args);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match program {
        "uname" => Answer::said("x86_64\n"),
        "wslinfo" if args == ["--networking-mode"] => {
            let mode = fs::read_to_string(root.join("fake/networking-mode"));
            Answer::said(mode.unwrap_or_else(|_| "nat\n".to_owned()))
        }
        "wslinfo" => match fs::read_to_string(root.join("fake/wsl-version")) {
            Ok(version) => Answer::said(version),
            Err(_) => Answer::failed(127, ""),
        },
        "reg.exe" => Answer::said(fs::read_to_string(root.join("fake/reg")).unwrap_or_default()),
        // What a name service lists: a test puts it into `/fake/getent-passwd` and `/fake/getent-group`.
        "getent" | "getsubids" => {
            match fs::read_to_string(root.join(format!("fake/{program}-{}", args.join("-")))) {
                Ok(listed) => Answer::said(listed),
                Err(_) => Answer::failed(2, ""),
            }
        }
        "dpkg-query" => listing(root),
        "apt-cache" => policy(root, &args),
        "apt-get" => apt(root, &args),
        "dnf" | "zypper" | "pacman" => other_manager(root, program, &args),
        "rpm" => rpm(root, &args),
        "dpkg" if args.first() == Some(&"-i") => install_file(root, args[1]),
        "dpkg" => Answer::default(),
        "systemctl" | "loginctl" if needs_systemd(&args) && root.join("fake/safe-mode").exists() => {
            Answer::failed(
                1,
                "System has not been booted with systemd as init system (PID 1). Can't operate.\n",
            )
        }
        "systemctl" if args.contains(&"--user") => of_user(root, &args),
        "systemctl" => systemctl(root, &args),
        "sysctl" => sysctl(root, &args),
        "podman" if args == ["--version"] => podman::version(root),
        "podman" if args.first() == Some(&"exec") => exec(root, &args),
        "podman" if args.first() == Some(&"ps") => nodes(root, args.contains(&"json")),
        "systemd-run" if args.contains(&"exec") => exec(root, &args),
        "sh" => container(root),
        "systemd-run" if args.contains(&"sh") => container(root),
        "systemd-run" if args.contains(&"docker") => engine_info(root, "docker"),
        "systemd-run" if args.contains(&"nerdctl") => engine_info(root, "nerdctl"),
        "docker" | "nerdctl" if args.first() == Some(&"info") => engine_info(root, program),
        "docker" | "dockerd" | "nerdctl" | "containerd" => engine_version(root, program),
        "dockerd-rootless-setuptool.sh" => set_up_tool(root, "docker.service", &args),
        "containerd-rootless-setuptool.sh" => set_up_tool(root, "containerd.service", &args),
        "loginctl" => loginctl(root, &args),
        "unshare" => unshare(root, &args),
        "kind" if args == ["version"] => Answer::said("kind v0.33.0 go1.26 linux/amd64\n"),
        "netavark" => {
            Answer::said("{\n  \"version\": \"1.14.1\",\n  \"default_fw_driver\": \"nftables\"\n}\n")
        }
        "findmnt" => Answer::said(format!("{}\n", propagation(root))),
        "mount" => mount(root, &args),
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
    if let ("kind-wsl-helper.exe", ["logon", "list"]) = (program, args) {
        let values = fs::read_dir(root.join("fake/run-key")).into_iter().flatten().flatten();
        let line = |value: fs::DirEntry| format!("entry={} works\n", value.file_name().to_string_lossy());
        return Answer::said(values.map(line).collect::<String>());
    }
    if let ("kind-wsl-helper.exe", ["logon", action, "--distro", name, rest @ ..]) = (program, args) {
        return logon(&root.join("fake/run-key"), action, name, rest);
    }
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

/// The helper's `logon`, with a file for each value; `tests/windows` runs the real one.
fn logon(key: &Path, action: &str, name: &str, rest: &[&str]) -> Answer {
    let value = key.join(name);
    let now = fs::read_to_string(&value).unwrap_or_default();
    match (action, rest) {
        ("get", []) => Answer::said(format!("{now}\n")),
        _ if now.contains(' ') => {
            Answer::failed(16, format!("Another program wrote the logon entry ({now})\n"))
        }
        ("add", ["--user", user])
            if fs::create_dir_all(key).and_then(|()| fs::write(&value, user)).is_ok() =>
        {
            Answer::default()
        }
        ("remove", []) => {
            let _ = fs::remove_file(&value);
            let _ = fs::remove_dir(key);
            Answer::default()
        }
        _ => Answer::failed(2, "not played\n"),
    }
}

fn packages(root: &Path, file: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root.join("fake").join(file)).unwrap_or_default();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn keep(root: &Path, packages: &BTreeMap<String, String>) {
    let lines: String = packages.iter().map(|(n, v)| format!("{n} {v}\n")).collect();
    write_at_once(root, &root.join("fake/packages"), &lines);
}

/// As dpkg writes its list and the kernel takes a setting: whoever is killed meanwhile leaves the old or the new.
fn write_at_once(root: &Path, path: &Path, text: &str) {
    let new = root.join(format!(".new-{}-{:?}", std::process::id(), std::thread::current().id()));
    // A setting that the kernel does not have is not made by writing to it; a test may mount something at the place.
    let moved = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    let Err(e) = moved else { return };
    let _ = fs::remove_file(&new);
    if e.kind() != std::io::ErrorKind::NotFound {
        let _ = fs::write(path, text);
    }
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

const PLUGINS: &str = "containernetworking-plugins";

/// Packages that come along with another, as dependencies do.
fn companions(name: &str) -> &'static [&'static str] {
    match name {
        "podman" => &["conmon", "golang-github-containers-common", "libsubid4"],
        "systemd-sysv" => &["libpam-systemd"],
        "docker.io" => &["containerd", "runc", "tini"],
        "nerdctl" => &["runc"],
        _ => &[],
    }
}

/// `dpkg -i`: a test says in `/fake/deb` what the file installs, which is a real one.
fn install_file(root: &Path, archive: &str) -> Answer {
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
fn fails_half_way(root: &Path, names: &[&str]) -> Option<Answer> {
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

fn apt(root: &Path, args: &[&str]) -> Answer {
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

/// The system's own daemons: the package whose script enables and starts each, and its target.
const DAEMONS: [(&str, &str, &str); 3] = [
    ("docker.service", "docker.io", "multi-user.target.wants"),
    ("docker.socket", "docker.io", "sockets.target.wants"),
    ("containerd.service", "containerd", "multi-user.target.wants"),
];

/// What a package puts there and its script starts.
fn unpack(root: &Path, package: &str) {
    for (path, _) in PACKAGED.iter().filter(|(_, of)| *of == package) {
        let path = root.join(path);
        let _ = fs::create_dir_all(path.parent().unwrap_or(root));
        let _ = fs::copy(root.join("usr/bin/podman"), path);
    }
    for (unit, ..) in DAEMONS.iter().filter(|(_, of, _)| *of == package) {
        systemctl(root, &["enable", unit]);
    }
}

fn take_out(root: &Path, package: &str) {
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

/// `systemctl --user`: the manager runs where systemd does; what is enabled runs as well.
fn of_user(root: &Path, args: &[&str]) -> Answer {
    if fs::read_to_string(root.join("proc/1/comm")).is_ok_and(|name| name.trim() != "systemd") {
        return Answer::failed(1, "Failed to connect to bus: No such file or directory\n");
    }
    let words: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with("--")).collect();
    let place = root.join("home/dev/.config/systemd/user");
    let is_enabled = |unit: &str| place.join("default.target.wants").join(unit).is_symlink();
    match words[..] {
        ["show", "-p", "UnitFileState", unit] if is_enabled(unit) => Answer::said("enabled\n"),
        ["show", "-p", "UnitFileState", unit] if place.join(unit).exists() => Answer::said("disabled\n"),
        ["show", "-p", "UnitFileState", _] => Answer::said("\n"),
        ["show", "-p", "ActiveState", unit] if is_enabled(unit) => Answer::said("active\n"),
        ["show", "-p", "ActiveState", _] => Answer::said("inactive\n"),
        ["start" | "stop", _] => Answer::default(),
        _ => Answer::failed(1, format!("systemctl --user: {args:?} is not played\n")),
    }
}

/// dockerd-rootless-setuptool.sh and nerdctl's: what they ask for, what they make, what their uninstall leaves.
fn set_up_tool(root: &Path, unit: &str, args: &[&str]) -> Answer {
    let missing = |what: &str| Answer::failed(1, format!("[ERROR] {what}\n"));
    let home = root.join("home/dev");
    let is_docker = unit == "docker.service";
    if of_user(root, &["--user", "show", "-p", "ActiveState", unit]).code != 0 {
        return missing("systemd not detected");
    }
    // Debian's docker is not in the directory of its dockerd-rootless.sh, the only place that the tool checks.
    let beside = home.join(".local/lib/kind-wsl/docker");
    if is_docker && !(beside.join("docker").is_symlink() && beside.join("dockerd-rootless.sh").is_symlink()) {
        return missing("dockerd-rootless.sh needs to be present under $PATH");
    }
    if is_docker
        && !fs::read_to_string(root.join("etc/subuid"))
            .is_ok_and(|t| t.starts_with("dev:") || t.contains("\ndev:"))
    {
        return missing("Missing system requirements");
    }
    let place = home.join(".config/systemd/user");
    let wants = place.join("default.target.wants");
    match args {
        ["install"] => {
            let _ = fs::create_dir_all(&wants);
            if !place.join(unit).exists() {
                let _ = fs::write(place.join(unit), "[Service]\nDelegate=yes\n");
            }
            let _ = std::os::unix::fs::symlink(
                format!("/home/dev/.config/systemd/user/{unit}"),
                wants.join(unit),
            );
        }
        ["uninstall"] => {
            let _ = fs::remove_file(wants.join(unit));
            let _ = fs::remove_dir(&wants);
            let _ = fs::remove_file(place.join(unit));
        }
        _ => return Answer::failed(1, "Unknown command\n"),
    }
    if is_docker {
        let _ = fs::create_dir_all(home.join(".docker"));
        let context = if args == ["install"] { r#"{"currentContext":"rootless"}"# } else { "{}" };
        let _ = fs::write(home.join(".docker/config.json"), context);
    }
    Answer::said("[INFO] done\n")
}

fn loginctl(root: &Path, args: &[&str]) -> Answer {
    let dir = root.join("var/lib/systemd/linger");
    match args {
        ["show-user", .., name] => Answer::said(if dir.join(name).exists() { "yes\n" } else { "no\n" }),
        ["enable-linger", name] => {
            let _ = fs::create_dir_all(&dir);
            let _ = fs::write(dir.join(name), "");
            Answer::default()
        }
        ["disable-linger", name] => {
            let _ = fs::remove_file(dir.join(name));
            let _ = fs::remove_dir(&dir);
            let _ = fs::remove_dir(root.join("var/lib/systemd"));
            Answer::default()
        }
        _ => Answer::failed(1, format!("loginctl: {args:?} is not played\n")),
    }
}

/// What each says to `--version`.
fn engine_version(root: &Path, program: &str) -> Answer {
    let installed = packages(root, "packages");
    let version = |package: &str| {
        let text = installed.get(package).map_or("0", String::as_str);
        text.split_once('-').map_or(text, |(upstream, _)| upstream).to_owned()
    };
    Answer::said(match program {
        "nerdctl" => format!("nerdctl version {}\n", version("nerdctl")),
        "containerd" => {
            format!("containerd github.com/containerd/containerd {0} {0}\n", version("containerd"))
        }
        _ => format!("Docker version {}, build 5d6db84\n", version("docker.io")),
    })
}

/// Whether the user manager gets every controller: by any drop-in of systemd's that delegates cpuset.
pub(crate) fn delegates(root: &Path) -> bool {
    let dir = root.join("etc/systemd/system/user@.service.d");
    let texts = fs::read_dir(dir).into_iter().flatten().flatten().map(|f| fs::read_to_string(f.path()));
    texts.flatten().any(|text| {
        text.lines().any(|l| l.starts_with("Delegate=") && (l.contains("cpuset") || l.ends_with("yes")))
    })
}

/// The container that a check starts: it fails with what a test puts into `/fake/container-fails`.
fn container(root: &Path) -> Answer {
    if let Ok(text) = fs::read_to_string(root.join("fake/container-fails")) {
        return Answer::failed(126, text);
    }
    let code = fs::read_to_string(root.join("fake/container-exit")).unwrap_or_default();
    Answer { code: code.trim().parse().unwrap_or_default(), ..Answer::default() }
}

/// kubectl in a node: `/fake/readyz-fails` is its complaint, and `/fake/pods` what it lists.
fn exec(root: &Path, args: &[&str]) -> Answer {
    let file = |name: &str| fs::read_to_string(root.join("fake").join(name));
    match file("readyz-fails") {
        Ok(text) => Answer::failed(1, text),
        Err(_) if args.contains(&"pods") => {
            Answer::said(file("pods").unwrap_or_else(|_| r#"{"items":[]}"#.to_owned()))
        }
        Err(_) => Answer::said("ok"),
    }
}

/// `unshare` with a program in namespaces of its own. What the kernel lacks is in `/fake/kernel-lacks`; the messages are
/// those of nftables 1.0.6 and iproute2 6.1 on such a kernel.
fn unshare(root: &Path, args: &[&str]) -> Answer {
    let lacks = fs::read_to_string(root.join("fake/kernel-lacks")).unwrap_or_default();
    let line = args.join(" ");
    let failures = [
        ("namespaces", "", "unshare: write failed /proc/self/uid_map: Operation not permitted\n"),
        (
            "nft_fib_inet",
            " fib daddr ",
            "Error: Could not process rule: No such file or directory\nadd table inet kind_wsl; …\n          ^^^^^^^^\n",
        ),
        ("bridge", " type bridge", "Error: Unknown device type.\n"),
        ("tun", " tuntap ", "open: No such file or directory\n"),
    ];
    let is_lacking = |name: &str| lacks.split_ascii_whitespace().any(|word| word == name);
    let failed = failures.iter().find(|(name, words, _)| is_lacking(name) && line.contains(words));
    failed.map_or_else(Answer::default, |(_, _, text)| Answer::failed(1, *text))
}

fn propagation(root: &Path) -> &'static str {
    let table = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    if table.contains(" shared:") { "shared" } else { "private" }
}

/// `mount --make-rshared /` and its way back, in the mount table.
fn mount(root: &Path, args: &[&str]) -> Answer {
    let tag = match args {
        ["--make-rshared", "/"] => " shared:1",
        ["--make-private", "/"] => "",
        _ => return Answer::failed(1, format!("mount: {args:?} is not played\n")),
    };
    let line = format!("22 1 8:32 / / rw,relatime{tag} - ext4 /dev/sdc rw\n");
    write_at_once(root, &root.join("proc/self/mountinfo"), &line);
    Answer::default()
}

/// docker and nerdctl as they would be with the user's daemon that is there.
fn engine_info(root: &Path, program: &str) -> Answer {
    let unit = if program == "docker" { "docker.service" } else { "containerd.service" };
    let state = of_user(root, &["--user", "show", "-p", "ActiveState", unit]).stdout;
    if !is_there(root, program) || state.trim() != "active" {
        let text = "Cannot connect to the Docker daemon at unix:///run/user/1000/docker.sock. Is the docker daemon running?";
        return Answer::said(format!(r#"{{"ID":"","SecurityOptions":null,"ServerErrors":["{text}"]}}"#));
    }
    let cpu = delegates(root);
    Answer::said(format!(
        r#"{{"Driver":"overlay2","CgroupDriver":"systemd","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CPUShares":{cpu},
        "SecurityOptions":["name=seccomp,profile=default","name=rootless","name=cgroupns"]}}"#
    ))
}

/// Without systemd as PID 1, systemctl only reads and writes the links of units (`systemctl-util.c`).
fn needs_systemd(args: &[&str]) -> bool {
    !args.iter().any(|arg| matches!(*arg, "is-enabled" | "enable" | "disable"))
}

fn systemctl(root: &Path, args: &[&str]) -> Answer {
    let named = DAEMONS.iter().find(|(unit, ..)| args.last() == Some(unit));
    let wants = named.map_or("multi-user.target.wants", |(_, _, wants)| wants);
    let wants = root.join("etc/systemd/system").join(wants);
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
        ["show", "-p", "UnitFileState", unit] if wants.join(unit).is_symlink() => Answer::said("enabled\n"),
        ["show", "-p", "UnitFileState", _]
            if named.is_some_and(|(_, of, _)| packages(root, "packages").contains_key(*of)) =>
        {
            Answer::said("disabled\n")
        }
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
            write_at_once(root, &setting(root, name), &format!("{value}\n"));
            Answer::default()
        }
        _ => Answer::default(),
    }
}

thread_local! {
    /// The home of the user as whom a program runs that is no process of its own.
    pub static HOME: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// The home of the user as whom a program runs.
fn home() -> String {
    let of_process = || std::env::var("HOME").ok().filter(|home| home.starts_with("/home/"));
    HOME.with_borrow(Clone::clone).or_else(of_process).unwrap_or_else(|| "/home/dev".to_owned())
}

/// podman as it would be with the configuration that is there; it fails with what a test puts into `/fake/info-fails`.
fn podman_info(root: &Path) -> Answer {
    if let Ok(text) = fs::read_to_string(root.join("fake/info-fails")) {
        return Answer::failed(125, text);
    }
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let controllers =
        if delegates(root) { r#"["cpuset","cpu","io","memory","pids"]"# } else { r#"["memory","pids"]"# };
    let podman = packages(root, "packages").get("podman").cloned().unwrap_or_default();
    let crun = packages(root, "packages").get("crun").cloned().unwrap_or_else(|| "1.8.1".to_owned());
    let version_said = fs::read_to_string(root.join("fake/podman-version")).ok();
    let said = version_said.as_deref().and_then(|said| said.trim().strip_prefix("podman version "));
    let running = said.unwrap_or(if podman.is_empty() { "4.3.1" } else { &podman });
    let is_set =
        |key: &str, value: &str| podman::setting(root, running, key).is_some_and(|now| now.contains(value));
    let home = home();
    let own = format!("{home}/.local/bin/crun");
    let (path, version) = if is_set("engine.runtimes.crun", &own) {
        (own.as_str(), "1.30.1")
    } else {
        ("/usr/bin/crun", crun.split('-').next().unwrap_or_default())
    };
    let home = home.trim_start_matches('/');
    let storage = read(&format!("{home}/.config/containers/storage.conf"));
    Answer::said(format!(
        r#"{{"host":{{"cgroupVersion":"v2","cgroupControllers":{controllers},"databaseBackend":"{}","eventLogger":"{}","logDriver":"{}","cgroupManager":"{}",
        "ociRuntime":{{"name":"crun","path":"{path}","version":"crun version {version}\ncommit: 0\n"}}}},"store":{{"graphDriverName":"{}"}}}}"#,
        read("fake/database"),
        if is_set("engine.events_logger", "\"file\"") { "file" } else { "journald" },
        if is_set("containers.log_driver", "\"k8s-file\"") { "k8s-file" } else { "journald" },
        if is_set("engine.cgroup_manager", "\"cgroupfs\"") { "cgroupfs" } else { "systemd" },
        // An existing storage keeps its driver; podman 4.9 and later take overlay by themselves.
        if root.join(home).join(".local/share/containers/storage/vfs-images").exists() {
            "vfs"
        } else if storage.contains("overlay")
            || ["4.9.", "5.", "6."].iter().any(|version| podman.starts_with(version))
        {
            "overlay"
        } else {
            "vfs"
        },
    ))
}

/// The containers that are nodes: `fake/nodes` has their names and states.
fn nodes(root: &Path, as_json: bool) -> Answer {
    let lines = fs::read_to_string(root.join("fake/nodes")).unwrap_or_default();
    if !as_json {
        return Answer::said(lines);
    }
    let labels = r#"{"io.x-k8s.kind.cluster":"kind","io.x-k8s.kind.role":"control-plane"}"#;
    let node = |line: &str| {
        let (name, state) = line.split_once(' ').unwrap_or((line, "running"));
        format!(r#"{{"Id":"{}","Names":["{name}"],"State":"{state}","Labels":{labels}}}"#, "ab".repeat(32))
    };
    Answer::said(format!("[{}]\n", lines.lines().map(node).collect::<Vec<_>>().join(",")))
}
