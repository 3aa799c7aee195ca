//! The clusters that the systemd user manager starts: units in the user's home, and links to them.
//!
//! They need no root, and users of one machine do not share them. A link in `/etc/systemd/user` would be for all users.

use std::collections::BTreeSet;

use super::is_name;
use crate::host::{Account, FileKind, System};

/// The units of a user, below the home (systemd.unit(5)).
pub const UNITS: &str = ".config/systemd/user";
/// Where the systemd user manager finds what it starts, below the home (systemd.unit(5)).
pub const WANTS: &str = ".config/systemd/user/default.target.wants";
/// The unit that starts every cluster.
pub const EVERY: &str = "kind-wsl-clusters.service";
/// The unit that starts one cluster.
pub const TEMPLATE: &str = "kind-wsl-cluster@.service";

/// The clusters that start by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Autostart {
    Every,
    /// These; none if empty.
    Of(BTreeSet<String>),
}

impl Autostart {
    /// Parses an answer: `yes`, `no` or names separated by commas.
    #[must_use]
    pub fn of_answer(answer: &str) -> Self {
        match answer {
            "yes" => Self::Every,
            "no" => Self::Of(BTreeSet::new()),
            names => Self::Of(names.split(',').filter(|name| is_name(name)).map(str::to_owned).collect()),
        }
    }

    /// The answer that stands for it.
    #[must_use]
    pub fn answer(&self) -> String {
        match self {
            Self::Every => "yes".to_owned(),
            Self::Of(names) if names.is_empty() => "no".to_owned(),
            Self::Of(names) => names.iter().map(String::as_str).collect::<Vec<_>>().join(","),
        }
    }

    /// Reads it from the links in the home. A user who links both units gets every cluster.
    pub fn present(system: &dyn System, user: &Account) -> Self {
        let wants = user.home.join(WANTS);
        let mut units = system.list(&wants).unwrap_or_default();
        units.retain(|unit| {
            let stat = system.stat(&wants.join(unit));
            matches!(stat, Ok(Some(stat)) if matches!(stat.kind, FileKind::Link(_)))
        });
        if units.iter().any(|unit| unit == EVERY) {
            return Self::Every;
        }
        Self::Of(units.iter().filter_map(|unit| of_unit(unit)).map(str::to_owned).collect())
    }

    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Of(names) if names.is_empty())
    }

    /// Whether this cluster starts.
    #[must_use]
    pub fn has(&self, cluster: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Of(names) => names.contains(cluster),
        }
    }
}

/// The instance of the template for one cluster.
#[must_use]
pub fn unit(cluster: &str) -> String {
    TEMPLATE.replace('@', &format!("@{cluster}"))
}

fn of_unit(unit: &str) -> Option<&str> {
    let name = unit.strip_prefix("kind-wsl-cluster@")?.strip_suffix(".service")?;
    is_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{Autostart, of_unit, unit};

    #[test]
    fn an_answer_is_that_of_its_clusters() {
        for answer in ["yes", "no", "dev,kind"] {
            assert_eq!(Autostart::of_answer(answer).answer(), answer);
        }
        assert!(Autostart::of_answer("yes").has("dev") && Autostart::of_answer("dev").has("dev"));
        assert!(!Autostart::of_answer("dev").has("kind") && Autostart::of_answer("../x,%i,a b").is_none());
        assert_eq!(of_unit(&unit("dev-1.2")), Some("dev-1.2"));
        assert_eq!(of_unit("kind-wsl-cluster@.service"), None);
    }
}
