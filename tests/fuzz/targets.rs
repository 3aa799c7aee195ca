//! What is fuzzed: each target takes any bytes, holds what comes of them to its laws, and says what kind of thing came
//! of them. A law that does not hold is a panic.

#[path = "targets/edit.rs"]
mod edit;
#[path = "targets/fetch.rs"]
mod fetch;
#[path = "targets/journal.rs"]
mod journal;
#[path = "targets/kernel.rs"]
mod kernel;
#[path = "targets/machine.rs"]
mod machine;
#[path = "targets/world.rs"]
mod system;
#[path = "targets/tables.rs"]
mod tables;
#[path = "targets/text.rs"]
mod text;
#[path = "targets/toml.rs"]
mod toml;
#[path = "targets/windows.rs"]
mod windows;

use std::hash::{DefaultHasher, Hash, Hasher};

#[cfg(test)]
pub(crate) use system::{Machine, dev};

/// One thing to fuzz.
pub(crate) struct Target {
    /// Its name, which is also that of its folder in the corpus.
    pub(crate) name: &'static str,
    /// Words of its format, for the mutator.
    pub(crate) words: &'static [&'static str],
    /// Tries one input; a broken law is a panic. What comes back tells one kind of behaviour from another.
    pub(crate) run: fn(&[u8]) -> Shape,
    /// Executions in the ordinary suite, made up beside those of the corpus.
    pub(crate) ordinary: usize,
}

/// Every target.
pub(crate) const TARGETS: [Target; 18] = [
    edit::WSL_CONF,
    edit::WSLCONFIG,
    toml::TOML,
    tables::FSTAB,
    tables::SUBIDS,
    kernel::COMMAND_LINE,
    journal::JOURNAL,
    fetch::CATALOGUE,
    fetch::WORDS,
    fetch::SIGNATURE,
    fetch::ADDRESS,
    machine::FACTS,
    machine::DOCTOR,
    machine::REPORT,
    text::ANSWERS,
    text::VERSION,
    text::EXPLAIN,
    windows::WINDOWS,
];

/// The kind of behaviour that an input showed: inputs of one kind are much the same to the code.
#[derive(Clone, Default)]
pub(crate) struct Shape(DefaultHasher);

impl Shape {
    pub(crate) fn of(seen: impl Hash) -> Self {
        Self::default().and(seen)
    }

    pub(crate) fn and(mut self, seen: impl Hash) -> Self {
        seen.hash(&mut self.0);
        self
    }

    /// Up to three are told apart: more of the same is nothing new.
    pub(crate) fn few(self, count: usize) -> Self {
        self.and(count.min(3))
    }

    pub(crate) fn hash(&self) -> u64 {
        self.0.finish()
    }
}

/// The first line of an input, which says what to do, and the rest, which is what to do it to.
fn order(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n');
    let (first, rest) = end.map_or((input, &input[input.len()..]), |end| (&input[..end], &input[end + 1..]));
    (String::from_utf8_lossy(first).into_owned(), rest)
}

/// A number that hangs on every byte of the input, for what has to be chosen: which byte is cut, and which of the laws that take
/// long are asked this time. What a law asks of all inputs is so asked of a part of them, and of another part with the next change.
fn choice(input: &[u8]) -> usize {
    // FNV-1a, whose upper half is the mixed one.
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash >> 20).unwrap_or(0)
}
