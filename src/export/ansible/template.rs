//! Text, words of a shell and their quoting in ansible's templates.

use std::fmt::Write;

use crate::export::words::{Param, Piece, shell};

/// Text that ansible's templates leave as it is.
pub(super) fn literal(text: &str) -> String {
    // Piece by piece, so that a brace that is put in is not taken for one that was there.
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|sign| rest.find(sign)).min() {
        out.push_str(&rest[..at]);
        let _ = write!(out, "{{{{ '{}' }}}}", &rest[at..at + 2]);
        rest = &rest[at + 2..];
    }
    out + rest
}

fn variable(param: Param) -> &'static str {
    match param {
        Param::Home => "kind_home",
        Param::User => "kind_user",
        Param::Profile => "kind_windows_profile",
        Param::Program => "kind_wsl_program",
    }
}

pub(super) fn template(pieces: &[Piece]) -> String {
    let one = |piece: &Piece| match piece {
        Piece::Text(text) => literal(text),
        Piece::Param(param) => format!("{{{{ {} }}}}", variable(*param)),
    };
    pieces.iter().map(one).collect()
}

/// A word of a shell in a template.
pub(super) fn word(pieces: &[Piece]) -> String {
    // The marks hold no character that either of the two would touch; a NUL is in no path and no argument.
    let mark = |param: Param| format!("\0{}\0", variable(param));
    let quoted = shell(pieces, &mark);
    let part = |(at, part): (usize, &str)| {
        if at % 2 == 0 { literal(part) } else { format!("{{{{ {part} | quote }}}}") }
    };
    quoted.split('\0').enumerate().map(part).collect()
}
