//! How far a rescue is, in `%LOCALAPPDATA%\kind-wsl\rescue.state`.

use crate::text::value_of;

/// The result of the undo in safe mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    Done,
    /// A part is left for an undo outside of safe mode.
    Left,
    /// It did not run, or not to its end.
    Failed,
}

impl Undo {
    const ALL: [(Undo, &'static str); 3] = [(Undo::Done, "done"), (Undo::Left, "left"), (Undo::Failed, "failed")];

    fn name(self) -> &'static str {
        Undo::ALL.iter().find(|(undo, _)| *undo == self).map_or("", |(_, name)| name)
    }
}

/// The contents of the file. It exists as long as a rescue is not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub distribution: String,
    /// There was no .wslconfig.
    pub had_no_file: bool,
    /// .wslconfig was read-only.
    pub was_read_only: bool,
    /// Only the last setup.
    pub last: bool,
    /// The first change of that setup, once known.
    pub since: Option<u64>,
    /// `--drift`, for the undo.
    pub drift: Option<String>,
    /// The Linux program, once found.
    pub program: Option<String>,
    /// The result of the undo. Once set, the next step is to leave safe mode.
    pub undo: Option<Undo>,
    /// Why it failed, in one line.
    pub detail: Option<String>,
}

impl State {
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("version=1\ndistribution={}\n", self.distribution);
        let mut line = |key: &str, value: Option<&str>| {
            text += &value.map(|value| format!("{key}={value}\n")).unwrap_or_default();
        };
        let yes = |is: bool| if is { Some("yes") } else { None };
        line("had_no_file", yes(self.had_no_file));
        line("was_read_only", yes(self.was_read_only));
        line("last", yes(self.last));
        line("since", self.since.map(|since| since.to_string()).as_deref());
        line("drift", self.drift.as_deref());
        line("program", self.program.as_deref());
        line("undo", self.undo.map(Undo::name));
        line("detail", self.detail.as_deref());
        text
    }

    /// Parses the file; `None` without a distribution.
    #[must_use]
    pub fn parse(text: &str) -> Option<State> {
        let value = |key: &str| value_of(text, key).map(String::from);
        let is = |key: &str| value_of(text, key) == Some("yes");
        let undo = value_of(text, "undo");
        Some(State {
            distribution: value("distribution").filter(|name| crate::names::is_distribution(name))?,
            had_no_file: is("had_no_file"),
            was_read_only: is("was_read_only"),
            last: is("last"),
            since: value("since").and_then(|since| since.parse().ok()),
            drift: value("drift").filter(|how| crate::cli::DRIFT.contains(&how.as_str())),
            program: value("program").filter(|path| crate::names::is_program(path)),
            undo: Undo::ALL.iter().find(|(_, name)| undo == Some(*name)).map(|(undo, _)| *undo),
            detail: value("detail"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_parsed_as_it_was_rendered() {
        let full = State {
            distribution: "Debian".into(),
            had_no_file: true,
            was_read_only: true,
            last: true,
            since: Some(17),
            drift: Some("keep".into()),
            program: Some("/home/a b/kind-wsl".into()),
            undo: Some(Undo::Left),
            detail: Some("why".into()),
        };
        for state in [full, State { distribution: "a".into(), ..State::default() }] {
            assert_eq!(State::parse(&state.render()), Some(state));
        }
    }

    #[test]
    fn values_that_must_not_reach_a_command_line_are_refused() {
        assert_eq!(State::parse("distribution=a b\n"), None);
        let state = State::parse("distribution=a\nprogram=x\ndrift=--all\nsince=-1\nundo=perhaps\n").unwrap();
        assert_eq!(state, State { distribution: "a".into(), ..State::default() });
    }
}
