//! Typed fixes for a problem.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::stage::Stage;

/// One thing to do about a problem.
#[derive(Clone, Debug)]
pub enum Fix {
    /// A setup of these stages, with these flags.
    Stages(Vec<&'static Stage>, &'static str),
    /// A command line that can be pasted into a shell as it is.
    Command(String),
    /// A command line for Windows.
    Windows(String),
    /// An action of the user, as a part of a sentence; commands in it are in backticks.
    Manual(String),
}

/// A setup of these stages.
pub(crate) fn setup<const N: usize>(stages: [&'static Stage; N]) -> Fix {
    setup_with(stages, "")
}

/// A setup of these stages, with these flags.
pub(crate) fn setup_with<const N: usize>(stages: [&'static Stage; N], flags: &'static str) -> Fix {
    Fix::Stages(stages.into(), flags)
}

/// The command line of a setup of these stages, with these flags.
pub(crate) fn setup_line(stages: &[&Stage], flags: &str) -> String {
    let ids: Vec<_> = stages.iter().map(|stage| stage.id).collect();
    format!("kind-wsl setup --only {} {flags}", ids.join(",")).trim_end().to_owned()
}

/// A command line that can be pasted into a shell as it is.
pub(crate) fn command(line: impl Into<String>) -> Fix {
    Fix::Command(line.into())
}

/// A command line for Windows.
pub(crate) fn windows(line: impl Into<String>) -> Fix {
    Fix::Windows(line.into())
}

impl From<&str> for Fix {
    fn from(text: &str) -> Self {
        Self::Manual(text.to_owned())
    }
}

impl From<String> for Fix {
    fn from(text: String) -> Self {
        Self::Manual(text)
    }
}

/// The fix as printed. In text form, a command is a span in backticks from end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// One command line that can be pasted into a shell as it is.
    Command(String),
    /// A sentence; commands in it are in backticks.
    Sentence(String),
}

impl Advice {
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
}

/// As in a text that [`Advice::from`] reads.
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(line) => write!(f, "`{line}`"),
            Self::Sentence(text) => f.write_str(text),
        }
    }
}

/// One thing to do is a command if it is one for this shell; several things are a sentence.
impl From<&[Fix]> for Advice {
    fn from(fixes: &[Fix]) -> Self {
        match fixes {
            [Fix::Stages(stages, flags)] => return Self::Command(setup_line(stages, flags)),
            [Fix::Command(line)] => return Self::Command(line.clone()),
            _ => {}
        }
        let part = |fix: &Fix| match fix {
            Fix::Stages(stages, flags) => format!("run `{}`", setup_line(stages, flags)),
            Fix::Command(line) => format!("run `{line}`"),
            Fix::Windows(line) => format!("in Windows: `{line}`"),
            Fix::Manual(text) => text.clone(),
        };
        Self::Sentence(fixes.iter().map(part).collect::<Vec<_>>().join(", then "))
    }
}

impl From<&str> for Advice {
    fn from(text: &str) -> Self {
        let inner = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        match inner.filter(|line| !line.contains('`')) {
            Some(line) => Self::Command(line.to_owned()),
            None => Self::Sentence(text.to_owned()),
        }
    }
}

/// In JSON: `fix`, and `command` with the same text or null.
impl Serialize for Advice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Advice", 2)?;
        fields.serialize_field("fix", self.text())?;
        fields.serialize_field("command", &self.command())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{Advice, command, setup, windows};
    use crate::stages::{packages, subids};

    #[test]
    fn a_command_stands_in_backticks_from_end_to_end() {
        assert_eq!(Advice::from("`sudo modprobe fuse`"), Advice::Command("sudo modprobe fuse".to_owned()));
        for sentence in ["`a`, then `b`", "run `a`", "`a` helps", ""] {
            assert_eq!(Advice::from(sentence), Advice::Sentence(sentence.to_owned()));
        }
    }

    #[test]
    fn one_fix_is_a_command_and_several_are_a_sentence() {
        let both = [setup([&packages::STAGE, &subids::STAGE]), "open a new shell".into()];
        let line = "kind-wsl setup --only packages,subids";
        assert_eq!(Advice::from(&both[..1]), Advice::Command(line.to_owned()));
        assert_eq!(Advice::from(&both[..]), Advice::Sentence(format!("run `{line}`, then open a new shell")));
        assert_eq!(Advice::from(&[command("a b")][..]), Advice::Command("a b".to_owned()));
        assert_eq!(Advice::from(&[windows("a")][..]), Advice::Sentence("in Windows: `a`".to_owned()));
    }
}
