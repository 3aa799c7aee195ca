//! The entry that starts this distribution when its account signs in to Windows.

use clap::Subcommand;

use super::Global;
use super::session::Session;
use crate::change::{Change, LogonEntry};
use crate::engine::{Engine, UndoOptions};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::journal::{Journal, Record};
use crate::stages::LOGON;
use crate::ui::{self, GREEN, out, styled};
use crate::windows::{Helper, Interop};

/// `cluster logon`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum Logon {
    /// Create the logon entry
    On,
    /// Remove the logon entry
    Off,
}

impl Logon {
    pub(super) fn run(self, global: &Global) -> Result<Exit, Failure> {
        let action = if self == Self::On { "on" } else { "off" };
        switch(global, self == Self::On, &["cluster", "logon", action])
    }
}

/// Creates or removes the entry. `command` is the command line for the run as root.
fn switch(global: &Global, is_on: bool, command: &[&str]) -> Result<Exit, Failure> {
    let session = Session::new(global, None)?;
    session.journal_state.refuse_unfinished()?;
    let facts = session.facts();
    if !is_on && facts.windows.logon.is_none() {
        out("Nothing to undo: kind-wsl made no logon entry.");
        return Ok(Exit::Done);
    }
    let entry = if is_on { Some(entry(&session, &facts)?) } else { None };
    if session.host.is_live() && !session.host.is_root() {
        return Err(session.repeat_as_root(global, command));
    }
    session.with_local_engine(ui::reporter(false, global.verbose, true), |engine| match entry {
        Some((entry, helper)) => add(&session, &facts, engine, entry, &helper),
        None => remove(engine),
    })?;
    Ok(Exit::Done)
}

fn remove(engine: &mut Engine<'_>) -> Result<(), Failure> {
    engine.undo(&UndoOptions::of(LOGON))?;
    out("This distribution does not start when you sign in to Windows anymore.");
    Ok(())
}

fn add(
    session: &Session,
    facts: &Facts,
    engine: &mut Engine<'_>,
    entry: LogonEntry,
    helper: &Helper,
) -> Result<(), Failure> {
    let place = entry.dir().to_owned();
    let mut journal = Journal::open(&session.host, &session.user.name)?;
    if !journal.state.places.contains(&place) {
        journal.append(Record::RestartDelegated { place: Some(place.clone()) })?;
    }
    drop(journal);
    helper.install(&session.host, &place, &session.user)?;
    let name = entry.distribution.clone();
    engine.make(LOGON, &[Change::from(entry)])?;
    out(&styled(GREEN.bold(), &format!("{name} starts when you sign in to Windows.")));
    if facts.windows.never_idle().is_none() {
        out("WSL stops it 15 s later, unless a terminal is open. To keep it running: kind-wsl setup --idle");
    }
    Ok(())
}

/// The entry for this distribution, and the program that it starts.
fn entry(session: &Session, facts: &Facts) -> Result<(LogonEntry, Helper), Failure> {
    let refused = |what: &str, hint: &str| Err(Failure::usage(what, hint));
    if !facts.wsl.is_two() {
        return refused("a logon entry requires WSL 2", "run it in a distribution of WSL 2");
    }
    if Interop::new(&session.host, &session.user).is_err() || facts.wsl.distro() == NO_NAME {
        let hint = "run the same command in a terminal that Windows opened for this distribution";
        return refused("Windows programs cannot be started from this shell", hint);
    }
    if session.journal_state.waiting.is_some() {
        return refused("the setup waits for a restart", "kind-wsl setup");
    }
    let Some(profile) = &facts.windows.profile else {
        let hint = "set KIND_WSL_WINDOWS_PROFILE=/mnt/c/Users/NAME";
        return refused("the profile of your Windows account was not found", hint);
    };
    let Some(helper) = Helper::find(&session.host) else {
        return refused("this kind-wsl has no Windows helper", "install kind-wsl from a release");
    };
    let (program, distribution) = (Helper::path_in(profile), facts.wsl.distro().to_owned());
    Ok((LogonEntry { program, distribution, user: session.user.clone() }, helper))
}

/// The value of [`crate::facts::Wsl::distro`] for a distribution whose name is unknown.
const NO_NAME: &str = "DISTRIBUTION";
