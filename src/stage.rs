//! The vocabulary of a stage: what it is, what it asks, whether it is needed, what it changes, what must hold after.
//!
//! A stage is one `static` in one file. Plan, set-up, undo, `explain`, prompts, flags, environment variables and
//! answers-file keys are all made from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::facts::Facts;
use crate::provider::Provider;

/// One step of the guide or of kind's page.
#[derive(Debug)]
pub struct Stage {
    /// Its name: in `--only`, `--skip`, `undo` and the journal.
    pub id: &'static str,
    /// What it makes true, in a few words.
    pub title: &'static str,
    /// Where it comes from: the guide, kind's page, or neither.
    pub from: &'static str,
    /// Why, with sources: what `explain` prints.
    pub why: &'static str,
    pub questions: &'static [&'static Question],
    /// Whether it matters on this machine.
    pub needed: fn(&Facts, &Answers) -> Applicability,
    /// What it changes; pure, so that a preview needs no machine.
    pub changes: fn(&Facts, &Answers) -> Vec<Change>,
}

/// Whether a stage matters on this machine, always with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// Its changes have an effect here. Where all of them are there already, the stage counts as satisfied.
    Required(String),
    /// What it makes true is true by other means.
    Satisfied(String),
    /// This WSL or systemd does it anyway; `--guide` writes it nevertheless.
    Redundant(String),
    /// It is about another kind of machine.
    NotApplicable(String),
    /// It can not be done here, and so the set-up can not start.
    Blocked {
        /// What stands in the way.
        what: String,
        /// What a person can do about it.
        hint: String,
    },
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
    /// What hangs on it: one line of help.
    pub help: &'static str,
    /// What counts as an answer.
    pub form: AnswerKind,
    /// When it is asked.
    pub when: fn(&Facts, &Answers) -> bool,
    /// What Enter means, and `--yes`.
    pub default: fn(&Facts) -> String,
    /// Whether it is put to everybody or only to who wants to change something.
    pub weight: Prompting,
}

/// What counts as an answer.
#[derive(Clone, Copy, Debug)]
pub enum AnswerKind {
    /// `yes` or `no`.
    YesNo,
    /// One of these values, each with a line that says what it is.
    Choice(fn(&Facts) -> Vec<Choice>),
    /// One of the values, or anything else that the second function accepts; it says what it takes otherwise.
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
    /// Put to everybody on a terminal; without one it needs an answer or `--yes`.
    Always,
    /// Has a default that suits nearly everybody; put to who chooses to change the answers.
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

    /// Whether it is put to everybody on this machine.
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

    /// Turns what a person wrote into an answer.
    ///
    /// # Errors
    /// When it is none; the text says what would be.
    pub fn accept(&self, said: &str, facts: &Facts) -> Result<String, AnswerError> {
        let wrong = |allowed: Vec<String>| AnswerError {
            place: format!("`--{}`", self.flag()),
            said: said.to_owned(),
            near: crate::suggest::did_you_mean(said, allowed.iter().map(String::as_str)),
            allowed: allowed.join(", "),
        };
        match self.form {
            AnswerKind::YesNo => match said.to_ascii_lowercase().as_str() {
                "yes" | "y" | "true" | "1" => Ok("yes".to_owned()),
                "no" | "n" | "false" | "0" => Ok("no".to_owned()),
                _ => Err(wrong(vec!["yes".to_owned(), "no".to_owned()])),
            },
            AnswerKind::Choice(choices) => {
                let choices = choices(facts);
                let found = choices.iter().find(|c| c.value.eq_ignore_ascii_case(said));
                let values = || choices.iter().map(|c| c.value.clone()).collect();
                found.map(|c| c.value.clone()).ok_or_else(|| wrong(values()))
            }
            AnswerKind::Open(choices, check) => {
                let known = choices(facts).into_iter().find(|c| c.value.eq_ignore_ascii_case(said));
                known.map_or_else(
                    || check(said).map(|()| said.to_owned()).map_err(|allowed| wrong(vec![allowed])),
                    |c| Ok(c.value),
                )
            }
        }
    }
}

/// What was said is no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid value `{said}` for {place}")]
pub struct AnswerError {
    /// The flag, variable or key of a file.
    pub place: String,
    pub said: String,
    /// What may have been meant.
    pub near: Option<String>,
    /// What would be one.
    pub allowed: String,
}

impl AnswerError {
    /// The same, said elsewhere than by flag.
    #[must_use]
    pub fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// What to say instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.near {
            Some(near) => format!("did you mean `{near}`? It takes: {}", self.allowed),
            None => format!("it takes: {}", self.allowed),
        }
    }
}

/// Why a text is no file of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswers {
    /// The line, counted from 1.
    pub line: usize,
    /// The TOML parser's own words.
    pub why: String,
}

/// What a file of answers says, by key: TOML, one answer a line. Which keys and values are answers, the questions say.
///
/// # Errors
/// When it is no TOML.
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
    let said = |value: toml::Value| match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(table.into_iter().map(|(key, value)| (key, said(value))).collect())
}

/// The answers of this run, by question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(pub BTreeMap<String, String>);

impl Answers {
    /// The answer to a question, where there is one.
    #[must_use]
    pub fn get(&self, question: &Question) -> Option<&str> {
        self.0.get(question.id).map(String::as_str)
    }

    /// Whether the answer is yes.
    #[must_use]
    pub fn is_true(&self, question: &Question) -> bool {
        self.get(question) == Some("yes")
    }

    /// The provider that was chosen; podman where nobody was asked.
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
    /// These alone, where it is not empty.
    pub only: Vec<String>,
    pub skip: Vec<String>,
    /// Also what has no effect here.
    pub guide: bool,
}

impl StageSelection {
    /// Whether a stage was left out by the user.
    #[must_use]
    pub fn skips(&self, stage: &Stage) -> bool {
        let named = |list: &[String]| list.iter().any(|s| s == stage.id);
        (!self.only.is_empty() && !named(&self.only)) || named(&self.skip)
    }
}
