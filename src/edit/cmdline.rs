//! Kernel command lines: tokens separated by white space, which double quotes protect.
//!
//! The rules are those of the kernel's `next_arg` and `parse_args` (Linux `lib/cmdline.c`, `kernel/params.c`): a
//! quote may open anywhere in a token, `-` and `_` are equal in a name, the last of several values wins, and tokens
//! after a bare `--` are for init.

use std::ops::Range;

/// The size of the kernel's buffer on x86 (`COMMAND_LINE_SIZE` in `arch/x86/include/asm/setup.h`), including its
/// final NUL. WSL puts its own parameters first into the same buffer.
pub const LIMIT: usize = 2048;

/// Whether a command line fits into the kernel's buffer in addition to the bytes already there.
#[must_use]
pub fn fits(text: &str, already: usize) -> bool {
    text.len().saturating_add(already) < LIMIT
}

/// The tokens, quotes included.
#[must_use]
pub fn tokens(text: &str) -> Vec<&str> {
    spans(text).into_iter().map(|span| &text[span]).collect()
}

/// Whether the kernel receives this very token.
#[must_use]
pub fn has(text: &str, token: &str) -> bool {
    for_kernel(text).into_iter().any(|span| text[span] == *token)
}

/// Returns the command line with these tokens.
///
/// A token `name=value` replaces the last one with that name, which is the effective one. An existing token stays.
/// Any other is appended, but before a bare `--` and before a quote that never closes. All other bytes stay.
#[must_use]
pub fn merge(text: &str, tokens: &[&str]) -> String {
    tokens.iter().fold(text.to_owned(), |text, token| merge_one(&text, token))
}

fn merge_one(text: &str, token: &str) -> String {
    let spans = for_kernel(text);
    let last_of_name = name(token).and_then(|wanted| {
        spans
            .iter()
            .rev()
            .find(|span| name(&text[(*span).clone()]).is_some_and(|found| is_same_name(found, wanted)))
    });
    if let Some(span) = last_of_name {
        return format!("{}{token}{}", &text[..span.start], &text[span.end..]);
    }
    if token.is_empty() || spans.iter().any(|span| text[span.clone()] == *token) {
        return text.to_owned();
    }
    match barrier(text) {
        // With one blank before it, as `remove` expects.
        Some(at) => match self::spans(text).into_iter().rfind(|span| span.end <= at) {
            Some(before) => format!("{} {token}{}", &text[..before.end], &text[before.end..]),
            None => format!("{token} {text}"),
        },
        None if text.is_empty() => token.to_owned(),
        None => format!("{text} {token}"),
    }
}

/// Parameters that affect cgroups.
const SHOWN: [&str; 5] = [
    "cgroup_no_v1",
    "cgroup_disable",
    "cgroup_enable",
    "systemd.unified_cgroup_hierarchy",
    "systemd.legacy_systemd_cgroup_controller",
];

/// The values of parameters about cgroups, apart from the names of controllers.
const VALUES: [&str; 8] = ["all", "named", "0", "1", "yes", "no", "true", "false"];

/// The command line as it may be published: every token that is not about cgroups is replaced by its length.
#[must_use]
pub fn shown(text: &str) -> String {
    let is_value = |value: &str| VALUES.contains(&value) || is_controller(value);
    let is_shown = |token: &str| match token.split_once('=') {
        Some((name, values)) => {
            SHOWN.iter().any(|n| is_same_name(n, name)) && values.split(',').all(is_value)
        }
        None => ["quiet", "--"].contains(&token),
    };
    let shown = |token: &str| {
        if is_shown(token) { token.to_owned() } else { format!("<{}-bytes>", token.len()) }
    };
    tokens(text).into_iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// The names of controllers, as options of a v1 mount too (cgroups(7)).
pub(crate) fn is_controller(word: &str) -> bool {
    matches!(
        word,
        "cpu"
            | "cpuacct"
            | "cpuset"
            | "memory"
            | "devices"
            | "freezer"
            | "net_cls"
            | "net_prio"
            | "blkio"
            | "perf_event"
            | "hugetlb"
            | "pids"
            | "rdma"
            | "misc"
    )
}

/// The tokens for the kernel, not for init. One whose quote never closes is the last of them.
fn for_kernel(text: &str) -> Vec<Range<usize>> {
    let spans = spans(text).into_iter();
    spans.take_while(|span| !is_end(&text[span.clone()])).collect()
}

/// The start of a bare `--`, or of a token whose quote never closes.
fn barrier(text: &str) -> Option<usize> {
    spans(text)
        .into_iter()
        .find(|span| {
            let token = &text[span.clone()];
            is_end(token) || !token.matches('"').count().is_multiple_of(2)
        })
        .map(|span| span.start)
}

/// Whether it is the `--` before the tokens for init; the kernel removes one pair of quotes first.
fn is_end(token: &str) -> bool {
    let bare = token.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest));
    bare.unwrap_or(token) == "--"
}

fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, char) in text.char_indices() {
        // The kernel's `isspace` includes the vertical tab.
        if (char.is_ascii_whitespace() || char == '\x0b') && !quoted {
            spans.extend(start.take().map(|start| start..at));
            continue;
        }
        start.get_or_insert(at);
        quoted ^= char == '"';
    }
    spans.extend(start.map(|start| start..text.len()));
    spans
}

/// The name of a token `name=value`. The kernel removes one quote, and a `=` at the very beginning is part of the
/// name.
fn name(token: &str) -> Option<&str> {
    let bare = token.strip_prefix('"').unwrap_or(token);
    bare.match_indices('=').map(|(at, _)| at).find(|at| *at > 0).map(|at| &bare[..at])
}

fn is_same_name(left: &str, right: &str) -> bool {
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte };
    left.bytes().map(plain).eq(right.bytes().map(plain))
}
