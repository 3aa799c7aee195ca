//! systemctl, loginctl, and the setup tools of rootless Docker and containerd.

use std::fs;
use std::path::Path;

use super::Answer;
use super::debian::packages;

/// The system's own daemons: the package whose script enables and starts each, and its target.
pub(super) const DAEMONS: [(&str, &str, &str); 3] = [
    ("docker.service", "docker.io", "multi-user.target.wants"),
    ("docker.socket", "docker.io", "sockets.target.wants"),
    ("containerd.service", "containerd", "multi-user.target.wants"),
];

/// `systemctl --user`: the manager runs where systemd does; what is enabled runs as well.
pub(super) fn of_user(root: &Path, args: &[&str]) -> Answer {
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
pub(super) fn set_up_tool(root: &Path, unit: &str, args: &[&str]) -> Answer {
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

pub(super) fn loginctl(root: &Path, args: &[&str]) -> Answer {
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

/// Whether the user manager gets every controller: by any drop-in of systemd's that delegates cpuset.
pub(crate) fn delegates(root: &Path) -> bool {
    let dir = root.join("etc/systemd/system/user@.service.d");
    let texts = fs::read_dir(dir).into_iter().flatten().flatten().map(|f| fs::read_to_string(f.path()));
    texts.flatten().any(|text| {
        text.lines().any(|l| l.starts_with("Delegate=") && (l.contains("cpuset") || l.ends_with("yes")))
    })
}

/// Without systemd as PID 1, systemctl only reads and writes the links of units (`systemctl-util.c`).
pub(super) fn needs_systemd(args: &[&str]) -> bool {
    !args.iter().any(|arg| matches!(*arg, "is-enabled" | "enable" | "disable"))
}

pub(super) fn systemctl(root: &Path, args: &[&str]) -> Answer {
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
