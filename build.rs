//! Takes the Windows helper into the program where the builder names one: `KIND_WSL_HELPER_EXE=FILE cargo build`.

#![allow(clippy::disallowed_methods, reason = "runs on the builder's machine")]

fn main() {
    println!("cargo::rerun-if-env-changed=KIND_WSL_HELPER_EXE");
    println!("cargo::rustc-check-cfg=cfg(kind_wsl_helper)");
    let Some(path) = std::env::var_os("KIND_WSL_HELPER_EXE") else { return };
    let path = std::path::PathBuf::from(path);
    assert!(
        path.is_absolute() && path.is_file(),
        "KIND_WSL_HELPER_EXE has to be the absolute path of a file, and is {}",
        path.display()
    );
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env=KIND_WSL_HELPER_EXE={}", path.display());
    println!("cargo::rustc-cfg=kind_wsl_helper");
}
