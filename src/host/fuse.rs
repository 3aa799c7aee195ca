//! The fuse of the tests: what happens at a chosen effect on the machine. It is the only way to see every one of them fail.

use std::cell::Cell;
use std::io;

/// Counts the effects on the machine and blows before the one it is set to. Unset, it only counts.
#[derive(Default)]
pub struct Fuse {
    burnt: Cell<u64>,
    limit: Option<u64>,
    blow: Blow,
}

/// What a fuse does.
#[derive(Default)]
enum Blow {
    /// Ends the program: nothing happens any more, as after SIGKILL.
    #[default]
    Crash,
    /// The kernel refuses with this number, once or from then on.
    Refuse { errno: i32, lasting: bool },
    /// Somebody else does something, and is told what is about to happen.
    Meanwhile(Box<dyn Fn(&str)>),
}

/// Why an effect does not take place.
pub(super) enum Blown {
    /// The program is ended.
    Crashed,
    /// The kernel refuses.
    Refused(io::Error),
}

impl std::fmt::Debug for Fuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fuse").field("burnt", &self.burnt).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Fuse {
    /// A fuse that lets `effects` effects happen and then ends the program.
    #[must_use]
    pub fn after(effects: u64) -> Self {
        Self { limit: Some(effects), ..Self::default() }
    }

    /// The effect after the first `effects` is refused with the error `errno`, and every later one as well where it is
    /// `lasting`.
    #[must_use]
    pub fn refusing(effects: u64, errno: i32, lasting: bool) -> Self {
        Self { limit: Some(effects), blow: Blow::Refuse { errno, lasting }, ..Self::default() }
    }

    /// After `effects` effects, and before the next, somebody else does `what`.
    #[must_use]
    pub fn meanwhile(effects: u64, what: impl Fn(&str) + 'static) -> Self {
        Self { limit: Some(effects), blow: Blow::Meanwhile(Box::new(what)), ..Self::default() }
    }

    /// How many effects there were.
    #[must_use]
    pub fn burnt(&self) -> u64 {
        self.burnt.get()
    }

    /// Counts one effect, described by `what`.
    pub(super) fn burn(&self, what: impl FnOnce() -> String) -> Result<(), Blown> {
        let at = self.burnt.get();
        let blows = self.blows();
        if blows && matches!(self.blow, Blow::Crash) {
            return Err(Blown::Crashed);
        }
        self.burnt.set(at + 1);
        match &self.blow {
            Blow::Refuse { errno, .. } if blows => Err(Blown::Refused(io::Error::from_raw_os_error(*errno))),
            Blow::Meanwhile(act) if blows => {
                act(&what());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn blows(&self) -> bool {
        let at = self.burnt.get();
        self.limit.is_some_and(|limit| match self.blow {
            Blow::Crash | Blow::Refuse { lasting: true, .. } => at >= limit,
            Blow::Refuse { .. } | Blow::Meanwhile(_) => at == limit,
        })
    }

    /// Whether the next effect is the first that does not take place: a write that is torn is half done by then.
    pub(super) fn tears(&self) -> bool {
        !matches!(self.blow, Blow::Meanwhile(_)) && self.limit == Some(self.burnt.get())
    }
}
