//! What differs from machine to machine, and the two functions that quote.

use std::fmt::Write;

use camino::Utf8PathBuf;

use crate::facts::Facts;

/// Something that an export leaves to each machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    Home,
    User,
    /// The Windows profile, as the distribution sees it.
    Profile,
    Program,
}

/// A part of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// Another on each machine.
    Param(Param),
}

impl Piece {
    #[must_use]
    pub fn text(text: &str) -> Vec<Self> {
        vec![Self::Text(text.to_owned())]
    }
}

/// The places of the machine for which the plan was made.
#[derive(Clone, Debug, Default)]
pub struct Places {
    user: String,
    home: Utf8PathBuf,
    profile: Option<Utf8PathBuf>,
    program: Option<Utf8PathBuf>,
}

impl Places {
    pub(crate) fn of(facts: &Facts) -> Self {
        Self {
            user: facts.user.name.clone(),
            home: facts.user.home.clone(),
            profile: facts.windows.profile.clone(),
            program: facts.tools.program.clone(),
        }
    }

    /// The user's name on that machine.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A text, with these places in it as parameters where they stand as whole paths. The longest counts: a program
    /// may lie in the home.
    #[must_use]
    pub fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut known: Vec<(&str, Param)> = vec![(self.home.as_str(), Param::Home)];
        known.extend(self.profile.as_ref().map(|p| (p.as_str(), Param::Profile)));
        known.extend(self.program.as_ref().map(|p| (p.as_str(), Param::Program)));
        known.retain(|(path, _)| path.len() > 1);
        known.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let mut pieces = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let here = known.iter().find(|(path, _)| stands_at(text, at, path));
            match here {
                Some((path, param)) => {
                    if from < at {
                        pieces.push(Piece::Text(text[from..at].to_owned()));
                    }
                    pieces.push(Piece::Param(*param));
                    at += path.len();
                    from = at;
                }
                None => at += text[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        if from < text.len() || pieces.is_empty() {
            pieces.push(Piece::Text(text[from..].to_owned()));
        }
        pieces
    }

    /// A word of a command line: also the user's bare name is another one elsewhere.
    #[must_use]
    pub fn word(&self, word: &str) -> Vec<Piece> {
        if word == self.user { vec![Piece::Param(Param::User)] } else { self.pieces(word) }
    }

    /// A sentence without these places, for people.
    #[must_use]
    pub fn neutral(&self, text: &str) -> String {
        let name = |piece: Piece| match piece {
            Piece::Text(text) => text.replace(&format!("`{}`", self.user), "the user"),
            Piece::Param(Param::Home) => "~".to_owned(),
            Piece::Param(Param::User) => "the user".to_owned(),
            Piece::Param(Param::Profile) => "%USERPROFILE%".to_owned(),
            Piece::Param(Param::Program) => "kind-wsl".to_owned(),
        };
        self.pieces(text).into_iter().map(name).collect()
    }
}

/// Whether a path begins at this offset and ends where a component does.
fn stands_at(text: &str, at: usize, path: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    text[at..].starts_with(path)
        && !text[..at].chars().next_back().is_some_and(is_part)
        && !text[at + path.len()..].chars().next().is_some_and(|c| c != '/' && is_part(c))
}

/// A word of a shell: bare where that is plain, else in single quotes; `param` writes what stands for a parameter.
///
/// The one function that quotes for shells. A word that begins with `-` stays one: where it could be taken for an
/// option, what calls it puts `--` before it.
#[must_use]
pub fn shell(pieces: &[Piece], param: &dyn Fn(Param) -> String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    let mut word = String::new();
    for piece in pieces {
        match piece {
            Piece::Param(p) => word.push_str(&param(*p)),
            // A tilde or `=` at the start of a word means something to some shells; `plain` has no tilde.
            Piece::Text(text) if !text.is_empty() && text.chars().all(plain) => word.push_str(text),
            Piece::Text(text) if text.is_empty() && pieces.len() > 1 => {}
            Piece::Text(text) => {
                word.push('\'');
                word.push_str(&text.replace('\'', r"'\''"));
                word.push('\'');
            }
        }
    }
    word
}

/// A YAML scalar that is read back as exactly this text: a block where it has several lines, else in double quotes.
/// `indent` is that of the line on which it begins.
///
/// The one function that quotes for YAML (1.2, which is also 1.1 as far as this goes: what is not printable ASCII and
/// not plain letters of other alphabets is escaped).
#[must_use]
pub fn yaml(text: &str, indent: usize) -> String {
    let fits_block = |c: char| c == '\n' || c == '\t' || is_printable(c);
    // A last line of blanks alone would be taken for part of the end.
    let ends_well = !text.trim_end_matches('\n').ends_with([' ', '\t', '\n']) && !text.starts_with('\n');
    let blank_lines = text.lines().any(|l| !l.is_empty() && l.trim().is_empty());
    if text.contains('\n') && text.trim() != "" && text.chars().all(fits_block) && ends_well && !blank_lines {
        let end = text.len() - text.trim_end_matches('\n').len();
        let chomp = match end {
            0 => "-",
            1 => "",
            _ => "+",
        };
        let pad = " ".repeat(indent + 2);
        let body = text.strip_suffix('\n').unwrap_or(text);
        let lines =
            body.split('\n').map(|l| if l.is_empty() { "\n".to_owned() } else { format!("\n{pad}{l}") });
        // The indentation is said, because the first line may begin with blanks itself.
        return format!("|2{chomp}{}", lines.collect::<String>());
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            c if u32::from(c) <= 0xff => {
                let _ = write!(quoted, "\\x{:02X}", u32::from(c));
            }
            c if u32::from(c) <= 0xffff => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// What YAML readers of every age take as it stands (YAML 1.1 leaves out what is beyond the first plane in some).
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{d7ff}') && !matches!(c, '\u{2028}' | '\u{2029}')
}
