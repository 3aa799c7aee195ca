//! Patterns of messages, and a search for all of them in one pass.
//!
//! A pattern is the message with `…` for its variable parts (`open … cgroup.controllers: no such file`), and ` && `
//! between parts that may occur anywhere in the text. Blanks, quotes, case, line breaks and most signs are ignored
//! ([`super::normalize`]). Regular expressions would have to allow for a line break and a quote between any two letters.
//!
//! The search finds eight bytes of the longest literal of each part and compares the rest only there. The length of a
//! comparison is bounded, so the time is linear in the length of the text.

use std::collections::HashMap;

use super::normalize::{BREAK, Normalized};

/// The most normalized bytes that `…` matches: a cgroup path with two IDs in it.
const MAX_GAP: usize = 400;
/// The bytes of a literal that the search looks for.
const ANCHOR: usize = 8;

/// A pattern matches if all of its parts are found.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

/// Literals in their order, with a gap between one and the next.
#[derive(Clone, Debug)]
struct Part {
    literals: Vec<Vec<u8>>,
    /// The number of the literal that the search looks for, and the offset in it.
    anchor: (usize, usize),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(" && ").map(|part| Part::parse(part).ok_or(part));
        let parts: Result<Vec<_>, &str> = parts.collect();
        let parts = parts.map_err(|part| format!("`{part}` has no literal of {ANCHOR} letters"))?;
        Ok(Self { parts })
    }

    /// The number of literal bytes.
    pub(super) fn weight(&self) -> usize {
        self.parts.iter().flat_map(|p| &p.literals).map(Vec::len).sum()
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        let normalize = |literal: &str| {
            let mut bytes = Normalized::of(literal).bytes;
            bytes.retain(|b| *b != BREAK);
            bytes
        };
        let literals: Vec<Vec<u8>> = text.split('…').map(normalize).filter(|l| !l.is_empty()).collect();
        let (index, longest) = literals.iter().enumerate().max_by_key(|(_, l)| l.len())?;
        // From its middle, since many messages begin and end alike.
        let offset = longest.len().checked_sub(ANCHOR)? / 2;
        Some(Self { anchor: (index, offset), literals })
    }

    fn key(&self) -> u64 {
        let (index, offset) = self.anchor;
        self.literals[index][offset..offset + ANCHOR].iter().fold(0, |key, byte| key << 8 | u64::from(*byte))
    }

    /// The start of the part whose anchor is at `at`, if all of it matches.
    fn begin(&self, text: &Normalized, at: usize) -> Option<usize> {
        let bytes = &text.bytes;
        let (index, offset) = self.anchor;
        let mut begin = at.checked_sub(offset)?;
        let mut end = begin + self.literals[index].len();
        if bytes.get(begin..end)? != self.literals[index] {
            return None;
        }
        for literal in &self.literals[index + 1..] {
            let reach = &bytes[end..bytes.len().min(end + MAX_GAP + literal.len())];
            let reach = reach.split(|b| *b == BREAK).next().unwrap_or_default();
            end += reach.windows(literal.len()).position(|w| w == literal)? + literal.len();
        }
        for literal in self.literals[..index].iter().rev() {
            let reach = &bytes[begin.saturating_sub(MAX_GAP + literal.len())..begin];
            let reach = reach.rsplit(|b| *b == BREAK).next().unwrap_or_default();
            let back = reach.windows(literal.len()).rposition(|w| w == literal)?;
            begin -= reach.len() - back;
        }
        text.starts_word(begin).then_some(begin)
    }
}

/// A search index of many patterns.
#[derive(Debug)]
pub(super) struct Index {
    patterns: Vec<Pattern>,
    /// A bit for the hash of every anchor: rules out most positions of a text with one lookup.
    bits: Vec<u64>,
    /// The parts with this anchor: pattern and part.
    anchors: HashMap<u64, Vec<(usize, usize)>>,
    /// The number of each pattern's first part among all parts, and how many there are.
    firsts: Vec<usize>,
    parts: usize,
}

fn hash(key: u64) -> usize {
    // Knuth's multiplier; the upper 16 bits are the mixed ones.
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize
}

impl Index {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let (bits, anchors) = (vec![0; 1024], HashMap::new());
        let mut index = Self { bits, anchors, patterns: Vec::new(), firsts: Vec::new(), parts: 0 };
        for (number, pattern) in patterns.iter().enumerate() {
            index.firsts.push(index.parts);
            index.parts += pattern.parts.len();
            for (part, key) in pattern.parts.iter().map(Part::key).enumerate() {
                index.bits[hash(key) / 64] |= 1 << (hash(key) % 64);
                index.anchors.entry(key).or_default().push((number, part));
            }
        }
        index.patterns = patterns;
        index
    }

    /// Returns the patterns in the text, each with the first position of its first part.
    pub(super) fn find(&self, text: &Normalized) -> Vec<(usize, usize)> {
        let mut places: Vec<Option<usize>> = vec![None; self.parts];
        let mut key = 0_u64;
        for (last, byte) in text.bytes.iter().enumerate() {
            key = key << 8 | u64::from(*byte);
            let hash = hash(key);
            if self.bits[hash / 64] >> (hash % 64) & 1 == 0 || last + 1 < ANCHOR {
                continue;
            }
            for &(pattern, part) in self.anchors.get(&key).into_iter().flatten() {
                let place = &mut places[self.firsts[pattern] + part];
                if place.is_none() {
                    *place = self.patterns[pattern].parts[part].begin(text, last + 1 - ANCHOR);
                }
            }
        }
        let all = self.patterns.iter().zip(&self.firsts).enumerate();
        all.filter_map(|(number, (pattern, &first))| {
            let parts = &places[first..first + pattern.parts.len()];
            parts.iter().all(Option::is_some).then_some((number, (*parts.first()?)?))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::normalize::Normalized;
    use super::{Index, Pattern};

    fn is_in(pattern: &str, text: &str) -> bool {
        !Index::new(vec![Pattern::parse(pattern).unwrap()]).find(&Normalized::of(text)).is_empty()
    }

    #[test]
    fn a_gap_is_filled_by_anything_within_one_message() {
        let pattern = "open … cgroup.controllers: no such file";
        assert!(is_in(pattern, "open /sys/fs/a/cgroup.controllers: No such file or directory"));
        assert!(is_in(pattern, "open cgroup.controllers: no such file"));
        assert!(is_in(pattern, "open /sys/fs/cg\nroup/cgroup.contr\nollers: No such file"));
        assert!(!is_in(pattern, "open x\nNov 22 10:00:00 h p[1]: cgroup.controllers: no such file"));
        assert!(!is_in(pattern, "cgroup.controllers: no such file"));
    }

    #[test]
    fn a_pattern_begins_at_the_start_of_a_word() {
        assert!(is_in("MZ: not found", "x.exe: 1: MZ\u{90}: not found"));
        assert!(!is_in("MZ: not found", "xMZ: not found"));
    }

    #[test]
    fn parts_may_occur_anywhere() {
        assert!(is_in("refused it && networkingMode=mirrored", "networkingMode=mirrored\n\n\nrefused it."));
        assert!(!is_in("refused it && networkingMode=mirrored", "refused it. networkingMode=nat"));
    }

    #[test]
    fn a_pattern_without_a_long_literal_is_refused() {
        assert!(Pattern::parse("open … no").is_err());
    }

    #[test]
    fn a_partial_match_does_not_hide_a_later_match() {
        assert!(is_in("open … is missing here", "is missing here\n\nopen x is missing here"));
    }
}
