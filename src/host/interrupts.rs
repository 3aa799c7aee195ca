//! Ctrl-C, being ended, and a closed terminal: the first asks a run to stop, a further Ctrl-C aborts the running command.

use std::io;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, killpg, signal, sigprocmask};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often Ctrl-C was pressed.
static PRESSED: AtomicU8 = AtomicU8::new(0);
/// The command that runs now: it leads a process group of its own.
static RUNNING: Mutex<Option<u32>> = Mutex::new(None);

/// What a signal means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The run ends after the current step; whether a further Ctrl-C can be typed.
    Stop(bool),
    /// The running command is ended.
    Abort,
}

/// Undoes what a caller may have left to us: SIGCHLD ignored (the kernel then forgets how a child exited) or signals
/// blocked. Both survive exec (signal(7)).
pub fn settle_signals() {
    // SAFETY: SIG_DFL is not a function of ours, so none can run at a bad moment.
    #[allow(unsafe_code, reason = "nix marks every change of a disposition as unsafe")]
    unsafe {
        let _ = signal(Signal::SIGCHLD, SigHandler::SigDfl);
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// From now on signals set `stop` instead of ending the program, and `tell` hears of them. What the caller ignores stays
/// ignored, as `nohup` and a shell's `&` mean it.
pub fn watch(stop: Arc<AtomicBool>, tell: impl Fn(Interrupt) + Send + 'static) {
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    // Without the watch Ctrl-C kills us as SIGKILL would, which the journal survives as well.
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

/// Whether a second Ctrl-C aborted what was running: a failure after that is not the machine's fault.
#[must_use]
pub fn is_aborted() -> bool {
    PRESSED.load(Ordering::Relaxed) > 1
}

fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<nix::libc::sigaction>::uninit();
    // SAFETY: with a null new action sigaction(2) only writes the present one to where it is told.
    #[allow(unsafe_code, reason = "nix has no way to read a disposition without setting it")]
    unsafe {
        nix::libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == nix::libc::SIG_IGN
    }
}

fn lock() -> MutexGuard<'static, Option<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that runs, to be aborted by Ctrl-C.
pub(super) struct Running(u32);

impl Running {
    pub(super) fn new(pid: u32) -> Self {
        *lock() = Some(pid);
        Self(pid)
    }

    /// Asks whether it exited. Its ID may be another process's from then on, so nothing is killed meanwhile.
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
