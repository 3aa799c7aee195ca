//! `kind-wsl doctor`: checks the machine and shows errors, their effect on kind, and fixes.

mod screen;

use camino::Utf8PathBuf;
use clap::Args;
use serde_json::json;

use super::Global;
use super::assume;
use super::prepare::Prepared;
use super::report::Dossier;
use super::session::Session;
use crate::assume::{Assumed, Assumption};
use crate::checks::{self, Check, CheckContext, Cost, Group, RunContext, Status, predict};
use crate::doctor::{CheckReport, Diagnosis, SCHEMA, run_checks};
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::{Recorder, System};
use crate::stage::Answers;
use crate::suggest::did_you_mean;
use crate::ui::{self, BOLD, Detail, json_line, one_line, out, styled};

/// The flags of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "-q shows only warnings and errors. The exit code is 4 if a check fails.\n\n\
                  Examples:\n  kind-wsl doctor                      run every check\n  \
                  kind-wsl doctor --only kind-wrapper  predict what kind reports\n  \
                  kind-wsl doctor --registry           also check that images can be pulled\n  \
                  kind-wsl doctor --assume wsl=3.0.1   show what an update of WSL changes")]
pub(crate) struct Doctor {
    /// Run only these checks (comma-separated)
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<String>,
    /// Check the machine of a report
    #[arg(long, value_name = "FILE")]
    facts: Option<Utf8PathBuf>,
    /// Also check this registry [default: of kind's node image]
    #[arg(long, value_name = "HOST", num_args = 0..=1, default_missing_value = checks::NODE_IMAGES, conflicts_with_all = ["facts", "assume"], value_parser = registry)]
    registry: Option<String>,
    /// Assume versions, such as wsl=3.0.1
    #[arg(long, value_name = "PROGRAM=VERSION", value_delimiter = ',')]
    assume: Vec<Assumption>,
    /// List the checks
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let checks = self.chosen()?;
        if self.list {
            let row = |check: &&Check| (styled(BOLD, check.id), check.title);
            out(&ui::rows(0, &checks.iter().map(row).collect::<Vec<_>>()));
            return Ok(Exit::Done);
        }
        if let Some(path) = &self.facts {
            let dossier = Dossier::read(path)?;
            let replay = dossier.system();
            let facts = dossier.facts(&replay);
            let answers = Dossier::answers(&facts, global)?;
            return Ok(self.examine(&replay, &facts, &answers, &checks, global));
        }
        let Prepared { session, facts, answers } = Prepared::new(Session::new(global, None)?);
        if !self.json && session.host.is_root() {
            show_users(&session);
        }
        Ok(self.examine(&session.host, &facts, &answers, &checks, global))
    }

    fn examine(
        &self,
        system: &dyn System,
        facts: &Facts,
        answers: &Answers,
        checks: &[&'static Check],
        global: &Global,
    ) -> Exit {
        // Several checks run the same podman commands; the recorder runs each once.
        let memo = Recorder::new(system);
        let mut context = CheckContext::new(&memo, facts, answers);
        if let Some(assume) = assume::given(&self.assume) {
            let assumed = Assumed::new(&memo, facts, assume);
            let after = assume::facts_after(&assumed, facts);
            let then = CheckContext::new(&assumed, &after, answers);
            let chosen = || checks.iter().copied().filter(|check| !check.is_probe());
            let [before, then] = [&context, &then].map(|context| run_checks(context, chosen()));
            assume::show_checks(&assumed, &before, &then, self.json);
            return Exit::Done;
        }
        if !self.only.is_empty() {
            context = context.that_may_create();
        }
        if self.facts.is_none() {
            context =
                context.that_may_ask(self.registry.clone().unwrap_or_else(|| checks::NODE_IMAGES.to_owned()));
        }
        let (is_partial, detail) = (!self.only.is_empty(), global.detail());
        let mut diagnosis = Diagnosis::default();
        for group in &checks::GROUPS {
            let is_chosen = |check: &&Check| checks.iter().any(|chosen| chosen.id == check.id);
            let chosen: Vec<&'static Check> = group.checks().filter(is_chosen).collect();
            if chosen.is_empty() {
                continue;
            }
            let reports = run_checks(&context, chosen);
            match (self.json, is_partial) {
                (true, _) => {}
                (_, true) => screen::show_checks(&reports),
                (_, false) => screen::show_group(group, &reports, detail),
            }
            diagnosis.groups.push((group, reports));
        }
        let errors = diagnosis.count(Status::Error);
        if self.json {
            let [shell, wrapper] = [RunContext::Shell, RunContext::Wrapper].map(|run| predict(&context, run));
            let in_group = |(group, reports): &(&Group, Vec<CheckReport>)| {
                let with_group = |report| {
                    let mut value = json!(report);
                    value["group"] = json!(group.id);
                    value
                };
                reports.iter().map(with_group).collect::<Vec<_>>()
            };
            json_line(json!({
                "schema": SCHEMA, "user": context.facts.user.name,
                "checks": diagnosis.groups.iter().flat_map(in_group).collect::<Vec<_>>(),
                "prediction": { "shell": shell, "wrapper": wrapper },
                "wrong": errors, "doubtful": diagnosis.count(Status::Warning),
                "forecast": (!is_partial).then(|| diagnosis.forecast()),
                "fix_all": diagnosis.fix_all().map(|(line, _)| line)
            }));
        } else {
            let machine = if self.facts.is_some() { "the machine of this report" } else { "this machine" };
            if !is_partial {
                screen::show_forecast(diagnosis.forecast(), machine);
            }
            screen::show_counts(&diagnosis, if is_partial { Detail::Brief } else { detail });
        }
        if errors > 0 { Exit::Found } else { Exit::Done }
    }

    fn chosen(&self) -> Result<Vec<&'static Check>, Failure> {
        let all: Vec<&'static Check> = checks::doctor().collect();
        for id in &self.only {
            if all.iter().all(|e| e.id != id) {
                let ids = || all.iter().map(|e| e.id);
                let near = did_you_mean(id, ids())
                    .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                let hint = format!("{near}the checks are: {}", ids().collect::<Vec<_>>().join(", "));
                return Err(Failure::usage(format!("unknown check `{id}`"), hint));
            }
        }
        let wanted = |e: &&Check| match e.cost {
            _ if self.only.iter().any(|id| id == e.id) => true,
            Cost::OnRequest => self.list || self.registry.is_some(),
            Cost::Read | Cost::Probe => self.only.is_empty(),
        };
        Ok(all.into_iter().filter(wanted).collect())
    }
}

/// Prints the user that root checks, and the commands for other users.
fn show_users(session: &Session) {
    let name = session.user.name.as_str();
    let others = session.journal_state.users().into_iter().filter(|user| *user != name);
    let commands: Vec<String> =
        others.map(|user| format!("kind-wsl doctor --user {}", one_line(user))).collect();
    if !commands.is_empty() {
        let text = format!("Checks for {}. Other users: {}", one_line(name), commands.join(", "));
        out(&ui::wrap(&text, ui::width()).join("\n"));
    }
}

/// Parses the host and port of a registry, with or without `https://`.
fn registry(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:[]_".contains(c);
    // A label of a name has 63 characters at most (RFC 1035).
    if host.is_empty() || !host.chars().all(is_host) || host.split('.').any(|label| label.len() > 63) {
        return Err("expected HOST or HOST:PORT, such as registry.example.com:5000".to_owned());
    }
    Ok(host.to_owned())
}
