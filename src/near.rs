//! The near match for a word that was mistyped.

/// The candidate that differs least, where it differs little enough to be meant.
#[must_use]
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let distance = |c: &&str| edits(word, c);
    let best = candidates.into_iter().min_by_key(distance)?;
    (edits(word, best) <= word.chars().count().max(3) / 3 || best.starts_with(word)).then(|| best.to_owned())
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost =
                if x.eq_ignore_ascii_case(y) { corner } else { corner.min(row[j]).min(row[j + 1]) + 1 };
            corner = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_typo_finds_the_word_that_was_meant() {
        assert_eq!(closest("systmd", ["systemd", "cgroup"]).as_deref(), Some("systemd"));
        assert_eq!(closest("deleg", ["delegation", "limits"]).as_deref(), Some("delegation"));
        assert_eq!(closest("elephant", ["systemd", "cgroup"]), None);
    }
}
