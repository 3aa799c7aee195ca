//! Terminal output of setup: one line per stage, with a progress bar while it runs.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::stage::{StageLine, elapsed, name_of};
use super::{CYAN, DIM, GREEN, RED, YELLOW, busy, columns, marks, one_line, out, styled, width};
use crate::change::Progress;
use crate::doctor::CheckReport;
use crate::engine::{Event, Reporter, StageEnd};

/// The current progress bar.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints above the bar, from any thread.
pub(super) fn above_bar(print: impl FnOnce()) {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// Whether a progress bar is visible.
pub(super) fn has_bar() -> bool {
    BAR.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// A terminal and the bar on its last line.
#[derive(Debug)]
pub struct Term {
    verbose: bool,
    stage: Option<StageLine>,
    bar: Option<ProgressBar>,
    shape: Option<BarKind>,
}

pub(super) const TICK: Duration = Duration::from_millis(120);

/// The unit of a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BarKind {
    Spinner,
    Bytes,
    Percent,
}

impl BarKind {
    fn template(self) -> &'static str {
        match self {
            Self::Spinner => "{prefix}{spinner} {wide_msg}  {time}",
            Self::Bytes => {
                "{prefix}{wide_msg}  [{bar:12}]  {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta}"
            }
            Self::Percent => "{prefix}[{bar:20}] {percent:>3}%  {wide_msg}  {time}",
        }
    }

    fn style(self, started: Instant) -> ProgressStyle {
        let style = ProgressStyle::with_template(self.template());
        let time = move |_: &_, text: &mut dyn std::fmt::Write| {
            let _ = text.write_str(&elapsed(started));
        };
        marks::ticking(style.unwrap_or_else(|_| ProgressStyle::default_spinner()).with_key("time", time))
    }
}

/// Printed before the first of several stages.
const SAFE: &str = "Ctrl-C is safe: run `kind-wsl setup` to resume or `kind-wsl undo` to revert.";

impl Term {
    /// `verbose` also shows each change and the output of commands.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { verbose, stage: None, bar: None, shape: None }
    }

    /// Prints a line above the bar.
    fn print(text: &str) {
        above_bar(|| out(text));
    }

    fn bar(&mut self, shape: BarKind) -> &ProgressBar {
        let bar = self.bar.get_or_insert_with(|| {
            busy::clear();
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(TICK);
            *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
            bar
        });
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            let started = self.stage.as_ref().map_or_else(Instant::now, |stage| stage.started);
            bar.set_style(shape.style(started));
        }
        bar
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
            bar.finish_and_clear();
            busy::clear();
        }
        self.shape = None;
    }

    fn mark(mark: &str, style: anstyle::Style, text: &str) {
        let cells = [("  ", 2, DIM), (mark, mark.chars().count() + 1, style)];
        Self::print(&columns(&cells, text, width()));
    }

    fn begin(&mut self, stage: StageLine) {
        self.end_bar();
        let (label, title) = (stage.label(), stage.title);
        self.stage = Some(stage);
        let bar = self.bar(BarKind::Spinner);
        bar.set_prefix(label);
        bar.set_message(title);
    }

    fn end(&mut self, end: StageEnd) {
        self.end_bar();
        if let Some(stage) = self.stage.take() {
            out(&stage.ended(end, width()));
        }
    }

    fn check(&mut self, check: &CheckReport) {
        if check.passed() {
            if self.verbose {
                Self::mark(marks::passed(), GREEN, &format!("{}: {}", check.title, check.details));
            }
            return;
        }
        let (mark, style) =
            if check.is_warning() { (marks::warned(), YELLOW) } else { (marks::failed(), RED) };
        Self::mark(mark, style, &format!("{}, but {}", check.title, check.details));
        if !check.fix.text().is_empty() {
            Self::mark(" ", CYAN, &format!("hint: {}", check.fix.text()));
        }
    }

    fn progress(&mut self, progress: &Progress) {
        match progress {
            Progress::Line(line) if self.verbose => Self::print(&styled(DIM, &format!("    {line}"))),
            // A package manager that reports no percentage shows its last line.
            Progress::Line(line) if self.shape == Some(BarKind::Spinner) => {
                self.bar(BarKind::Spinner).set_message(one_line(line));
            }
            Progress::Note(text) => Self::mark(marks::dot(), DIM, text),
            Progress::Waiting(text) => self.bar(BarKind::Spinner).set_message(one_line(text)),
            // A bar at zero bytes would only flicker.
            Progress::Line(_) | Progress::Bytes(0, _) => {}
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
        if let Some(stage) = &mut self.stage {
            stage.note(event);
        }
        match event {
            Event::Stage { number, count, id, title, .. } => {
                if *number == 1 && *count > 1 {
                    Self::print(&styled(DIM, SAFE));
                }
                self.begin(StageLine::new(*number, *count, id, title));
            }
            Event::StageEnd(end) => self.end(*end),
            Event::Passed { stage, verdict, why } if self.verbose => {
                let text = format!("{} {}: {why}", stage.id, verdict.name());
                Self::print(&styled(DIM, &text));
            }
            Event::Change { target } => {
                self.bar(BarKind::Spinner).set_message(one_line(&name_of(target)));
            }
            Event::Progress(progress) => self.progress(progress),
            Event::Changed { target } if self.verbose || self.stage.is_none() => {
                Self::mark(marks::passed(), GREEN, &target.to_string());
            }
            Event::Undone { reversal, .. } => Self::mark(marks::passed(), GREEN, &reversal.done()),
            Event::Kept { reversal, why, .. } => {
                Self::mark(marks::dot(), YELLOW, &format!("kept {} ({why})", reversal.object));
            }
            Event::Trigger { command } => {
                let text = command.to_string();
                if self.verbose {
                    Self::mark(marks::dot(), DIM, &format!("then {text}"));
                }
                self.bar(BarKind::Spinner).set_message(one_line(&text));
            }
            Event::Check(check) => self.check(check),
            Event::Resumed(text) => Self::mark(marks::dot(), CYAN, text),
            Event::Waiting(text) => self.bar(BarKind::Spinner).set_message(one_line(text)),
            Event::Warn(text) => Self::mark(marks::warned(), YELLOW, text),
            Event::Passed { .. } | Event::Changed { .. } => {}
        }
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.end_bar();
    }
}
