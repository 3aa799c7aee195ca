//! Checks the source of downloads before the first change.

use serde_json::{Value, json};

use crate::error::Failure;
use crate::fetch::catalogue::Arch;
use crate::fetch::{ChecksumSource, FetchError, Missing, missing_from, public_address};
use crate::plan::Plan;

/// Fails if the source cannot provide a file: it is not in the offline directory, or the URL of the mirror was not saved.
///
/// # Errors
/// Names every file, and how to get it.
pub(crate) fn check_downloads(plan: &Plan, arch: Option<Arch>) -> Result<(), Failure> {
    if plan.source.is_shortened() && plan.downloads().next().is_some() {
        let mirror = plan.source.mirror.as_deref().map(public_address).unwrap_or_default();
        let text = format!("the address of the mirror `{mirror}` is needed again: its path was not saved");
        return Err(Failure::usage(text, "run `kind-wsl setup --mirror URL` with the whole address"));
    }
    let Some(dir) = &plan.source.offline else { return Ok(()) };
    let missing = missing_from(dir, plan.downloads());
    if missing.is_empty() {
        return Ok(());
    }
    let cause = |m: &Missing<'_>| match &m.why {
        FetchError::NotInDirectory { file, .. } => format!("`{file}` ({}) is missing", m.artifact.name),
        why => why.to_string(),
    };
    let causes = missing.iter().map(cause).collect();
    let text = format!(
        "the offline directory `{dir}` cannot provide {} of {} files",
        missing.len(),
        plan.downloads().count()
    );
    let is_known = missing.iter().all(|m| m.artifact.checksum_source != ChecksumSource::User);
    let hint = if is_known { fill(plan, arch) } else { "put the files there under these names".to_owned() };
    Err(Failure { causes, ..Failure::new(text, Some(hint)) })
}

/// How to fill the directory if the checksum of every file is built in.
fn fill(plan: &Plan, arch: Option<Arch>) -> String {
    let crun = plan.downloads().find_map(|a| a.name.strip_prefix("crun "));
    let crun = crun.map_or_else(String::new, |version| format!(" {version}"));
    let arch = arch.map_or_else(String::new, |arch| format!(" --arch {arch}"));
    format!("on a machine with a network, `kind-wsl crun fetch{crun} --all{arch} --to DIR` fetches them")
}

/// The downloads of a plan, each with its actual source.
pub(crate) fn downloads(plan: &Plan) -> Vec<Value> {
    let entry = |artifact| {
        let mut value = json!(artifact);
        value["source"] = plan.source.location(artifact).into();
        value
    };
    plan.downloads().map(entry).collect()
}
