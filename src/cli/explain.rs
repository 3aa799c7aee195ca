//! `kind-wsl explain`: explains a stage, a known error or an error message.

use camino::Utf8Path;
use clap::Args;
use serde_json::json;

use super::{Global, explain_stage, explain_text};
use crate::error::{Exit, Failure};
use crate::explain::input::Input;
use crate::explain::{Id, Symptom};
use crate::host::has_piped_input;
use crate::stage::Stage;
use crate::stages::{self, STAGES};
use crate::ui::{self, BOLD, DIM, Detail, columns, json_line, out};

/// The flags of `explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "-v shows more, and -q only the status or the fix. Exit codes: 0 explained,\n1 unknown message (0 with --json), \
                  2 unknown stage or ID.\n\n\
                  Examples:\n  kind-wsl explain limits idle            explain two stages\n  \
                  kind-wsl explain KW027                  explain a known error\n  \
                  kind-wsl explain 'unknown version'      explain an error message\n  \
                  kind-wsl kind create cluster 2>&1 | kind-wsl explain"
)]
pub(crate) struct Explain {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Stage, ID, error message, file or - for standard input [default: list the stages]
    #[arg(value_name = "WHAT")]
    words: Vec<String>,
}

/// The topic of an argument.
enum Topic {
    Stage(&'static Stage),
    Symptom(&'static Symptom),
}

impl Topic {
    fn of(word: &str) -> Result<Option<Self>, Failure> {
        if let Some(stage) = STAGES.iter().find(|stage| stage.id == word) {
            return Ok(Some(Self::Stage(stage)));
        }
        let Ok(id) = word.parse::<Id>() else { return Ok(None) };
        let unknown = || {
            let hint = "docs/reference/known-errors.md lists every ID";
            Failure::usage(format!("unknown error ID `{id}`"), hint)
        };
        explain_text::table()?.by_id(id).map(|symptom| Some(Self::Symptom(symptom))).ok_or_else(unknown)
    }
}

impl Explain {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let topics = self.words.iter().map(|word| Topic::of(word)).collect::<Result<Vec<_>, _>>();
        // One word of a message can look like an ID.
        let topics = if self.words.len() == 1 { topics? } else { topics.unwrap_or_default() };
        let topics: Option<Vec<Topic>> = topics.into_iter().collect();
        let input = match self.words.as_slice() {
            [] if !self.json && has_piped_input() => explain_text::from_input()?,
            [] => return Ok(self.stages(STAGES, global.detail())),
            [word] if word == "-" => explain_text::from_input()?,
            words => match topics {
                Some(topics) if topics.len() == words.len() => return self.topics(&topics, global),
                _ => match words {
                    [word] => match explain_text::from_file(word)? {
                        Some(input) => input,
                        None => self.one_word(word)?,
                    },
                    words => Input { text: words.join(" "), skipped: 0 },
                },
            },
        };
        if self.words.is_empty() && input.text.trim().is_empty() {
            return Ok(self.stages(STAGES, global.detail()));
        }
        if self.json {
            explain_text::as_json(&input, global)
        } else {
            explain_text::for_people(&input, global)
        }
    }

    fn topics(&self, topics: &[Topic], global: &Global) -> Result<Exit, Failure> {
        if self.json {
            let stages = topics.iter().filter_map(|t| if let Topic::Stage(s) = t { Some(*s) } else { None });
            let symptoms =
                topics.iter().filter_map(|t| if let Topic::Symptom(s) = t { Some(*s) } else { None });
            let (stages, symptoms): (Vec<_>, Vec<_>) = (stages.collect(), symptoms.collect());
            let mut object = serde_json::Map::new();
            if !stages.is_empty() {
                object.insert("stages".to_owned(), explain_stage::as_json(&stages));
            }
            if !symptoms.is_empty() {
                object.insert("symptoms".to_owned(), explain_text::known_as_json(&symptoms, global)?);
            }
            json_line(object.into());
            return Ok(Exit::Done);
        }
        for (number, topic) in topics.iter().enumerate() {
            if number > 0 {
                out("");
            }
            match topic {
                Topic::Stage(stage) => explain_stage::show(stage, global)?,
                Topic::Symptom(symptom) => explain_text::known(symptom, global)?,
            }
        }
        Ok(Exit::Done)
    }

    /// Treats an argument that is neither a topic nor a file as a message, unless it looks like a mistyped name.
    fn one_word(&self, word: &str) -> Result<Input, Failure> {
        let input = Input { text: word.to_owned(), skipped: 0 };
        let is_name = !word.trim().is_empty() && !word.contains(char::is_whitespace);
        if !is_name || self.json || !explain_text::matches(word)?.is_empty() {
            return Ok(input);
        }
        let is_log = matches!(Utf8Path::new(word).extension(), Some("log" | "txt" | "out"));
        if word.contains('/') || is_log {
            let hint = "`-` reads standard input: `… 2>&1 | kind-wsl explain -`";
            return Err(Failure::usage(format!("the file `{word}` does not exist"), hint));
        }
        stages::by_id(word)?;
        Ok(input)
    }

    fn stages(&self, stages: &[&Stage], detail: Detail) -> Exit {
        if self.json {
            json_line(json!({ "stages": explain_stage::as_json(stages) }));
            return Exit::Done;
        }
        for stage in stages {
            match detail {
                Detail::Brief => out(stage.id),
                _ => out(&columns(&[(stage.id, 15, BOLD)], stage.title, ui::width())),
            }
            if detail == Detail::Full {
                out(&columns(&[("", 2, DIM)], stage.why, ui::width()));
            }
        }
        if detail != Detail::Brief {
            let rows = [
                ("a stage", "`kind-wsl explain cgroup`"),
                ("a message", "`kind-wsl kind create cluster 2>&1 | kind-wsl explain`"),
                ("a known error", "`kind-wsl explain KW001`"),
            ];
            out(&format!("\n{}", ui::rows(0, &rows)));
        }
        Exit::Done
    }
}
