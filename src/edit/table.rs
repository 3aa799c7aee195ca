//! Files with one entry a line: `/etc/fstab`, whose columns white space parts, and `/etc/subuid` and `/etc/subgid`,
//! whose columns `:` parts.
//!
//! An edit adds, changes or takes out whole lines; all other lines keep every byte.

use std::ops::Range;

use super::{EditError, lines};

/// An entry of fstab, its columns decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FstabEntry {
    /// Its line, from one.
    pub line: usize,
    /// All columns: device, mount point, type, options, dump, pass. The last ones may be missing.
    pub fields: Vec<String>,
    /// The line as it stands, without its line end.
    pub text: String,
}

impl FstabEntry {
    /// The options, apart; none if the column is missing.
    #[must_use]
    pub fn options(&self) -> Vec<&str> {
        self.fields.get(3).map(|options| options.split(',').collect()).unwrap_or_default()
    }
}

/// The first entry for a mount point. `/mnt/` and `/mnt` are the same.
#[must_use]
pub fn fstab_entry(text: &str, mount_point: &str) -> Option<FstabEntry> {
    let wanted = place(mount_point);
    fstab_entries(text).map(|(_, entry)| entry).find(|entry| place(&entry.fields[1]) == wanted)
}

/// The text with this line in it: in the place of the entry for the same mount point, else at the end.
///
/// A line whose columns are there already stays as it is written. Entries that have no mount point (`none`, `swap`)
/// are told apart by their device.
///
/// # Errors
/// When the line is not one entry with a device, a mount point and a type.
pub fn fstab_set(text: &str, line: &str) -> Result<String, EditError> {
    let fields = fields(line);
    if line.contains(['\n', '\r']) || fields.len() < 3 {
        let key = fields.get(1).map_or(line, String::as_str).to_owned();
        let why = format!("`{line}` is not one line with a device, a mount point and a type");
        return Err(EditError::BadValue { key, why });
    }
    let same = fstab_entries(text).find(|(_, entry)| identity(&entry.fields) == identity(&fields));
    Ok(match same {
        Some((_, entry)) if entry.fields == fields => text.to_owned(),
        Some((range, _)) => lines::splice(text, range, line),
        None => lines::insert(text, text.len(), line),
    })
}

/// The text without the entries whose first columns are these, as in `["cgroup2", "/sys/fs/cgroup"]`.
#[must_use]
pub fn fstab_unset(text: &str, first_fields: &[&str]) -> String {
    lines::without(text, |line| {
        let fields = fields(line);
        fields.len() >= 2 && !first_fields.is_empty() && fields.len() >= first_fields.len() && {
            fields.iter().zip(first_fields).all(|(found, wanted)| found == wanted)
        }
    })
}

/// The whole line of the first entry for a mount point in the bytes of a file.
///
/// # Errors
/// When the bytes are not UTF-8.
pub fn get_fstab(bytes: &[u8], mount_point: &str) -> Result<Option<String>, EditError> {
    Ok(fstab_entry(lines::utf8(bytes)?, mount_point).map(|entry| entry.text))
}

/// The bytes of a file with a line for a mount point, or with `None` with no entry for it.
///
/// # Errors
/// When the bytes are not UTF-8, or the line is not one entry for this mount point.
pub fn put_fstab(bytes: &[u8], mount_point: &str, line: Option<&str>) -> Result<Vec<u8>, EditError> {
    let text = lines::utf8(bytes)?;
    let is_ours = |line: &str| fields(line).get(1).is_some_and(|found| place(found) == place(mount_point));
    let new = match line {
        None => lines::without(text, is_ours),
        Some(line) if is_ours(line) => fstab_set(text, line)?,
        Some(line) => {
            let why = format!("`{line}` is for another mount point");
            return Err(EditError::BadValue { key: mount_point.to_owned(), why });
        }
    };
    Ok(new.into_bytes())
}

fn fstab_entries(text: &str) -> impl Iterator<Item = (Range<usize>, FstabEntry)> {
    lines::spans(text).enumerate().filter_map(|(nth, (range, line))| {
        let text = lines::content(line);
        let fields = fields(text);
        let range = range.start..range.start + text.len();
        (fields.len() >= 2).then(|| (range, FstabEntry { line: nth + 1, fields, text: text.to_owned() }))
    })
}

/// The columns of a line, none for a comment (libmount `tab_parse.c`: `#` after blanks).
fn fields(line: &str) -> Vec<String> {
    let line = line.trim_start_matches([' ', '\t']);
    if line.starts_with('#') {
        return Vec::new();
    }
    line.split([' ', '\t']).filter(|field| !field.is_empty()).map(decode).collect()
}

/// Undoes fstab's octal escapes: `\040` is a space.
fn decode(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code =
            (first == b'\\').then(|| tail.first_chunk::<3>()).flatten().and_then(|digits| octal(*digits));
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| field.to_owned())
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let digits =
        std::str::from_utf8(&digits).ok().filter(|digits| digits.bytes().all(|d| d.is_ascii_digit()))?;
    u8::from_str_radix(digits, 8).ok()
}

/// A mount point without the slashes at its end.
fn place(mount_point: &str) -> &str {
    match mount_point.trim_end_matches('/') {
        "" if !mount_point.is_empty() => "/",
        trimmed => trimmed,
    }
}

/// What tells one entry from another.
fn identity(fields: &[String]) -> Option<(&str, Option<&str>)> {
    let [device, mount_point, ..] = fields else { return None };
    let is_nowhere = !mount_point.starts_with('/');
    Some((place(mount_point), is_nowhere.then_some(device.as_str())))
}

/// The ranges of subordinate ids as `(owner, start, count)`. Lines that are none are passed over, as shadow does.
#[must_use]
pub fn subid_ranges(text: &str) -> Vec<(String, u32, u32)> {
    subids(text).map(|(_, range)| (range.owner.to_owned(), range.start, range.count)).collect()
}

/// The text with this range in it, at the end if it is not there yet.
///
/// # Errors
/// When the range is none, or overlaps that of another owner.
pub fn subid_add(text: &str, owner: &str, start: u32, count: u32) -> Result<String, EditError> {
    let new = Subid::new(owner, start, count)?;
    if subids(text).any(|(_, range)| range == new) {
        return Ok(text.to_owned());
    }
    new.check_overlap(text)?;
    Ok(lines::insert(text, text.len(), &new.line()))
}

/// The text without this very range.
#[must_use]
pub fn subid_remove(text: &str, owner: &str, start: u32, count: u32) -> String {
    lines::without(text, |line| Subid::parse(line) == Some(Subid { owner, start, count }))
}

/// The first start at or above `floor` of a range of `count` ids that overlaps none of these; `None` if there is no
/// room. `useradd` begins at 100000 (`SUB_UID_MIN` in `/etc/login.defs`).
#[must_use]
pub fn subid_free_start(existing: &[(String, u32, u32)], count: u32, floor: u32) -> Option<u32> {
    let mut taken: Vec<(u64, u64)> = existing
        .iter()
        .map(|&(_, start, count)| (u64::from(start), u64::from(start) + u64::from(count)))
        .collect();
    taken.sort_unstable();
    let mut free = u64::from(floor);
    for (start, end) in taken {
        if free + u64::from(count) <= start {
            break;
        }
        free = free.max(end);
    }
    // The id 2^32 - 1 means "no id" to the kernel.
    u32::try_from(free + u64::from(count)).ok()?;
    u32::try_from(free).ok()
}

/// The first range of an owner in the bytes of a file.
///
/// # Errors
/// When the bytes are not UTF-8.
pub fn get_subid(bytes: &[u8], owner: &str) -> Result<Option<(u32, u32)>, EditError> {
    let found = subids(lines::utf8(bytes)?).find(|(_, range)| range.owner == owner);
    Ok(found.map(|(_, range)| (range.start, range.count)))
}

/// The bytes of a file with this as the owner's first range, or with `None` with no range of that owner.
///
/// An owner's first range is changed in place, further ones stay.
///
/// # Errors
/// When the bytes are not UTF-8, or the range is none, or overlaps that of another owner.
pub fn put_subid(bytes: &[u8], owner: &str, range: Option<(u32, u32)>) -> Result<Vec<u8>, EditError> {
    let text = lines::utf8(bytes)?;
    let Some((start, count)) = range else {
        let is_ours = |line: &str| Subid::parse(line).is_some_and(|range| range.owner == owner);
        return Ok(lines::without(text, is_ours).into_bytes());
    };
    let new = Subid::new(owner, start, count)?;
    let first = subids(text).find(|(_, range)| range.owner == owner);
    let new = match first {
        Some((_, range)) if range == new => text.to_owned(),
        Some((at, _)) => {
            new.check_overlap(text)?;
            lines::splice(text, at, &new.line())
        }
        None => subid_add(text, owner, start, count)?,
    };
    Ok(new.into_bytes())
}

/// The line of the first range of an owner.
pub(super) fn line_of_subid(bytes: &[u8], owner: &str) -> Result<Option<usize>, EditError> {
    let text = lines::utf8(bytes)?;
    let found = subids(text).find(|(_, range)| range.owner == owner);
    Ok(found.map(|(at, _)| lines::number(text, at.start)))
}

/// `start:count`, as in the two last columns.
pub(super) fn parse_range(text: &str, owner: &str) -> Result<(u32, u32), EditError> {
    Subid::parse(&format!("_:{text}")).map(|range| (range.start, range.count)).ok_or_else(|| {
        let why = format!("`{text}` is not `start:count`");
        EditError::BadValue { key: owner.to_owned(), why }
    })
}

#[derive(PartialEq, Eq)]
struct Subid<'a> {
    owner: &'a str,
    start: u32,
    count: u32,
}

impl<'a> Subid<'a> {
    fn new(owner: &'a str, start: u32, count: u32) -> Result<Self, EditError> {
        if owner.is_empty() || owner.contains([':', '\n', '\r']) {
            let why = "an owner is a user name or number, without `:`";
            return Err(EditError::BadKey { key: owner.to_owned(), why });
        }
        if count == 0 || start.checked_add(count).is_none() {
            let why = format!("{count} ids from {start} on are not a range below 2^32");
            return Err(EditError::BadValue { key: owner.to_owned(), why });
        }
        Ok(Self { owner, start, count })
    }

    fn parse(line: &'a str) -> Option<Self> {
        let mut columns = line.split(':');
        let (owner, start, count) = (columns.next()?, columns.next()?, columns.next()?);
        let is_range = columns.next().is_none() && !owner.is_empty();
        is_range.then_some(Self { owner, start: start.parse().ok()?, count: count.parse().ok()? })
    }

    fn line(&self) -> String {
        format!("{}:{}:{}", self.owner, self.start, self.count)
    }

    fn last(&self) -> u32 {
        self.start.saturating_add(self.count.saturating_sub(1))
    }

    /// Refuses ids of somebody else: two users who share ids can touch each other's files.
    fn check_overlap(&self, text: &str) -> Result<(), EditError> {
        let clash = subids(text).find(|(_, other)| {
            other.count > 0
                && other.owner != self.owner
                && other.start <= self.last()
                && self.start <= other.last()
        });
        match clash {
            None => Ok(()),
            Some((at, other)) => Err(EditError::Overlap {
                line: lines::number(text, at.start),
                owner: self.owner.to_owned(),
                other: other.owner.to_owned(),
                start: self.start,
                last: self.last(),
            }),
        }
    }
}

fn subids(text: &str) -> impl Iterator<Item = (Range<usize>, Subid<'_>)> {
    lines::spans(text).filter_map(|(range, line)| {
        let line = lines::content(line);
        Some((range.start..range.start + line.len(), Subid::parse(line)?))
    })
}
