//! parse → run → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kind_wsl::fetch::install_tls_provider();
    ExitCode::from(kind_wsl::cli::main() as u8)
}
