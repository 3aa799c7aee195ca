//! kind and kubectl, and a wrapper `kind`.

use camino::Utf8PathBuf;

use crate::change::{Change, FileSource, MoveAside, WriteFile};
use crate::facts::Facts;
use crate::facts::tools::{kept_kind, private_kind};
use crate::fetch::catalogue::{self, Catalogue, CatalogueError};
use crate::host::in_quotes;
use crate::stage::{AnswerKind, Answers, Applicability, Choice, Prompting, Question, Stage};

pub(crate) static TOOLS: Question = Question {
    id: "tools",
    prompt: "Install kind and kubectl in ~/.local?",
    help: "Programs to install in ~/.local",
    form: AnswerKind::Choice(|_| {
        vec![
            Choice::new("both", "kind and kubectl"),
            Choice::new("kind", "kind alone"),
            Choice::new("kubectl", "kubectl alone"),
            Choice::new("none", "neither"),
        ]
    }),
    when: |facts, _| facts.tools.kind.is_none() || facts.tools.kubectl.is_none(),
    default: |facts| {
        let choice = match (&facts.tools.kind, &facts.tools.kubectl) {
            (None, None) => "both",
            (None, Some(_)) => "kind",
            (Some(_), None) => "kubectl",
            (Some(_), Some(_)) => "none",
        };
        choice.to_owned()
    },
    weight: Prompting::Always,
};

pub(crate) static KIND_WRAPPER: Question = Question {
    id: "kind_wrapper",
    prompt: "Run plain `kind` through kind-wsl?",
    help: "Install a `kind` that runs `kind-wsl kind`",
    form: AnswerKind::YesNo,
    when: |facts, _| facts.tools.program.is_some() && !facts.tools.wrapped,
    default: |_| "yes".to_owned(),
    weight: Prompting::Always,
};

pub(crate) static STAGE: Stage = Stage {
    id: "tools",
    title: "install tools in ~/.local/bin",
    from: "upstream guide",
    why: "The upstream guide does not install them, and its last command does not set the provider: with \
          Docker Desktop, kind then selects docker (kind pkg/internal/runtime/runtime.go). Its \
          `systemd-run --scope --user` also lacks `-p Delegate=yes`. Without that the scope has only \
          memory and pids, and kind stops although all controllers are delegated. `kind-wsl kind` does \
          both. Optional: a wrapper `kind` in ~/.local/bin that runs `kind-wsl kind`, so that plain \
          `kind create cluster` works. An existing ~/.local/bin/kind is renamed to \
          `kind.kind-wsl-original`, and the wrapper runs it. Undo restores its name. Downloads are \
          checked against sha256.",
    questions: &[&TOOLS, &KIND_WRAPPER],
    needed,
    changes,
};

fn wants(answers: &Answers, tool: &str) -> bool {
    matches!(answers.get(&TOOLS), Some(choice) if choice == "both" || choice == tool)
}

fn needed(facts: &Facts, answers: &Answers) -> Applicability {
    let mut missing = Vec::new();
    if facts.tools.kind.is_none() && wants(answers, "kind") {
        missing.push("kind");
    }
    if facts.tools.kubectl.is_none() && wants(answers, "kubectl") {
        missing.push("kubectl");
    }
    if !facts.tools.wrapped && answers.is_true(&KIND_WRAPPER) {
        missing.push("kind wrapper");
    }
    if missing.is_empty() {
        let found = |name: &str, path: &Option<Utf8PathBuf>| {
            path.as_ref()
                .map_or_else(|| format!("{name} is not installed (--tools none)"), ToString::to_string)
        };
        return Applicability::satisfied(format!(
            "{}; {}",
            found("kind", &facts.tools.kind),
            found("kubectl", &facts.tools.kubectl)
        ));
    }
    if facts.arch.is_none() {
        return Applicability::blocked(
            format!("neither kind nor kubectl is built for {}", facts.kernel.machine),
            "skip them: `--tools none`",
        );
    }
    Applicability::needed(format!("not installed: {}", missing.join(", ")))
}

fn changes(facts: &Facts, answers: &Answers) -> Vec<Change> {
    let bin = facts.user.home.join(".local/bin");
    let wrap = answers.is_true(&KIND_WRAPPER) || facts.tools.wrapped;
    let mut changes = Vec::new();
    if facts.tools.kind.is_none() && wants(answers, "kind") {
        let path = if wrap { private_kind(&facts.user) } else { bin.join("kind") };
        changes.extend(download(facts, catalogue::kind(), path));
    }
    if facts.tools.kubectl.is_none() && wants(answers, "kubectl") {
        changes.extend(download(facts, catalogue::kubectl(), bin.join("kubectl")));
    }
    if let Some(program) = facts.tools.program.as_ref().filter(|_| answers.is_true(&KIND_WRAPPER)) {
        let program = in_quotes(program.as_str());
        let text = format!(
            "#!/bin/sh\n# Written by kind-wsl (`kind-wsl explain tools`): runs kind with the configured provider in a delegated cgroup scope.\nexec {program} kind \"$@\"\n"
        );
        let owner = super::user(facts);
        if facts.tools.own_kind {
            changes.push(MoveAside { path: bin.join("kind"), to: kept_kind(&facts.user), owner }.into());
        }
        let source = FileSource::Inline(text);
        changes.push(WriteFile { path: bin.join("kind"), source, mode: 0o755, owner }.into());
    }
    changes
}

fn download(
    facts: &Facts,
    catalogue: Result<&Catalogue, CatalogueError>,
    path: Utf8PathBuf,
) -> Option<Change> {
    let (catalogue, arch) = (catalogue.ok()?, facts.arch?);
    let artifact = catalogue.artifact(&catalogue.recommended(arch)?.version, arch)?;
    Some(WriteFile::program(path, artifact, super::user(facts)).into())
}
