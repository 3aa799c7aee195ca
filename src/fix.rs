//! What to do about a problem.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::facts::Facts;
use crate::host::System;
use crate::plan::{Plan, StageSelection, Verdict};
use crate::stage::Answers;

/// What to do about a problem. As text, a command is what stands in backticks from end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// One command line that can be pasted into a shell as it is.
    Command(String),
    /// A sentence; commands in it are in backticks.
    Sentence(String),
}

/// A setup of chosen stages.
const SETUP: &str = "kind-wsl setup --only ";

impl Fix {
    /// The command line, or the sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Command(text) | Self::Sentence(text) => text,
        }
    }

    /// The command line, if it is one.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Command(line) => Some(line),
            Self::Sentence(_) => None,
        }
    }

    /// The same for this machine: of the stages that a setup is to run, those that have something to do. Without any
    /// the setup would end with "nothing to do", so a sentence takes its place.
    #[must_use]
    pub fn fitted(self, system: &dyn System, facts: &Facts, answers: &Answers) -> Self {
        let Some(list) =
            self.command().and_then(|line| line.strip_prefix(SETUP)).filter(|list| !list.contains(' '))
        else {
            return self;
        };
        let only = list.split(',').map(ToOwned::to_owned).collect();
        let selection = StageSelection { only, ..StageSelection::default() };
        // What cannot be planned is told by the setup itself.
        let Ok(plan) = Plan::make(system, facts, answers, &selection) else { return self };
        let is_due = |verdict| matches!(verdict, Verdict::Required | Verdict::Blocked);
        let due: Vec<_> = plan.stages.iter().filter(|s| is_due(s.verdict)).map(|s| s.id).collect();
        if due.is_empty() {
            return Self::from(NOT_BY_SETUP);
        }
        Self::Command(format!("{SETUP}{}", due.join(",")))
    }
}

/// Said if a check fails although every stage that could help is done.
const NOT_BY_SETUP: &str =
    "Setup has already done what it can here. `kind-wsl report` collects the details for a bug report.";

impl From<&str> for Fix {
    fn from(text: &str) -> Self {
        let inner = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        match inner.filter(|line| !line.contains('`')) {
            Some(line) => Self::Command(line.to_owned()),
            None => Self::Sentence(text.to_owned()),
        }
    }
}

impl From<String> for Fix {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// In JSON: `fix`, and `command` with the same text or null.
impl Serialize for Fix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fix", 2)?;
        fields.serialize_field("fix", self.text())?;
        fields.serialize_field("command", &self.command())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::Fix;

    #[test]
    fn a_command_stands_in_backticks_from_end_to_end() {
        assert_eq!(Fix::from("`sudo modprobe fuse`"), Fix::Command("sudo modprobe fuse".to_owned()));
        for sentence in ["`a`, then `b`", "run `a`", "`a` helps", ""] {
            assert_eq!(Fix::from(sentence), Fix::Sentence(sentence.to_owned()));
        }
    }
}
