//! Plain lines, for pipes and CI.

use crate::change::Progress;
use crate::engine::{Event, Reporter};

/// Prints text. Continuation lines are indented, so that none of them looks like a line of kind-wsl.
fn out(text: &str) {
    super::out(&text.replace('\n', "\n      "));
}

/// One line for each thing that happened.
#[derive(Debug)]
pub struct Plain {
    /// Also what commands print.
    pub verbose: bool,
    /// Only what is wrong.
    pub quiet: bool,
}

impl Reporter for Plain {
    fn event(&mut self, event: &Event<'_>) {
        if self.quiet && !matches!(event, Event::Warn(_) | Event::Check(_)) {
            return;
        }
        match event {
            Event::Stage { number, count, id, why, .. } => out(&format!("[{number}/{count}] {id}: {why}")),
            Event::Passed { stage, verdict, why } if self.verbose => {
                out(&format!("{}: {}: {why}", stage.id, verdict.name()));
            }
            Event::Changed { target } => out(&format!("  done: {target}")),
            Event::Undone { reversal, .. } => out(&format!("  {}", reversal.done())),
            Event::Kept { reversal, why, .. } => out(&format!("  kept {} ({why})", reversal.object)),
            Event::Trigger { command } => out(&format!("  then: {command}")),
            Event::Check(check) if check.passed() => {
                if !self.quiet {
                    out(&format!("  holds: {}: {}", check.title, check.details));
                }
            }
            Event::Check(check) => {
                let word = if check.is_warning() { "warning" } else { "does not hold" };
                out(&format!("  {word}: {}: {}", check.title, check.details));
                if !check.fix.text().is_empty() {
                    out(&format!("    hint: {}", check.fix.text()));
                }
            }
            Event::Resumed(text) | Event::Waiting(text) => out(text),
            Event::Progress(Progress::Waiting(text) | Progress::Note(text)) => out(&format!("  {text}")),
            Event::Progress(Progress::Line(line)) if self.verbose => out(&format!("    {line}")),
            Event::Warn(text) => out(&format!("  warning: {text}")),
            Event::Passed { .. } | Event::Change { .. } | Event::Progress(_) => {}
        }
    }
}
