//! Fault injection for tests, at a chosen effect on the machine.

use std::cell::Cell;
use std::io;

/// Counts the effects on the machine and injects a fault before a chosen one. By default it only counts.
#[derive(Default)]
pub struct FaultInjector {
    count: Cell<u64>,
    limit: Option<u64>,
    injection: Injection,
}

/// The kinds of fault.
#[derive(Default)]
enum Injection {
    /// Unwinds with [`InjectedCrash`]: nothing more happens, as after SIGKILL.
    #[default]
    Crash,
    /// The kernel refuses with this error number, once or permanently.
    Refuse { errno: i32, lasting: bool },
    /// Another program acts just before the effect, whose description it receives.
    ConcurrentModification(Box<dyn Fn(&str)>),
}

/// The payload of the unwinding that ends a run.
#[derive(Debug)]
pub struct InjectedCrash;

impl std::fmt::Debug for FaultInjector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultInjector")
            .field("count", &self.count)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl FaultInjector {
    /// Allows `effects` effects and then ends the run.
    #[must_use]
    pub fn after(effects: u64) -> Self {
        Self { limit: Some(effects), ..Self::default() }
    }

    /// Refuses the effect after the first `effects` with the error `errno`, and every later one too if `lasting`.
    #[must_use]
    pub fn refusing(effects: u64, errno: i32, lasting: bool) -> Self {
        Self { limit: Some(effects), injection: Injection::Refuse { errno, lasting }, ..Self::default() }
    }

    /// Runs `what` as another program after `effects` effects, before the next.
    #[must_use]
    pub fn meanwhile(effects: u64, what: impl Fn(&str) + 'static) -> Self {
        Self {
            limit: Some(effects),
            injection: Injection::ConcurrentModification(Box::new(what)),
            ..Self::default()
        }
    }

    /// The number of effects so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// Counts one effect, described by `what`.
    ///
    /// # Errors
    /// The injected error.
    pub(super) fn hit(&self, what: impl FnOnce() -> String) -> io::Result<()> {
        let at = self.count.get();
        if !self.should_fail() {
            self.count.set(at + 1);
            return Ok(());
        }
        match &self.injection {
            // A destructor that runs while the crash unwinds must not unwind again, nor change anything.
            Injection::Crash if std::thread::panicking() => Err(io::ErrorKind::Other.into()),
            Injection::Crash => std::panic::resume_unwind(Box::new(InjectedCrash)),
            Injection::Refuse { errno, .. } => {
                self.count.set(at + 1);
                Err(io::Error::from_raw_os_error(*errno))
            }
            Injection::ConcurrentModification(act) => {
                self.count.set(at + 1);
                act(&what());
                Ok(())
            }
        }
    }

    fn should_fail(&self) -> bool {
        let at = self.count.get();
        self.limit.is_some_and(|limit| match self.injection {
            Injection::Crash | Injection::Refuse { lasting: true, .. } => at >= limit,
            Injection::Refuse { .. } | Injection::ConcurrentModification(_) => at == limit,
        })
    }

    /// Whether the next effect is the first that is not carried out: a torn write is half done by then.
    pub(super) fn tears_next_write(&self) -> bool {
        !matches!(self.injection, Injection::ConcurrentModification(_))
            && self.limit == Some(self.count.get())
    }
}
