//! Pasted errors: every row of assets/symptoms.toml is found by its messages, in whatever form they come, and what is
//! no symptom is not taken for one.

mod agree;
mod forms;
mod presence;
mod program;
mod reports;
mod text;
