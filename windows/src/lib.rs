//! The Windows side of kind-wsl: two programs, and the protocol that they share with the Linux program.
//!
//! `kind-wsl-helper.exe` restarts WSL for a setup that runs in a distribution (`helper`); `kind-wsl.exe` runs a setup
//! from Windows (`driver`). The decisions are pure and compile everywhere. The calls of Windows are in `sys`, `process`,
//! `helper`, `window` and `driver`, which compile only on Windows. README.md describes the protocol.
//!
//! Facts about wsl.exe cite the source of WSL (github.com/microsoft/WSL, commit 3e27a6a50).
#![warn(unreachable_pub, missing_debug_implementations)]
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod info;
pub mod install;
pub mod job;
pub mod logon;
pub mod messages;
pub mod names;
pub mod port;
pub mod quote;
pub mod request;
pub mod rescue;
pub mod restart;
pub mod result;
pub mod text;
pub mod timeouts;
pub mod waiting;
pub mod wslenv;

#[cfg(windows)]
pub mod driver;
#[cfg(windows)]
pub mod helper;
#[cfg(windows)]
pub mod process;
#[cfg(windows)]
#[allow(unsafe_code)] // the only module with unsafe code; every block has a SAFETY comment
pub mod sys;
#[cfg(windows)]
pub mod window;

/// The version of this program and of the Linux program of the same release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The arguments of this process, without its name. An argument that is not valid UTF-16 is an error.
pub fn arguments() -> Result<Vec<String>, String> {
    let text = |arg: std::ffi::OsString| arg.into_string().map_err(|a| format!("invalid UTF-16 in argument {a:?}"));
    std::env::args_os().skip(1).map(text).collect()
}

/// Exit codes of both programs. The exit code of a Linux program is returned unchanged.
pub mod exit {
    /// Invalid command line.
    pub const USAGE: i32 = 2;
    /// The setup still needs a restart.
    pub const RESTART: i32 = 3;
    /// In a job that kills its processes when it closes.
    pub const JOB: i32 = 10;
    /// wsl.exe does not exist or does not answer.
    pub const NO_WSL: i32 = 11;
    pub const NO_DISTRIBUTION: i32 = 12;
    /// The folder is not writable.
    pub const FOLDER: i32 = 13;
    /// The Linux program is not installed and cannot be installed.
    pub const NO_PROGRAM: i32 = 14;
    /// The user did not agree.
    pub const DECLINED: i32 = 1;
    /// The distribution still does not start, or WSL has no safe mode.
    pub const NOT_RESCUED: i32 = 15;
    /// Another program wrote the entry that starts the distribution at logon, or the registry cannot be written.
    pub const NO_ENTRY: i32 = 16;
    /// wsl.exe itself failed; a Linux program sees 255 (WSL src/windows/common/WslClient.cpp:686-687).
    pub const WSL_FAILED: i32 = -1;
}
