//! The user: the systemd user manager, runtime directory, controllers and subordinate IDs.

use camino::Utf8Path;

use super::cgroup::{SYSTEMD, delegate};
use super::{Check, CheckContext, Outcome, Run, Scope, all, check};
use crate::cgroup::{ESSENTIAL, ROOT, WANTED};
use crate::change::PostRestartCheck;
use crate::facts::Facts;
use crate::facts::path::{PathHint, needs_local_bin, path_hint};
use crate::facts::subids::SUBIDS;
use crate::fix::{command, setup, windows};
use crate::host::{Cmd, FileKind};
use crate::provider::{Correction, corrections};
use crate::stages::{controllers, packages, restart, subids, systemd};

pub(super) static CHECKS: &[&Check] =
    &[&USER, &MANAGER, &RUNTIME, &RUN_IN_TMP, &ALL_CONTROLLERS, &SHELL, &LOCAL_BIN, &MAPPING];

/// A check of the user's session; it does not apply to root.
const fn of_user(id: &'static str, title: &'static str, run: Run) -> Check {
    check(id, title, run).scope(USERS)
}

const USERS: &[Scope] = &[Scope::User];

fn unit(facts: &Facts) -> String {
    format!("user@{}.service", facts.user.uid)
}

static USER: Check = check("user", "the cluster belongs to a regular user", |c| {
    let user = &c.facts.user;
    let effect = "the containers of root are not rootless, so the other checks do not apply to them";
    let fix = "run it as the owner of the cluster, or with `--user NAME`";
    Outcome::prefer(user.uid != 0, format!("`{}`, user {}", user.name, user.uid), effect, fix)
});

pub(crate) static MANAGER: Check =
    all("manager", "the systemd user manager runs", const { &[&REFUSED, &ACTIVE] })
        .scope(USERS)
        .needs(const { &[&SYSTEMD] });

pub(crate) static REFUSED: Check = check("manager-refused", "the systemd user manager gets a cgroup", |c| {
    let unit = unit(c.facts);
    if c.facts.cgroup.manager.is_some() {
        return Outcome::ok(format!("{unit} is running"));
    }
    let show = |property: &str| {
        let show = Cmd::new("systemctl", ["show", "--value", "-p", property, &unit]);
        c.system.stdout_if_ok(&show).unwrap_or_default()
    };
    // 219 is CGROUP (systemd.exec(5); WSL#13188).
    let details = match (show("Result").as_str(), show("ExecMainStatus").as_str()) {
        ("resources", _) => format!("{unit} failed with result `resources`"),
        (_, "219") => format!("{unit} failed with status 219/CGROUP"),
        _ => return Outcome::unknown(format!("{unit} is not running, and systemd does not report why")),
    };
    let effect = "another distribution runs with systemd in the same cgroups, so this user is delegated none";
    Outcome::error(details, effect, windows("wsl.exe --shutdown"))
        .then("start this distribution alone, or update WSL")
})
.scope(&[Scope::User, Scope::Wsl])
.needs(const { &[&SYSTEMD] });

pub(crate) static ACTIVE: Check = of_user("manager-active", "the user's unit is active", |c| {
    let unit = unit(c.facts);
    let reported = c.system.run_readonly(&Cmd::new("systemctl", ["is-active", &unit]));
    let state = match reported.as_ref().map_or("", |output| output.stdout.trim()) {
        "" if c.facts.cgroup.manager.is_some() => "active",
        "" => return Outcome::unknown(format!("{unit} has no cgroup, and systemd does not report its state")),
        state => state,
    };
    let effect = "no cgroup is delegated to the user: kind refuses, or podman falls back";
    let fix = format!(
        "run `systemctl status {unit}` and `journalctl -b -u {unit}` to see why, then restart the distribution"
    );
    Outcome::require(state == "active", format!("{unit} is {state}"), effect, fix)
})
.needs(const { &[&SYSTEMD] });

pub(crate) static RUNTIME: Check = all(
    "runtime-dir",
    "the user has a runtime directory with a session bus",
    const { &[&RUNTIME_DIR, &RUNTIME_OWNER, &BUS, &VARIABLES, &HIDDEN, &WSLG] },
)
.scope(USERS)
.needs(const { &[&SYSTEMD] });

const AGAIN: &str = "open a new shell with `wsl.exe`; if that does not help: `loginctl enable-linger`, then restart the distribution";
const NO_RUNTIME: &str =
    "podman cannot start: \"mkdir /run/user/…: permission denied\", or keeps its state elsewhere";

pub(crate) static RUNTIME_DIR: Check = of_user("runtime-dir-exists", "the runtime directory exists", |c| {
    Outcome::of(c.exists(&c.facts.user.runtime_dir()), NO_RUNTIME, AGAIN)
});

pub(crate) static RUNTIME_OWNER: Check =
    of_user("runtime-dir-owner", "the runtime directory belongs to the user", |c| {
        let dir = c.facts.user.runtime_dir();
        let stat = c.system.resolve(Utf8Path::new(&dir)).and_then(|real| c.system.stat(&real)).ok().flatten();
        let Some(stat) = stat else { return Outcome::unknown(format!("the owner of {dir} cannot be read")) };
        if stat.kind != FileKind::Dir {
            return Outcome::error(format!("{dir} is not a directory"), NO_RUNTIME, AGAIN);
        }
        let details = format!("{dir} belongs to user {}", stat.uid);
        Outcome::require(stat.uid == c.facts.user.uid, details, NO_RUNTIME, AGAIN)
    })
    .needs(const { &[&RUNTIME_DIR] });

pub(crate) static BUS: Check = of_user("bus", "the session bus exists", |c| {
    let effect =
        "`systemd-run --user` cannot reach the systemd user manager, so no delegated scope can be created";
    let socket = c.exists(&format!("{}/bus", c.facts.user.runtime_dir()));
    if c.facts.packages.installed.contains_key("dbus-user-session") {
        return Outcome::of(socket, effect, AGAIN);
    }
    Outcome::of(socket, effect, setup([&packages::STAGE])).then("open a new shell")
});

pub(crate) static VARIABLES: Check =
    of_user("session-variables", "the shell's variables refer to the session", |c| {
        let (system, user) = (c.system, &c.facts.user);
        // In a report, or as root, the variables belong to another user.
        let is_own = system.env("USER").is_none_or(|name| name.is_empty() || name == user.name);
        let wrong = if is_own { corrections(system, user) } else { Vec::new() };
        if wrong.is_empty() {
            return Outcome::ok("the shell's variables are correct");
        }
        let list = |part: fn(&Correction) -> String| wrong.iter().map(part).collect::<Vec<_>>();
        Outcome::error(
            format!("{} in this shell", list(|c| c.fault.clone()).join(" and ")),
            "podman and kind use another session or fail in this shell; `kind-wsl kind` works",
            command(format!("export {}", list(|c| format!("{}={}", c.name, c.right)).join(" "))),
        )
    })
    .needs(const { &[&RUNTIME_OWNER] });

pub(crate) static HIDDEN: Check = of_user("runtime-dir-hidden", "no mount hides the user's sockets", |c| {
    let (dir, unit) = (c.facts.user.runtime_dir(), unit(c.facts));
    let effect = "`systemctl --user` and `systemd-run --user` do not find the systemd user manager";
    let fix = format!("`sudo systemctl restart {unit}`, which stops the containers of this user");
    let table = c.system.text("/proc/mounts").unwrap_or_default();
    let mounts = table.lines().filter(|l| l.split(' ').nth(1) == Some(dir.as_str())).count();
    if mounts > 1 {
        return Outcome::warning(format!("{mounts} file systems are mounted on {dir}"), effect, fix);
    }
    if c.facts.cgroup.manager.is_none() {
        return Outcome::unknown(format!("{unit} is not running"));
    }
    match c.exists(&format!("{dir}/systemd/private")) {
        Ok(details) => Outcome::ok(details),
        Err(details) => Outcome::warning(format!("{unit} is running, but {details}"), effect, fix),
    }
})
.needs(const { &[&RUNTIME_DIR] });

pub(crate) static WSLG: Check = check("runtime-dir-wslg", "XDG_RUNTIME_DIR is not WSLg's", |c| {
    let Some(dir) = c.system.env("XDG_RUNTIME_DIR") else {
        return Outcome::ok("XDG_RUNTIME_DIR is not set in this shell");
    };
    let effect = "it belongs to user 1000, and no other user can use it";
    let fix = setup([&systemd::STAGE, &restart::STAGE]);
    let is_ours = !dir.starts_with("/mnt/wslg/runtime-dir");
    Outcome::prefer(is_ours, format!("XDG_RUNTIME_DIR is {dir}"), effect, fix).then("open a new shell")
});

pub(crate) static RUN_IN_TMP: Check = of_user("run-in-tmp", "podman keeps no run state in /tmp", |c| {
    let uid = c.facts.user.uid;
    let names = [format!("podman-run-{uid}"), format!("storage-run-{uid}")];
    let found = names.iter().map(|name| format!("/tmp/{name}")).find(|dir| c.system.exists(dir));
    let Some(dir) = found else { return Outcome::ok(format!("/tmp has neither {}", names.join(" nor "))) };
    let effect = "on WSL it survives a restart, and podman then refers to processes that no longer exist";
    let fix = format!("stop every container, run `mv {dir} {dir}.old`, then `podman system migrate`");
    Outcome::warning(format!("{dir} exists"), effect, fix)
});

static ALL_CONTROLLERS: Check = all(
    "controllers",
    "the systemd user manager has every controller",
    const { &[&CONTROLLERS, &MORE_CONTROLLERS] },
)
.scope(USERS)
.needs(const { &[&MANAGER] });

pub(crate) static CONTROLLERS: Check = of_user("cpu-memory-pids", "the user has cpu, memory and pids", |c| {
    let effect = "kind refuses: \"requires setting systemd property 'Delegate=yes'\"";
    offered(c, &ESSENTIAL).map_or_else(Outcome::unknown, |seen| Outcome::of(seen, effect, delegate(c.facts)))
})
.needs(const { &[&MANAGER] });

static MORE_CONTROLLERS: Check = of_user("cpuset-io", "the user has cpuset and io", |c| {
    let effect = "kind starts, but limits of these controllers are not enforced";
    match offered(c, &WANTED) {
        Ok(Err(details)) => {
            let outcome = Outcome::warning(details, effect, delegate(c.facts));
            let is_available = c.facts.cgroup.unavailable().is_empty();
            if is_available { outcome } else { outcome.then(controllers::from_outside(c.facts)) }
        }
        Ok(Ok(details)) => Outcome::ok(details),
        Err(why) => Outcome::unknown(why),
    }
})
.needs(const { &[&CONTROLLERS] });

/// Whether the systemd user manager has these controllers.
fn offered(c: &CheckContext<'_>, names: &[&str]) -> Result<Result<String, String>, String> {
    if c.facts.cgroup.manager.is_none() {
        return Err(format!("{} is not running", unit(c.facts)));
    }
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Ok(PostRestartCheck::Controllers { uid: c.facts.user.uid, names }.check(c.system))
}

pub(crate) static SHELL: Check =
    of_user("shell-cgroup", "this shell is below the systemd user manager", |c| {
        let (own, unit) = (format!("{ROOT}{}", c.facts.cgroup.own), unit(c.facts));
        if c.facts.cgroup.manager.as_ref().is_some_and(|manager| own.starts_with(&manager.path)) {
            return Outcome::ok(format!("this shell is below {unit}"));
        }
        Outcome::limited(format!(
            "this shell is not below {unit}, so kind can lack controllers here; `kind-wsl kind` does not"
        ))
    })
    .needs(const { &[&CONTROLLERS] });

const IN_LOGIN: &str = "~/.local/bin is not in PATH of the login shell";

pub(crate) static LOCAL_BIN: Check = of_user("local-bin", "~/.local/bin is in PATH", |c| {
    if !needs_local_bin(c.facts) {
        return Outcome::skipped("kind and kubectl are not in ~/.local/bin");
    }
    let Some(hint) = path_hint(c.system, c.facts) else {
        return Outcome::ok("new terminals search ~/.local/bin");
    };
    let effect = "the shell does not find `kind` or `kubectl`, or finds others";
    match (hint, hint.command()) {
        (_, Some(line)) => Outcome::warning(IN_LOGIN, effect, command(line)).then("open a new terminal"),
        (PathHint::NotInLogin(_), None) => Outcome::warning(
            IN_LOGIN,
            effect,
            "add it in a start file of your shell, then open a new terminal",
        ),
        _ => Outcome::warning("~/.local/bin is not in PATH of this terminal", effect, "open a new terminal"),
    }
});

pub(crate) static MAPPING: Check = all(
    "subids",
    "the user has subordinate IDs, and newuidmap can map them",
    const { &[&SUBORDINATE_IDS, &NEWUIDMAP, &SETUID] },
);

const NO_NAMESPACE: &str =
    "podman cannot create a user namespace: \"cannot set up namespace using newuidmap\"";
const MAPPER: &str = "/usr/bin/newuidmap";

pub(crate) static SUBORDINATE_IDS: Check = check("subid-ranges", "the user has subordinate IDs", |c| {
    let (ids, user) = (&c.facts.subids, &c.facts.user.name);
    for (file, count) in [("/etc/subuid", ids.uids), ("/etc/subgid", ids.gids)] {
        if count < SUBIDS {
            let details = format!("{user} has {count} subordinate IDs in {file} and needs {SUBIDS}");
            return Outcome::error(details, NO_NAMESPACE, setup([&packages::STAGE, &subids::STAGE]));
        }
    }
    Outcome::ok(format!("{user} has {SUBIDS} subordinate IDs"))
});

pub(crate) static NEWUIDMAP: Check = check("newuidmap", "newuidmap is installed", |c| {
    let (is_installed, fix) = (c.facts.subids.newuidmap, setup([&packages::STAGE]));
    let details = format!("{MAPPER} is {}installed", if is_installed { "" } else { "not " });
    Outcome::require(is_installed, details, NO_NAMESPACE, fix)
});

pub(crate) static SETUID: Check = check("newuidmap-setuid", "newuidmap may map IDs", |c| {
    let path = Utf8Path::new(MAPPER);
    let mode = c.system.resolve(path).and_then(|p| c.system.stat(&p)).ok().flatten().map(|s| s.mode);
    match mode {
        None => return Outcome::unknown(format!("the mode of {path} cannot be read")),
        Some(mode) if mode & 0o4000 != 0 => return Outcome::ok(format!("{path} is setuid")),
        Some(_) => {}
    }
    // A file capability is sufficient.
    match c.system.stdout_if_ok(&Cmd::new("getcap", [path.as_str()])) {
        Some(found) if found.contains("cap_setuid") => Outcome::ok(format!("{path} has cap_setuid")),
        Some(_) => {
            let details = format!("{path} has neither the setuid bit nor cap_setuid");
            let fix = command("sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
            Outcome::error(details, NO_NAMESPACE, fix)
        }
        None => Outcome::unknown(format!("{path} is not setuid; its capability is unknown without getcap")),
    }
})
.needs(const { &[&NEWUIDMAP] });
