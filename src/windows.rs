//! The Windows side of a restart: the present session, queries of Windows, and the program that restarts WSL.
//!
//! Nothing is concluded from files: interop can be off while its entry in `binfmt_misc` is there (WSL
//! `src/linux/init/config.cpp:375`), so a program is started, with a time limit, and what it answers counts.

mod helper;
mod interop;
mod session;

pub use helper::{
    Helper, HelperExe, ask, clear, clear_stale_files, describe, logon_entries, port, read_result,
    restart_command, signal_ready,
};
pub use interop::{Interop, InteropError};
pub use kind_wsl_windows::info::HelperInfo;
pub use kind_wsl_windows::request::RestartRequest;
pub use kind_wsl_windows::result::{RestartResult, State, StopResult};
pub use session::{DRIVER_ENV, Driver, inherit};
