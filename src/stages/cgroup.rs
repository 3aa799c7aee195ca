//! Only cgroup v2.

use crate::change::{Change, Edit, Entry, Expect, RestartRequirement};
use crate::facts::Facts;
use crate::facts::wsl::{CGROUP_WORDS as WORDS, WSL_CONF};
use crate::host::Owner;
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};

pub(crate) static REMOVE_DEAD_BLOCK: Question = Question {
    id: "remove_dead_block",
    prompt: "Remove [wsl2] from /etc/wsl.conf? (WSL ignores it there.)",
    help: "remove a [wsl2] section with nothing but kernel parameters from /etc/wsl.conf, where WSL ignores it",
    form: AnswerKind::YesNo,
    when: |facts, _| facts.wsl.is_two() && facts.wsl_conf.dead_block,
    default: |_| "yes".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static MOVE_WSL2: Question = Question {
    id: "move_wsl2",
    prompt: "Settings in [wsl2] of /etc/wsl.conf (WSL ignores them)",
    help: "what to do with settings in [wsl2] of /etc/wsl.conf, which WSL ignores there",
    form: AnswerKind::Choice(|facts| {
        let settings =
            movable(facts).map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
        vec![
            Choice::new("keep", "leave them as they are"),
            Choice::new("move", format!("move to .wslconfig, for the next start of WSL: {settings}")),
        ]
    }),
    when: |facts, _| facts.wsl.is_two() && facts.windows.profile.is_some() && movable(facts).next().is_some(),
    default: |_| "keep".to_owned(),
    weight: Prompting::Always,
};

pub(super) static STAGE: Stage = Stage {
    id: "cgroup",
    title: "only cgroup v2",
    from: "guide",
    why: "A rootless provider needs cgroup v2: kind stops otherwise (`running kind with rootless provider requires \
          cgroup v2`). WSL up to 2.4 mounts v1 beside it; `cgroup_no_v1=all` on the kernel command line keeps every \
          controller for v2 (kernel admin-guide/cgroup-v2). WSL reads `kernelCommandLine` only from [wsl2] of \
          .wslconfig in the Windows profile, never from /etc/wsl.conf, where the guide puts it: there it has no \
          effect and warns at each start (WSL configfile.cpp:211). Only the first such key counts, so the words are \
          merged into its value. A [wsl2] section of /etc/wsl.conf is removed only if it holds nothing but these \
          words; other settings in it stay untouched, or are moved to .wslconfig if you say so. From 2.5.8 on WSL mounts v2 alone, unless wsl.conf says [automount] cgroups=v1 \
          (2.6.2). The setting is shared by all distributions of the Windows user.",
    questions: &[&REMOVE_DEAD_BLOCK, &MOVE_WSL2],
    needed,
    changes,
    checks: &[],
};

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let need = judged(facts, answers);
    let moved: Vec<_> = moved(facts, answers).collect();
    let stays: Vec<_> = facts.wsl_conf.misplaced.iter().filter(|setting| !moved.contains(setting)).collect();
    if stays.is_empty() || !facts.wsl.is_two() {
        return need;
    }
    let stays = stays.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
    let note =
        format!("; WSL ignores [wsl2] {stays} in {WSL_CONF}, which stays as it is: it belongs in .wslconfig");
    match need {
        Applicability::Required(why) => Applicability::Required(why + &note),
        Applicability::Satisfied(why) => Applicability::Satisfied(why + &note),
        Applicability::Redundant(why) => Applicability::Redundant(why + &note),
        other => other,
    }
}

/// The settings of a `[wsl2]` in wsl.conf that can take effect in .wslconfig without changing what is set there.
fn movable(facts: &Facts) -> impl Iterator<Item = &(String, String)> {
    let fits = |(key, value): &&(String, String)| {
        let now = facts.windows.wsl2.get(&key.to_ascii_lowercase());
        value.is_ascii() && now.is_none_or(|now| now == value)
    };
    facts.wsl_conf.misplaced.iter().filter(fits)
}

/// Those that the user has moved.
fn moved<'f>(facts: &'f Facts, answers: &Answers) -> impl Iterator<Item = &'f (String, String)> {
    let is_wanted = answers.get(&MOVE_WSL2) == Some("move") && facts.windows.profile.is_some();
    movable(facts).filter(move |_| is_wanted)
}

fn judged(facts: &Facts, answers: &Answers) -> Applicability {
    if !facts.wsl.is_two() {
        return Applicability::not_applicable(format!("{}: {}", facts.wsl.name(), facts.cgroup.mounts));
    }
    let chosen = facts.wsl_conf.cgroups.as_deref() == Some("v1");
    if facts.cgroup.mounts.has_v1() {
        // Below 1.0.1 the virtual machine does not start with the option (WSL#6662, WSL#9120).
        if facts.wsl.is_before("1.0.1") {
            let what = format!(
                "{} does not start with cgroup_no_v1=all on its kernel command line",
                facts.wsl.name()
            );
            return Applicability::blocked(
                what,
                "in Windows: `wsl --update`, then run the same command again",
            );
        }
        if !chosen && facts.windows.profile.is_none() {
            let hint = "name it: `--windows-profile /mnt/c/Users/NAME`, the directory that %USERPROFILE% is in Windows";
            return Applicability::blocked("cannot tell which Windows profile holds .wslconfig", hint);
        }
        let why = if chosen { format!(", chosen in {WSL_CONF}") } else { String::new() };
        return Applicability::needed(format!("/sys/fs/cgroup is {}{why}", facts.cgroup.mounts));
    }
    if facts.wsl_conf.dead_block && answers.is_true(&REMOVE_DEAD_BLOCK) {
        return Applicability::needed(format!("{WSL_CONF} has a [wsl2] block, which WSL never reads there"));
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
    let conf = |edit, restart| {
        Change::Entry(Entry { path: WSL_CONF.into(), edit, owner: Owner::Root, follow: None, restart })
    };
    let mut changes = Vec::new();
    if facts.wsl_conf.dead_block && answers.is_true(&REMOVE_DEAD_BLOCK) {
        changes.push(conf(Edit::DropSection { section: "wsl2".to_owned() }, None));
    }
    if facts.wsl_conf.cgroups.as_deref() == Some("v1") {
        let edit = Edit::WslConf { section: "automount".to_owned(), key: "cgroups".to_owned(), value: None };
        changes.push(conf(edit, RestartRequirement::distro(Some(Expect::CgroupV2))));
    }
    // A WSL that mounts v1 only because it was told to needs no kernel words; nor does one that has v2 already.
    let by_choice = facts.wsl_conf.cgroups.is_some() && !facts.wsl.is_before("2.6.2");
    if let Some(path) = facts.windows.wslconfig() {
        let key = |key: &String| ("wsl2".to_owned(), key.clone());
        for (name, value) in moved(facts, answers) {
            let (section, key) = key(name);
            let edit = Edit::Wslconfig { section, key, value: Some(value.clone()) };
            let owner = super::user(facts);
            changes.push(Change::Entry(Entry {
                path: path.clone(),
                edit,
                owner,
                follow: None,
                restart: None,
            }));
        }
        for (name, _) in moved(facts, answers) {
            let (section, key) = key(name);
            changes.push(conf(Edit::WslConf { section, key, value: None }, None));
        }
    }
    let only_dead_block = !facts.cgroup.mounts.has_v1() && !changes.is_empty();
    if let Some(path) = facts.windows.wslconfig().filter(|_| !by_choice && !only_dead_block) {
        let until = Some(Expect::KernelParams(WORDS[..1].iter().map(|&w| w.to_owned()).collect()));
        let edit = Edit::KernelParams { words: WORDS.map(ToOwned::to_owned).to_vec() };
        changes.push(Change::Entry(Entry {
            path,
            edit,
            owner: super::user(facts),
            follow: None,
            restart: RestartRequirement::vm(until),
        }));
    }
    changes
}
