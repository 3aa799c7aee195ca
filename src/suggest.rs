//! Suggestions for mistyped words.

/// Returns the candidate that is nearest to the word, if it is near enough.
#[must_use]
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let distance = |candidate: &&str| strsim::osa_distance(&lower, &candidate.to_ascii_lowercase());
    let best = candidates.into_iter().min_by_key(distance)?;
    (distance(&best) <= word.chars().count().max(3) / 3 || best.starts_with(word)).then(|| best.to_owned())
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_typo_finds_the_word_that_was_meant() {
        assert_eq!(did_you_mean("systmd", ["systemd", "cgroup"]).as_deref(), Some("systemd"));
        assert_eq!(did_you_mean("DELEG", ["delegation", "limits"]), None);
        assert_eq!(did_you_mean("deleg", ["delegation", "limits"]).as_deref(), Some("delegation"));
        assert_eq!(did_you_mean("Cgruop", ["systemd", "cgroup"]).as_deref(), Some("cgroup"));
        assert_eq!(did_you_mean("elephant", ["systemd", "cgroup"]), None);
    }
}
