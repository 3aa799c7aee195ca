//! The journal: any bytes as its file, and a real one that is cut or has a bit flipped.

use kind_wsl::host::digest;
use kind_wsl::journal::{self, JournalError, JournalState, Record};

use super::system::Machine;
use super::{Shape, Target, choice};

pub(crate) const JOURNAL: Target = Target {
    name: "journal",
    words: &[
        r#"{"record":"begin","version":1,"tool":"t","at":"now","user":"dev"}"#,
        r#"{"record":"restarted"}"#,
        r#"{"record":"withdrawn"}"#,
        r#"{"record":"undone","id":1}"#,
        r#"{"record":"finished","at":"x"}"#,
        r#"{"record":"taken_back","at":"x","whole":true}"#,
        r#"{"record":"handed","place":"/mnt/c/x"}"#,
        r#"{"record":"done","id":1,"after":{"is":"absent"},"witness":{"boot_id":"b","pid1_start":7}}"#,
        r#""id":1"#,
        r#""version":2"#,
        r#""replaces":1"#,
        "18446744073709551615",
        "-1",
        "null",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0000",
        "\\ud800",
        "\n",
        "\r\n",
        "\0",
        "\0\0\0\0\0\0\0\0",
        ",\"sum\":\"",
    ],
    run: laws,
    ordinary: 1500,
};

fn read(bytes: &[u8]) -> Result<JournalState, JournalError> {
    journal::read(&Machine::bare(journal::PATH, bytes))
}

fn whole(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)]
}

/// The lines with their checksums: without them nothing of a line is looked at.
fn with_checksum(input: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(input);
    let seal = |line: &str| {
        let open = line.trim_end().strip_suffix('}')?;
        let sum = digest(open.as_bytes());
        Some(format!("{open},\"sum\":\"{}\"}}\n", &sum[..16]))
    };
    text.split_inclusive('\n')
        .map(|line| seal(line).unwrap_or_else(|| line.to_owned()))
        .collect::<String>()
        .into()
}

fn laws(input: &[u8]) -> Shape {
    let all = if (choice(input) / 4).is_multiple_of(4) { input.to_vec() } else { with_checksum(input) };
    let input = all.as_slice();
    let found = read(input);
    let kept = whole(input);
    let lines = || kept.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let by = choice(input);
    match by % 4 {
        0 => cut(input, &found, by / 4),
        1 => {
            if let Ok(journal_state) = &found {
                assert_eq!(read(kept).ok().as_ref(), Some(journal_state), "a torn end is nothing");
            }
        }
        law => {
            let records: Vec<Record> = lines().filter_map(|line| serde_json::from_slice(line).ok()).collect();
            let written: String = records.iter().map(Record::line).collect();
            if found.is_ok() {
                assert_eq!(records.len(), lines().count(), "every line that is believed is a record");
            }
            if law == 2 {
                flip(&written, by / 4);
            } else if let Ok(journal_state) = &found {
                let again = read(written.as_bytes()).ok();
                assert_eq!(again.as_ref(), Some(journal_state), "what is written again is read the same");
            }
        }
    }
    match &found {
        Ok(journal_state) => {
            let standing = journal_state.active().count();
            assert!(
                journal_state.in_progress().count() <= standing && standing <= journal_state.entries.len()
            );
            let _ = journal_state.is_interrupted();
            Shape::of("read")
                .few(standing)
                .few(journal_state.entries.len())
                .and(journal_state.waiting.is_some())
                .and(journal_state.user.is_some())
        }
        Err(error @ JournalError::Damaged { line, .. }) => {
            assert!(*line > 0 && *line <= lines().count());
            assert!(error.hint().is_some() && !error.to_string().contains('\n'), "{error}");
            Shape::of("damaged").few(*line)
        }
        Err(error @ JournalError::Newer { found, .. }) => {
            assert!(*found > journal::VERSION && error.hint().is_some());
            Shape::of("newer")
        }
        Err(error) => panic!("{error}"),
    }
    .few(lines().count())
}

/// A journal cut at any byte reads as its beginning, or is damaged where the whole one is.
fn cut(input: &[u8], all: &Result<JournalState, JournalError>, at: usize) {
    let part = &input[..at % (input.len() + 1)];
    match (read(part), all) {
        (Ok(journal_state), _) => assert_eq!(read(whole(part)).ok(), Some(journal_state)),
        (Err(error), Err(all)) => assert_eq!(error.to_string(), all.to_string()),
        (Err(error), Ok(_)) => panic!("a beginning is refused: {error}"),
    }
}

/// A bit that flips in what we wrote is noticed, or changes nothing, or makes the last line a torn one.
fn flip(written: &str, choice: usize) {
    let good = match read(written.as_bytes()) {
        Ok(good) => good,
        Err(JournalError::Newer { .. }) => return,
        // A name that would be an option is refused, however it was written.
        Err(JournalError::Damaged { why, .. }) if why.contains("is not a name") => return,
        Err(error) => panic!("cannot read our own lines: {error}"),
    };
    if written.is_empty() {
        return;
    }
    let mut bytes = written.as_bytes().to_vec();
    let at = (choice >> 3) % bytes.len();
    bytes[at] ^= 1 << (choice & 7);
    if let Ok(journal_state) = read(&bytes) {
        let is_last_end = at + 1 == bytes.len();
        let wanted = if is_last_end { read(whole(&bytes)).ok() } else { Some(good) };
        assert_eq!(Some(journal_state), wanted, "byte {at} was changed without an error");
    }
}
