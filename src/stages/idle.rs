//! A distribution that does not stop when the last shell closes.

use crate::change::{Change, Edit, EditFile, RestartRequirement};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Answers, Applicability, Prompting, Question, Stage};

pub(crate) static IDLE: Question = Question {
    id: "idle",
    prompt: "Keep WSL running after the last terminal closes?",
    help: "Keep WSL running after the last terminal closes",
    form: AnswerKind::YesNo,
    when: |facts, _| {
        facts.wsl.is_two() && facts.windows.profile.is_some() && facts.windows.never_idle().is_none()
    },
    default: |_| "no".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "idle",
    title: "keep WSL running after the last terminal closes",
    from: "kind-wsl",
    why: "WSL stops a distribution 15 s after its last Windows client has ended, and the virtual machine \
          60 s after its last distribution. Running services do not prevent that (WSL \
          src/windows/service/exe/Lifetime.cpp; WSL#8854), and podman's nodes do not survive it \
          (kind#3190). `instanceIdleTimeout=-1` and `vmIdleTimeout=-1` in .wslconfig keep both running \
          until `wsl --shutdown`. They keep their memory, and the settings apply to all distributions. \
          `vmIdleTimeout=-1` alone still lets the distribution stop. WSL Settings has a switch for it: \
          \"Keep WSL alive\" (WSL#41109, MicrosoftDocs/WSL#2621).",
    questions: &[&IDLE],
    needed,
    changes,
};

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if !facts.wsl.is_two() {
        return Applicability::not_applicable(format!(
            "{}: an idle machine is not stopped",
            facts.wsl.name()
        ));
    }
    if let Some(timeout) = facts.windows.never_idle() {
        return Applicability::satisfied(format!("instanceIdleTimeout is {timeout} in .wslconfig"));
    }
    if answers.is_true(&IDLE) {
        return Applicability::needed("WSL stops an idle distribution after 15 s");
    }
    Applicability::not_applicable("optional; enable with --idle")
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let Some(path) = facts.windows.wslconfig() else { return Vec::new() };
    let entry = |section: &str, key: &str| {
        let edit = Edit::Wslconfig {
            section: section.to_owned(),
            key: key.to_owned(),
            value: Some("-1".to_owned()),
        };
        Change::from(EditFile::new(path.clone(), edit, super::user(facts)))
            .with_restart(RestartRequirement::vm(None))
    };
    let mut changes = vec![entry("general", "instanceIdleTimeout")];
    if !facts.windows.is_vm_never_idle() {
        changes.push(entry("wsl2", "vmIdleTimeout"));
    }
    changes
}
