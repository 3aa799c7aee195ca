//! Looks at systemd, the user's manager and their runtime directory.

use camino::Utf8Path;

use super::{Here, not_for_root, only_on_wsl};
use crate::facts::Facts;
use crate::host::{Cmd, Kind, System};

pub(crate) fn systemd(_: &dyn System, facts: &Facts) -> Here {
    if facts.systemd.pid1.is_empty() {
        return Here::unknown("the name of PID 1 cannot be read");
    }
    Here::when(!facts.systemd.is_running(), format!("PID 1 is `{}`", facts.systemd.pid1))
}

fn unit(facts: &Facts) -> String {
    format!("user@{}.service", facts.user.uid)
}

pub(crate) fn user_manager(system: &dyn System, facts: &Facts) -> Here {
    if let Some(unknown) = not_for_root(facts) {
        return unknown;
    }
    if !facts.systemd.is_running() {
        return Here::Present(format!("PID 1 is `{}`, so no user manager can run", facts.systemd.pid1));
    }
    let unit = unit(facts);
    let said = system.run_readonly(&Cmd::new("systemctl", ["is-active", &unit]));
    match said.as_ref().map_or("", |output| output.stdout.trim()) {
        "" if facts.cgroup.manager.is_some() => Here::Absent(format!("{unit} runs")),
        "" => Here::unknown(format!("{unit} has no cgroup, and systemd does not report its state")),
        state => Here::when(state != "active", format!("{unit} is {state}")),
    }
}

pub(crate) fn manager_refused(system: &dyn System, facts: &Facts) -> Here {
    if let Some(answer) = not_for_root(facts).or_else(|| only_on_wsl(facts)) {
        return answer;
    }
    if facts.cgroup.manager.is_some() {
        return Here::Absent(format!("{} runs", unit(facts)));
    }
    if !facts.systemd.is_running() {
        return Here::Absent(format!("PID 1 is `{}`", facts.systemd.pid1));
    }
    let show = |property: &str| {
        let show = Cmd::new("systemctl", ["show", "--value", "-p", property, &unit(facts)]);
        system.stdout_if_ok(&show).unwrap_or_default()
    };
    // 219 is CGROUP (systemd.exec(5); WSL#13188).
    match (show("Result").as_str(), show("ExecMainStatus").as_str()) {
        ("resources", _) => Here::Present(format!("{} failed with result `resources`", unit(facts))),
        (_, "219") => Here::Present(format!("{} failed with status 219/CGROUP", unit(facts))),
        _ => Here::unknown(format!("{} does not run, and systemd does not report why", unit(facts))),
    }
}

fn runtime(facts: &Facts) -> String {
    format!("/run/user/{}", facts.user.uid)
}

pub(super) fn bus(system: &dyn System, facts: &Facts) -> Here {
    if let Some(unknown) = not_for_root(facts) {
        return unknown;
    }
    let socket = runtime(facts) + "/bus";
    if !system.exists(&socket) {
        return Here::Present(format!("{socket} is not there"));
    }
    let said = system.env("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
    let path = said.strip_prefix("unix:path=").map(|p| p.split(',').next().unwrap_or_default());
    match path {
        Some(path) if !system.exists(path) => {
            Here::Present(format!("DBUS_SESSION_BUS_ADDRESS names {path}, which is not there"))
        }
        _ => Here::Absent(format!("{socket} is there")),
    }
}

pub(super) fn runtime_dir(system: &dyn System, facts: &Facts) -> Here {
    if let Some(unknown) = not_for_root(facts) {
        return unknown;
    }
    let dir = runtime(facts);
    let is_there = system.exists(&dir);
    Here::when(!is_there, format!("{dir} is {}there", if is_there { "" } else { "not " }))
}

pub(super) fn runtime_dir_owner(system: &dyn System, facts: &Facts) -> Here {
    if let Some(unknown) = not_for_root(facts) {
        return unknown;
    }
    let dir = runtime(facts);
    let stat = system.resolve(Utf8Path::new(&dir)).and_then(|p| system.stat(&p)).ok().flatten();
    match stat.filter(|s| s.kind == Kind::Dir) {
        Some(stat) => {
            Here::when(stat.uid != facts.user.uid, format!("{dir} belongs to the uid {}", stat.uid))
        }
        None => Here::unknown(format!("{dir} is not there")),
    }
}

pub(super) fn runtime_dir_wslg(system: &dyn System, _: &Facts) -> Here {
    match system.env("XDG_RUNTIME_DIR") {
        Some(dir) => {
            Here::when(dir.starts_with("/mnt/wslg/runtime-dir"), format!("XDG_RUNTIME_DIR is {dir}"))
        }
        None => Here::unknown("XDG_RUNTIME_DIR is not set in this shell"),
    }
}

pub(super) fn runtime_dir_hidden(system: &dyn System, facts: &Facts) -> Here {
    if let Some(unknown) = not_for_root(facts) {
        return unknown;
    }
    let dir = runtime(facts);
    let table = system.text("/proc/mounts").unwrap_or_default();
    let mounts = table.lines().filter(|l| l.split(' ').nth(1) == Some(dir.as_str())).count();
    if mounts > 1 {
        return Here::Present(format!("{mounts} file systems are mounted on {dir}"));
    }
    let socket = format!("{dir}/systemd/private");
    match (facts.cgroup.manager.is_some(), system.exists(&socket)) {
        (true, false) => Here::Present(format!("{} runs, but {socket} is not there", unit(facts))),
        (true, true) => Here::Absent(format!("{socket} is there")),
        (false, _) => Here::unknown(format!("{} does not run", unit(facts))),
    }
}

pub(super) fn run_in_tmp(system: &dyn System, facts: &Facts) -> Here {
    let uid = facts.user.uid;
    let dirs = [format!("/tmp/podman-run-{uid}"), format!("/tmp/storage-run-{uid}")];
    match dirs.iter().find(|d| system.exists(d)) {
        Some(dir) => Here::Present(format!("{dir} is there")),
        None => Here::Absent(format!("there is no {}", dirs.join(" and no "))),
    }
}
