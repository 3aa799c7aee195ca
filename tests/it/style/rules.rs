//! The rules that a pattern of words can hold.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::extract::{Kind, Text};

/// The most words of a sentence on a screen.
const MAX_WORDS: usize = 25;

/// Rule, pattern, what to write instead.
///
/// A pattern is words: `a|b` is either, `a*` a prefix, `!a|b` any other word, `#` a number, `{}` a placeholder, `` ` `` code,
/// `^` the start of a sentence. After `screen: `, the rule is for texts on a screen only.
type Pattern = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const PATTERNS: &[Pattern] = &[
    ("R1", ", where it|he|that|there|no|a|the|they|nothing|none|one", "if, when"),
    ("R1", "only|except|but|even where", "only if, except if"),
    ("R1", "where needed|possible|necessary|asked", "if needed, if possible"),
    ("R1", "wherever", "if, whenever"),
    ("R2", "^ should none|any|one|it|there|they|the|a", "If …"),
    ("R2", "if need be", "if needed"),
    ("R2", "by|of|from|to whom", "name the person or program"),
    ("R2", "shall|lest|ought|whence", "should, so that … not"),
    ("R3", "set-up*", "setup (noun, adjective), set up (verb)"),
    ("R3", "go|goes|gone|going|went on", "resume, continue"),
    ("R3", "take|takes|taken|taking|took|put|puts|putting back", "undo, revert, restore"),
    ("R3", "take|takes|taking|took|put|puts|putting it|them|this|that|all|everything|things|` back", "undo, revert, restore"),
    ("R3", "given|gives|give|gave back", "returned, restored"),
    ("R3", "mend|mends|mended|mending|cure|cures|cured|curing", "fix"),
    ("R3", "anew", "again, from scratch"),
    ("R3", "is|are|was|were not there", "is not installed, does not exist"),
    ("R3", "!there is|are|was|were no !longer|later|earlier|newer|older|more|less|different|.|,|¶", "is not a …; no … is installed"),
    ("R3", "screen: there is|are no", "not installed, does not exist, no … is"),
    ("R3", "left|leave|leaves|leaving out", "skipped, omitted"),
    ("R3", "left|leaves|leave to you", "manual; do this yourself"),
    ("R3", "not here", "skipped"),
    ("R3", "suits|suit", "is supported, works"),
    ("R3", "doubtful", "warning"),
    ("R3", "counts only|then|after|from", "takes effect"),
    ("R3", "brought|brings", "installed, created"),
    ("R3", "started|starts|start|starting again", "restarted"),
    ("R3", "voucher*|vouch|vouched|vouches", "signature, checksum"),
    ("R3", "plays|pretend*", "emulates; fake root"),
    ("R3", "for good", "permanently"),
    ("R3", "without a word", "silently"),
    ("R3", "user's|users' own", "per-user, rootless"),
    ("R3", "besides", "also, other changes"),
    ("R3", "looked|looks|looking at", "checks, reads"),
    ("R5", "nobody|somebody|anybody|everybody|whoever|whomever", "name who or what"),
    ("R5", "says|said|say|saying|tell|tells|told|telling", "reports, prints, sets, states"),
    ("R5", "knows|minds|believes|thinks", "is known, requires, assumes"),
    ("R6", "sub-id|sub-ids|subordinate-id*", "subordinate IDs"),
    ("R6", "!systemd user|service manager", "systemd user manager"),
    ("R6", "passed|passes|pass|passing on", "enabled for child cgroups"),
    ("R7", "guide's", "the upstream guide, with its address"),
    ("R7", "the|this guide", "the upstream guide, with its address"),
    ("R7", "the page|page's !cache|caches|table|tables|size", "the document's name"),
    ("R7", "row|rows|symptom|symptoms #", "the ID: KW028"),
    ("R7", "ours|us", "kind-wsl's, kind-wsl"),
    ("R10", "can not", "cannot"),
    ("R10", "colour*|behaviour*|favour*|honour*|neighbour*|flavour*|artefact*", "US spelling: color, behavior"),
    ("R10", "organis*|recognis*|unrecognis*|initialis*|normalis*|serialis*|summaris*|minimis*|optimis*", "US spelling: -ize"),
    ("R10", "authoris*|customis*|realis*|utilis*|finalis*|generalis*|specialis*|synchronis*|parallelis*", "US spelling: -ize"),
    ("R10", "analyse|analysed|centre*|licence*|grey|labelled|modelled|defence|whilst|amongst|programme|programmes", "US spelling"),
    ("R10", "learnt|burnt|spelt|spoilt|judgement*", "US spelling: learned, burned, judgment"),
    ("R10", "entity not found", "what was not found"),
    ("R10", "os error !#", "the error without its number"),
];

/// A broken rule: its name, the words that break it, what to write instead.
pub type Broken = (&'static str, String, &'static str);

/// The rules that a text breaks.
pub fn check(text: &Text) -> Vec<Broken> {
    let mut broken = Vec::new();
    if text.file.ends_with("--help") && text.line > 0 {
        return vec![("R4", text.content.clone(), "at most 80 columns")];
    }
    let words = words(text);
    for sentence in words.split(|word| is_end(word)) {
        for at in 0..sentence.len() {
            let first = compiled().get(sentence[at].as_str()).into_iter().chain(compiled().get("")).flatten();
            for (rule, pattern, instead, is_for_screens) in first {
                let words = &sentence[at..sentence.len().min(at + pattern.len())];
                let fits = words.len() == pattern.len() && pattern.iter().zip(words).all(|(p, w)| fits(p, w));
                if fits && (!is_for_screens || text.kind == Kind::Screen) {
                    broken.push((*rule, words.join(" "), *instead));
                }
            }
        }
        let is_word = |word: &&String| word.starts_with(|c: char| c.is_alphanumeric() || "`{".contains(c));
        let length = sentence.iter().filter(is_word).count();
        if text.kind == Kind::Screen && length > MAX_WORDS {
            broken.push((
                "R2",
                format!("{length} words: {}", sentence[1..7].join(" ")),
                "at most 25 words in a sentence",
            ));
        }
        let is_riddle = matches!(
            sentence.get(1).map(String::as_str),
            Some("what" | "whose" | "whom" | "whatever" | "whichever")
        );
        if is_riddle
            && matches!(text.kind, Kind::Comment | Kind::TestName)
            && sentence.last().is_some_and(|w| w != "?")
        {
            broken.push((
                "R2",
                sentence[1..sentence.len().min(6)].join(" "),
                "start with the noun or the verb",
            ));
        }
    }
    if text.kind == Kind::Screen && has_nested_parentheses(&text.content) {
        broken.push(("R10", "( … ( … ) )".to_owned(), "one pair of parentheses"));
    }
    broken
}

fn is_end(word: &str) -> bool {
    matches!(word, "." | "!" | "¶")
}

fn has_nested_parentheses(text: &str) -> bool {
    let mut depth = 0_i32;
    text.split('`').step_by(2).flat_map(str::chars).any(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')' && depth > 0);
        depth > 1
    })
}

/// The alternatives of each word of a pattern, and whether they are excluded.
type Alternatives = (bool, Vec<&'static str>);

type Compiled = (&'static str, Vec<Alternatives>, &'static str, bool);

/// The patterns by each first word; below the empty word those that start with a prefix or an excluded word.
fn compiled() -> &'static HashMap<&'static str, Vec<Compiled>> {
    static COMPILED: LazyLock<HashMap<&str, Vec<Compiled>>> = LazyLock::new(|| {
        let word = |word: &'static str| {
            let excluded = word.strip_prefix('!');
            (excluded.is_some(), excluded.unwrap_or(word).split('|').collect())
        };
        let mut compiled: HashMap<&str, Vec<Compiled>> = HashMap::new();
        for (rule, pattern, instead) in PATTERNS {
            let for_screens = pattern.strip_prefix("screen: ");
            let words: Vec<Alternatives> = for_screens.unwrap_or(pattern).split(' ').map(word).collect();
            let (excluded, first) = words[0].clone();
            let is_plain = !excluded && first.iter().all(|word| !word.ends_with('*') && *word != "#");
            for first in if is_plain { first } else { vec![""] } {
                compiled.entry(first).or_default().push((
                    rule,
                    words.clone(),
                    instead,
                    for_screens.is_some(),
                ));
            }
        }
        compiled
    });
    &COMPILED
}

fn fits((excluded, alternatives): &Alternatives, word: &str) -> bool {
    let is_one = alternatives.iter().any(|alternative| match alternative.strip_suffix('*') {
        Some(prefix) => word.starts_with(prefix),
        None if *alternative == "#" => word.starts_with(|c: char| c.is_ascii_digit()),
        None => *alternative == word,
    });
    is_one != *excluded
}

/// The words and punctuation of a text in lower case. Code is one word, each sentence starts with `^`.
fn words(text: &Text) -> Vec<String> {
    let mut plain = String::new();
    for (number, fenced) in text.content.split("```").enumerate() {
        if number % 2 == 1 {
            plain.push_str(" ¶ ");
            continue;
        }
        for (number, span) in fenced.split('`').enumerate() {
            plain.push_str(if number % 2 == 0 { span } else { "`" });
        }
    }
    let breaks: &[&str] =
        if text.kind == Kind::Screen { &["\n"] } else { &["\n\n", "\n-", "\n*", "\n|", "\n#"] };
    for line_break in breaks {
        plain = plain.replace(line_break, " ¶ ");
    }
    let mut words = vec!["^".to_owned()];
    let mut push = |word: &str| {
        words.push(word.to_owned());
        if is_end(word) {
            words.push("^".to_owned());
        }
    };
    for chunk in plain.split_whitespace() {
        const PUNCTUATION: [char; 14] =
            ['.', ',', ';', ':', '!', '?', '(', ')', '"', '[', ']', '…', '“', '”'];
        let core = chunk.trim_matches(|c| PUNCTUATION.contains(&c));
        let Some(at) = chunk.find(core).filter(|_| !core.is_empty()) else {
            chunk.chars().for_each(|c| push(c.encode_utf8(&mut [0; 4])));
            continue;
        };
        if matches!(core, "e.g" | "i.e" | "etc" | "cf" | "vs") {
            push(core);
            continue;
        }
        chunk[..at].chars().for_each(|c| push(c.encode_utf8(&mut [0; 4])));
        if core.starts_with('{') {
            push("{}");
        } else if core.contains(['/', '_', '=', '\\', '@', '$', '<', '>', '.', '`', '{'])
            || core.contains("::")
        {
            push("`");
        } else {
            // "US spelling" is not "us".
            let core = if core == "US" { core.to_owned() } else { core.to_lowercase() };
            push(&core.replace('’', "'"));
        }
        chunk[at + core.len()..].chars().for_each(|c| push(c.encode_utf8(&mut [0; 4])));
    }
    words
}
