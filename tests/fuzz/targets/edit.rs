//! wsl.conf and .wslconfig. First line: section, key and value, with blanks between.

use kind_wsl::edit::EditError;
use kind_wsl::edit::wslconf::{Dialect, Document, RepairKind, moved};

use super::{Shape, Target, choice, order};

pub(crate) const WSL_CONF: Target =
    Target { name: "wsl-conf", words: WORDS, run: |input| laws(input, Dialect::WslConf), ordinary: 1500 };
pub(crate) const WSLCONFIG: Target =
    Target { name: "wslconfig", words: WORDS, run: |input| laws(input, Dialect::WslConfig), ordinary: 1500 };

const WORDS: &[&str] = &[
    "[boot]",
    "[wsl2]",
    "[",
    "]",
    "boot",
    "systemd",
    "=",
    "true",
    "kernelCommandLine",
    "#",
    ";",
    "\\",
    "\\\n",
    "\\\r\n",
    "\\t",
    "\\n",
    "\\b",
    "\"",
    "\u{feff}",
    "\r",
    "\r\n",
    "\n",
    "\n\n",
    "\0",
    "\x1a",
    " ",
    "\t",
    "é",
    "key=value",
    "\x0b",
];

type Values = Vec<(String, Vec<u8>)>;

fn values(document: &Document) -> Values {
    document.values().map(|(name, value)| (name, value.to_vec())).collect()
}

fn laws(input: &[u8], dialect: Dialect) -> Shape {
    let (what, file) = order(input);
    let mut words = what.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (section, key, value) = (word(), word(), word());
    let before = Document::parse(file, dialect);
    assert_eq!(before.to_bytes(), file, "reading changes nothing");
    for problem in before.problems() {
        assert!(problem.line > 0 && !problem.to_string().is_empty());
    }
    let shape = Shape::of(before.complete()).few(before.problems().len()).few(before.values().count());
    let shape = before
        .problems()
        .first()
        .map_or(shape.clone(), |p| shape.and(format!("{:?}", p.kind).split(' ').nth(2)));
    let by = choice(input);
    match by % 4 {
        0 => repair(&before),
        1 => remove_section(&before, &section),
        _ => {}
    }
    set_and_unset(&before, dialect, [&section, &key, &value], shape, by / 4)
}

/// Whether what follows the last bytes is taken in by them: a lone CR becomes half of a CRLF, a `\` begins a continuation.
fn is_open(file: &[u8]) -> bool {
    let bytes: Vec<u16> = file.iter().map(|byte| u16::from(*byte)).collect();
    let wide: Vec<u16> = file.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    [bytes, wide].iter().any(|text| {
        let until_ctrl_z = text.split(|unit| *unit == 0x1a).next();
        let ends = [text.last(), until_ctrl_z.and_then(<[u16]>::last)];
        ends.into_iter().flatten().any(|unit| *unit == u16::from(b'\r') || *unit == u16::from(b'\\'))
    })
}

/// Whether every other byte is NUL and no other one is.
fn is_unmarked_utf16(file: &[u8]) -> bool {
    let nul_at =
        |at: usize| file.chunks(2).all(|pair| pair.len() == 2 && (pair[at] == 0) && pair[1 - at] != 0);
    !file.is_empty() && (nul_at(0) || nul_at(1))
}

fn set_and_unset(
    before: &Document,
    dialect: Dialect,
    [section, key, value]: [&str; 3],
    shape: Shape,
    by: usize,
) -> Shape {
    let file = before.to_bytes();
    let is_open = is_open(&file);
    let name = format!("{section}.{key}");
    let mut after = before.clone();
    if let Err(error) = after.set(section, key, value) {
        assert_eq!(after.to_bytes(), file, "a refused edit changes nothing");
        let is_name = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let is_expected = match &error {
            EditError::BadKey { .. } => !is_name(section) || !is_name(key),
            EditError::Unreadable { line, .. } => {
                *line > 0 && (!before.complete() || is_unmarked_utf16(&file) && dialect == Dialect::WslConfig)
            }
            EditError::SideEffect { .. } => is_open,
            EditError::BadValue { .. } => value.contains(['\0', '\r', '\x1a']) || !value.is_ascii(),
            _ => false,
        };
        assert!(is_expected, "{error}");
        return shape.and(std::mem::discriminant(&error));
    }
    let bytes = after.to_bytes();
    let read = Document::parse(&bytes, dialect);
    assert_eq!(read.get(section, key), Some(value), "what was put is what is read");
    assert!(read.line_of(section, key).is_some());
    let is_meant = |other: &str| other.eq_ignore_ascii_case(&name);
    assert_eq!(moved(&file, &bytes, dialect, is_meant), None, "no other key moves");
    assert!(read.problems().len() <= before.problems().len(), "no new warning");
    if by % 2 == 1 {
        let mut twice = read.clone();
        assert_eq!(twice.set(section, key, value), Ok(()), "what was set can be set");
        assert_eq!(twice.to_bytes(), bytes, "twice is once");
    }
    let shape =
        shape.and(bytes == file).and(before.get(section, key).is_some()).and(before.has_section(section));

    let mut out = read;
    let unset = out.unset(section, key);
    if is_open && matches!(unset, Err(EditError::SideEffect { .. })) {
        return shape.and("open");
    }
    assert_eq!(unset, Ok(true));
    assert_eq!(out.get(section, key), None, "taken out is taken out");
    assert_eq!(moved(&file, &out.to_bytes(), dialect, is_meant), None, "no other key moves");
    if before.get(section, key).is_none() && !is_open {
        if !before.has_section(section) {
            assert_eq!(out.remove_added_section(section, before), Ok(true));
        }
        assert_eq!(out.to_bytes(), file, "out again is as before");
    }
    shape
}

fn remove_section(before: &Document, section: &str) {
    let mut without = before.clone();
    match without.remove_section(section) {
        Ok(removed) => {
            assert_eq!(removed, before.has_section(section));
            assert!(!without.has_section(section), "removed is removed");
            let prefix = format!("{}.", section.to_ascii_lowercase());
            let others = |document: &Document| {
                let mut values = values(document);
                values.retain(|(name, _)| !name.starts_with(&prefix));
                values
            };
            assert_eq!(others(&without), others(before), "no key of another section moves");
        }
        Err(_) => assert_eq!(without.to_bytes(), before.to_bytes(), "a refused edit changes nothing"),
    }
}

fn repair(before: &Document) {
    let mut after = before.clone();
    let repairs = after.repair();
    assert!(after.complete(), "repaired is read to its end");
    assert_eq!(repairs.is_empty(), after.to_bytes() == before.to_bytes());
    assert_eq!(after.repair(), [], "repaired is repaired");
    let now = values(&after);
    for value in values(before) {
        assert!(now.contains(&value), "what was read is read still: {value:?}");
    }
    for repair in repairs {
        // The first line of a whole file may be empty in any encoding.
        assert!(repair.before != repair.after || repair.kind == RepairKind::Reencoded, "{repair:?}");
    }
}
