//! Lossless edits of other people's configuration files: pure text in, text out.
//!
//! Everything here takes the bytes of a whole file and gives the bytes of a whole file; nothing here knows of disks,
//! users or commands. Three rules hold for every format, and `tests/it/edit_laws.rs` holds the module to them:
//!
//! 1. what was put is what is read afterwards, *by the program that reads the file*, not by our idea of the format;
//! 2. every byte that is not the entry asked for stays: comments, blank lines, line ends, a missing final newline;
//! 3. putting twice is putting once, and taking out what was put gives the bytes of before.
//!
//! | module | files | grammar |
//! | --- | --- | --- |
//! | [`wslconf`] | `/etc/wsl.conf`, `%USERPROFILE%\.wslconfig` | WSL's own parser |
//! | [`toml`] | `containers.conf` and its kind | TOML, by `toml_edit` |
//! | [`table`] | `/etc/fstab`, `/etc/subuid`, `/etc/subgid` | one entry a line |
//! | [`cmdline`] | the kernel command line | the kernel's `next_arg` |

pub mod cmdline;
pub(crate) mod note;
pub mod shown;
pub mod table;
pub mod toml;
pub mod wslconf;

mod error;
mod lines;

pub use error::EditError;
pub(crate) use lines::{bytes, lenient, without_inserted};
pub use shown::Form;
