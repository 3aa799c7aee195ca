//! The crash sweep's fuse: ends the program, for its own purposes, before a chosen effect.

use std::cell::Cell;

use super::HostError;

/// Counts the effects on the machine and blows before the one it is set to; afterwards nothing happens any more,
/// as after SIGKILL. Unset, it only counts.
#[derive(Debug, Default)]
pub struct Fuse {
    burnt: Cell<u64>,
    limit: Cell<Option<u64>>,
}

impl Fuse {
    /// A fuse that lets `effects` effects happen.
    #[must_use]
    pub fn after(effects: u64) -> Self {
        Self { burnt: Cell::new(0), limit: Cell::new(Some(effects)) }
    }

    /// How many effects there were.
    #[must_use]
    pub fn burnt(&self) -> u64 {
        self.burnt.get()
    }

    /// Counts one effect, described by `what`.
    pub(super) fn burn(&self, what: impl FnOnce() -> String) -> Result<(), HostError> {
        if self.limit.get().is_some_and(|limit| self.burnt.get() >= limit) {
            return Err(HostError::Crashed(what()));
        }
        self.burnt.set(self.burnt.get() + 1);
        Ok(())
    }

    /// Whether the fuse blows at the next effect: a write that is torn by the crash is half done by then.
    pub(super) fn about_to_blow(&self) -> bool {
        self.limit.get().is_some_and(|limit| self.burnt.get() == limit)
    }
}
