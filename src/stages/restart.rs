//! The one restart, if changes need one.

use crate::change::{Change, Restart, RestartScope, WriteFile};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Answers, Applicability, Prompting, Question, Stage};

/// The notice of a login shell while a setup waits for its restart, even days later.
const NOTICE: &str = "/etc/profile.d/kind-wsl.sh";

pub(crate) static RESTART_ALL: Question = Question {
    id: "restart_all",
    prompt: "May the restart stop other distributions and cluster nodes?",
    help: "Allow the restart to stop other distributions and nodes",
    form: AnswerKind::YesNo,
    // Asked when the affected workloads are known (cli/restart.rs), and never assumed.
    when: |_, _| false,
    default: |_| "no".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "restart",
    title: "restart",
    from: "upstream guide",
    why: "WSL reads wsl.conf, fstab and the delegation when the distribution starts (`wsl --terminate` \
          is enough). It reads .wslconfig when the virtual machine starts (`wsl --shutdown`, which stops \
          every distribution). A running systemd user manager keeps its controllers, and WSL starts only \
          one, so logging in again does not help. Setup requests the smallest restart that is \
          sufficient, once, and only if a change waits for it. The boot ID and the start time of PID 1 \
          show that the restart took place, and the setting itself that it helped. On WSL a Windows \
          program restarts WSL (windows/README.md). Until setup has resumed and finished, every login \
          shell prints a notice.",
    questions: &[&RESTART_ALL],
    needed,
    changes,
};

fn needed(facts: &Facts, _: &Answers) -> Applicability {
    match facts.restart_due() {
        None => Applicability::satisfied("nothing waits for a restart"),
        Some(_) if !facts.wsl.is_two() => {
            Applicability::needed("changed settings take effect only after the machine restarts")
        }
        Some(RestartScope::Distro | RestartScope::Machine) => {
            Applicability::needed("changed settings take effect only after this distribution restarts")
        }
        Some(RestartScope::Vm) => {
            Applicability::needed("changed settings take effect only after WSL restarts as a whole")
        }
    }
}

fn changes(facts: &Facts, _: &Answers) -> Vec<Change> {
    let Some(scope) = facts.restart_due() else { return Vec::new() };
    let scope = if facts.wsl.is_two() { scope } else { RestartScope::Machine };
    let mut verify = Vec::new();
    for check in facts.pending.iter().filter_map(|p| p.due.verify.clone()) {
        if !verify.contains(&check) {
            verify.push(check);
        }
    }
    vec![
        Change::from(WriteFile::config(NOTICE, include_str!("../../assets/files/notice.sh").to_owned()))
            .ephemeral(),
        Restart { scope, why: facts.restart_reasons(), verify }.into(),
    ]
}
