//! The Windows side of kind-wsl: two programs, and the protocol between them and the Linux program, which uses this crate for it.
//!
//! `kind-wsl-helper.exe` restarts WSL for a set-up that runs in a distribution (`helper`); `kind-wsl.exe` drives a set-up
//! from Windows (`driver`). What decides is pure and compiles everywhere; what touches Windows is in `sys`, `process`,
//! `helper`, `window` and `driver` and is there on Windows only. README.md has the protocol.
//!
//! Facts about wsl.exe name their place in the source of WSL (github.com/microsoft/WSL, commit 3e27a6a50).
#![warn(unreachable_pub, missing_debug_implementations)]
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod info;
pub mod install;
pub mod job;
pub mod messages;
pub mod names;
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
#[allow(unsafe_code)] // the one place; every call says why it is sound
pub mod sys;
#[cfg(windows)]
pub mod window;

/// This program's version, which is also that of the Linux program that it goes with.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// This process's arguments, without its name. One that is no text (half a surrogate pair) is an error, not a guess.
pub fn arguments() -> Result<Vec<String>, String> {
    let text = |arg: std::ffi::OsString| arg.into_string().map_err(|a| format!("the argument {a:?} is no valid text"));
    std::env::args_os().skip(1).map(text).collect()
}

/// Exit codes of both programs that are their own. Those of a Linux program are passed on as they are.
pub mod exit {
    /// The command line is wrong.
    pub const USAGE: i32 = 2;
    /// The set-up still needs its restart.
    pub const RESTART: i32 = 3;
    /// In a job that ends its processes when it closes.
    pub const JOB: i32 = 10;
    /// wsl.exe is not there or can not be asked.
    pub const NO_WSL: i32 = 11;
    pub const NO_DISTRIBUTION: i32 = 12;
    /// The folder can not be written.
    pub const FOLDER: i32 = 13;
    /// The Linux program is not there and can not be put there.
    pub const NO_PROGRAM: i32 = 14;
    /// The user did not agree.
    pub const DECLINED: i32 = 1;
    /// The distribution still does not start, or WSL has no safe mode.
    pub const NOT_RESCUED: i32 = 15;
    /// wsl.exe itself failed; a Linux program sees 255 (WSL src/windows/common/WslClient.cpp:686-687).
    pub const WSL_FAILED: i32 = -1;
}
