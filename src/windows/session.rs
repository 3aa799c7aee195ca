//! The session that a person opened with `wsl.exe`, and whether a program of Windows drives us.

use crate::host::{Host, World};

/// The variables by which a process belongs to a session of `wsl.exe` (WSL `src/linux/init/init.cpp:1672`).
const OF_THE_SESSION: [&str; 2] = ["WSL_INTEROP", "WSL_DISTRO_NAME"];
/// How many ancestors are looked at: a shell in a multiplexer in an editor in a shell is far below that.
const GENERATIONS: usize = 64;

/// Takes the session's variables from an ancestor where our own environment has lost them: sudo and su reset it,
/// while the shell they were typed in still has them. Another user's processes show them to root alone.
pub fn inherit(host: &mut Host) {
    if !host.exists("/run/WSL") {
        return;
    }
    let mut missing: Vec<&str> = OF_THE_SESSION.into_iter().filter(|name| host.env(name).is_none()).collect();
    let mut pid = "self".to_owned();
    for _ in 0..GENERATIONS {
        if missing.is_empty() {
            return;
        }
        let stat = host.text(&format!("/proc/{pid}/stat"));
        let Some(parent) = stat.as_deref().and_then(parent) else { return };
        let environ = host.text(&format!("/proc/{parent}/environ")).unwrap_or_default();
        missing.retain(|name| {
            let value = environ.split('\0').find_map(|v| v.strip_prefix(name)?.strip_prefix('='));
            value.inspect(|value| host.tell(name, value)).is_none()
        });
        pid = parent;
    }
}

/// Field 4 of a stat line, unless the parent is outside this process namespace; the name in field 2 may hold blanks
/// and parentheses, so count from its end (`proc_pid_stat(5)`).
fn parent(stat: &str) -> Option<String> {
    let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
    (parent != "0").then(|| parent.to_owned())
}

/// `kind-wsl.exe`, when it started us: it does the restart itself, in its own window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Distributions that run, but for this one, as it said when it started us.
    pub others: Vec<String>,
}

impl Driver {
    /// The one that started us, if any.
    #[must_use]
    pub fn of(world: &dyn World) -> Option<Self> {
        world.env("KIND_WSL_DRIVER").filter(|v| !v.is_empty())?;
        let running = world.env("KIND_WSL_RUNNING").unwrap_or_default();
        Some(Self { others: running.split(',').filter(|n| !n.is_empty()).map(ToOwned::to_owned).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::parent;

    #[test]
    fn the_parent_is_found_behind_a_name_with_parentheses() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some("7".to_owned()));
        assert_eq!(parent("1 (systemd) S 0 1 1 0"), None);
    }
}
