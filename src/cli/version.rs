//! `kind-wsl version`: version, commit, date, target and catalogue date.

use clap::Args;
use serde::Serialize;

use crate::error::Exit;
use crate::fetch::catalogue;
use crate::ui::{BOLD, columns, json_line, out, width};

/// The flags of `version`.
#[derive(Debug, Args)]
pub(crate) struct VersionCommand {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// In JSON, unknown values are null.
#[derive(Debug, Serialize)]
struct BuildInfo {
    version: &'static str,
    commit: Option<&'static str>,
    date: Option<String>,
    target: &'static str,
    catalogue: Option<&'static str>,
}

impl BuildInfo {
    fn this() -> Self {
        let is_set = |text: &&str| !text.is_empty();
        // The date of the newest catalogue.
        let all = [catalogue::crun(), catalogue::kind(), catalogue::kubectl(), catalogue::cni()];
        let collected = all.into_iter().flatten().map(|catalogue| catalogue.collected.as_str()).max();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: Some(env!("KIND_WSL_COMMIT")).filter(is_set),
            date: date(env!("KIND_WSL_DATE")),
            target: env!("KIND_WSL_TARGET"),
            catalogue: collected,
        }
    }
}

/// The day, in UTC, of a time in seconds since 1970.
fn date(seconds: &str) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds.parse().ok()?).ok()?;
    Some(time.to_string().split('T').next()?.to_owned())
}

impl VersionCommand {
    pub(crate) fn run(&self) -> Exit {
        let build = BuildInfo::this();
        if self.json {
            json_line(serde_json::json!(build));
            return Exit::Done;
        }
        out(&format!("kind-wsl {}", build.version));
        for (name, value) in [
            ("commit", build.commit.unwrap_or("unknown")),
            ("date", build.date.as_deref().unwrap_or("unknown")),
            ("target", build.target),
            ("catalogue", build.catalogue.unwrap_or("unknown")),
        ] {
            out(&columns(&[(name, 10, BOLD)], value, width()));
        }
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_is_the_day_in_utc() {
        assert_eq!(super::date("1795910400").as_deref(), Some("2026-11-29"));
        assert_eq!(super::date("86399").as_deref(), Some("1970-01-01"));
        assert_eq!(super::date(""), None);
        assert_eq!(super::date("yesterday"), None);
    }
}
