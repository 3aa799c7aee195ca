//! A terminal: one line a change, with a bar while it is made.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, columns, marks, one_line, out, styled, width};
use crate::change::Progress;
use crate::engine::{Event, Reporter};

/// The bar that is shown now.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints above the bar, from any thread.
pub(super) fn above_bar(print: impl FnOnce()) {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// A terminal and the bar on its last line.
#[derive(Debug)]
pub struct Term {
    verbose: bool,
    bar: Option<ProgressBar>,
    shape: Option<BarKind>,
}

/// A spinner on the last line of a terminal, until it is dropped.
#[derive(Debug)]
pub struct Spinner(ProgressBar);

impl Spinner {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_style(BarKind::Spinner.style());
        bar.set_message(one_line(text));
        bar.enable_steady_tick(TICK);
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const TICK: Duration = Duration::from_millis(120);

/// What the bar measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BarKind {
    Spinner,
    Bytes,
    Percent,
}

impl BarKind {
    fn template(self) -> &'static str {
        match self {
            Self::Spinner => "  {spinner} {wide_msg} {elapsed}",
            Self::Bytes => "  {spinner} [{bar:24}] {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left",
            Self::Percent => "  {spinner} [{bar:24}] {percent:>3}% {wide_msg}",
        }
    }

    fn style(self) -> ProgressStyle {
        let style = ProgressStyle::with_template(self.template());
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("=> ");
        if marks::is_ascii() { style.tick_chars("-\\|/ ") } else { style }
    }
}

impl Term {
    /// A terminal; `verbose` also shows what commands print.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { verbose, bar: None, shape: None }
    }

    /// Prints a line above the bar.
    fn print(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out(text)),
            None => out(text),
        }
    }

    fn bar(&mut self, shape: BarKind) -> &ProgressBar {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(TICK);
            *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
            bar
        });
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            bar.set_style(shape.style());
        }
        bar
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
            bar.finish_and_clear();
        }
        self.shape = None;
    }

    fn mark(&mut self, mark: &str, style: anstyle::Style, text: &str) {
        self.end_bar();
        out(&columns(&[("  ", 2, DIM), (mark, mark.chars().count() + 1, style)], text, width()));
    }

    fn progress(&mut self, progress: &Progress) {
        match progress {
            Progress::Line(line) if self.verbose => self.print(&styled(DIM, &format!("    {line}"))),
            Progress::Line(_) => {}
            Progress::Note(text) => {
                self.print(&columns(&[("  ", 2, DIM), (marks::dot(), 2, DIM)], text, width()));
            }
            Progress::Waiting(text) => self.bar(BarKind::Spinner).set_message(one_line(text)),
            Progress::Bytes(done, total) => {
                let bar = self.bar(BarKind::Bytes);
                bar.set_length(total.unwrap_or(*done));
                bar.set_position(*done);
            }
            Progress::Percent(percent, what) => {
                let bar = self.bar(BarKind::Percent);
                bar.set_length(100);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
                bar.set_position(*percent as u64);
                bar.set_message(one_line(what));
            }
        }
    }
}

impl Reporter for Term {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Stage { number, count, id, title, .. } => {
                self.end_bar();
                let place = format!("[{number}/{count}]");
                out(&format!("{} {}: {title}", styled(DIM, &place), styled(BOLD, id)));
            }
            Event::Passed { stage, verdict, why } if self.verbose => {
                let text = format!("{} {}: {why}", stage.id, verdict.name());
                self.print(&styled(DIM, &text));
            }
            Event::Change { target } => self.bar(BarKind::Spinner).set_message(one_line(&target.to_string())),
            Event::Progress(progress) => self.progress(progress),
            Event::Changed { target } => self.mark(marks::passed(), GREEN, &target.to_string()),
            Event::Undone { reversal, .. } => self.mark(marks::passed(), GREEN, &reversal.done()),
            Event::Kept { reversal, why, .. } => {
                self.mark(marks::dot(), YELLOW, &format!("kept {} ({why})", reversal.object));
            }
            Event::Trigger { command } => self.mark(marks::dot(), DIM, &format!("then {command}")),
            Event::Check(check) if check.passed() => {
                self.mark(marks::passed(), GREEN, &format!("{}: {}", check.title, check.details));
            }
            Event::Check(check) => {
                let (mark, style) =
                    if check.is_warning() { (marks::warned(), YELLOW) } else { (marks::failed(), RED) };
                self.mark(mark, style, &format!("{}, but {}", check.title, check.details));
                if !check.fix.text().is_empty() {
                    self.mark(" ", CYAN, &format!("hint: {}", check.fix.text()));
                }
            }
            Event::Resumed(text) => self.mark(marks::dot(), CYAN, text),
            Event::Waiting(text) => self.bar(BarKind::Spinner).set_message(one_line(text)),
            Event::Warn(text) => self.mark(marks::warned(), YELLOW, text),
            Event::Passed { .. } => {}
        }
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.end_bar();
    }
}
