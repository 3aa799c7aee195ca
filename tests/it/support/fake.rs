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

#[path = "fake_debian.rs"]
mod debian;
#[path = "fake_engines.rs"]
mod engines;
#[path = "fake_managers.rs"]
mod managers;
#[path = "fake_podman.rs"]
mod podman;
#[path = "fake_systemd.rs"]
pub(crate) mod systemd;
#[path = "fake_windows.rs"]
mod windows;

use std::fs;
use std::path::{Path, PathBuf};

use debian::{apt, install_file, listing, policy};
use engines::{container, engine_info, engine_version, exec, nodes, podman_info};
use managers::{other_manager, rpm};
use systemd::{loginctl, needs_systemd, of_user, set_up_tool, systemctl};
use windows::windows;

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
