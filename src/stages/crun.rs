//! A supported crun version, configured in podman.

use camino::{Utf8Path, Utf8PathBuf};

use super::settings::{self, PodmanSetting};

use crate::change::{Change, FileSource, WriteFile};
use crate::edit::toml::Value;
use crate::facts::Facts;
use crate::facts::containers::Winner;
use crate::facts::tools::strings;
use crate::fetch::Artifact;
use crate::fetch::catalogue::{self, Catalogue};
use crate::fetch::catalogue::{Fit, crun_floor, fit};
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};
use crate::version::Version;

pub(crate) static CRUN_VERSION: Question = Question {
    id: "crun_version",
    prompt: "Which crun version should podman use?",
    help: "crun version, `recommended`, `latest` or `keep`",
    form: AnswerKind::Open(choices, |value| match value {
        "keep" | "recommended" | "latest" => Ok(()),
        _ => value
            .parse::<Version>()
            .map(|_| ())
            .map_err(|_| "a version, recommended, latest, keep".to_owned()),
    }),
    when: |facts, answers| facts.arch.is_some() && super::not_podman(answers).is_none(),
    default: |_| "recommended".to_owned(),
    weight: Prompting::If(is_too_old),
};

pub(crate) static CRUN_SHA256: Question = Question {
    id: "crun_sha256",
    prompt: "The sha256 of that crun binary?",
    help: "sha256 of a crun that is not in the catalogue",
    form: AnswerKind::Open(
        |_| Vec::new(),
        |value| {
            let hex = value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit());
            if hex { Ok(()) } else { Err("64 hexadecimal digits".to_owned()) }
        },
    ),
    when: |_, _| false,
    default: |_| String::new(),
    weight: Prompting::Advanced,
};

pub(crate) static CRUN_BINARY: Question = Question {
    id: "crun_binary",
    prompt: "Path of the crun binary to install?",
    help: "Path of a crun to install (with --crun-sha256)",
    form: AnswerKind::Open(
        |_| Vec::new(),
        |value| if value.starts_with('/') { Ok(()) } else { Err("an absolute path".to_owned()) },
    ),
    when: |_, _| false,
    default: |_| String::new(),
    weight: Prompting::Advanced,
};

/// The drop-in of this stage.
const DROP_IN: &str = "50-kind-wsl-crun.conf";

pub(crate) static STAGE: Stage = Stage {
    id: "crun",
    title: "install a supported crun",
    from: "upstream guide",
    why: "kind's node runs systemd. crun before 1.9 cannot start it everywhere, and crun before 1.9.1 \
          fails on Linux 6.6 and later (`chmod run/shm: Operation not supported`, crun#1308). podman 5 \
          needs crun 1.14.3 (`unknown version specified`, podman#27272). The distribution's crun is kept \
          if it is new enough. Otherwise a release binary is downloaded and checked against a sha256 \
          that several public sources agree on. It becomes the first entry of [engine.runtimes]: podman \
          runs the first entry that exists and does not search PATH. The build without systemd is never \
          used, because podman requires systemd support for systemd's cgroups. `podman info` finally \
          reports the path and version in use.",
    questions: &[&CRUN_VERSION, &CRUN_SHA256, &CRUN_BINARY],
    needed,
    changes,
};

fn choices(facts: &Facts) -> Vec<Choice> {
    let (Ok(catalogue), Some(arch)) = (catalogue::crun(), facts.arch) else { return Vec::new() };
    let floor = floor(facts);
    let recommended = catalogue.recommended(arch).map(|r| &r.version);
    let kept = present(facts).filter(|_| !is_too_old(facts));
    let mut choices: Vec<_> = kept
        .iter()
        .map(|v| Choice::new("keep", format!("{:9}keep the installed version", v.release())))
        .collect();
    for release in catalogue.advised(arch, &floor) {
        let is_best = Some(&release.version) == recommended;
        // Enter takes the recommended one, whatever it is when the setup resumes.
        let value =
            if is_best && kept.is_none() { "recommended".to_owned() } else { release.version.to_string() };
        let date = release.date.as_ref().map_or_else(String::new, |date| format!(" ({date})"));
        let label = format!("{:9}{}{date}", release.version.as_str(), release.advice(arch, is_best));
        choices.push(Choice::new(value, label));
    }
    choices
}

/// The lowest crun version that works on this machine.
pub(crate) fn floor(facts: &Facts) -> Version {
    crun_floor(facts.kernel.version().as_ref(), facts.podman()).version.clone()
}

/// The crun version that podman would run without this stage, if it is known.
pub(crate) fn present(facts: &Facts) -> Option<Version> {
    let found = facts.tools.crun.as_ref().and_then(|c| c.version.clone());
    found.or_else(|| facts.packages.coming("crun"))
}

fn is_too_old(facts: &Facts) -> bool {
    present(facts).is_none_or(|v| v < floor(facts))
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    if let Some(elsewhere) = super::not_podman(answers) {
        return elsewhere;
    }
    if let Some(blocked) = super::podman::refused(facts).or_else(|| is_another(facts)) {
        return blocked;
    }
    let floor = floor(facts);
    let answer = answers.get(&CRUN_VERSION);
    let Some(present) = present(facts) else { return offer(facts, answers, &floor, "no crun is installed") };
    let is_installed = facts.tools.crun.is_some();
    let value = format!(
        "{} crun {}",
        if is_installed { "found" } else { "the distribution offers" },
        present.release()
    );
    if is_too_old(facts) {
        if answer == Some("keep") {
            let what = format!(
                "crun {} is kept as requested, but this host needs {floor} or later",
                present.release()
            );
            return Applicability::blocked(what, "answer with `--crun-version recommended`");
        }
        return offer(facts, answers, &floor, &value);
    }
    if another(facts, answers).is_some() {
        return offer(facts, answers, &floor, &value);
    }
    if settings::moved(facts, STAGE.id) {
        let file = settings::file(facts, DROP_IN);
        return is_beaten(facts).unwrap_or_else(|| Applicability::needed(settings::moving(facts, &file)));
    }
    match &facts.tools.crun {
        Some(crun) => {
            Applicability::satisfied(format!("{} is {}; need {floor} or later", crun.path, present.release()))
        }
        None => Applicability::satisfied(format!(
            "{} will be installed by stage `packages`; need {floor} or later",
            present.release()
        )),
    }
}

/// The requested version, if it differs from the installed one. Otherwise a crun that works is not replaced.
fn another(facts: &Facts, answers: &Answers) -> Option<Version> {
    let asked = answers.get(&CRUN_VERSION).filter(|answer| !matches!(*answer, "keep" | "recommended"));
    asked.and_then(|answer| resolve(facts, answer)).filter(|version| Some(version) != present(facts).as_ref())
}

/// A setting or variable that prevents podman from running the configured crun.
fn is_beaten(facts: &Facts) -> Option<Applicability> {
    let file = settings::file(facts, DROP_IN);
    settings::blocked(facts, &file, &wanted(facts, &file))
}

/// The settings with the path of kind-wsl's crun.
fn wanted(facts: &Facts, file: &Utf8Path) -> Vec<PodmanSetting> {
    let mut settings = vec![("engine.runtimes.crun", runtimes(facts, file))];
    // If another file sets the runtime by its path, podman ignores the list of runtimes.
    let runtime = if facts.containers.has_drop_ins() {
        facts.containers.value_without(file, "engine.runtime")
    } else {
        by_path(facts).map(|winner| winner.setting.value.clone())
    };
    if runtime.is_some_and(|runtime| is_path(&runtime)) {
        settings.push(("engine.runtime", Value::Str("crun".to_owned())));
    }
    settings
}

/// The setting with the path of a crun.
fn by_path(facts: &Facts) -> Option<Winner<'_>> {
    facts.containers.winner("engine.runtime").filter(|winner| is_path(&winner.setting.value))
}

fn is_path(runtime: &str) -> bool {
    runtime.ends_with("/crun\"")
}

/// The setting that makes podman run another runtime than crun (containers.conf(5), `[engine] runtime`).
fn is_another(facts: &Facts) -> Option<Applicability> {
    let winner = facts.containers.winner("engine.runtime")?;
    if winner.setting.value == "\"crun\"" || by_path(facts).is_some() {
        return None;
    }
    let what = format!("{winner} makes podman run {} instead of crun", winner.setting.value);
    Some(Applicability::blocked(
        what,
        format!("remove `runtime` from [engine] in {}, then run the same command again", winner.path),
    ))
}

/// kind-wsl's crun, then the other configured ones.
fn runtimes(facts: &Facts, file: &Utf8Path) -> Value {
    const KEY: &str = "engine.runtimes.crun";
    let named = if facts.containers.has_drop_ins() {
        facts.containers.value_without(file, KEY)
    } else {
        facts.containers.file(file).and_then(|f| f.keys.get(KEY)).map(|setting| setting.value.clone())
    };
    let installed = installed(facts).to_string();
    let named = named.map(|list| strings(&list)).filter(|list| !list.is_empty());
    let mut list = named.unwrap_or_else(|| vec!["/usr/bin/crun".to_owned()]);
    list.retain(|path| *path != installed);
    list.insert(0, installed);
    Value::StrList(list)
}

/// The path of the crun that kind-wsl installs.
fn installed(facts: &Facts) -> Utf8PathBuf {
    facts.user.home.join(".local/bin/crun")
}

/// Required, or the reason why the requested version cannot be installed.
fn offer(facts: &Facts, answers: &Answers, floor: &Version, present: &str) -> Applicability {
    let wanted = answers.get(&CRUN_VERSION).unwrap_or("recommended");
    let Some(version) = resolve(facts, wanted) else {
        let arch = &facts.kernel.machine;
        return Applicability::blocked(
            format!("the catalogue has no crun for {arch}"),
            "specify a version and its checksum: `--crun-version V --crun-sha256 HASH`",
        );
    };
    if version < *floor {
        let what = format!("crun {version} is too old for this host, which needs {floor} or later");
        return Applicability::blocked(what, "`kind-wsl crun list` shows the supported versions");
    }
    if answers.get(&CRUN_BINARY).is_some() && answers.get(&CRUN_SHA256).is_none() {
        return Applicability::blocked(
            "the checksum of the given crun binary is missing",
            "add `--crun-sha256 HASH`",
        );
    }
    if artifact(facts, answers, &version).is_none() {
        let near = catalogue::crun()
            .ok()
            .and_then(|c| c.near_match(wanted))
            .map_or_else(String::new, |n| format!("did you mean `{n}`? "));
        let what = format!(
            "crun {version} for {} is not in the catalogue, so its checksum is unknown",
            facts.kernel.machine
        );
        let hint = format!(
            "{near}`kind-wsl crun list` shows the versions; or add `--crun-sha256 HASH`; or install `gpgv` to check its signature"
        );
        return Applicability::blocked(what, hint);
    }
    is_beaten(facts).unwrap_or_else(|| Applicability::needed(format!("{present}; need {floor} or later")))
}

fn resolve(facts: &Facts, wanted: &str) -> Option<Version> {
    let (catalogue, arch) = (catalogue::crun().ok()?, facts.arch?);
    match wanted {
        "recommended" => catalogue.recommended(arch).map(|r| r.version.clone()),
        "latest" => newest(catalogue, facts),
        other => other.parse().ok(),
    }
}

fn newest(catalogue: &Catalogue, facts: &Facts) -> Option<Version> {
    let floor = floor(facts);
    let arch = facts.arch?;
    catalogue.releases.iter().find(|r| fit(r, arch, &floor) == Fit::Suits).map(|r| r.version.clone())
}

fn artifact(facts: &Facts, answers: &Answers, version: &Version) -> Option<Artifact> {
    let (catalogue, arch) = (catalogue::crun().ok()?, facts.arch?);
    match answers.get(&CRUN_SHA256) {
        Some(sha256) => catalogue.user_artifact(version, arch, sha256).ok(),
        None => catalogue.artifact(version, arch),
    }
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let asked = answers.get(&CRUN_VERSION).unwrap_or("recommended");
    let artifact = resolve(facts, asked).and_then(|v| artifact(facts, answers, &v));
    let Some(artifact) = artifact else { return Vec::new() };
    let path = installed(facts);
    let owner = super::user(facts);
    let mut program = WriteFile::program(path, artifact, owner);
    if let (Some(local), FileSource::Download(artifact)) = (answers.get(&CRUN_BINARY), &program.source) {
        program.source = FileSource::LocalFile { path: local.into(), artifact: artifact.clone() };
    }
    let file = settings::file(facts, DROP_IN);
    let settings = settings::changes(facts, STAGE.id, &file, wanted(facts, &file));
    // The existing crun works, and only its setting moves.
    if settings::moved(facts, STAGE.id) && !is_too_old(facts) && another(facts, answers).is_none() {
        return settings;
    }
    std::iter::once(program.into()).chain(settings).collect()
}
