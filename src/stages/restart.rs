//! The one restart, where changes wait for one.

use crate::change::{Change, Restart, RestartScope, WriteFile};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Answers, Applicability, Prompting, Question, Stage};

/// What a login shell says while a set-up waits: days later, too.
const NOTICE: &str = "/etc/profile.d/kind-wsl.sh";

pub(crate) static RESTART_ALL: Question = Question {
    id: "restart_all",
    prompt: "May the restart stop other distributions and cluster nodes?",
    help: "allow the restart to stop other distributions and cluster nodes",
    form: AnswerKind::YesNo,
    // Asked when it is known what that would be (cli/restart.rs), and never taken for granted.
    when: |_, _| false,
    default: |_| "no".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "restart",
    title: "restart",
    from: "guide",
    why: "wsl.conf, fstab and delegation are read when the distribution starts (`wsl --terminate` is enough), .wslconfig \
          when the virtual machine does (`wsl --shutdown`, which ends every distribution). A user manager that runs \
          keeps its controllers, and WSL makes only one a start, so logging in again does not help. The least restart \
          that serves is asked for, once, and only where something waits for it. That it took place is seen from the \
          boot id and the start time of PID 1, that it helped from the effect itself. On WSL a program of Windows does it \
          (windows/README.md), and until the set-up has gone on and ended, every login shell says that it waits.",
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
