//! kind-wsl makes a WSL2 distribution, or a plain Linux machine with systemd, ready for Kubernetes in rootless
//! containers with `kind`: once, in stages, resumable after the restart in the middle, undoable to the byte.
//!
//! The layers, top to bottom; imports go only downwards:
//!
//! | layer | modules | contents |
//! | --- | --- | --- |
//! | interface | `cli`, [`ui`], [`error`] | the command line, the reporters, the text of failures |
//! | engine | [`engine`], [`plan`], [`export`], [`doctor`] | the only code that applies changes; the preview; files that set up many machines; reports of checks |
//! | checks | [`checks`], [`explain`], [`fix`] | checks of a machine; the meaning of a pasted error and the checks that confirm its cause; fixes |
//! | stages | [`stages`], [`journal`], [`stage`] | the steps of a setup, in order; the record of a run |
//! | knowledge | [`inspect`], [`provider`], `redact` | the processes of a node; how each engine is queried; redaction of reports |
//! | clusters | [`kubeconfig`] | the kubeconfig of a cluster, merged for Windows |
//! | start | [`boot`], [`assume`] | whether the distribution starts with the planned files; the machine after an update |
//! | facts | [`facts`], [`windows`] | the state of the machine; its Windows side |
//! | change | [`change`] | the primitive changes |
//! | kernel | [`cgroup`] | the cgroup hierarchy that the kernel shows |
//! | text | [`edit`], [`fetch`] | pure text editors; verified downloads |
//! | machine | [`host`], [`next_step`] | files under a root, commands, users, time; advice on an error |

pub mod assume;
pub mod boot;
pub mod cgroup;
pub mod change;
pub mod checks;
pub mod cli;
pub mod cluster;
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
pub mod kubeconfig;
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
