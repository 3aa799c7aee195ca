//! Takes the Windows programs into this one if the builder names the helper: `KIND_WSL_HELPER_EXE=FILE cargo build`. `kind-wsl.exe`
//! has to be beside it.

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
    let driver = path.with_file_name("kind-wsl.exe");
    assert!(driver.is_file(), "{} does not exist; windows/build makes both programs", driver.display());
    for (name, path) in [("KIND_WSL_HELPER_EXE", &path), ("KIND_WSL_DRIVER_EXE", &driver)] {
        println!("cargo::rerun-if-changed={}", path.display());
        println!("cargo::rustc-env={name}={}", path.display());
    }
    println!("cargo::rustc-cfg=kind_wsl_helper");
}
