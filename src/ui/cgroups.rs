//! The cgroup tree as a table.

use std::fmt::Write as _;

use anstyle::Style;

use super::{BOLD, CYAN, DIM, RED, shorten, styled, wrap};
use crate::inspect::view::{Row, RowKind};

/// The headings of the columns after the first.
const HEADINGS: [&str; 4] = ["MEMORY", "CPU", "TASKS", "PROCESSES"];

/// The least number of characters of a path that is shown beside a label.
const SHORTEST: usize = 6;

/// The lines of the table, the heading first, cut to `width`.
#[must_use]
pub fn table(rows: &[Row], width: Option<usize>) -> Vec<String> {
    let cgroups = || rows.iter().filter(|row| matches!(row.kind, RowKind::Cgroup(_)));
    let chars = |text: &str| text.chars().count();
    let name = |row: &Row| {
        let label = if row.label.is_empty() { 0 } else { chars(&row.label) + 2 };
        chars(&row.stem) + chars(&row.name) + label
    };
    let widest = cgroups().map(name).max().unwrap_or(0).max(6);
    let usage: [usize; 3] = std::array::from_fn(|column| {
        cgroups().map(|row| chars(&row.usage[column])).max().unwrap_or(0).max(HEADINGS[column].len())
    });
    let figures: usize = usage.iter().map(|size| size + 2).sum();
    // The last column is at least as wide as its heading.
    let others = figures + 2 + HEADINGS[3].len();
    let first = width.map_or(widest, |width| widest.min(width.saturating_sub(others).max(16)));
    let rest = width.map(|width| width.saturating_sub(first + figures + 2));
    let shape = TableShape { first, usage, rest, width };
    let mut table = vec![shape.heading()];
    for row in rows {
        table.extend(shape.row(row));
    }
    table
}

struct TableShape {
    first: usize,
    usage: [usize; 3],
    /// The width of the last column.
    rest: Option<usize>,
    width: Option<usize>,
}

impl TableShape {
    fn heading(&self) -> String {
        let mut head = format!("{:first$}", "NAME", first = self.first);
        for (size, name) in self.usage.iter().zip(HEADINGS) {
            let _ = write!(head, "  {name:>size$}");
        }
        styled(DIM, format!("{head}  {}", HEADINGS[3]).trim_end())
    }

    fn row(&self, row: &Row) -> Vec<String> {
        match row.kind {
            RowKind::Cgroup(_) => vec![self.cgroup(row)],
            RowKind::Info => self.text(row, DIM),
            RowKind::Fault => self.text(row, RED),
            RowKind::Process | RowKind::Hidden => {
                let room = self.width.map(|width| width.saturating_sub(row.stem.chars().count()));
                let text = room.map_or_else(|| row.name.clone(), |room| shorten(&row.name, room));
                let style = if row.kind == RowKind::Hidden { DIM } else { Style::new() };
                vec![format!("{}{}", styled(DIM, &row.stem), styled(style, &text))]
            }
        }
    }

    fn cgroup(&self, row: &Row) -> String {
        let room = self.first.saturating_sub(row.stem.chars().count());
        // The label has priority over the path.
        let label = shorten(&row.label, room.saturating_sub(SHORTEST + 2));
        let taken = if label.is_empty() { 0 } else { label.chars().count() + 2 };
        let name = shorten(&row.name, room.saturating_sub(taken));
        let left = room.saturating_sub(name.chars().count());
        let mut text = format!("{}{}", styled(DIM, &row.stem), styled(BOLD, &name));
        let mut pad = left;
        if !label.is_empty() {
            pad = pad.saturating_sub(taken);
            let _ = write!(text, "  {}", styled(CYAN, &label));
        }
        text.push_str(&" ".repeat(pad));
        for (size, value) in self.usage.iter().zip(&row.usage) {
            let _ = write!(text, "  {value:>size$}");
        }
        let processes = self.rest.map_or_else(|| row.processes.clone(), |room| shorten(&row.processes, room));
        format!("{text}  {processes}").trim_end().to_owned()
    }

    fn text(&self, row: &Row, style: Style) -> Vec<String> {
        let room = self.width.map(|width| width.saturating_sub(row.stem.chars().count()).max(20));
        let lines = wrap(&row.name, room);
        lines.iter().map(|line| format!("{}{}", styled(DIM, &row.stem), styled(style, line))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen_and_the_processes_stay_visible() {
        let row = Row {
            kind: RowKind::Cgroup(0),
            stem: "│  │  └─ ".to_owned(),
            name: "kubelet-kubepods-besteffort.slice".to_owned(),
            label: "container kube-apiserver of kube-system/kube-apiserver".to_owned(),
            usage: ["150 MiB", "2 min 11 s", "1/4683"].map(ToOwned::to_owned),
            processes: "containerd, containerd-shim-runc-v2 ×3".to_owned(),
        };
        let plain = |row: &str| anstream::adapter::strip_str(&crate::ui::safe::shown(row)).to_string();
        for width in [60, 80, 100, 120, 200] {
            let shown = table(std::slice::from_ref(&row), Some(width));
            for line in &shown {
                let line = plain(line);
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            let last = plain(&shown[1]);
            assert!(last.contains("containe"), "{width}: {last}");
        }
    }
}
