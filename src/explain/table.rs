//! The table of known symptoms: `assets/symptoms.toml`, embedded, read on first use and held to its rules.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};

use super::pattern::Pattern;
use crate::fix::Fix;
use crate::stage::Stage;
use crate::stages;

/// How many rows there are; each has its number for good, because tests, documents and other programs name it.
pub const ROWS: u32 = 65;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Version of this format; 1.
    schema: u32,
    /// When the facts were gathered: `2026-11-21`.
    pub collected: String,
    /// The themes in the order of the document, and their headings.
    #[serde(rename = "theme")]
    pub themes: Vec<Theme>,
    /// The symptoms, by theme.
    #[serde(rename = "symptom")]
    pub symptoms: Vec<Symptom>,
}

/// What several symptoms are about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Its name in `symptom.theme`.
    pub id: String,
    pub title: String,
}

/// One symptom; `assets/README.md` explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symptom {
    /// Its number for good.
    pub row: u32,
    /// Which theme it belongs to.
    pub theme: String,
    /// What is seen, in a line.
    pub title: String,
    /// Messages of this cause and no other.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Messages of this cause and of others: whatever is more exact comes before.
    #[serde(default)]
    pub outer: Vec<String>,
    /// Why nothing but a description can be pasted, where that is so.
    pub no_message: Option<String>,
    /// Rows that make this one appear, and so come before it.
    #[serde(default)]
    pub follows: Vec<u32>,
    pub cause: String,
    /// How one sees whether that is so.
    pub check: String,
    /// The stages of the setup that fixes it, if one does.
    #[serde(default, deserialize_with = "by_id")]
    pub stages: Vec<&'static Stage>,
    /// Another command that fixes it, if one does.
    pub run: Option<String>,
    /// What else to do, or to know about the command; may be empty if there is a command.
    #[serde(default)]
    pub fix: String,
    /// Where it was reported, the best source first: `owner/repo#N` or an address.
    pub thread: Vec<String>,
    /// Where it was seen: `wsl`, `kind`, `linux`.
    pub tags: Vec<String>,
}

impl Symptom {
    /// The one thing that fixes it, if there is one.
    #[must_use]
    pub fn remedy(&self) -> Option<Fix> {
        match (&self.run, &self.stages[..]) {
            (Some(line), _) => Some(Fix::Command(line.clone())),
            (None, []) => None,
            (None, stages) => Some(Fix::Stages(stages.to_vec())),
        }
    }
}

fn by_id<'de, D: Deserializer<'de>>(ids: D) -> Result<Vec<&'static Stage>, D::Error> {
    let stage = |id: &String| stages::by_id(id).map_err(serde::de::Error::custom);
    Vec::<String>::deserialize(ids)?.iter().map(stage).collect()
}

const EMBEDDED: &str = include_str!("../../assets/symptoms.toml");

impl Table {
    /// The table that this program was built with.
    ///
    /// # Errors
    /// When it breaks a rule; a test sees to it that it does not.
    pub fn embedded() -> Result<Self, String> {
        Self::parse(EMBEDDED)
    }

    /// Reads a table and holds it to the rules of `assets/README.md`.
    ///
    /// # Errors
    /// The first rule that it breaks, with the row.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if table.schema != 1 {
            return Err(format!("schema {} is not known", table.schema));
        }
        let mut seen = BTreeSet::new();
        for symptom in &table.symptoms {
            table.check(symptom).map_err(|rule| format!("row {}: {rule}", symptom.row))?;
            if !seen.insert(symptom.row) {
                return Err(format!("row {} is there twice", symptom.row));
            }
        }
        if let Some(row) = (1..=ROWS).find(|row| !seen.contains(row)) {
            return Err(format!("row {row} is missing"));
        }
        let mut settled = BTreeSet::new();
        // Whatever is left when nothing more can be settled goes in a circle, or begins at a row that is not there.
        while let Some(row) = table.symptoms.iter().find_map(|s| {
            let is_next = !settled.contains(&s.row) && s.follows.iter().all(|row| settled.contains(row));
            is_next.then_some(s.row)
        }) {
            settled.insert(row);
        }
        match table.symptoms.iter().find(|s| !settled.contains(&s.row)) {
            Some(s) => Err(format!("row {}: what it follows leads nowhere", s.row)),
            None => Ok(table),
        }
    }

    fn check(&self, symptom: &Symptom) -> Result<(), String> {
        if !self.themes.iter().any(|t| t.id == symptom.theme) {
            return Err(format!("there is no theme `{}`", symptom.theme));
        }
        let filled = [&symptom.title, &symptom.cause, &symptom.check];
        let has_fix = symptom.remedy().is_some() || !symptom.fix.trim().is_empty();
        if filled.iter().any(|text| text.trim().is_empty()) || !has_fix {
            return Err("title, cause, check and fix have to say something".to_owned());
        }
        if symptom.patterns.is_empty() && symptom.outer.is_empty() {
            return Err("it has no pattern".to_owned());
        }
        if symptom.patterns.is_empty() && symptom.no_message.is_none() {
            return Err("without a message of its own it has to say why in `no_message`".to_owned());
        }
        for pattern in symptom.patterns.iter().chain(&symptom.outer) {
            Pattern::parse(pattern)?;
        }
        if symptom.thread.is_empty() {
            return Err("it has no source".to_owned());
        }
        if let Some(thread) = symptom.thread.iter().find(|t| !is_thread(t)) {
            return Err(format!("`{thread}` is neither owner/repo#N nor an https address"));
        }
        if symptom.tags.is_empty()
            || symptom.tags.iter().any(|t| !["wsl", "kind", "linux"].contains(&t.as_str()))
        {
            return Err("tags are `wsl`, `kind` and `linux`".to_owned());
        }
        if symptom.run.is_some() && !symptom.stages.is_empty() {
            return Err("it has `stages` or `run`, not both".to_owned());
        }
        Ok(())
    }
}

/// `owner/repo#N` or an https address.
fn is_thread(thread: &str) -> bool {
    let numbered = thread.split_once('#').is_some_and(|(repo, number)| {
        repo.split('/').filter(|n| !n.is_empty()).count() == 2 && number.parse::<u32>().is_ok()
    });
    numbered || thread.strip_prefix("https://").is_some_and(|rest| rest.contains('.') && !rest.contains(' '))
}

/// The address of a thread.
#[must_use]
pub fn address(thread: &str) -> String {
    match thread.split_once('#') {
        // GitHub leads from an issue's address to the pull request of that number.
        Some((repo, number)) if !thread.starts_with("https://") => {
            format!("https://github.com/{repo}/issues/{number}")
        }
        _ => thread.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{EMBEDDED, Table, address};

    #[test]
    fn the_embedded_table_keeps_its_rules() {
        Table::embedded().unwrap();
    }

    #[test]
    fn a_table_that_breaks_a_rule_is_refused() {
        let broken = |from: &str, to: &str| Table::parse(&EMBEDDED.replacen(from, to, 1)).unwrap_err();
        assert_eq!(broken("\nrow = 2\n", "\nrow = 1\n"), "row 1 is there twice");
        assert_eq!(broken("\nrow = 65\n", "\nrow = 66\n"), "row 65 is missing");
        assert!(broken("theme = \"cgroup\"", "theme = \"weather\"").contains("there is no theme `weather`"));
        assert!(broken("stages = [\"cgroup\",", "stages = [\"moon\",").contains("there is no stage `moon`"));
        assert!(broken("kubernetes-sigs/kind#3936", "kind#3936").contains("neither owner/repo#N"));
        assert!(broken("schema = 1", "schema = 2").contains("schema 2"));
    }

    #[test]
    fn a_thread_has_an_address() {
        assert_eq!(address("a/b#7"), "https://github.com/a/b/issues/7");
        assert_eq!(address("https://x.org/#7"), "https://x.org/#7");
    }
}
