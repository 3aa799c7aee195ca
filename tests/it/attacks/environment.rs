//! What the caller's environment can do to root, and what of it others can read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::attacks::jail::{Ended, Jail, TOOL};
use crate::attacks::seen::tree;
use crate::support::Layout;
use crate::support::cli::{Case, is_root};

/// In a proxy's, a mirror's and a hostile variable's value.
const PASSWORD: &str = "hunter2-3b7a";
/// A setup of one stage that needs root and nothing else.
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
fn programs_started_by_root_do_not_inherit_a_hostile_environment() {
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
            // podman would create the directory of its configuration otherwise; it is the user's own, whatever was passed in.
            let is_configuration =
                name == "XDG_CONFIG_HOME" && program == "podman" && value == "'/home/dev/.config'";
            let is_users = is_of_user.contains(&name) || is_configuration;
            let known = is_known.contains(&name) || (*uid != 0 && is_users);
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

/// A sudo that the user starts, marked as one of ours, with these variables.
fn through_marked_sudo(jail: &Jail, variables: &str, command: &str) -> Ended {
    let script = format!("exec env KIND_WSL_HANDED=$$ {variables} sh -c 'exec sudo {command}'");
    jail.run_program(1000, &[("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")], &["sh", "-c", &script])
}

/// A program of the user's that notes as whom it runs, and answers as the helper does.
const NOTES_USER: &str = "#!/bin/sh
id -u >> /fake/ran-as
echo 'profile=/home/dev'
echo 'able=yes'
";

fn put_program(jail: &Jail, path: &str, text: &str, owner: u32, mode: u32) {
    jail.case.machine.write(path, text);
    fs::set_permissions(jail.path(path), fs::Permissions::from_mode(mode)).unwrap();
    chown(jail.path(path), Some(owner), Some(owner)).unwrap();
}

/// The layout of WSL, in which Windows is asked for the profile.
fn jail_on_wsl() -> Option<Jail> {
    let jail = jail()?;
    fs::create_dir_all(jail.path("/run/WSL")).unwrap();
    Some(jail)
}

/// sudoers may allow `kind-wsl status` alone. Whoever has that chooses the environment of sudo itself.
#[test]
fn root_takes_no_answer_and_no_helper_from_the_environment_of_the_callers_sudo() {
    let Some(jail) = jail_on_wsl() else { return };
    put_program(&jail, "/home/dev/helper", NOTES_USER, 1000, 0o755);
    let variables =
        "KIND_WSL_HELPER=/home/dev/helper WSL_INTEROP=/x KIND_WSL_DMESG=yes KIND_WSL_MIRROR=http://x";
    let by_hand = through_marked_sudo(&jail, variables, "-- /opt/kind-wsl plan --diff --only limits");
    assert_eq!(by_hand.code, Some(0), "{by_hand:?}");
    assert!(!by_hand.said.contains("dmesg_restrict"), "{by_hand:?}");
    let ours = through_marked_sudo(
        &jail,
        variables,
        "-- /usr/bin/env TERM=dumb /opt/kind-wsl plan --diff --only limits",
    );
    // Of a sudo that may run anything the mirror counts, and is refused for what it is.
    assert!(ours.code == Some(2) && ours.said.contains("only https is accepted"), "{ours:?}");
    assert!(!jail.path("/fake/ran-as").exists(), "{}", jail.case.machine.text("/fake/ran-as"));
    // The variable does decide if root sets it.
    let said = jail
        .run(0, &[("KIND_WSL_DMESG", "yes")], &["plan", "--diff", "--only", "limits", "--user", "dev"])
        .said;
    assert!(said.contains("dmesg_restrict"), "{said}");
}

#[test]
fn a_windows_program_runs_as_the_user_although_root_asks() {
    let Some(jail) = jail_on_wsl() else { return };
    put_program(&jail, "/opt/kind-wsl-helper.exe", NOTES_USER, 0, 0o755);
    let ended = jail.run(0, &[("WSL_INTEROP", "/x")], &["plan", "--user", "dev"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let users = jail.case.machine.text("/fake/ran-as");
    assert!(!users.is_empty() && users.lines().all(|uid| uid == "1000"), "{users}");
    let environments = jail.environments();
    let with_interop: Vec<_> =
        environments.iter().filter(|(.., env)| env.iter().any(|v| v.starts_with("WSL_INTEROP="))).collect();
    assert!(with_interop.iter().all(|(_, uid, _)| *uid == 1000), "{with_interop:?}");
}

#[test]
fn a_helper_that_another_user_can_exchange_is_not_used() {
    let Some(jail) = jail_on_wsl() else { return };
    let ask = |program: &str| {
        jail.run_program(0, &[("WSL_INTEROP", "/x")], &[program, "plan", "--user", "dev"]);
        let has_run = jail.path("/fake/ran-as").exists();
        let _ = fs::remove_file(jail.path("/fake/ran-as"));
        has_run
    };
    put_program(&jail, "/opt/kind-wsl-helper.exe", NOTES_USER, 0, 0o755);
    assert!(ask("/opt/kind-wsl"), "a helper of root's beside the program is used");
    put_program(&jail, "/opt/kind-wsl-helper.exe", NOTES_USER, 0, 0o777);
    assert!(!ask("/opt/kind-wsl"), "everybody may write to it");
    put_program(&jail, "/opt/kind-wsl-helper.exe", NOTES_USER, 1000, 0o755);
    assert!(!ask("/opt/kind-wsl"), "the user owns it");
    for (place, owner, mode) in [("/home/dev/.local/bin", 1000, 0o755), ("/srv/bin", 0, 0o777)] {
        fs::create_dir_all(jail.path(place)).unwrap();
        fs::copy(jail.path("/opt/kind-wsl"), jail.path(place).join("kind-wsl")).unwrap();
        put_program(&jail, &format!("{place}/kind-wsl-helper.exe"), NOTES_USER, 0, 0o755);
        chown(jail.path(place), Some(owner), Some(owner)).unwrap();
        fs::set_permissions(jail.path(place), fs::Permissions::from_mode(mode)).unwrap();
        assert!(!ask(&format!("{place}/kind-wsl")), "{place} is not root's own");
    }
}

#[test]
fn a_store_of_certificates_that_another_user_can_change_is_ignored_by_root() {
    let Some(jail) = jail() else { return };
    let path = |path: &str| {
        (path.to_owned(), format!("warning: ignoring SSL_CERT_FILE: another user can change `{path}`"))
    };
    for (path, warning) in ["/home/dev/ca.pem", "/tmp/ca.pem", "relative.pem", "/etc/link.pem"].map(path) {
        put_program(&jail, "/home/dev/ca.pem", "", 1000, 0o644);
        put_program(&jail, "/tmp/ca.pem", "", 0, 0o644);
        let _ = std::os::unix::fs::symlink("/home/dev/ca.pem", jail.path("/etc/link.pem"));
        let ended = jail.run(0, &[("SSL_CERT_FILE", &path)], &["plan", "--user", "dev", "--only", "limits"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.said.contains(&warning), "{path}: {ended:?}");
    }
    put_program(&jail, "/etc/ca.pem", "", 0, 0o644);
    let ended =
        jail.run(0, &[("SSL_CERT_FILE", "/etc/ca.pem")], &["plan", "--user", "dev", "--only", "limits"]);
    assert!(ended.code == Some(0) && !ended.said.contains("warning"), "{ended:?}");
    let seen: Vec<_> = jail
        .environments()
        .into_iter()
        .flat_map(|(.., env)| env)
        .filter(|v| v.starts_with("SSL_CERT"))
        .collect();
    assert!(!seen.is_empty() && seen.iter().all(|v| v.contains("/etc/ca.pem")), "{seen:?}");
}

#[test]
fn the_choice_of_color_reaches_the_run_as_root() {
    let Some(jail) = jail() else { return };
    let ended = jail.run(1000, &[("PATH", "/usr/bin:/bin")], &[&["--color", "always"], &SMALL[..]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.seen.iter().any(|line| line.contains("sudo\0") && line.contains("\0--color=always")),
        "{:?}",
        ended.seen
    );
}

#[test]
fn without_sudo_the_hint_is_what_was_typed_for_root() {
    let Some(jail) = jail() else { return };
    fs::remove_file(jail.path("/usr/bin/sudo")).unwrap();
    let mirror = format!("--mirror=https://me:{PASSWORD}@mirror.test");
    let ended = jail.run(1000, &[], &[&SMALL[..], &[mirror.as_str()]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = ended
        .said
        .split("error: ")
        .nth(1)
        .unwrap_or_default()
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let wanted = "cannot become root: sudo is not installed hint: run this as root: `/opt/kind-wsl setup --yes --only subids --mirror=https://mirror.test --user=dev`";
    assert_eq!(said, wanted, "{ended:?}");
}

#[test]
fn a_forged_sudo_user_does_not_select_another_home() {
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
