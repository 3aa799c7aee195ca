//! Files that set up many machines, and the image that is set up before WSL starts it. The tools that the files are for read
//! and run them in `tests/fleet/run`.

mod files;
mod image;
mod quoting;
