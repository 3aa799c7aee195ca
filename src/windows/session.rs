//! The session that a person opened with `wsl.exe`, and the Windows program that controls it.

use kind_wsl_windows::wslenv;

use crate::host::{LiveSystem, System, ancestors};

/// The variables by which a process belongs to a session of `wsl.exe` (WSL `src/linux/init/init.cpp:1672`).
const OF_THE_SESSION: [&str; 2] = ["WSL_INTEROP", "WSL_DISTRO_NAME"];
/// The variables with which `kind-wsl.exe` starts this program (windows/README.md).
pub const DRIVER_ENV: [&str; 2] = [wslenv::DRIVER, wslenv::RUNNING];
/// The maximum number of ancestors to check: more than a shell in a multiplexer in an editor in a shell has.
const MAX_DEPTH: usize = 64;

/// Takes the session's variables from an ancestor where our own environment has lost them: sudo and su reset it,
/// while the shell they were typed in still has them. Another user's processes show them to root alone.
pub fn inherit(host: &mut LiveSystem) {
    if !host.exists("/run/WSL") {
        return;
    }
    let mut missing: Vec<&str> = OF_THE_SESSION.into_iter().filter(|name| host.env(name).is_none()).collect();
    let mut found = Vec::new();
    for pid in ancestors(host).take(MAX_DEPTH) {
        if missing.is_empty() {
            break;
        }
        let environ = host.text(&format!("/proc/{pid}/environ")).unwrap_or_default();
        missing.retain(|name| {
            let value = environ.split('\0').find_map(|v| v.strip_prefix(name)?.strip_prefix('='));
            value.inspect(|value| found.push((*name, (*value).to_owned()))).is_none()
        });
    }
    for (name, value) in found {
        host.set_env(name, &value);
    }
}

/// `kind-wsl.exe`, if it started this process: it does the restart itself, in its own window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// The other running distributions, according to it.
    pub others: Vec<String>,
}

impl Driver {
    /// The one that started this process, if any.
    #[must_use]
    pub fn probe(system: &dyn System) -> Option<Self> {
        let [driver, running] = DRIVER_ENV;
        system.env(driver).filter(|v| !v.is_empty())?;
        let running = system.env(running).unwrap_or_default();
        Some(Self { others: running.split(',').filter(|n| !n.is_empty()).map(ToOwned::to_owned).collect() })
    }
}
