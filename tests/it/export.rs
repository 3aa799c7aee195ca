//! The plan in other engines' words: laws that hold for every format, what quotes, and the script at work on a
//! pretended machine beside the set-up itself. The real engines read and run it in `tests/fleet/run`.

mod editors;
mod laws;
mod quoting;
mod script;
