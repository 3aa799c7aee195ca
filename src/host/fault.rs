//! Fault injection for the tests: what happens at a chosen effect on the machine.

use std::cell::Cell;
use std::io;

/// Counts the effects on the machine and injects a fault before the one that it is set to. Unset, it only counts.
#[derive(Default)]
pub struct FaultInjector {
    count: Cell<u64>,
    limit: Option<u64>,
    injection: Injection,
}

/// The kinds of fault.
#[derive(Default)]
enum Injection {
    /// Unwinds with [`InjectedCrash`]: nothing happens any more, as after SIGKILL.
    #[default]
    Crash,
    /// The kernel refuses with this number, once or from then on.
    Refuse { errno: i32, lasting: bool },
    /// Another program acts just before the effect, whose description it gets.
    ConcurrentModification(Box<dyn Fn(&str)>),
}

/// The payload of the unwinding by which an injected crash ends a run.
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
    /// Lets `effects` effects happen and then ends the run.
    #[must_use]
    pub fn after(effects: u64) -> Self {
        Self { limit: Some(effects), ..Self::default() }
    }

    /// The effect after the first `effects` is refused with the error `errno`, and every later one as well where it is
    /// `lasting`.
    #[must_use]
    pub fn refusing(effects: u64, errno: i32, lasting: bool) -> Self {
        Self { limit: Some(effects), injection: Injection::Refuse { errno, lasting }, ..Self::default() }
    }

    /// After `effects` effects, and before the next, another program does `what`.
    #[must_use]
    pub fn meanwhile(effects: u64, what: impl Fn(&str) + 'static) -> Self {
        Self {
            limit: Some(effects),
            injection: Injection::ConcurrentModification(Box::new(what)),
            ..Self::default()
        }
    }

    /// How many effects there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// Counts one effect, described by `what`.
    ///
    /// # Errors
    /// The error that the kernel is made to return.
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

    /// Whether the next effect is the first that does not take place: a write that is torn is half done by then.
    pub(super) fn tears_next_write(&self) -> bool {
        !matches!(self.injection, Injection::ConcurrentModification(_))
            && self.limit == Some(self.count.get())
    }
}
