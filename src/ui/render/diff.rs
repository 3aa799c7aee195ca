//! File diffs on the screen.

use std::fmt::Write;

use anstyle::Style;
use similar::{ChangeTag, TextDiff};

use crate::plan::FileDiff;
use crate::ui::{BOLD, DIM, GREEN, RED, one_line, styled, width};

/// The characters of a line that are shown if the output is not a terminal.
const LONGEST: usize = 500;
/// The note of diff(1).
const NO_NEWLINE: &str = "\\ No newline at end of file";

/// The diff of a file as removed and added lines. The encoding and other invisible properties follow the file name.
#[must_use]
pub fn diff(file: &FileDiff) -> String {
    let before = file.before.as_deref().unwrap_or_default();
    let mut notes: Vec<&str> = file.before.is_none().then_some("new").into_iter().collect();
    notes.extend(file.encoding.as_deref());
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let name = styled(BOLD, &one_line(file.path.as_str()));
    format!("{name}{notes}\n{}", lines(before, &file.after))
}

/// The lines that differ, with two lines of context.
#[must_use]
pub fn lines(before: &str, after: &str) -> String {
    // The byte order mark is noted as part of the encoding.
    let [before, after] = [before, after].map(|text| text.trim_start_matches('\u{feff}'));
    let mut text = String::new();
    let diff = TextDiff::from_lines(before, after);
    let room = width().map_or(LONGEST, |width| width.saturating_sub(2));
    for (index, group) in diff.grouped_ops(2).into_iter().enumerate() {
        if index > 0 {
            text.push_str("  …\n");
        }
        for op in group {
            let all: Vec<_> = diff.iter_changes(&op).map(|change| (change.tag(), change.value())).collect();
            let of =
                |wanted: ChangeTag| all.iter().filter(move |(tag, _)| *tag == wanted).map(|(_, line)| *line);
            of(ChangeTag::Equal).for_each(|line| show(&mut text, DIM, "  ", line, 0, room));
            let pairs = of(ChangeTag::Delete).zip(of(ChangeTag::Insert));
            let differs: Vec<usize> = pairs.map(|(old, new)| common(old, new)).collect();
            for (tag, style, sign) in [(ChangeTag::Delete, RED, "- "), (ChangeTag::Insert, GREEN, "+ ")] {
                for (nth, line) in of(tag).enumerate() {
                    show(&mut text, style, sign, line, differs.get(nth).copied().unwrap_or_default(), room);
                }
            }
        }
    }
    text
}

/// The length of the common prefix of two lines, in characters.
fn common(old: &str, new: &str) -> usize {
    old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count()
}

/// Adds a line. A long line is cut to the part where it `differs` from the other side.
fn show(text: &mut String, style: Style, sign: &str, line: &str, differs: usize, room: usize) {
    let content = line.trim_end_matches(['\n', '\r']);
    let shown = excerpt(content, differs, room);
    let _ = writeln!(text, "{}", styled(style, &format!("{sign}{shown}")));
    if !line.ends_with('\n') {
        let _ = writeln!(text, "{}", styled(DIM, NO_NEWLINE));
    }
}

fn excerpt(line: &str, differs: usize, room: usize) -> String {
    let length = line.chars().count();
    if length <= room {
        return line.to_owned();
    }
    let note = format!(" ({length} characters)");
    let room = room.saturating_sub(note.chars().count() + 2).max(1);
    let start = if differs < room { 0 } else { (differs - room / 4).min(length - room) };
    let part: String = line.chars().skip(start).take(room).collect();
    let [left, right] = [start > 0, start + room < length].map(|is_cut| if is_cut { "…" } else { "" });
    format!("{left}{part}{right}{note}")
}

#[cfg(test)]
mod tests {
    use super::{diff, excerpt, lines};
    use crate::plan::FileDiff;
    use crate::ui::picture;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(&text.replace('\u{fdd0}', "\x1b")).to_string()
    }

    #[test]
    fn a_missing_final_newline_is_shown_as_diff_shows_it() {
        assert_eq!(plain(&lines("a\nb", "a\nb\nc\n")), "  a\n- b\n\\ No newline at end of file\n+ b\n+ c\n");
        assert_eq!(plain(&lines("", "a")), "+ a\n\\ No newline at end of file\n");
        assert_eq!(plain(&lines("x\nb", "y\nb")), "- x\n+ y\n  b\n\\ No newline at end of file\n");
    }

    #[test]
    fn a_long_line_is_cut_around_what_differs() {
        let long = "word ".repeat(200_000);
        let shown = plain(&lines(&format!("{long}\nx=1\n"), &format!("{long}new\nx=1\n")));
        assert!(shown.len() < 2000, "{}", shown.len());
        assert!(shown.contains("word new (1000003 characters)\n"), "{shown}");
        assert!(shown.starts_with("- …") && shown.contains("\n+ …"), "{shown}");
        assert_eq!(excerpt("short", 3, 5), "short");
        assert_eq!(excerpt(&"x".repeat(100), 0, 40), format!("{}… (100 characters)", "x".repeat(21)));
        assert!(excerpt(&"é".repeat(100), 50, 40).chars().count() <= 40);
    }

    #[test]
    fn the_encoding_is_shown_beside_the_file_name() {
        let file = FileDiff {
            path: "/mnt/c/Users/dev/.wslconfig".into(),
            before: Some("\u{feff}[wsl2]\r\n".to_owned()),
            after: "\u{feff}[wsl2]\r\nmemory=4GB\r\n".to_owned(),
            encoding: Some("UTF-8 with byte order mark, CRLF line ends".to_owned()),
        };
        let shown = plain(&diff(&file));
        assert_eq!(
            shown,
            "/mnt/c/Users/dev/.wslconfig (UTF-8 with byte order mark, CRLF line ends)\n  [wsl2]\n+ memory=4GB\n"
        );
        assert!(!picture(&lines("", "a\u{1b}[2Jb\n")).contains('\u{1b}'));
    }
}
