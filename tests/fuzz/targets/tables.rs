//! fstab (first line: the entry to put) and the sub-ids (first line: `owner:start:count`).

use kind_wsl::edit::EditError;
use kind_wsl::edit::table;

use super::{Shape, Target, order};

pub(crate) const FSTAB: Target = Target {
    name: "fstab",
    words: &[
        "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0",
        "/",
        "/mnt",
        "/mnt/",
        "none",
        "swap",
        "\\040",
        "\\134",
        "\\0",
        "\\777",
        "#",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "rw,noexec",
        ",",
        "UUID=1",
        "é",
        "\0",
    ],
    run: fstab,
    ordinary: 3000,
};
pub(crate) const SUBIDS: Target = Target {
    name: "subids",
    words: &[
        "dev:100000:65536",
        "kind:165536:65536",
        ":",
        "::",
        "dev",
        "4294967295",
        "4294967296",
        "65536",
        "0",
        "1",
        "-1",
        "+1",
        "#",
        "\n",
        "\r\n",
        "\r",
        " ",
        "é",
        "\0",
    ],
    run: subids,
    ordinary: 3000,
};

fn fstab(input: &[u8]) -> Shape {
    let (line, file) = order(input);
    let Ok(text) = std::str::from_utf8(file) else {
        // Bytes that are not UTF-8 stay as they are.
        let after =
            table::put_fstab(file, "/k", Some("none /k tmpfs ro 0 0")).expect("any bytes can be edited");
        assert!(table::get_fstab(&after, "/k").expect("any bytes can be read").is_some());
        let foreign =
            |bytes: &[u8]| bytes.iter().copied().filter(|byte| !byte.is_ascii()).collect::<Vec<_>>();
        assert_eq!(foreign(&after), foreign(file), "no byte is changed");
        return Shape::of("no text");
    };
    // The line itself, read as a file, tells which mount point it is for.
    let entry = fstab_entries(&line).into_iter().next();
    let Some(point) = entry.as_ref().map(|fields| fields[1].clone()) else {
        assert!(table::fstab_set(text, &line).is_err(), "an invalid entry is refused");
        return Shape::of("no entry").few(text.lines().count());
    };
    let before = table::fstab_entry(text, &point);
    let is_nowhere = !point.starts_with('/');
    let after = match table::put_fstab(file, &point, Some(&line)) {
        Ok(after) => after,
        Err(error) => {
            assert!(matches!(error, EditError::BadValue { .. }), "{error}");
            let is_one = entry.is_some_and(|fields| fields.len() >= 3) && !line.contains(['\n', '\r']);
            assert!(!is_one, "a whole entry can be put: {error}");
            return Shape::of("refused");
        }
    };
    let text_after = String::from_utf8(after.clone()).expect("it stays text");
    assert!(table::fstab_entry(&text_after, &point).is_some(), "what was put is what is read");
    assert_eq!(table::put_fstab(&after, &point, Some(&line)).as_ref(), Ok(&after), "twice is once");
    let wanted = entry.clone().unwrap_or_default();
    assert!(fstab_entries(&text_after).contains(&wanted), "it is there with its columns");
    let out = table::put_fstab(&after, &point, None).expect("it can be taken out");
    assert_eq!(table::get_fstab(&out, &point), Ok(None), "taken out is taken out");
    if before.is_none() {
        assert_eq!(table::get_fstab(&after, &point), Ok(Some(line.clone())));
        assert_eq!(out, file, "out again is as before");
    } else {
        let place = |point: &str| point.trim_end_matches('/').len();
        let others = |text: &str| {
            let mut others = fstab_entries(text);
            others.retain(|fields| fields[1][..place(&fields[1])] != point[..place(&point)]);
            others
        };
        let kept = others(text);
        assert_eq!(others(&text_after), kept, "no other entry moves");
        assert_eq!(others(&String::from_utf8_lossy(&out)), kept, "no other entry moves");
        let comments = |text: &str| {
            text.lines()
                .filter(|l| l.trim_start_matches([' ', '\t']).starts_with('#'))
                .map(String::from)
                .collect::<Vec<_>>()
        };
        assert_eq!(comments(&text_after), comments(text), "no comment moves");
    }
    Shape::of(before.is_some())
        .and(is_nowhere)
        .and(after == file)
        .few(text.lines().count())
        .and(text.ends_with('\n'))
}

/// The columns of every entry, as the editor reads them.
fn fstab_entries(text: &str) -> Vec<Vec<String>> {
    text.lines().filter_map(|line| entry_of(line.strip_suffix('\r').unwrap_or(line))).collect()
}

/// fstab(5) by hand: columns apart by blanks, `#` first is a comment, `\NNN` is an octal byte.
fn entry_of(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start_matches([' ', '\t']);
    let fields: Vec<String> = line.split([' ', '\t']).filter(|f| !f.is_empty()).map(unescaped).collect();
    (!line.starts_with('#') && fields.len() >= 2).then_some(fields)
}

fn unescaped(field: &str) -> String {
    let bytes = field.as_bytes();
    let (mut at, mut out) = (0, Vec::new());
    while at < bytes.len() {
        let digits = bytes
            .get(at + 1..at + 4)
            .filter(|d| bytes[at] == b'\\' && d.iter().all(|d| (b'0'..=b'7').contains(d)));
        let code = digits.map(|d| d.iter().fold(0_u32, |code, d| code * 8 + u32::from(d - b'0')));
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => (out.push(byte), at += 4),
            None => (out.push(bytes[at]), at += 1),
        };
    }
    String::from_utf8(out).unwrap_or_else(|_| field.to_owned())
}

fn subids(input: &[u8]) -> Shape {
    let (what, file) = order(input);
    let Ok(text) = std::str::from_utf8(file) else { return Shape::of("no text") };
    let ranges = table::subid_ranges(text);
    let taken: Vec<_> = ranges.iter().map(|(_, start, count)| *start..start.saturating_add(*count)).collect();
    for min in [0, 100_000, u32::MAX] {
        let Some(free) = table::subid_free_start(&taken, 65536, min, u32::MAX) else { continue };
        assert!(free >= min && free.checked_add(65536).is_some());
        assert!(!taken.iter().any(|r| overlap(r, free, 65536)), "what is called free is free");
    }
    let mut columns = what.splitn(3, ':');
    let owner = columns.next().unwrap_or_default();
    let number = |text: Option<&str>| text.and_then(|t| t.parse::<u32>().ok());
    let (Some(start), Some(count)) = (number(columns.next()), number(columns.next())) else {
        return Shape::of("no range").few(ranges.len());
    };
    let has = table::subid_has(text, owner, start, count);
    let after = match table::subid_add(text, owner, start, count) {
        Ok(after) => after,
        Err(EditError::BadKey { .. }) => {
            assert!(owner.is_empty() || owner.contains(['\r', '\n', ':']));
            return Shape::of("no owner");
        }
        Err(EditError::BadValue { .. }) => {
            assert!(count == 0 || start.checked_add(count).is_none());
            return Shape::of("no ids");
        }
        Err(EditError::Overlap { line, .. }) => {
            assert!(line > 0 && !has);
            assert!(taken.iter().any(|r| overlap(r, start, count)), "it does overlap");
            return Shape::of("overlap").few(ranges.len());
        }
        Err(error) => panic!("{error}"),
    };
    assert!(table::subid_has(&after, owner, start, count), "what was added is there");
    assert_eq!(table::subid_add(&after, owner, start, count).as_ref(), Ok(&after), "twice is once");
    assert!(has == (after == text) && (has || !taken.iter().any(|r| overlap(r, start, count))));
    let out = table::subid_remove(&after, owner, start, count);
    assert!(!table::subid_has(&out, owner, start, count), "taken out is taken out");
    if !has {
        assert_eq!(out, text, "out again is as before");
    }
    Shape::of(has).few(ranges.len()).and(text.ends_with('\n')).and(text.contains('\r'))
}

fn overlap(taken: &std::ops::Range<u64>, start: u32, count: u32) -> bool {
    taken.start.max(start.into()) < taken.end.min(u64::from(start) + u64::from(count))
}
