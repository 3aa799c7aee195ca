//! The programs for which `AppArmor` allows user namespaces.

use serde::{Deserialize, Serialize};

use crate::host::System;

const DIR: &str = "/etc/apparmor.d";

/// `AppArmor`'s rule for user namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppArmor {
    /// Whether a program needs a profile to create one (`kernel.apparmor_restrict_unprivileged_userns`, Ubuntu since
    /// 23.10).
    pub restricts: bool,
    /// The paths, as patterns, of the profiles that allow one; empty without the restriction.
    pub allowed: Vec<String>,
}

impl AppArmor {
    /// Reads the files of the profiles: only root can read the kernel's list.
    #[must_use]
    pub fn probe(system: &dyn System) -> Self {
        let setting = system.text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        if setting.is_none_or(|value| value.trim() != "1") {
            return Self::default();
        }
        let names = system.list(DIR.into()).unwrap_or_default();
        // Leftovers of dpkg and editors are not loaded, and neither are profiles linked by aa-disable
        // (aa-disable(8)).
        let is_loaded = |name: &&String| {
            !name.contains(".dpkg-")
                && !name.ends_with('~')
                && matches!(system.stat(format!("{DIR}/disable/{name}").as_str().into()), Ok(None))
        };
        let texts = names.iter().filter(is_loaded).filter_map(|name| system.text(&format!("{DIR}/{name}")));
        Self { restricts: true, allowed: texts.flat_map(|text| allowed(&text)).collect() }
    }

    /// Whether the program at this path can create a user namespace.
    #[must_use]
    pub fn allows(&self, path: &str) -> bool {
        !self.restricts || self.allowed.iter().any(|pattern| matches(pattern, path))
    }
}

/// The attachments of the profiles in a file that have a rule `userns` (apparmor.d(5)).
fn allowed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut attachment = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if line.ends_with('{') {
            attachment = attachment_of(line);
        } else if line == "}" {
            attachment = None;
        } else if line.starts_with("userns") || line.starts_with("allow userns") {
            found.extend(attachment.take());
        }
    }
    found
}

/// The path of a profile's first line: `profile podman /usr/bin/podman flags=(unconfined) {`.
fn attachment_of(line: &str) -> Option<String> {
    let (before, path) = line.split_at(line.find(['/', '@'])?);
    let end = if before.ends_with('"') { '"' } else { ' ' };
    Some(path.split(end).next()?.to_owned())
}

/// Whether a path matches a pattern of `AppArmor`: `*` within a directory, `**`, `?`, `{a,b}` and the variable `@{bin}`.
fn matches(pattern: &str, path: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("@{bin}") {
        return matches(&format!("/{{,usr/}}{{,s}}bin{rest}"), path);
    }
    let Some(first) = pattern.chars().next() else { return path.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '{' => {
            let Some((choices, rest)) = rest.split_once('}') else { return false };
            choices.split(',').any(|choice| matches(&format!("{choice}{rest}"), path))
        }
        '*' => {
            let (rest, crosses) = match rest.strip_prefix('*') {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
            let mut ends = ends.take_while(|end| crosses || !path[..*end].contains('/'));
            ends.any(|end| matches(rest, &path[end..]))
        }
        '?' => path.chars().next().is_some_and(|c| c != '/' && matches(rest, &path[c.len_utf8()..])),
        _ => path.strip_prefix(first).is_some_and(|path| matches(rest, path)),
    }
}

/// A command that adds a profile like those of Ubuntu for podman and rootlesskit.
#[must_use]
pub fn profile_command(path: &str) -> String {
    let file = path.trim_start_matches('/').replace('/', ".");
    format!(
        "printf 'abi <abi/4.0>,\\n{path} flags=(unconfined) {{\\n  userns,\\n}}\\n' | sudo tee {DIR}/{file} && sudo systemctl reload apparmor"
    )
}

#[cfg(test)]
mod tests {
    use super::{AppArmor, allowed, matches};

    #[test]
    fn a_profile_counts_if_it_has_a_rule_for_user_namespaces() {
        let rootlesskit =
            "abi <abi/4.0>,\nprofile rootlesskit /usr/bin/rootlesskit flags=(unconfined) {\n  userns,\n}\n";
        assert_eq!(allowed(rootlesskit), ["/usr/bin/rootlesskit"]);
        assert_eq!(allowed("\"/opt/a b/x\" flags=(unconfined) {\n  userns create,\n}\n"), ["/opt/a b/x"]);
        assert!(allowed("/usr/sbin/tcpdump {\n  network,\n}\n# /x {\n  userns,\n").is_empty());
    }

    #[test]
    fn a_pattern_matches_as_apparmor_matches_it() {
        for (pattern, path, is_match) in [
            ("/usr/bin/podman", "/usr/bin/podman", true),
            ("/usr/bin/podman", "/usr/local/bin/podman", false),
            ("/usr/{,local/}bin/podman", "/usr/local/bin/podman", true),
            ("/usr/bin/passt{,.avx2}", "/usr/bin/passt.avx2", true),
            ("@{bin}/crun", "/usr/bin/crun", true),
            ("/opt/*/chrome", "/opt/google/chrome", true),
            ("/opt/*/chrome", "/opt/google/chrome/chrome", false),
            ("/opt/**/chrome", "/opt/google/chrome/chrome", true),
            ("/usr/bin/crun?", "/usr/bin/crun2", true),
        ] {
            assert_eq!(matches(pattern, path), is_match, "{pattern} {path}");
        }
    }

    #[test]
    fn without_the_restriction_every_program_may() {
        assert!(AppArmor::default().allows("/usr/local/bin/podman"));
    }
}
