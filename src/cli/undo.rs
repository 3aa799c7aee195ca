//! `kind-wsl undo`: back to the state before.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Global;
use super::session::{Session, switches};
use crate::change::{ChangeError, Scope};
use crate::engine::{DriftPolicy, Engine, EngineError, UndoOptions, Undone};
use crate::error::{Exit, Failure};
use crate::fetch::{Fetcher, Source};
use crate::stages;
use crate::ui::{self, GREEN, YELLOW, out, render, styled};

/// The flags of `undo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl undo             everything but the packages\n  kind-wsl undo --packages  the packages that we brought as well\n  \
                  kind-wsl undo limits idle these stages alone"
)]
pub(crate) struct Undo {
    /// These stages alone.
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    /// Also take out the packages that we brought.
    #[arg(long)]
    packages: bool,
    /// What to do with what others changed since: stop and show it, keep it, or restore what was there before us.
    #[arg(long, value_enum, default_value_t = OnDrift::Stop, value_name = "HOW")]
    drift: OnDrift,
    /// Ask nothing.
    #[arg(short, long)]
    yes: bool,
    /// Print events as JSON lines.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnDrift {
    Stop,
    Keep,
    Restore,
}

impl Undo {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        for id in &self.stages {
            stages::by_id(id)?;
        }
        let session = Session::new(global, None)?;
        session.refuse_other_user()?;
        let chosen = |stage: &String| self.stages.is_empty() || self.stages.contains(stage);
        let standing: Vec<_> = session.ledger.standing().filter(|e| chosen(&e.intent.stage)).collect();
        if standing.is_empty() && !crate::journal::exists(&session.host) {
            if self.json {
                ui::json_line(json!({ "event": "end", "undone": 0 }));
            } else {
                out("Nothing to take back: kind-wsl has changed nothing here.");
            }
            return Ok(Exit::Done);
        }
        if !self.yes && !self.json {
            for entry in standing.iter().rev() {
                out(&format!("  {}", entry.intent.change.target()));
            }
            if !ui::is_interactive() {
                return Err(Failure::usage(
                    "nobody is there to agree to taking this back",
                    "agree with `--yes`",
                ));
            }
            if ui::consent(false)? == ui::Consent::Stop {
                return Ok(Exit::Interrupted);
            }
        }
        if session.host.is_live() && !session.host.is_root() {
            return Err(session.become_root(global, self.args(global, &session), None));
        }
        self.work(global, &session)
    }

    fn args(&self, global: &Global, session: &Session) -> Vec<String> {
        let mut args = vec!["undo".to_owned(), "--yes".to_owned(), format!("--user={}", session.user.name)];
        args.extend(self.stages.iter().cloned());
        if let Some(drift) = self.drift.to_possible_value() {
            args.push(format!("--drift={}", drift.get_name()));
        }
        args.extend(switches(global, &[("--packages", self.packages), ("--json", self.json)]));
        args
    }

    fn work(&self, global: &Global, session: &Session) -> Result<Exit, Failure> {
        let stop = Session::stop();
        let drift = match self.drift {
            OnDrift::Stop => DriftPolicy::Stop,
            OnDrift::Keep => DriftPolicy::Keep,
            OnDrift::Restore => DriftPolicy::Restore,
        };
        let options = UndoOptions { stages: self.stages.clone(), packages: self.packages, drift };
        let mut fetcher = Fetcher::new(&session.host, Source::default(), Vec::new());
        let result = {
            let mut face = ui::face(self.json, global.verbose, global.quiet);
            let mut engine = Engine {
                host: &session.host,
                fetcher: &mut fetcher,
                user: &session.user,
                face: &mut *face,
                stop: &stop,
            };
            engine.undo(&options)
        };
        let shown = result.inspect_err(|error| {
            if let EngineError::Drift(drift) = error
                && let (Some(left), Some(now)) = (&drift.left, &drift.now)
            {
                out(&render::lines(left, now));
            }
        });
        let undone = shown.map_err(goes_on)?;
        Ok(self.end(session, &undone))
    }

    fn end(&self, session: &Session, undone: &Undone) -> Exit {
        if self.json {
            ui::json_line(
                json!({ "event": "end", "undone": undone.changes, "kept": undone.kept, "restart": undone.restart }),
            );
        } else {
            let plural = if undone.changes == 1 { "" } else { "s" };
            out(&styled(GREEN.bold(), &format!("\n{} change{plural} taken back.", undone.changes)));
            if undone.kept.iter().any(|k| k.starts_with("install packages")) {
                out("The packages are still installed; `kind-wsl undo --packages` takes them out.");
            }
            let facts = session.facts();
            match undone.restart {
                Some(_) if !facts.wsl.is_two() => {
                    out(&styled(YELLOW, "Restart the machine for it to take effect."));
                }
                Some(Scope::Distro) => out(&styled(
                    YELLOW,
                    &format!(
                        "It takes effect after `wsl.exe --terminate {}` in Windows.",
                        facts.wsl.distro()
                    ),
                )),
                Some(Scope::Vm | Scope::Machine) => {
                    out(&styled(YELLOW, "It takes effect after `wsl.exe --shutdown` in Windows."));
                }
                None => {}
            }
        }
        if undone.interrupted { Exit::Interrupted } else { Exit::Done }
    }
}

/// A failure half-way: what was taken back stays so.
fn goes_on(error: EngineError) -> Failure {
    let stays = match &error {
        EngineError::Change { source, .. } => matches!(**source, ChangeError::Host(_)),
        EngineError::Follow(_) => true,
        _ => false,
    };
    let mut failure = Failure::from(error);
    if stays {
        let then = "`kind-wsl undo` goes on from here";
        failure.hint = Some(match failure.hint {
            None => format!("{then}, once the cause is mended"),
            Some(hint) if hint.ends_with("run the same command again") => hint,
            Some(hint) => format!("{hint}; then {then}"),
        });
    }
    failure
}
