//! How a program is started: its file, root, user and environment.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use nix::unistd::{
    AccessFlags, Gid, Uid, access, chdir, chroot, getgrouplist, setgid, setgroups, setsid, setuid,
};

use super::{Account, Cmd, Process, STATUS_FD};

/// The variable in which a session stores the path of this program.
pub const PROGRAM_ENV: &str = "KIND_WSL_PROGRAM";

/// The directories of the system's programs. The caller's PATH is ignored: on WSL it ends with Windows directories,
/// in which a program of the same name is another program.
const SYSTEM_PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Another directory of sudo: NixOS has its setuid programs there.
const WRAPPERS: &str = "/run/wrappers/bin";
/// Variables of the user's session, passed to root on sudo's command line. They neither load nor run anything in a
/// program of root.
pub const SESSION_ENV: [&str; 10] = [
    "TERM",
    "LANG",
    "NO_COLOR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "WSL_INTEROP",
    "WSL_DISTRO_NAME",
    "WSLENV",
    "CONTAINERS_CONF",
    "CONTAINERS_CONF_OVERRIDE",
];
/// Those that only programs of the user get: Windows programs and container engines.
const OF_USER: [&str; 5] =
    ["WSL_INTEROP", "WSLENV", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "DOCKER_HOST"];
/// Proxy settings; they can contain a password.
pub const PROXY_ENV: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];
/// Variables that change the output of a program although `LC_ALL` is set. gettext reads LANGUAGE in every locale but
/// `C` itself (`guess_category_value` in glibc's intl/dcigettext.c), so also in `C.UTF-8`.
const OF_OUTPUT: [&str; 4] = ["LANGUAGE", "SYSTEMD_COLORS", "SYSTEMD_URLIFY", "DPKG_COLORS"];

impl Process {
    /// Prepares the command.
    #[allow(clippy::disallowed_methods, reason = "part of the one place that starts programs")]
    pub(super) fn command(&self, cmd: &Cmd) -> io::Result<Command> {
        let in_tree = self.root != "/";
        let stand_in = self.stand_in(&cmd.program);
        let mut command = if let Some(script) = &stand_in {
            Command::new(script)
        } else if in_tree {
            // Searched in the chroot, along the PATH that is set below.
            Command::new(&cmd.program)
        } else {
            Command::new(find(&cmd.program).ok_or(io::ErrorKind::NotFound)?)
        };
        command.args(&cmd.args);
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            command.env_clear().envs(kept_for_root(cmd.user.is_some()));
        }
        for name in OF_OUTPUT {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C.UTF-8").env("PATH", SYSTEM_PATH.join(":"));
        if let Some(user) = &cmd.user {
            command.envs(user.env());
        }
        // The variables of a command override those of a login.
        command.envs(&cmd.env);
        if stand_in.is_some() {
            command.env("KIND_WSL_ROOT", self.root.as_str());
        }
        let path = |path: &Utf8Path| CString::new(path.as_str());
        let identity = ChildIdentity {
            root: (in_tree && stand_in.is_none()).then(|| path(&self.root)).transpose()?,
            ids: match &cmd.user {
                Some(user) if is_root && stand_in.is_none() => Some(ids(user, in_tree)?),
                _ => None,
            },
            home: match &cmd.user {
                Some(user) if !in_tree => Some(path(&user.home)?),
                _ => None,
            },
            reports: cmd.reports,
        };
        // SAFETY: between fork and exec, only async-signal-safe calls are made (signal-safety(7); chroot and
        // setgroups are bare system calls here), on strings and lists that were allocated before the fork.
        #[allow(unsafe_code, reason = "std has no stable way to set groups, root and session of a child")]
        unsafe {
            command.pre_exec(move || identity.take_on());
        }
        Ok(command)
    }

    /// A script of the tests that replaces a program of the tree: its interpreter is outside the tree. Only test
    /// builds allow this: otherwise the tree could run its programs on this machine.
    #[cfg(feature = "test-seams")]
    #[allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]
    fn stand_in(&self, program: &str) -> Option<Utf8PathBuf> {
        use std::io::Read;
        if self.root == "/" || !self.has_stand_ins {
            return None;
        }
        let at = |path: &Utf8Path| {
            let real = self.root.join(path.strip_prefix("/").unwrap_or(path));
            access(real.as_std_path(), AccessFlags::X_OK).is_ok().then_some(real)
        };
        let found = if program.starts_with('/') {
            at(Utf8Path::new(program))?
        } else {
            SYSTEM_PATH.iter().find_map(|dir| at(&Utf8Path::new(dir).join(program)))?
        };
        let mut start = Vec::new();
        std::fs::File::open(&found).ok()?.take(256).read_to_end(&mut start).ok()?;
        let line = String::from_utf8_lossy(start.strip_prefix(b"#!")?).into_owned();
        let interpreter = line.split_ascii_whitespace().next().unwrap_or_default().trim_start_matches('/');
        let is_outside =
            !interpreter.is_empty() && std::fs::symlink_metadata(self.root.join(interpreter)).is_err();
        is_outside.then_some(found)
    }

    #[cfg(not(feature = "test-seams"))]
    #[allow(clippy::unused_self, reason = "test builds look into the tree")]
    fn stand_in(&self, _program: &str) -> Option<Utf8PathBuf> {
        None
    }
}

/// The identity of a child before it executes the program.
struct ChildIdentity {
    root: Option<CString>,
    ids: Option<(Uid, Gid, Vec<Gid>)>,
    home: Option<CString>,
    reports: bool,
}

impl ChildIdentity {
    fn take_on(&self) -> io::Result<()> {
        // A separate session: neither Ctrl-C nor the end of the terminal reaches the program, and without a terminal
        // it cannot type into it (TIOCSTI).
        setsid()?;
        if self.reports {
            // SAFETY: dup2 only changes the table of descriptors, and REPORTS is not in use.
            #[allow(unsafe_code, reason = "nix's dup2 wants to own a descriptor that is not open yet")]
            if unsafe { nix::libc::dup2(1, STATUS_FD) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        if let Some(root) = &self.root {
            chroot(root.as_c_str())?;
            chdir(c"/")?;
        }
        if let Some((uid, gid, groups)) = &self.ids {
            setgroups(groups)?;
            setgid(*gid)?;
            setuid(*uid)?;
        }
        // After the change of user: root may not be allowed to enter a home directory on NFS (root_squash).
        if let Some(home) = &self.home
            && chdir(home.as_c_str()).is_err()
        {
            chdir(c"/")?;
        }
        Ok(())
    }
}

/// The user's IDs with all groups: rootless podman reads the journal through the group `systemd-journal`. The groups
/// of another tree are not those of this machine.
fn ids(user: &Account, in_tree: bool) -> io::Result<(Uid, Gid, Vec<Gid>)> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups = if in_tree { Vec::new() } else { getgrouplist(&CString::new(user.name.as_str())?, gid)? };
    Ok((uid, gid, groups))
}

/// The program with that name on the running system.
fn find(program: &str) -> Option<Utf8PathBuf> {
    let runs = |path: &Utf8PathBuf| access(path.as_std_path(), AccessFlags::X_OK).is_ok();
    if program.starts_with('/') {
        return Some(Utf8PathBuf::from(program)).filter(runs);
    }
    SYSTEM_PATH.iter().map(|dir| Utf8Path::new(dir).join(program)).find(runs)
}

/// The path of sudo. The caller's PATH is ignored: a program found there could read the password.
#[must_use]
pub fn sudo() -> Option<Utf8PathBuf> {
    find("sudo").or_else(|| find(&format!("{WRAPPERS}/sudo")))
}

/// The environment that a program of root inherits, in addition to that of its [`Cmd`]. Other variables could choose
/// which files it loads, writes or runs (`LD_PRELOAD`, `TMPDIR`, `APT_CONFIG`, `XDG_CONFIG_HOME`, `GCONV_PATH`). sudo
/// removes them itself; `sudo -E` and a root shell do not.
#[allow(clippy::disallowed_methods, reason = "part of the one place that reads the environment")]
fn kept_for_root(as_user: bool) -> Vec<(OsString, OsString)> {
    let names = SESSION_ENV.into_iter().chain(PROXY_ENV).chain(["DOCKER_HOST"]);
    let names = names.filter(|name| as_user || !OF_USER.contains(name));
    let kept = names.filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let own = [("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")];
    kept.chain(own.map(|(name, value)| (name.into(), value.into()))).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8Path;

    use super::super::{Account, Cmd, Process, Runner};

    #[test]
    fn a_variable_that_a_command_sets_wins_over_that_of_a_login() {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let account = Account {
            name: "a".to_owned(),
            uid,
            gid,
            home: "/".into(),
            shell: "/bin/sh".to_owned(),
            config_home: None,
        };
        let cmd = Cmd::new("sh", ["-c", "echo \"$XDG_RUNTIME_DIR|$HOME\""]).as_user(&account);
        let stdout_of = |cmd: &Cmd| Process::new(Utf8Path::new("/")).run(cmd, &mut |_| {}).unwrap().stdout;
        assert_eq!(stdout_of(&cmd), format!("/run/user/{uid}|/\n"));
        assert_eq!(stdout_of(&cmd.with_env("XDG_RUNTIME_DIR", "")), "|/\n");
    }

    /// The tree lacks the libraries and interpreters of its programs: started there they cannot run, started here they
    /// would.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test")]
    fn a_program_of_another_tree_never_runs_on_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::fs::copy("/bin/sh", root.join("usr/bin/sh")).unwrap();
        let script = |name: &str, interpreter: &str| {
            let path = root.join("usr/bin").join(name);
            std::fs::write(&path, format!("#!{interpreter}\necho \"$KIND_WSL_ROOT\"\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        script("at-home", "/usr/bin/sh");
        script("stand-in", "/bin/sh");
        let run = |has_stand_ins: bool, name: &str| {
            let process = Process { root: root.to_owned(), has_stand_ins };
            process.run(&Cmd::new(name, ["-c", "exit 0"]), &mut |_| {})
        };
        for name in ["sh", "at-home", "stand-in", "/usr/bin/stand-in", "id"] {
            assert!(run(false, name).is_err(), "`{name}` ran on this machine");
        }
        // Test builds start a script whose interpreter is outside the tree, and pass it the path of the tree.
        assert!(run(true, "sh").is_err() && run(true, "at-home").is_err());
        assert_eq!(run(true, "stand-in").unwrap().stdout, format!("{root}\n"));
    }

    /// root may not enter a home on NFS (`root_squash`), and the user may not enter one that does not exist.
    #[test]
    fn a_home_that_cannot_be_entered_does_not_keep_a_program_from_running() {
        let (uid, gid) = match nix::unistd::geteuid().as_raw() {
            0 => (65534, 65534),
            uid => (uid, nix::unistd::getegid().as_raw()),
        };
        let user = Account {
            name: "x".into(),
            uid,
            gid,
            home: "/not/there".into(),
            shell: "/bin/sh".into(),
            config_home: None,
        };
        let pwd = Cmd::new("pwd", [""; 0]).as_user(&user);
        let output = Process::new(Utf8Path::new("/")).run(&pwd, &mut |_| {}).unwrap();
        assert_eq!(output.stdout, "/\n");
    }

    #[test]
    fn neither_language_nor_colors_of_the_caller_reach_a_program() {
        let command = Process::new(Utf8Path::new("/")).command(&Cmd::new("sh", ["-c", ""])).unwrap();
        let value =
            |name: &str| command.get_envs().find(|(key, _)| *key == name).map(|(_, value)| value.is_some());
        let is_root = nix::unistd::geteuid().is_root();
        for name in super::OF_OUTPUT {
            // Root's programs start from an empty environment.
            assert!(value(name) == Some(false) || (is_root && value(name).is_none()), "{name}");
        }
        assert_eq!(value("LC_ALL"), Some(true));
    }
}
