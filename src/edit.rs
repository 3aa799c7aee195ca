//! Lossless edits of configuration files of other programs: pure text in, text out.
//!
//! Every function takes the bytes of a whole file and returns the bytes of a whole file; disks, users and commands
//! play no part. Three rules hold for every format, checked by `tests/it/edit_laws.rs`:
//!
//! 1. a value that was set is the value that the program reads from the file afterwards, by that program's own
//!    grammar;
//! 2. every other byte stays: comments, blank lines, line ends, a missing final newline;
//! 3. setting twice equals setting once, and unsetting a set value restores the bytes before.
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
