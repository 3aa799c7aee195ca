//! Time, waiting, and the detection of restarts.

use serde::{Deserialize, Serialize};

use super::{LiveSystem, System};

/// Identifies a boot of a distribution and its virtual machine.
///
/// Both fields are needed: `wsl --terminate` keeps the virtual machine and with it the kernel's boot ID, but starts a
/// new PID 1 in the distribution (WSL `src/windows/service/exe/LxssUserSession.cpp`, `_TerminateInstance`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootInstance {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Start time of PID 1 in clock ticks since boot: field 22 of `/proc/1/stat` (`proc_pid_stat(5)`).
    pub pid1_start: u64,
}

/// The variable in which a session stores the version of WSL that it prepares a tree for.
pub const ASSUMED_WSL: &str = "KIND_WSL_ASSUMED_WSL";

impl BootInstance {
    /// Reads the boot of the running system. A tree that is prepared for WSL has none, whatever its /proc contains, so
    /// that its first start counts as a restart.
    #[must_use]
    pub fn probe(system: &dyn System) -> Self {
        if system.env(ASSUMED_WSL).is_some() {
            return Self::default();
        }
        let boot_id = system.text("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let pid1_start = system.text("/proc/1/stat").as_deref().and_then(start_time).unwrap_or_default();
        Self { boot_id, pid1_start }
    }
}

/// Field 22 of a stat line. The name in field 2 may contain blanks and parentheses, so the fields are counted from
/// its end.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

impl LiveSystem {
    /// Waits, for states that can only be polled.
    #[allow(clippy::disallowed_methods, reason = "the one place that waits")]
    pub fn pause(&self, length: std::time::Duration) {
        std::thread::sleep(length);
    }

    /// The seconds since a time that [`LiveSystem::now`] returned.
    #[must_use]
    pub fn seconds_since(&self, then: &str) -> Option<u64> {
        let then: jiff::Timestamp = then.parse().ok()?;
        u64::try_from(jiff::Timestamp::now().as_second() - then.as_second()).ok()
    }

    /// Now, to the second, in UTC.
    #[must_use]
    pub fn now(&self) -> String {
        let now = jiff::Timestamp::now();
        jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::start_time;

    #[test]
    fn a_process_name_with_blanks_and_parentheses_does_not_shift_the_start_time() {
        let stat = "1 (a b) c) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 1 2";
        assert_eq!(start_time(stat), Some(77));
    }
}
