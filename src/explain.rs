//! What a pasted message means: known symptoms, their causes and what helps; behind them families of messages.
//!
//! [`diagnose`] is pure: a text goes in, what is known of it comes out, the best first. Whether the cause is present on
//! this machine is asked separately ([`presence`]), because a message often comes from another one.

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

/// A known symptom that a text shows.
#[derive(Clone, Debug)]
pub struct Match {
    pub symptom: &'static Symptom,
    /// Where the line begins in which it shows, as an offset in the text.
    pub at: usize,
    pub fit: MatchStrength,
}

impl Match {
    /// The line in which it shows, fit for a screen.
    #[must_use]
    pub fn line<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        let rest = text.get(self.at..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        normalize::plain(line.trim()).into()
    }

    /// The number of that line, from 1 on.
    #[must_use]
    pub fn line_number(&self, text: &str) -> usize {
        let before = text.as_bytes().get(..self.at).unwrap_or_default();
        before.split(|b| *b == b'\n').count()
    }
}

/// What a text is compared with.
struct Known {
    table: Table,
    index: Index,
    /// For each pattern of the index: which symptom's, how well it fits, how much it pins down.
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

/// The table.
///
/// # Errors
/// When it breaks one of its rules; a test sees to it that it does not.
pub fn table() -> Result<&'static Table, &'static str> {
    KNOWN.as_ref().map(|known| &known.table).map_err(String::as_str)
}

/// The known symptoms that a text shows, best first.
///
/// A message that has one cause comes before one that has several, and both before fixed text; a cause before what it
/// brings about, a longer match before a shorter one, and what stands first in the text before what stands later.
#[must_use]
pub fn diagnose(text: &str) -> Vec<Match> {
    // Nothing is known without a table; `table` says why there is none.
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

/// How well a symptom fits, the smaller the better: what kind of pattern fits, how much of the text is pinned down, where
/// it begins.
type Rank = (MatchStrength, Reverse<usize>, usize);

/// How far each symptom is from its first cause among those that were found.
fn depths(found: &[(&Symptom, Rank)]) -> Vec<usize> {
    let mut depths = vec![0; found.len()];
    // The longest way has as many steps as there are symptoms; the table has no circles.
    for _ in found {
        for (this, (symptom, _)) in found.iter().enumerate() {
            // A message that has several causes is no proof of any.
            let is_above = |other: &(&Symptom, Rank)| {
                other.1.0 == MatchStrength::Exact && symptom.follows.contains(&other.0.id)
            };
            let above = found.iter().zip(&depths).filter(|(other, _)| is_above(other));
            depths[this] = above.map(|(_, depth)| depth + 1).max().unwrap_or(0);
        }
    }
    depths
}
