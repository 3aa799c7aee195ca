//! The controllers of the systemd user manager.

use crate::cgroup::WANTED;
use crate::change::{Change, PostRestartCheck, RestartRequirement, Trigger, WriteFile};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};

pub(crate) static DELEGATE: Question = Question {
    id: "delegate",
    prompt: "Which controllers should the systemd user manager get?",
    help: "Delegate kind's five controllers (guide) or all (yes)",
    form: AnswerKind::Choice(|_| {
        vec![
            Choice::new("guide", "cpu, cpuset, io, memory, pids (recommended)"),
            Choice::new("yes", "all that systemd supports (kind's documentation)"),
        ]
    }),
    when: |_, _| true,
    default: |_| "guide".to_owned(),
    weight: Prompting::Advanced,
};

pub(crate) static STAGE: Stage = Stage {
    id: "delegation",
    title: "delegate controllers to the systemd user manager",
    from: "upstream guide, kind docs",
    why: "Rootless podman can limit only the controllers that are delegated to its systemd user manager. \
          kind requires cpu, memory and pids (kind pkg/cluster/internal/create/create.go, \
          validateProvider) and recommends `Delegate=yes` whatever is missing. systemd before 252 \
          delegates memory and pids, later versions also cpu. The upstream guide adds cpuset and io, \
          which the kubelet can use. `daemon-reload` is not enough: a running systemd user manager keeps \
          its controllers, so the change takes effect only after the next start.",
    questions: &[&DELEGATE],
    needed,
    changes,
};

/// A separate file beside `delegate.conf`, which kind's documentation, usernetes and lima write, and `override.conf`,
/// which `systemctl edit` writes. Drop-ins are read in the order of their names, whatever directory they are in
/// (systemd.unit(5)), and a list of controllers is added to those of the files before it (systemd
/// `src/core/load-fragment.c`, `config_parse_delegate`). So settings of other files are kept, and an earlier
/// `Delegate=no` does not win.
const PATH: &str = "/etc/systemd/system/user@.service.d/zz-kind-wsl.conf";

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    let Some(manager) = facts.cgroup.manager.as_ref() else {
        return Applicability::needed("cpuset and io are not delegated by default");
    };
    let names = available(facts);
    let missing = manager.lacks(&names);
    if missing.is_empty() {
        return Applicability::satisfied(format!("{} has {}", manager.path, names.join(", ")));
    }
    Applicability::needed(format!("{} lacks {}", manager.path, missing.join(", ")))
}

/// The controllers that this system can delegate.
fn available(facts: &Facts) -> Vec<&'static str> {
    let unavailable = facts.cgroup.unavailable();
    WANTED.into_iter().filter(|name| !unavailable.iter().any(|other| other == name)).collect()
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let delegate = if answers.get(&DELEGATE) == Some("yes") { "yes".to_owned() } else { WANTED.join(" ") };
    let text =
        format!("# Written by kind-wsl (`kind-wsl explain delegation`).\n[Service]\nDelegate={delegate}\n");
    let names = available(facts).into_iter().map(ToOwned::to_owned).collect();
    let check = PostRestartCheck::Controllers { uid: facts.user.uid, names };
    let change = Change::from(WriteFile::config(PATH, text))
        .with_trigger(Trigger::DaemonReload)
        .with_restart(RestartRequirement::distro(Some(check)));
    vec![change]
}
