//! Files with one entry per line: `/etc/fstab`, with columns separated by white space, and `/etc/subuid` and
//! `/etc/subgid`, with columns separated by `:`.
//!
//! An edit adds, changes or removes whole lines; all other lines keep every byte, in any encoding.

mod style;

use std::ops::Range;

use super::{EditError, lines, note};

/// An entry of fstab with decoded columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FstabEntry {
    /// Its line, counted from 1.
    pub line: usize,
    /// All columns: device, mount point, type, options, dump, pass. The last ones may be missing.
    pub fields: Vec<String>,
    /// The line as written, without its line end.
    pub text: String,
}

/// Every entry, in the order of the file.
#[must_use]
pub fn fstab_list(text: &str) -> Vec<FstabEntry> {
    fstab_entries(text).map(|(_, entry)| entry).collect()
}

/// The first entry for a mount point. `/mnt/` and `/mnt` are the same.
#[must_use]
pub fn fstab_entry(text: &str, mount_point: &str) -> Option<FstabEntry> {
    let wanted = place(mount_point);
    fstab_entries(text).map(|(_, entry)| entry).find(|entry| place(&entry.fields[1]) == wanted)
}

/// The text with this line: in place of the entry for the same mount point, otherwise at the end.
///
/// An existing line with the same columns stays as written. Entries without a mount point (`none`, `swap`) are
/// identified by their device.
///
/// # Errors
/// The line is not one entry with a device, a mount point and a type.
pub fn fstab_set(text: &str, line: &str) -> Result<String, EditError> {
    let fields = fields(line);
    if line.contains(['\n', '\r']) || fields.len() < 3 {
        let key = fields.get(1).map_or(line, String::as_str).to_owned();
        let why = format!("`{line}` is not one line with a device, a mount point and a type");
        return Err(EditError::BadValue { key, why });
    }
    if has_fields(text, &fields) {
        return Ok(text.to_owned());
    }
    let same = fstab_entries(text).find(|(_, entry)| identity(&entry.fields) == identity(&fields));
    Ok(match same {
        Some((range, _)) => lines::splice(text, range, line),
        None => lines::insert(text, text.len(), line),
    })
}

/// The whole line of the first entry for a mount point in the bytes of a file.
///
/// # Errors
/// None; the signature is that of its siblings for the other formats.
pub fn get_fstab(bytes: &[u8], mount_point: &str) -> Result<Option<String>, EditError> {
    Ok(fstab_entry(&lines::lenient(bytes), mount_point).map(|entry| entry.text))
}

/// Whether one of the entries has the columns of this line, with any separators.
///
/// # Errors
/// None; the signature is that of its siblings for the other formats.
pub fn has_fstab(bytes: &[u8], line: &str) -> Result<bool, EditError> {
    Ok(has_fields(&lines::lenient(bytes), &fields(line)))
}

fn has_fields(text: &str, wanted: &[String]) -> bool {
    fstab_entries(text).any(|(_, entry)| entry.fields == wanted)
}

/// The bytes of a file with a line for a mount point; `None` removes the entry.
///
/// # Errors
/// The line is not one entry for this mount point.
pub fn put_fstab(bytes: &[u8], mount_point: &str, line: Option<&str>) -> Result<Vec<u8>, EditError> {
    let text = lines::lenient(bytes);
    let is_ours = |line: &str| fields(line).get(1).is_some_and(|found| place(found) == place(mount_point));
    let new = match line {
        None => lines::without(&text, is_ours),
        Some(line) if is_ours(line) => fstab_set(&text, line)?,
        Some(line) => {
            let why = format!("`{line}` is for another mount point");
            return Err(EditError::BadValue { key: mount_point.to_owned(), why });
        }
    };
    Ok(lines::bytes(&new))
}

/// The bytes of a file with a new line, formatted like its neighbors: in place of the entry for the same mount point,
/// otherwise as a separate group with the comment.
///
/// # Errors
/// The line is not one entry for this mount point.
pub fn add_fstab(bytes: &[u8], mount_point: &str, line: &str) -> Result<Vec<u8>, EditError> {
    let text = lines::lenient(bytes);
    let line = if has_fields(&text, &fields(line)) { line.to_owned() } else { style::aligned(&text, line) };
    match fstab_entry(&text, mount_point) {
        Some(_) => put_fstab(bytes, mount_point, Some(&line)),
        None => Ok(lines::bytes(&style::with_group(&text, &line))),
    }
}

/// The bytes of a file with this very line replaced, or removed for `None`, including the comment above it.
#[must_use]
pub fn replace_fstab(bytes: &[u8], own_line: &str, new: Option<&str>) -> Vec<u8> {
    let mut text = lines::lenient(bytes);
    let wanted = fields(own_line);
    let found: Vec<_> = fstab_entries(&text).filter(|(_, entry)| entry.fields == wanted).collect();
    for (range, _) in found.into_iter().rev() {
        text = if let Some(new) = new {
            lines::splice(&text, range, new)
        } else {
            let end = lines::end(&text, range.start);
            lines::remove(&text, note::start(&text, range.start)..end)
        };
    }
    lines::bytes(&text)
}

/// An entry for a cgroup file system as it may be published; `None` for any other line.
pub(super) fn fstab_shown(line: &str) -> Option<String> {
    const WORDS: [&str; 21] = [
        "cgroup2",
        "cgroup",
        "tmpfs",
        "none",
        "rw",
        "ro",
        "defaults",
        "nosuid",
        "nodev",
        "noexec",
        "relatime",
        "noatime",
        "nsdelegate",
        "memory_recursiveprot",
        "nofail",
        "noauto",
        "auto",
        "remount",
        "bind",
        "0",
        "1",
    ];
    let fields = fields(line);
    let point =
        fields.get(1).filter(|point| ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].contains(&place(point)))?;
    let is_known = |field: &String| field == point || field.split(',').all(|word| WORDS.contains(&word));
    if !line.contains('\\') && fields.iter().all(is_known) {
        return Some(line.to_owned());
    }
    let known = fields.iter().map(|field| if is_known(field) { field.as_str() } else { "hidden" });
    Some(known.collect::<Vec<_>>().join(" "))
}

fn fstab_entries(text: &str) -> impl Iterator<Item = (Range<usize>, FstabEntry)> {
    lines::spans(text).enumerate().filter_map(|(nth, (range, line))| {
        let text = lines::content(line);
        let fields = fields(text);
        let range = range.start..range.start + text.len();
        (fields.len() >= 2).then(|| (range, FstabEntry { line: nth + 1, fields, text: text.to_owned() }))
    })
}

/// The columns of a line; empty for a comment (libmount `tab_parse.c`: `#` after blanks).
fn fields(line: &str) -> Vec<String> {
    let line = line.trim_start_matches([' ', '\t']);
    if line.starts_with('#') {
        return Vec::new();
    }
    line.split([' ', '\t']).filter(|field| !field.is_empty()).map(decode).collect()
}

/// Decodes the octal escapes of fstab and `/proc/mounts`: `\040` is a space.
pub(crate) fn decode(field: &str) -> String {
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

/// A mount point without trailing slashes.
fn place(mount_point: &str) -> &str {
    match mount_point.trim_end_matches('/') {
        "" if !mount_point.is_empty() => "/",
        trimmed => trimmed,
    }
}

/// The key of an entry.
fn identity(fields: &[String]) -> Option<(&str, Option<&str>)> {
    let [device, mount_point, ..] = fields else { return None };
    let is_nowhere = !mount_point.starts_with('/');
    Some((place(mount_point), is_nowhere.then_some(device.as_str())))
}

/// The ranges of subordinate IDs as `(owner, start, count)`; lines without one are skipped, as shadow skips them.
#[must_use]
pub fn subid_ranges(text: &str) -> Vec<(String, u64, u64)> {
    subids(text).map(|(_, range)| (range.owner.to_owned(), range.start, range.count)).collect()
}

/// The text with this range added at the end, unless it exists. No other line changes.
///
/// # Errors
/// The range is invalid, or overlaps another one.
pub fn subid_add(text: &str, owner: &str, start: u32, count: u32) -> Result<String, EditError> {
    let new = Subid::new(owner, start, count)?;
    if subid_has(text, owner, start, count) {
        return Ok(text.to_owned());
    }
    new.check_overlap(text)?;
    Ok(lines::insert(text, text.len(), &new.line()))
}

/// Whether the text has this very range.
#[must_use]
pub fn subid_has(text: &str, owner: &str, start: u32, count: u32) -> bool {
    let wanted = subid_line(owner, start, count);
    lines::spans(text).any(|(_, line)| lines::content(line) == wanted)
}

/// The text without this very range. No other line changes.
#[must_use]
pub fn subid_remove(text: &str, owner: &str, start: u32, count: u32) -> String {
    let own_line = subid_line(owner, start, count);
    lines::without(text, |line| line == own_line)
}

/// The first start from `min` on of `count` IDs that are at most `max` and overlap none of these ranges.
#[must_use]
pub fn subid_free_start(taken: &[Range<u64>], count: u32, min: u32, max: u32) -> Option<u32> {
    let mut taken = taken.to_vec();
    taken.sort_unstable_by_key(|range| range.start);
    let mut free = u64::from(min);
    for range in taken.iter().filter(|range| !range.is_empty()) {
        if free.saturating_add(count.into()) <= range.start {
            break;
        }
        free = free.max(range.end);
    }
    // The kernel reserves 2^32 - 1 for "no ID".
    let max = max.min(u32::MAX - 1);
    (free.saturating_add(count.into()) <= u64::from(max) + 1).then(|| u32::try_from(free).ok()).flatten()
}

/// A range as it may be published, without the names of other owners. `None` for a line without a range.
pub(super) fn subid_shown(line: &str, user: &str) -> Option<String> {
    let range = Subid::parse(line)?;
    let is_number = range.owner.len() <= 10 && range.owner.bytes().all(|b| b.is_ascii_digit());
    let owner = if range.owner == user || is_number { range.owner } else { "other" };
    Some(Subid { owner, ..range }.line())
}

fn subid_line(owner: &str, start: u32, count: u32) -> String {
    format!("{owner}:{start}:{count}")
}

struct Subid<'a> {
    owner: &'a str,
    start: u64,
    count: u64,
}

impl<'a> Subid<'a> {
    fn new(owner: &'a str, start: u32, count: u32) -> Result<Self, EditError> {
        if owner.is_empty() || owner.contains([':', '\n', '\r']) {
            let why = "an owner is a user name or number, without `:`";
            return Err(EditError::BadKey { key: owner.to_owned(), why });
        }
        if count == 0 || start.checked_add(count).is_none() {
            let why = format!("{count} IDs from {start} on are not a range below 2^32");
            return Err(EditError::BadValue { key: owner.to_owned(), why });
        }
        Ok(Self { owner, start: start.into(), count: count.into() })
    }

    /// Accepts the same as shadow (`lib/subordinate_io.c`, `subordinate_parse`): further columns are ignored, numbers
    /// have up to 64 bits and may be hexadecimal or octal. A range that shadow grants must not be granted again.
    fn parse(line: &'a str) -> Option<Self> {
        let mut columns = line.split(':');
        let (owner, start, count) = (columns.next()?, columns.next()?, columns.next()?);
        (!owner.is_empty()).then_some(Self { owner, start: c_number(start)?, count: c_number(count)? })
    }

    fn line(&self) -> String {
        format!("{}:{}:{}", self.owner, self.start, self.count)
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.count)
    }

    /// Refuses IDs of another owner: two users who share IDs can access each other's files, and the kernel refuses a
    /// map with the same ID twice.
    fn check_overlap(&self, text: &str) -> Result<(), EditError> {
        let overlaps = |other: &Subid<'_>| other.start < self.end() && self.start < other.end();
        let clash = subids(text).find(|(_, other)| other.count > 0 && overlaps(other));
        match clash {
            None => Ok(()),
            Some((at, other)) => Err(EditError::Overlap {
                line: lines::number(text, at.start),
                owner: self.owner.to_owned(),
                other: other.owner.to_owned(),
                start: self.start,
                last: self.end() - 1,
            }),
        }
    }
}

/// A number as `strtoull` reads it with base 0.
pub(crate) fn c_number(text: &str) -> Option<u64> {
    let digits = text.trim_start().trim_start_matches('+');
    let is_digits = |d: &str| !d.is_empty() && d.bytes().all(|b| b.is_ascii_alphanumeric());
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    u64::from_str_radix(digits, radix).ok().filter(|_| is_digits(digits))
}

fn subids(text: &str) -> impl Iterator<Item = (Range<usize>, Subid<'_>)> {
    lines::spans(text).filter_map(|(range, line)| {
        let line = lines::content(line);
        Some((range.start..range.start + line.len(), Subid::parse(line)?))
    })
}
