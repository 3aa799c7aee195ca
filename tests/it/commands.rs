//! Commands that show something, through the real program on a fake root: what they show at each level of detail, what
//! scripts read, and whether the commands that they recommend exist and help.

mod answers;
mod build_script;
mod fixes;
mod help;
mod plan;
mod status;
