//! What a run hands to the same run as root without saying it: variables that may hold a password.
//!
//! sudo takes them away (`env_reset`, sudoers(5)), and on its command line everybody could read them (`ps`). So the run
//! becomes sudo with its environment as it is and says by its process id who it was; root finds that process among its
//! ancestors, and `/proc/PID/environ` is for root and the user to read (`proc_pid_environ(5)`). That needs no rule in
//! sudoers, as `--preserve-env=LIST` does (the tag SETENV), and no file.

use camino::Utf8Path;

use super::{Host, Process, World};

/// Says in sudo's environment which process it is that hands over: its own id, which no child of it has.
pub const HANDED: &str = "KIND_WSL_HANDED";
/// How many ancestors are looked at: sudo itself, and the monitor that it puts between where it makes a terminal.
const GENERATIONS: usize = 8;

/// Takes what an ancestor handed over into our environment, where we are root: what of it `wanted` says. To be called
/// first of all: nothing else may run in this process yet.
#[allow(clippy::disallowed_methods, reason = "part of the one place that touches the environment")]
pub fn take_over(wanted: impl Fn(&str) -> bool) {
    let root = Utf8Path::new("/");
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for (name, value) in handed(&Host::new(root, Box::new(Process::new(root)), [])) {
        if wanted(&name) && !name.is_empty() {
            // SAFETY: there is no other thread yet that could read the environment.
            #[allow(unsafe_code, reason = "the HTTP client and clap read the process's environment")]
            unsafe {
                std::env::set_var(name, value);
            }
        }
    }
}

/// The environment of the ancestor that handed over; empty where none did.
fn handed(world: &dyn World) -> Vec<(String, String)> {
    let mut pid = "self".to_owned();
    for _ in 0..GENERATIONS {
        let stat = world.text(&format!("/proc/{pid}/stat"));
        let Some(parent) = stat.as_deref().and_then(parent) else { break };
        let environ = world.text(&format!("/proc/{parent}/environ")).unwrap_or_default();
        let pairs = || environ.split('\0').filter_map(|pair| pair.split_once('='));
        if pairs().any(|(name, value)| name == HANDED && value == parent) {
            return pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        }
        pid = parent;
    }
    Vec::new()
}

/// Field 4 of a stat line, unless the parent is outside this process namespace; the name in field 2 may hold blanks
/// and parentheses, so count from its end (`proc_pid_stat(5)`).
#[must_use]
pub fn parent(stat: &str) -> Option<String> {
    let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
    (parent != "0").then(|| parent.to_owned())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a pretended /proc")]
mod tests {
    use camino::Utf8Path;

    use super::super::{Host, Process};
    use super::{handed, parent};

    #[test]
    fn the_parent_is_found_behind_a_name_with_parentheses() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some("7".to_owned()));
        assert_eq!(parent("1 (systemd) S 0 1 1 0"), None);
    }

    /// Two processes of sudo between the run and itself: what the one says that handed over counts, and a variable that
    /// a child of it merely inherited says nothing.
    #[test]
    fn what_was_handed_over_is_found_with_the_process_that_says_so_itself() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let put = |pid: &str, ppid: u32, environ: &str| {
            std::fs::create_dir_all(root.join("proc").join(pid)).unwrap();
            std::fs::write(root.join(format!("proc/{pid}/stat")), format!("1 (sudo) S {ppid} 1 1 0"))
                .unwrap();
            std::fs::write(root.join(format!("proc/{pid}/environ")), environ).unwrap();
        };
        put("self", 80, "");
        put("80", 70, "KIND_WSL_HANDED=70\0HTTPS_PROXY=of the monitor\0");
        put("70", 60, "HTTPS_PROXY=http://me:pass@proxy:1\0KIND_WSL_HANDED=70\0");
        let host = Host::new(root, Box::new(Process::new(root)), []);
        let said = handed(&host);
        assert!(said.contains(&("HTTPS_PROXY".to_owned(), "http://me:pass@proxy:1".to_owned())), "{said:?}");
        put("70", 60, "HTTPS_PROXY=http://me:pass@proxy:1\0KIND_WSL_HANDED=7\0");
        put("60", 0, "");
        assert_eq!(handed(&host), []);
    }
}
