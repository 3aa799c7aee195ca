//! The checksum at the end of each record.

/// What stands between a record and its checksum, in every version of this form.
const SEAL: &str = ",\"sum\":\"";

/// Whether a line is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// Its checksum is right.
    Holds,
    /// Its checksum is wrong: a byte of it is another one now.
    Broken,
    /// It has none.
    Missing,
}

fn checksum(record: &str) -> String {
    crate::host::digest(record.as_bytes()).get(..16).unwrap_or_default().to_owned()
}

/// The record with its checksum as its last field. A disk that returns another byte than was written would make an
/// undo take back what we never did, and leave what we did.
pub(super) fn sealed(record: &str) -> String {
    let open = record.strip_suffix('}').unwrap_or(record);
    format!("{open}{SEAL}{}\"}}\n", checksum(open))
}

pub(super) fn seal(line: &[u8]) -> Seal {
    // Bytes that are not text are not a record.
    let Ok(line) = std::str::from_utf8(line) else { return Seal::Missing };
    match line.rsplit_once(SEAL) {
        None => Seal::Missing,
        Some((open, sum)) if sum.strip_suffix("\"}") == Some(&checksum(open)) => Seal::Holds,
        Some(_) => Seal::Broken,
    }
}

/// Whether a last line without an end is whole and goes on: a crash tears off the beginning of a line, so that this is
/// another's doing.
pub(super) fn goes_on_after_its_end(tail: &[u8]) -> bool {
    let whole = |end: &usize| tail[..*end].ends_with(b"\"}") && seal(&tail[..*end]) == Seal::Holds;
    (1..tail.len()).any(|end| whole(&end))
}

#[cfg(test)]
mod tests {
    use super::{Seal, goes_on_after_its_end, seal, sealed};

    #[test]
    fn a_record_is_recognized_by_its_checksum() {
        let line = sealed(r#"{"record":"finished","at":"now"}"#);
        let line = line.trim_end().as_bytes();
        assert_eq!(seal(line), Seal::Holds);
        assert_eq!(seal(br#"{"record":"finished","at":"now"}"#), Seal::Missing);
        assert_eq!(seal(String::from_utf8_lossy(line).replace("now", "new").as_bytes()), Seal::Broken);
    }

    #[test]
    fn a_torn_record_does_not_go_on_and_a_whole_one_may() {
        let line = sealed(r#"{"record":"restarted"}"#);
        for end in 0..line.len() {
            assert!(!goes_on_after_its_end(&line.as_bytes()[..end]), "{end}");
        }
        assert!(goes_on_after_its_end(line.replace('\n', "x").as_bytes()));
    }
}
