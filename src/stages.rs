//! The stages, and their order in one place.
//!
//! Everything that needs root comes before the restart, and there is at most one restart. To add a stage, write
//! its file with its one `static STAGE`, declare the module and add it to `STAGES`.

use crate::provider::Provider;
use crate::stage::{Answers, Applicability, Question, Stage};

pub(crate) mod autostart;
pub(crate) mod cgroup;
pub(crate) mod cgroup_mount;
pub(crate) mod cni;
pub(crate) mod controllers;
pub(crate) mod crun;
pub(crate) mod delegation;
pub(crate) mod docker;
pub(crate) mod idle;
pub(crate) mod limits;
pub(crate) mod modules;
pub(crate) mod nerdctl;
pub(crate) mod packages;
pub(crate) mod podman;
pub(crate) mod restart;
mod rootless;
mod settings;
pub(crate) mod shared_root;
pub(crate) mod subids;
pub(crate) mod systemd;
pub(crate) mod tools;
pub(crate) mod user_slice;
pub(crate) mod verify;

/// Every stage, in the order in which they are set up.
pub static STAGES: &[&Stage] = &[
    &systemd::STAGE,
    &cgroup::STAGE,
    &cgroup_mount::STAGE,
    &shared_root::STAGE,
    &controllers::STAGE,
    &user_slice::STAGE,
    &delegation::STAGE,
    &modules::STAGE,
    &limits::STAGE,
    &idle::STAGE,
    &packages::STAGE,
    &subids::STAGE,
    &podman::STAGE,
    &cni::STAGE,
    &crun::STAGE,
    &tools::STAGE,
    &autostart::STAGE,
    &restart::STAGE,
    &docker::STAGE,
    &nerdctl::STAGE,
    &verify::STAGE,
];

/// The lowest crun version that works on this machine.
pub(crate) use crun::floor as crun_floor_here;
pub(crate) use podman::{Pids, is_enough, pids_limit};

/// Returns the stage of that name.
///
/// # Errors
/// The name is unknown; the error has the nearest match.
pub fn by_id(id: &str) -> Result<&'static Stage, UnknownStage> {
    STAGES.iter().find(|s| s.id == id).copied().ok_or_else(|| UnknownStage {
        name: id.to_owned(),
        near: crate::suggest::did_you_mean(id, STAGES.iter().map(|s| s.id)),
    })
}

/// Changes of commands other than setup, by their names in the journal; `undo` accepts them like stages.
pub const OTHERS: [&str; 2] = [KUBECONFIG, LOGON];
/// `kubeconfig --windows`.
pub const KUBECONFIG: &str = "kubeconfig";
/// The entry that starts the distribution when its account signs in to Windows.
pub const LOGON: &str = "logon";

/// Refuses a name that no change in the journal can have.
///
/// # Errors
/// As [`by_id`].
pub fn refuse_unknown(name: &str) -> Result<(), UnknownStage> {
    if OTHERS.contains(&name) { Ok(()) } else { by_id(name).map(drop) }
}

/// Every question of every stage, in their order.
pub fn questions() -> impl Iterator<Item = &'static Question> {
    STAGES.iter().flat_map(|s| s.questions).copied()
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown stage `{name}`")]
pub struct UnknownStage {
    pub name: String,
    /// The nearest name.
    pub near: Option<String>,
}

impl UnknownStage {
    #[must_use]
    pub fn hint(&self) -> String {
        let all: Vec<_> = STAGES.iter().map(|s| s.id).collect();
        match &self.near {
            Some(near) => format!("did you mean `{near}`? The stages are: {}", all.join(", ")),
            None => format!("the stages are: {}", all.join(", ")),
        }
    }
}

/// The verdict on podman's stages if another provider is chosen.
fn not_podman(answers: &Answers) -> Option<Applicability> {
    let provider = answers.provider();
    (provider != Provider::Podman)
        .then(|| Applicability::not_applicable(format!("the provider is {provider}")))
}

/// The user as the owner of created files.
fn user(facts: &crate::facts::Facts) -> crate::host::Owner {
    crate::change::user_owner(&facts.user)
}

#[cfg(test)]
mod tests {
    use super::{STAGES, questions};

    #[test]
    fn a_prompt_and_what_is_drawn_around_it_fit_into_80_columns() {
        // A prompt that breaks is drawn twice when it is answered.
        let long: Vec<_> = questions().filter(|q| q.prompt.chars().count() > 60).map(|q| q.id).collect();
        assert!(long.is_empty(), "{long:?}");
    }

    #[test]
    fn stages_and_questions_have_names_of_their_own() {
        for (index, stage) in STAGES.iter().enumerate() {
            assert!(STAGES[..index].iter().all(|s| s.id != stage.id), "{}", stage.id);
        }
        let ids: Vec<_> = questions().map(|q| q.id).collect();
        let own: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), own.len());
    }
}
