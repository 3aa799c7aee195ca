//! The processes of the machine.

use super::System;

/// The IDs of the processes that `/proc` shows.
pub fn pids(system: &dyn System) -> impl Iterator<Item = String> {
    let entries = system.list("/proc".into()).unwrap_or_default();
    entries.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}
