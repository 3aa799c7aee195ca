//! Text layout: wrapping, columns, short paths.

use std::sync::OnceLock;

use anstyle::Style;

use super::safe::{is_styled, size};
use super::{BOLD, DIM, marks, styled};
use crate::fix::Advice;

/// The wrap width: the terminal's, at most 100; `None` (no wrapping) if the output is not a terminal.
#[must_use]
pub fn width() -> Option<usize> {
    let term = dialoguer::console::Term::stdout();
    term.is_term().then(|| usize::from(term.size().1).clamp(40, 100))
}

/// Breaks text at blanks so that no line is longer than `width`. Keeps existing line breaks, and commands on one line.
#[must_use]
pub fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return text.lines().map(ToOwned::to_owned).collect() };
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for unit in units(paragraph, width) {
            if !line.is_empty() && size(&line) + 1 + size(&unit) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&unit);
        }
        lines.push(line);
    }
    lines
}

/// The programs of commands that follow a colon: `Undo: kind-wsl undo`.
const PROGRAMS: [&str; 4] = ["kind-wsl", "sudo", "wsl", "wsl.exe"];

/// The words of a paragraph; a command that fits on a line is one word. Commands are in backticks or follow a colon, up to a
/// double blank or a closing sign.
fn units(paragraph: &str, width: usize) -> Vec<String> {
    let words: Vec<&str> = paragraph.split(' ').collect();
    let mut units: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let opens = word.trim_start_matches('(').starts_with('`') && word.matches('`').count() == 1;
        let is_command = PROGRAMS.contains(word) && units.last().is_some_and(|last| last.ends_with(':'));
        let rest = &words[at + 1..];
        let more = if opens {
            rest.iter().position(|word| word.contains('`')).map_or(0, |end| end + 1)
        } else if is_command {
            let blank = rest.iter().position(|word| word.is_empty()).unwrap_or(rest.len());
            let sign = rest.iter().position(|word| word.ends_with([',', ';', '.', ')']));
            sign.map_or(blank, |sign| blank.min(sign + 1))
        } else {
            0
        };
        let unit = words[at..=at + more].join(" ");
        if size(&unit) <= width {
            units.push(unit);
            at += more + 1;
        } else {
            units.push((*word).to_owned());
            at += 1;
        }
    }
    units
}

/// Cuts the text to `room` columns, with an ellipsis.
#[must_use]
pub fn shorten(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let end = marks::ellipsis();
    text.chars().take(room.saturating_sub(end.chars().count())).chain(end.chars()).collect()
}

/// Joins as many items as fit, with the number of the others.
#[must_use]
pub fn list(items: &[String], room: Option<usize>) -> String {
    let all = items.len();
    let some = |count: usize| {
        let text = items[..count].join(", ");
        if count < all { format!("{text}, and {} more", all - count) } else { text }
    };
    let Some(room) = room else { return some(all) };
    let fits = (1..=all).rev().map(some).find(|text| text.chars().count() <= room);
    fits.unwrap_or_else(|| {
        let Some(first) = items.first() else { return String::new() };
        let more = if all > 1 { format!(", and {} more", all - 1) } else { String::new() };
        shorten(&format!("{}{more}", shorten(first, room.saturating_sub(more.len()))), room)
    })
}

/// Text after a label; continuation lines are indented.
pub(super) fn labelled(style: Style, label: &str, text: &str, width: Option<usize>) -> String {
    let indent = label.chars().count() + 1;
    let lines = wrap(text, width.map(|w| w.saturating_sub(indent)));
    format!("{} {}", styled(style, label), lines.join(&format!("\n{:indent$}", "")))
}

/// A row of cells padded to their widths; the last cell is wrapped.
#[must_use]
pub fn columns(cells: &[(&str, usize, Style)], last: &str, width: Option<usize>) -> String {
    let mut row = String::new();
    let mut indent = 0;
    for (text, size, style) in cells {
        let pad = size.saturating_sub(self::size(text));
        row.push_str(&styled(*style, text));
        row.extend(std::iter::repeat_n(' ', pad));
        indent += *size.max(&self::size(text));
    }
    let last = if width.is_some() { short_paths(last) } else { last.to_owned() };
    let lines = wrap(&last, width.map(|w| w.saturating_sub(indent).max(20)));
    row.push_str(&lines.join(&format!("\n{:indent$}", "")));
    row
}

/// The home directory, shown as `~`.
static HOME: OnceLock<String> = OnceLock::new();

/// Sets the home directory to show as `~`.
pub fn set_home(home: &str) {
    let _ = HOME.set(format!("{}/", home.trim_end_matches('/')));
}

/// Rows of a label and a text: labels in one column, each text wrapped beside it. A text that is entirely in backticks is
/// a command. An empty label continues the row above.
#[must_use]
pub fn rows<L: AsRef<str>, T: AsRef<str>>(indent: usize, rows: &[(L, T)]) -> String {
    rows_within(width(), indent, rows)
}

fn rows_within<L: AsRef<str>, T: AsRef<str>>(width: Option<usize>, indent: usize, rows: &[(L, T)]) -> String {
    let first = rows.iter().map(|(label, _)| size(label.as_ref())).max().unwrap_or_default() + 2;
    let row = |(label, text): &(L, T)| {
        let (label, text) = (label.as_ref(), text.as_ref());
        let room = width.map(|width| width.saturating_sub(indent + first).max(20));
        let lines = match Advice::from(text) {
            Advice::Command(line) => {
                wrap_command(&line, room).iter().map(|line| styled(BOLD, line)).collect()
            }
            Advice::Sentence(text) if width.is_some() => wrap(&short_paths(&text), room),
            Advice::Sentence(text) => wrap(&text, room),
        };
        let (padding, below) = (first - size(label), indent + first);
        let label = if is_styled(label) { label.to_owned() } else { styled(DIM, label) };
        let text = lines.join(&format!("\n{:below$}", ""));
        format!("{:indent$}{label}{:padding$}{text}", "", "")
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Breaks a command line at blanks outside of quotes, so that a shell reads the lines as one command.
fn wrap_command(line: &str, width: Option<usize>) -> Vec<String> {
    let width = width.filter(|width| line.chars().count() > *width);
    let Some(width) = width else { return vec![line.to_owned()] };
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match quote {
            None if c == ' ' => {
                words.push(String::new());
                continue;
            }
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let mut words = words.into_iter();
    let mut lines = Vec::new();
    let mut line = words.next().unwrap_or_default();
    for word in words {
        if line.chars().count() + 1 + word.chars().count() + " \\".len() > width {
            lines.push(format!("{line} \\"));
            line = format!("  {word}");
        } else {
            line.extend([" ", &word]);
        }
    }
    lines.push(line);
    lines
}

/// Shortens the home directory to `~`, and the cgroup path of a unit to the unit name, as `systemctl status` takes it.
#[must_use]
pub fn short_paths(text: &str) -> String {
    let home = HOME.get().map_or("", String::as_str);
    let short = |word: &str| {
        let (quote, path) = word.split_at(word.len() - word.trim_start_matches(['`', '(', '"', '[']).len());
        if let Some(rest) = path.strip_prefix(home).filter(|_| !home.is_empty()) {
            return format!("{quote}~/{rest}");
        }
        let (path, rest) = word.split_at(word.trim_end_matches([',', ':', ';', '.', ')']).len());
        let unit = path.strip_prefix("/sys/fs/cgroup/").and_then(|path| path.rsplit('/').next());
        let is_unit = |name: &&str| [".service", ".scope", ".slice"].iter().any(|end| name.ends_with(end));
        unit.filter(is_unit).map_or_else(|| word.to_owned(), |unit| format!("{unit}{rest}"))
    };
    let text = text.split(' ').map(short).collect::<Vec<_>>().join(" ");
    // A cell must have its final width here.
    if marks::is_ascii() { text.replace('…', marks::ellipsis()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::{rows_within, short_paths, wrap, wrap_command};
    use crate::ui::safe::shown;

    #[test]
    fn the_cgroup_of_a_unit_is_shown_as_the_unit_name() {
        let text =
            "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service has cpu; /sys/fs/cgroup is v2";
        assert_eq!(short_paths(text), "user@1000.service has cpu; /sys/fs/cgroup is v2");
        assert_eq!(short_paths("in /sys/fs/cgroup/a.slice: x"), "in a.slice: x");
    }

    #[test]
    fn no_line_is_longer_than_the_width_and_no_word_is_lost() {
        let text = "one two three four five six";
        let lines = wrap(text, Some(9));
        assert!(lines.iter().all(|l| l.len() <= 9), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_command_is_not_wrapped() {
        let text = "The cluster stops with it. To keep it running: kind-wsl setup --only idle --idle";
        let long = "run `kind-wsl setup --only crun --crun-version 1.30.1` (or `kind-wsl crun list`), then try again";
        let two = "12 of 21 changes were applied. Resume: kind-wsl setup   Revert: kind-wsl undo";
        for width in 50..100 {
            for (text, commands) in [
                (text, &["kind-wsl setup --only idle --idle"][..]),
                (long, &["`kind-wsl setup --only crun --crun-version 1.30.1`", "`kind-wsl crun list`"]),
                (two, &["Resume: kind-wsl setup", "kind-wsl undo"]),
            ] {
                let lines = wrap(text, Some(width));
                assert!(lines.iter().all(|line| line.len() <= width), "{width}: {lines:?}");
                for command in commands.iter().map(|command| command.trim_start_matches("Resume: ")) {
                    assert!(lines.iter().any(|line| line.contains(command)), "{width}: {command}: {lines:?}");
                }
            }
        }
        assert_eq!(wrap("`a command that does not fit`", Some(12)).len(), 3);
    }

    #[test]
    fn without_a_terminal_lines_stay_whole() {
        assert_eq!(wrap("a b c", None), ["a b c"]);
    }

    #[test]
    fn labels_are_in_one_column_and_texts_are_wrapped_beside_it() {
        let text = |rows: &[(&str, &str)]| {
            anstream::adapter::strip_str(&shown(&rows_within(Some(30), 2, rows))).to_string()
        };
        let seen = text(&[("Fix", "open a new terminal, or restart"), ("Verify", "`podman info`")]);
        let wanted = "  Fix     open a new terminal,\n          or restart\n  Verify  podman info";
        assert_eq!(seen, wanted);
        let long = text(&[("Fix", "`sudo apt-get install --reinstall podman`")]);
        let wanted = "  Fix  sudo apt-get install \\\n         --reinstall podman";
        assert_eq!(long, wanted);
    }

    #[test]
    fn a_command_is_broken_so_that_a_shell_reads_it_as_one() {
        let line = "podman info --format '{{.Host.CgroupControllers}} {{.Host.Arch}}' --log-level debug";
        let lines = wrap_command(line, Some(40));
        assert!(lines.len() > 2, "{lines:?}");
        let (last, broken) = lines.split_last().unwrap();
        let broken: Vec<_> = broken.iter().map(|l| l.strip_suffix('\\').unwrap().trim()).collect();
        assert_eq!([broken.as_slice(), &[last.trim()]].concat().join(" "), line);
        assert!(lines.iter().any(|l| l.contains("}} {{")), "a quoted text stays whole: {lines:?}");
        assert_eq!(wrap_command(line, None), [line]);
    }
}
