//! The checksum at the end of each record.

/// The text between a record and its checksum, in every version of this form.
const SEAL: &str = ",\"sum\":\"";

/// The state of a line's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChecksumStatus {
    /// The checksum is right.
    Holds,
    /// The checksum is wrong: a byte has changed.
    Broken,
    Missing,
}

fn checksum(record: &str) -> String {
    crate::host::digest(record.as_bytes()).get(..16).unwrap_or_default().to_owned()
}

/// The record with its checksum as its last field. If a disk returned another byte than was written, an undo would
/// revert changes that were never made, and skip real ones.
pub(super) fn with_checksum(record: &str) -> String {
    let open = record.strip_suffix('}').unwrap_or(record);
    format!("{open}{SEAL}{}\"}}\n", checksum(open))
}

pub(super) fn checksum_status(line: &[u8]) -> ChecksumStatus {
    // Bytes that are not text are not a record.
    let Ok(line) = std::str::from_utf8(line) else { return ChecksumStatus::Missing };
    match line.rsplit_once(SEAL) {
        None => ChecksumStatus::Missing,
        Some((open, sum)) if sum.strip_suffix("\"}") == Some(&checksum(open)) => ChecksumStatus::Holds,
        Some(_) => ChecksumStatus::Broken,
    }
}

/// Whether a last line without an end is complete and continues. A crash leaves only the beginning of a line, so
/// another program wrote the rest.
pub(super) fn continues_after_its_end(tail: &[u8]) -> bool {
    let whole = |end: &usize| {
        tail[..*end].ends_with(b"\"}") && checksum_status(&tail[..*end]) == ChecksumStatus::Holds
    };
    (1..tail.len()).any(|end| whole(&end))
}

#[cfg(test)]
mod tests {
    use super::{ChecksumStatus, checksum_status, continues_after_its_end, with_checksum};

    #[test]
    fn a_record_is_recognized_by_its_checksum() {
        let line = with_checksum(r#"{"record":"finished","at":"now"}"#);
        let line = line.trim_end().as_bytes();
        assert_eq!(checksum_status(line), ChecksumStatus::Holds);
        assert_eq!(checksum_status(br#"{"record":"finished","at":"now"}"#), ChecksumStatus::Missing);
        assert_eq!(
            checksum_status(String::from_utf8_lossy(line).replace("now", "new").as_bytes()),
            ChecksumStatus::Broken
        );
    }

    #[test]
    fn a_torn_record_ends_the_state_and_a_whole_one_extends_it() {
        let line = with_checksum(r#"{"record":"restarted"}"#);
        for end in 0..line.len() {
            assert!(!continues_after_its_end(&line.as_bytes()[..end]), "{end}");
        }
        assert!(continues_after_its_end(line.replace('\n', "x").as_bytes()));
    }
}
