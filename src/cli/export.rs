//! `kind-wsl export`: the plan for many machines, in the words of engines that exist.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::plan::Planned;
use super::report::Dossier;
use super::{Global, StageArgs};
use crate::error::{Exit, Failure};
use crate::export::{Export, Format};
use crate::facts::Facts;
use crate::host::{LiveSystem, Process};
use crate::journal::JournalState;
use crate::plan::{Plan, StageSelection};
use crate::stage::Answers;
use crate::stages;
use crate::ui::{err, out};

/// The flags of `export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl export --format sh > kind.sh                 a script\n  kind-wsl export --format ansible -o kind.yml           a playbook\n  \
                  kind-wsl export --format cloud-init --facts report.json  user-data for machines like somebody else's\n  kind-wsl export --format wsl-image > image.sh           \
                  makes a distribution to import\n\nWhat an engine can not express is said on standard error, and in the file at its place. docs/fleet.md says which format when."
)]
pub(crate) struct ExportCommand {
    #[command(flatten)]
    choosing: StageArgs,
    /// In whose words.
    #[arg(long, value_enum)]
    format: Format,
    /// Plan for machines like the one that a report describes.
    #[arg(long, value_name = "FILE")]
    facts: Option<Utf8PathBuf>,
    /// Where to write it; standard output without this.
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

impl ExportCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let selection = self.choosing.selection()?;
        self.choosing.check_source()?;
        if let Some(path) = &self.facts {
            let (plan, facts, answers) = Dossier::read(path)?.plan(global, &selection)?;
            let host = LiveSystem::new("/".into(), Box::new(Process::new("/".into())), []);
            return self.write(
                global.quiet,
                &host,
                &plan,
                &JournalState::default(),
                &facts,
                &answers,
                "a report",
            );
        }
        let Planned { session, facts, answers, plan } = Planned::here(&self.choosing, global, &selection)?;
        self.write(
            global.quiet,
            &session.host,
            &plan,
            &session.journal_state,
            &facts,
            &answers,
            "one machine",
        )
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one run, each from elsewhere")]
    fn write(
        &self,
        quiet: bool,
        host: &LiveSystem,
        plan: &Plan,
        journal_state: &JournalState,
        facts: &Facts,
        answers: &Answers,
        of: &str,
    ) -> Result<Exit, Failure> {
        if let Some(stage) = plan.blocked() {
            let text = format!("stage `{}` can not be set up on such a machine: {}", stage.id, stage.why);
            return Err(Failure::new(text, stage.hint.clone()));
        }
        let of =
            format!("{of}: {}, {}, kernel {}", facts.distro.name, facts.wsl.name(), facts.kernel.release);
        let mut export = Export::new(plan, journal_state, facts, of);
        export.mirror.clone_from(&self.choosing.mirror);
        export.flags = flags(answers, &self.choosing.selection()?);
        let text = self.format.write(&export);
        // They are in the file too.
        for note in text.notes.iter().filter(|_| !quiet) {
            err(&format!("note: {note}"));
        }
        match &self.output {
            None => out(&text.text),
            Some(path) => save(host, path, &text.text)?,
        }
        Ok(Exit::Done)
    }
}

/// The answers and the choice as flags of `setup`.
fn flags(answers: &Answers, selection: &StageSelection) -> Vec<String> {
    let known = stages::questions().filter_map(|q| Some(format!("--{}={}", q.flag(), answers.get(q)?)));
    // A file of this machine is on no other.
    let known = known.filter(|f| !f.starts_with("--crun-binary="));
    known.chain(selection.guide.then(|| "--guide".to_owned())).collect()
}

fn save(host: &LiveSystem, path: &Utf8Path, text: &str) -> Result<(), Failure> {
    host.write_host_path(path, text.as_bytes(), 0o644).map_err(|e| {
        let hint = "`--output` takes the name of a file in a directory that you may write to";
        Failure::new(format!("cannot write the export to `{path}`: {e}"), Some(hint.to_owned()))
    })
}
