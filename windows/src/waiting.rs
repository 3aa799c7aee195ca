//! The output of `kind-wsl status --waiting`: the run that waits for a restart.

use crate::names;
use crate::request::Scope;

/// A setup that waits for a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub id: String,
    /// The scope of the restart; `None` for a machine that is not WSL.
    pub scope: Option<Scope>,
    /// The user of the setup.
    pub user: String,
    /// The program that resumes.
    pub program: String,
}

impl Waiting {
    #[must_use]
    pub fn render(&self) -> String {
        let scope = self.scope.map_or("machine", Scope::name);
        format!("id={}\nscope={scope}\nuser={}\nprogram={}\n", self.id, self.user, self.program)
    }
}

/// Parses the output; `Ok(None)` if nothing waits.
pub fn parse(output: &str) -> Result<Option<Waiting>, String> {
    if output.trim().is_empty() {
        return Ok(None);
    }
    let value = |key: &str| crate::text::value_of(output, key).ok_or_else(|| format!("no line {key}="));
    let checked = |key: &str, holds: fn(&str) -> bool| {
        let text = value(key)?;
        if holds(text) { Ok(text.to_string()) } else { Err(format!("{key}={}", crate::text::one_line(text))) }
    };
    let scope = match value("scope")? {
        "machine" => None,
        other => Some(Scope::parse(other).ok_or_else(|| format!("scope={}", crate::text::one_line(other)))?),
    };
    let id = checked("id", names::is_id)?;
    Ok(Some(Waiting {
        id,
        scope,
        user: checked("user", names::is_user)?,
        program: checked("program", names::is_program)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id=a-1\nscope=vm\nuser=dev\nprogram=/usr/local/bin/kind-wsl\n";

    #[test]
    fn the_waiting_setup_is_parsed() {
        let found = parse(GOOD).unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.scope, found.user.as_str()), ("a-1", Some(Scope::Vm), "dev"));
        assert_eq!(found.program, "/usr/local/bin/kind-wsl");
        assert_eq!(found.render(), GOOD);
        assert_eq!(parse(&GOOD.replace("vm", "machine")).unwrap().unwrap().scope, None);
        assert!(parse(&GOOD.replace('\n', "\r\n")).unwrap().is_some());
        assert_eq!(parse(" \n"), Ok(None));
    }

    #[test]
    fn unsafe_values_of_the_status_are_refused() {
        for (from, to) in [("a-1", "a 1"), ("=vm", "=all"), ("=dev", "=-u"), ("=/usr", "=usr"), ("user=", "who=")] {
            assert!(parse(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }
}
