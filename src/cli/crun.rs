//! `kind-wsl crun`: the catalogue, and its files for machines without a network.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Global;
use super::fetch::Fetch;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::fetch::catalogue::{self, Arch, Fit, Release, crun_floor, fit};
use crate::stages::crun_floor_here;
use crate::ui::{BOLD, DIM, Detail, GREEN, YELLOW, columns, json_line, out, styled, width};
use crate::version::Version;

#[derive(Debug, Subcommand)]
pub(crate) enum CrunCommand {
    /// Show the versions: dates, which suit this machine, why not the others.
    List(List),
    /// Fill a directory for `setup --offline DIR` on another machine.
    Fetch(Fetch),
}

/// The flags of `crun list`.
#[derive(Debug, Args)]
#[command(
    after_help = "-v also shows each checksum; -q shows only the versions that this machine supports, one per line.\n\n\
                  Examples:\n  kind-wsl crun list\n  kind-wsl crun list -q | head -n 1   the newest supported version"
)]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CrunCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.run(global),
            Self::Fetch(fetch) => fetch.run(global),
        }
    }
}

impl List {
    fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let catalogue = catalogue::crun().map_err(|e| Failure::new(e.to_string(), None))?;
        let session = Session::local(global, None).ok();
        let facts = session.map(|s| s.facts());
        let arch = facts.as_ref().and_then(|f| f.arch).unwrap_or(Arch::Amd64);
        let floor = facts.as_ref().map_or_else(|| crun_floor(None, None).version.clone(), crun_floor_here);
        let recommended = catalogue.recommended(arch).map(|r| &r.version);
        if self.json {
            let rows: Vec<_> = catalogue.releases.iter().map(|r| row(r, arch, &floor, recommended)).collect();
            json_line(json!({ "arch": arch, "floor": floor, "versions": rows }));
            return Ok(Exit::Done);
        }
        let detail = global.detail();
        if detail == Detail::Brief {
            for release in catalogue.releases.iter().filter(|r| fit(r, arch, &floor) == Fit::Suits) {
                out(release.version.as_str());
            }
            return Ok(Exit::Done);
        }
        out(&columns(
            &[("version", 10, BOLD), ("date", 12, BOLD)],
            &styled(BOLD, &format!("on this {arch} machine, which needs {floor} or later")),
            width(),
        ));
        for release in &catalogue.releases {
            let (suits, why) = verdict(release, arch, &floor, recommended);
            let style = if suits { GREEN } else { YELLOW };
            let date = release.date.clone().unwrap_or_default();
            out(&columns(&[(release.version.as_str(), 10, style), (&date, 12, DIM)], &why, width()));
            if let Some(build) = release.builds.get(&arch).filter(|_| detail == Detail::Full) {
                out(&columns(&[("", 22, DIM)], &styled(DIM, &format!("sha256 {}", build.sha256)), None));
            }
        }
        Ok(Exit::Done)
    }
}

fn verdict(release: &Release, arch: Arch, floor: &Version, recommended: Option<&Version>) -> (bool, String) {
    match fit(release, arch, floor) {
        Fit::Suits => {
            let is_best = recommended == Some(&release.version);
            let sources = release.builds.get(&arch).map_or(0, catalogue::Build::independent);
            let attested = match sources {
                1 => "its checksum known from a single source".to_owned(),
                n => format!("its checksum in {n} independent sources"),
            };
            let note = release.notes.first().map_or_else(String::new, |n| format!("; {n}"));
            (true, format!("suits{}, {attested}{note}", if is_best { "; recommended" } else { "" }))
        }
        Fit::TooOld { floor } => (false, format!("too old: {floor} or later is needed here")),
        Fit::Regression { text, thread } => (false, format!("not offered: {text} ({thread})")),
        Fit::NoBuild(arch) => (false, format!("no checksum is known of a build for {arch}")),
    }
}

fn row(release: &Release, arch: Arch, floor: &Version, recommended: Option<&Version>) -> serde_json::Value {
    let (suits, why) = verdict(release, arch, floor, recommended);
    let build = release.builds.get(&arch);
    let (sha256, sources) = (build.map(|b| &b.sha256), build.map(catalogue::Build::independent));
    json!({
        "version": release.version, "date": release.date, "suits": suits, "why": why, "sha256": sha256, "sources": sources
    })
}
