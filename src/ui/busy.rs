//! A spinner for waits that nothing else on the screen shows.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{marks, one_line, term};
use crate::host::observe_waits;

/// The time without output after which the spinner appears.
const DELAY: Duration = Duration::from_millis(150);

struct Busy {
    /// The number of current waits, and the description of the latest.
    waits: usize,
    what: String,
    /// The time of the last output.
    since: Instant,
    spinner: Option<ProgressBar>,
}

static BUSY: Mutex<Option<Busy>> = Mutex::new(None);
static BEGUN: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Option<Busy>> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts showing waits.
pub(super) fn show() {
    *lock() = Some(Busy { waits: 0, what: String::new(), since: Instant::now(), spinner: None });
    observe_waits(observe);
    std::thread::spawn(draw);
}

/// Stops showing waits, for a full-screen display.
pub(super) fn hide() {
    clear();
    *lock() = None;
}

/// Removes the spinner before other output. It reappears if a wait continues.
pub fn clear() {
    if let Some(busy) = &mut *lock() {
        busy.since = Instant::now();
        if let Some(spinner) = busy.spinner.take() {
            spinner.finish_and_clear();
        }
    }
}

fn observe(what: Option<&str>) {
    let Some(busy) = &mut *lock() else { return };
    let Some(what) = what else {
        busy.waits = busy.waits.saturating_sub(1);
        return;
    };
    busy.waits += 1;
    busy.what = one_line(what);
    match &busy.spinner {
        Some(spinner) => spinner.set_message(busy.what.clone()),
        None => BEGUN.notify_one(),
    }
}

fn draw() {
    let mut guard = lock();
    while let Some(busy) = &mut *guard {
        let is_due = busy.waits > 0 && busy.spinner.is_none() && !term::has_bar();
        let left = DELAY.saturating_sub(busy.since.elapsed());
        if is_due && left.is_zero() {
            busy.spinner = Some(spinner(&busy.what));
        }
        // The screen may change before the delay is over, and a bar may end.
        let next = if is_due && !left.is_zero() { left } else { DELAY };
        guard = if busy.waits > 0 {
            BEGUN.wait_timeout(guard, next).unwrap_or_else(PoisonError::into_inner).0
        } else {
            BEGUN.wait(guard).unwrap_or_else(PoisonError::into_inner)
        };
    }
}

fn spinner(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::no_length().with_style(marks::ticking(style)).with_message(what.to_owned());
    spinner.enable_steady_tick(term::TICK);
    spinner
}
