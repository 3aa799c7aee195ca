//! The screens at other widths and on other terminals, and what is shown while the program waits.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;

use camino::Utf8Path;
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::screens::scenes;
use crate::screens::terminal::run_at;
use crate::support::Layout;
use crate::support::cli::{BIN, Case, agreed};
use crate::support::cluster;

/// Terminals: what they are called, the locale, and whether they can move their cursor.
const TERMINALS: [(&str, &str, bool); 3] =
    [("xterm-256color", "C.UTF-8", true), ("xterm-256color", "C", true), ("dumb", "C.UTF-8", false)];

/// What a command shows on a terminal, as rows and as bytes.
fn shown(
    mut command: Command,
    columns: u16,
    term: &str,
    locale: &str,
    root: &Utf8Path,
) -> (Vec<String>, Vec<u8>) {
    command.env("TERM", term).env("LANG", locale);
    let mut bytes = Vec::new();
    let mut keep = |printed: &[u8]| {
        bytes = printed.to_vec();
        false
    };
    let (rows, _) = run_at(columns, command, &mut keep, &[(root.as_str(), ""), (BIN, "kind-wsl")]);
    (rows.into_iter().map(|row| row.text).collect(), bytes)
}

#[track_caller]
fn fits(make: &dyn Fn() -> (Case, String)) {
    for columns in [80, 120] {
        for (term, locale, can_redraw) in TERMINALS {
            let (case, line) = make();
            let (rows, bytes) = shown(case.command(&line), columns, term, locale, &case.machine.root);
            let text = rows.join("\n");
            for row in &rows {
                let width = row.chars().count();
                // A path to copy stays whole.
                let is_whole = row.starts_with("  wsl.exe ") || row.starts_with("Log: ");
                assert!(width <= usize::from(columns) || is_whole, "{width} columns: {row}\n{text}");
            }
            if locale == "C" || !can_redraw {
                assert!(text.is_ascii(), "{text}");
            }
            if !can_redraw {
                let text = String::from_utf8_lossy(&bytes);
                let is_style = |code: &str| {
                    code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
                };
                let moves = text.split("\x1b[").skip(1).any(|code| !is_style(code));
                assert!(!moves, "a cursor moves: {}", text.escape_debug());
            }
        }
    }
}

#[test]
fn the_screens_of_setup_fit_80_and_120_columns() {
    fits(&|| (Case::new(Layout::Modern), format!("setup --no-restart {}", agreed())));
    fits(&|| (Case::new(Layout::Isolated), format!("setup --only limits,crun {}", agreed())));
}

#[test]
fn the_screens_of_a_failed_setup_fit_80_and_120_columns() {
    fits(&|| {
        let case = Case::new(Layout::Isolated);
        case.signal_at("fail-at", "systemctl daemon-reload");
        (case, format!("setup {}", agreed()))
    });
}

#[test]
fn the_screens_of_undo_fit_80_and_120_columns() {
    fits(&|| (scenes::set_up(), "undo --yes --packages".to_owned()));
}

#[test]
fn the_list_of_crun_fits_80_and_120_columns() {
    fits(&|| (Case::new(Layout::Isolated), "crun list".to_owned()));
    fits(&|| (Case::new(Layout::Isolated), "crun list --all".to_owned()));
}

#[test]
fn without_a_terminal_a_setup_prints_lines_without_control_characters() {
    let seen = Case::new(Layout::Isolated).run(&format!("setup --no-restart {}", agreed()));
    let is_plain = |c: char| !c.is_control() || c == '\n';
    assert!(seen.stdout.chars().chain(seen.stderr.chars()).all(is_plain), "{seen:?}");
    let stages: Vec<&str> = seen.stdout.lines().filter(|line| line.starts_with('[')).collect();
    assert!(
        stages.len() > 5 && stages.iter().all(|line| line.contains("] ") && line.contains("  done  ")),
        "{seen:?}"
    );
}

/// A FIFO holds the command up until the spinner was seen, so the time that this takes does not matter.
#[test]
fn a_command_that_takes_long_is_named_by_a_spinner() {
    let machine = cluster::Machine::with_cluster();
    mkfifo(machine.root.join("hold").as_std_path(), Mode::S_IRWXU).unwrap();
    let podman = fs::read_to_string(machine.root.join("usr/bin/podman")).unwrap();
    let hold = format!("read -r go < '{}'\n", machine.root.join("hold"));
    machine.program("podman", &format!("{hold}{}", podman.trim_start_matches("#!/bin/sh\n")));
    let mut command = Command::new(BIN);
    command.args(["--root", machine.root.as_str(), "--user", "dev", "inspect"]).env_clear();
    command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
    let mut is_seen = false;
    let mut release = |printed: &[u8]| {
        is_seen |= String::from_utf8_lossy(printed).contains("podman ");
        if is_seen {
            // Fails while no podman waits.
            let hold =
                OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(machine.root.join("hold"));
            let _ = hold.and_then(|mut hold| hold.write_all(b"go\n"));
        }
        false
    };
    let (rows, code) = run_at(80, command, &mut release, &[(machine.root.as_str(), "")]);
    assert_eq!(code, Some(0));
    assert!(is_seen, "no spinner was shown");
    let text: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    assert!(!text.iter().any(|row| row.contains("podman ps")), "nothing is left of it: {text:?}");
}
