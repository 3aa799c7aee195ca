//! `kind-wsl report --for`: fills in the bug form of a project from the machine. The fields that only the reporter can fill
//! in are comments.
//!
//! The forms: kind `.github/ISSUE_TEMPLATE/bug-report.md`, podman `.github/ISSUE_TEMPLATE/bug_report.yaml`, WSL
//! `.github/ISSUE_TEMPLATE/Bug_Report.yaml`.

use std::fmt::Display;

use camino::Utf8Path;

use super::prepare::Prepared;
use crate::checks::kind::{KIND_VERSION, ask};
use crate::checks::podman::PODMAN;
use crate::checks::{self, Check, CheckContext, RunContext, Status};
use crate::doctor::CheckReport;
use crate::edit::Form;
use crate::facts::{Facts, Wsl};
use crate::host::{Cmd, PROXY_ENV, Recorder, System};
use crate::provider::Provider;
use crate::redact::{self, Names};
use crate::ui::{one_line, visible};
use crate::windows::Interop;

/// A project whose bug form is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Project {
    Kind,
    Podman,
    Wsl,
}

/// Variables that change what kind and its provider do; their values can hold secrets.
const SETTINGS: [&str; 4] =
    ["KIND_EXPERIMENTAL_PROVIDER", "DOCKER_HOST", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"];

const NEVER_USED: &str = "podman has not been used here, and its first command chooses the storage driver";

/// Returns the form as Markdown.
pub(crate) fn text(project: Project, machine: &Prepared) -> String {
    let Prepared { session, facts, answers } = machine;
    // The checks and the fields run the same commands; the recorder runs each once.
    let memo = Recorder::new(&session.host);
    let context = CheckContext::new(&memo, facts, answers).of_any_provider();
    let versions = Interop::new(&memo, &facts.user).and_then(|interop| interop.versions()).ok();
    let issue = Issue { system: &memo, facts, context, names: Names::probe(&memo, facts), versions };
    match project {
        Project::Kind => issue.kind(),
        Project::Podman => issue.podman(),
        Project::Wsl => issue.wsl(),
    }
}

struct Issue<'i> {
    system: &'i dyn System,
    facts: &'i Facts,
    context: CheckContext<'i>,
    names: Names,
    /// The output of `wsl.exe --version`.
    versions: Option<String>,
}

impl Issue<'_> {
    fn kind(&self) -> String {
        let kubectl = self.facts.tools.kubectl.as_ref().and_then(|path| {
            let cmd = Cmd::new(path.as_str(), ["version", "--client"]).as_user(&self.facts.user);
            self.system.stdout_if_ok(&cmd)
        });
        let kubernetes = kubectl.map_or_else(String::new, |text| self.span(&text) + " ");
        let variables = match self.variables() {
            names if names.is_empty() => "none".to_owned(),
            names => format!("{} (values not shown)", self.span(&names)),
        };
        format!(
            "**What happened**:\n\n\
             <!-- The command and what it printed. Run `kind create cluster --retain` again, and attach the directory of \
             `kind export logs` as an archive. -->\n\n\
             **What you expected to happen**:\n\n<!-- Fill in. -->\n\n\
             **How to reproduce it (as _minimally_ and precisely as possible)**:\n\n<!-- The commands from the start. -->\n\n\
             **Anything else we need to know?**:\n\n{checks}\n\n{data}\n\n\
             **Environment:**\n\n\
             - kind version: (use `kind version`): {kind}\n\
             - OS (e.g. from `/etc/os-release`): {os}\n\
             - Kubernetes version: (use `kubectl version`): {kubernetes}<!-- and the node image -->\n\
             - Any proxies or other special environment settings?: {variables}\n\
             - Runtime info: (use `docker info`, `podman info` or `nerdctl info`):\n\n{info}\n",
            checks = self.checks(),
            data = self.data(),
            kind = self.span(&self.found(&KIND_VERSION)),
            os = self.span(&self.facts.distro.name),
            info = self.info(self.context.answers.provider()),
        )
    }

    fn podman(&self) -> String {
        let in_container = ["/run/.containerenv", "/.dockerenv"].iter().any(|path| self.system.exists(path));
        form(&[
            ("Issue Description", "<!-- What goes wrong. -->".into()),
            ("Steps to reproduce the issue", "1. <!-- The commands from the start. -->".into()),
            ("Describe the results you received", "<!-- What podman printed. -->".into()),
            ("Describe the results you expected", "<!-- Fill in. -->".into()),
            ("podman info output", self.info(Provider::Podman)),
            ("Podman in a container", if in_container { "Yes" } else { "No" }.into()),
            (
                "Privileged Or Rootless",
                if self.facts.user.uid == 0 { "Privileged" } else { "Rootless" }.into(),
            ),
            (
                "Upstream Latest Release",
                "<!-- Yes or No: was it tried with https://github.com/containers/podman/releases/latest? -->"
                    .into(),
            ),
            ("Additional environment details", self.data()),
            ("Additional information", self.checks()),
        ])
    }

    fn wsl(&self) -> String {
        let windows = self.windows().map_or("<!-- Run `cmd.exe /c ver`. -->".into(), |v| self.span(&v));
        let version = match &self.facts.wsl {
            Wsl::Two { version: Some(version), .. } => self.span(version.as_str()),
            _ => "<!-- Run `wsl.exe --version`; enter 0.0.0.0 if it prints nothing. -->".into(),
        };
        let mark = |is: bool| if is { 'x' } else { ' ' };
        let (one, two) = (matches!(self.facts.wsl, Wsl::One { .. }), self.facts.wsl.is_two());
        let mut logs = vec![self.checks()];
        if let Some(versions) = &self.versions {
            logs.push(format!("`wsl.exe --version`:\n\n{}", self.block("text", versions)));
        }
        logs.extend(self.settings(Utf8Path::new("/etc/wsl.conf"), Form::WslConf));
        if let Some(path) = self.facts.windows.wslconfig() {
            logs.extend(self.settings(&path, Form::WslConfig));
        }
        logs.push(
            "<!-- Links to logs: https://github.com/microsoft/WSL/blob/master/CONTRIBUTING.md -->".into(),
        );
        form(&[
            ("Windows Version", windows),
            ("WSL Version", version),
            ("Are you using WSL 1 or WSL 2?", format!("- [{}] WSL 2\n- [{}] WSL 1", mark(two), mark(one))),
            ("Kernel Version", self.span(&self.facts.kernel.release)),
            ("Distro Version", self.span(&self.facts.distro.name)),
            ("Other Software", self.data()),
            ("Repro Steps", "<!-- The commands from the start. -->".into()),
            ("Expected Behavior", "<!-- Fill in. -->".into()),
            ("Actual Behavior", "<!-- What happened, and what was printed. -->".into()),
            ("Diagnostic Logs", logs.join("\n\n")),
        ])
    }

    /// The number of setup checks that pass, and the details of the others.
    fn checks(&self) -> String {
        let provider = self.context.answers.provider();
        let may_ask = self.may_ask(provider);
        let reports = checks::verify(provider)
            .filter(|check| may_ask || !check.is_probe())
            .map(|check| CheckReport::of(&self.context, check))
            .filter(|report| report.status != Status::Skipped || report.blocked_by.is_some());
        let (passed, failed): (Vec<_>, Vec<_>) = reports.partition(CheckReport::passed);
        let (count, all) = (passed.len(), passed.len() + failed.len());
        let mut text =
            format!("{count} of {all} checks of the setup pass (kind-wsl {}).", env!("CARGO_PKG_VERSION"));
        if !may_ask {
            text = format!("{text} The others were not run: {NEVER_USED}.");
        }
        if !failed.is_empty() {
            let line = |report: &CheckReport| format!("{}: {}", report.id, one_line(&report.details));
            let lines: Vec<_> = failed.iter().map(line).collect();
            text = format!("{text} These do not:\n\n{}", self.block("text", &lines.join("\n")));
        }
        text
    }

    /// The versions of all involved programs.
    fn data(&self) -> String {
        let Facts { cgroup, distro, engines, kernel, systemd, tools, wsl, .. } = self.facts;
        let mode =
            self.system.stdout_if_ok(&Cmd::parse("wslinfo --networking-mode").as_user(&self.facts.user));
        let cgroup = if cgroup.mounts.is_pure_v2() {
            "v2"
        } else if cgroup.mounts.has_v1() {
            "v1"
        } else {
            "not mounted"
        };
        let systemd = systemd.version.as_ref().map(|version| format!("{version}, PID 1 is {}", systemd.pid1));
        let crun = tools.crun.as_ref().map(|crun| {
            let version =
                crun.version.as_ref().map_or_else(|| "unknown version".to_owned(), ToString::to_string);
            format!("{version} in {}", crun.path)
        });
        let rows = [
            ("kind", Some(self.found(&KIND_VERSION))),
            ("podman", Some(self.found(&PODMAN))),
            ("crun", crun),
            ("dockerd", shown(engines.docker.as_ref())),
            ("nerdctl", shown(engines.nerdctl.as_ref())),
            ("containerd", shown(engines.containerd.as_ref())),
            ("provider", Some(self.context.answers.provider().to_string())),
            ("cgroup", Some(cgroup.to_owned())),
            ("systemd", systemd),
            ("distribution", Some(distro.name.clone())),
            ("kernel", Some(format!("{} {}", kernel.release, kernel.machine))),
            ("WSL", Some(wsl.name())),
            ("networking", mode),
            ("Windows", self.windows()),
            ("variables", Some(self.variables())),
        ];
        let line = |(name, value): (&str, Option<String>)| {
            let value = value.map(|value| one_line(value.trim())).filter(|value| !value.is_empty())?;
            Some(format!("{name}: {value}"))
        };
        self.block("text", &rows.into_iter().filter_map(line).collect::<Vec<_>>().join("\n"))
    }

    /// The names of the variables that are set.
    fn variables(&self) -> String {
        let is_set = |name: &&str| self.system.env(name).is_some_and(|value| !value.is_empty());
        PROXY_ENV.into_iter().chain(SETTINGS).filter(is_set).collect::<Vec<_>>().join(" ")
    }

    /// The version of Windows: `wsl.exe --version` prints it last (WSL `src/windows/common/WslClient.cpp`, `MessagePackageVersions`).
    fn windows(&self) -> Option<String> {
        let last = self.versions.as_ref()?.trim_end().lines().last()?.to_owned();
        let version = last.rsplit([' ', ':', '：']).next()?;
        version.starts_with("10.").then(|| version.to_owned())
    }

    /// The output of `PROVIDER info`, which kind reads.
    fn info(&self, provider: Provider) -> String {
        if !self.may_ask(provider) {
            return format!("<!-- Run `podman info`. It was not run here: {NEVER_USED}. -->");
        }
        match ask(&self.context, RunContext::Wrapper, provider) {
            Ok(info) => {
                let info = redact::info(info, &self.names);
                self.block("json", &serde_json::to_string_pretty(&info).unwrap_or_default())
            }
            Err(text) => self.block("text", &format!("{provider} info failed: {text}")),
        }
    }

    /// Whether querying the provider has no side effects.
    fn may_ask(&self, provider: Provider) -> bool {
        provider != Provider::Podman || self.facts.containers.storage_used
    }

    /// A redacted settings file.
    fn settings(&self, path: &Utf8Path, form: Form) -> Option<String> {
        let bytes = self.system.resolve(path).and_then(|path| self.system.read(&path)).ok()??;
        let text = form.shown(&bytes, &self.facts.user.name);
        let name = path.file_name().unwrap_or_default();
        Some(format!("`{name}` (other lines as their length):\n\n{}", self.block("ini", &text)))
    }

    fn found(&self, check: &'static Check) -> String {
        self.context.outcome(check).details
    }

    /// A code block that nothing in the text ends (`CommonMark` 4.5: its fence is longer than any in it).
    fn block(&self, language: &str, text: &str) -> String {
        let text = visible(&self.names.text(text)).into_owned();
        let fence = "`".repeat(longest_run(&text).max(2) + 1);
        format!("{fence}{language}\n{}\n{fence}", text.trim_end())
    }

    /// A code span that nothing in the text ends (`CommonMark` 6.1).
    fn span(&self, text: &str) -> String {
        let text = one_line(&self.names.text(text.trim()));
        let ticks = "`".repeat(longest_run(&text) + 1);
        if ticks.len() == 1 { format!("`{text}`") } else { format!("{ticks} {text} {ticks}") }
    }
}

fn shown(version: Option<&impl Display>) -> Option<String> {
    version.map(ToString::to_string)
}

/// The fields of an issue form, as GitHub shows them in the issue.
fn form(fields: &[(&str, String)]) -> String {
    fields.iter().map(|(label, value)| format!("### {label}\n\n{value}\n")).collect::<Vec<_>>().join("\n")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}
