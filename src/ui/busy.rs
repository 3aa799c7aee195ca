//! A spinner for what the program waits for while nothing else on the screen shows it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{marks, one_line, term};
use crate::host::observe_waits;

/// How long the screen may stay the same during a wait.
const DELAY: Duration = Duration::from_millis(150);

struct Busy {
    /// How many waits there are now, and the last that began.
    waits: usize,
    what: String,
    /// When the screen changed last.
    since: Instant,
    spinner: Option<ProgressBar>,
}

static BUSY: Mutex<Option<Busy>> = Mutex::new(None);
static BEGUN: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Option<Busy>> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows waits from now on.
pub(super) fn show() {
    *lock() = Some(Busy { waits: 0, what: String::new(), since: Instant::now(), spinner: None });
    observe_waits(observe);
    std::thread::spawn(draw);
}

/// Shows no more waits: something else takes the whole screen over.
pub(super) fn hide() {
    clear();
    *lock() = None;
}

/// Removes the spinner before something else is printed. It appears again if a wait then takes long.
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
