//! Clusters that start with the systemd user manager.

use crate::change::{Change, FileSource, Link, WriteFile};
use crate::cluster::autostart::{Autostart, EVERY, TEMPLATE, UNITS, WANTS, unit};
use crate::cluster::is_name;
use crate::facts::Facts;
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};

pub(crate) static AUTOSTART: Question = Question {
    id: "autostart",
    prompt: "Start clusters when this distribution starts?",
    help: "Start clusters with the distribution: yes (every cluster), no, or names",
    form: AnswerKind::Open(choices, names),
    when: |facts, _| facts.tools.program.is_some(),
    default: |_| "no".to_owned(),
    weight: Prompting::Advanced,
};

fn choices(_: &Facts) -> Vec<Choice> {
    vec![
        Choice::new("no", "start them with `kind-wsl cluster start`"),
        Choice::new("yes", "start every cluster"),
    ]
}

fn names(answer: &str) -> Result<(), String> {
    let are_names = answer.split(',').all(is_name);
    if are_names { Ok(()) } else { Err("yes, no, or names of clusters separated by commas".to_owned()) }
}

pub(crate) static STAGE: Stage = Stage {
    id: "autostart",
    title: "start clusters when the distribution starts",
    from: "kind-wsl",
    why: "kind does not start its nodes after a restart of the machine (kind#3190, kind#2272). A unit in \
          ~/.config/systemd/user runs `kind-wsl cluster start` when the systemd user manager starts: on \
          WSL with the distribution, elsewhere at boot, through linger. When the manager stops, the unit \
          runs `kind-wsl cluster stop`. WSL gives systemd 10 s for that (src/linux/init/init.cpp). WSL \
          also stops an idle distribution after 15 s, and its clusters with it. `kind-wsl setup --idle` \
          prevents that. `kind-wsl cluster logon on` starts the distribution when you sign in to Windows.",
    questions: &[&AUTOSTART],
    needed,
    changes,
};

fn wanted(answers: &Answers) -> Autostart {
    Autostart::of_answer(answers.get(&AUTOSTART).unwrap_or("no"))
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if facts.tools.program.is_none() {
        return Applicability::not_applicable("the path of kind-wsl is unknown");
    }
    if wanted(answers).is_none() {
        return Applicability::not_applicable("optional; enable with --autostart");
    }
    let why = "kind does not start its nodes after a restart";
    if facts.wsl.is_two() && facts.windows.never_idle().is_none() {
        let idle = "WSL still stops the distribution 15 s after the last terminal closes, unless --idle";
        return Applicability::needed(format!("{why}; {idle}"));
    }
    Applicability::needed(why)
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let Some(program) = &facts.tools.program else { return Vec::new() };
    let owner = super::user(facts);
    let (units, wants) = (facts.user.home.join(UNITS), facts.user.home.join(WANTS));
    let file = |name: &str, which: &str| -> Change {
        let source = FileSource::Inline(text(&in_unit(program.as_str()), which));
        WriteFile { path: units.join(name), source, mode: 0o644, owner }.into()
    };
    let link = |name: &str, to: &str| -> Change {
        Link { path: wants.join(name), to: units.join(to).into_string(), owner }.into()
    };
    let mut changes = match wanted(answers) {
        Autostart::Every => vec![file(EVERY, "--all"), link(EVERY, EVERY)],
        Autostart::Of(names) => {
            let links = names.iter().map(|name| link(&unit(name), TEMPLATE));
            std::iter::once(file(TEMPLATE, "%i")).chain(links).collect()
        }
    };
    changes.extend(super::rootless::linger(facts));
    changes
}

/// A path as a word of a command line in a unit (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers").
fn in_unit(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if path.chars().all(is_plain) {
        return path.to_owned();
    }
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{escaped}\"")
}

/// The unit. It does not wait with `Type=oneshot`: `default.target` would wait for the cluster. The nodes are in scopes of their
/// own, so a start that fails leaves those that run.
fn text(program: &str, which: &str) -> String {
    let what = if which == "%i" { "kind cluster %i" } else { "kind clusters" };
    format!(
        "# Written by kind-wsl (`kind-wsl explain autostart`).\n\
         [Unit]\nDescription={what}\nAfter=docker.service containerd.service\n\n\
         [Service]\nType=exec\nRemainAfterExit=yes\n\
         ExecStart={program} cluster start --timeout=900 {which}\n\
         ExecStop={program} cluster stop {which}\nTimeoutStopSec=300\n\n\
         [Install]\nWantedBy=default.target\n"
    )
}

#[cfg(test)]
mod tests {
    use super::in_unit;

    #[test]
    fn a_path_in_a_unit_is_one_word_without_specifiers_and_variables() {
        assert_eq!(in_unit("/usr/local/bin/kind-wsl"), "/usr/local/bin/kind-wsl");
        assert_eq!(in_unit("/home/a b/%h/$HOME/\"x\\"), "\"/home/a b/%%h/$$HOME/\\\"x\\\\\"");
    }
}
