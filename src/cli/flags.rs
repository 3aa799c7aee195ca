//! The whole command line: the declared commands, the flags of the questions, and the options of all commands.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;
use super::help::{footer, template};
use crate::facts::Facts;
use crate::stage::{AnswerKind, Question};
use crate::stages;

/// The commands that take answers.
pub(super) const ASKING: [&str; 3] = ["setup", "plan", "export"];

/// The section of the help with the questions of the stages.
const ANSWERS: &str = "Answers";

/// The whole command line, with the flags of the questions of all stages.
#[must_use]
pub fn command() -> Command {
    let unknown = Facts::unknown();
    let command = ASKING.iter().fold(Cli::command(), |cli, name| {
        cli.mut_subcommand(name, |command| {
            stages::questions().fold(command, |command, q| command.arg(flag(q, &unknown)))
        })
    });
    let command = command.mut_subcommands(|command| with_output(command).mut_subcommands(with_output));
    let help = template(&command);
    command.help_template(help).after_help(footer())
}

/// The command line for `-h`, whose help omits the answers.
pub(super) fn in_short(command: Command) -> Command {
    let hidden = |arg: Arg| {
        let is_answer = arg.get_help_heading() == Some(ANSWERS);
        if is_answer { arg.hide(true) } else { arg }
    };
    ASKING.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |command| {
            command.mut_args(hidden).after_help("More: --help shows the answers")
        })
    })
}

/// Adds `-o json` for `--json`. In `report` and `export`, `-o` takes a file.
fn with_output(command: Command) -> Command {
    let Some(json) = command.get_arguments().find(|arg| arg.get_id() == "json") else { return command };
    // Either of the two arguments can declare the conflict.
    let conflict = |of: &Arg, with: &Arg| {
        command.get_arg_conflicts_with(of).iter().any(|arg| arg.get_id() == with.get_id())
    };
    let conflicts = command.get_arguments().filter(|arg| conflict(json, arg) || conflict(arg, json));
    let conflicts: Vec<_> = conflicts.map(|arg| arg.get_id().clone()).collect();
    let output = Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORMAT")
        .value_parser(["json"])
        .hide_possible_values(true)
        .action(ArgAction::Set)
        .conflicts_with_all(conflicts)
        .help("`json` is the same as --json");
    command.mut_arg("json", |json| json.default_value_if("output", "json", "true")).arg(output)
}

/// The flag of a question. The question validates its value, because the valid values depend on the machine.
fn flag(question: &'static Question, unknown: &Facts) -> Arg {
    let values =
        question.choices(unknown).into_iter().map(|choice| choice.value).collect::<Vec<_>>().join("|");
    // `crun_sha256` takes a SHA256.
    let value = match question.form {
        AnswerKind::Open(..) => question.id.rsplit('_').next().unwrap_or(question.id).to_uppercase(),
        AnswerKind::YesNo | AnswerKind::Choice(_) => values,
    };
    let default = (question.default)(unknown);
    let default = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
    // `--idle` alone means yes.
    let alone = matches!(question.form, AnswerKind::YesNo).then_some("yes");
    Arg::new(question.id)
        .long(question.flag())
        .num_args(usize::from(alone.is_none())..=1)
        .default_missing_values(alone)
        .env(question.variable())
        .hide_env(true)
        .value_name(value)
        .help(format!("{}{default}", question.help))
        .help_heading(ANSWERS)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::super::help::GROUPS;
    use super::{ASKING, command, in_short};

    /// The help of every command, by its words.
    fn helps(command: Command) -> Vec<(String, String)> {
        fn walk(command: &mut Command, name: &str, found: &mut Vec<(String, String)>) {
            found.push((name.to_owned(), command.render_help().to_string()));
            for sub in command.get_subcommands_mut() {
                let name = format!("{name} {}", sub.get_name());
                walk(sub, &name, found);
            }
        }
        let mut command = command;
        command.build();
        let mut found = Vec::new();
        walk(&mut command, "kind-wsl", &mut found);
        found
    }

    fn help_of(command: Command, name: &str) -> String {
        helps(command).into_iter().find(|(known, _)| known == name).unwrap().1
    }

    #[test]
    fn no_line_of_a_help_is_wider_than_80_columns() {
        for (name, text) in helps(command()).into_iter().chain(helps(in_short(command()))) {
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }

    #[test]
    fn the_help_of_setup_is_short_and_its_summary_shorter() {
        let long = help_of(command(), "kind-wsl setup").lines().count();
        let short = help_of(in_short(command()), "kind-wsl setup").lines().count();
        assert!(long <= 70 && short <= 35, "{long} {short}");
    }

    #[test]
    fn every_option_shows_its_values_or_their_kind() {
        for (name, text) in helps(command()) {
            assert!(!text.contains("<CHOICE>") && !text.contains("<VALUE>"), "{name}: {text}");
        }
        let setup = help_of(command(), "kind-wsl setup");
        for shown in [
            "--provider <podman|docker|nerdctl>",
            "[default: podman]",
            "--tools <both|kind|kubectl|none>",
            "--idle [<yes|no>]",
            "--cgroup-manager <cgroupfs|systemd>",
            "--crun-version <VERSION>",
            "Use color: auto, always or never",
        ] {
            assert!(setup.contains(shown), "{shown}: {setup}");
        }
    }

    #[test]
    fn global_options_are_the_last_section() {
        for (name, text) in helps(command()) {
            let at = |heading: &str| text.find(&format!("\n{heading}:\n"));
            let last = at("Global options").unwrap_or_else(|| panic!("{name}: {text}"));
            let others = ["Arguments", "Options", "Answers", "Advanced"].map(at);
            assert!(others.into_iter().flatten().all(|other| other < last), "{name}: {text}");
        }
    }

    #[test]
    fn every_command_is_in_one_group() {
        let command = command();
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&sub.get_name())).count();
            assert_eq!(groups, 1, "{}", sub.get_name());
        }
    }

    #[test]
    fn output_json_is_json_on_every_command_that_has_it() {
        let command = command();
        let mut count = 0;
        for sub in command.get_subcommands() {
            for sub in std::iter::once(sub).chain(sub.get_subcommands()) {
                let has = |id: &str| sub.get_arguments().any(|arg| arg.get_id() == id);
                if has("json") {
                    assert!(has("output"), "{}", sub.get_name());
                    let needs: &[&str] = if sub.get_name() == "undo" { &["--yes"] } else { &[] };
                    let line = [&[sub.get_name(), "-o", "json"], needs].concat();
                    let found = sub.clone().try_get_matches_from(&line).unwrap();
                    assert!(found.get_flag("json"), "{}", sub.get_name());
                    count += 1;
                }
            }
        }
        assert!(count >= 9, "{count}");
    }

    #[test]
    fn only_the_short_help_omits_the_answers() {
        for name in ASKING {
            let name = format!("kind-wsl {name}");
            assert!(help_of(command(), &name).contains("--idle"));
            assert!(!help_of(in_short(command()), &name).contains("--idle"));
        }
    }
}
