//! `kind-wsl crun`: lists the catalogue and downloads files for machines without a network.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Global;
use super::fetch::Fetch;
use super::session::Session;
use crate::error::{Exit, Failure};
use crate::fetch::catalogue::{self, Arch, Fit, Release, crun_floor, fit};
use crate::stages::crun::present;
use crate::stages::crun_floor_here;
use crate::ui::{self, DIM, Detail, GREEN, YELLOW, columns, json_line, out, styled, width};
use crate::version::Version;

#[derive(Debug, Subcommand)]
pub(crate) enum CrunCommand {
    /// Show the versions, and which of them this machine supports
    List(List),
    /// Fill a directory for `setup --offline` on another machine
    Fetch(Fetch),
}

/// The flags of `crun list`.
#[derive(Debug, Args)]
#[command(
    after_help = "-v also shows each checksum. -q shows only the supported versions, one per line.\n\n\
                  Examples:\n  kind-wsl crun list\n  kind-wsl crun list -q | head -n 1   the newest supported version"
)]
pub(crate) struct List {
    /// Show every version, including unsupported ones
    #[arg(long)]
    all: bool,
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
        out(&format!("crun for this machine ({arch}, needs {floor} or later)\n"));
        let few = catalogue.advised(arch, &floor);
        let shown = if self.all || few.is_empty() { catalogue.releases.iter().collect() } else { few };
        for release in &shown {
            let (suits, why) = verdict(release, arch, &floor, recommended);
            let style = if suits { GREEN } else { YELLOW };
            let date = release.date.clone().unwrap_or_default();
            let cells = [("  ", 2, DIM), (release.version.as_str(), 9, style), (&date, 12, DIM)];
            out(&columns(&cells, &why, width()));
            if let Some(build) = release.builds.get(&arch).filter(|_| detail == Detail::Full) {
                out(&columns(&[("", 4, DIM)], &styled(DIM, &format!("sha256 {}", build.sha256)), None));
            }
        }
        if let Some(present) = facts.as_ref().and_then(present) {
            let (style, why) = if present < floor { (YELLOW, "too old") } else { (GREEN, "supported") };
            let what = format!("{} from the distribution: {why}", present.release());
            out(&columns(&[("  ", 2, DIM), ("keep", 9, style), ("", 12, DIM)], &what, width()));
        }
        let others = catalogue.releases.len() - shown.len();
        out("");
        let more = format!("{others} more");
        let mut rows = vec![("Use one", "`kind-wsl setup --only crun --crun-version VERSION`")];
        rows.extend((others > 0).then_some((more.as_str(), "`kind-wsl crun list --all`")));
        out(&ui::rows(2, &rows));
        Ok(Exit::Done)
    }
}

fn verdict(release: &Release, arch: Arch, floor: &Version, recommended: Option<&Version>) -> (bool, String) {
    match fit(release, arch, floor) {
        Fit::Suits => (true, release.advice(arch, recommended == Some(&release.version))),
        Fit::TooOld { floor } => (false, format!("too old: need {floor} or later")),
        Fit::Regression { text, thread } => (false, format!("not offered: {text} ({thread})")),
        Fit::NoBuild(arch) => (false, format!("no known checksum for {arch}")),
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
