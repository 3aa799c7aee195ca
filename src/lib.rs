//! kind-wsl makes a WSL2 distribution, or a plain Linux machine with systemd, ready for Kubernetes in rootless
//! containers with `kind`: once, in stages, resumable after the restart in the middle, undoable to the byte.
//!
//! The layers, top to bottom; imports go only downwards:
//!
//! | layer | modules | what it is |
//! | --- | --- | --- |
//! | voice | `cli`, [`ui`], [`error`] | the command line, the faces, the text of failures |
//! | engine | [`engine`], [`plan`], [`export`], [`doctor`] | the only caller of effects; the preview; files that set up many machines; reports of checks |
//! | checks | [`checks`], [`explain`], [`fix`] | whether a machine meets its conditions; what a pasted error means and which checks confirm its cause; what to do about a problem |
//! | stages | [`stages`], [`journal`], [`stage`] | what is made true, in which order; what was done |
//! | knowledge | [`inspect`], [`provider`], `redact` | what a node's processes are; how the engines are asked; what of a machine is handed on |
//! | start | [`boot`], [`assume`] | whether the distribution starts with the files as they will be; the machine after an update |
//! | facts | [`facts`], [`windows`] | what the machine is; its Windows side |
//! | change | [`change`] | the primitives: lenses on the machine |
//! | kernel | [`cgroup`] | the cgroup hierarchy that the kernel shows |
//! | text | [`edit`], [`fetch`] | pure text editors; verified downloads |
//! | machine | [`host`], [`next_step`] | files under a root, commands, users, time; advice on an error |

pub mod assume;
pub mod boot;
pub mod cgroup;
pub mod change;
pub mod checks;
pub mod cli;
mod compat;
pub mod doctor;
pub mod edit;
pub mod engine;
pub mod error;
pub mod explain;
pub mod export;
pub mod facts;
pub mod fetch;
pub mod fix;
pub mod host;
pub mod inspect;
pub mod journal;
pub mod next_step;
pub mod plan;
pub mod provider;
mod redact;
pub mod stage;
pub mod stages;
pub mod suggest;
pub mod ui;
pub mod version;
pub mod windows;
