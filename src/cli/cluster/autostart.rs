//! `kind-wsl cluster autostart`: the stage `autostart` for one more or one less cluster.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::super::Global;
use super::super::session::Session;
use super::provider;
use super::run::not_a_name;
use crate::cluster;
use crate::cluster::autostart::Autostart;
use crate::engine::{Engine, UndoOptions};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::journal::{Journal, Record};
use crate::stage::Answers;
use crate::stages::autostart::{AUTOSTART, STAGE};
use crate::ui::{self, GREEN, out, styled};

/// `cluster autostart`.
#[derive(Debug, Subcommand)]
pub(super) enum Switch {
    /// Start a cluster when the distribution starts
    On(Named),
    /// Do not start it anymore
    Off(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Name of the cluster (default: every cluster)
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Switch {
    pub(super) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let (is_on, Named { name }) = match self {
            Self::On(named) => (true, named),
            Self::Off(named) => (false, named),
        };
        if let Some(name) = name.as_ref().filter(|name| !cluster::is_name(name)) {
            return Err(not_a_name(name));
        }
        let session = Session::new(global, None)?;
        session.journal_state.refuse_unfinished()?;
        if session.journal_state.waiting.is_some() {
            return Err(Failure::usage("the setup waits for a restart", "kind-wsl setup"));
        }
        let present = Autostart::present(&session.host, &session.user);
        let wanted = match (present.clone(), name) {
            (_, None) | (Autostart::Every, Some(_)) if is_on => Autostart::Every,
            (_, None) => Autostart::Of([].into()),
            (Autostart::Every, Some(_)) => {
                let hint = Some("kind-wsl cluster autostart off".to_owned());
                return Err(Failure::new("autostart is on for every cluster, not for single ones", hint));
            }
            (Autostart::Of(mut names), Some(name)) => {
                if is_on {
                    names.insert(name.clone())
                } else {
                    names.remove(name)
                };
                Autostart::Of(names)
            }
        };
        if wanted == present && !is_on {
            let what = match name {
                Some(name) => format!("cluster {name} does not start"),
                None => "no cluster starts".to_owned(),
            };
            out(&format!("Nothing to undo: {what} with this distribution."));
            return Ok(Exit::Done);
        }
        if session.host.is_live() && !session.host.is_root() {
            let mut words = vec!["cluster", "autostart", if is_on { "on" } else { "off" }];
            words.extend(name.as_deref());
            return Err(session.repeat_as_root(global, &words));
        }
        let facts = session.facts();
        session.with_local_engine(ui::reporter(false, global.verbose, true), |engine| {
            apply(&session, &facts, engine, &present, &wanted)
        })?;
        if is_on {
            let what =
                name.as_ref().map_or_else(|| "Every cluster".to_owned(), |name| format!("Cluster {name}"));
            out(&styled(GREEN.bold(), &format!("{what} starts with this distribution.")));
            warn_of_absent(&session, name.as_deref());
            show_what_else_is_needed(&facts);
        } else {
            out(&match name {
                Some(name) => format!("Cluster {name} does not start with this distribution anymore."),
                None => "No cluster starts with this distribution anymore.".to_owned(),
            });
        }
        Ok(Exit::Done)
    }
}

/// Reverts the changes of before if one has to go, and makes those that are wanted. The answer is that of the next setup.
fn apply(
    session: &Session,
    facts: &Facts,
    engine: &mut Engine<'_>,
    present: &Autostart,
    wanted: &Autostart,
) -> Result<(), Failure> {
    let answers = Answers(BTreeMap::from([(AUTOSTART.id.to_owned(), wanted.answer())]));
    let mut journal = Journal::open(&session.host, &session.user.name)?;
    journal.append(Record::Answers { answers: answers.0.clone() })?;
    drop(journal);
    let only_adds = match (present, wanted) {
        (Autostart::Of(present), Autostart::Of(wanted)) => present.is_subset(wanted),
        _ => present.is_none(),
    };
    if !only_adds {
        engine.undo(&UndoOptions::of(STAGE.id))?;
    }
    if !wanted.is_none() {
        engine.make(STAGE.id, &(STAGE.changes)(facts, &answers))?;
    }
    Ok(())
}

/// A name can be that of a cluster to come, or a mistake.
fn warn_of_absent(session: &Session, name: Option<&str>) {
    let Some(name) = name else { return };
    let provider = provider(session);
    let clusters = cluster::list(&session.host, &session.user, provider, cluster::PATIENCE);
    if clusters.is_ok_and(|clusters| clusters.iter().all(|cluster| cluster.name != name)) {
        out(&format!("{provider} has no cluster `{name}` yet."));
    }
}

fn show_what_else_is_needed(facts: &Facts) {
    if !facts.wsl.is_two() {
        return;
    }
    if facts.windows.never_idle().is_none() {
        out("WSL stops it 15 s after the last terminal closes. To keep it running: kind-wsl setup --idle");
    }
    if facts.windows.logon.is_none() {
        out("To start it when you sign in to Windows: kind-wsl cluster logon on");
    }
}
