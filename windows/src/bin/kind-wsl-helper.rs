//! Restarts WSL for a setup that runs in a distribution. A program without a console: when WSL stops, it ends the
//! console programs that were started from it (WSL src/windows/common/interop.cpp:229-234, 409-483).
#![windows_subsystem = "windows"]

#[cfg(windows)]
fn main() {
    std::process::exit(kind_wsl_windows::helper::main(kind_wsl_windows::arguments()))
}

#[cfg(not(windows))]
fn main() {
    eprintln!("kind-wsl-helper is a Windows program.");
    std::process::exit(1)
}
