//! `kind-wsl completions SHELL`: completion scripts.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::error::Exit;
use crate::ui::out;

/// The flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  eval \"$(kind-wsl completions bash)\"             (in ~/.bashrc)\n  \
                  kind-wsl completions zsh > ~/.zfunc/_kind-wsl (a directory of $fpath)\n  \
                  kind-wsl completions fish > ~/.config/fish/completions/kind-wsl.fish")]
pub(crate) struct Completions {
    /// Shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Exit {
        out(&script(self.shell));
        Exit::Done
    }
}

/// The script of a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut super::command(), "kind-wsl", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    // clap_complete writes the hyphen of `kind-wsl` in two ways, and bash then completes nothing after a command
    // (clap#6421, open in 2026-11).
    script.replace("kind__subcmd__wsl", "kind__wsl")
}
