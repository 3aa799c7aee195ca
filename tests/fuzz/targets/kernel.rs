//! Kernel command lines, against the kernel's own `next_arg` written down once more. First line: the token to put.

use kind_wsl::edit::cmdline;

use super::{Shape, Target, choice, order};

pub(crate) const COMMAND_LINE: Target = Target {
    name: "command-line",
    words: &[
        "cgroup_no_v1=all",
        "cgroup-no-v1=",
        "quiet",
        "ro",
        "--",
        "\"",
        "\" \"",
        "=",
        "a=b",
        "a-b=1",
        "a_b=2",
        " ",
        "  ",
        "\t",
        "\n",
        "\x0b",
        "\x0c",
        "\r",
        "\"a b\"",
        "x=\"a b\"",
        "\"--\"",
        "é",
        "\0",
    ],
    run: laws,
    ordinary: 4000,
};

/// A parameter as the kernel hands it to its handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    value: Option<String>,
}

/// `next_arg` and the loop of `parse_args` (Linux `lib/cmdline.c`, `kernel/params.c`), for ASCII without NUL: parameters up
/// to a `--`.
fn parameters(line: &str) -> Vec<Parameter> {
    let is_space = |byte: u8| matches!(byte, b' ' | 9..=13);
    let mut rest = line.as_bytes();
    let skip = |rest: &[u8]| rest.iter().take_while(|b| is_space(**b)).count();
    let mut found = Vec::new();
    rest = &rest[skip(rest)..];
    while !rest.is_empty() {
        let quoted = rest[0] == b'"';
        let mut in_quote = quoted;
        let args = &rest[usize::from(quoted)..];
        let (mut end, mut equals) = (0, 0);
        while end < args.len() && (in_quote || !is_space(args[end])) {
            if equals == 0 && args[end] == b'=' {
                equals = end;
            }
            in_quote ^= args[end] == b'"';
            end += 1;
        }
        let mut word = &args[..end];
        let closes = end > 0 && word[end - 1] == b'"';
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parameter = if equals == 0 {
            if quoted && closes {
                word = &word[..end - 1];
            }
            Parameter { name: text(word), value: None }
        } else {
            let mut value = &word[equals + 1..];
            let mut cut = quoted && closes;
            if value.first() == Some(&b'"') {
                value = &value[1..];
                cut |= closes;
            }
            // A quote alone is its own end: the kernel writes its NUL before the value then.
            if cut {
                value = value.strip_suffix(b"\"").unwrap_or(value);
            }
            Parameter { name: text(&word[..equals]), value: Some(text(value)) }
        };
        if parameter == (Parameter { name: "--".to_owned(), value: None }) {
            break;
        }
        found.push(parameter);
        rest = &args[end..];
        rest = &rest[skip(rest)..];
    }
    found
}

fn same_name(one: &str, other: &str) -> bool {
    one.replace('-', "_") == other.replace('-', "_")
}

fn laws(input: &[u8]) -> Shape {
    let (token, rest) = order(input);
    let line = String::from_utf8_lossy(rest).into_owned();
    let tokens = cmdline::tokens(&line);
    assert!(tokens.iter().all(|token| !token.is_empty() && line.contains(token)));
    let kernel = line.is_ascii() && !line.contains('\0');
    let seen = parameters(&line);
    if let Some(found) = tokens.get(choice(input) % tokens.len().max(1))
        && kernel
        && cmdline::has(&line, found)
    {
        let wanted = parameters(found);
        assert!(wanted.iter().all(|w| seen.contains(w)), "the kernel gets {found:?}: {seen:?}");
    }
    // What is not one whole token cannot be written.
    let is_token = cmdline::tokens(&token) == [token.as_str()]
        && token.matches('"').count() % 2 == 0
        && !token.starts_with('"')
        && token.is_ascii()
        && !token.contains('\0')
        && !token.starts_with('=')
        && token != "--";
    if !is_token {
        return Shape::of("no token").few(tokens.len());
    }
    let merged = cmdline::merge(&line, &[&token]);
    assert!(cmdline::has(&merged, &token), "what was put is what is there: {merged:?}");
    assert_eq!(cmdline::merge(&merged, &[&token]), merged, "twice is once");
    if kernel {
        let wanted = parameters(&token).remove(0);
        let after = parameters(&merged);
        assert!(after.contains(&wanted), "the kernel gets it: {merged:?} {after:?}");
        if wanted.value.is_some() {
            let last = after.iter().rev().find(|p| p.value.is_some() && same_name(&p.name, &wanted.name));
            assert_eq!(last, Some(&wanted), "and it is the one that counts: {merged:?}");
        }
        let others = |all: &[Parameter]| {
            let mut all = all.to_vec();
            all.retain(|p| {
                !(same_name(&p.name, &wanted.name) && p.value.is_some() == wanted.value.is_some())
            });
            all
        };
        assert_eq!(others(&after), others(&seen), "no other parameter moves: {merged:?}");
    }
    let added = cmdline::tokens(&merged).len() > tokens.len();
    Shape::of(added).few(tokens.len()).and(line.contains('"')).and(line.contains("--")).and(merged == line)
}
