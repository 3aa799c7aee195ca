//! What the caller's environment can do to root, and what of it others can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::cli::is_root;
use crate::jail::Jail;
use crate::seen::tree;

/// In a proxy's, a mirror's and a hostile variable's value.
const PASSWORD: &str = "hunter2-3b7a";
/// A set-up of one stage that needs root and nothing else.
const SMALL: [&str; 4] = ["setup", "--yes", "--only", "subids"];

/// The program needs a machine that is its own, and that takes root here.
fn jail() -> Option<Jail> {
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
    assert!(roots > 3, "{environments:?}");
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
