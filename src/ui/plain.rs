//! Plain lines, for pipes and CI.

use super::stage::StageLine;
use crate::change::Progress;
use crate::engine::{Event, Reporter};

/// Prints text. Continuation lines are indented, so that none of them looks like a line of kind-wsl.
fn out(text: &str) {
    let (indent, text) = text.split_at(text.len() - text.trim_start().len());
    let lines = super::wrap(text, super::width().map(|width| width - 6));
    super::out(&format!("{indent}{}", lines.join("\n      ")));
}

/// One line for each stage; with `verbose` also for each change.
#[derive(Debug)]
pub struct Plain {
    verbose: bool,
    /// Show only problems.
    quiet: bool,
    stage: Option<StageLine>,
}

impl Plain {
    #[must_use]
    pub fn new(verbose: bool, quiet: bool) -> Self {
        Self { verbose, quiet, stage: None }
    }
}

impl Reporter for Plain {
    fn event(&mut self, event: &Event<'_>) {
        if self.quiet && !matches!(event, Event::Warn(_) | Event::Check(_)) {
            return;
        }
        if let Some(stage) = &mut self.stage {
            stage.note(event);
        }
        match event {
            Event::Stage { number, count, id, title, .. } => {
                self.stage = Some(StageLine::new(*number, *count, id, title));
            }
            Event::StageEnd(end) => {
                if let Some(stage) = self.stage.take() {
                    super::out(&stage.ended(*end, super::width()));
                }
            }
            Event::Passed { stage, verdict, why } if self.verbose => {
                out(&format!("{}: {}: {why}", stage.id, verdict.name()));
            }
            Event::Changed { target } if self.verbose || self.stage.is_none() => {
                out(&format!("  {target}"));
            }
            Event::Undone { reversal, .. } => out(&format!("  {}", reversal.done())),
            Event::Kept { reversal, why, .. } => out(&format!("  kept {} ({why})", reversal.object)),
            Event::Trigger { command } if self.verbose => out(&format!("  then: {command}")),
            Event::Check(check) if check.passed() => {
                if self.verbose {
                    out(&format!("  {}: {}", check.title, check.details));
                }
            }
            Event::Check(check) => {
                let word = if check.is_warning() { "warning" } else { "failed" };
                out(&format!("  {word}: {}: {}", check.title, check.details));
                if !check.fix.text().is_empty() {
                    out(&format!("    hint: {}", check.fix.text()));
                }
            }
            Event::Resumed(text) | Event::Waiting(text) => out(text),
            Event::Progress(Progress::Waiting(text) | Progress::Note(text)) => out(&format!("  {text}")),
            Event::Progress(Progress::Line(line)) if self.verbose => out(&format!("    {line}")),
            Event::Warn(text) => out(&format!("  warning: {text}")),
            Event::Passed { .. }
            | Event::Change { .. }
            | Event::Changed { .. }
            | Event::Trigger { .. }
            | Event::Progress(_) => {}
        }
    }
}
