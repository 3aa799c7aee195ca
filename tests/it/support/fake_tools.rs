//! The programs of a fake machine, for tests that run the real `kind-wsl`: every name in the fake root's
//! `/usr/bin` is a script with this program as its interpreter, which answers as the fake machine of the other tests
//! does.
//!
//! A test may end `kind-wsl` at a command: a part of its command line in `/fake/kill-before` kills our caller and does
//! not run the command, in `/fake/kill-after` it kills our caller as soon as the command has had its effect, and in
//! `/fake/term-at` and `/fake/hup-at` it sends our caller that signal and runs the command. In `/fake/hang-at` the command never ends, in `/fake/fail-at` it fails without having done anything.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test double, not part of the program")]

#[path = "fake.rs"]
mod fake;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};

fn main() -> ExitCode {
    // The first word is our own name, the second the path of the script.
    let mut args = std::env::args().skip(1);
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let Ok(root) = std::env::var("KIND_WSL_ROOT") else {
        eprintln!("fake-tools: KIND_WSL_ROOT is not set");
        return ExitCode::FAILURE;
    };
    let args: Vec<String> = args.collect();
    let root = Path::new(&root);
    if fake::is_hooked(root, "kill-before", &name, &args) {
        signal_caller(Signal::SIGKILL);
        return ExitCode::FAILURE;
    }
    if fake::is_hooked(root, "term-at", &name, &args) {
        signal_caller(Signal::SIGTERM);
    }
    if fake::is_hooked(root, "hup-at", &name, &args) {
        signal_caller(Signal::SIGHUP);
    }
    if fake::is_hooked(root, "fail-at", &name, &args) {
        eprintln!("Failed to connect to bus: Connection timed out");
        return ExitCode::FAILURE;
    }
    if fake::is_hooked(root, "hang-at", &name, &args) {
        // Until whoever waits for us has had enough.
        loop {
            nix::unistd::pause();
        }
    }
    let answer = fake::answer(root, &name, &args);
    if fake::is_hooked(root, "kill-after", &name, &args) {
        signal_caller(Signal::SIGKILL);
    }
    // As gettext does it: in `C.UTF-8` LANGUAGE still chooses the language.
    let language = std::env::var("LANGUAGE").unwrap_or_default();
    let stdout = match language.as_str() {
        "" => answer.stdout,
        "ja" => translated(&answer.stdout, &["インストール済み", "候補"]),
        _ => translated(&answer.stdout, &["Installiert", "Installationskandidat"]),
    };
    let _ = std::io::stdout().write_all(stdout.as_bytes());
    let _ = std::io::stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(u8::try_from(answer.code).unwrap_or(1))
}

/// What apt-cache prints in another language; of the other programs each line gets a word that no parser expects.
fn translated(text: &str, [installed, candidate]: &[&str; 2]) -> String {
    let line = |line: &str| match line.trim_start().split_once(": ") {
        Some(("Installed", value)) => format!("  {installed}: {value}\n"),
        Some(("Candidate", value)) => format!("  {candidate}: {value}\n"),
        _ => format!("{installed} {line}\n"),
    };
    text.lines().map(line).collect()
}

/// Our caller is `kind-wsl` itself: it starts its commands in process groups of their own, but as its children.
fn signal_caller(signal: Signal) {
    let _ = kill(nix::unistd::getppid(), signal);
}
