//! A file for each stage: what it decides on a machine, and what it then changes. The snapshots are the expected answers.

mod autostart;
mod cgroup;
mod cgroup_mount;
mod cni;
mod controllers;
mod crun;
mod delegation;
mod docker;
mod idle;
mod limits;
mod modules;
mod nerdctl;
mod packages;
mod podman;
mod restart;
mod shared_root;
mod subids;
mod systemd;
mod tools;
mod user_slice;
mod verify;

use std::fmt::Write;

use crate::support::{Layout, Machine};
use insta::assert_snapshot;
use kind_wsl::change::{Change, ChangeKind, FileSource, RestartScope, WriteFile};
use kind_wsl::facts::Facts;
use kind_wsl::host::Owner;
use kind_wsl::plan::actions;
use kind_wsl::stage::{Answers, Applicability};
use kind_wsl::stages::{self, STAGES};

/// What a stage decides on this machine with these answers, and the changes that setup then makes.
fn decision(id: &str, machine: &Machine, said: &[(&str, &str)]) -> String {
    decision_on(id, &machine.facts(), said)
}

/// The same from facts, for what no file of the machine shows.
fn decision_on(id: &str, facts: &Facts, said: &[(&str, &str)]) -> String {
    let stage = stages::by_id(id).unwrap();
    let mut answers = Answers::default();
    for (question, answer) in said {
        assert!(stages::questions().any(|q| q.id == *question), "no question is called {question}");
        answers.set(question, *answer);
    }
    let changes = || (stage.changes)(facts, &answers);
    let (mut text, changes) = match (stage.needed)(facts, &answers) {
        Applicability::Required(why) => (format!("required: {why}\n"), changes()),
        Applicability::Redundant(why) => (format!("redundant: {why}\n"), changes()),
        Applicability::Satisfied(why) => (format!("satisfied: {why}\n"), Vec::new()),
        Applicability::NotApplicable(why) => (format!("not applicable: {why}\n"), Vec::new()),
        Applicability::Blocked { what, hint } => (format!("blocked: {what}\nhint: {hint}\n"), Vec::new()),
    };
    if text.starts_with("redundant") && !changes.is_empty() {
        text += "\nwith --guide:\n";
    }
    if !changes.is_empty() {
        let _ = writeln!(text, "plan: {}: {}", stage.title, actions(&changes, facts).join(", "));
    }
    changes.iter().fold(text, |text, change| text + "\n" + &shown(change))
}

/// A change: its target, which has the value of an entry, and the mode, owner and text of a file.
fn shown(change: &Change) -> String {
    let mut text = format!("{}\n", change.target());
    if let ChangeKind::WriteFile(WriteFile { mode, source, .. }) = &change.kind {
        let _ = writeln!(text, "  mode {mode:o}");
        if let FileSource::Inline(lines) = source {
            text += &lines
                .lines()
                .map(|line| format!("  | {line}").trim_end().to_owned() + "\n")
                .collect::<String>();
        }
    }
    if let Some((_, Owner::User { uid, gid })) = change.created_path() {
        let _ = writeln!(text, "  owner {uid}:{gid}");
    }
    if let Some(trigger) = &change.trigger {
        let _ = writeln!(text, "  then {}", trigger.words());
    }
    if let Some(restart) = &change.restart {
        let what = match restart.scope {
            RestartScope::Distro => "this distribution",
            RestartScope::Vm => "WSL as a whole",
            RestartScope::Machine => "the machine",
        };
        let effect = restart.verify.as_ref().map(|check| format!(", which shows by {check:?}"));
        let _ = writeln!(text, "  takes effect after a restart of {what}{}", effect.unwrap_or_default());
    }
    if let ChangeKind::Restart(restart) = &change.kind {
        for check in &restart.verify {
            let _ = writeln!(text, "  until {check:?}");
        }
    }
    text
}

#[test]
fn every_stage_has_a_file_here() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stages");
    for stage in STAGES {
        let file = dir.join(stage.id.replace('-', "_") + ".rs");
        assert!(file.exists(), "{} is missing", file.display());
    }
}
