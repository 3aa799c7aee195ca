//! Attacks, through the real program: what a user, a program of theirs, a mirror or a lying Windows puts in our way
//! while root works. docs/dev/attacks.md names the test of every attack.
//!
//! What root may be led to is only seen as root: without it, those tests say so and end.

mod accounts;
mod caller;
mod environment;
mod jail;
mod journal;
mod load;
mod modes;
mod paths;
mod races;
mod roots;
mod secrets;
mod seen;
mod servers;
mod shells;
mod values;
mod windows;
mod wrapper;
