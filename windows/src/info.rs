//! The output of `kind-wsl-helper.exe look`: the account, and whether a restart is possible from this session.

use crate::text::{one_line, value_of, values_of};

/// The report of the helper about its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperInfo {
    /// The profile directory of the Windows account, as Windows writes it.
    pub profile: Option<String>,
    /// The directory that the helper writes to, as Windows writes it.
    pub folder: Option<String>,
    /// Why it cannot restart WSL from this session, if it cannot.
    pub unable: Option<String>,
    /// The running distributions, or why wsl.exe did not list them.
    pub running: Result<Vec<String>, String>,
}

impl HelperInfo {
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("version={}\n", crate::VERSION);
        let mut line = |key: &str, value: &str| text += &format!("{key}={}\n", one_line(value));
        self.profile.iter().for_each(|profile| line("profile", profile));
        self.folder.iter().for_each(|folder| line("folder", folder));
        line("able", if self.unable.is_none() { "yes" } else { "no" });
        self.unable.iter().for_each(|why| line("why", why));
        match &self.running {
            Ok(names) => names.iter().for_each(|name| line("running", name)),
            Err(why) => line("listing", &format!("failed: {why}")),
        }
        text
    }

    /// Parses the output. If a line is missing, a restart is not possible.
    #[must_use]
    pub fn parse(text: &str) -> HelperInfo {
        let value = |key: &str| value_of(text, key).map(String::from);
        let unable = || value("why").unwrap_or_else(|| "it gives no reason".into());
        HelperInfo {
            profile: value("profile"),
            folder: value("folder"),
            unable: if value_of(text, "able") == Some("yes") { None } else { Some(unable()) },
            running: match value_of(text, "listing") {
                Some(failure) => Err(failure.strip_prefix("failed: ").unwrap_or(failure).to_string()),
                None => Ok(values_of(text, "running").map(String::from).collect()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HelperInfo;

    #[test]
    fn the_output_is_parsed_as_it_was_rendered() {
        let able = HelperInfo {
            profile: Some("C:\\Users\\Jürgen".into()),
            folder: Some("C:\\x".into()),
            unable: None,
            running: Ok(vec!["Debian".into(), "b".into()]),
        };
        let unable = HelperInfo {
            profile: None,
            folder: None,
            unable: Some("in a job".into()),
            running: Err("no answer".into()),
        };
        for info in [able, unable] {
            assert_eq!(HelperInfo::parse(&info.render()), info);
            assert_eq!(HelperInfo::parse(&info.render().replace('\n', "\r\n")), info);
        }
    }

    #[test]
    fn without_a_line_able_a_restart_is_not_possible() {
        assert_eq!(HelperInfo::parse("").unable.as_deref(), Some("it gives no reason"));
        assert_eq!(HelperInfo::parse("able=perhaps\nwhy=x\n").unable.as_deref(), Some("x"));
    }
}
