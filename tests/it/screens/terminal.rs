//! A terminal of a fixed size: what a program leaves on its screen, and a picture of it.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::Command;

use anstyle::{Ansi256Color, AnsiColor, Color, Effects, RgbColor, Style};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};

/// Wide enough for the tree of `inspect`; sentences are broken at 100 all the same.
pub(crate) const COLUMNS: u16 = 80;
/// More than any of the screens has, so that nothing leaves it at the top.
const ROWS: u16 = 250;
/// The screen that is read is wider than the program believes: a path of this machine is taken out of a line that is
/// still whole.
const ROOM: u16 = 400;

/// The sixteen colours, each of which reads well on the ground below.
const PALETTE: [RgbColor; 16] = {
    const fn rgb(value: u32) -> RgbColor {
        let [_, r, g, b] = value.to_be_bytes();
        RgbColor(r, g, b)
    }
    [
        rgb(0x0048_4f58),
        rgb(0x00ff_7b72),
        rgb(0x006f_dd8b),
        rgb(0x00e3_b341),
        rgb(0x0079_c0ff),
        rgb(0x00d2_a8ff),
        rgb(0x0056_d4dd),
        rgb(0x00b1_bac4),
        rgb(0x008b_949e),
        rgb(0x00ff_a198),
        rgb(0x007e_e787),
        rgb(0x00f2_cc60),
        rgb(0x00a5_d6ff),
        rgb(0x00e2_c5ff),
        rgb(0x00b3_f0ff),
        rgb(0x00ff_ffff),
    ]
};

/// What is less important. A picture has a colour for it: not everybody who draws one knows how to make text fainter.
pub(crate) const FAINT: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::BrightBlack)));

/// A row of a screen: what stands there, and the same with the codes of its colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) styled: String,
    /// Whether a program printed it.
    pub(crate) is_printed: bool,
}

impl Row {
    /// A row that no program printed.
    pub(crate) fn new(style: Style, text: &str) -> Self {
        Self { text: text.to_owned(), styled: format!("{style}{text}{style:#}"), is_printed: false }
    }

    /// The row with a fixed time in place of the present.
    pub(crate) fn without_time(self) -> Self {
        const FIXED: &str = "2026-11-28 09:30:00";
        let fixed = |text: &str| match text.find(" UTC") {
            Some(end) => format!("{}{FIXED}{}", &text[..end - FIXED.len()], &text[end..]),
            None => text.to_owned(),
        };
        Self { text: fixed(&self.text), styled: fixed(&self.styled), ..self }
    }

    /// A typed command, wrapped over its rows.
    pub(crate) fn prompt(typed: &str) -> Vec<Self> {
        let (sign, bold) = (Style::new().fg_color(Some(AnsiColor::Green.into())), Style::new().bold());
        let typed: Vec<char> = typed.chars().collect();
        let (first, rest) = typed.split_at(typed.len().min(usize::from(COLUMNS) - 2));
        let first: String = first.iter().collect();
        let first = Self {
            text: format!("$ {first}"),
            styled: format!("{sign}${sign:#} {bold}{first}{bold:#}"),
            is_printed: false,
        };
        let rest = rest.chunks(usize::from(COLUMNS));
        [first].into_iter().chain(rest.map(|row| Self::new(bold, &row.iter().collect::<String>()))).collect()
    }
}

/// A kind of terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    pub(crate) columns: u16,
    pub(crate) is_utf8: bool,
    pub(crate) has_color: bool,
}

/// The terminal of the pictures.
pub(crate) const PICTURED: Terminal = Terminal { columns: COLUMNS, is_utf8: true, has_color: true };

thread_local! {
    static TERMINAL: Cell<Terminal> = const { Cell::new(PICTURED) };
}

/// Plays a scene on another terminal.
pub(crate) fn on(terminal: Terminal, scene: impl FnOnce() -> Vec<Row>) -> Vec<Row> {
    TERMINAL.set(terminal);
    let rows = scene();
    TERMINAL.set(PICTURED);
    rows
}

/// Runs a program on a terminal, to its end, or until this is so while it shows that it waits: then it is killed, as it
/// is when WSL stops.
/// What it left on the screen, and how it ended; of this machine's paths nothing is left.
pub(crate) fn run(
    mut command: Command,
    until: Option<&dyn Fn() -> bool>,
    paths: &[(&str, &str)],
) -> (Vec<Row>, Option<i32>) {
    let terminal = TERMINAL.get();
    command.env("TERM", "xterm-256color").env("LANG", if terminal.is_utf8 { "C.UTF-8" } else { "C" });
    if !terminal.has_color {
        command.env("NO_COLOR", "1");
    }
    run_at(terminal.columns, command, &mut |_| until.is_some_and(|is_so| is_so()), paths)
}

/// The same on a terminal so many columns wide. `until` gets the bytes that were printed so far.
pub(crate) fn run_at(
    columns: u16,
    mut command: Command,
    until: &mut dyn FnMut(&[u8]) -> bool,
    paths: &[(&str, &str)],
) -> (Vec<Row>, Option<i32>) {
    let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let ends = openpty(&size, None).expect("a pseudo-terminal");
    let slave = || ends.slave.try_clone().expect("its other end, once more");
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().expect("it starts");
    // Reading ends when only this process has the other end.
    drop((command, ends.slave));
    let mut screen = vt100::Parser::new(ROWS, ROOM, 0);
    let (mut master, mut bytes, mut printed) = (File::from(ends.master), [0; 4096], Vec::new());
    let mut is_killed = false;
    loop {
        // What is printed before it is so is read, whichever is noticed first.
        if !is_killed && until(&printed) {
            child.kill().expect("it can be killed");
            is_killed = true;
        }
        let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, 20_u8).expect("the terminal can be waited for") == 0 {
            continue;
        }
        match master.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => {
                printed.extend_from_slice(&bytes[..count]);
                screen.process(&bytes[..count]);
            }
            // What Linux says when the other end is closed.
            Err(e) if e.raw_os_error() == Some(Errno::EIO as i32) => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => panic!("the terminal can not be read: {e}"),
        }
    }
    let code = child.wait().expect("it ended").code();
    let last = screen.screen().contents().trim_end().lines().count();
    let rows = (0..u16::try_from(last).expect("rows")).map(|row| read(screen.screen(), row, paths));
    (rows.collect(), code)
}

/// A row, with the codes of its colours.
fn read(screen: &vt100::Screen, row: u16, paths: &[(&str, &str)]) -> Row {
    let mut runs: Vec<(Style, String)> = Vec::new();
    for cell in (0..ROOM).filter_map(|column| screen.cell(row, column)) {
        if cell.is_wide_continuation() {
            continue;
        }
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some((style, run)) if *style == style_of(cell) => run.push_str(text),
            _ => runs.push((style_of(cell), text.to_owned())),
        }
    }
    if let Some((_, run)) = runs.last_mut() {
        run.truncate(run.trim_end().len());
    }
    for (_, run) in &mut runs {
        *run = paths.iter().fold(run.clone(), |run, (ours, theirs)| run.replace(ours, theirs));
    }
    let mut line = String::new();
    for (style, run) in &runs {
        let _ = write!(line, "{style}{run}{style:#}");
    }
    Row { text: runs.into_iter().map(|(_, run)| run).collect(), styled: line, is_printed: true }
}

/// A picture of rows, on a ground of its own, so that it reads the same on a light page and a dark one.
pub(crate) fn picture(rows: &[Row]) -> String {
    let text = rows.iter().map(|row| row.styled.as_str()).collect::<Vec<_>>().join("\n");
    let (ink, ground) = (RgbColor(0xd4, 0xd8, 0xde), RgbColor(0x1b, 0x1f, 0x27));
    anstyle_svg::Term::new()
        .palette(PALETTE.into())
        .fg_color(ink.into())
        .bg_color(ground.into())
        .min_width_px(usize::from(COLUMNS) * 84 / 10)
        .render_svg(&text)
}

fn style_of(cell: &vt100::Cell) -> Style {
    let color = |color| match color {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => {
            let known = Ansi256Color(index);
            Some(known.into_ansi().map_or(Color::Ansi256(known), Color::Ansi))
        }
        vt100::Color::Rgb(r, g, b) => Some(Color::Rgb(RgbColor(r, g, b))),
    };
    let effects = [
        (cell.bold(), Effects::BOLD),
        (cell.italic(), Effects::ITALIC),
        (cell.underline(), Effects::UNDERLINE),
        (cell.inverse(), Effects::INVERT),
    ];
    let effects = effects.into_iter().filter(|(has, _)| *has).fold(Effects::new(), |all, (_, one)| all | one);
    let ink = if cell.dim() { FAINT.get_fg_color() } else { color(cell.fgcolor()) };
    Style::new().fg_color(ink).bg_color(color(cell.bgcolor())).effects(effects)
}
