//! A fake machine as the running system: the program's root is `/` there, users are real, and sudo is a double.
//! The kernel's files are the real ones, read-only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;

use crate::support::cli::Case;
use crate::support::{Layout, fake};

pub(crate) struct Jail {
    pub(crate) case: Case,
}

/// The result of a run in the jail.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    /// Every command line of the run and its children.
    pub(crate) seen: Vec<String>,
}

/// Mounts and switches to a user: `$1` is the machine, `$2` the user, the rest the command. A constant, without any text of
/// a test.
const ENTER: &str = "set -e
mount --bind \"$1\" \"$1\"
mount -o remount,bind,suid,exec \"$1\"
mount -t proc -o ro proc \"$1/proc\"
root=$1 who=$2
shift 2
exec /usr/sbin/chroot --userspec=\"$who:$who\" --groups=\"$who\" \"$root\" \"$@\"";

/// Emulates a program of the machine and records its arguments and environment.
pub(crate) const TOOL: &str = "#!/bin/sh
read -r pid comm state parent group session terminal rest < /proc/self/stat
echo \"${0##*/} $(id -u) $pid $session $terminal\" >> /fake/sessions
{ echo \"== ${0##*/} $(id -u)\"; export -p; } >> /fake/environments
KIND_WSL_ROOT=/ exec /opt/fake-tools \"$0\" \"$@\"
";

impl Jail {
    pub(crate) fn new() -> Self {
        let case = Case::new(Layout::Plain);
        let jail = Self { case };
        let copy = |from: &str, to: &str| {
            let to = jail.path(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&to);
            fs::copy(from, &to).unwrap_or_else(|e| panic!("{from} to {to}: {e}"));
        };
        let tools = fs::read_to_string(jail.path("/usr/bin/dpkg-query")).unwrap();
        let tools = tools.trim().strip_prefix("#!").unwrap();
        let own = [(env!("CARGO_BIN_EXE_kind-wsl"), "/opt/kind-wsl"), (tools, "/opt/fake-tools")];
        let system =
            [("/bin/sh", "/bin/sh"), ("/usr/bin/env", "/usr/bin/env"), ("/usr/bin/id", "/usr/bin/id")];
        for (from, to) in own.into_iter().chain(system) {
            copy(from, to);
            for library in libraries(from) {
                copy(&library, &library);
            }
        }
        // The shell is the system's own: programs of the machine are scripts for it.
        for program in fake::PROGRAMS.into_iter().filter(|p| !["crun", "sh"].contains(p)) {
            jail.case.machine.write(&format!("/usr/bin/{program}"), TOOL);
        }
        // The kernel's own are mounted there.
        fs::remove_dir_all(jail.path("/proc")).unwrap();
        fs::create_dir(jail.path("/proc")).unwrap();
        for (dir, mode) in [("/tmp", 0o1777), ("/fake", 0o777), ("/dev", 0o755), ("/root", 0o700)] {
            fs::create_dir_all(jail.path(dir)).unwrap();
            fs::set_permissions(jail.path(dir), fs::Permissions::from_mode(mode)).unwrap();
        }
        jail.case.machine.write("/dev/null", "");
        jail.case.machine.write("/fake/environments", "");
        jail.case.machine.write("/fake/sessions", "");
        jail.case.machine.write("/fake/commands", "");
        for path in ["/dev/null", "/fake/environments", "/fake/sessions", "/fake/commands"] {
            fs::set_permissions(jail.path(path), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/attacks/sudo.c");
        let sudo = jail.path("/usr/bin/sudo");
        assert!(Command::new("cc").args(["-o", sudo.as_str(), source]).status().unwrap().success());
        chown(&sudo, Some(0), Some(0)).unwrap();
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o4755)).unwrap();
        jail
    }

    pub(crate) fn path(&self, path: &str) -> Utf8PathBuf {
        self.case.machine.path(path)
    }

    /// Runs `kind-wsl` in there as this user, with this environment and no other.
    pub(crate) fn run(&self, uid: u32, env: &[(&str, &str)], args: &[impl AsRef<OsStr>]) -> Ended {
        let program = [OsStr::new("/opt/kind-wsl")].into_iter();
        self.run_program(uid, env, &program.chain(args.iter().map(AsRef::as_ref)).collect::<Vec<_>>())
    }

    /// Runs another program in there.
    pub(crate) fn run_program(&self, uid: u32, env: &[(&str, &str)], line: &[impl AsRef<OsStr>]) -> Ended {
        let who = uid.to_string();
        let words = ["--mount", "--", "sh", "-c", ENTER, "jail", self.case.machine.root.as_str(), &who];
        let mut command = Command::new("unshare");
        command.args(words).args(line);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        let mut child = command.spawn().unwrap();
        let mut seen = BTreeMap::new();
        let ended = loop {
            look_around(child.id(), &mut seen);
            if seen.values().any(|line: &String| line.contains("sudo\0")) {
                self.case.machine.write("/fake/go", "");
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
        };
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
        Ended { code: ended.code(), said, seen: seen.into_values().collect() }
    }

    /// The environments of the programs that were run, each with its name and user.
    pub(crate) fn environments(&self) -> Vec<(String, u32, Vec<String>)> {
        let text = self.case.machine.text("/fake/environments");
        let one = |part: &str| {
            let (head, rest) = part.split_once('\n')?;
            let (name, uid) = head.split_once(' ')?;
            let names = rest.lines().filter_map(|l| l.strip_prefix("export ")).map(ToOwned::to_owned);
            Some((name.to_owned(), uid.parse().ok()?, names.collect()))
        };
        text.split("== ").filter_map(one).collect()
    }
}

/// Notes the command lines of a process and all that it started, by process.
fn look_around(top: u32, seen: &mut BTreeMap<(u32, String), String>) {
    let mut ours = vec![top];
    while let Some(pid) = ours.pop() {
        if let Ok(line) = fs::read_to_string(format!("/proc/{pid}/cmdline")) {
            seen.insert((pid, line.clone()), line);
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        ours.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
}

/// What the loader needs to start a program.
fn libraries(program: &str) -> Vec<String> {
    let said = Command::new("ldd").arg(program).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(ToOwned::to_owned).collect()
}
