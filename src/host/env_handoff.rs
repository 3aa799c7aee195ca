//! Passes variables that can contain a password from a run to the same run as root: the proxy settings and the
//! mirror.
//!
//! sudo removes them (`env_reset`, sudoers(5)), and on its command line every user could read them (`ps`). So the run
//! replaces itself with sudo and keeps its environment, and root reads the variables in `/proc/PID/environ` of that
//! sudo (`proc_pid_environ(5)`). Unlike `--preserve-env=LIST` (the tag SETENV), that needs no rule in sudoers and no
//! file.
//!
//! The user who starts sudo chooses its environment. So it is used only if the process is sudo and runs `env`, as
//! `cli::session` starts it: sudo has then allowed the caller to run anything as root, with any variable.

use camino::Utf8Path;

use super::{LiveSystem, Process, System, sudo};

/// Marks a sudo that passes variables: its value is the process's own ID, which a child that inherits the variable
/// does not have.
pub const HANDOFF_PID: &str = "KIND_WSL_HANDED";
/// The arguments of sudo before the variables.
pub const BECOMES_ROOT: [&str; 2] = ["--", "/usr/bin/env"];
/// The maximum number of sudo processes above kind-wsl: sudo itself, and its monitor of a terminal (sudoers(5),
/// `use_pty`).
const MAX_DEPTH: usize = 2;

/// As root, imports the variables `wanted` from the sudo that this run became. Must be called first, before any
/// thread is started.
#[allow(clippy::disallowed_methods, reason = "part of the one place that touches the environment")]
pub fn import_env_from_parent(wanted: &[&str]) {
    let root = Utf8Path::new("/");
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
    for (name, value) in env_handoff(&host, &is_sudo, wanted) {
        // SAFETY: no other thread exists yet that could read the environment.
        #[allow(unsafe_code, reason = "the HTTP client and clap read the process's environment")]
        unsafe {
            std::env::set_var(name, value);
        }
    }
}

/// As root, unsets variables that contain the path of a file which another user could have written or could exchange;
/// returns them. Must be called before any thread is started.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "part of the one place that touches the environment")]
pub fn forget_untrusted_files(names: &[&'static str]) -> Vec<(&'static str, String)> {
    if !nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    let mut forgotten = Vec::new();
    for name in names {
        let Some(value) = std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()) else { continue };
        if value.is_empty() || value.split(':').all(|path| super::is_roots_own(Utf8Path::new(path))) {
            continue;
        }
        // SAFETY: no other thread exists yet that could read the environment.
        #[allow(unsafe_code, reason = "the HTTP client reads the process's environment")]
        unsafe {
            std::env::remove_var(name);
        }
        forgotten.push((*name, value));
    }
    forgotten
}

/// Whether a process runs the sudo that kind-wsl starts.
#[allow(clippy::disallowed_methods, reason = "part of the one place that touches files")]
fn is_sudo(pid: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = |path: &str| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino(), meta.uid()));
    let own = sudo().and_then(|path| file(path.as_str()));
    let runs = file(&format!("/proc/{pid}/exe"));
    runs.is_some_and(|(.., owner)| owner == 0) && runs == own
}

/// The wanted variables of the parent sudo; empty if that is not one that kind-wsl became.
fn env_handoff(
    system: &dyn System,
    is_sudo: &dyn Fn(&str) -> bool,
    wanted: &[&str],
) -> Vec<(String, String)> {
    for parent in ancestors(system).take(MAX_DEPTH).take_while(|pid| is_sudo(pid)) {
        let line = system.text(&format!("/proc/{parent}/cmdline")).unwrap_or_default();
        let environ = system.text(&format!("/proc/{parent}/environ")).unwrap_or_default();
        let pairs = || environ.split('\0').filter_map(|pair| pair.split_once('='));
        let is_marked = pairs().any(|(name, value)| name == HANDOFF_PID && value == parent);
        if is_marked && line.split('\0').skip(1).take(BECOMES_ROOT.len()).eq(BECOMES_ROOT) {
            let own = pairs().filter(|(name, _)| wanted.contains(name));
            return own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        }
    }
    Vec::new()
}

/// The PIDs of the ancestors of this process, nearest first.
pub fn ancestors(system: &dyn System) -> impl Iterator<Item = String> {
    let above = |pid: &String| parent(&system.text(&format!("/proc/{pid}/stat"))?);
    std::iter::successors(Some("self".to_owned()), above).skip(1)
}

/// Field 4 of a stat line, unless the parent is outside this PID namespace. The name in field 2 may contain blanks
/// and parentheses, so the fields are counted from its end (`proc_pid_stat(5)`).
fn parent(stat: &str) -> Option<String> {
    let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
    (parent != "0").then(|| parent.to_owned())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a fake /proc")]
mod tests {
    use camino::Utf8Path;

    use super::super::{LiveSystem, Process};
    use super::{env_handoff, parent};

    const OURS: &str = "sudo\0--\0/usr/bin/env\0TERM=dumb\0/usr/bin/kind-wsl\0setup\0";
    const PROXY: &str = "HTTPS_PROXY=http://me:pass@proxy:1\0";

    #[test]
    fn the_parent_is_found_behind_a_name_with_parentheses() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some("7".to_owned()));
        assert_eq!(parent("1 (systemd) S 0 1 1 0"), None);
    }

    /// The imported variables, with a monitor (80) between this process and the sudo (70) that has this command line
    /// and environment.
    fn taken(line: &str, environ: &str, is_sudo: &dyn Fn(&str) -> bool) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let put = |pid: &str, ppid: u32, line: &str, environ: &str| {
            let dir = root.join("proc").join(pid);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("stat"), format!("1 (sudo) S {ppid} 1 1 0")).unwrap();
            std::fs::write(dir.join("cmdline"), line).unwrap();
            std::fs::write(dir.join("environ"), environ).unwrap();
        };
        put("self", 80, "kind-wsl\0", "");
        put("80", 70, OURS, "KIND_WSL_HANDED=70\0HTTPS_PROXY=of the monitor\0");
        put("70", 60, line, environ);
        put("60", 0, OURS, &format!("{PROXY}KIND_WSL_HANDED=60\0"));
        let host = LiveSystem::new(root, Box::new(Process::new(root)), []);
        let taken = env_handoff(&host, is_sudo, &["HTTPS_PROXY", "KIND_WSL_MIRROR"]);
        taken.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn the_proxy_comes_from_the_sudo_that_marked_itself() {
        let environ = format!("{PROXY}KIND_WSL_HANDED=70\0");
        assert_eq!(taken(OURS, &environ, &|_| true), ["HTTPS_PROXY=http://me:pass@proxy:1"]);
        let not_marked = format!("{PROXY}KIND_WSL_HANDED=7\0");
        assert_eq!(taken(OURS, &not_marked, &|_| true), [""; 0]);
    }

    #[test]
    fn only_the_listed_variables_are_taken_over() {
        let environ = "KIND_WSL_HELPER=/x\0KIND_WSL_IDLE=yes\0LD_PRELOAD=/x\0KIND_WSL_HANDED=70\0";
        assert_eq!(taken(OURS, environ, &|_| true), [""; 0]);
    }

    #[test]
    fn nothing_is_taken_from_a_sudo_that_may_run_one_command_only() {
        let environ = format!("{PROXY}KIND_WSL_HANDED=70\0");
        for line in [
            "sudo\0kind-wsl\0status\0",
            "sudo\0--\0/usr/local/bin/kind-wsl\0status\0",
            "sudo\0kind-wsl\0status\0--\0/usr/bin/env\0",
            "--\0/usr/bin/env\0",
            "",
        ] {
            assert_eq!(taken(line, &environ, &|_| true), [""; 0], "{line}");
        }
    }

    #[test]
    fn nothing_is_taken_from_a_process_that_is_not_sudo() {
        let environ = format!("{PROXY}KIND_WSL_HANDED=70\0");
        assert_eq!(taken(OURS, &environ, &|pid| pid != "70"), [""; 0]);
        assert_eq!(taken(OURS, &environ, &|pid| pid != "80"), [""; 0]);
    }
}
