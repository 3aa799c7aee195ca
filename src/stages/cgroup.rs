//! Disables cgroup v1.

use super::systemd::wsl_conf_left;
use crate::change::{Change, Edit, EditFile, PostRestartCheck, RestartRequirement};
use crate::compat::COMPAT;
use crate::facts::Facts;
use crate::facts::wsl::{CGROUP_WORDS as WORDS, WSL_CONF, WslConf};
use crate::host::Owner;
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};

pub(crate) static REMOVE_DEAD_BLOCK: Question = Question {
    id: "remove_dead_block",
    prompt: "Remove [wsl2] from /etc/wsl.conf? (WSL ignores it there.)",
    help: "Remove a [wsl2] section that WSL ignores in wsl.conf",
    form: AnswerKind::YesNo,
    when: |facts, answers| facts.wsl.is_two() && wsl_conf_left(facts, answers).dead_block,
    default: |_| "yes".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static MOVE_WSL2: Question = Question {
    id: "move_wsl2",
    prompt: "Settings in [wsl2] of /etc/wsl.conf (WSL ignores them)",
    help: "What to do with [wsl2] settings that WSL ignores",
    form: AnswerKind::Choice(|facts| {
        let conf = wsl_conf_left(facts, &Answers::default());
        let settings = movable(facts, conf).map(|(key, value)| format!("{key}={value}"));
        let settings = settings.collect::<Vec<_>>().join(", ");
        vec![
            Choice::new("keep", "keep them unchanged"),
            Choice::new("move", format!("move to .wslconfig, for the next start of WSL: {settings}")),
        ]
    }),
    when: |facts, answers| {
        let conf = wsl_conf_left(facts, answers);
        facts.wsl.is_two() && facts.windows.profile.is_some() && movable(facts, conf).next().is_some()
    },
    default: |_| "keep".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "cgroup",
    title: "use cgroup v2 only",
    from: "upstream guide",
    why: "A rootless provider needs cgroup v2: without it kind stops with `running kind with rootless \
          provider requires cgroup v2`. WSL before 2.5.7 also mounts v1. `cgroup_no_v1=all` on the \
          kernel command line keeps every controller for v2 (kernel admin-guide/cgroup-v2). WSL reads \
          `kernelCommandLine` only from [wsl2] of .wslconfig in the Windows profile. In /etc/wsl.conf, \
          which the upstream guide names, the key has no effect and causes a warning at each start (WSL \
          configfile.cpp:211). WSL uses only the first such key, so the parameters are merged into its \
          value. A [wsl2] section of /etc/wsl.conf is removed only if it contains nothing but these \
          parameters. Its other settings stay there, or are moved to .wslconfig if you choose that. WSL \
          2.5.7 and later mount only v2, so `wsl --update` in Windows makes this stage unnecessary. The \
          exception is [automount] cgroups=v1 in /etc/wsl.conf (2.6.2 and later). With that line, the \
          pre-releases 2.9.8 to 2.9.12 do not start. Later versions mount v2 and print a message, unless \
          `isolateDistroCgroup=false` is set. All distributions of the Windows user share the kernel \
          parameters.",
    questions: &[&REMOVE_DEAD_BLOCK, &MOVE_WSL2],
    needed,
    changes,
};

/// The settings of a `[wsl2]` in wsl.conf that can take effect in .wslconfig without changing what is set there.
fn movable<'f>(facts: &'f Facts, conf: &'f WslConf) -> impl Iterator<Item = &'f (String, String)> {
    let fits = |(key, value): &&(String, String)| {
        let now = facts.windows.wsl2.get(&key.to_ascii_lowercase());
        value.is_ascii() && now.is_none_or(|now| now == value)
    };
    conf.misplaced.iter().filter(fits)
}

/// The settings that the user chose to move.
fn moved<'f>(facts: &'f Facts, answers: &Answers) -> impl Iterator<Item = &'f (String, String)> {
    let is_wanted = answers.get(&MOVE_WSL2) == Some("move") && facts.windows.profile.is_some();
    movable(facts, &facts.wsl_conf).filter(move |_| is_wanted)
}

/// Whether WSL 2.6.2 or later mounts cgroup v1 because wsl.conf selects it, or selected it until setup changed that.
/// After the next start it mounts only v2.
pub(super) fn is_v1_by_choice(facts: &Facts) -> bool {
    (facts.wsl_conf.chooses_v1() || is_v1_given_up(facts)) && !facts.wsl.is_before(&COMPAT.wsl.v1_by_choice)
}

fn is_v1_given_up(facts: &Facts) -> bool {
    facts.pending.iter().any(|p| p.why == WSL_CONF && p.due.verify == Some(PostRestartCheck::CgroupV2))
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if !facts.wsl.is_two() {
        return Applicability::not_applicable(format!("{}: {}", facts.wsl.name(), facts.cgroup.mounts));
    }
    let chosen = facts.wsl_conf.chooses_v1();
    if facts.cgroup.mounts.has_v1() {
        if facts.wsl.is_before(&COMPAT.wsl.kernel_params_for_v2) {
            let what = format!(
                "{} does not start with cgroup_no_v1=all on its kernel command line",
                facts.wsl.name()
            );
            return Applicability::blocked(
                what,
                "in Windows: `wsl --update`, then run the same command again",
            );
        }
        if !chosen && is_v1_given_up(facts) && is_v1_by_choice(facts) {
            return Applicability::satisfied(format!(
                "{WSL_CONF} no longer chooses cgroup v1; takes effect after the restart"
            ));
        }
        if !chosen && facts.windows.profile.is_none() {
            let hint = "specify it with `--windows-profile /mnt/c/Users/NAME`, the directory that %USERPROFILE% is in Windows";
            return Applicability::blocked(
                "cannot determine the Windows profile that contains .wslconfig",
                hint,
            );
        }
        let why = if chosen { format!(", selected in {WSL_CONF}") } else { String::new() };
        return Applicability::needed(format!("/sys/fs/cgroup is {}{why}", facts.cgroup.mounts));
    }
    if is_v1_by_choice(facts) && chosen {
        let line = facts.wsl_conf.cgroups_line.unwrap_or_default();
        let then = if facts.cgroup.is_isolated() {
            "prevents the next start of this distribution while WSL isolates distributions"
        } else if facts.cgroup.is_namespaced {
            "only causes a message at each start while WSL isolates distributions"
        } else {
            "selects cgroup v1 for the next start"
        };
        return Applicability::needed(format!("cgroups=v1 in {WSL_CONF} line {line} {then}"));
    }
    if facts.wsl_conf.dead_block && answers.is_true(&REMOVE_DEAD_BLOCK) {
        return Applicability::needed(format!("{WSL_CONF} has a [wsl2] section, which WSL ignores there"));
    }
    if moved(facts, answers).next().is_some() {
        return Applicability::needed(format!("{WSL_CONF} has settings in [wsl2], which WSL ignores there"));
    }
    if crate::edit::cmdline::has(&facts.kernel.cmdline, WORDS[0]) {
        return Applicability::satisfied(format!(
            "{}, and the kernel was started with {}",
            facts.cgroup.mounts, WORDS[0]
        ));
    }
    Applicability::redundant(format!("{} mounts {} by itself", facts.wsl.name(), facts.cgroup.mounts))
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let conf = |edit, restart| Change::from(EditFile::new(WSL_CONF, edit, Owner::Root)).with_restart(restart);
    let grammar = facts.wsl_conf.grammar;
    let has_v1 = facts.cgroup.mounts.has_v1();
    let mut changes = Vec::new();
    if facts.wsl_conf.dead_block && answers.is_true(&REMOVE_DEAD_BLOCK) {
        changes.push(conf(Edit::DropSection { section: "wsl2".to_owned(), grammar }, None));
    }
    if facts.wsl_conf.chooses_v1() && (has_v1 || is_v1_by_choice(facts)) {
        let (section, key) = ("automount".to_owned(), "cgroups".to_owned());
        let restart = has_v1.then(|| RestartRequirement::distro(Some(PostRestartCheck::CgroupV2)));
        changes.push(conf(Edit::WslConf { section, key, value: None, grammar }, restart));
    }
    if let Some(path) = facts.windows.wslconfig() {
        let key = |key: &String| ("wsl2".to_owned(), key.clone());
        for (name, value) in moved(facts, answers) {
            let (section, key) = key(name);
            let edit = Edit::Wslconfig { section, key, value: Some(value.clone()) };
            changes.push(EditFile::new(path.clone(), edit, super::user(facts)).into());
        }
        for (name, _) in moved(facts, answers) {
            let (section, key) = key(name);
            changes.push(conf(Edit::WslConf { section, key, value: None, grammar }, None));
        }
    }
    // A WSL that mounts v1 only if wsl.conf selects it needs no kernel parameters; nor does one that has v2 already.
    let only_dead_block = !has_v1 && !changes.is_empty();
    if let Some(path) = facts.windows.wslconfig().filter(|_| !is_v1_by_choice(facts) && !only_dead_block) {
        let check = PostRestartCheck::KernelParams(vec![WORDS[0].to_owned()]);
        let edit = Edit::KernelParams { params: WORDS.map(ToOwned::to_owned).to_vec() };
        let change = Change::from(EditFile::new(path, edit, super::user(facts)));
        changes.push(change.with_restart(RestartRequirement::vm(Some(check))));
    }
    changes
}
