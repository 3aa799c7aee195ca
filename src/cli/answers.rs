//! Answers files: `--answers`, `~/.config/kind-wsl/answers.toml`, and the template that `kind-wsl answers` prints.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;

use super::help::row;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::host::{Account, FileKind, System};
use crate::stage::{AnswerKind, Answers, Question, answers_in};
use crate::stages;
use crate::stages::crun::CRUN_BINARY;
use crate::stages::packages::REMOVE_PACKAGES;
use crate::stages::restart::RESTART_ALL;
use crate::ui::{self, json_line, out, wrap};

/// The size limit of an answers file.
const MOST_BYTES: u64 = 1 << 20;

/// Consents, and a path that root reads: ignored in the answers file that is read by default.
static NAMED_ONLY: [&Question; 3] = [&CRUN_BINARY, &REMOVE_PACKAGES, &RESTART_ALL];

/// The order of precedence.
const PRECEDENCE: &str = "Precedence: flag, environment variable, --answers file, ~/.config/kind-wsl/answers.toml, \
                          answer of an earlier setup, default. The answers of an interrupted setup override \
                          ~/.config/kind-wsl/answers.toml.";

/// The flags of `answers`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kind-wsl answers > team.toml\n  kind-wsl setup --yes --answers team.toml"
)]
pub(crate) struct AnswersCommand {
    /// Print the questions as JSON
    #[arg(long)]
    json: bool,
}

impl AnswersCommand {
    pub(crate) fn run(&self) -> Exit {
        if self.json {
            let unknown = Facts::unknown();
            let question = |q: &'static Question| {
                json!({
                    "key": q.id, "flag": format!("--{}", q.flag()), "variable": q.variable(), "help": q.help,
                    "values": values(q, &unknown), "default": (q.default)(&unknown),
                })
            };
            json_line(json!({ "questions": stages::questions().map(question).collect::<Vec<_>>() }));
        } else {
            out(&template());
        }
        Exit::Done
    }
}

/// Describes the valid answers to a question.
pub(super) fn values(question: &Question, unknown: &Facts) -> String {
    match question.form {
        AnswerKind::Open(_, check) => check("").err().unwrap_or_default(),
        AnswerKind::YesNo | AnswerKind::Choice(_) => {
            question.choices(unknown).into_iter().map(|choice| choice.value).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Returns an answers file with every question, its values and its default as comments.
#[must_use]
pub fn template() -> String {
    let unknown = Facts::unknown();
    let comment = |text: &str| format!("# {}\n", wrap(text, Some(78)).join("\n# "));
    let mut text = comment("Answers for `kind-wsl setup`. Remove the # before a key to set it.");
    text.push_str(&comment(PRECEDENCE));
    for question in stages::questions() {
        let default = (question.default)(&unknown);
        let _ = write!(text, "\n{}", comment(question.help));
        text.push_str(&comment(&format!("Values: {}", values(question, &unknown))));
        let _ = writeln!(text, "#{} = \"{default}\"", question.id);
    }
    text
}

/// The help topic.
pub(super) fn topic() -> String {
    let unknown = Facts::unknown();
    let mut text = "Answers of setup, plan and export\n\n".to_owned();
    let intro = format!(
        "An answers file is TOML, one answer per line, such as idle = \"yes\". Keys may have dashes or underscores. \
         `kind-wsl answers` prints a file with every key. {PRECEDENCE} The defaults below are for a machine with \
         nothing installed. The keys {} are ignored in ~/.config/kind-wsl/answers.toml unless you pass that file to \
         --answers.",
        NAMED_ONLY.map(|question| question.id).join(", ")
    );
    text.push_str(&wrap(&intro, Some(80)).join("\n"));
    text.push('\n');
    for question in stages::questions() {
        let default = (question.default)(&unknown);
        let default = if default.is_empty() { "none".to_owned() } else { default };
        let _ = writeln!(text, "\n{}", question.id);
        for (name, what) in [
            ("what", question.help),
            ("values", &values(question, &unknown)),
            ("default", &default),
            ("flag", &format!("--{}", question.flag())),
            ("variable", &question.variable()),
        ] {
            let _ = writeln!(text, "{}", row(2, name, 10, what));
        }
    }
    text
}

/// Reads the `--answers` file into `answers`.
pub(super) fn read_named(
    session: &Session,
    facts: &Facts,
    path: &Utf8Path,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let text = session.host.read_user_arg(path, MOST_BYTES).map_err(|e| {
        Failure::usage(format!("cannot read the answers in `{path}`: {e}"), "`--answers` takes a TOML file")
    })?;
    accept(&text, path, facts, answers, &[])
}

/// The path of the user's answers file.
fn own_path(user: &Account) -> Utf8PathBuf {
    user.config_dir().join("kind-wsl/answers.toml")
}

/// Reads the user's answers file, if it exists, with the permissions of the user.
///
/// Ignores a file that another user owns or can write, with a warning: its answers control what root does.
pub(super) fn read_own(session: &Session, facts: &Facts, answers: &mut Answers) -> Result<(), Failure> {
    let (host, user) = (&session.host, &session.user);
    let path = own_path(user);
    let real = host.resolve(&path)?;
    let Some(stat) = host.stat(&real)? else { return Ok(()) };
    let fault = if stat.kind != FileKind::File {
        Some("it is not a file")
    } else if stat.uid != user.uid && stat.uid != 0 {
        Some("it belongs to another user")
    } else if stat.mode & 0o002 != 0 {
        Some("every user can write it")
    } else if stat.len > MOST_BYTES {
        Some("it is larger than 1 MiB")
    } else {
        None
    };
    if let Some(fault) = fault {
        ui::err(&format!("warning: ignoring `{path}`: {fault}"));
        return Ok(());
    }
    let Some(bytes) = host.read(&real)? else { return Ok(()) };
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(
            format!("cannot read the answers in `{path}`: it is not UTF-8 text"),
            "correct or delete it",
        )
    })?;
    accept(&text, &path, facts, answers, &NAMED_ONLY)
}

/// Adds the answers of a file, except the answers to some questions.
fn accept(
    text: &str,
    path: &Utf8Path,
    facts: &Facts,
    answers: &mut Answers,
    except: &[&Question],
) -> Result<(), Failure> {
    let given = answers_in(text).map_err(|e| {
        let text = format!("line {} of the answers in `{path}` is not valid TOML: {}", e.line, e.why);
        Failure::usage(text, "write one answer per line: `idle = \"yes\"`")
    })?;
    let mut seen = Vec::new();
    for (key, value) in given {
        let question = by_key(&key, path)?;
        if seen.contains(&question.id) {
            let text = format!("`{key}` is set twice in `{path}`, with dashes and with underscores");
            return Err(Failure::usage(text, "delete one of them"));
        }
        seen.push(question.id);
        if except.iter().any(|q| q.id == question.id) {
            ui::err(&format!("warning: ignoring `{key}` in `{path}`: use `--{}`", question.flag()));
            continue;
        }
        // A question without a default has an empty value in the template.
        if value.is_empty() && (question.default)(facts).is_empty() {
            continue;
        }
        let value = question.accept(&value, facts).map_err(|e| e.at(format!("`{key}` in `{path}`")))?;
        answers.set(question.id, value);
    }
    Ok(())
}

fn by_key(key: &str, path: &Utf8Path) -> Result<&'static Question, Failure> {
    let id = key.replace('-', "_");
    let keys = || stages::questions().map(|q| q.id);
    stages::questions().find(|q| q.id == id).ok_or_else(|| {
        let near = crate::suggest::did_you_mean(&id, keys());
        let known = keys().collect::<Vec<_>>().join(", ");
        let hint =
            near.map_or_else(|| format!("the keys are: {known}"), |near| format!("did you mean `{near}`?"));
        Failure::usage(format!("unknown key `{key}` in `{path}`"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::{accept, template};
    use crate::facts::Facts;
    use crate::stage::Answers;
    use crate::stages;

    #[test]
    fn every_uncommented_key_of_the_template_is_a_valid_answer() {
        let unknown = Facts::unknown();
        for dashes in [false, true] {
            let line = |line: &str| match line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')) {
                Some(key) if dashes => key.replace('_', "-"),
                Some(key) => key.to_owned(),
                None => line.to_owned(),
            };
            let text = template().lines().map(line).collect::<Vec<_>>().join("\n");
            let mut answers = Answers::default();
            accept(&text, "answers.toml".into(), &unknown, &mut answers, &[]).unwrap();
            for question in stages::questions() {
                let default = (question.default)(&unknown);
                assert_eq!(answers.get(question).unwrap_or_default(), default, "{}", question.id);
            }
        }
        let mut answers = Answers::default();
        accept(&template(), "answers.toml".into(), &unknown, &mut answers, &[]).unwrap();
        assert_eq!(answers, Answers::default());
    }
}
