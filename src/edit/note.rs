//! The comment above an added line among lines of other authors: its author, and how to remove it.

/// A separate line: in wsl.conf, .wslconfig, TOML and fstab, `#` begins a comment there.
pub(crate) const NOTE: &str = "# kind-wsl: set for rootless kind; undo with \"kind-wsl undo\"";

/// The lines that kind-wsl adds, without blanks: section, key, start of the value. A file with only such lines was
/// created by kind-wsl, or looks like it, and needs no comment.
const ADDED: [(&str, &str, &str); 12] = [
    ("boot", "systemd", "true"),
    ("general", "instanceIdleTimeout", "-1"),
    ("wsl2", "vmIdleTimeout", "-1"),
    ("wsl2", "kernelCommandLine", "cgroup_no_v1=all"),
    ("containers", "log_driver", "\"k8s-file\""),
    ("containers", "pids_limit", "65536"),
    ("engine", "events_logger", "\"file\""),
    ("engine", "cgroup_manager", "\""),
    ("engine", "runtime", "\"crun\""),
    ("engine.runtimes", "crun", "[\"/home/"),
    ("storage", "driver", "\"overlay\""),
    ("storage.options.overlay", "mount_program", "\"/usr/bin/fuse-overlayfs\""),
];

/// Whether a line is the comment, however far it is indented.
pub(super) fn is_note(line: &str) -> bool {
    line.trim() == NOTE
}

/// Whether a new line for this key gets the comment: only a key that kind-wsl sets for itself, and only in a file
/// with lines of other authors. In a personal file of a single line, the comment would be longer than the content.
#[must_use]
pub(crate) fn is_due(text: &str, section: &str, key: &str, is_personal: bool) -> bool {
    let is_added =
        |own: &(&str, &str, &str)| own.0.eq_ignore_ascii_case(section) && own.1.eq_ignore_ascii_case(key);
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    ADDED.iter().any(is_added) && lines > usize::from(is_personal) && has_others(text)
}

fn has_others(text: &str) -> bool {
    let mut section = String::new();
    text.trim_start_matches('\u{feff}').lines().any(|line| {
        let line = line.replace([' ', '\t'], "");
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            return false;
        }
        let is_added = |own: &(&str, &str, &str)| {
            let key = line.split_once('=').filter(|(key, value)| {
                key.eq_ignore_ascii_case(own.1)
                    && value.trim_start_matches('"').starts_with(own.2.trim_start_matches('"'))
            });
            own.0.eq_ignore_ascii_case(&section) && key.is_some()
        };
        !line.is_empty() && !ADDED.iter().any(is_added)
    })
}

/// Whether a line at this offset needs no comment, because the one above the preceding lines covers it.
pub(super) fn is_covered(text: &str, at: usize) -> bool {
    let mut above = text[..at].lines().rev();
    let is_entry = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '[']);
    above.find(|line| !is_entry(line)).is_some_and(is_note)
}

/// The text with the comment above the line at this offset.
pub(super) fn above(text: &str, at: usize) -> String {
    if is_covered(text, at) {
        return text.to_owned();
    }
    let line = &text[at..];
    let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    super::lines::splice(text, at..at, &format!("{indent}{NOTE}{}", super::lines::eol(text)))
}

/// The start of a line to remove, including the comment right above it.
pub(super) fn start(text: &str, at: usize) -> usize {
    let above = at.checked_sub(1).map(|last| super::lines::start(text, last));
    above.filter(|&above| is_note(&text[above..at])).unwrap_or(at)
}

/// The text without comments of kind-wsl whose lines are gone.
pub(crate) fn without_orphans(text: &str) -> String {
    let spans: Vec<_> = super::lines::spans(text).collect();
    let mut kept = text.to_owned();
    for (nth, (range, line)) in spans.iter().enumerate().rev() {
        let below = spans.get(nth + 1).map_or("", |(_, below)| below.trim());
        if is_note(line) && (below.is_empty() || below.starts_with(['#', '['])) {
            kept = super::lines::remove(&kept, range.start..range.end.min(kept.len()));
        }
    }
    kept
}
