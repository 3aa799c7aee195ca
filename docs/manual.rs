//! Writes what a package brings along beside the program, from the one declaration of the command line:
//! `cargo run --example manual -- DIR` makes DIR/man/*.1 and DIR/completions/*.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a tool of the release, not part of the program"
)]

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::Shell;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cargo run --example manual -- DIR");
        return ExitCode::from(2);
    };
    match write(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("cannot write into {}: {e}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn write(dir: &std::path::Path) -> io::Result<()> {
    let (man, completions) = (dir.join("man"), dir.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(kind_wsl::cli::command(), &man)?;
    for (shell, name) in
        [(Shell::Bash, "kind-wsl.bash"), (Shell::Zsh, "_kind-wsl"), (Shell::Fish, "kind-wsl.fish")]
    {
        fs::write(completions.join(name), kind_wsl::cli::completions(shell))?;
    }
    Ok(())
}
