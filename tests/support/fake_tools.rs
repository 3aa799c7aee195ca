//! The programs of a pretended machine, for tests that run the real `kind-wsl`: every name in the fake root's
//! `/usr/bin` is a link to this program, which answers as the fake machine of the other tests does.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test double, not part of the program")]

#[path = "fake.rs"]
mod fake;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let Ok(root) = std::env::var("KIND_WSL_ROOT") else {
        eprintln!("fake-tools: KIND_WSL_ROOT is not set");
        return ExitCode::FAILURE;
    };
    let args: Vec<String> = args.collect();
    let answer = fake::answer(Path::new(&root), &name, &args);
    let _ = std::io::stdout().write_all(answer.stdout.as_bytes());
    let _ = std::io::stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(u8::try_from(answer.code).unwrap_or(1))
}
