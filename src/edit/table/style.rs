//! The format and place of a new line in fstab, so that it looks like its neighbors.

use std::ops::Range;

use super::fields;
use crate::edit::lines;
use crate::edit::note::NOTE;

/// The distance of tab stops.
const TAB: usize = 8;

/// The gap between two cells of a row: its text, and the columns at which both begin.
struct ColumnGap {
    text: String,
    from: usize,
    to: usize,
}

/// The line with its cells aligned to those of the other entries.
pub(super) fn aligned(text: &str, line: &str) -> String {
    let rows = lines::spans(text).map(|(_, line)| lines::content(line));
    let rows: Vec<Vec<ColumnGap>> = rows.filter(|row| fields(row).len() > 2).map(gaps).collect();
    let is_table = rows.iter().flatten().any(|gap| gap.text != " ");
    let mut written = String::new();
    let mut start = 0;
    for (nth, cell) in cells(line).enumerate() {
        if let Some(before) = nth.checked_sub(1) {
            let others: Vec<&ColumnGap> = rows.iter().filter_map(|row| row.get(before)).collect();
            let separator =
                if is_table { separator(&others, start, width(&written)) } else { " ".to_owned() };
            written.push_str(&separator);
        }
        start = width(&written);
        written.push_str(&line[cell]);
    }
    written
}

/// The separator after a cell from `start` to `end`, if the other rows have these gaps there.
fn separator(others: &[&ColumnGap], start: usize, end: usize) -> String {
    let Some(last) = others.last() else { return " ".to_owned() };
    let has_tab = last.text.contains('\t');
    let single = if has_tab { "\t" } else { " " };
    let is_ragged = others.iter().any(|gap| gap.to != last.to);
    if is_ragged && others.iter().all(|gap| gap.text == single) {
        return single.to_owned();
    }
    let column = most(&others.iter().map(|gap| gap.to));
    // A cell that is longer than those above it gets the same distance.
    let target =
        if column > end { column } else { start + most(&others.iter().map(|gap| gap.to - gap.from)) };
    if target <= end {
        return single.to_owned();
    }
    let stops = if has_tab { target / TAB - end / TAB } else { 0 };
    let reached = if stops > 0 { target / TAB * TAB } else { end };
    "\t".repeat(stops) + &" ".repeat(target - reached)
}

/// The most frequent number; of several, the last one.
fn most(numbers: &(impl Iterator<Item = usize> + Clone)) -> usize {
    let count = |number: usize| numbers.clone().filter(|other| *other == number).count();
    numbers.clone().max_by_key(|number| count(*number)).unwrap_or_default()
}

fn gaps(row: &str) -> Vec<ColumnGap> {
    let cells: Vec<_> = cells(row).collect();
    let gap = |pair: &[Range<usize>]| ColumnGap {
        text: row[pair[0].end..pair[1].start].to_owned(),
        from: width(&row[..pair[0].start]),
        to: width(&row[..pair[1].start]),
    };
    cells.windows(2).map(gap).collect()
}

fn cells(row: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + row[at..].find(|c| c != ' ' && c != '\t')?;
        at = row[start..].find([' ', '\t']).map_or(row.len(), |end| start + end);
        Some(start..at)
    })
}

/// The width of a text in columns.
fn width(text: &str) -> usize {
    text.chars().fold(0, |at, c| if c == '\t' { (at / TAB + 1) * TAB } else { at + 1 })
}

/// The text with a new line as a separate group: above a modeline, after a blank line if the file has those, and with
/// the comment if the file has other lines.
pub(super) fn with_group(text: &str, line: &str) -> String {
    let eol = lines::eol(text);
    let is_blank = |line: &str| line.trim().is_empty();
    if is_blank(text) {
        return lines::insert(text, text.len(), line);
    }
    let at = lines::modeline(text).unwrap_or(text.len());
    let has_blanks = text.trim().lines().any(is_blank);
    let is_apart = text[..at].lines().next_back().is_none_or(is_blank);
    let blank_above = if has_blanks && !is_apart { eol } else { "" };
    let blank_below = if at < text.len() && has_blanks { eol } else { "" };
    lines::insert(text, at, &format!("{blank_above}{NOTE}{eol}{line}{blank_below}"))
}
