//! Redaction of a recorded machine: of each file, answer and variable, only the parts that facts are read from
//! remain, without names of people. A replay gives the same facts.

mod info;
mod names;

use camino::{Utf8Path, Utf8PathBuf};

use crate::edit::shown::{hidden, length, lines_of};
use crate::edit::wslconf::{Dialect, Document};
use crate::edit::{Form, cmdline};
use crate::facts::wsl::{ASKED, is_ordinary_profile};
use crate::host::{Bytes, Output, Recording};
use crate::version::Version;

pub(crate) use info::info;
pub(crate) use names::Names;

/// Removes everything that no fact is read from.
pub(crate) fn allow_listed(recording: &mut Recording, user: &str) {
    let links = recording.links.clone();
    let asked = |path: &Utf8Path| {
        // A file behind a link is recorded under the name by which it is read.
        links.iter().find(|(_, to)| *to == path).map_or_else(|| path.to_owned(), |(from, _)| from.clone())
    };
    recording.files.retain(|path, _| !path.starts_with("/var/lib/kind-wsl"));
    let kernels = kernels(recording);
    recording.stats.retain(|path, _| !is_named_by_user(path, &kernels));
    recording.links.retain(|path, _| !is_named_by_user(path, &kernels));
    for (path, bytes) in &mut recording.files {
        let Some(bytes) = bytes else { continue };
        *bytes = Bytes::Text(file(&asked(path), &bytes.to_vec(), user));
    }
    for (command, output) in &mut recording.commands {
        if let Some(output) = output {
            // Only the message of systemctl shows whether a unit exists.
            let is_read = command.starts_with("systemctl is-enabled ");
            let stderr = if is_read { std::mem::take(&mut output.stderr) } else { String::new() };
            *output = Output { code: output.code, stdout: answer(command, &output.stdout), stderr };
        }
    }
    for (name, value) in &mut recording.env {
        *value = value.as_deref().map(|value| variable(name, value));
    }
    for (dir, names) in &mut recording.lists {
        *names = listed(dir, std::mem::take(names));
    }
}

/// The paths of custom kernels in `.wslconfig`, without their drives.
fn kernels(recording: &Recording) -> Vec<String> {
    let is_config = |path: &Utf8Path| path.file_name() == Some(".wslconfig");
    let configs = recording.files.iter().filter(|(path, _)| is_config(path)).filter_map(|(_, b)| b.as_ref());
    let kernel = |bytes: &Bytes| {
        let document = Document::parse(&bytes.to_vec(), Dialect::WslConfig);
        let path = document.get("wsl2", "kernel")?.replace('\\', "/");
        Some(path.split_once(':').map_or(path.clone(), |(_, path)| path.to_owned()))
    };
    configs.filter_map(kernel).filter(|path| !path.is_empty()).collect()
}

/// Whether a path was read because a file of the user names it: a kernel, or a device or file system of fstab.
fn is_named_by_user(path: &Utf8Path, kernels: &[String]) -> bool {
    const FIXED: [&str; 4] = ["/dev/net/tun", "/dev/fuse", "/dev/kmsg", "/dev/disk"];
    let is_device = path.starts_with("/dev") && !FIXED.contains(&path.as_str());
    let is_helper = ["/sbin/mount.", "/usr/sbin/mount."].iter().any(|head| path.as_str().starts_with(head));
    is_device || is_helper || kernels.iter().any(|kernel| path.as_str().ends_with(kernel.as_str()))
}

fn file(path: &Utf8Path, bytes: &[u8], user: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    let keep = |wanted: &dyn Fn(&str) -> Option<String>| {
        lines_of(&text, |_, line| wanted(line).unwrap_or_else(|| hidden(line)))
    };
    if let Some(form) = form(path) {
        return form.shown(bytes, user);
    }
    match path.as_str() {
        "/etc/passwd" => accounts(&text, user),
        "/etc/group" => groups(&text, user),
        "/etc/os-release" => keep(&os_release),
        "/etc/login.defs" | "/usr/etc/login.defs" => keep(&login_defs),
        "/etc/nsswitch.conf" => keep(&name_service),
        "/proc/mounts" => keep(&mount),
        "/proc/cmdline" => cmdline::shown(&text),
        "/proc/1/environ" | "/proc/2/environ" => {
            let kept = text.split('\0').filter(|pair| pair.starts_with("WSL2_USER_PROFILE="));
            kept.collect::<Vec<_>>().join("\0")
        }
        // Kernel parameters.
        path if ["/proc/", "/sys/", "/lib/modules/", "/usr/lib/modules/"]
            .iter()
            .any(|d| path.starts_with(d)) =>
        {
            text.into_owned()
        }
        // This word distinguishes the wrapper.
        path if path.ends_with("/kind") && text.contains("kind-wsl") => "# kind-wsl\n".to_owned(),
        _ => keep(&|_| None),
    }
}

/// How an edited file is shown; `None` for any other file.
fn form(path: &Utf8Path) -> Option<Form> {
    match (path.as_str(), path.file_name()?) {
        ("/etc/wsl.conf", _) => Some(Form::WslConf),
        ("/etc/fstab", _) => Some(Form::Fstab),
        ("/etc/subuid" | "/etc/subgid", _) => Some(Form::Subid),
        (_, ".wslconfig") => Some(Form::WslConfig),
        (_, "containers.conf" | "storage.conf") => Some(Form::Toml),
        (path, name) => {
            let is_drop_in =
                Utf8Path::new(name).extension() == Some("conf") && path.contains("/containers/containers.");
            is_drop_in.then_some(Form::Toml)
        }
    }
}

/// passwd(5): the IDs of all users, and the user's whole line.
fn accounts(text: &str, user: &str) -> String {
    lines_of(text, |_, line| match line.split(':').collect::<Vec<_>>()[..] {
        [name, _, uid, gid, _, home, shell] if name == user => {
            format!("{name}:x:{uid}:{gid}::{home}:{shell}")
        }
        [_, _, uid, gid, ..] if is_number(uid) && is_number(gid) => {
            format!("other:x:{uid}:{gid}::/nonexistent:/bin/false")
        }
        _ => hidden(line),
    })
}

/// group(5): the IDs of all groups, and whether the user is in `docker`.
fn groups(text: &str, user: &str) -> String {
    lines_of(text, |_, line| match line.split(':').collect::<Vec<_>>()[..] {
        ["docker", _, gid, members] if is_number(gid) => {
            format!("docker:x:{gid}:{}", if members.split(',').any(|m| m == user) { user } else { "" })
        }
        [_, _, gid, ..] if is_number(gid) => format!("other:x:{gid}:"),
        _ => hidden(line),
    })
}

fn os_release(line: &str) -> Option<String> {
    let (key, _) = line.split_once('=')?;
    ["ID", "ID_LIKE", "VERSION_ID", "PRETTY_NAME"].contains(&key).then(|| line.to_owned())
}

fn login_defs(line: &str) -> Option<String> {
    let (key, value) = line.trim().split_once([' ', '\t'])?;
    let value = value.trim_matches([' ', '\t', '"']);
    let is_bound = key.starts_with("SUB_") && key.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    (is_bound && value.len() <= 20 && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'x'))
        .then(|| format!("{key} {value}"))
}

fn name_service(line: &str) -> Option<String> {
    let (database, sources) = line.split('#').next()?.split_once(':')?;
    let is_source =
        |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && word.len() <= 16;
    let sources: Vec<_> = sources.split_ascii_whitespace().filter(is_source).collect();
    ["passwd", "group", "subid"]
        .contains(&database.trim())
        .then(|| format!("{}: {}", database.trim(), sources.join(" ")))
}

/// A mount of a cgroup hierarchy, or what hides one.
fn mount(line: &str) -> Option<String> {
    let [_, point, kind, options, ..] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
        return None;
    };
    let is_one = kind.starts_with("cgroup") || point == "/sys/fs/cgroup";
    is_one.then(|| format!("{kind} {point} {kind} {options} 0 0"))
}

/// The part of a command's output that facts are read from.
fn answer(command: &str, text: &str) -> String {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let lines = |wanted: &dyn Fn(&str) -> bool| {
        text.lines().filter(|line| wanted(line)).fold(String::new(), |all, line| all + line + "\n")
    };
    match (program, words.next()) {
        ("uname" | "wslinfo" | "dpkg-query" | "rpm" | "pacman" | "getcap" | "getsubids", _)
        | ("sysctl", Some("-n"))
        | ("systemctl", Some("show" | "is-enabled"))
        | ("loginctl", Some("show-user")) => text.to_owned(),
        // Policies of Windows for WSL.
        (reg, Some("query")) if reg.ends_with("/reg.exe") => {
            lines(&|line| line.trim_start().starts_with("Allow") && line.contains(" REG_DWORD "))
        }
        ("getent", Some("passwd")) => accounts(text, ""),
        ("getent", Some("group")) => groups(text, ""),
        ("apt-cache", _) => {
            let is_heading = |line: &str| line.ends_with(':') && !line.contains([' ', '/']);
            lines(&|line| is_heading(line) || line.trim_start().starts_with("Candidate: "))
        }
        ("apt-get", Some("-s" | "--simulate")) => {
            lines(&|line| ["Inst ", "Remv ", "Conf "].iter().any(|verb| line.starts_with(verb)))
                .lines()
                .fold(String::new(), |all, line| {
                    all + &line.split(' ').take(2).collect::<Vec<_>>().join(" ") + "\n"
                })
        }
        (_, Some("--version")) => version(text),
        _ => length(text.as_bytes()),
    }
}

/// The words of the first line with the program's name and version.
fn version(text: &str) -> String {
    const PROGRAMS: [&str; 10] = [
        "version",
        "Version",
        "crun",
        "podman",
        "Docker",
        "nerdctl",
        "containerd",
        "systemd",
        "kind",
        "netavark",
    ];
    let is_version = |word: &str| {
        let bare = word.trim_start_matches('v').trim_end_matches(',');
        bare.starts_with(|c: char| c.is_ascii_digit()) && bare.parse::<Version>().is_ok()
    };
    let words = text.lines().next().unwrap_or_default().split_ascii_whitespace();
    let words = words.map(|word| if is_version(word) || PROGRAMS.contains(&word) { word } else { "-" });
    words.collect::<Vec<_>>().join(" ") + "\n"
}

/// A variable: its value if a decision depends on it, otherwise only that it is set.
fn variable(name: &str, value: &str) -> String {
    match name {
        "PATH" => {
            let is_windows = |dir: &&str| dir.ends_with("/AppData/Local/Microsoft/WindowsApps");
            value.split(':').filter(is_windows).collect::<Vec<_>>().join(":")
        }
        "WSL_DISTRO_NAME" if value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) => {
            value.to_owned()
        }
        "KIND_WSL_PROGRAM"
        | "KIND_WSL_WINDOWS_PROFILE"
        | ASKED
        | "CONTAINERS_CONF"
        | "CONTAINERS_CONF_OVERRIDE"
        | "SUDO_USER" => value.to_owned(),
        _ if value.is_empty() => String::new(),
        _ => length(value.as_bytes()),
    }
}

/// The names in a directory that a decision depends on: the number of profiles, and drop-ins.
fn listed(dir: &Utf8PathBuf, names: Vec<String>) -> Vec<String> {
    if dir.file_name() == Some("Users") {
        let mut others = 0;
        let name = |name: String| {
            if !is_ordinary_profile(&name) {
                return name;
            }
            others += 1;
            format!("user{}", if others == 1 { String::new() } else { others.to_string() })
        };
        return names.into_iter().map(name).collect();
    }
    names.into_iter().filter(|name| Utf8Path::new(name).extension() == Some("conf")).collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit())
}
