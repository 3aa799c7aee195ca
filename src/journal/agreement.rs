//! The consent to one plan, as far as a later run may rely on it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::change::{Change, ChangeKind, Package, RestartScope, Target};
use crate::host::digest;

/// A plan that the user agreed to.
///
/// The rest of it is still agreed to after some of its changes were made: a later plan is covered if each of its
/// changes has the content of an agreed one and its restart is not a larger one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Digest of the plan and of all choices that led to it.
    pub digest: String,
    /// Digests of its changes.
    pub changes: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartScope>,
    /// Whether `--yes` gave the consent, which then covers every plan from the same choices.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yes: bool,
}

impl Agreement {
    /// The consent to these changes, which follow from these choices.
    pub fn new<'c>(
        changes: impl IntoIterator<Item = &'c Change>,
        restart: Option<RestartScope>,
        choices: &impl Serialize,
        yes: bool,
    ) -> Self {
        let changes: BTreeSet<String> = changes.into_iter().flat_map(contents).collect();
        let all = serde_json::to_string(&(choices, &changes, restart)).unwrap_or_default();
        Self { digest: short(&all), changes, restart, yes }
    }

    /// Returns the changes without consent.
    pub fn uncovered<'c>(&self, changes: impl IntoIterator<Item = &'c Change>) -> Vec<Target> {
        let is_new = |c: &&Change| contents(c).iter().any(|content| !self.changes.contains(content));
        changes.into_iter().filter(is_new).map(Change::target).collect()
    }
}

fn short(text: &str) -> String {
    digest(text.as_bytes()).get(..16).unwrap_or_default().to_owned()
}

/// The content of a change, one for each package: some may be installed already. A restart has none, since it is
/// compared by its scope.
fn contents(change: &Change) -> Vec<String> {
    match &change.kind {
        ChangeKind::Restart(_) => Vec::new(),
        ChangeKind::Package(Package { manager, names, file: None, removes }) => {
            let installed = names.iter().map(|name| format!("{manager:?} {name}"));
            let removed = removes.iter().map(|name| format!("{manager:?} without {name}"));
            installed.chain(removed).map(|content| short(&content)).collect()
        }
        _ => vec![short(&serde_json::to_string(change).unwrap_or_default())],
    }
}

#[cfg(test)]
mod tests {
    use super::Agreement;
    use crate::change::{Change, Manager, Package, WriteFile};

    fn write(text: &str) -> Change {
        WriteFile::config("/etc/x", text.to_owned()).into()
    }

    fn install(names: &[&str]) -> Change {
        Package::new(Manager::Apt, names.iter().map(|n| (*n).to_owned()).collect()).into()
    }

    #[test]
    fn consent_covers_the_rest_of_a_plan_and_nothing_else() {
        let agreed = Agreement::new(&[write("a"), install(&["podman", "crun"])], None, &"choices", false);
        let uncovered = |change: Change| !agreed.uncovered(&[change]).is_empty();
        assert!(!uncovered(write("a")) && !uncovered(install(&["crun"])));
        assert!(uncovered(write("b")) && uncovered(install(&["crun", "docker.io"])));
    }

    #[test]
    fn the_digest_follows_changes_restart_and_choices() {
        let of = |text: &str, choices: &str| Agreement::new(&[write(text)], None, &choices, false).digest;
        assert_eq!(of("a", "x"), of("a", "x"));
        assert!(of("a", "x") != of("b", "x") && of("a", "x") != of("a", "y"));
    }
}
