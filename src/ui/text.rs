//! Text that fits its screen.

use std::sync::OnceLock;

use anstyle::Style;

use super::safe::{is_styled, size};
use super::{BOLD, DIM, marks, styled};
use crate::fix::Advice;

/// The width to wrap at: the terminal's, at most 100; `None` if the output is not a terminal, and lines stay whole.
#[must_use]
pub fn width() -> Option<usize> {
    let term = dialoguer::console::Term::stdout();
    term.is_term().then(|| usize::from(term.size().1).clamp(40, 100))
}

/// Breaks text at blanks so that no line is longer than `width`, where one is given. Line breaks that are there stay.
#[must_use]
pub fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return text.lines().map(ToOwned::to_owned).collect() };
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && size(&line) + 1 + size(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The text, or as much of it as fits, with a sign that there is more.
#[must_use]
pub fn shorten(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let end = marks::ellipsis();
    text.chars().take(room.saturating_sub(end.chars().count())).chain(end.chars()).collect()
}

/// As many of the items as fit, and the number of the others.
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

/// Text after a label, later lines indented to it.
pub(super) fn labelled(style: Style, label: &str, text: &str, width: Option<usize>) -> String {
    let indent = label.chars().count() + 1;
    let lines = wrap(text, width.map(|w| w.saturating_sub(indent)));
    format!("{} {}", styled(style, label), lines.join(&format!("\n{:indent$}", "")))
}

/// A row: cells padded to their widths, the last one wrapped in what is left.
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

/// The home directory that the screen shows as `~`.
static HOME: OnceLock<String> = OnceLock::new();

/// Sets the home directory that the screen shows as `~`.
pub fn set_home(home: &str) {
    let _ = HOME.set(format!("{}/", home.trim_end_matches('/')));
}

/// Rows of a label and a text: the labels in one column, each text wrapped beside it. A text in backticks from end to end is
/// one command. An empty label continues the row above.
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

/// The text with `~` for the home directory and the unit's name, which is what `systemctl status` takes, for the path of
/// its cgroup.
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
    // The one other character in texts of ours.
    if marks::is_ascii() { text.replace('…', marks::ellipsis()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::{rows_within, short_paths, wrap, wrap_command};
    use crate::ui::safe::shown;

    #[test]
    fn the_cgroup_of_a_unit_is_shown_by_the_name_of_the_unit() {
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
    fn without_a_terminal_lines_stay_whole() {
        assert_eq!(wrap("a b c", None), ["a b c"]);
    }

    #[test]
    fn labels_stand_in_one_column_and_texts_are_wrapped_beside_it() {
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
