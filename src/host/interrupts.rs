//! Ctrl-C, SIGTERM, and a closed terminal: the first asks a run to stop, a further Ctrl-C aborts the running command.

use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, killpg, signal, sigprocmask};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The number of Ctrl-C presses.
static PRESSED: AtomicU8 = AtomicU8::new(0);
/// The running command: the leader of its own process group.
static RUNNING: Mutex<Option<u32>> = Mutex::new(None);

/// The effect of a signal on the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The run ends after the current step; whether a further Ctrl-C can be typed.
    Stop(bool),
    /// The running command is killed.
    Abort,
}

/// Resets signal settings that a caller may have left: SIGCHLD ignored (the kernel then discards the exit codes of
/// children) or signals blocked. Both survive exec (signal(7)).
pub fn settle_signals() {
    // SAFETY: SIG_DFL is not a function, so none can run at a bad moment.
    #[allow(unsafe_code, reason = "nix marks every change of a disposition as unsafe")]
    unsafe {
        let _ = signal(Signal::SIGCHLD, SigHandler::SigDfl);
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// From now on signals set `stop` instead of ending the program, and `tell` is called. Signals that the caller
/// ignores stay ignored, as with `nohup` and a shell's `&`.
pub fn watch(stop: Arc<AtomicBool>, tell: impl Fn(Interrupt) + Send + 'static) {
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    // Without the watch, Ctrl-C ends the program like SIGKILL, which the journal survives too.
    let Ok(mut signals) = Signals::new(watched) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            stop.store(true, Ordering::Relaxed);
            if signal != SIGINT {
                tell(Interrupt::Stop(false));
                continue;
            }
            let before = PRESSED.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                tell(Interrupt::Stop(true));
                continue;
            }
            tell(Interrupt::Abort);
            let how = if before == 1 { Signal::SIGTERM } else { Signal::SIGKILL };
            let running = lock();
            if let Some(pid) = running.and_then(|pid| i32::try_from(pid).ok()) {
                let _ = killpg(Pid::from_raw(pid), how);
            }
        }
    });
}

/// Whether a second Ctrl-C aborted a command: a later failure is then not the machine's fault.
#[must_use]
pub fn is_aborted() -> bool {
    PRESSED.load(Ordering::Relaxed) > 1
}

fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<nix::libc::sigaction>::uninit();
    // SAFETY: with a null new action, sigaction(2) only writes the present one to the given place.
    #[allow(unsafe_code, reason = "nix has no way to read a disposition without setting it")]
    unsafe {
        nix::libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == nix::libc::SIG_IGN
    }
}

fn lock() -> MutexGuard<'static, Option<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running command that Ctrl-C can abort.
pub(super) struct Running(u32);

impl Running {
    pub(super) fn new(pid: u32) -> Self {
        *lock() = Some(pid);
        Self(pid)
    }

    /// Checks whether it exited. Its ID may belong to another process from then on, so nothing is killed meanwhile.
    pub(super) fn reap(
        &self,
        ask: impl FnOnce() -> io::Result<Option<ExitStatus>>,
    ) -> io::Result<Option<ExitStatus>> {
        let mut running = lock();
        let status = ask()?;
        if status.is_some() {
            self.forget(&mut running);
        }
        Ok(status)
    }

    fn forget(&self, running: &mut Option<u32>) {
        running.take_if(|pid| *pid == self.0);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.forget(&mut lock());
    }
}
