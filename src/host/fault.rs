//! The fuse of the tests: what happens at a chosen effect on the machine. It is the only way to see every one of them fail.

use std::cell::Cell;
use std::io;

/// Counts the effects on the machine and blows before the one it is set to. Unset, it only counts.
#[derive(Default)]
pub struct FaultInjector {
    count: Cell<u64>,
    limit: Option<u64>,
    blow: Injection,
}

/// What a fuse does.
#[derive(Default)]
enum Injection {
    /// Ends the program: nothing happens any more, as after SIGKILL.
    #[default]
    Crash,
    /// The kernel refuses with this number, once or from then on.
    Refuse { errno: i32, lasting: bool },
    /// Somebody else does something, and is told what is about to happen.
    ConcurrentModification(Box<dyn Fn(&str)>),
}

/// Why an effect does not take place.
pub(super) enum InjectedFault {
    /// The program is ended.
    Crashed,
    Refused(io::Error),
}

impl std::fmt::Debug for FaultInjector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fuse").field("burnt", &self.count).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl FaultInjector {
    /// A fuse that lets `effects` effects happen and then ends the program.
    #[must_use]
    pub fn after(effects: u64) -> Self {
        Self { limit: Some(effects), ..Self::default() }
    }

    /// The effect after the first `effects` is refused with the error `errno`, and every later one as well where it is
    /// `lasting`.
    #[must_use]
    pub fn refusing(effects: u64, errno: i32, lasting: bool) -> Self {
        Self { limit: Some(effects), blow: Injection::Refuse { errno, lasting }, ..Self::default() }
    }

    /// After `effects` effects, and before the next, somebody else does `what`.
    #[must_use]
    pub fn meanwhile(effects: u64, what: impl Fn(&str) + 'static) -> Self {
        Self {
            limit: Some(effects),
            blow: Injection::ConcurrentModification(Box::new(what)),
            ..Self::default()
        }
    }

    /// How many effects there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// Counts one effect, described by `what`.
    pub(super) fn hit(&self, what: impl FnOnce() -> String) -> Result<(), InjectedFault> {
        let at = self.count.get();
        let blows = self.should_fail();
        if blows && matches!(self.blow, Injection::Crash) {
            return Err(InjectedFault::Crashed);
        }
        self.count.set(at + 1);
        match &self.blow {
            Injection::Refuse { errno, .. } if blows => {
                Err(InjectedFault::Refused(io::Error::from_raw_os_error(*errno)))
            }
            Injection::ConcurrentModification(act) if blows => {
                act(&what());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn should_fail(&self) -> bool {
        let at = self.count.get();
        self.limit.is_some_and(|limit| match self.blow {
            Injection::Crash | Injection::Refuse { lasting: true, .. } => at >= limit,
            Injection::Refuse { .. } | Injection::ConcurrentModification(_) => at == limit,
        })
    }

    /// Whether the next effect is the first that does not take place: a write that is torn is half done by then.
    pub(super) fn tears_next_write(&self) -> bool {
        !matches!(self.blow, Injection::ConcurrentModification(_)) && self.limit == Some(self.count.get())
    }
}
