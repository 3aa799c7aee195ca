//! The Windows side, as far as a restart needs it: the session that we are in, what Windows says when it is asked,
//! and the program that restarts WSL for us.
//!
//! Nothing is concluded from files: interop can be off while its entry in `binfmt_misc` is there (WSL
//! `src/linux/init/config.cpp:375`), so a program is started, with a time limit, and what it answers counts.

mod helper;
mod interop;
mod session;

pub use helper::{Helper, Look, Order, Outcome, Stop, clear, forget, give_the_word};
pub use interop::{Interop, InteropError};
pub use session::{Driver, OF_DRIVER, inherit};
