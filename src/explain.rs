//! Explains error messages: known symptoms with causes and fixes, and families of messages as a fallback.
//!
//! [`diagnose`] is pure: it maps a text to the matching entries, best first. [`presence`] checks whether a cause exists on
//! this machine, because a message often comes from another one.

pub mod causes;
pub mod input;
mod normalize;
mod pattern;
pub mod table;

use std::cmp::Reverse;
use std::sync::LazyLock;

pub use causes::{Presence, presence};
pub use table::{EntryKind, Id, MatchStrength, Symptom, Table};

use normalize::Normalized;
use pattern::{Index, Pattern};

/// A known symptom found in a text.
#[derive(Clone, Debug)]
pub struct Match {
    pub symptom: &'static Symptom,
    /// The byte offset of the matching line in the text.
    pub at: usize,
    pub fit: MatchStrength,
}

impl Match {
    /// The matching line without control characters.
    #[must_use]
    pub fn line<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        let rest = text.get(self.at..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        normalize::plain(line.trim()).into()
    }

    /// The number of the matching line, from 1.
    #[must_use]
    pub fn line_number(&self, text: &str) -> usize {
        let before = text.as_bytes().get(..self.at).unwrap_or_default();
        before.split(|b| *b == b'\n').count()
    }
}

/// The table and the index of its patterns.
struct Known {
    table: Table,
    index: Index,
    /// For each pattern of the index: the number of its symptom, its strength, its weight.
    owners: Vec<(usize, MatchStrength, usize)>,
}

static KNOWN: LazyLock<Result<Known, String>> = LazyLock::new(|| {
    let table = Table::embedded()?;
    let (mut patterns, mut owners) = (Vec::new(), Vec::new());
    for (number, symptom) in table.symptoms.iter().enumerate() {
        for (text, fit) in symptom.fits() {
            let pattern = Pattern::parse(text)?;
            owners.push((number, fit, pattern.weight()));
            patterns.push(pattern);
        }
    }
    Ok(Known { table, index: Index::new(patterns), owners })
});

/// Returns the table.
///
/// # Errors
/// If it breaks one of its rules, which a test rules out.
pub fn table() -> Result<&'static Table, &'static str> {
    KNOWN.as_ref().map(|known| &known.table).map_err(String::as_str)
}

/// Returns the known symptoms in a text, best first.
///
/// The order: a message with one cause before one with several, both before fixed text; a cause before its effects; a
/// longer match before a shorter one; an earlier line before a later one.
#[must_use]
pub fn diagnose(text: &str) -> Vec<Match> {
    // `table` returns the error.
    let Ok(known) = &*KNOWN else { return Vec::new() };
    let normalized = Normalized::of(text);
    let mut best: Vec<Option<Rank>> = vec![None; known.table.symptoms.len()];
    for (pattern, at) in known.index.find(&normalized) {
        let (number, fit, weight) = known.owners[pattern];
        let rank = (fit, Reverse(weight), at);
        best[number] = Some(best[number].map_or(rank, |other| other.min(rank)));
    }
    let found: Vec<(&Symptom, Rank)> =
        known.table.symptoms.iter().zip(best).filter_map(|(symptom, fit)| Some((symptom, fit?))).collect();
    let depths = depths(&found);
    let ranked = found
        .iter()
        .zip(depths)
        .map(|((symptom, (fit, weight, at)), depth)| ((*fit, depth, *weight, *at, symptom.id), *symptom));
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked
        .into_iter()
        .map(|((fit, _, _, at, _), symptom)| Match { symptom, at: normalized.line_of(at), fit })
        .collect()
}

/// The rank of a match, best first: strength of the pattern, matched length, position.
type Rank = (MatchStrength, Reverse<usize>, usize);

/// The distance of each symptom from its root cause among those found.
fn depths(found: &[(&Symptom, Rank)]) -> Vec<usize> {
    let mut depths = vec![0; found.len()];
    // The longest path has at most one step per symptom; the table has no cycles.
    for _ in found {
        for (this, (symptom, _)) in found.iter().enumerate() {
            // A message with several causes does not prove any of them.
            let is_above = |other: &(&Symptom, Rank)| {
                other.1.0 == MatchStrength::Exact && symptom.follows.contains(&other.0.id)
            };
            let above = found.iter().zip(&depths).filter(|(other, _)| is_above(other));
            depths[this] = above.map(|(_, depth)| depth + 1).max().unwrap_or(0);
        }
    }
    depths
}
