//! Drives setup from Windows.

#[cfg(windows)]
fn main() {
    std::process::exit(kind_wsl_windows::driver::main(kind_wsl_windows::arguments()))
}

#[cfg(not(windows))]
fn main() {
    eprintln!("This kind-wsl is a Windows program; the one for Linux is the crate above.");
    std::process::exit(1)
}
