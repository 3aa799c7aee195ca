//! What the caller's environment can do to root, and what of it others can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::cli::{Case, is_root};
use crate::jail::{Jail, TOOL};
use crate::seen::tree;
use crate::support::Layout;

/// In a proxy's, a mirror's and a hostile variable's value.
const PASSWORD: &str = "hunter2-3b7a";
/// A set-up of one stage that needs root and nothing else.
const SMALL: [&str; 4] = ["setup", "--yes", "--only", "subids"];

/// The program needs a machine that is its own, and that takes root here.
pub(crate) fn jail() -> Option<Jail> {
    if is_root() {
        return Some(Jail::new());
    }
    println!("without root there is no machine of one's own: nothing was tried");
    None
}

/// Programs of a hostile user's, first in their PATH: whoever runs one is found out.
fn planted(jail: &Jail) {
    for name in
        ["sudo", "env", "apt-get", "dpkg-query", "systemctl", "getent", "uname", "id", "sh", "newuidmap"]
    {
        let path = format!("/home/dev/evil/{name}");
        jail.case.machine.write(&path, "#!/bin/sh\necho \"$0\" >> /fake/evil\nexit 1\n");
        fs::set_permissions(jail.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn no_password_of_a_proxy_or_a_mirror_is_on_a_command_line_and_root_has_it_all_the_same() {
    let Some(jail) = jail() else { return };
    let proxy = format!("http://me:{PASSWORD}@127.0.0.1:1");
    let mirror = format!("https://me:{PASSWORD}@mirror.test");
    let env = [
        ("PATH", "/usr/bin:/bin"),
        ("HTTPS_PROXY", proxy.as_str()),
        ("http_proxy", &proxy),
        ("KIND_WSL_MIRROR", &mirror),
        ("LANG", "C.UTF-8"),
    ];
    let ended = jail.run(1000, &env, &SMALL);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(jail.case.machine.text("/etc/subuid").contains("dev:"), "{ended:?}");
    let through =
        ended.seen.iter().filter(|line| line.contains("sudo\0") && line.contains("--agreed")).count();
    assert!(through > 0, "sudo was not seen: {:?}", ended.seen);
    let leaks: Vec<_> = ended.seen.iter().filter(|line| line.contains(PASSWORD)).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(!ended.said.contains(PASSWORD), "{}", ended.said);
    // Root's own programs are told of the proxy: it came through.
    let environments = jail.environments();
    let told = |(_, uid, env): &&(String, u32, Vec<String>)| {
        *uid == 0 && env.iter().any(|v| v.starts_with("HTTPS_PROXY=") && v.contains(PASSWORD))
    };
    assert!(environments.iter().any(|e| told(&e)), "{environments:?}");
    // Nor is it in any file that was left.
    fs::remove_file(jail.path("/fake/environments")).unwrap();
    for path in tree(&jail.case.machine.root).keys() {
        let bytes = fs::read(jail.path(path)).unwrap_or_default();
        let found = bytes.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes());
        assert!(!found, "{path} holds it");
    }
}

#[test]
fn sudo_is_never_one_of_the_callers_path() {
    let Some(jail) = jail() else { return };
    planted(&jail);
    let ended = jail.run(1000, &[("PATH", "/home/dev/evil:/usr/bin:/bin")], &SMALL);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!jail.path("/fake/evil").exists(), "{}", jail.case.machine.text("/fake/evil"));
    assert!(jail.case.machine.text("/etc/subuid").contains("dev:"));
}

#[test]
fn what_root_starts_sees_nothing_of_a_hostile_environment() {
    let Some(jail) = jail() else { return };
    planted(&jail);
    // A program that is asked for its version as the user.
    jail.case.machine.write("/usr/bin/dockerd", TOOL);
    fs::set_permissions(jail.path("/usr/bin/dockerd"), fs::Permissions::from_mode(0o755)).unwrap();
    let hostile = [
        ("PATH", "/home/dev/evil:/usr/bin:/bin"),
        ("LD_LIBRARY_PATH", "/home/dev/evil"),
        ("GCONV_PATH", "/home/dev/evil"),
        ("APT_CONFIG", "/home/dev/evil/apt.conf"),
        ("DPKG_ROOT", "/home/dev/evil"),
        ("SYSTEMD_UNIT_PATH", "/home/dev/evil"),
        ("TMPDIR", "/home/dev/evil"),
        ("HOME", "/home/dev"),
        ("XDG_CONFIG_HOME", "/home/dev/evil"),
        ("XDG_RUNTIME_DIR", "/home/dev/evil"),
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/home/dev/evil/bus"),
        ("ENV", "/home/dev/evil/sh"),
        ("BASH_ENV", "/home/dev/evil/sh"),
        ("PERL5OPT", "-Mevil"),
        ("PYTHONPATH", "/home/dev/evil"),
        ("SUDO_USER", "root"),
        ("SUDO_UID", "0"),
        ("WSL_DISTRO_NAME", "$(touch /fake/evil)\n\u{1b}[2J"),
        ("KIND_WSL_HELPER", "/home/dev/evil/sudo"),
        ("TERM", "dumb"),
    ];
    let ended = jail.run(0, &hostile, &["setup", "--yes", "--only", "subids", "--user", "dev"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!jail.path("/fake/evil").exists(), "{}", jail.case.machine.text("/fake/evil"));
    assert!(!ended.said.contains('\u{1b}'), "{}", ended.said);
    let environments = jail.environments();
    let (mut roots, mut users) = (0, 0);
    for (program, uid, env) in &environments {
        *if *uid == 0 { &mut roots } else { &mut users } += 1;
        for variable in env {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            let is_known =
                ["HOME", "LC_ALL", "LOGNAME", "PATH", "PWD", "OLDPWD", "TERM", "USER", "WSL_DISTRO_NAME"];
            let is_of_user = ["SHELL", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
            let known = is_known.contains(&name) || (*uid != 0 && is_of_user.contains(&name));
            assert!(known, "{program} got {variable}");
            assert!(name == "WSL_DISTRO_NAME" || !value.contains("evil"), "{program} got {variable}");
            assert!(*uid != 0 || name != "HOME" || value == "'/root'", "{program} got {variable}");
        }
    }
    assert!(roots > 3 && users > 0, "{environments:?}");
    // The user's own has a session of its own, without a terminal that it could type into (TIOCSTI).
    let sessions = jail.case.machine.text("/fake/sessions");
    let of_user: Vec<_> = sessions.lines().filter(|line| line.starts_with("dockerd 1000 ")).collect();
    assert!(!of_user.is_empty(), "{sessions}");
    for line in of_user {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[2], words[4]), (words[3], "0"), "not a session of its own: {sessions}");
    }
    println!("{roots} commands as root, {users} as the user");
}

#[test]
fn a_sudo_user_that_is_a_lie_names_nobody_elses_home() {
    let Some(jail) = jail() else { return };
    for lie in ["root", "nobody-at-all", "../dev", "dev\nroot", "0", ""] {
        let ended = jail.run(0, &[("SUDO_USER", lie), ("SUDO_UID", "1000")], &SMALL);
        assert_eq!(ended.code, Some(2), "{lie:?}: {ended:?}");
        assert!(ended.said.contains("error: ") && ended.said.contains("hint: "), "{lie:?}: {ended:?}");
        assert!(!ended.said.contains("\nroot"), "{lie:?}: {ended:?}");
    }
    assert_eq!(jail.case.machine.text("/etc/subuid"), "");
}

#[test]
fn a_program_that_prints_without_end_does_not_fill_the_memory() {
    let case = Case::new(Layout::Modern).started_by(&[
        "prlimit",
        "--as=1500000000",
        "timeout",
        "--signal=KILL",
        "100",
    ]);
    for (program, script) in
        [("apt-cache", "yes"), ("dpkg-query", "yes >&2"), ("wslinfo", "tr '\\0' x < /dev/zero")]
    {
        let path = format!("/usr/bin/{program}");
        case.machine.write(&path, format!("#!/bin/sh\nexec {script}\n"));
        fs::set_permissions(case.machine.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    // It is refused or planned without them; it comes to an end, and within this memory.
    let seen = case.run("plan");
    assert!(matches!(seen.code, 0 | 1), "{}: {}", seen.code, seen.stderr);
}
