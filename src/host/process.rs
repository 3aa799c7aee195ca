//! Runs commands: each in a separate session, with a time limit, until it exits.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::outputs::Outputs;
use super::{Cmd, Output, Runner, interrupts, wait_for};

/// Runs programs of the system at a root.
#[derive(Debug)]
pub struct Process {
    pub(super) root: Utf8PathBuf,
    #[cfg(feature = "test-seams")]
    pub(super) has_stand_ins: bool,
}

impl Process {
    /// Runs the programs of the tree at `root`, in a chroot if that is not `/`: otherwise the apt-get of another tree
    /// would install on this machine.
    #[must_use]
    pub fn new(root: &Utf8Path) -> Self {
        Self {
            root: root.to_owned(),
            #[cfg(feature = "test-seams")]
            has_stand_ins: true,
        }
    }
}

/// The number of attempts to start a program whose file is still open for writing.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Starts a program. A child of another thread inherits every open file until it executes its own program. That can
/// include the file of this program, just written (golang/go#22315). It is closed soon.
#[allow(clippy::disallowed_methods, reason = "nothing announces that the file is closed")]
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 1..BUSY_TRIES {
        match command.spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(BUSY_PAUSE),
            started => return started,
        }
    }
    command.spawn()
}

impl Runner for Process {
    fn run(&self, cmd: &Cmd, out: &mut dyn FnMut(&str)) -> io::Result<Output> {
        let mut command = self.command(cmd)?;
        let deadline = Instant::now() + Duration::from_secs(cmd.seconds);
        command.stdin(Stdio::null());
        // Root's commands that change something must not depend on kind-wsl: with a pipe, apt would die of SIGPIPE if
        // kind-wsl ended.
        let (mut child, mut outputs) = if cmd.changes && cmd.user.is_none() {
            let (outputs, [stdout, stderr]) = Outputs::files()?;
            (spawn(command.stdout(stdout).stderr(stderr))?, outputs)
        } else {
            let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
            let outputs = Outputs::pipes(&mut child)?;
            (child, outputs)
        };
        // Otherwise this process would keep copies of the output files open.
        drop(command);
        let exit = pidfd(&child);
        let running = interrupts::Running::new(child.id());
        let _wait = wait_for(&cmd.to_string());
        let status = loop {
            // A remaining child may keep its output open: only the exit of the program itself matters.
            if let Some(status) = running.reap(|| child.try_wait())? {
                break status;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(end(&mut child));
            }
            outputs.wait(left, exit.as_ref().map(AsFd::as_fd))?;
            outputs.out.lines(out);
        };
        outputs.out.finish(out);
        Ok(Output { code: code(status), stdout: outputs.out.text(), stderr: outputs.err.text() })
    }
}

/// A descriptor that becomes readable when the child exits; `None` before Linux 5.3.
fn pidfd(child: &Child) -> Option<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two integers, and returns a new descriptor that nothing else owns.
    #[allow(unsafe_code, reason = "neither std nor nix offers it")]
    unsafe {
        let fd = nix::libc::syscall(nix::libc::SYS_pidfd_open, child.id(), 0);
        i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

/// Kills the whole process group, so that no child remains.
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

/// Replaces this process with a program, which then owns the exit code, terminal and signals.
///
/// # Errors
/// Returns only if the program cannot be started.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "replaces this process")]
pub fn replace(program: &str, args: &[impl AsRef<OsStr>], env: &[(String, String)]) -> io::Error {
    Command::new(program).args(args).envs(env.iter().map(|(k, v)| (k, v))).exec()
}

/// As root, sets the usual umask of the system, whatever the caller's: files of apt and systemctl must be readable by
/// all users and writable only by root.
pub fn set_umask() {
    if nix::unistd::geteuid().is_root() {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    }
}

/// The path of this program.
#[allow(clippy::disallowed_methods, reason = "the one place that asks")]
#[must_use]
pub fn program() -> Option<Utf8PathBuf> {
    std::env::current_exe().ok().and_then(|p| Utf8PathBuf::from_path_buf(p).ok())
}

/// The command line without the program.
#[must_use]
pub fn words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The environment of this process, read once at the start.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{OpenOptions, copy};
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use camino::Utf8Path;

    use super::super::STATUS_FD;
    use super::{Cmd, Output, Process, Runner, spawn};

    #[test]
    fn the_text_on_the_report_descriptor_comes_with_the_output() {
        let script = format!("echo said; echo reported > /proc/self/fd/{STATUS_FD}");
        let cmd = Cmd::new("sh", ["-c", script.as_str()]).with_status_fd();
        let output = Process::new(Utf8Path::new("/")).run(&cmd, &mut |_| {}).unwrap();
        assert_eq!((output.code, output.stdout.as_str()), (0, "said\nreported\n"), "{output:?}");
    }

    fn sh(script: &str) -> (Output, Vec<String>) {
        let mut lines = Vec::new();
        let output = Process::new(Utf8Path::new("/"))
            .run(&Cmd::new("sh", ["-c", script]), &mut |line| lines.push(line.to_owned()));
        (output.unwrap(), lines)
    }

    /// A remaining child would hold the pipe for 20 s.
    #[test]
    fn a_program_that_leaves_a_child_with_its_output_open_costs_no_time_and_keeps_its_answer() {
        for redirect in ["> /dev/null", "2> /dev/null", ""] {
            for changes in [false, true] {
                let script = format!("sleep 20 {redirect} & echo $!; printf answer; echo no >&2; exit 3");
                let mut lines = Vec::new();
                let cmd = Cmd { changes, ..Cmd::new("sh", ["-c", script.as_str()]) };
                let begin = Instant::now();
                let output =
                    Process::new(Utf8Path::new("/")).run(&cmd, &mut |line| lines.push(line.to_owned()));
                let output = output.unwrap();
                assert!(begin.elapsed() < Duration::from_secs(10), "{script}: {:?}", begin.elapsed());
                assert_eq!((output.code, output.stderr.as_str()), (3, "no\n"), "{script}");
                assert_eq!(lines.last().map(String::as_str), Some("answer"), "{script}");
                let left = lines[0].parse().unwrap();
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(left), nix::sys::signal::Signal::SIGKILL)
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_script_that_opens_its_standard_output_again_loses_nothing() {
        let script = "echo one; echo two > /proc/self/fd/1; echo three >> /dev/stdout; echo four";
        let cmd = Cmd { changes: true, ..Cmd::new("sh", ["-c", script]) };
        let mut lines = Vec::new();
        Process::new(Utf8Path::new("/")).run(&cmd, &mut |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(&lines[lines.len() - 2..], ["three", "four"], "{lines:?}");
    }

    #[test]
    fn a_program_leads_a_session_without_a_terminal() {
        let (output, _) = sh(
            "read -r pid comm state parent group session terminal rest < /proc/self/stat; echo $$ $session $terminal",
        );
        let words: Vec<&str> = output.stdout.split_ascii_whitespace().collect();
        assert_eq!((words[0], words[2]), (words[1], "0"), "{output:?}");
    }

    #[test]
    fn much_on_both_outputs_at_once_comes_whole_and_lines_end_where_they_end() {
        let many = "head -c 300000 /dev/zero | tr '\\0'";
        let (output, lines) = sh(&format!("{many} y >&2 & {many} x; wait; printf 'one\\r\\ntwo\\nlast'"));
        assert_eq!((output.stderr.len(), output.stdout.len()), (300_000, 300_000 + 13));
        assert_eq!((lines.len(), lines[0].len()), (3, 300_003));
        assert_eq!(lines[1..], ["two", "last"]);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test makes its files and programs")]
    fn a_program_whose_file_is_open_for_writing_for_a_moment_is_started() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        copy("/bin/true", &program).unwrap();
        let stop = AtomicBool::new(false);
        let failed = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(OpenOptions::new().write(true).open(&program));
                }
            });
            let start =
                |_: &i32| spawn(&mut Command::new(&program)).and_then(|mut child| child.wait()).is_err();
            let failed = (0..200).filter(start).count();
            stop.store(true, Ordering::Relaxed);
            failed
        });
        assert_eq!(failed, 0, "of 200 starts");
    }
}
