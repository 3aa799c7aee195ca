//! Terminal output: the only module that prints, prompts or draws a progress bar.

mod ask;
mod busy;
pub mod cgroups;
mod json;
pub mod live;
pub mod marks;
mod plain;
pub mod render;
mod safe;
mod stage;
mod term;
mod text;

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::engine::Reporter;
use crate::error::Failure;
use crate::fix::Advice;

pub use ask::{Consent, ask, confirm, confirm_or, consent};
pub use busy::clear as clear_spinner;
pub use json::{Json, VERSION, line as json_line, text as json_text, whole as json_whole};
pub use marks::set_charset;
pub use plain::Plain;
pub use safe::{one_line, visible};
pub use stage::duration;
pub use term::Term;
pub use text::{columns, list, rows, set_home, short_paths, shorten, width, wrap};

/// Headings.
pub const BOLD: Style = Style::new().bold();
/// Less important text.
pub const DIM: Style = Style::new().dimmed();
/// Success.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// Errors.
pub const RED: Style = AnsiColor::Red.on_default();
/// Warnings.
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Hints.
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// When to use color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    // On a terminal, unless NO_COLOR is set. As documentation it would make each help a long one.
    #[default]
    Auto,
    Always,
    Never,
}

/// How much a read-only command shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `-q`: only problems and required changes.
    Brief,
    /// Neither flag.
    Normal,
    /// `-v`: everything.
    Full,
}

/// Turns color on or off for the whole program.
pub fn set_color_choice(color: Color) {
    let choice = match color {
        Color::Auto => return,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    dialoguer::console::set_colors_enabled(color == Color::Always);
    dialoguer::console::set_colors_enabled_stderr(color == Color::Always);
}

/// Returns text in a style, for [`out`] and [`err`].
#[must_use]
pub fn styled(style: Style, text: &str) -> String {
    safe::marked(style, text)
}

/// Writes to standard output with control characters escaped. A closed pipe is not an error.
pub fn out(text: &str) {
    busy::clear();
    let mut stream = anstream::stdout().lock();
    let _ = writeln!(stream, "{}", safe::shown(text.trim_end_matches('\n')));
    let _ = stream.flush();
}

/// Writes to standard error, as [`out`] does.
pub fn err(text: &str) {
    busy::clear();
    let _ = writeln!(anstream::stderr().lock(), "{}", safe::shown(text.trim_end_matches('\n')));
}

/// Writes to standard error from another thread, above the bar of a terminal if there is one.
pub fn notice(text: &str) {
    term::above_bar(|| err(text));
}

/// Prints a usage error of clap. It quotes the arguments, which may contain control characters.
pub fn usage(error: &clap::Error) {
    let plain = error.to_string();
    if safe::shown(&plain) == plain {
        // With clap's colors.
        let _ = error.print();
    } else if error.use_stderr() {
        err(&plain);
    } else {
        out(&plain);
    }
}

/// Prints a help text with clap's colors.
pub fn help(text: &clap::builder::StyledStr) {
    let _ = writeln!(anstream::stdout().lock(), "{}", text.ansi().to_string().trim_end());
}

/// Renders text as an SVG picture, for bug reports.
#[must_use]
pub fn picture(text: &str) -> String {
    anstyle_svg::Term::new().render_svg(&safe::shown(text))
}

/// Whether a prompt can be answered: standard input and standard error are terminals.
#[must_use]
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether a line can be redrawn: on a terminal with a movable cursor.
fn can_redraw() -> bool {
    std::io::stderr().is_terminal() && std::io::stdout().is_terminal() && !marks::is_dumb()
}

/// Starts showing a spinner during waits, if the terminal supports it.
pub fn show_waits() {
    if can_redraw() {
        busy::show();
    }
}

/// Returns the reporter for this kind of output: JSON, terminal or plain lines.
#[must_use]
pub fn reporter(json: bool, verbose: bool, quiet: bool) -> Box<dyn Reporter> {
    if json {
        Box::new(Json)
    } else if can_redraw() && !quiet {
        Box::new(Term::new(verbose))
    } else {
        Box::new(Plain::new(verbose, quiet))
    }
}

/// Prints a failure: what failed, why, and what to do. It is readable without color.
pub fn fail(failure: &Failure) {
    let width = text::width();
    let mut lines = vec![text::labelled(RED.bold(), "error:", &failure.text, width)];
    lines.extend(failure.causes.iter().map(|cause| text::labelled(DIM, "  because:", cause, width)));
    let hint = failure.hint.as_deref().map(Advice::from);
    lines.extend(hint.iter().map(|hint| text::labelled(CYAN, "hint:", hint.text(), width)));
    lines.extend(failure.after.iter().flat_map(|after| text::wrap(after, width)));
    err(&lines.join("\n"));
}
