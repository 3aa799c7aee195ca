//! The vocabulary of a stage: its title, questions, applicability and changes.
//!
//! A stage is one `static` in one file. Plan, setup, undo, `explain`, prompts, flags, environment variables and
//! answers-file keys are all made from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::facts::Facts;
use crate::provider::Provider;

/// One step of a setup.
#[derive(Debug)]
pub struct Stage {
    /// Its name: in `--only`, `--skip`, `undo` and the journal.
    pub id: &'static str,
    /// Its effect, in a few words.
    pub title: &'static str,
    /// Its source: the upstream guide, kind's documentation, or kind-wsl.
    pub from: &'static str,
    /// Why, with sources: what `explain` prints.
    pub why: &'static str,
    pub questions: &'static [&'static Question],
    /// Whether it matters on this machine.
    pub needed: fn(&Facts, &Answers) -> Applicability,
    /// Its changes; pure, so that a preview needs no machine.
    pub changes: fn(&Facts, &Answers) -> Vec<Change>,
}

/// Whether a stage matters on this machine, always with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// Its changes have an effect here. Where all of them are there already, the stage counts as satisfied.
    Required(String),
    /// Its effect is present by other means.
    Satisfied(String),
    /// This WSL or systemd does it anyway; `--guide` writes it nevertheless.
    Redundant(String),
    /// It is about another kind of machine.
    NotApplicable(String),
    /// It cannot be done here, so setup cannot start.
    Blocked { what: String, hint: String },
}

impl Applicability {
    /// Constructs [`Self::Required`].
    pub fn needed(why: impl Into<String>) -> Self {
        Self::Required(why.into())
    }
    /// Constructs [`Self::Satisfied`].
    pub fn satisfied(why: impl Into<String>) -> Self {
        Self::Satisfied(why.into())
    }
    /// Constructs [`Self::Redundant`].
    pub fn redundant(why: impl Into<String>) -> Self {
        Self::Redundant(why.into())
    }
    /// Constructs [`Self::NotApplicable`].
    pub fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }
    /// Constructs [`Self::Blocked`].
    pub fn blocked(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Blocked { what: what.into(), hint: hint.into() }
    }
}

/// Something that only a person can decide. One declaration gives the prompt, the flag (`--id` with dashes), the
/// environment variable (`KIND_WSL_ID`), the key of the answers file and the text of the help.
#[derive(Debug)]
pub struct Question {
    /// Its name, with underscores.
    pub id: &'static str,
    /// The prompt: a question.
    pub prompt: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// The valid answers.
    pub form: AnswerKind,
    /// When it is asked.
    pub when: fn(&Facts, &Answers) -> bool,
    /// The answer of Enter and of `--yes`.
    pub default: fn(&Facts) -> String,
    /// Whether it is always asked, or only on request.
    pub weight: Prompting,
}

/// The valid answers to a question.
#[derive(Clone, Copy, Debug)]
pub enum AnswerKind {
    /// `yes` or `no`.
    YesNo,
    /// One of these values, each with a label.
    Choice(fn(&Facts) -> Vec<Choice>),
    /// One of the values, or anything else that the second function accepts; its error describes the valid form.
    Open(fn(&Facts) -> Vec<Choice>, fn(&str) -> Result<(), String>),
}

/// One of several answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    pub label: String,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into() }
    }
}

/// How much a question matters.
#[derive(Clone, Copy, Debug)]
pub enum Prompting {
    /// Always asked on a terminal; without one it needs an answer or `--yes`.
    Always,
    /// Has a default that works for nearly all users; asked if the user chooses to change answers.
    Advanced,
    /// The first where this holds, the second elsewhere.
    If(fn(&Facts) -> bool),
}

impl Question {
    /// The flag without its dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.id.replace('_', "-")
    }

    #[must_use]
    pub fn variable(&self) -> String {
        format!("KIND_WSL_{}", self.id.to_uppercase())
    }

    /// Whether it is always asked on this machine.
    #[must_use]
    pub fn is_always_asked(&self, facts: &Facts) -> bool {
        match self.weight {
            Prompting::Always => true,
            Prompting::Advanced => false,
            Prompting::If(holds) => holds(facts),
        }
    }

    /// The answers that are offered on this machine.
    #[must_use]
    pub fn choices(&self, facts: &Facts) -> Vec<Choice> {
        match self.form {
            AnswerKind::YesNo => vec![Choice::new("yes", ""), Choice::new("no", "")],
            AnswerKind::Choice(choices) | AnswerKind::Open(choices, _) => choices(facts),
        }
    }

    /// Turns the user's text into an answer.
    ///
    /// # Errors
    /// The answer is invalid; the error has the valid ones.
    pub fn accept(&self, value: &str, facts: &Facts) -> Result<String, AnswerError> {
        let wrong = |allowed: Vec<String>| AnswerError {
            place: format!("`--{}`", self.flag()),
            value: value.to_owned(),
            near: crate::suggest::did_you_mean(value, allowed.iter().map(String::as_str)),
            allowed: allowed.join(", "),
        };
        match self.form {
            AnswerKind::YesNo => match value.to_ascii_lowercase().as_str() {
                "yes" | "y" | "true" | "1" => Ok("yes".to_owned()),
                "no" | "n" | "false" | "0" => Ok("no".to_owned()),
                _ => Err(wrong(vec!["yes".to_owned(), "no".to_owned()])),
            },
            AnswerKind::Choice(choices) => {
                let choices = choices(facts);
                let found = choices.iter().find(|c| c.value.eq_ignore_ascii_case(value));
                let values = || choices.iter().map(|c| c.value.clone()).collect();
                found.map(|c| c.value.clone()).ok_or_else(|| wrong(values()))
            }
            AnswerKind::Open(choices, check) => {
                let known = choices(facts).into_iter().find(|c| c.value.eq_ignore_ascii_case(value));
                known.map_or_else(
                    || check(value).map(|()| value.to_owned()).map_err(|allowed| wrong(vec![allowed])),
                    |c| Ok(c.value),
                )
            }
        }
    }
}

/// An invalid answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid value `{value}` for {place}")]
pub struct AnswerError {
    /// The flag, variable or key of a file.
    pub place: String,
    pub value: String,
    /// The nearest valid answer.
    pub near: Option<String>,
    /// The valid answers.
    pub allowed: String,
}

impl AnswerError {
    /// The same error, for another source than a flag.
    #[must_use]
    pub fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// The valid answers, or the nearest one.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.near {
            Some(near) => format!("did you mean `{near}`? It takes: {}", self.allowed),
            None => format!("it takes: {}", self.allowed),
        }
    }
}

/// Why a text is not an answers file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswers {
    /// The line, counted from 1.
    pub line: usize,
    /// The TOML parser's own words.
    pub why: String,
}

/// Reads an answers file, by key: TOML, one answer per line. The questions define the valid keys and values.
///
/// # Errors
/// The text is not TOML.
pub fn answers_in(text: &str) -> Result<BTreeMap<String, String>, NoAnswers> {
    let refuse = |at: usize, why: &str| {
        let before = text.get(..at).unwrap_or_default();
        NoAnswers { line: before.matches('\n').count() + 1, why: why.to_owned() }
    };
    if let Some((at, what)) = crate::edit::toml::excess(text) {
        return Err(refuse(at, &what));
    }
    let table: toml::Table =
        toml::from_str(text).map_err(|e| refuse(e.span().map_or(0, |span| span.start), e.message()))?;
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(table.into_iter().map(|(key, value)| (key, text(value))).collect())
}

/// The answers of this run, by question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(pub BTreeMap<String, String>);

impl Answers {
    /// The answer to a question, if it has one.
    #[must_use]
    pub fn get(&self, question: &Question) -> Option<&str> {
        self.0.get(question.id).map(String::as_str)
    }

    /// Whether the answer is yes.
    #[must_use]
    pub fn is_true(&self, question: &Question) -> bool {
        self.get(question) == Some("yes")
    }

    /// The chosen provider; podman by default.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.0.get(Provider::QUESTION).and_then(|answer| answer.parse().ok()).unwrap_or_default()
    }

    pub fn set(&mut self, id: &str, answer: impl Into<String>) {
        self.0.insert(id.to_owned(), answer.into());
    }
}

/// Which stages, and how much of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSelection {
    /// Only these, unless it is empty.
    pub only: Vec<String>,
    pub skip: Vec<String>,
    /// Also what has no effect here.
    pub guide: bool,
}

impl StageSelection {
    /// Whether the user skips a stage.
    #[must_use]
    pub fn skips(&self, stage: &Stage) -> bool {
        let named = |list: &[String]| list.iter().any(|s| s == stage.id);
        (!self.only.is_empty() && !named(&self.only)) || named(&self.skip)
    }
}
