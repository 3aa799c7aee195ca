//! The command line: one file per command.

mod answers;
mod assume;
mod cluster;
mod completions;
mod crun;
mod doctor;
mod explain;
mod explain_stage;
mod explain_text;
mod export;
mod fetch;
mod flags;
mod help;
mod inspect;
mod issue;
mod kind;
mod kind_load;
mod kubeconfig;
mod logon;
mod plan;
mod prepare;
mod report;
mod restart;
mod session;
mod setup;
mod sources;
mod status;
mod trust;
mod undo;
mod version;

pub use answers::template as answers_template;
pub use completions::script as completions;
pub use flags::command;
pub use help::topic as help_topic;

use std::ffi::OsString;

use camino::Utf8PathBuf;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand};

use crate::assume::Assumption;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::{
    environment, forget_untrusted_files, import_env_from_parent, is_aborted, set_umask, settle_signals, words,
};
use crate::stage::{AnswerError, Answers, Question};
use crate::{stages, ui};
use flags::{ASKING, in_short};

/// The section of the help with the options of every command.
const GLOBAL: &str = "Global options";

/// Set up a WSL distribution for rootless Kubernetes with kind
#[derive(Debug, Parser)]
#[command(
    name = "kind-wsl",
    version,
    max_term_width = 80,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Use color: auto, always or never [default: auto]
    #[arg(
        long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_default_value = true,
        hide_possible_values = true, help_heading = GLOBAL
    )]
    color: ui::Color,
    /// Show more, such as every stage and the output of commands
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    verbose: bool,
    /// Show only problems and required changes
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    quiet: bool,
    /// Operate on the system in DIR [default: /]
    #[arg(long, global = true, value_name = "DIR", default_value = "/", hide_default_value = true, help_heading = GLOBAL)]
    root: Utf8PathBuf,
    /// User to set up for [default: the calling user]
    #[arg(long, global = true, value_name = "NAME", help_heading = GLOBAL)]
    user: Option<String>,
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = GLOBAL)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = GLOBAL)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up this machine, or resume an interrupted setup
    Setup(setup::Setup),
    /// Show what setup would do, without changing anything
    Plan(plan::PlanCommand),
    /// Show whether this machine is set up, and what to do next
    Status(status::StatusCommand),
    /// Undo the setup and restore every changed file
    Undo(undo::Undo),
    /// Check this machine and predict whether kind will accept it
    Doctor(doctor::Doctor),
    /// Explain a setup stage or diagnose an error message
    Explain(explain::Explain),
    /// Show cgroups, controllers and user mapping of a cluster
    Inspect(inspect::Inspect),
    /// Write a redacted report for bug reports and `plan --facts`
    Report(report::Report),
    /// Run kind with the configured provider in a delegated scope
    Kind(kind::KindCommand),
    /// List the clusters that kind created
    Cluster(cluster::ClusterCommand),
    /// Print a kubeconfig, or merge it into the one of Windows
    Kubeconfig(kubeconfig::KubeconfigCommand),
    /// Export the setup as a shell script, playbook, user-data or image
    Export(export::ExportCommand),
    /// Print an answers file with every question and its default
    Answers(answers::AnswersCommand),
    /// List or download crun versions
    #[command(subcommand)]
    Crun(crun::CrunCommand),
    /// Generate shell completion scripts
    Completions(completions::Completions),
    /// Show version, commit, date, target and catalogue date
    Version(version::VersionCommand),
    /// Show the help of a command or a topic
    Help(help::Help),
}

/// Which stages, for whom, and where downloads come from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StageArgs {
    /// Apply only these stages (comma-separated)
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    only: Vec<String>,
    /// Skip these stages (comma-separated)
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    skip: Vec<String>,
    /// Also apply steps that are not needed here
    #[arg(long)]
    guide: bool,
    /// Read answers from a TOML file
    #[arg(long, value_name = "FILE")]
    answers: Option<Utf8PathBuf>,
    /// Download from this https mirror
    #[arg(long, value_name = "URL", env = session::MIRROR, hide_env = true, hide_env_values = true)]
    mirror: Option<String>,
    /// Use files from DIR instead of downloading
    #[arg(long, value_name = "DIR", conflicts_with = "mirror")]
    offline: Option<Utf8PathBuf>,
    /// Windows directory with .wslconfig
    #[arg(
        long,
        value_name = "DIR",
        env = "KIND_WSL_WINDOWS_PROFILE",
        hide_env = true,
        hide_env_values = true
    )]
    windows_profile: Option<Utf8PathBuf>,
    /// Assume versions, such as wsl=3.0.1
    #[arg(long, value_name = "PROGRAM=VERSION", value_delimiter = ',')]
    assume: Vec<Assumption>,
}

impl Global {
    /// How much to show.
    pub(crate) fn detail(&self) -> ui::Detail {
        match (self.verbose, self.quiet) {
            (true, _) => ui::Detail::Full,
            (_, true) => ui::Detail::Brief,
            _ => ui::Detail::Normal,
        }
    }
}

/// The options and the environment of every command.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
    pub(crate) color: ui::Color,
    /// The command line, without the program.
    pub(crate) words: Vec<String>,
    pub(crate) root: Utf8PathBuf,
    pub(crate) user: Option<String>,
    /// Answers from flags and the environment, not validated yet.
    pub(crate) given: Vec<Given>,
    pub(crate) env: Vec<(String, String)>,
}

/// An answer from the command line or the environment, not validated yet.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    question: &'static Question,
    value: String,
    by_variable: bool,
}

impl Global {
    /// The same command line for another user.
    pub(crate) fn for_user(&self, user: &str) -> Self {
        Self { user: Some(user.to_owned()), ..self.clone() }
    }
}

impl Given {
    /// Validates the answer and adds it to `answers`.
    fn accept(&self, answers: &mut Answers, facts: &Facts) -> Result<(), AnswerError> {
        let Self { question, value, by_variable } = self;
        let named =
            |e: AnswerError| if *by_variable { e.at(format!("`{}`", question.variable())) } else { e };
        answers.set(question.id, question.accept(value, facts).map_err(named)?);
        Ok(())
    }
}

/// Parses the command line, runs the command and reports a failure.
#[must_use]
pub fn main() -> Exit {
    settle_signals();
    import_env_from_parent(&session::handed_over());
    let forgotten = forget_untrusted_files(&["SSL_CERT_FILE", "SSL_CERT_DIR"]);
    set_umask();
    let command = command();
    let line = leave_to_kind(&command, std::env::args_os().collect());
    let command = if line.iter().any(|word| word == "-h") { in_short(command) } else { command };
    let matches = match command.try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(e) => {
            ui::usage(&e);
            return if e.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(e) => {
            ui::usage(&e);
            return Exit::Usage;
        }
    };
    ui::set_color_choice(cli.color);
    let env = environment();
    ui::set_charset(&env);
    for (name, value) in forgotten {
        ui::err(&format!("warning: ignoring {name}: another user can change `{value}`"));
    }
    let global = Global {
        verbose: cli.verbose,
        quiet: cli.quiet,
        color: cli.color,
        words: words(),
        root: cli.root,
        user: cli.user,
        given: given(&matches),
        env,
    };
    if !global.quiet {
        ui::show_waits();
    }
    let exit = run(cli.command, &global).unwrap_or_else(|failure| {
        ui::fail(&failure);
        if is_aborted() { Exit::Interrupted } else { failure.exit }
    });
    ui::clear_spinner();
    exit
}

/// Inserts `--` after the word `kind`, so that everything after it is passed to kind. Otherwise clap would parse `-v` and
/// `--root` as global options of kind-wsl.
fn leave_to_kind(command: &clap::Command, mut line: Vec<OsString>) -> Vec<OsString> {
    let takes_value = |word: &str| {
        let mut options = command.get_arguments().filter(|a| a.get_action().takes_values());
        options.any(|a| a.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long)))
    };
    let mut at = 1;
    while let Some(word) = line.get(at).and_then(|word| word.to_str()).filter(|word| *word != "--") {
        if !word.starts_with('-') {
            if word == "kind" {
                line.insert(at + 1, "--".into());
            }
            break;
        }
        at += 1 + usize::from(takes_value(word));
    }
    line
}

/// The answers on the command line and in the environment.
fn given(matches: &ArgMatches) -> Vec<Given> {
    let Some((name, matches)) = matches.subcommand().filter(|(name, _)| ASKING.contains(name)) else {
        return Vec::new();
    };
    debug_assert!(ASKING.contains(&name));
    let given = |question: &'static Question| {
        let by_variable = matches.value_source(question.id) == Some(ValueSource::EnvVariable);
        Some(Given { question, value: matches.get_one::<String>(question.id)?.clone(), by_variable })
    };
    stages::questions().filter_map(given).collect()
}

fn run(command: Command, global: &Global) -> Result<Exit, Failure> {
    match command {
        Command::Setup(command) => command.run(global),
        Command::Plan(command) => command.run(global),
        Command::Export(command) => command.run(global),
        Command::Status(command) => command.run(global),
        Command::Doctor(command) => command.run(global),
        Command::Undo(command) => command.run(global),
        Command::Explain(command) => command.run(global),
        Command::Inspect(command) => command.run(global),
        Command::Report(command) => command.run(global),
        Command::Kind(command) => command.run(global),
        Command::Cluster(command) => command.run(global),
        Command::Kubeconfig(command) => command.run(global),
        Command::Completions(command) => Ok(command.run()),
        Command::Answers(command) => Ok(command.run()),
        Command::Version(command) => Ok(command.run()),
        Command::Help(command) => command.run(),
        Command::Crun(command) => command.run(global),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use clap::FromArgMatches;

    use super::{Cli, Command, command, leave_to_kind};

    fn parse(words: impl IntoIterator<Item = OsString>) -> Cli {
        let line = [OsString::from("kind-wsl")].into_iter().chain(words).collect();
        let matches = command().try_get_matches_from(leave_to_kind(&command(), line));
        Cli::from_arg_matches(&matches.unwrap()).unwrap()
    }

    #[test]
    fn everything_after_the_word_kind_belongs_to_kind_byte_for_byte() {
        let latin1 = OsString::from_vec(vec![b'n', 0xe9]);
        let words = [
            "-v",
            "1",
            "-q",
            "--quiet",
            "--verbose",
            "--",
            "version",
            "--root",
            "/x",
            "--user=me",
            "--color",
            "--help",
            "-h",
            "--version",
            "-V",
            "kind",
            "help",
            "",
            "--",
            "-vq",
        ];
        let args: Vec<OsString> = words.into_iter().map(Into::into).chain([latin1]).collect();
        for first in [0, 1, 5, 11] {
            let args = &args[first..];
            let cli = parse([OsString::from("kind")].into_iter().chain(args.iter().cloned()));
            let Command::Kind(kind) = &cli.command else { panic!("{cli:?}") };
            assert_eq!(kind.args, args);
            assert!(!cli.verbose && !cli.quiet && cli.root == "/" && cli.user.is_none(), "{cli:?}");
        }
    }

    #[test]
    fn options_before_the_word_kind_are_global_options() {
        let words = ["-v", "--root", "kind", "--user=dev", "--color", "never", "kind", "-q"];
        let cli = parse(words.map(Into::into));
        let Command::Kind(kind) = &cli.command else { panic!("{cli:?}") };
        assert_eq!(kind.args, ["-q"]);
        assert!(
            cli.verbose && !cli.quiet && cli.root == "kind" && cli.user.as_deref() == Some("dev"),
            "{cli:?}"
        );
    }

    #[test]
    fn the_word_kind_after_another_command_is_its_argument() {
        let cli = parse(["explain", "kind", "--json"].map(Into::into));
        assert!(matches!(cli.command, Command::Explain(_)), "{cli:?}");
    }
}
