//! Real commands: started in a process group of their own, bounded in time, ended with all they started.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Pid};

use super::pipes::Pipes;
use super::{Account, Cmd, Output, REPORTS, Runner};

/// The directories of the system's own programs. The caller's PATH plays no role: on WSL it ends in Windows
/// directories, where a program of the same name is another program.
const SYSTEM_PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where sudo is besides: NixOS keeps its setuid programs there.
const WRAPPERS: &str = "/run/wrappers/bin";
/// Variables of a session that mean the same to root as to who became it: they neither load, write nor run anything.
pub const OF_SESSION: [&str; 10] = [
    "TERM",
    "LANG",
    "NO_COLOR",
    "WSL_INTEROP",
    "WSL_DISTRO_NAME",
    "WSLENV",
    "CONTAINERS_CONF",
    "CONTAINERS_CONF_OVERRIDE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// Those of proxies; they may hold a password.
pub const OF_PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Runs programs of the system at a root.
#[derive(Debug)]
pub struct Process {
    root: Utf8PathBuf,
}

impl Process {
    /// Runs the programs of the tree at `root`. With another root than `/` they are that tree's own: started in a chroot
    /// there, for what a real tree has would work on this machine otherwise (its apt-get would install here); what only
    /// stands in for a program, and itself lies outside, by its path there with `KIND_WSL_ROOT` in its environment.
    #[must_use]
    pub fn new(root: &Utf8Path) -> Self {
        Self { root: root.to_owned() }
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that starts programs")]
    fn command(&self, cmd: &Cmd) -> io::Result<Command> {
        let program = self.find(&cmd.program).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let enters = self.root != "/" && is_at_home(&self.root, &program);
        let within = program.strip_prefix(&self.root).map(|p| Utf8Path::new("/").join(p));
        let mut command = match within {
            Ok(within) if enters => Command::new(within),
            _ => Command::new(program),
        };
        command.args(&cmd.args);
        if nix::unistd::geteuid().is_root() {
            command.env_clear().envs(kept_for_root());
        }
        command.env("LC_ALL", "C.UTF-8").env("PATH", SYSTEM_PATH.join(":")).envs(&cmd.env);
        if enters {
            enter(&mut command, &self.root, cmd.user.as_ref())?;
        } else if self.root != "/" {
            command.env("KIND_WSL_ROOT", self.root.as_str());
        }
        if cmd.reports {
            share_output(&mut command);
        }
        if let Some(user) = &cmd.user {
            command.envs(user.env()).current_dir(if self.root == "/" { user.home.as_str() } else { "/" });
        }
        match &cmd.user {
            Some(user) if nix::unistd::geteuid().is_root() && self.root == "/" => {
                become_user(&mut command, user)?;
            }
            // A group of its own: Ctrl-C reaches us, and we let a running apt or systemctl end its work.
            _ => {
                command.process_group(0);
            }
        }
        Ok(command)
    }

    fn find(&self, program: &str) -> Option<Utf8PathBuf> {
        let at = |path: &Utf8Path| {
            let real = self.root.join(path.strip_prefix("/").unwrap_or(path));
            nix::unistd::access(real.as_std_path(), nix::unistd::AccessFlags::X_OK).is_ok().then_some(real)
        };
        if program.starts_with('/') {
            return at(Utf8Path::new(program));
        }
        SYSTEM_PATH.iter().find_map(|dir| at(&Utf8Path::new(dir).join(program)))
    }
}

/// Whether a program is one of the tree's: a binary, or a script whose interpreter is in the tree too.
#[allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]
fn is_at_home(root: &Utf8Path, program: &Utf8Path) -> bool {
    let mut start = Vec::new();
    // The kernel looks at no more of a first line (binfmt_script, BINPRM_BUF_SIZE).
    let read = std::fs::File::open(program).and_then(|file| file.take(256).read_to_end(&mut start));
    if read.is_err() {
        return true;
    }
    let Some(line) = start.strip_prefix(b"#!") else { return true };
    let line = String::from_utf8_lossy(line);
    let interpreter = line.split_ascii_whitespace().next().unwrap_or_default().trim_start_matches('/');
    // Its last step may be a link, which leads somewhere only in the tree.
    !interpreter.is_empty() && std::fs::symlink_metadata(root.join(interpreter)).is_ok()
}

/// Starts the child in the tree, as the user where there is one: with no group but their own, for the groups of the
/// tree are not those of this machine.
fn enter(command: &mut Command, root: &Utf8Path, user: Option<&Account>) -> io::Result<()> {
    let root = std::ffi::CString::new(root.as_str())?;
    let ids = user.map(|u| (nix::unistd::Uid::from_raw(u.uid), Gid::from_raw(u.gid)));
    // SAFETY: between fork and exec only bare system calls are made, on a string that was allocated before the fork.
    #[allow(unsafe_code, reason = "std has no stable way to start a program in another root")]
    unsafe {
        command.pre_exec(move || {
            nix::unistd::chroot(root.as_c_str())?;
            nix::unistd::chdir(c"/")?;
            if let Some((uid, gid)) = ids {
                nix::unistd::setgroups(&[])?;
                nix::unistd::setgid(gid)?;
                nix::unistd::setuid(uid)?;
            }
            Ok(())
        });
    }
    Ok(())
}

/// Gives the child its standard output as descriptor [`REPORTS`] as well.
fn share_output(command: &mut Command) {
    // SAFETY: between fork and exec nothing is called but dup2, which is async-signal-safe (signal-safety(7)).
    #[allow(unsafe_code, reason = "std has no other way to hand on a further descriptor")]
    unsafe {
        command.pre_exec(|| match nix::libc::dup2(1, REPORTS) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// Gives the child the user's ids and all of their groups: a rootless podman reads the journal by the group
/// `systemd-journal`, and newuidmap checks that the caller is who the ranges belong to.
fn become_user(command: &mut Command, user: &Account) -> io::Result<()> {
    let name = std::ffi::CString::new(user.name.as_str())?;
    let groups: Vec<Gid> = nix::unistd::getgrouplist(&name, Gid::from_raw(user.gid))?;
    let (uid, gid) = (nix::unistd::Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    // SAFETY: between fork and exec only async-signal-safe calls are made (signal-safety(7) lists setsid, setgid and
    // setuid; setgroups is a bare system call here), and the group list was allocated before the fork.
    #[allow(unsafe_code, reason = "std's CommandExt::groups is not stable, and uid() alone drops all groups")]
    unsafe {
        command.pre_exec(move || {
            // A session of its own as well as a group: without root's terminal it can type nothing there (TIOCSTI).
            nix::unistd::setsid()?;
            nix::unistd::setgroups(&groups)?;
            nix::unistd::setgid(gid)?;
            nix::unistd::setuid(uid)?;
            Ok(())
        });
    }
    Ok(())
}

impl Runner for Process {
    fn run(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> io::Result<Output> {
        let mut command = self.command(cmd)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let deadline = Instant::now() + Duration::from_secs(cmd.seconds);
        let mut pipes = Pipes::of(&mut child)?;
        while pipes.out.is_open() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(end(&mut child));
            }
            pipes.wait(left)?;
            pipes.out.lines(out);
        }
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                return Err(end(&mut child));
            }
            // The pipe is closed, so the program is about to end; only one that closed it on purpose keeps us here.
            pipes.wait(Duration::from_millis(1))?;
        };
        Ok(Output { code: code(status), stdout: pipes.out.said(), stderr: pipes.err.said() })
    }
}

/// Ends the whole group, so that nothing that it started stays behind.
fn end(child: &mut Child) -> io::Error {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
    io::Error::from(io::ErrorKind::TimedOut)
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(-1)
}

/// Starts a program in our place: its exit code, terminal and signals are then its own.
///
/// # Errors
/// Returns only when the program can not be started.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "replaces this process")]
pub fn replace(program: &str, args: &[impl AsRef<OsStr>], env: &[(String, String)]) -> io::Error {
    Command::new(program).args(args).envs(env.iter().map(|(k, v)| (k, v))).exec()
}

/// Where sudo is. The caller's PATH plays no role: what stands there may be anybody's, and it is given a password.
#[must_use]
pub fn sudo() -> Option<Utf8PathBuf> {
    let system = Process::new(Utf8Path::new("/"));
    system.find("sudo").or_else(|| system.find(&format!("{WRAPPERS}/sudo")))
}

/// What a program that root starts gets of our environment, beside what its [`Cmd`] says. Anything else could tell it
/// what to load, where to write or what to run (`LD_PRELOAD`, `TMPDIR`, `APT_CONFIG`, `XDG_CONFIG_HOME`, `GCONV_PATH`);
/// sudo takes that away by itself, `sudo -E` and a root shell do not.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn kept_for_root() -> Vec<(OsString, OsString)> {
    let names = OF_SESSION.into_iter().chain(OF_PROXIES).chain(["DOCKER_HOST"]);
    let kept = names.filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let own = [("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")];
    kept.chain(own.map(|(name, value)| (name.into(), value.into()))).collect()
}

/// As root, makes files as a system's own are made, whatever the caller's umask: what apt and systemctl make for us is
/// for everybody to read and for root alone to write.
pub fn settle_umask() {
    if nix::unistd::geteuid().is_root() {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    }
}

/// Where this program is.
#[allow(clippy::disallowed_methods, reason = "the one place that asks")]
#[must_use]
pub fn program() -> Option<Utf8PathBuf> {
    std::env::current_exe().ok().and_then(|p| Utf8PathBuf::from_path_buf(p).ok())
}

/// This process's environment, taken once at the start.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use camino::Utf8Path;

    use super::{Cmd, Output, Process, REPORTS, Runner};

    /// A tree that lacks the libraries of its programs: started there they can not run, started here they would.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test")]
    fn a_program_of_another_tree_does_not_run_on_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::fs::create_dir_all(root.join("opt")).unwrap();
        std::fs::copy("/bin/sh", root.join("usr/bin/sh")).unwrap();
        let script = |name: &str, interpreter: &str| {
            let path = root.join("usr/bin").join(name);
            std::fs::write(&path, format!("#!{interpreter}\necho \"$KIND_WSL_ROOT\"\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        script("at-home", "/usr/bin/sh");
        script("stand-in", "/bin/sh");
        let run = |cmd: Cmd| Process::new(root).run(&cmd, &mut |_| {});
        assert!(run(Cmd::new("sh", ["-c", "exit 0"])).is_err(), "the binary ran on this machine");
        assert!(run(Cmd::line("at-home")).is_err(), "the script ran on this machine");
        // One whose interpreter is no part of the tree is told where the tree is.
        assert_eq!(run(Cmd::line("stand-in")).unwrap().stdout, format!("{root}\n"));
    }

    #[test]
    fn what_is_reported_on_its_descriptor_comes_with_the_output() {
        let script = format!("echo said; echo reported > /proc/self/fd/{REPORTS}");
        let cmd = Cmd::new("sh", ["-c", script.as_str()]).reporting();
        let output = Process::new(Utf8Path::new("/")).run(&cmd, &mut |_| {}).unwrap();
        assert_eq!((output.code, output.stdout.as_str()), (0, "said\nreported\n"), "{output:?}");
    }

    fn sh(script: &str) -> (Output, Vec<String>) {
        let mut lines = Vec::new();
        let output = Process::new(Utf8Path::new("/"))
            .run(&Cmd::new("sh", ["-c", script]), &mut |line| lines.push(line.to_owned()));
        (output.unwrap(), lines)
    }

    #[test]
    fn what_a_program_said_is_there_at_once_though_what_it_left_behind_holds_the_pipe() {
        let begin = Instant::now();
        let (output, _) = sh("sleep 20 > /dev/null & echo $!; echo no >&2; exit 3");
        assert_eq!((output.code, output.stderr.as_str()), (3, "no\n"));
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        let left = output.stdout.trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(left), nix::sys::signal::Signal::SIGKILL).unwrap();
    }

    #[test]
    fn much_on_both_outputs_at_once_comes_whole_and_lines_end_where_they_end() {
        let many = "head -c 300000 /dev/zero | tr '\\0'";
        let (output, lines) = sh(&format!("{many} y >&2 & {many} x; wait; printf 'one\\r\\ntwo\\nlast'"));
        assert_eq!((output.stderr.len(), output.stdout.len()), (300_000, 300_000 + 13));
        assert_eq!((lines.len(), lines[0].len()), (3, 300_003));
        assert_eq!(lines[1..], ["two", "last"]);
    }
}
