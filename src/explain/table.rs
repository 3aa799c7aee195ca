//! The table of known messages: `assets/symptoms.toml` and `assets/families.toml`, embedded, read on first use and
//! held to their rules.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::pattern::Pattern;
use crate::fix::Fix;
use crate::stage::Stage;
use crate::stages;

/// The name of an entry: `KW027`. It never changes its meaning, because tests, documents and users refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u16);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("KW{:03}", self.0))
    }
}

impl FromStr for Id {
    type Err = String;

    /// Reads `KW027`, `kw027` and `KW27`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.get(..2).filter(|kw| kw.eq_ignore_ascii_case("kw")).map(|_| &text[2..]);
        let digits = digits.filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
        digits
            .and_then(|d| d.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not an ID such as `KW027`"))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The kind of an entry, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A message with a known cause and fix.
    #[default]
    Symptom,
    /// The messages of one component: which one failed, and where to look.
    Family,
    /// A message that does no harm.
    Harmless,
}

impl EntryKind {
    /// The IDs of entries of this kind.
    const fn ids(self) -> std::ops::RangeInclusive<u16> {
        match self {
            Self::Symptom => 1..=199,
            Self::Family => 200..=299,
            Self::Harmless => 300..=399,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Version of this format; 1.
    schema: u32,
    /// When the facts were gathered: `2026-11-21`.
    pub collected: String,
    /// The themes in the order of the document, and their headings.
    #[serde(default, rename = "theme")]
    pub themes: Vec<Theme>,
    /// The components that can fail, and how they are named in a sentence.
    #[serde(default, rename = "component")]
    pub components: Vec<Theme>,
    /// Every entry, whatever its kind.
    #[serde(default, rename = "symptom")]
    pub symptoms: Vec<Symptom>,
    #[serde(default, rename = "family")]
    families: Vec<Symptom>,
    #[serde(default)]
    harmless: Vec<Symptom>,
}

/// A heading for several symptoms.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Its name in `symptom.theme` or `symptom.component`.
    pub id: String,
    pub title: String,
}

/// One entry; `assets/README.md` explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symptom {
    pub id: Id,
    #[serde(skip)]
    pub kind: EntryKind,
    /// Which theme it belongs to.
    pub theme: String,
    /// The component that failed, which may be another than the one that reports it.
    pub component: String,
    /// The symptom in one line.
    pub title: String,
    /// Messages of this cause and no other; of a family, messages of this component.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Messages of this cause and of others: whatever is more exact comes before.
    #[serde(default)]
    pub outer: Vec<String>,
    /// Fixed text that programs print whatever the cause is: everything else comes before.
    #[serde(default)]
    pub boilerplate: Vec<String>,
    /// Why nothing but a description can be pasted, if that is so.
    pub no_message: Option<String>,
    /// Entries that make this one appear, and so come before it.
    #[serde(default)]
    pub follows: Vec<Id>,
    pub cause: String,
    /// How to check for the cause.
    pub check: String,
    /// The stages of the setup that fixes it, if one does.
    #[serde(default, deserialize_with = "by_id")]
    pub stages: Vec<&'static Stage>,
    /// Another command that fixes it, if one does.
    pub run: Option<String>,
    /// Instructions, or notes about the command; may be empty if `stages` or `run` is set.
    #[serde(default)]
    pub fix: String,
    /// Where it was reported, the best source first: `owner/repo#N` or an address.
    pub thread: Vec<String>,
    /// Where it occurs: `wsl`, `kind`, `linux`.
    pub tags: Vec<String>,
}

impl Symptom {
    /// The one thing that fixes it, if there is one.
    #[must_use]
    pub fn remedy(&self) -> Option<Fix> {
        match (&self.run, &self.stages[..]) {
            (Some(line), _) => Some(Fix::Command(line.clone())),
            (None, []) => None,
            (None, stages) => Some(Fix::Stages(stages.to_vec(), "")),
        }
    }

    /// Every pattern, and how well a message fits that it finds.
    pub(super) fn fits(&self) -> impl Iterator<Item = (&String, MatchStrength)> {
        let own = match self.kind {
            EntryKind::Symptom => MatchStrength::Exact,
            EntryKind::Family => MatchStrength::Family,
            EntryKind::Harmless => MatchStrength::Harmless,
        };
        let patterns = self.patterns.iter().map(move |p| (p, own));
        let outer = self.outer.iter().map(|p| (p, MatchStrength::Outer));
        patterns.chain(outer).chain(self.boilerplate.iter().map(|p| (p, MatchStrength::Boilerplate)))
    }
}

/// How well an entry fits a text, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchStrength {
    /// A message of this cause and no other.
    Exact,
    /// A message of this component.
    Family,
    /// A message that also has other causes.
    Outer,
    /// Fixed text, which is printed whatever the cause is.
    Boilerplate,
    /// A message that does no harm.
    Harmless,
}

fn by_id<'de, D: Deserializer<'de>>(ids: D) -> Result<Vec<&'static Stage>, D::Error> {
    let stage = |id: &String| stages::by_id(id).map_err(serde::de::Error::custom);
    Vec::<String>::deserialize(ids)?.iter().map(stage).collect()
}

const SYMPTOMS: &str = include_str!("../../assets/symptoms.toml");
const FAMILIES: &str = include_str!("../../assets/families.toml");

impl Table {
    /// The table that this program was built with.
    ///
    /// # Errors
    /// If it breaks a rule, which a test rules out.
    pub fn embedded() -> Result<Self, String> {
        Self::parse([SYMPTOMS, FAMILIES])
    }

    /// Parses a table and checks the rules of `assets/README.md`.
    ///
    /// # Errors
    /// The first rule that it breaks, with the ID.
    pub fn parse(parts: [&str; 2]) -> Result<Self, String> {
        let [table, families] = parts.map(|part| toml::from_str::<Self>(part).map_err(|e| e.to_string()));
        let (mut table, mut others) = (table?, families?);
        if let Some(schema) = [table.schema, others.schema].iter().find(|schema| **schema != 1) {
            return Err(format!("unknown schema {schema}"));
        }
        table.themes.append(&mut others.themes);
        table.components.append(&mut others.components);
        table.symptoms.append(&mut others.symptoms);
        for (kind, entries) in [(EntryKind::Family, others.families), (EntryKind::Harmless, others.harmless)]
        {
            table.symptoms.extend(entries.into_iter().map(|entry| Symptom { kind, ..entry }));
        }
        let mut seen = BTreeSet::new();
        for symptom in &table.symptoms {
            table.check(symptom).map_err(|rule| format!("{}: {rule}", symptom.id))?;
            if !seen.insert(symptom.id) {
                return Err(format!("duplicate ID {}", symptom.id));
            }
        }
        let mut settled = BTreeSet::new();
        // Entries that stay unsettled form a cycle, or follow an unknown entry.
        while let Some(id) = table.symptoms.iter().find_map(|s| {
            let is_next = !settled.contains(&s.id) && s.follows.iter().all(|id| settled.contains(id));
            is_next.then_some(s.id)
        }) {
            settled.insert(id);
        }
        match table.symptoms.iter().find(|s| !settled.contains(&s.id)) {
            Some(s) => Err(format!("{}: `follows` has a cycle or an unknown ID", s.id)),
            None => Ok(table),
        }
    }

    /// The entry of this ID.
    #[must_use]
    pub fn by_id(&self, id: Id) -> Option<&Symptom> {
        self.symptoms.iter().find(|symptom| symptom.id == id)
    }

    /// How the component of an entry is named in a sentence.
    #[must_use]
    pub fn component(&self, symptom: &Symptom) -> &str {
        let component = self.components.iter().find(|component| component.id == symptom.component);
        component.map_or("", |component| &component.title)
    }

    fn check(&self, symptom: &Symptom) -> Result<(), String> {
        if !self.themes.iter().any(|t| t.id == symptom.theme) {
            return Err(format!("unknown theme `{}`", symptom.theme));
        }
        if !self.components.iter().any(|c| c.id == symptom.component) {
            return Err(format!("unknown component `{}`", symptom.component));
        }
        if !symptom.kind.ids().contains(&symptom.id.0) {
            return Err("the ID belongs to another kind of entry".to_owned());
        }
        let filled = [&symptom.title, &symptom.cause, &symptom.check];
        let has_fix = symptom.remedy().is_some() || !symptom.fix.trim().is_empty();
        if filled.iter().any(|text| text.trim().is_empty()) || !has_fix {
            return Err("title, cause, check and fix must not be empty".to_owned());
        }
        if symptom.fits().next().is_none() {
            return Err("it has no pattern".to_owned());
        }
        let needs_own = symptom.kind == EntryKind::Symptom;
        if needs_own && symptom.patterns.is_empty() && symptom.no_message.is_none() {
            return Err("`patterns` or `no_message` is required".to_owned());
        }
        for (pattern, _) in symptom.fits() {
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
    use super::{FAMILIES, Id, SYMPTOMS, Table, address};

    #[test]
    fn the_embedded_table_keeps_its_rules() {
        Table::embedded().unwrap();
    }

    #[test]
    fn a_table_that_breaks_a_rule_is_refused() {
        let broken = |from: &str, to: &str| {
            Table::parse([&SYMPTOMS.replacen(from, to, 1), &FAMILIES.replacen(from, to, 1)]).unwrap_err()
        };
        assert_eq!(broken("\nid = \"KW002\"\n", "\nid = \"KW001\"\n"), "duplicate ID KW001");
        assert_eq!(
            broken("\nid = \"KW065\"\n", "\nid = \"KW265\"\n"),
            "KW265: the ID belongs to another kind of entry"
        );
        assert!(broken("theme = \"cgroup\"", "theme = \"weather\"").contains("unknown theme `weather`"));
        assert!(broken("component = \"kind\"", "component = \"x\"").contains("unknown component `x`"));
        assert!(broken("stages = [\"cgroup\",", "stages = [\"moon\",").contains("unknown stage `moon`"));
        assert!(broken("kubernetes-sigs/kind#3936", "kind#3936").contains("neither owner/repo#N"));
        assert!(broken("schema = 1", "schema = 2").contains("schema 2"));
    }

    #[test]
    fn an_id_is_read_as_users_type_it() {
        for text in ["KW027", "kw027", "KW27"] {
            assert_eq!(text.parse(), Ok(Id(27)));
        }
        for text in ["KW", "027", "KW-27", "KW02x", "é7"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
        assert_eq!(Id(7).to_string(), "KW007");
    }

    #[test]
    fn a_thread_has_an_address() {
        assert_eq!(address("a/b#7"), "https://github.com/a/b/issues/7");
        assert_eq!(address("https://x.org/#7"), "https://x.org/#7");
    }
}
