//! The cgroup tree as a table.

use std::fmt::Write as _;

use anstyle::Style;

use super::{BOLD, CYAN, DIM, RED, shorten, styled, wrap};
use crate::inspect::view::{Kind, Line};

/// The heads of the columns after the tree's own.
const HEADS: [&str; 4] = ["memory", "cpu", "tasks", "processes"];

/// The lines of the table, the head first; cut to `width` where one is given.
#[must_use]
pub fn table(lines: &[Line], width: Option<usize>) -> Vec<String> {
    let cgroups = || lines.iter().filter(|line| matches!(line.kind, Kind::Cgroup(_)));
    let chars = |text: &str| text.chars().count();
    let name = |line: &Line| {
        let label = if line.label.is_empty() { 0 } else { chars(&line.label) + 2 };
        chars(&line.stem) + chars(&line.name) + label
    };
    let widest = cgroups().map(name).max().unwrap_or(0).max(6);
    let usage: [usize; 3] = std::array::from_fn(|column| {
        cgroups().map(|line| chars(&line.usage[column])).max().unwrap_or(0).max(HEADS[column].len())
    });
    let figures: usize = usage.iter().map(|size| size + 2).sum();
    // The last column keeps the room that its head takes.
    let others = figures + 2 + HEADS[3].len();
    let first = width.map_or(widest, |width| widest.min(width.saturating_sub(others).max(16)));
    let rest = width.map(|width| width.saturating_sub(first + figures + 2));
    let shape = Shape { first, usage, rest, width };
    let mut table = vec![shape.head()];
    for line in lines {
        table.extend(shape.line(line));
    }
    table
}

struct Shape {
    first: usize,
    usage: [usize; 3],
    /// What is left for the last column.
    rest: Option<usize>,
    width: Option<usize>,
}

impl Shape {
    fn head(&self) -> String {
        let mut head = format!("{:first$}", "cgroup", first = self.first);
        for (size, name) in self.usage.iter().zip(HEADS) {
            let _ = write!(head, "  {name:>size$}");
        }
        styled(DIM, format!("{head}  {}", HEADS[3]).trim_end())
    }

    fn line(&self, line: &Line) -> Vec<String> {
        match line.kind {
            Kind::Cgroup(_) => vec![self.cgroup(line)],
            Kind::Note => self.text(line, DIM),
            Kind::Fault => self.text(line, RED),
            Kind::Process | Kind::More => {
                let room = self.width.map(|width| width.saturating_sub(line.stem.chars().count()));
                let text = room.map_or_else(|| line.name.clone(), |room| shorten(&line.name, room));
                let style = if line.kind == Kind::More { DIM } else { Style::new() };
                vec![format!("{}{}", styled(DIM, &line.stem), styled(style, &text))]
            }
        }
    }

    fn cgroup(&self, line: &Line) -> String {
        let room = self.first.saturating_sub(line.stem.chars().count());
        let name = shorten(&line.name, room);
        let left = room - name.chars().count();
        let label =
            if left > 4 && !line.label.is_empty() { shorten(&line.label, left - 2) } else { String::new() };
        let mut text = format!("{}{}", styled(DIM, &line.stem), styled(BOLD, &name));
        let mut pad = left;
        if !label.is_empty() {
            pad -= label.chars().count() + 2;
            let _ = write!(text, "  {}", styled(CYAN, &label));
        }
        text.push_str(&" ".repeat(pad));
        for (size, value) in self.usage.iter().zip(&line.usage) {
            let _ = write!(text, "  {value:>size$}");
        }
        let processes =
            self.rest.map_or_else(|| line.processes.clone(), |room| shorten(&line.processes, room));
        format!("{text}  {processes}").trim_end().to_owned()
    }

    /// A sentence, broken where the screen ends.
    fn text(&self, line: &Line, style: Style) -> Vec<String> {
        let room = self.width.map(|width| width.saturating_sub(line.stem.chars().count()).max(20));
        let rows = wrap(&line.name, room);
        rows.iter().map(|row| format!("{}{}", styled(DIM, &line.stem), styled(style, row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen_and_the_processes_keep_their_room() {
        let line = Line {
            kind: Kind::Cgroup(0),
            stem: "│  │  └─ ".to_owned(),
            name: "kubelet-kubepods-besteffort.slice".to_owned(),
            label: "container kube-apiserver of kube-system/kube-apiserver".to_owned(),
            usage: ["150 MiB", "2 min 11 s", "1/4683"].map(ToOwned::to_owned),
            processes: "containerd, containerd-shim-runc-v2 ×3".to_owned(),
        };
        let plain = |row: &str| anstream::adapter::strip_str(&crate::ui::safe::shown(row)).to_string();
        for width in [60, 80, 100, 120, 200] {
            let shown = table(std::slice::from_ref(&line), Some(width));
            for row in &shown {
                let row = plain(row);
                assert!(row.chars().count() <= width, "{width}: {row}");
            }
            let last = plain(&shown[1]);
            assert!(last.contains("containe"), "{width}: {last}");
        }
    }
}
